"""Rows for nodes that have none, from those of their neighbours, in rounds outwards.

Axes: N nodes, M CSR entries, D dim.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def _order(indptr, indices, rounds, queue, count):
    """Breadth first from the `count` nodes at the head of `queue`: fills in `rounds` and `queue`. Returns how many."""
    head = 0
    while head < count:
        node = queue[head]
        head += 1
        for entry in range(indptr[node], indptr[node + 1]):
            other = indices[entry]
            if rounds[other] < 0:
                rounds[other] = rounds[node] + 1
                queue[count] = other
                count += 1
    return count


@njit(cache=True, nogil=True)
def _means(indptr, indices, rounds, nodes, table):
    """The row of each of `nodes`, in order of their rounds: the mean over its neighbours of the round before."""
    total = np.empty(table.shape[1], np.float64)
    for node in nodes:
        total[:] = 0.0
        number, before = 0, -1
        for entry in range(indptr[node], indptr[node + 1]):
            other = indices[entry]
            if other != before and rounds[other] == rounds[node] - 1:
                total += table[other]
                number += 1
            before = other
        table[node] = total / number


def outwards(indptr: np.ndarray, indices: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """In which round each node is reached from the known ones.

    Args:
        indptr: [N + 1] int64; indices: [M], ascending in a row.
        known: [N] bool.

    Returns:
        [N] int32 rounds: 0 for known nodes, -1 for those that are never reached; and the nodes reached, in order.
    """
    rounds = np.where(known, 0, -1).astype(np.int32)
    queue = np.empty(len(known), dtype=np.int64)
    first = int(known.sum())
    queue[:first] = np.flatnonzero(known)
    count = _order(indptr, indices, rounds, queue, first)
    return rounds, queue[first:count]


def fill_means(
    indptr: np.ndarray, indices: np.ndarray, rounds: np.ndarray, nodes: np.ndarray, table: np.ndarray
) -> None:
    """Give each of the reached nodes the mean row of its neighbours of the round before; one that is joined by several
    edges counts once.

    Args:
        indptr: [N + 1] int64; indices: [M], ascending in a row.
        rounds, nodes: of `outwards`.
        table: [N, D] float32, changed in place.
    """
    _means(indptr, indices, rounds, nodes, table)
