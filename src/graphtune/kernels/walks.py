"""Random walks of first and second order over CSR rows, and word2vec's random choices along them.

Axes: W walks, L nodes a walk, M CSR entries. Each walk has its own generator, so a seed gives the same walks
for any number of threads.

A walk waits for memory most of the time. So each thread goes with a group of walks, a step (or a trial of one) of each
in turn: their loads do not depend on one another and are under way together.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from graphtune.kernels.alias import HEIGHTS, draw, kept_or_other
from graphtune.kernels.parallel import in_blocks
from graphtune.kernels.random import advance, stream, uniform

WALKS_A_BLOCK = 512
GROUP = 32


@njit(cache=True, nogil=True)
def neighbour(indptr, indices, alias, node, number):
    """A neighbour of `node` drawn by edge weight from one uniform number."""
    begin = indptr[node]
    x = number * (indptr[node + 1] - begin)
    cell = np.int64(x)
    if len(alias) > 0:
        cell = kept_or_other(alias[begin + cell], cell, (x - cell) * HEIGHTS)
    return np.int64(indices[begin + cell])


@njit(cache=True, nogil=True)
def has_edge(indptr, indices, node, wanted):
    """Whether `wanted` is in the node's row, which ascends."""
    low, size = indptr[node], indptr[node + 1] - indptr[node]
    while size > 1:
        half = size >> 1
        low = low + half if indices[low + half] <= wanted else low
        size -= half
    return size == 1 and indices[low] == wanted


@njit(cache=True, nogil=True)
def _first_order(begin, end, indptr, indices, alias, starts, seed, first_walk, restart, out):
    length = out.shape[1]
    node, state = np.empty(GROUP, np.int64), np.empty(GROUP, np.uint64)
    for group in range(begin, end, GROUP):
        size = min(GROUP, end - group)
        for i in range(size):
            node[i] = out[group + i, 0] = starts[group + i]
            state[i] = stream(seed, first_walk + group + i)
        for at in range(1, length):
            for i in range(size):
                if node[i] < 0:
                    continue
                state[i] = advance(state[i])
                if restart > 0.0:
                    home = uniform(state[i]) < restart
                    state[i] = advance(state[i])
                    if home:
                        node[i] = out[group + i, at] = starts[group + i]
                        continue
                if indptr[node[i] + 1] == indptr[node[i]]:
                    node[i] = -1
                    continue
                node[i] = neighbour(indptr, indices, alias, node[i], uniform(state[i]))
                out[group + i, at] = node[i]


@njit(cache=True, nogil=True)
def _second_order(begin, end, indptr, indices, alias, simple, starts, p, q, seed, first_walk, restart, out):
    """Rejection sampling (KnightKing, Yang et al., 2019) of neighbours by weight under a flat lid.

    The lid is the highest of 1 and 1/q. A simple graph without weights has one way back, as likely as any neighbour:
    it is let through at the height of the lid, and what it has above is folded into a trial beside the d neighbours.
    Whether to restart is drawn once a step, before its first trial.
    """
    length = out.shape[1]
    back, lid, sure = 1.0 / p, max(1.0, 1.0 / q), min(1.0, 1.0 / q)
    above = max(0.0, back - lid)
    if not simple or len(alias) > 0:
        lid, above = max(lid, back), 0.0
    walk, at = np.empty(GROUP, np.int64), np.empty(GROUP, np.int64)
    node, previous = np.empty(GROUP, np.int64), np.empty(GROUP, np.int64)
    state, staying = np.empty(GROUP, np.uint64), np.empty(GROUP, np.bool_)
    size, following = 0, begin
    while True:
        while size < GROUP and following < end:
            walk[size], at[size], previous[size] = following, 1, -1
            node[size] = out[following, 0] = starts[following]
            state[size], staying[size] = stream(seed, first_walk + following), restart == 0.0
            size, following = size + 1, following + 1
        if size == 0:
            return
        i = 0
        while i < size:
            if at[i] < length and not staying[i]:
                state[i] = advance(state[i])
                staying[i] = uniform(state[i]) >= restart
                if not staying[i]:
                    node[i] = out[walk[i], at[i]] = starts[walk[i]]
                    previous[i], at[i] = -1, at[i] + 1
                    continue
            degree = indptr[node[i] + 1] - indptr[node[i]]
            if at[i] == length or degree == 0:
                size -= 1
                walk[i], at[i], node[i] = walk[size], at[size], node[size]
                previous[i], state[i], staying[i] = previous[size], state[size], staying[size]
                continue
            state[i] = advance(state[i])
            number = uniform(state[i])
            if previous[i] < 0:
                step, taken = neighbour(indptr, indices, alias, node[i], number), True
            elif number * (degree * lid + above) < above:
                step, taken = previous[i], True
            else:
                number = (number * (degree * lid + above) - above) / (degree * lid)
                step = neighbour(indptr, indices, alias, node[i], min(number, 1.0 - 1e-16))
                state[i] = advance(state[i])
                height = uniform(state[i]) * lid
                if step == previous[i]:
                    taken = height < back
                elif height < sure:
                    taken = True
                else:
                    one, two = previous[i], step
                    if simple and indptr[two + 1] - indptr[two] < indptr[one + 1] - indptr[one]:
                        one, two = two, one  # the shorter row will do
                    taken = height < (1.0 if has_edge(indptr, indices, one, two) else 1.0 / q)
            if taken:
                previous[i], node[i] = node[i], step
                out[walk[i], at[i]] = step
                at[i], staying[i] = at[i] + 1, restart == 0.0
            i += 1


