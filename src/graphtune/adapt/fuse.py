"""Models fused to one ranking, with weights that are learned on the validation part.

Axes: P models, U users, M candidates of a user, k places.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from graphtune.check import bad, integer, one_of
from graphtune.evaluate.seen import refuse_seen
from graphtune.graph import Graph
from graphtune.kernels.ranking import top_k
from graphtune.models.fused import BY, Fused, Fusion
from graphtune.models.ranked import Sets, left_out
from graphtune.sampling.known import Known
from graphtune.split import VALID, Split

WHO = "fuse"
USERS, BATCH = 5000, 256  # of validation that the weights are learned on, and how many at a time
DEPTH = 100  # best candidates of each model for a user; what none of them has there is in no fused list
FACTORS = (0.0, 0.25, 0.5, 0.8, 1.25, 2.0, 4.0)  # tried on one weight after another
ROUNDS = 6
GAIN = 1e-9


def fuse(models: Sequence[Any], split: Split | None = None, by: str = "rrf", k: int = 20, seed: int = 0) -> Fused:
    """One ranking from several.

    With "rrf" all models count alike by their ranks. With "weights" standard scores are added, weighed so that NDCG@k
    on the validation part is best, of triples the MRR of both sides: from equal weights on, each in turn is tried
    larger, smaller and at 0, until nothing gains. Test edges are not looked at. Of more than 5000 users with validation
    edges, or questions of triples, so many are drawn.

    Args:
        models: over one graph, the train part of the split; anything with `graph`, `ids` and `frozen()`.
        split: of edges, with a validation part for "weights".
        by: "rrf" or "weights".
        k: places of the list that the weights are chosen by; without effect on triples.
        seed: of the users who are drawn.

    Raises:
        ArgumentError: the models are over different graphs, or there is no validation part to learn weights on.
        LeakError: a model has seen validation or test edges.
    """
    one_of("by", WHO, by, BY)
    integer("k", WHO, k, 1)
    fused = Fused(Fusion(by), models)
    if split is not None:
        for model in models:
            refuse_seen(model, split)
    if by == "rrf":
        return fused
    if split is None or split.unit != "edge" or not split.valid.num_edges:
        raise bad("split", WHO, "one of edges with a validation part for by='weights'", split)
    judge = questions_of(fused, split, seed) if fused.reads_relations else lists_of(fused, split.valid, k, seed)
    return Fused(Fusion(by, learned(judge, len(models))), models)


class Judge(Protocol):
    """What says how good weights are."""

    def measure(self, weights: np.ndarray) -> float: ...


@dataclass(frozen=True)
class Lists:
    """What weights are learned on.

    Attributes:
        scores: [P, U, M] float32 on the common scale; -inf in empty places.
        relevant: [U, M] bool.
        ideal: [U] DCG of a list with all that is relevant first.
        k: places that count.
    """

    scores: np.ndarray
    relevant: np.ndarray
    ideal: np.ndarray
    k: int

    def measure(self, weights: np.ndarray) -> float:
        """The mean over users of NDCG@k with these weights [P]."""
        total = weighed(self.scores, weights)
        found, _ = top_k(total, min(self.k, total.shape[1]), np.zeros(len(total) + 1, np.int64), np.empty(0, np.int64))
        hits = np.take_along_axis(self.relevant, np.maximum(found, 0), axis=1) & (found >= 0)
        return float((hits @ discounts(found.shape[1]) / self.ideal).mean())


@dataclass(frozen=True)
class Questions:
    """What weights are learned on, of triples.

    Attributes:
        answer: [P, U] float32 scores of the answers on the common scale.
        rivals: [P, U, M] those of other candidates that are not known; -inf in empty places.
    """

    answer: np.ndarray
    rivals: np.ndarray

    def measure(self, weights: np.ndarray) -> float:
        """MRR with these weights [P], realistic and filtered, among the rivals."""
        right, total = weighed(self.answer, weights)[:, None], weighed(self.rivals, weights)
        rank = 1 + (total > right).sum(axis=1) + (total == right).sum(axis=1) / 2
        return float((1 / rank).mean())


def weighed(scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Sum over models [P, ...] of those with a weight."""
    total: np.ndarray = np.zeros(scores.shape[1:], dtype=np.float32)
    for p in np.flatnonzero(weights):
        total += np.float32(weights[p]) * scores[p]
    return total


