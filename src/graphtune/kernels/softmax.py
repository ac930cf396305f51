"""Cross-entropy of softmax with its gradient, which takes the place of the scores: a row is read while it is in cache.

Axes: B rows, N scores a row.
"""

import math

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from graphtune.kernels.largest import largest
from graphtune.kernels.parallel import in_blocks

ROWS_A_BLOCK = 8
_LOG2_E = np.float32(1.0 / math.log(2.0))
_LOWEST = np.float32(-126.0)
_HALF = np.float32(0.5)
_C = tuple(map(np.float32, (1.0, 0.6931469776, 0.2402224209, 0.0555073374, 0.0096715127, 0.0013264727)))
"""Of the polynomial of degree 5 that is 1 at 0 and nearest to 2^r for |r| <= 1/2: off by 9e-08 of it."""


@intrinsic
def _as_float(typing_context, bits):
    """The float32 of these 32 bits."""
    if bits != types.int32:
        return None

    def emit(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], ir.FloatType())

    return types.float32(types.int32), emit


@njit(nogil=True, fastmath=True, inline="always")
def exp(x):
    """e^x of a float32 x <= 0, to 2e-7 of it near 0, 4e-6 near -87, and 1e-38 below.

    Without a call, so that loops become vector code.
    """
    t = max(x * _LOG2_E, _LOWEST)
    whole = np.int32(t - _HALF)  # cut towards 0, that is to the nearest for t <= 0
    r = t - np.float32(whole)
    p = _C[5] * r + _C[4]
    p = p * r + _C[3]
    p = p * r + _C[2]
    p = p * r + _C[1]
    p = p * r + _C[0]
    power = np.int32((whole + np.int32(127)) << np.int32(23))
    return p * _as_float(power)  # type: ignore[call-arg]


@njit(cache=True, nogil=True, fastmath=True)
def _one_vs_all(begin, end, scores, target, smoothing, loss):
    n = scores.shape[1]
    each = np.float32(smoothing / n)
    for b in range(begin, end):
        row = scores[b]
        top = largest(row)
        right, everything, total = row[target[b]] - top, np.float32(0.0), np.float32(0.0)
        for j in range(n):
            everything += row[j] - top
            row[j] = exp(row[j] - top)
            total += row[j]
        scale = np.float32(1.0) / total
        for j in range(n):
            row[j] = row[j] * scale - each
        row[target[b]] -= np.float32(1.0) - smoothing
        loss[b] = math.log(total) - (np.float32(1.0) - smoothing) * right - each * everything


@njit(cache=True, nogil=True, fastmath=True)
def _sampled(begin, end, scores, positive, negative, target, loss, share):
    n = scores.shape[1]
    for b in range(begin, end):
        row, own = scores[b], target[b]
        top = positive[b]
        for j in range(n):
            top = max(top, row[j] if negative[j] != own else top)
        total = np.float32(0.0)
        for j in range(n):
            row[j] = exp(row[j] - top) if negative[j] != own else np.float32(0.0)
            total += row[j]
        right = exp(positive[b] - top)
        scale = np.float32(1.0) / (total + right)
        for j in range(n):
            row[j] *= scale
        share[b] = right * scale
        loss[b] = math.log(total + right) - (positive[b] - top)


def one_vs_all(scores: np.ndarray, target: np.ndarray, smoothing: float) -> np.ndarray:
    """The cross-entropy of each row with its target, whose weight is 1 - s with s / N on each score.

    Args:
        scores: [B, N] float32; takes the gradient of the losses, softmax - weights.
        target: [B] int64 columns.
        smoothing: s.

    Returns:
        [B] float32 losses.
    """
    loss = np.empty(len(scores), np.float32)
    in_blocks(_one_vs_all, len(scores), scores, target, np.float32(smoothing), loss, block=ROWS_A_BLOCK)
    return loss


def sampled(
    scores: np.ndarray, positive: np.ndarray, negative: np.ndarray, target: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """-log of the share of exp(positive) among it and the exponents of its row, in which target's is left out.

    Args:
        scores: [B, N] float32 of the negatives; takes the gradient of the losses, their shares.
        positive: [B] float32 scores.
        negative: [N] int64 nodes; target: [B] int64 nodes.

    Returns:
        [B] float32 losses and shares of the positive.
    """
    loss, share = np.empty(len(scores), np.float32), np.empty(len(scores), np.float32)
    in_blocks(_sampled, len(scores), scores, positive, negative, target, loss, share, block=ROWS_A_BLOCK)
    return loss, share
