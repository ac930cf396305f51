"""Noise on rows, as contrastive views of embeddings have it. N rows, D dim."""

from __future__ import annotations

import numpy as np
from numba import njit

from graphtune.kernels.parallel import in_blocks

ROWS_A_BLOCK = 1024
GOLDEN, FIRST, SECOND = (
    0x9E3779B97F4A7C15,
    0xBF58476D1CE4E5B9,
    0x94D049BB133111EB,
)  # of splitmix64 (Steele et al., 2014)


def perturbed(rows: np.ndarray, length: float, seed: int) -> np.ndarray:
    """[N, D] float32: to each row is added a vector of `length` in the orthant of the row, of a uniform direction in
    [0, 1)^D (SimGCL: Yu et al., 2022, equation 7). A function of the seed and the place of each number alone.

    Args:
        rows: [N, D] float32, C-contiguous.
        length: of what is added.
        seed: at least 0.
    """
    out = np.empty_like(rows)
    in_blocks(_perturb, len(rows), rows, np.float32(length), np.uint64(seed % (1 << 63)), out, block=ROWS_A_BLOCK)
    return out


@njit(cache=True, nogil=True)
def _perturb(begin, end, rows, length, seed, out):  # type: ignore[no-untyped-def]
    dim = rows.shape[1]
    for i in range(begin, end):
        squares = np.float32(0)
        state = _mixed(_mixed(seed) + np.uint64(i))
        for j in range(dim):
            drawn = np.float32(_mixed(state + np.uint64(j)) >> np.uint64(40)) * np.float32(2.0**-24)
            out[i, j] = drawn
            squares += drawn * drawn
        scale = length / max(np.sqrt(squares), np.float32(1e-12))
        for j in range(dim):
            value = rows[i, j]
            sign = np.float32(value > 0) - np.float32(value < 0)
            out[i, j] = value + sign * scale * out[i, j]


@njit(cache=True, nogil=True, inline="always")
def _mixed(x):  # type: ignore[no-untyped-def]
    x = x + np.uint64(GOLDEN)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(FIRST)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(SECOND)
    return x ^ (x >> np.uint64(31))
