"""Negative targets that are not known positives, and which of given ones are. B examples, K targets."""

import numpy as np
from numba import njit

from graphtune.kernels.parallel import in_blocks
from graphtune.kernels.random import advance, stream, uniform
from graphtune.kernels.walks import has_edge

_TRIES = 20
_AT_ONCE = 64  # entries of a row that are compared all, which is vector code and guesses no branch


@njit(cache=True, nogil=True)
def _holds(indptr, indices, row, wanted):
    """`has_edge` for what is seldom there: a bisection of the row down to a few dozen entries, then all of these."""
    low, size = indptr[row], indptr[row + 1] - indptr[row]
    while size > _AT_ONCE:
        half = size >> 1
        low = low + half if indices[low + half] <= wanted else low
        size -= half
    entries, node, hits = indices[low : low + size], indices.dtype.type(wanted), np.int32(0)
    for i in range(len(entries)):
        hits += np.int32(entries[i] == node)
    return hits > 0


@njit(cache=True, nogil=True)
def _unknown(begin, end, indptr, indices, row, itself, low, high, seed, out):
    for b in range(begin, end):
        state = stream(seed, b)
        for k in range(out.shape[1]):
            for tries in range(_TRIES + high - low):
                if tries < _TRIES:
                    state = advance(state)
                    out[b, k] = low + int(uniform(state) * (high - low))
                else:
                    out[b, k] = low + (out[b, k] - low + 1) % (high - low)
                if out[b, k] != itself[b] and not _holds(indptr, indices, row[b], out[b, k]):
                    break


@njit(cache=True, nogil=True)
def _of_rows(begin, end, indptr, indices, row, seed, out):
    for b in range(begin, end):
        state, first = stream(seed, b), indptr[row[b]]
        size = indptr[row[b] + 1] - first
        for k in range(out.shape[1]):
            state = advance(state)
            out[b, k] = indices[first + int(uniform(state) * size)]


@njit(cache=True, nogil=True)
def _known(begin, end, indptr, indices, row, itself, target, group, out):
    """A bisection of the row for each target; those of example b stand in row b // group."""
    for b in range(begin, end):
        for k in range(out.shape[1]):
            node = target[b // group, k]
            out[b, k] = node == itself[b] or has_edge(indptr, indices, row[b], node)


@njit(cache=True, nogil=True)
def _mark(target, order, node, out):
    """Set `out` [K] at the places in `order` of the entries of `target` [K], which ascends, that are `node`."""
    low, high = 0, len(target)
    while low < high:
        middle = (low + high) >> 1
        if target[middle] < node:
            low = middle + 1
        else:
            high = middle
    while low < len(target) and target[low] == node:
        out[order[low]] = True
        low += 1


@njit(cache=True, nogil=True)
def _known_of_all(begin, end, indptr, indices, row, itself, target, order, out):
    """A bisection of the shared targets for each entry of the row, or the other way round where that is less."""
    for b in range(begin, end):
        if indptr[row[b] + 1] - indptr[row[b]] > len(target):
            for k in range(len(target)):
                out[b, order[k]] = target[k] == itself[b] or has_edge(indptr, indices, row[b], target[k])
            continue
        _mark(target, order, itself[b], out[b])
        for at in range(indptr[row[b]], indptr[row[b] + 1]):
            _mark(target, order, indices[at], out[b])


def unknown_targets(
    indptr: np.ndarray,
    indices: np.ndarray,
    row: np.ndarray,
    count: int,
    low: int,
    high: int,
    seed: int,
    itself: np.ndarray | None = None,
) -> np.ndarray:
    """For each example, `count` uniform targets in [low, high) that are neither in its row nor itself.

    After 20 tries the next one upwards is taken; one that knows everything gets any.

    Args:
        indptr, indices: CSR of known positives, rows ascending.
        row: [B] rows of it.
        itself: [B] one more node to avoid, -1 for none; `row` where None.

    Returns:
        [B, count] int64.
    """
    out = np.empty((len(row), count), dtype=np.int64)
    row, itself = _rows(row, itself)
    in_blocks(_unknown, len(row), indptr, indices, row, itself, low, high, np.uint64(seed), out, block=1024)
    return out


def row_targets(indptr: np.ndarray, indices: np.ndarray, row: np.ndarray, count: int, seed: int) -> np.ndarray:
    """[B, count] int64: for each example, uniform entries of its row, with replacement.

    Args:
        indptr, indices: CSR.
        row: [B] rows of it, none of them empty.
        count: entries an example.
        seed: of all draws.
    """
    out = np.empty((len(row), count), dtype=np.int64)
    in_blocks(_of_rows, len(row), indptr, indices, row, np.uint64(seed), out, block=1024)
    return out


def known_targets(
    indptr: np.ndarray,
    indices: np.ndarray,
    row: np.ndarray,
    target: np.ndarray,
    itself: np.ndarray | None = None,
) -> np.ndarray:
    """Which targets are in the row of an example, or itself.

    Args:
        indptr, indices: CSR of known positives, rows ascending.
        row: [B] rows of it.
        target: [B, K] of each example, [K] shared by all, or [ceil(B / 2), K] shared by two in a row.
        itself: [B] one more node, -1 for none; `row` where None.

    Returns:
        [B, K] bool.
    """
    out = np.zeros((len(row), target.shape[-1]), dtype=np.bool_)
    row, itself = _rows(row, itself)
    target = np.ascontiguousarray(target, dtype=np.int64)
    if target.ndim == 1:
        order = np.argsort(target, kind="stable")
        in_blocks(_known_of_all, len(row), indptr, indices, row, itself, target[order], order, out)
        return out
    group = 1 if len(target) == len(row) else 2
    in_blocks(_known, len(row), indptr, indices, row, itself, target, group, out)
    return out


def _rows(row: np.ndarray, itself: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    row = np.ascontiguousarray(row, dtype=np.int64)
    return row, row if itself is None else np.ascontiguousarray(itself, dtype=np.int64)
