"""Moduli of complex rows and sums of cubes with their gradients, each in one pass. n rows, D dim."""

import numpy as np
from numba import njit

TINY = np.float32(1e-30)
_THREE = np.float32(3.0)


@njit(cache=True, nogil=True, fastmath=True)
def modulus(rows, out):
    """|a + ib| of rows [n, D] that hold D/2 real parts, then D/2 imaginary ones, into out [n, D / 2]."""
    half = out.shape[1]
    for i in range(len(rows)):
        real, imaginary, to = rows[i, :half], rows[i, half:], out[i]
        for d in range(half):
            to[d] = np.sqrt(real[d] * real[d] + imaginary[d] * imaginary[d] + TINY)


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def modulus_gradient(rows, found, gradient, out):
    """The gradient by rows, into out [n, D], of what has `gradient` [n, D / 2] by the moduli `found`."""
    half = found.shape[1]
    for i in range(len(rows)):
        real, imaginary, size, g = rows[i, :half], rows[i, half:], found[i], gradient[i]
        by_real, by_imaginary = out[i, :half], out[i, half:]
        for d in range(half):
            unit = g[d] / size[d]
            by_real[d] = unit * real[d]
            by_imaginary[d] = unit * imaginary[d]


@njit(cache=True, nogil=True, fastmath=True)
def cubes(rows, out):
    """sum_d |z_d|^3 of each row, into out [n]."""
    for i in range(len(rows)):
        row, total = rows[i], np.float32(0.0)
        for d in range(len(row)):
            total += abs(row[d]) * row[d] * row[d]
        out[i] = total


@njit(cache=True, nogil=True, fastmath=True)
def cubes_gradient(rows, gradient, out):
    """3 |z| z times the gradient [n] of each row's sum, into out [n, D]."""
    for i in range(len(rows)):
        row, to, weight = rows[i], out[i], _THREE * gradient[i]
        for d in range(len(row)):
            to[d] = weight * abs(row[d]) * row[d]
