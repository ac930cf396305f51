"""Walker's alias method (Vose, 1991): draws from a discrete distribution in constant time.

An entry of a table is one number of 64 bits, so that a draw reads memory at one place: above stands how many of 2^32
heights keep the cell, below the cell that has the others.
"""

import numpy as np
from numba import njit

from graphtune.kernels.parallel import in_blocks
from graphtune.kernels.random import advance, mix, scaled, stream

HEIGHTS = 2.0**32
DRAWS_A_BLOCK = 1 << 14
_HALF, _LOW = np.uint64(32), np.uint64(0xFFFFFFFF)


@njit(cache=True, nogil=True)
def _entry(accept, other):
    """`accept` may leave [0, 1] by what rounding adds up to."""
    kept = np.uint64(min(max(accept * HEIGHTS, 0.0), HEIGHTS - 1))
    return kept << _HALF | np.uint64(other)


@njit(cache=True, nogil=True)
def _fill(weight, begin, end, table):
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
        table[begin + s] = _entry(scaled[s], g)
        scaled[g] -= 1.0 - scaled[s]
        if scaled[g] < 1.0:
            num_large -= 1
            small[num_small] = g
            num_small += 1
    for i in range(num_large):
        table[begin + large[i]] = _entry(1.0, large[i])
    for i in range(num_small):
        table[begin + small[i]] = _entry(1.0, small[i])


@njit(cache=True, nogil=True)
def _fill_rows(begin, end, indptr, weight, table):
    for row in range(begin, end):
        if indptr[row + 1] > indptr[row]:
            _fill(weight, indptr[row], indptr[row + 1], table)


@njit(cache=True, nogil=True)
def kept_or_other(entry, cell, height):
    """`cell` where its entry keeps it at this height, in 0..2^32 - 1; else the entry's other cell."""
    return np.int64(cell) if np.uint64(height) < entry >> _HALF else np.int64(entry & _LOW)


@njit(cache=True, nogil=True)
def draw(table, state):
    """A cell by one number, whose place in the table has the cell as its whole part and the height as its fraction."""
    cell, height = scaled(mix(state), len(table))
    return kept_or_other(table[cell], cell, height)


@njit(cache=True, nogil=True)
def _draw(begin, end, table, seed, out):
    state = stream(seed, begin)
    for i in range(begin, end):
        state = advance(state)
        out[i] = draw(table, state)


def alias_rows(indptr: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """An alias table for each CSR row of fewer than 2^32 entries.

    Args:
        indptr: [R + 1] row bounds.
        weight: [M] positive weights.

    Returns:
        [M] uint64; cells count from the start of their row.
    """
    table = np.empty(len(weight), dtype=np.uint64)
    arguments = indptr.astype(np.int64), weight.astype(np.float64), table
    in_blocks(_fill_rows, len(indptr) - 1, *arguments, block=1 << 16)
    return table


class Alias:
    """A distribution to draw from again and again.

    Args:
        weight: [M] non-negative weights with a positive sum.
    """

    def __init__(self, weight: np.ndarray):
        weight = np.asarray(weight, dtype=np.float64)
        if weight.ndim != 1 or not (weight >= 0).all() or not 0 < weight.sum() < np.inf:
            raise ValueError("`weight` of Alias must be non-negative and finite with a positive sum.")
        self.table = alias_rows(np.array([0, len(weight)]), weight)

    def draw(self, n: int, seed: int) -> np.ndarray:
        """[n] int64 positions; the same for a seed whatever the number of threads."""
        out = np.empty(n, dtype=np.int64)
        in_blocks(_draw, n, self.table, np.uint64(seed), out, block=DRAWS_A_BLOCK)
        return out
