"""Random walks of first and second order over CSR rows.

Axes: W walks, L nodes a walk, M CSR entries. Each walk has its own generator, so a seed gives the same walks
for any number of threads.
"""

import numpy as np
from numba import njit, prange

from graphtune.kernels.random import advance, stream, uniform


@njit(cache=True, inline="always")
def _neighbour(indptr, indices, accept, other, node, first, second):
    """A neighbour of `node` drawn by edge weight, from two uniform numbers."""
    begin = indptr[node]
    cell = int(first * (indptr[node + 1] - begin))
    if len(accept) > 0 and second >= accept[begin + cell]:
        cell = other[begin + cell]
    return indices[begin + cell]


@njit(cache=True)
def _has_edge(indptr, indices, node, wanted):
    low, high = indptr[node], indptr[node + 1]
    while low < high:
        middle = (low + high) >> 1
        if indices[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    return low < indptr[node + 1] and indices[low] == wanted


@njit(cache=True)
def _walk(indptr, indices, accept, other, start, p, q, state, out):
    """One walk into `out`; -1 from the dead end on. Second-order steps by rejection (KnightKing, 2019)."""
    out[:] = -1
    out[0] = start
    highest = max(1.0, 1.0 / p, 1.0 / q)
    second_order = p != 1.0 or q != 1.0
    node, previous = start, -1
    for at in range(1, len(out)):
        if indptr[node + 1] == indptr[node]:
            return
        while True:
            state = advance(state)
            first = uniform(state)
            state = advance(state)
            step = _neighbour(indptr, indices, accept, other, node, first, uniform(state))
            if not second_order or previous < 0:
                break
            state = advance(state)
            height = uniform(state) * highest
            if step == previous:
                if height < 1.0 / p:
                    break
            elif height < min(1.0, 1.0 / q):
                break
            elif height < max(1.0, 1.0 / q):
                near = _has_edge(indptr, indices, previous, step)
                if height < (1.0 if near else 1.0 / q):
                    break
        previous, node = node, step
        out[at] = node


@njit(cache=True, parallel=True)
def _walks(indptr, indices, accept, other, starts, p, q, seed, first_walk, out):
    for w in prange(len(starts)):
        _walk(indptr, indices, accept, other, starts[w], p, q, stream(seed, first_walk + w), out[w])


def random_walks(
    indptr: np.ndarray,
    indices: np.ndarray,
    alias: tuple[np.ndarray, np.ndarray] | None,
    starts: np.ndarray,
    length: int,
    p: float = 1.0,
    q: float = 1.0,
    seed: int = 0,
    first_walk: int = 0,
) -> np.ndarray:
    """Walks from `starts` (Grover & Leskovec, 2016, equation 2; p = q = 1 is DeepWalk's uniform walk).

    Args:
        indptr: [N + 1] int64 CSR bounds; indices: [M] neighbours, ascending in a row.
        alias: accept [M] and other [M] from `alias_rows`, or None for equal weights.
        starts: [W] first nodes.
        length: nodes a walk, L.
        p: return parameter; q: in-out parameter. Both positive.
        seed: of all generators; walk i uses generator `first_walk` + i.

    Returns:
        [W, L] int32 nodes, -1 after a dead end.
    """
    accept, other = alias if alias is not None else (np.empty(0, np.float32), np.empty(0, np.int32))
    out = np.empty((len(starts), length), dtype=np.int32)
    starts = starts.astype(np.int64)
    _walks(indptr, indices, accept, other, starts, float(p), float(q), np.uint64(seed), first_walk, out)
    return out


@njit(cache=True, parallel=True)
def _windows(walks, keep, window, accept, other, seed, first_walk, reach, negative):
    num_walks, length = walks.shape
    size = len(accept)
    for w in prange(num_walks):
        state = stream(seed, first_walk + w)
        for at in range(length):
            if walks[w, at] < 0:
                continue
            if len(keep) > 0:
                state = advance(state)
                if uniform(state) >= keep[walks[w, at]]:
                    walks[w, at] = -1
                    continue
            state = advance(state)
            reach[w, at] = 1 + int(uniform(state) * window)
            for k in range(negative.shape[2]):
                state = advance(state)
                cell = int(uniform(state) * size)
                state = advance(state)
                negative[w, at, k] = cell if uniform(state) < accept[cell] else other[cell]


def windows(
    walks: np.ndarray,
    window: int,
    negatives: int,
    noise: tuple[np.ndarray, np.ndarray],
    keep: np.ndarray | None = None,
    seed: int = 0,
    first_walk: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """word2vec's random choices for each position of each walk (Mikolov et al., 2013).

    Args:
        walks: [W, L] int32; positions dropped by subsampling become -1 in place.
        window: the largest reach; each centre draws its own in 1..window.
        negatives: K, shared by all pairs of one centre.
        noise: alias table (accept, other) [N] of the noise distribution.
        keep: [N] chance that an occurrence of a node stays, or None for all.

    Returns:
        reach [W, L] int32 and negative [W, L, K] int32.
    """
    reach = np.zeros(walks.shape, dtype=np.int32)
    negative = np.zeros((*walks.shape, negatives), dtype=np.int32)
    kept = np.empty(0, dtype=np.float32) if keep is None else keep.astype(np.float32)
    _windows(walks, kept, window, noise[0], noise[1], np.uint64(seed), first_walk, reach, negative)
    return reach, negative