def random_walks(
    indptr: np.ndarray,
    indices: np.ndarray,
    alias: np.ndarray | None,
    starts: np.ndarray,
    length: int,
    p: float = 1.0,
    q: float = 1.0,
    seed: int = 0,
    first_walk: int = 0,
    restart: float = 0.0,
    simple: bool = False,
) -> np.ndarray:
    """Walks from `starts` (Grover & Leskovec, 2016, equation 2; p = q = 1 is DeepWalk's uniform walk).

    Args:
        indptr: [N + 1] int64 CSR bounds; indices: [M] neighbours, ascending in a row.
        alias: [M] from `alias_rows`, or None for equal weights.
        starts: [W] first nodes.
        length: nodes a walk, L.
        p: return parameter; q: in-out parameter. Both positive.
        seed: of all generators; walk i uses generator `first_walk` + i.
        restart: chance, in [0, 1], of a jump back to the start instead of a step (Tong et al., 2006), also at a dead
            end. A jump is no edge: the step after it is by weight alone, whatever p and q.
        simple: promises that every edge leads back and stands once, which allows quicker ways to draw.

    Returns:
        [W, L] int32 nodes, -1 after a dead end.
    """
    alias = np.empty(0, np.uint64) if alias is None else alias
    out = np.full((len(starts), length), -1, dtype=np.int32)
    starts, key, first = starts.astype(np.int64), np.uint64(seed), np.int64(first_walk)
    if p == 1.0 and q == 1.0:
        arguments = indptr, indices, alias, starts, key, first, float(restart), out
        in_blocks(_first_order, len(starts), *arguments, block=WALKS_A_BLOCK)
    else:
        second = indptr, indices, alias, simple, starts, float(p), float(q), key, first, float(restart), out
        in_blocks(_second_order, len(starts), *second, block=WALKS_A_BLOCK)
    return out


@njit(cache=True, nogil=True)
def _windows(begin, end, walks, keep, window, noise, seed, first_walk, reach, negative):
    for w in range(begin, end):
        state = stream(seed, first_walk + w)
        kept = 0
        for at in range(walks.shape[1]):
            node = walks[w, at]
            walks[w, at] = -1
            if node < 0:
                continue
            if len(keep) > 0:
                state = advance(state)
                if uniform(state) >= keep[node]:
                    continue
            walks[w, kept] = node
            if kept & 1 == 0:
                state = advance(state)
                reach[w, kept >> 1] = 1 + int(uniform(state) * window)
                drawn = negative[w, kept >> 1]
                for i in range(len(drawn)):
                    state = advance(state)
                    drawn[i] = draw(noise, state)
            kept += 1


def windows(
    walks: np.ndarray,
    window: int,
    negatives: int,
    noise: np.ndarray,
    keep: np.ndarray | None = None,
    seed: int = 0,
    first_walk: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """word2vec's random choices for each two positions in a row of each walk (Mikolov et al., 2013).

    Args:
        walks: [W, L] int32; what subsampling leaves moves together in place, followed by -1.
        window: the largest reach; one in 1..window is drawn for two centres in a row.
        negatives: K, shared by about half of the pairs of two centres in a row.
        noise: [N] alias table of the noise distribution.
        keep: [N] chance that an occurrence of a node stays, or None for all.

    Returns:
        reach [W, G] int32 and negative [W, G, 2, K] int32, G = ceil(L / 2).
    """
    reach = np.zeros((len(walks), -(-walks.shape[1] // 2)), dtype=np.int32)
    negative = np.zeros((*reach.shape, 2 * negatives), dtype=np.int32)
    kept = np.empty(0, dtype=np.float32) if keep is None else keep.astype(np.float32)
    arguments = walks, kept, window, noise, np.uint64(seed), np.int64(first_walk), reach, negative
    in_blocks(_windows, len(walks), *arguments, block=WALKS_A_BLOCK)
    return reach, negative.reshape(*reach.shape, 2, negatives)


@njit(cache=True, nogil=True)
def add_visits(walks, visits):
    """Add to `visits` [N] how often `walks` [W, L] meet each node."""
    for node in walks.ravel():
        if node >= 0:
            visits[node] += 1.0
