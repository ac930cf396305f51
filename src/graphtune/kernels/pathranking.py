"""Weighted paths between the nodes of a knowledge graph, and the weights that rank a relation's answers by them.

A path x -a-> z -b-> y tells of x -r-> y as much as the weight of its relations (a, b) says, times the root of the
chance that a walk by these relations takes it, prod 1 / sqrt(n) with n the edges of a node by the relation of a step; a
single edge counts whole. Paths meet no node twice, so none holds the edge x -> y that it tells of, and nothing is known
of an answer that would not be known of one that is asked for. Of the answer alone counts how many edges by r arrive
there, that of x left out.

Axes: N nodes, E edges in both directions, A relations in both directions, Q sources of a relation, F features.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

LEVELS = 24  # of how many edges by the relation arrive at a node
START = 1e-6  # of Adagrad's sums of squares
LEAST = 1e-30  # of a sum of exponents


class Steps(NamedTuple):
    """What paths go along.

    Attributes:
        indptr: [N + 1] int64, where the edges of each node begin.
        relation, target: [E] int32, sorted by (source, relation, target), without repeats.
        root: [E] float32, 1 / sqrt(edges of the source by the relation).
        relations: A.
        length: steps of a path, 1 to 3.
        any_last: whether a third step goes by every relation, or by the one that is asked for alone.
    """

    indptr: np.ndarray
    relation: np.ndarray
    target: np.ndarray
    root: np.ndarray
    relations: int
    length: int
    any_last: bool

    @property
    def features(self) -> int:
        """F: sequences of relations, levels, and whether the answer is the source itself."""
        a = self.relations
        third = 0 if self.length < 3 else a**3 if self.any_last else a**2
        return a + (a**2 if self.length > 1 else 0) + third + LEVELS + 1


class Asked(NamedTuple):
    """The edges by one relation.

    Attributes:
        relation: which.
        indptr: [N + 1] int64; target: int32, the answers of each node.
        arriving: [N + 1] int64; source: int32, the nodes that each is an answer of.
        root: [N] float32, 1 / sqrt(answers), 0 where there are none.
    """

    relation: int
    indptr: np.ndarray
    target: np.ndarray
    arriving: np.ndarray
    source: np.ndarray
    root: np.ndarray


class Room(NamedTuple):
    """What a question is worked out in.

    Attributes:
        weight, gradient, squares: [F].
        used: [F] the question that a gradient is of; features: [F] which have one.
        score, share: [N] of answers, and what a gradient takes of their paths.
        met: [N] the question that a score is of; ends: [N] which nodes have one.
        passed: [N] what goes on from the ends of two steps; via: [N] which these are; seen: [N] the question of it.
        mark: [N] the edge of the source for which a node was marked.
        counts: [5] the question, how many features, how many ends, how many via, the edge.
    """

    weight: np.ndarray
    gradient: np.ndarray
    squares: np.ndarray
    used: np.ndarray
    features: np.ndarray
    score: np.ndarray
    share: np.ndarray
    met: np.ndarray
    ends: np.ndarray
    passed: np.ndarray
    via: np.ndarray
    seen: np.ndarray
    mark: np.ndarray
    counts: np.ndarray


def room_for(nodes: int, features: int, weight: np.ndarray | None = None) -> Room:
    """To learn weights in, or to score with those that are given."""
    learned = features if weight is None else 0
    numbers, rows = np.zeros((3, nodes), np.float32), np.zeros((5, nodes), np.int64)
    return Room(
        np.zeros(features, np.float32) if weight is None else weight,
        np.zeros(learned, np.float32),
        np.full(learned, START, np.float32),
        np.zeros(learned, np.int64),
        np.zeros(learned, np.int64),
        score=numbers[0],
        share=numbers[1],
        met=rows[0],
        ends=rows[1],
        passed=numbers[2],
        via=rows[2],
        seen=rows[3],
        mark=rows[4],
        counts=np.zeros(5, np.int64),
    )


@njit(cache=True, nogil=True)
def level_of(count):
    """Of a number of edges: the number itself below 4, then two levels to each doubling."""
    return count if count < 4 else min(LEVELS - 1, int(2 * np.log2(count)))


@njit(cache=True, nogil=True, fastmath=True)
def learn_paths(steps, asked, order, lr, room):
    """Weights by Adagrad, source by source, in `room`; gives the mean loss of an answer in the last epoch.

    The loss is -log of the share of an answer in exp(score) over it and all that are no answers to x -r-> ?.

    Args:
        steps: `Steps`; asked: `Asked`.
        order: [epochs, Q] sources with answers, as each epoch takes them.
        lr: of Adagrad.
        room: `Room` with weights of 0.
    """
    arrive = np.diff(asked.arriving)
    levels = np.zeros(LEVELS, np.int64)
    for count in arrive:
        levels[level_of(count)] += 1
    loss, answers = 0.0, 0
    for epoch in range(len(order)):
        loss, answers = 0.0, 0
        for x in order[epoch]:
            loss += _learn_source(steps, asked, x, arrive, levels, room)
            answers += asked.indptr[x + 1] - asked.indptr[x]
            for i in range(room.counts[1]):
                feature = room.features[i]
                slope = room.gradient[feature]
                room.gradient[feature] = 0
                room.squares[feature] += slope * slope
                room.weight[feature] -= np.float32(lr) * slope / np.sqrt(room.squares[feature])
    return loss / max(1, answers)


@njit(cache=True, nogil=True, fastmath=True)
def score_paths(steps, asked, sources, rows, room, out):
    """Scores of all nodes as answers to each of `sources` [n], in `rows` [n] of `out` [*, N] float32."""
    first = len(room.weight) - 1 - LEVELS
    base = np.empty(len(asked.root), np.float32)
    for y in range(len(base)):
        base[y] = room.weight[first + level_of(asked.arriving[y + 1] - asked.arriving[y])]
    for i in range(len(sources)):
        _reach(steps, asked, sources[i], room)
        row = out[rows[i]]
        row[:] = base
        for j in range(room.counts[2]):
            row[room.ends[j]] += room.score[room.ends[j]]


@njit(cache=True, nogil=True, fastmath=True)
def _learn_source(steps, asked, x, arrive, levels, room):
    """Puts the gradient of the losses of all answers of x into `room` and gives their sum."""
    first, answers = len(room.weight) - 1 - LEVELS, asked.target[asked.indptr[x] : asked.indptr[x + 1]]
    _reach(steps, asked, x, room)
    for y in answers:
        _add(room, y, np.float32(0))
    ends = room.ends[: room.counts[2]]
    for y in ends:
        room.share[y] = 0
    for y in answers:
        room.share[y] = 1
    weight = room.weight[first : first + LEVELS]
    top = weight.max()
    for y in ends:
        room.score[y] += weight[level_of(arrive[y] - np.int64(room.share[y]))]
        top = max(top, room.score[y])
    rest = 0.0
    for level in range(LEVELS):
        rest += levels[level] * np.exp(weight[level] - top)
    for y in ends:
        rest -= np.exp(weight[level_of(arrive[y])] - top)
        if room.share[y] == 0:
            rest += np.exp(room.score[y] - top)
    rest, total, loss = max(rest, LEAST), 0.0, 0.0
    for y in answers:
        both = rest + np.exp(room.score[y] - top)
        total += 1 / both
        loss += np.log(both) - (room.score[y] - top)
    for level in range(LEVELS):
        _pull(room, first + level, levels[level] * np.exp(weight[level] - top) * total)
    for y in ends:
        at, own = level_of(arrive[y]), np.exp(room.score[y] - top)
        _pull(room, first + at, -np.exp(weight[at] - top) * total)
        at = level_of(arrive[y] - np.int64(room.share[y]))
        room.share[y] = own * total if room.share[y] == 0 else own / (rest + own) - 1
        _pull(room, first + at, room.share[y])
    _pull(room, first + LEVELS, room.share[x])
    _pull_all(steps, asked, x, room)
    return loss


@njit(cache=True, nogil=True, fastmath=True)
def _reach(steps, asked, x, room):
    """A new question: the sum over the paths of x in `room.score`, of the nodes in `room.ends`, x among them."""
    for i in range(room.counts[2]):
        room.score[room.ends[i]] = 0
    for i in range(room.counts[3]):
        room.passed[room.via[i]] = 0
    room.counts[0] += 1
    room.counts[1:4] = 0
    _add(room, x, room.weight[len(room.weight) - 1])
    _walk(steps, asked, x, room, False)
    for i in range(room.counts[3]):
        y = room.via[i]
        for k in range(asked.indptr[y], asked.indptr[y + 1]):
            if asked.target[k] != x and asked.target[k] != y:
                _add(room, asked.target[k], room.passed[y] * asked.root[y])


@njit(cache=True, nogil=True, fastmath=True)
def _pull_all(steps, asked, x, room):
    """The gradient of the paths of x, from the shares of their ends."""
    for i in range(room.counts[3]):
        y, passed = room.via[i], np.float32(0)
        for k in range(asked.indptr[y], asked.indptr[y + 1]):
            if asked.target[k] != x and asked.target[k] != y:
                passed += room.share[asked.target[k]]
        room.passed[y] = passed * asked.root[y]
    _walk(steps, asked, x, room, True)


@njit(cache=True, nogil=True, fastmath=True)
def _walk(steps, asked, x, room, learning):
    """Goes along every path of x, to add up scores or, learning, gradients.

    Third steps by the relation asked for are not gone one by one: what comes to their first node goes on as a sum. Only
    those that lead back to the second node of a path must be taken out of it.
    """
    a = steps.relations
    for i in range(steps.indptr[x], steps.indptr[x + 1]):
        z, p = steps.target[i], steps.relation[i]
        if z == x:
            continue
        if p != asked.relation:
            _arrive(room, p, z, np.float32(1), learning)
        if steps.length < 2:
            continue
        if steps.length == 3 and not steps.any_last:
            room.counts[4] += 1
            for k in range(asked.arriving[z], asked.arriving[z + 1]):
                room.mark[asked.source[k]] = room.counts[4]
        for j in range(steps.indptr[z], steps.indptr[z + 1]):
            y, pq = steps.target[j], p * a + steps.relation[j]
            if (y == x) | (y == z):
                continue
            root = steps.root[i] * steps.root[j]
            _arrive(room, a + pq, y, root, learning)
            if steps.length < 3:
                continue
            feature = a + a * a + pq
            if steps.any_last:
                for k in range(steps.indptr[y], steps.indptr[y + 1]):
                    w = steps.target[k]
                    if w != x and w != z and w != y:
                        third = a + a * a + pq * a + steps.relation[k]
                        _arrive(room, third, w, root * steps.root[k], learning)
            elif asked.root[y] and learning:
                share = room.passed[y]
                if room.mark[y] == room.counts[4]:
                    share -= room.share[z] * asked.root[y]
                _pull(room, feature, share * root)
            elif asked.root[y]:
                value = room.weight[feature] * root
                _pass(room, y, value)
                if room.mark[y] == room.counts[4]:
                    _add(room, z, -value * asked.root[y])


@njit(cache=True, nogil=True, fastmath=True)
def _arrive(room, feature, y, root, learning):
    if learning:
        _pull(room, feature, room.share[y] * root)
    else:
        _add(room, y, room.weight[feature] * root)


@njit(cache=True, nogil=True)
def _add(room, y, value):
    if room.score[y] == 0 and room.met[y] != room.counts[0]:
        room.met[y] = room.counts[0]
        room.ends[room.counts[2]] = y
        room.counts[2] += 1
    room.score[y] += value


@njit(cache=True, nogil=True)
def _pass(room, y, value):
    if room.passed[y] == 0 and room.seen[y] != room.counts[0]:
        room.seen[y] = room.counts[0]
        room.via[room.counts[3]] = y
        room.counts[3] += 1
    room.passed[y] += value


@njit(cache=True, nogil=True)
def _pull(room, feature, slope):
    if room.gradient[feature] == 0 and room.used[feature] != room.counts[0]:
        room.used[feature] = room.counts[0]
        room.features[room.counts[1]] = feature
        room.counts[1] += 1
    room.gradient[feature] += np.float32(slope)
