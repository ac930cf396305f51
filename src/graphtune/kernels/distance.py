"""Distances of every query to every key with their gradients, without an [n, m, D] array in between.

Axes: n queries, m keys, D dim. Rows hold D reals, or D/2 real parts and then D/2 imaginary ones.
"""

import math

import numpy as np
from numba import njit

from graphtune.kernels.parallel import in_blocks

QUERIES_A_BLOCK = 16
KEYS_A_TILE = 32  # that stay in the cache while all queries of a block meet them
_TINY = np.float32(1e-12)


@njit(cache=True, nogil=True)
def _four_of(four, keys):
    """Four keys from `four` on, the last four where fewer are left, one of them again where there are fewer at all.

    So every pair is summed by the same instructions, and equal keys are equally far.
    """
    j = max(0, min(four, keys - 4))
    last = keys - 1
    return j, min(j + 1, last), min(j + 2, last), min(j + 3, last)


@njit(cache=True, nogil=True, fastmath=True)
def _taxicab(begin, end, query, key, out):
    keys = key.shape[0]
    for tile in range(0, keys, KEYS_A_TILE):
        for i in range(begin, end):
            for four in range(tile, min(tile + KEYS_A_TILE, keys), 4):
                j, k, l, m = _four_of(four, keys)
                a = b = c = e = np.float32(0.0)
                for d in range(query.shape[1]):
                    x = query[i, d]
                    a += abs(x - key[j, d])
                    b += abs(x - key[k, d])
                    c += abs(x - key[l, d])
                    e += abs(x - key[m, d])
                out[i, j], out[i, k], out[i, l], out[i, m] = a, b, c, e


@njit(cache=True, nogil=True, fastmath=True)
def _taxicab_gradient(begin, end, query, key, weight, out):
    for i in range(begin, end):
        out[i] = 0.0
        for j in range(key.shape[0]):
            w = weight[i, j]
            for d in range(query.shape[1]):
                step = query[i, d] - key[j, d]
                out[i, d] += w * (np.float32(step > 0) - np.float32(step < 0))


@njit(cache=True, nogil=True, fastmath=True)
def _modulus(begin, end, query, key, out):
    keys, half = key.shape[0], query.shape[1] // 2
    for tile in range(0, keys, KEYS_A_TILE):
        for i in range(begin, end):
            for four in range(tile, min(tile + KEYS_A_TILE, keys), 4):
                j, k, l, m = _four_of(four, keys)
                a = b = c = e = np.float32(0.0)
                for d in range(half):
                    x, y = query[i, d], query[i, half + d]
                    a += math.sqrt((x - key[j, d]) ** 2 + (y - key[j, half + d]) ** 2)
                    b += math.sqrt((x - key[k, d]) ** 2 + (y - key[k, half + d]) ** 2)
                    c += math.sqrt((x - key[l, d]) ** 2 + (y - key[l, half + d]) ** 2)
                    e += math.sqrt((x - key[m, d]) ** 2 + (y - key[m, half + d]) ** 2)
                out[i, j], out[i, k], out[i, l], out[i, m] = a, b, c, e


@njit(cache=True, nogil=True, fastmath=True)
def _modulus_gradient(begin, end, query, key, weight, out):
    half = query.shape[1] // 2
    for i in range(begin, end):
        out[i] = 0.0
        for j in range(key.shape[0]):
            w = weight[i, j]
            for d in range(half):
                real = query[i, d] - key[j, d]
                imaginary = query[i, half + d] - key[j, half + d]
                scale = w / math.sqrt(real * real + imaginary * imaginary + _TINY)
                out[i, d] += scale * real
                out[i, half + d] += scale * imaginary


def taxicab(query: np.ndarray, key: np.ndarray, out: np.ndarray) -> None:
    """out[i, j] = sum_d |query[i, d] - key[j, d]|; query [n, D], key [m, D], out [n, m] float32."""
    in_blocks(_taxicab, len(query), query, key, out, block=QUERIES_A_BLOCK)


def taxicab_gradient(query: np.ndarray, key: np.ndarray, weight: np.ndarray, out: np.ndarray) -> None:
    """out[i] = sum_j weight[i, j] * sign(query[i] - key[j]): the gradient with respect to the queries."""
    in_blocks(_taxicab_gradient, len(query), query, key, weight, out, block=QUERIES_A_BLOCK)


def modulus(query: np.ndarray, key: np.ndarray, out: np.ndarray) -> None:
    """out[i, j] = sum_d |query[i, d] - key[j, d]| over complex numbers; query [n, D], key [m, D], out [n, m]."""
    in_blocks(_modulus, len(query), query, key, out, block=QUERIES_A_BLOCK)


def modulus_gradient(query: np.ndarray, key: np.ndarray, weight: np.ndarray, out: np.ndarray) -> None:
    """out[i] = sum_j weight[i, j] * (query[i] - key[j]) / |query[i] - key[j]|, coordinate by coordinate."""
    in_blocks(_modulus_gradient, len(query), query, key, weight, out, block=QUERIES_A_BLOCK)
