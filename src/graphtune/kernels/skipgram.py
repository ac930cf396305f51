"""In-place SGD on skip-gram with negative sampling and on LINE's edge objective.

Source rows go through a pass in twos (see `kernels.vector`), and two passes are under way together: one computes while
the other waits for its sums. The steps of up to four pairs are so computed from the same weights, which on BlogCatalog
changes F1 by less than its noise; otherwise the order of updates is word2vec's.

Axes: W walks, L positions, K negatives, T = 1 + K targets, B edges, D dim, N nodes.
Threads write to the tables without locks (Hogwild, Recht et al., 2011): with one thread the result is exact and
repeatable, with several it differs in the last digits from run to run.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from graphtune.kernels.parallel import in_blocks
from graphtune.kernels.vector import CELLS, TILE, prefetch, pulls, update

WALKS_A_BLOCK = 64
PAIRS_A_BLOCK = 2048
MEASURED = 8  # the loss is measured at each eighth centre or pair of edges: logarithms are slow
LEAST = 1e-6


@njit(cache=True, nogil=True)
def _loss(cell, rate, pull):
    """The loss of the first source row, from the errors |label - sigmoid| that its pulls are made of."""
    loss = 0.0
    for k in range(len(cell)):
        i = cell[k, 0]
        if rate[i] > 0:
            share = 1.0 - abs(pull[i] / rate[i])
            loss -= math.log(LEAST if share < LEAST else share)  # NaN stays NaN
    return loss


@njit(cache=True, nogil=True)
def _walks(begin, end, source, target, walks, reach, negative, lr, cell, offset, label, rate, alone, pull, other, move):
    """Walks begin..end; returns the measured loss and how many pairs it is of.

    The scratch is for one centre: `alone` is `rate` without the second row of a pass, `pull` and `other` are of the two
    passes that are under way together.
    """
    length, dim, tiles = walks.shape[1], source.shape[1], len(offset) // TILE
    loss, measured = 0.0, 0
    held = np.empty(4, np.int64)
    label[cell[0, 0]] = label[cell[0, 1]] = 1.0
    for w in range(begin, end):
        for at in range(length):
            centre = np.int64(walks[w, at])
            if centre < 0:
                break
            offset[:] = centre * dim
            for k in range(len(cell)):
                node = centre if k == 0 else np.int64(negative[w, at, k - 1])
                offset[k] = node * dim
                rate[cell[k, 0]] = lr if k == 0 or node != centre else np.float32(0.0)
                rate[cell[k, 1]] = alone[cell[k, 0]] = rate[cell[k, 0]]
            _fetch_next(source, target, walks, negative, w, at)
            wanted, size, last = at % MEASURED == 0, 0, min(length - 1, at + reach[w, at])
            for near in range(max(0, at - reach[w, at]), last + 1):
                x = np.int64(walks[w, near])
                if near != at and x >= 0:
                    held[size] = x
                    size += 1
                if size == 0 or (size < 4 and near < last):
                    continue
                first = rate if size > 1 else alone
                pulls(False, source, target, held[0], held[min(1, size - 1)], offset, tiles, label, first, pull)
                if wanted:
                    loss, measured, wanted = loss + _loss(cell, first, pull), measured + 1, False
                if size > 2:
                    second = rate if size > 3 else alone
                    pulls(False, source, target, held[2], held[size - 1], offset, tiles, label, second, other)
                update(False, source, target, held[0], held[min(1, size - 1)], offset, tiles, pull, move)
                if size > 2:
                    update(False, source, target, held[2], held[size - 1], offset, tiles, other, move)
                size = 0
    return loss, measured


@njit(cache=True, nogil=True)
def _fetch_next(source, target, walks, negative, w, at):
    """Bring the rows of the next centre nearer while this one is worked on."""
    length = walks.shape[1]
    following = at + 1
    if following == length:
        w, following = w + 1, 0
        if w == len(walks):
            return
        for ahead in range(min(6, length)):
            if walks[w, ahead] >= 0:
                prefetch(source, walks[w, ahead])
    if walks[w, following] < 0:
        return
    prefetch(target, walks[w, following])
    for k in range(negative.shape[2]):
        prefetch(target, negative[w, following, k])
    if following + 5 < length and walks[w, following + 5] >= 0:
        prefetch(source, walks[w, following + 5])


@njit(cache=True, nogil=True)
def _edges(
    begin, end, source, target, head, tail, negative, lr, cell, offset, label, rate, offset_2, rate_2, pull, other, move
):
    """Entries begin..end of `negative` with their edges; returns the measured loss and how many edges it is of."""
    tiles = len(offset) // TILE
    loss, measured = 0.0, 0
    together = 2 if 2 * len(negative) <= len(head) + 1 else 1
    label[cell[0, 0]] = label[cell[0, 1]] = 1.0
    for pair in range(begin, end, 2):
        both = pair + 1 < end
        first, second = _prepare(source, target, head, tail, negative, pair, together, lr, cell, offset, rate)
        pulls(True, source, target, first, second, offset, tiles, label, rate, pull)
        if pair % MEASURED == 0:
            loss, measured = loss + _loss(cell, rate, pull), measured + 1
        if both:
            third, fourth = _prepare(
                source, target, head, tail, negative, pair + 1, together, lr, cell, offset_2, rate_2
            )
            pulls(True, source, target, third, fourth, offset_2, tiles, label, rate_2, other)
        update(True, source, target, first, second, offset, tiles, pull, move)
        if both:
            update(True, source, target, third, fourth, offset_2, tiles, other, move)
    return loss, measured


@njit(cache=True, nogil=True)
def _prepare(source, target, head, tail, negative, pair, together, lr, cell, offset, rate):
    """Offsets and rates of one entry of `negative` and its edges; returns their source rows."""
    one = together * pair
    two = min(one + together, len(head)) - 1
    _fetch_edge(source, target, head, tail, negative, pair + 2, together)
    offset[:] = tail[one] * source.shape[1]
    offset[-1] = tail[two] * source.shape[1]
    lr_of_second = lr if two != one else np.float32(0.0)
    rate[cell[0, 0]], rate[cell[0, 1]] = lr, lr_of_second
    for k in range(1, len(cell)):
        node = negative[pair, k - 1]
        offset[k] = node * source.shape[1]
        rate[cell[k, 0]] = lr if node != tail[one] else np.float32(0.0)
        rate[cell[k, 1]] = lr_of_second if node != tail[two] else np.float32(0.0)
    return head[one], head[two]


@njit(cache=True, nogil=True)
def _fetch_edge(source, target, head, tail, negative, pair, together):
    """Bring the rows of the next edges nearer while this one is worked on."""
    if pair >= len(negative):
        return
    for e in range(together * pair, min(together * (pair + 1), len(head))):
        prefetch(source, head[e])
        prefetch(target, tail[e])
    for k in range(negative.shape[1]):
        prefetch(target, negative[pair, k])


def train_walks(
    source: np.ndarray,
    target: np.ndarray,
    walks: np.ndarray,
    reach: np.ndarray,
    negative: np.ndarray,
    lr: float,
    threads: int | None = None,
) -> float:
    """One pass of SGD over the windows of `walks`; the tables change in place.

    For a centre c, each node x within its reach and the centre's negatives n, as word2vec orders them: the loss is
    -log s(x.c) - sum_n log s(-x.n) with x from `source`, c and n from `target`; a negative equal to c is skipped.

    Args:
        source, target: [N, D] float32, C-contiguous.
        walks, reach: [W, L] int32; negative: [W, L, K] int32, as `kernels.walks.windows` makes them.
        lr: the step size.
        threads: how many; all where None.

    Returns:
        The mean loss, measured on some pairs of each walk.
    """

    def some(begin: int, end: int) -> tuple[float, int]:
        cell, offset, (label, rate, alone, *pair), move = _scratch(1 + negative.shape[2], source.shape[1])
        scratch = cell, offset[0], label, rate, alone, *pair, move
        return _walks(begin, end, source, target, walks, reach, negative, np.float32(lr), *scratch)

    return _mean(in_blocks(some, len(walks), block=WALKS_A_BLOCK, threads=threads))


def train_edges(
    source: np.ndarray,
    target: np.ndarray,
    head: np.ndarray,
    tail: np.ndarray,
    negative: np.ndarray,
    lr: float,
    threads: int | None = None,
) -> float:
    """One pass of SGD over sampled edges (LINE, Tang et al., 2015, equation 7); the tables change in place.

    Args:
        source, target: [N, D] float32; the same array for first-order proximity.
        head, tail: [B] int64.
        negative: [B, K] int64, or [ceil(B / 2), K], each row for two edges in a row. One equal to the tail is skipped.
        lr: the step size.
        threads: how many; all where None.

    Returns:
        The mean loss, measured on some of the edges.
    """

    def some(begin: int, end: int) -> tuple[float, int]:
        cell, offset, (label, rate, rate_2, *pair), move = _scratch(1 + negative.shape[1], source.shape[1])
        scratch = cell, offset[0], label, rate, offset[1], rate_2, *pair, move
        return _edges(begin, end, source, target, head, tail, negative, np.float32(lr), *scratch)

    return _mean(in_blocks(some, len(negative), block=PAIRS_A_BLOCK, threads=threads))


def _scratch(count: int, dim: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """For `count` targets, as `kernels.vector` reads them: cell [count, 2] of each with either source row, two sets of
    offsets, five of numbers per cell, and room for the moves of the source rows."""
    tiles, k = -(-count // TILE), np.arange(count)
    cell = (k // TILE * CELLS + k % TILE)[:, None] + [0, CELLS // 2]
    offset = np.zeros((2, tiles * TILE + 1), dtype=np.int64)
    return cell, offset, np.zeros((5, tiles * CELLS), dtype=np.float32), np.zeros((2, dim), dtype=np.float32)


def _mean(parts: list[tuple[float, int]]) -> float:
    losses, counts = zip(*parts)
    return sum(losses) / max(1, sum(counts))
