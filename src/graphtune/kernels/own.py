"""Scores of queries with keys of their own and their gradients, each key read where it lies: no array [B, K, D].

Axes: B queries, K keys a query, U different keys, D dim.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from graphtune.kernels.optimizers import touched
from graphtune.kernels.parallel import in_blocks

PRODUCT, TAXICAB, EUCLID, MODULUS = range(4)
"""What a score is: x . y, or the distances of `kernels.distance`."""
ROWS_A_BLOCK = 64
_TINY, _HUGE = np.float32(1e-12), np.float32(3e38)
_ZERO, _ONE = np.float32(0.0), np.float32(1.0)


class Own(NamedTuple):
    """Which keys are whose.

    Attributes:
        nodes: [U] int64, ascending.
        place: [B, K] int64, where the keys of each query stand among them.
        starts: [U + 1] int64: key u is at the places order[starts[u]:starts[u + 1]] of [B * K].
        order: [B * K] int64.
    """

    nodes: np.ndarray
    place: np.ndarray
    starts: np.ndarray
    order: np.ndarray

    @classmethod
    def of(cls, nodes: np.ndarray) -> "Own":
        """Of [B, K] int64 nodes."""
        found = touched(nodes.ravel())
        place = np.empty(nodes.size, np.int64)
        place[found.order] = np.repeat(np.arange(len(found.rows)), np.diff(found.starts))
        return cls(found.rows, place.reshape(nodes.shape), found.starts, found.order)


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _score(kind, x, y):
    total, half = _ZERO, len(x) // 2
    if kind == PRODUCT:
        for d in range(len(x)):
            total += x[d] * y[d]
    elif kind == TAXICAB:
        for d in range(len(x)):
            total += abs(x[d] - y[d])
    elif kind == EUCLID:
        for d in range(len(x)):
            total += (x[d] - y[d]) * (x[d] - y[d])
        total = np.float32(math.sqrt(total))
    else:
        (a, b), (p, q) = (x[:half], x[half:]), (y[:half], y[half:])
        for d in range(half):
            real, imaginary = a[d] - p[d], b[d] - q[d]
            total += math.sqrt(real * real + imaginary * imaginary)
    return total


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _pull(kind, x, y, weight, out):
    """Add weight * (gradient of the score of x and y by x) to `out`; of "euclid", weight * distance * gradient."""
    half = len(x) // 2
    if kind == PRODUCT:
        for d in range(len(x)):
            out[d] += weight * y[d]
    elif kind == TAXICAB:
        for d in range(len(x)):
            out[d] += weight * min(max((x[d] - y[d]) * _HUGE, -_ONE), _ONE)
    elif kind == EUCLID:
        for d in range(len(x)):
            out[d] += weight * (x[d] - y[d])
    else:
        (a, b), (p, q), (by_a, by_b) = (x[:half], x[half:]), (y[:half], y[half:]), (out[:half], out[half:])
        for d in range(half):
            real, imaginary = a[d] - p[d], b[d] - q[d]
            scale = weight / math.sqrt(real * real + imaginary * imaginary + _TINY)
            by_a[d] += scale * real
            by_b[d] += scale * imaginary


@njit(cache=True, nogil=True, error_model="numpy")
def _scores(begin, end, kind, query, key, place, out):
    for b in range(begin, end):
        for k in range(place.shape[1]):
            out[b, k] = _score(kind, query[b], key[place[b, k]])


@njit(cache=True, nogil=True, error_model="numpy")
def _pulls(begin, end, kind, rows, others, starts, other, at, weight, out):
    """Row i meets rows other[j] of `others`, with weight[at[j]], for j in starts[i]:starts[i + 1]."""
    for i in range(begin, end):
        out[i] = _ZERO
        for j in range(starts[i], starts[i + 1]):
            _pull(kind, rows[i], others[other[j]], weight[at[j]], out[i])


def own_scores(kind: int, query: np.ndarray, key: np.ndarray, own: Own) -> np.ndarray:
    """[B, K] float32: scores of `query` [B, D] with the rows of `key` [U, D] that `own` names."""
    out = np.empty(own.place.shape, np.float32)
    in_blocks(_scores, len(query), kind, query, key, own.place, out, block=ROWS_A_BLOCK)
    return out


def own_gradient(
    kind: int, query: np.ndarray, key: np.ndarray, own: Own, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Gradients of sum_bk weight[b, k] * score[b, k] by `query` and by `key`; weights are over the distance already for
    "euclid". A row has one owner, who adds up in order, so threads change no bit."""
    count, weight = own.place.shape[1], weight.ravel()
    by_query, by_key = np.empty_like(query), np.empty_like(key)
    of_query = np.arange(len(query) + 1) * count, own.place.ravel(), np.arange(len(weight))
    of_key = own.starts, own.order // count, own.order
    in_blocks(_pulls, len(query), kind, query, key, *of_query, weight, by_query, block=ROWS_A_BLOCK)
    in_blocks(_pulls, len(key), kind, key, query, *of_key, weight, by_key, block=ROWS_A_BLOCK)
    return by_query, by_key
