"""Self-adversarial negative sampling with its gradient: a row of scores is read while it is in cache.

Axes: B examples, K negatives.
"""

import math

import numpy as np
from numba import njit

from graphtune.kernels.parallel import in_blocks
from graphtune.kernels.softmax import exp

ROWS_A_BLOCK = 64
_ZERO, _ONE, _TWO = np.float32(0.0), np.float32(1.0), np.float32(2.0)
_LOWEST = np.float32(-3e38)
_A = tuple(np.float32(2 / (2 * k + 1)) for k in range(6))


@njit(nogil=True, fastmath=True, inline="always")
def _log_of_one_and(z):
    """log(1 + z) of 0 <= z <= 1 to 1e-7: twice the area tangent of z / (2 + z), which is 1/3 at most, to its eleventh
    power."""
    u = z / (_TWO + z)
    s = u * u
    p = _A[5]
    p = p * s + _A[4]
    p = p * s + _A[3]
    p = p * s + _A[2]
    p = p * s + _A[1]
    p = p * s + _A[0]
    return p * u


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _adversarial(begin, end, scores, positive, hidden, margin, temperature, loss, by_score, by_positive):
    for b in range(begin, end):
        row, out, off = scores[b], by_score[b], hidden[b]
        top = _LOWEST
        for j in range(len(row)):
            top = max(top, _LOWEST if off[j] else temperature * row[j])
        total, wrong = _ZERO, _ZERO
        for j in range(len(row)):
            share = _ZERO if off[j] else exp(min(temperature * row[j] - top, _ZERO))
            x = margin + row[j]
            z = exp(-abs(x))
            total += share
            wrong += share * (max(x, _ZERO) + _log_of_one_and(z))
            out[j] = share * (_ONE if x > _ZERO else z) / (_ONE + z)
        scale = np.float32(0.5) / max(total, _ONE)  # the hardest counts 1; of no negatives the sum is 0
        for j in range(len(row)):
            out[j] *= scale
        x = margin + positive[b]
        z = np.float32(math.exp(-abs(x)))
        loss[b] = np.float32(0.5) * (max(-x, _ZERO) + np.float32(math.log1p(z))) + scale * wrong
        by_positive[b] = np.float32(-0.5) * (z if x > _ZERO else _ONE) / (_ONE + z)


def adversarial(
    scores: np.ndarray, positive: np.ndarray, hidden: np.ndarray, margin: float, temperature: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(softplus(-margin - p) + sum_j w_j softplus(margin + s_j)) / 2, w = softmax(temperature * s) without gradient.

    Args:
        scores: [B, K] float32 s of the negatives; positive: [B] float32 p.
        hidden: [B, K] bool, the negatives with w = 0.
        margin, temperature: of the loss.

    Returns:
        [B] losses, their gradients by score [B, K] and by positive [B], all float32.
    """
    loss, by_positive, by_score = np.empty_like(positive), np.empty_like(positive), np.empty_like(scores)
    scalars = np.float32(margin), np.float32(temperature)
    arguments = scores, positive, hidden, *scalars, loss, by_score, by_positive
    in_blocks(_adversarial, len(scores), *arguments, block=ROWS_A_BLOCK)
    return loss, by_score, by_positive
