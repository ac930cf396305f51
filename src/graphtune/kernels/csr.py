"""Neighbour lists of an edge list, in time linear in the edges.

Axes: N nodes, E edges, M entries.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def _count(node, weight_of_loop, other, count):
    """Add how often each node stands in `node`; entries whose two ends are one count `weight_of_loop`."""
    for e in range(len(node)):
        count[node[e] + 1] += weight_of_loop if node[e] == other[e] else 1


@njit(cache=True, nogil=True)
def _by_column(row, column, keep_loops, weight, place, rows, weights):
    """Put the entries in the order of their columns; `place` [N] is where the next of each column goes."""
    for e in range(len(row)):
        if row[e] == column[e] and not keep_loops:
            continue
        at = place[column[e]]
        place[column[e]] = at + 1
        rows[at] = row[e]
        if len(weight) > 0:
            weights[at] = weight[e]


@njit(cache=True, nogil=True)
def _by_row(start, rows, weights, place, indices, weight):
    """Deal entries in the order of their columns out to their rows, which so ascend; `start` [N + 1] of the columns."""
    for column in range(len(start) - 1):
        for t in range(start[column], start[column + 1]):
            at = place[rows[t]]
            place[rows[t]] = at + 1
            indices[at] = column
            if len(weights) > 0:
                weight[at] = weights[t]


def neighbour_lists(
    source: np.ndarray, target: np.ndarray, weight: np.ndarray | None, num_nodes: int, both: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """CSR of source -> target; with `both` also of target -> source, self-loops once.

    Args:
        source, target: [E] int64.
        weight: [E] float32 or None.
        num_nodes: N.
        both: whether edges are read in both directions.

    Returns:
        indptr [N + 1] int64, indices [M] (int32 where N fits), ascending in a row, and weight [M] float32 or None.
    """
    by_row, by_column = np.zeros((2, num_nodes + 1), dtype=np.int64)
    _count(source, 1, target, by_row)
    _count(target, 1, source, by_column)
    if both:
        _count(target, 0, source, by_row)
        _count(source, 0, target, by_column)
    indptr, start = np.cumsum(by_row), np.cumsum(by_column)
    index = np.int32 if num_nodes < 2**31 else np.int64
    weights = np.empty(0, dtype=np.float32) if weight is None else weight
    rows = np.empty(indptr[-1], dtype=index)
    carried = np.empty(0 if weight is None else indptr[-1], dtype=np.float32)
    place = start[:-1].copy()
    _by_column(source, target, True, weights, place, rows, carried)
    if both:
        _by_column(target, source, False, weights, place, rows, carried)
    indices, values = np.empty_like(rows), np.empty_like(carried)
    _by_row(start, rows, carried, indptr[:-1].copy(), indices, values)
    return indptr, indices, None if weight is None else values
