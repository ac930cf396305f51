"""Walker's alias method (Vose, 1991): draws from a discrete distribution in constant time."""

import numpy as np
from numba import njit

from graphtune.kernels.parallel import in_blocks
from graphtune.kernels.random import advance, stream, uniform


@njit(cache=True, nogil=True)
def _fill(weight, begin, end, accept, other):
    n = end - begin
    total = 0.0
    for i in range(begin, end):
        total += weight[i]
    small = np.empty(n, np.int64)
    large = np.empty(n, np.int64)
    num_small = num_large = 0
    scaled = np.empty(n)
    for i in range(n):
        scaled[i] = weight[begin + i] * n / total
        if scaled[i] < 1.0:
            small[num_small] = i
            num_small += 1
        else:
            large[num_large] = i
            num_large += 1
    while num_small > 0 and num_large > 0:
        num_small -= 1
        s = small[num_small]
        g = large[num_large - 1]
        accept[begin + s] = scaled[s]
        other[begin + s] = g
        scaled[g] -= 1.0 - scaled[s]
        if scaled[g] < 1.0:
            num_large -= 1
            small[num_small] = g
            num_small += 1
    for i in range(num_large):
        accept[begin + large[i]] = 1.0
        other[begin + large[i]] = large[i]
    for i in range(num_small):
        accept[begin + small[i]] = 1.0
        other[begin + small[i]] = small[i]


@njit(cache=True, nogil=True)
def _fill_rows(begin, end, indptr, weight, accept, other):
    for row in range(begin, end):
        if indptr[row + 1] > indptr[row]:
            _fill(weight, indptr[row], indptr[row + 1], accept, other)


@njit(cache=True, nogil=True)
def draw(accept, other, state):
    """A cell of an alias table by one number: its whole part picks a cell, its fraction keeps or leaves it."""
    x = uniform(state) * len(accept)
    cell = int(x)
    return cell if x - cell < accept[cell] else np.int64(other[cell])


@njit(cache=True, nogil=True)
def _draw(begin, end, accept, other, seed, out):
    for i in range(begin, end):
        out[i] = draw(accept, other, advance(stream(seed, i)))


def alias_rows(indptr: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """An alias table for each CSR row.

    Args:
        indptr: [R + 1] row bounds.
        weight: [M] positive weights.

    Returns:
        accept [M] float32, the chance to keep a cell, and other [M] int32, the cell (within its row) otherwise.
    """
    accept = np.empty(len(weight), dtype=np.float32)
    other = np.empty(len(weight), dtype=np.int32)
    arguments = indptr.astype(np.int64), weight.astype(np.float64), accept, other
    in_blocks(_fill_rows, len(indptr) - 1, *arguments, block=1 << 16)
    return accept, other


class Alias:
    """A distribution to draw from again and again.

    Args:
        weight: [M] non-negative weights with a positive sum.
    """

    def __init__(self, weight: np.ndarray):
        weight = np.asarray(weight, dtype=np.float64)
        if weight.ndim != 1 or not (weight >= 0).all() or not 0 < weight.sum() < np.inf:
            raise ValueError("`weight` of Alias must be non-negative and finite with a positive sum.")
        self.accept, self.other = alias_rows(np.array([0, len(weight)]), weight)

    def draw(self, n: int, seed: int) -> np.ndarray:
        """[n] int64 positions; the same for a seed whatever the number of threads."""
        out = np.empty(n, dtype=np.int64)
        in_blocks(_draw, n, self.accept, self.other, np.uint64(seed), out, block=1 << 14)
        return out
