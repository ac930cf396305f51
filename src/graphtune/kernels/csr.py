"""Neighbour lists of an edge list, in time linear in the edges.

Axes: N nodes, E edges, M entries.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from graphtune.kernels.parallel import in_blocks


@njit(cache=True, nogil=True)
def count(node, weight_of_loop, other, count):
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
    count(source, 1, target, by_row)
    count(target, 1, source, by_column)
    if both:
        count(target, 0, source, by_row)
        count(source, 0, target, by_column)
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


@njit(cache=True, nogil=True)
def keep_rows(source, target, value, first, last, place, back, indices, values):
    """Put the entries of the rows `first`..`last` - 1 where `place` says, and with `back` those read backwards.

    `place` and `back` [last - first] hold where the next entry of each row goes, forwards and backwards; `back` is
    empty where edges are read forwards alone. Entries of a row come in the order of the edges.
    """
    for e in range(len(source)):
        u, v = source[e], target[e]
        if first <= u < last:
            at = place[u - first]
            place[u - first] = at + 1
            indices[at] = v
            if len(value) > 0:
                values[at] = value[e]
        if len(back) > 0 and u != v and first <= v < last:
            at = back[v - first]
            back[v - first] = at + 1
            indices[at] = u
            if len(value) > 0:
                values[at] = value[e]


@njit(cache=True, nogil=True)
def _sort_rows(begin, end, indptr, indices, values):
    for row in range(begin, end):
        low, high = indptr[row], indptr[row + 1]
        if len(values) == 0:
            indices[low:high].sort()
            continue
        order = np.argsort(indices[low:high], kind="mergesort")  # keeps the order of parallel edges
        indices[low:high] = indices[low:high][order]
        values[low:high] = values[low:high][order]


def sort_rows(indptr: np.ndarray, indices: np.ndarray, values: np.ndarray) -> None:
    """Make the entries of each row ascend, in place, their values with them; equal ones stay in order.

    Args:
        indptr: [R + 1] row bounds.
        indices: [M]; values: [M], or empty.
    """
    in_blocks(_sort_rows, len(indptr) - 1, indptr, indices, values, block=1 << 14)


@njit(cache=True, nogil=True)
def has_parallel(indptr, indices):
    """Whether a row, which ascends, holds a neighbour twice."""
    for row in range(len(indptr) - 1):
        for t in range(indptr[row] + 1, indptr[row + 1]):
            if indices[t] == indices[t - 1]:
                return True
    return False


def take_rows(indptr: np.ndarray, indices: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """CSR of the rows [R] of another one, in their order: indptr [R + 1] int64 and indices."""
    begin = indptr[rows]
    count = indptr[rows + 1] - begin
    bounds = np.concatenate([[0], np.cumsum(count)]).astype(np.int64)
    return bounds, indices[np.repeat(begin - bounds[:-1], count) + np.arange(bounds[-1])]


@njit(cache=True, nogil=True)
def add_weights(node, other, weight, with_loops, total):
    """Add the weight of each edge (1 where `weight` is empty) to `total` [N] of its node."""
    for e in range(len(node)):
        if with_loops or node[e] != other[e]:
            total[node[e]] += weight[e] if len(weight) > 0 else 1.0
