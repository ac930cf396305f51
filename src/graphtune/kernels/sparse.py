"""Products of sparse rows with dense ones, and counts of what walks meet.

Axes: N nodes, M CSR entries, D dim.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from graphtune.kernels.parallel import in_blocks
from graphtune.kernels.random import advance, stream, uniform
from graphtune.kernels.walks import neighbour

ROWS_A_BLOCK = 256


@njit(cache=True, nogil=True)
def _product(begin, end, indptr, indices, values, dense, out):
    for row in range(begin, end):
        out[row] = np.float32(0.0)
        for at in range(indptr[row], indptr[row + 1]):
            value, other = values[at], indices[at]
            for column in range(dense.shape[1]):
                out[row, column] += value * dense[other, column]


def sparse_product(indptr: np.ndarray, indices: np.ndarray, values: np.ndarray, dense: np.ndarray) -> np.ndarray:
    """A @ dense for a CSR matrix A, on all threads; the same bits for any number of them.

    Args:
        indptr: [N + 1] int64; indices: [M] int32 columns; values: [M] float32.
        dense: [columns of A, D] float32, C order.

    Returns:
        [N, D] float32.
    """
    out = np.empty((len(indptr) - 1, dense.shape[1]), dtype=np.float32)
    in_blocks(_product, len(out), indptr, indices, values, dense, out, block=ROWS_A_BLOCK)
    return out


@njit(cache=True, nogil=True)
def add_at_rows(out, rows, values):
    """out[rows[i]] += values[i] for each i in turn; rows [n] of out [N, D] may be there several times."""
    for i in range(len(rows)):
        to, row = out[rows[i]], values[i]
        for d in range(len(row)):
            to[d] += row[d]


@njit(cache=True, nogil=True)
def _walk_counts(begin, end, indptr, indices, alias, walks, window, seed, sizes):
    """Rows begin..end-1 one behind the other: columns, counts; how many of each go to `sizes`."""
    room = 0
    for node in range(begin, end):
        room += min(len(sizes), (indptr[node + 1] - indptr[node]) * walks * window)
    columns, counts = np.empty(room, np.int32), np.empty(room, np.int32)
    seen = np.zeros(len(sizes), np.int32)
    filled = 0
    for node in range(begin, end):
        first, state = filled, stream(seed, node)
        for _ in range(walks * (indptr[node + 1] - indptr[node])):
            at = node
            for _ in range(window):
                if indptr[at] == indptr[at + 1]:
                    break
                state = advance(state)
                at = neighbour(indptr, indices, alias, at, uniform(state))
                if seen[at] == 0:
                    columns[filled] = at
                    filled += 1
                seen[at] += 1
        for i in range(first, filled):
            counts[i] = seen[columns[i]]
            seen[columns[i]] = 0
        sizes[node] = filled - first
    return columns[:filled].copy(), counts[:filled].copy()


def walk_counts(
    indptr: np.ndarray,
    indices: np.ndarray,
    alias: np.ndarray | None,
    walks: int,
    window: int,
    seed: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How often walks from each node visit each other within `window` steps.

    Args:
        indptr: [N + 1] int64 CSR bounds; indices: [M] neighbours.
        alias: [M] from `alias_rows`, or None for equal weights.
        walks: per neighbour of a node; walks from node u number `walks` times its neighbours.
        window: steps a walk.
        seed: of all generators; node u uses generator u.

    Returns:
        A CSR matrix of counts: bounds [N + 1] int64, columns int32 (in no order within a row), counts int32.
    """
    alias = np.empty(0, np.uint64) if alias is None else alias
    sizes = np.zeros(len(indptr) - 1, dtype=np.int64)
    block = max(ROWS_A_BLOCK, len(sizes) // 512)
    arguments = indptr, indices, alias, walks, window, np.uint64(seed), sizes
    parts = in_blocks(_walk_counts, len(sizes), *arguments, block=block)
    bounds = np.concatenate([[0], np.cumsum(sizes)])
    columns = np.concatenate([np.empty(0, np.int32), *(c for c, _ in parts)])
    return bounds, columns, np.concatenate([np.empty(0, np.int32), *(c for _, c in parts)])
