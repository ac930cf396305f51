"""Path ranking (Lao et al., 2011): answers by the relations along the paths to them.

Axes: N nodes, R relations, A = 2R of them forwards and backwards, F features, n questions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from torch import Tensor

from graphtune.check import ArgumentError, bad, integer, number, one_of
from graphtune.config import TrainConfig
from graphtune.graph import Graph
from graphtune.kernels.parallel import in_blocks
from graphtune.kernels.pathranking import LEVELS, Asked, Steps, learn_paths, room_for, score_paths
from graphtune.models.base import Model
from graphtune.models.encoder import Encoder
from graphtune.models.factorise import quiet
from graphtune.models.scorer import Frozen, Scorer
from graphtune.models.solved import Solved

LAST = ("auto", "any", "asked")
MANY = 1 << 22  # sequences of three relations beyond which "auto" leaves the last one no choice
AT_ONCE = 1 << 24  # scores held at a time by `pairs`


class PathScorer(Scorer, Solved):
    """A weight for each sequence of relations, and for how many edges by the relation arrive, by relation asked for.

    Args:
        num_relations: R; relation r + R is r read backwards.
    """

    reads_relations = True
    has_embeddings = False

    def __init__(self, num_relations: int):
        super().__init__()
        self.put(begin=np.zeros(2 * num_relations + 1, np.int64), feature=np.empty(0, np.int64), weight=np.empty(0))

    def weights(self, relation: int, features: int) -> np.ndarray:
        """[F] float32 of a relation."""
        dense = np.zeros(features, np.float32)
        mine = slice(*self.array("begin")[relation : relation + 2])
        dense[self.array("feature")[mine]] = self.array("weight")[mine]
        return dense

    def frozen(self, encoder: Encoder, graph: Graph) -> Frozen:
        assert isinstance(encoder, PathEncoder)
        return PathScores(self, encoder.paths)  # type: ignore[return-value]

    def query(self, z: Tensor, relation: Tensor | None = None) -> Tensor:
        raise no_vectors("query")

    def key(self, z: Tensor, nodes: Tensor | None = None) -> Tensor:
        raise no_vectors("key")


class PathEncoder(Encoder):
    """Nodes have no vectors, only paths."""

    dim = 0

    def __init__(self, paths: Paths):
        super().__init__()
        self.num_nodes, self.paths = paths.graph.num_nodes, paths

    def forward(self, nodes: Tensor | None = None) -> Tensor:
        raise no_vectors("embeddings")


@dataclass(frozen=True)
class Paths:
    """The paths of a knowledge graph, found as they are asked for.

    Attributes:
        graph: of triples.
        length: steps, at most.
        any_last: whether a third step goes by every relation, or by the one that is asked for alone.
    """

    graph: Graph
    length: int
    any_last: bool

    @cached_property
    def steps(self) -> Steps:
        relations = 2 * self.graph.num_relations
        (head, tail), r = self.graph.edges, np.asarray(self.graph.relation)
        source, relation = np.concatenate([head, tail]), np.concatenate([r, r + self.graph.num_relations])
        keys = np.unique((source * relations + relation) * self.graph.num_nodes + np.concatenate([tail, head]))
        both, target = np.divmod(keys, self.graph.num_nodes)
        _, group, count = np.unique(both, return_inverse=True, return_counts=True)
        source, relation = np.divmod(both, relations)
        indptr = np.searchsorted(source, np.arange(self.graph.num_nodes + 1))
        root = (1 / np.sqrt(count[group])).astype(np.float32)
        kept = relation.astype(np.int32), target.astype(np.int32), root
        return Steps(indptr, *kept, relations, self.length, self.any_last)

    def asked(self, relation: int) -> Asked:
        """The edges by a relation."""
        reverse = (relation + self.graph.num_relations) % self.steps.relations
        (indptr, target), (arriving, source) = self._edges(relation), self._edges(reverse)
        answers = np.diff(indptr)
        root = np.where(answers, 1 / np.sqrt(np.maximum(answers, 1)), 0).astype(np.float32)
        return Asked(relation, indptr, target, arriving, source, root)

    def _edges(self, relation: int) -> tuple[np.ndarray, np.ndarray]:
        which = np.flatnonzero(self.steps.relation == relation)
        return np.searchsorted(which, self.steps.indptr), self.steps.target[which]

    def relations_of(self, feature: int, asked: int) -> tuple[int, ...]:
        """The steps that a feature of a relation counts."""
        a = self.steps.relations
        if feature < a:
            return (feature,)
        if feature < a + a**2:
            return divmod(feature - a, a)
        feature -= a + a**2
        return (*divmod(feature // a, a), feature % a) if self.any_last else (*divmod(feature, a), asked)

    def count(self) -> int:
        """Sequences of edges that the questions by all relations of all nodes go along, or a few more."""
        nodes, steps = self.graph.num_nodes, self.steps
        source = np.repeat(np.arange(nodes), np.diff(steps.indptr))
        first = np.append(True, (np.diff(source) != 0) | (np.diff(steps.relation) != 0))
        asked, total = np.bincount(source[first], minlength=nodes), 0.0
        reached: np.ndarray = np.ones(nodes)
        for _ in range(self.length if self.any_last else min(2, self.length)):
            reached = np.bincount(source, reached[steps.target], nodes)
            total += float(asked @ reached)
        return int(total)


@dataclass(frozen=True)
class PathScores:
    """The scores of all nodes by the paths to them, in the place of `Frozen`. Works on row numbers.

    Attributes:
        scorer: has the weights.
        paths: of the graph as it is now.
    """

    scorer: PathScorer
    paths: Paths

    @property
    def z(self) -> Tensor:
        raise no_vectors("embeddings")

    @property
    def key(self) -> Tensor:
        raise no_vectors("embeddings")

    def cross(self, u: np.ndarray, columns: range, relation: np.ndarray) -> np.ndarray:
        """[n, len(columns)] float32 scores of each u with every node in `columns`; relation r + R reads r backwards."""
        nodes, steps, relation = self.paths.graph.num_nodes, self.paths.steps, np.asarray(relation)
        scores = np.empty((len(u), nodes), np.float32)
        kinds = np.unique(relation)

        def score(begin: int, end: int) -> None:
            rows = np.flatnonzero(relation == kinds[begin])
            room = room_for(nodes, steps.features, self.scorer.weights(kinds[begin], steps.features))
            sources = np.asarray(u)[rows].astype(np.int64)
            score_paths(steps, self.paths.asked(kinds[begin]), sources, rows, room, scores)

        in_blocks(score, len(kinds), block=1)
        return scores[:, columns.start : columns.stop]

    def pairs(self, u: np.ndarray, v: np.ndarray, relation: np.ndarray) -> np.ndarray:
        """[n] float32 scores of u -> v."""
        scores = np.empty(len(u), np.float32)
        nodes = self.paths.graph.num_nodes
        (users, relations), place = np.unique(np.stack([u, relation]), axis=1, return_inverse=True)
        size = max(1, AT_ONCE // nodes)
        for begin in range(0, len(users), size):
            some, mine = slice(begin, begin + size), (place >= begin) & (place < begin + size)
            scores[mine] = self.cross(users[some], range(nodes), relations[some])[place[mine] - begin, v[mine]]
        return scores

    def relations(self, u: np.ndarray, v: np.ndarray, count: int) -> np.ndarray:
        """[n, count] float32 scores of u -> v by each of the first `count` relations."""
        every = np.tile(np.arange(count), len(u))
        return self.pairs(np.repeat(u, count), np.repeat(v, count), every).reshape(len(u), count)


@dataclass(frozen=True)
class PathRanking:
    """Scores x -r-> y by the paths of up to three steps from x to y: w_r,(a, b, c) for its relations, times the root of
    the chance that a walk by them takes it, summed over all paths that meet no node twice; a single edge counts whole.

    Beside the weights of paths there are some for how many edges by r arrive at y. All are learned by a softmax of an
    answer over all nodes that are none, relation by relation. Lao et al. (2011) take the chances themselves and
    logistic regression on some negatives. There are no embeddings, so new entities are scored as old ones are.

    Attributes:
        length: steps of a path, 1 to 3.
        last: relations of a third step: "any"; "asked", the one that is asked for, so that answers of the nodes two
            steps away count; "auto" is "any" up to 80 relations.
        epochs: over the sources of each relation.
        lr: of Adagrad.
    """

    length: int = 3
    last: str = "auto"
    epochs: int = 5
    lr: float = 0.1

    def __post_init__(self) -> None:
        integer("length", "PathRanking", self.length, 1, 3)
        one_of("last", "PathRanking", self.last, LAST)
        integer("epochs", "PathRanking", self.epochs, 1)
        number("lr", "PathRanking", self.lr, 0, open_low=True)

    @property
    def dim(self) -> int:
        return 0

    def build(self, graph: Graph, seed: int = 0) -> Model:
        if graph.relation_ids is None:
            raise bad("graph", "PathRanking", "a knowledge graph: edges with relations", "edges without")
        few = (2 * graph.num_relations) ** 3 <= MANY
        paths = Paths(graph, self.length, self.last == "any" or (self.last == "auto" and few))
        return Model(self, PathEncoder(paths), PathScorer(graph.num_relations), graph)

    def training(self) -> TrainConfig:
        return TrainConfig(epochs=1)

    def solve(self, model: Model, seed: int = 0, say: Callable[[str], None] = quiet) -> None:
        """Learn the weights of all relations."""
        assert isinstance(model.scorer, PathScorer) and isinstance(model.encoder, PathEncoder)
        paths = model.encoder.paths
        edges = np.bincount(paths.steps.relation, minlength=paths.steps.relations)
        order = np.argsort(-edges, kind="stable")  # the longest first
        walked, learned = f"{paths.count():,} paths an epoch", 0
        say(walked)

        def learn(begin: int, end: int) -> tuple[np.ndarray, np.ndarray]:
            nonlocal learned
            found = self._learned(paths, int(order[begin]), seed)
            learned += int(edges[order[begin]])
            say(f"{learned / edges.sum():.0%} of the edges, {walked}")
            return found

        found = in_blocks(learn, len(order), block=1)
        found = [found[place] for place in np.argsort(order)]
        feature, weight = (np.concatenate(arrays) for arrays in zip(*found))
        begin = np.cumsum([0, *(len(features) for features, _ in found)])
        model.scorer.put(begin=begin, feature=feature, weight=weight)

    def _learned(self, paths: Paths, relation: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """The features of a relation that have a weight, and these."""
        asked, room = paths.asked(relation), room_for(paths.graph.num_nodes, paths.steps.features)
        sources, random = np.flatnonzero(np.diff(asked.indptr)), np.random.default_rng([seed, relation])
        order = np.stack([random.permutation(sources) for _ in range(self.epochs)])
        learn_paths(paths.steps, asked, order, self.lr, room)
        used = np.flatnonzero(room.weight)
        return used, room.weight[used]


def over_graph(model: Model, graph: Graph) -> Model:
    """The same weights over another graph with the relations of the model's, in the same order."""
    twin = model.recipe.build(graph)
    twin.load_state_dict(model.state_dict())
    return twin.to(model.device).eval()


