"""In-place SGD on skip-gram with negative sampling and on LINE's edge objective.

Two centres in a row (or the tails of two edges) share their negatives, so a node in both windows meets 2 + K targets in
place of 2 (1 + K), each negative at twice the rate. Half of the nodes around meet one set of negatives, the others
another: with one set for all, DeepWalk lost .0024 of micro-F1 on BlogCatalog, with two .0015 (16 seeds).
Source rows go through a pass in twos (see `kernels.vector`), and two passes are under way together: one computes while
the other waits for its sums. The steps of up to eight pairs are so computed from the same weights, which changes F1 by
less than its noise.

Axes: W walks, L positions, G = ceil(L / 2) pairs of centres, K negatives, B edges, D dim, N nodes.
Threads write to the tables without locks (Hogwild, Recht et al., 2011): with one thread the result is exact and
repeatable, with several it differs in the last digits from run to run.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from graphtune.kernels.parallel import in_shares
from graphtune.kernels.vector import CELLS, prefetch, pulls, tiles_of, update

LEAST_WALKS, LEAST_PAIRS = 8, 512  # of a call: with fewer, calling costs more than waiting for the last one
MEASURED = 8  # the loss is measured at each eighth pair of centres or of edges: logarithms are slow
LEAST = 1e-6
BOTH, FIRST, SECOND, NEITHER = range(4)  # which of two centres a source row is trained on


@njit(cache=True, nogil=True)
def _prepare(one, two, negative, dim, width, lr, offset, rate):
    """Where the rows of two centres and of their negatives begin, and the rates of each kind of source row.

    `two` is -1 where there is no second centre; the places that are left over are of the first.
    """
    of_second = lr if two >= 0 else np.float32(0.0)
    offset[:] = one * dim
    offset[1] = (two if two >= 0 else one) * dim
    rate[FIRST, 0] = rate[BOTH, 0] = lr
    rate[SECOND, 1] = rate[BOTH, 1] = of_second
    for place in range(2, 2 + len(negative)):
        node, i = np.int64(negative[place - 2]), place // width * CELLS + place % width
        offset[place] = node * dim
        rate[FIRST, i] = lr if node != one else np.float32(0.0)
        rate[SECOND, i] = of_second if node != two else np.float32(0.0)
        rate[BOTH, i] = rate[FIRST, i] + rate[SECOND, i]


@njit(cache=True, nogil=True)
def _loss(rate, pull, lr):
    """The loss of the first source row, from the errors |label - sigmoid| that its pulls are made of."""
    loss = 0.0
    for i in range(len(rate)):
        if rate[i] > 0:
            share = 1.0 - abs(pull[i] / rate[i])
            loss -= rate[i] / lr * math.log(LEAST if share < LEAST else share)  # NaN stays NaN
    return loss


@njit(cache=True, nogil=True)
def around(at, reach, length):
    """Bounds of the two halves of the places around the centres `at` and `at` + 1. The first is the larger one, such
    that its passes in twos of two are full."""
    first, end = max(0, at - reach), min(length, at + 2 + reach)
    return first, min(end, first + (end - first + 7) // 8 * 4), end


@njit(cache=True, nogil=True)
def _kind(near, at, two, reach):
    """Which of the centres `at` and `at` + 1 the place `near` is trained on; `two` is -1 where there is no second."""
    of_first = near != at and near <= at + reach
    of_second = near != at + 1 and near > at - reach and two >= 0
    if of_first:
        return BOTH if of_second else FIRST
    return SECOND if of_second else NEITHER


@njit(cache=True, nogil=True)
def _walks(begin, end, source, target, walks, reach, negative, lr, slots, offset, label, rate, pull, other, move):
    """Walks begin..end; returns the measured loss and how many pairs it is of.

    The scratch is for one pair of centres: `pull` and `other` are of the two passes that are under way together.
    """
    length, dim, (_, width) = walks.shape[1], source.shape[1], tiles_of(len(slots))
    loss, measured = 0.0, 0
    row, kind = np.empty(4, np.int64), np.empty(4, np.int64)
    for w in range(begin, end):
        for at in range(0, length, 2):
            one = np.int64(walks[w, at])
            if one < 0:
                break
            two = np.int64(walks[w, at + 1]) if at + 1 < length else np.int64(-1)
            far, wanted = reach[w, at // 2], at // 2 % MEASURED == 0
            places = around(at, far, length)
            _fetch_next(source, target, walks, negative, w, at)
            for half in range(2):
                _prepare(one, two, negative[w, at // 2, half], dim, width, lr, offset, rate)
                size = 0
                for near in range(places[half], places[half + 1]):
                    row[size], kind[size] = walks[w, near], _kind(near, at, two, far)
                    if row[size] >= 0 and kind[size] != NEITHER:
                        size += 1
                    if size == 0 or (size < 4 and near + 1 < places[half + 1]):
                        continue
                    row[size:], kind[size:] = row[size - 1], NEITHER
                    size, filled = 0, size
                    pulls(source, target, row[0], row[1], offset, slots, label, rate, kind[0], kind[1], pull)
                    if wanted:
                        pairs = 2 if kind[0] == BOTH else 1
                        loss, measured, wanted = loss + _loss(rate[kind[0]], pull[0], lr), measured + pairs, False
                    if filled > 2:
                        pulls(source, target, row[2], row[3], offset, slots, label, rate, kind[2], kind[3], other)
                    update(source, target, row[0], row[1], offset, slots, pull, move)
                    if filled > 2:
                        update(source, target, row[2], row[3], offset, slots, other, move)
    return loss, measured


@njit(cache=True, nogil=True)
def _fetch_next(source, target, walks, negative, w, at):
    """Bring the rows of the next two centres nearer while these are worked on."""
    length = walks.shape[1]
    following = at + 2
    if following >= length:
        w, following = w + 1, 0
        if w == len(walks):
            return
        for ahead in range(min(7, length)):
            if walks[w, ahead] >= 0:
                prefetch(source, walks[w, ahead])
    for ahead in range(following, min(following + 2, length)):
        if walks[w, ahead] >= 0:
            prefetch(target, walks[w, ahead])
            if ahead + 5 < length and walks[w, ahead + 5] >= 0:
                prefetch(source, walks[w, ahead + 5])
    if walks[w, following] >= 0:
        for half in range(2):
            for k in range(negative.shape[3]):
                prefetch(target, negative[w, following // 2, half, k])


@njit(cache=True, nogil=True)
def _edges(begin, end, source, target, head, tail, negative, lr, slots, offsets, label, rates, pull, other, move):
    """Entries begin..end of `negative` with their edges; returns the measured loss and how many edges it is of."""
    (offset, offset_2), (rate, rate_2), (_, width) = offsets, rates, tiles_of(len(slots))
    loss, measured = 0.0, 0
    together = 2 if 2 * len(negative) <= len(head) + 1 else 1
    for pair in range(begin, end, 2):
        both = pair + 1 < end
        first, second = _edge(source, target, head, tail, negative, pair, together, width, lr, offset, rate)
        pulls(source, target, first, second, offset, slots, label, rate, FIRST, SECOND, pull)
        if pair % MEASURED == 0:
            loss, measured = loss + _loss(rate[FIRST], pull[0], lr), measured + 1
        if both:
            third, fourth = _edge(source, target, head, tail, negative, pair + 1, together, width, lr, offset_2, rate_2)
            pulls(source, target, third, fourth, offset_2, slots, label, rate_2, FIRST, SECOND, other)
        update(source, target, first, second, offset, slots, pull, move)
        if both:
            update(source, target, third, fourth, offset_2, slots, other, move)
    return loss, measured


@njit(cache=True, nogil=True)
def _edge(source, target, head, tail, negative, pair, together, width, lr, offset, rate):
    """Prepare one entry of `negative` and its edges; returns their source rows."""
    one = together * pair
    two = min(one + together, len(head)) - 1
    _fetch_edge(source, target, head, tail, negative, pair + 2, together)
    other = tail[two] if two != one else np.int64(-1)
    _prepare(tail[one], other, negative[pair], source.shape[1], width, lr, offset, rate)
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

    For a centre c, each node x within its reach and their negatives n: the loss is
    -log s(x.c) - sum_n log s(-x.n) with x from `source`, c and n from `target`; a negative equal to c is skipped.

    Args:
        source, target: [N, D] float32, C-contiguous.
        walks: [W, L] int32; reach: [W, G] int32; negative: [W, G, 2, K] int32, as `kernels.walks.windows` makes them:
            the first set of two centres is for the first nodes `around` them, the second for the others.
        lr: the step size.
        threads: how many; all where None.

    Returns:
        The mean loss, measured on some pairs of each walk.
    """

    def some(begin: int, end: int) -> tuple[float, int]:
        slots, offset, label, rate, pull, move = _scratch(2 + negative.shape[3], source.shape[1])
        scratch = slots, offset[0], label, rate[0], pull[0], pull[1], move
        return _walks(begin, end, source, target, walks, reach, negative, np.float32(lr), *scratch)

    return _mean(in_shares(some, len(walks), least=LEAST_WALKS, threads=threads))


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
        slots, offset, label, rate, pull, move = _scratch(2 + negative.shape[1], source.shape[1])
        scratch = slots, (offset[0], offset[1]), label, (rate[0], rate[1]), pull[0], pull[1], move
        return _edges(begin, end, source, target, head, tail, negative, np.float32(lr), *scratch)

    return _mean(in_shares(some, len(negative), least=LEAST_PAIRS, threads=threads))


def _scratch(count: int, dim: int) -> tuple[Any, ...]:
    """For `count` targets, T tiles of width W, as `kernels.vector` reads them: as many slots, two sets of offsets
    [T W], labels [8 T], two sets of rates [4, 8 T] and of pulls [2, 8 T], and room for the moves of the source rows
    [2, D]."""
    tiles, width = tiles_of(count)
    label = np.zeros(tiles * CELLS, dtype=np.float32)
    label[:2] = 1.0  # the centres
    rate, pull = np.zeros((2, 4, len(label)), np.float32), np.zeros((2, 2, len(label)), np.float32)
    offset, move = np.zeros((2, tiles * width), np.int64), np.zeros((2, dim), np.float32)
    return (0,) * count, offset, label, rate, pull, move


def _mean(parts: list[tuple[float, int]]) -> float:
    losses, counts = zip(*parts)
    return sum(losses) / max(1, sum(counts))
