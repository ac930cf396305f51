"""Paths of two steps from relation to relation, and which of them a third relation closes.

Axes: N nodes, E edges, R relations, S sources to start from, M distinct rules met.
"""

from __future__ import annotations

import numpy as np
from numba import njit

FIRST_CELLS = 1 << 12
SPREAD = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio: the high bits of the product are well spread


def closing_paths(
    indptr: np.ndarray, relation: np.ndarray, target: np.ndarray, sources: np.ndarray, num_relations: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How many pairs (x, y), x in `sources` and y another node, x -p-> z -q-> y joins, and for how many x -r-> y.

    A pair counts once for (p, q), however many z there are.

    Args:
        indptr: [N + 1] int64 where the edges of each source begin.
        relation, target: [E] int64, sorted by (source, relation, target), without repeats.
        sources: [S] int64 nodes.
        num_relations: R; R^3 must fit into int64.

    Returns:
        joined [R, R] int64 of p and q; rules [M] int64, (p R + q) R + r; closed [M] int64 of the rules.
    """
    joined = np.zeros((num_relations, num_relations), dtype=np.int64)
    widest = int(np.diff(indptr).max(initial=0))
    keys, counts = _closing(indptr, relation, target, sources, num_relations, widest, joined)
    used = np.flatnonzero(counts)
    return joined, keys[used], counts[used]


@njit(cache=True, nogil=True)
def _closing(indptr, relation, target, sources, num_relations, widest, joined):
    n = len(indptr) - 1
    owner, first, following = np.full(n, -1), np.empty(n, np.int64), np.empty(widest, np.int64)
    met, met_by, mark = np.empty(FIRST_CELLS, np.int64), np.zeros(FIRST_CELLS, np.int64), 0
    keys, counts, known = np.empty(FIRST_CELLS, np.int64), np.zeros(FIRST_CELLS, np.int64), 0
    for x in sources:
        low, high = indptr[x], indptr[x + 1]
        for e in range(low, high):  # a list of the edges x -> y for each y
            y = target[e]
            following[e - low] = first[y] if owner[y] == x else -1
            owner[y], first[y] = x, e
        begin = low
        while begin < high:
            p, end, paths = relation[begin], begin, 0
            while end < high and relation[end] == p:
                paths += indptr[target[end] + 1] - indptr[target[end]]
                end += 1
            bits = _bits(paths)
            if (1 << bits) > len(met):
                met, met_by = np.empty(1 << bits, np.int64), np.zeros(1 << bits, np.int64)
            mark += 1
            for e in range(begin, end):
                z = target[e]
                for f in range(indptr[z], indptr[z + 1]):
                    q, y = relation[f], target[f]
                    if y == x or not _is_new(met, met_by, mark, bits, q * n + y):
                        continue
                    joined[p, q] += 1
                    if owner[y] != x:
                        continue
                    closing = first[y]
                    while closing >= 0:
                        if 2 * known >= len(keys):
                            keys, counts = _grown(keys, counts)
                        known += _add(keys, counts, (p * num_relations + q) * num_relations + relation[closing], 1)
                        closing = following[closing - low]
            begin = end
    return keys, counts


@njit(cache=True, nogil=True)
def _bits(count):
    """Of a table that `count` keys fill to a half at most."""
    bits = 3
    while (1 << bits) < 2 * count:
        bits += 1
    return bits


@njit(cache=True, nogil=True)
def _is_new(met, met_by, mark, bits, key):
    """Whether `key` is met for the first time under this mark; it is noted in the first free of 2^bits cells."""
    mask = (1 << bits) - 1
    cell = np.int64((np.uint64(key) * SPREAD) >> np.uint64(64 - bits))
    while met_by[cell] == mark:
        if met[cell] == key:
            return False
        cell = (cell + 1) & mask
    met[cell], met_by[cell] = key, mark
    return True


@njit(cache=True, nogil=True)
def _add(keys, counts, key, count):
    """Add to the count of `key`; 1 if it was not there, else 0."""
    bits = 0
    while (1 << bits) < len(keys):
        bits += 1
    mask = len(keys) - 1
    cell = np.int64((np.uint64(key) * SPREAD) >> np.uint64(64 - bits))
    while counts[cell] > 0 and keys[cell] != key:
        cell = (cell + 1) & mask
    new = counts[cell] == 0
    keys[cell] = key
    counts[cell] += count
    return 1 if new else 0


@njit(cache=True, nogil=True)
def _grown(keys, counts):
    """The same counts in twice the cells."""
    wider, theirs = np.empty(2 * len(keys), np.int64), np.zeros(2 * len(keys), np.int64)
    for cell in range(len(keys)):
        if counts[cell] > 0:
            _add(wider, theirs, keys[cell], counts[cell])
    return wider, theirs
