"""Second-order neighbours of the nodes that have few.

Axes: N nodes, M CSR entries.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from graphtune.kernels.parallel import in_blocks
from graphtune.kernels.random import mix, stream, uniform

BLOCKS = 64  # each holds some numbers a node
HUB = 1000  # of a longer row so many entries are read, from a random place on: hubs would cost their degree squared


@njit(cache=True, nogil=True)
def _reach(node, indptr, indices, weight, total, seed, number, seen):
    """Add w_ik w_kj / d_k to `number[j]` over all k; the nodes j reached go to `seen`. Returns how many."""
    count = 0
    for at in range(indptr[node], indptr[node + 1]):
        k = indices[at]
        first, size = indptr[k], indptr[k + 1] - indptr[k]
        read = min(size, HUB)
        start = int(uniform(stream(seed, at)) * size) if size > HUB else 0
        share = weight[at] / total[k] * size / max(read, 1)
        for step in range(read):
            entry = first + (start + step) % size
            j = indices[entry]
            if number[j] == 0.0:
                seen[count] = j
                count += 1
            number[j] += share * weight[entry]
    return count


@njit(cache=True, nogil=True)
def _extend(begin, end, indptr, indices, weight, total, most, seed):
    """(node, neighbour, weight) of what nodes begin..end-1 gain."""
    number, seen = np.zeros(len(indptr) - 1), np.empty(len(indptr) - 1, np.int64)
    lot = np.empty(len(indptr) - 1, np.uint64)
    room = 0
    for node in range(begin, end):
        room += max(0, most - (indptr[node + 1] - indptr[node]))
    heads, tails, weights = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room, np.float32)
    filled = 0
    for node in range(begin, end):
        free = most - (indptr[node + 1] - indptr[node])
        if free <= 0:
            continue
        count = _reach(node, indptr, indices, weight, total, seed, number, seen)
        for i in range(count):
            lot[i] = mix(stream(seed, node) ^ np.uint64(seen[i]))
        reached = seen[:count][np.argsort(lot[:count])]
        found = number[reached]
        number[reached] = 0.0
        known = indices[indptr[node] : indptr[node + 1]]
        for i in np.argsort(-found, kind="mergesort"):
            j = reached[i]
            at = np.searchsorted(known, j)
            if free == 0:
                break
            if j == node or (at < len(known) and known[at] == j):
                continue
            heads[filled], tails[filled], weights[filled] = node, j, found[i]
            filled, free = filled + 1, free - 1
    return heads[:filled], tails[:filled], weights[:filled]


def second_order_edges(
    indptr: np.ndarray, indices: np.ndarray, weight: np.ndarray | None, most: int, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Edges that give nodes with fewer than `most` neighbours their nearest second-order ones (LINE, section 4.3).

    j is w_ij = sum_k w_ik w_kj / d_k near to i, with d_k the weights of k's row summed; the nearest come first, of
    equally near ones any, until i has `most` neighbours.

    Args:
        indptr: [N + 1] int64; indices: [M], ascending in a row; weight: [M] float32, 1 each where None.
        most: neighbours up to which a node gains.
        seed: of the choice among equally near ones, and of the places that are read of rows longer than `HUB`.

    Returns:
        The heads i, the tails j (int64) and the weights w_ij (float32).
    """
    num_nodes = len(indptr) - 1
    ones = np.ones(len(indices), np.float32) if weight is None else weight
    total = np.add.reduceat(np.append(ones, 0.0), indptr[:-1]) if len(indices) else np.zeros(num_nodes)
    arguments = indptr, indices, ones, total, most, np.uint64(seed)
    parts = in_blocks(_extend, num_nodes, *arguments, block=max(1024, num_nodes // BLOCKS))
    heads, tails, weights = (np.concatenate(part) for part in zip(*parts))
    return heads, tails, weights
