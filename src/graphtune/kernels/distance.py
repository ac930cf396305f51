"""Distances of every query to every key with their gradients, without an [n, m, D] array in between.

Axes: n queries, m keys, D dim. Rows hold D reals, or D/2 real parts and then D/2 imaginary ones.
"""

import math

import numpy as np
from numba import njit, prange

_TINY = np.float32(1e-12)


@njit(cache=True, parallel=True, fastmath=True)
def taxicab(query, key, out):
    """out[i, j] = sum_d |query[i, d] - key[j, d]|; query [n, D], key [m, D], out [n, m] float32."""
    for i in prange(query.shape[0]):
        for j in range(key.shape[0]):
            total = np.float32(0.0)
            for d in range(query.shape[1]):
                total += abs(query[i, d] - key[j, d])
            out[i, j] = total


@njit(cache=True, parallel=True, fastmath=True)
def taxicab_gradient(query, key, weight, out):
    """out[i] = sum_j weight[i, j] * sign(query[i] - key[j]): the gradient with respect to the queries."""
    for i in prange(query.shape[0]):
        out[i] = 0.0
        for j in range(key.shape[0]):
            w = weight[i, j]
            for d in range(query.shape[1]):
                step = query[i, d] - key[j, d]
                out[i, d] += w * (np.float32(step > 0) - np.float32(step < 0))


@njit(cache=True, parallel=True, fastmath=True)
def modulus(query, key, out):
    """out[i, j] = sum_d |query[i, d] - key[j, d]| over complex numbers; query [n, D], key [m, D], out [n, m]."""
    half = query.shape[1] // 2
    for i in prange(query.shape[0]):
        for j in range(key.shape[0]):
            total = np.float32(0.0)
            for d in range(half):
                real = query[i, d] - key[j, d]
                imaginary = query[i, half + d] - key[j, half + d]
                total += math.sqrt(real * real + imaginary * imaginary)
            out[i, j] = total


@njit(cache=True, parallel=True, fastmath=True)
def modulus_gradient(query, key, weight, out):
    """out[i] = sum_j weight[i, j] * (query[i] - key[j]) / |query[i] - key[j]|, coordinate by coordinate."""
    half = query.shape[1] // 2
    for i in prange(query.shape[0]):
        out[i] = 0.0
        for j in range(key.shape[0]):
            w = weight[i, j]
            for d in range(half):
                real = query[i, d] - key[j, d]
                imaginary = query[i, half + d] - key[j, half + d]
                scale = w / math.sqrt(real * real + imaginary * imaginary + _TINY)
                out[i, d] += scale * real
                out[i, half + d] += scale * imaginary
