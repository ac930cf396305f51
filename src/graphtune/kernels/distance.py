"""Distances of every query to every key with their gradients, without an [n, m, D] array in between.

Keys come as columns, so that the innermost loop runs over keys that are neighbours in memory: it adds a coordinate of
a vector of distances at a time, whatever D is, and sums nothing within a vector.

Axes: n queries, m keys, D dim. Rows hold D reals, or D/2 real parts and then D/2 imaginary ones.
"""

import math

import numpy as np
from numba import njit

from graphtune.kernels.parallel import in_blocks

QUERIES_A_BLOCK = 64
QUERIES_A_SUM = 256
"""Queries whose gradients by keys are one sum; the sums are added in order, so threads change no bit."""
_COLUMNS, _ROWS, _DIMS = 512, 16, 8  # of a tile, which stays in the nearest cache
_TINY, _HUGE = np.float32(1e-12), np.float32(3e38)
_ZERO, _ONE = np.float32(0.0), np.float32(1.0)


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _add_taxicab(query, columns, left, right, first, last, total):
    """Add coordinates first..last-1 of the distances to keys left..right-1, four in a pass over `total`."""
    d = first
    while d + 4 <= last:
        a, b, c, e = query[d], query[d + 1], query[d + 2], query[d + 3]
        p, q = columns[d, left:right], columns[d + 1, left:right]
        r, s = columns[d + 2, left:right], columns[d + 3, left:right]
        for j in range(len(total)):
            total[j] += abs(a - p[j]) + abs(b - q[j]) + (abs(c - r[j]) + abs(e - s[j]))
        d += 4
    for rest in range(d, last):
        a, p = query[rest], columns[rest, left:right]
        for j in range(len(total)):
            total[j] += abs(a - p[j])


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _add_squares(query, columns, left, right, first, last, total):
    for d in range(first, last):
        a, p = query[d], columns[d, left:right]
        for j in range(len(total)):
            step = a - p[j]
            total[j] += step * step


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _add_modulus(query, columns, left, right, first, last, total):
    half = len(query) // 2
    for d in range(first, last):
        a, p = query[d], columns[d, left:right]
        b, q = query[half + d], columns[half + d, left:right]
        for j in range(len(total)):
            real, imaginary = a - p[j], b - q[j]
            total[j] += math.sqrt(real * real + imaginary * imaginary)


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _taxicab(begin, end, query, columns, out):
    dim, m = columns.shape
    out[begin:end] = _ZERO
    for left in range(0, m, _COLUMNS):
        right = min(m, left + _COLUMNS)
        for first in range(0, dim, _DIMS):
            for i in range(begin, end):
                last = min(dim, first + _DIMS)
                _add_taxicab(query[i], columns, left, right, first, last, out[i, left:right])


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _euclid(begin, end, query, columns, out):
    dim, m = columns.shape
    out[begin:end] = _ZERO
    for left in range(0, m, _COLUMNS):
        right = min(m, left + _COLUMNS)
        for first in range(0, dim, _DIMS):
            for i in range(begin, end):
                last = min(dim, first + _DIMS)
                _add_squares(query[i], columns, left, right, first, last, out[i, left:right])
    for i in range(begin, end):
        for j in range(m):
            out[i, j] = math.sqrt(out[i, j])


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _modulus(begin, end, query, columns, out):
    half, m = columns.shape[0] // 2, columns.shape[1]
    out[begin:end] = _ZERO
    for left in range(0, m, _COLUMNS):
        right = min(m, left + _COLUMNS)
        for first in range(0, half, _DIMS // 2):
            for i in range(begin, end):
                last = min(half, first + _DIMS // 2)
                _add_modulus(query[i], columns, left, right, first, last, out[i, left:right])


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _taxicab_gradient(begin, end, query, columns, weight, by_query):
    dim, m = columns.shape
    by_columns = np.zeros((dim, m), np.float32)
    by_query[begin:end] = _ZERO
    for left in range(0, m, _COLUMNS):
        right = min(m, left + _COLUMNS)
        for top in range(begin, end, _ROWS):
            for d in range(dim):
                key, by_key = columns[d, left:right], by_columns[d, left:right]
                for i in range(top, min(end, top + _ROWS)):
                    x, own, total = query[i, d], weight[i, left:right], _ZERO
                    for j in range(len(key)):
                        sign = min(max((x - key[j]) * _HUGE, -_ONE), _ONE)  # two operations fewer than comparing
                        total += own[j] * sign
                        by_key[j] -= own[j] * sign
                    by_query[i, d] += total
    return by_columns


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _modulus_gradient(begin, end, query, columns, weight, by_query):
    half, m = columns.shape[0] // 2, columns.shape[1]
    by_columns = np.zeros((2 * half, m), np.float32)
    by_query[begin:end] = _ZERO
    for left in range(0, m, _COLUMNS):
        right = min(m, left + _COLUMNS)
        for top in range(begin, end, _ROWS):
            for d in range(half):
                p, by_p = columns[d, left:right], by_columns[d, left:right]
                q, by_q = columns[half + d, left:right], by_columns[half + d, left:right]
                for i in range(top, min(end, top + _ROWS)):
                    a, b, own = query[i, d], query[i, half + d], weight[i, left:right]
                    by_a, by_b = _ZERO, _ZERO
                    for j in range(len(p)):
                        real, imaginary = a - p[j], b - q[j]
                        scale = own[j] / math.sqrt(real * real + imaginary * imaginary + _TINY)
                        by_a += scale * real
                        by_b += scale * imaginary
                        by_p[j] -= scale * real
                        by_q[j] -= scale * imaginary
                    by_query[i, d] += by_a
                    by_query[i, half + d] += by_b
    return by_columns


def taxicab(query: np.ndarray, columns: np.ndarray, out: np.ndarray) -> None:
    """out[i, j] = sum_d |query[i, d] - columns[d, j]|; query [n, D], columns [D, m], out [n, m], all float32."""
    in_blocks(_taxicab, len(query), query, columns, out, block=QUERIES_A_BLOCK)


def euclid(query: np.ndarray, columns: np.ndarray, out: np.ndarray) -> None:
    """out[i, j] = the root of sum_d (query[i, d] - columns[d, j])^2; arrays as in `taxicab`."""
    in_blocks(_euclid, len(query), query, columns, out, block=QUERIES_A_BLOCK)


def modulus(query: np.ndarray, columns: np.ndarray, out: np.ndarray) -> None:
    """out[i, j] = sum_d |query[i, d] - columns[d, j]| over complex numbers; arrays as in `taxicab`."""
    in_blocks(_modulus, len(query), query, columns, out, block=QUERIES_A_BLOCK)


def taxicab_gradient(query: np.ndarray, columns: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gradients of sum_ij weight[i, j] * distance[i, j] by queries, [n, D], and by columns, [D, m]; of |0| it is 0."""
    return _both(_taxicab_gradient, query, columns, weight)


def modulus_gradient(query: np.ndarray, columns: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As `taxicab_gradient`, for `modulus`."""
    return _both(_modulus_gradient, query, columns, weight)


def _both(kernel, query, columns, weight):
    by_query = np.empty_like(query)
    sums = in_blocks(kernel, len(query), query, columns, weight, by_query, block=QUERIES_A_SUM)
    return by_query, sum(sums[1:], start=sums[0]) if sums else np.zeros_like(columns)
