"""Distances of every query to every key with their gradients, without an [n, m, D] array in between.

Axes: n queries, m keys, D dim. Rows hold D reals, or D/2 real parts and then D/2 imaginary ones.
"""

import math

import numpy as np
from numba import njit

from graphtune.kernels.parallel import in_blocks

QUERIES_A_BLOCK = 16
_TINY = np.float32(1e-12)


@njit(cache=True, nogil=True, fastmath=True)
def _taxicab(begin, end, query, key, out):
    for i in range(begin, end):
        for j in range(key.shape[0]):
            total = np.float32(0.0)
            for d in range(query.shape[1]):
                total += abs(query[i, d] - key[j, d])
            out[i, j] = total


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
    half = query.shape[1] // 2
    for i in range(begin, end):
        for j in range(key.shape[0]):
            total = np.float32(0.0)
            for d in range(half):
                real = query[i, d] - key[j, d]
                imaginary = query[i, half + d] - key[j, half + d]
                total += math.sqrt(real * real + imaginary * imaginary)
            out[i, j] = total


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