def learned(judge: Judge, count: int) -> tuple[float, ...]:
    """Weights of `count` models, of sum 1, of the best measure that changing one after another finds."""
    weights = np.full(count, 1 / count)
    best = judge.measure(weights)
    for _ in range(ROUNDS):
        before = best
        for p in range(count):
            for factor in FACTORS:
                tried = weights.copy()
                tried[p] = factor * max(weights[p], 0.05)  # one at 0 may come back
                if not tried.any():
                    continue
                tried /= tried.sum()
                score = judge.measure(tried)
                if score > best + GAIN:
                    weights, best = tried, score
        if best <= before + GAIN:
            break
    return tuple(weights.tolist())


def lists_of(fused: Fused, hidden: Graph, k: int, seed: int) -> Lists:
    """The best candidates of each model for users with hidden edges, with their scores in all models."""
    graph, frozen = fused.graph, fused.frozen()
    targets = frozen.candidates
    pairs = np.setdiff1d(_pairs(hidden), _pairs(graph))
    pairs = pairs[pairs // graph.num_nodes != pairs % graph.num_nodes]
    users, counts = np.unique(pairs // graph.num_nodes, return_counts=True)
    if len(users) > USERS:
        drawn = np.sort(np.random.default_rng(seed).choice(len(users), USERS, replace=False))
        users, counts = users[drawn], counts[drawn]
    if not len(users):
        raise bad("split", WHO, "one whose validation part holds what the train part does not", 0)
    scores, columns = [], []
    for begin in range(0, len(users), BATCH):
        batch = users[begin : begin + BATCH]
        chosen, found = _best(list(frozen.scaled(batch)), left_out(graph, graph, batch), max(k, DEPTH))
        columns.append(chosen)
        scores.append(found)
    column = np.concatenate(columns) + targets.start
    relevant = np.isin(users[:, None] * graph.num_nodes + column, pairs)
    all_scores = np.concatenate(scores, axis=1)
    relevant &= all_scores[0] > -np.inf
    ideal = np.cumsum(discounts(k))[np.minimum(counts, k) - 1]
    return Lists(all_scores, relevant, ideal, k)


def questions_of(fused: Fused, split: Split, seed: int) -> Questions:
    """Validation triples with the head or the tail missing, and the best other candidates of each model."""
    frozen, known = fused.frozen(), Known.of(split.through(VALID))
    (head, tail), relation = split.valid.edges, np.asarray(split.valid.relation)
    asked = np.concatenate(
        [np.stack([head, relation, tail]), np.stack([tail, relation + split.graph.num_relations, head])], axis=1
    )
    which = np.random.default_rng(seed).permutation(asked.shape[1])[:USERS]
    answers, rivals = [], []
    for begin in range(0, len(which), BATCH):
        source, reads, answer = asked[:, which[begin : begin + BATCH]]
        scaled = list(frozen.scaled(source, reads))
        answers.append(np.stack([scores[np.arange(len(answer)), answer] for scores in scaled]))
        rivals.append(_best(scaled, known.answers(source, reads), DEPTH)[1])
    return Questions(np.concatenate(answers, axis=1), np.concatenate(rivals, axis=1))


def discounts(k: int) -> np.ndarray:
    """[k] of 1 / log2(1 + place)."""
    return 1 / np.log2(np.arange(2, k + 2))


def _best(scaled: list[np.ndarray], out: Sets, depth: int) -> tuple[np.ndarray, np.ndarray]:
    """[U, M] columns that a model has among its best, ascending, and [P, U, M] their scores; repeats are at -inf."""
    depth = min(depth, scaled[0].shape[1])
    columns = np.concatenate([top_k(scores, depth, *out)[0] for scores in scaled], axis=1)
    columns.sort(axis=1)
    empty = columns < 0
    empty[:, 1:] |= columns[:, 1:] == columns[:, :-1]
    columns = np.maximum(columns, 0)
    scores = np.stack([np.take_along_axis(one, columns, axis=1) for one in scaled])
    scores[:, empty] = -np.inf
    return columns, scores


def _pairs(graph: Graph) -> np.ndarray:
    """Each pair (source * N + target) once, of an undirected graph in both directions, ascending."""
    csr = graph.adjacency("out")
    return np.unique(np.repeat(np.arange(graph.num_nodes), csr.degree) * graph.num_nodes + csr.indices)