def path_rules(model: Model, relation: Any, k: int = 10) -> list[tuple[tuple[str, ...], float]]:
    """The relations whose paths tell most of a relation: x -relation-> y where they lead from x to y.

    Args:
        model: built by `PathRanking`.
        relation: a name.
        k: how many.

    Returns:
        Relations in the order of the steps, "^-1" behind those that are gone backwards, each with its weight; the
        largest first, weights below 0 (which tell against it) left out.

    Raises:
        ArgumentError: the model is another one, or the relation is unknown.

    Example:
        >>> import graphtune
        >>> from graphtune.testing import inverse_relations
        >>> found = graphtune.pretrain(PathRanking(), inverse_relations(), run=graphtune.Run(quiet=True)).model
        >>> path_rules(found, "in", 1)[0][0]
        ('has^-1',)
    """
    scorer, encoder, names = model.scorer, model.encoder, model.graph.relation_ids
    if not isinstance(scorer, PathScorer) or not isinstance(encoder, PathEncoder) or names is None:
        raise bad("model", "path_rules", "one built by PathRanking", type(model.recipe).__name__)
    row = int(names.index([relation], what="relation")[0])
    weight = scorer.weights(row, encoder.paths.steps.features)[: -LEVELS - 1]
    both = [*map(str, names.values(np.arange(len(names)))), *(f"{n}^-1" for n in names.values(np.arange(len(names))))]
    best = [int(feature) for feature in np.argsort(-weight, kind="stable")[:k] if weight[feature] > 0]
    return [(tuple(both[r] for r in encoder.paths.relations_of(f, row)), float(weight[f])) for f in best]


def no_vectors(what: str) -> ArgumentError:
    fix = "`score`, `complete` and `most_similar` work; for embeddings take ComplEx or another scorer of triples."
    return bad("model", what, "one with embeddings", "PathRanking, which scores paths", fix)
