"""One ranking from those of several models over the same graph.

Of triples a "user" is a source asked for the targets of a relation. Axes: P models, U users, C candidates, n pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from graphtune.check import ArgumentError, bad, number, one_of
from graphtune.graph import Graph
from graphtune.ids import NodeIds
from graphtune.kernels.fusion import reciprocal_ranks, standard_scores
from graphtune.models.base import Model
from graphtune.models.calibration import Calibration
from graphtune.models.completion import Completion
from graphtune.models.ranked import Sets, left_out, targets_of
from graphtune.sampling.known import Known
from graphtune.split import Split

BY = ("rrf", "weights")
AT_ONCE = 1 << 24  # scores of a model held at a time by `pairs`


class NoEmbeddings(ArgumentError, AttributeError):
    """A ranking was asked for what only a model with embeddings has."""


@dataclass(frozen=True)
class Fusion:
    """How the scores of several models become one.

    With "rrf" a candidate gets sum_p weight_p / (k + rank_p), its rank in each model among what the user has not got
    (reciprocal rank fusion: Cormack et al., 2009); with "weights" sum_p weight_p z_p, its standard score among these.

    Attributes:
        by: "rrf" or "weights".
        weights: one a model, at least 0; none for equal ones.
        k: of "rrf"; the larger, the less the first places count beside later ones.
    """

    by: str = "rrf"
    weights: tuple[float, ...] = ()
    k: float = 60.0

    def __post_init__(self) -> None:
        one_of("by", "Fusion", self.by, BY)
        number("k", "Fusion", self.k, 0)
        for weight in self.weights:
            number("weights", "Fusion", weight, 0)
        if self.weights and not any(self.weights):
            raise bad("weights", "Fusion", "such that one is above 0", self.weights)

    def scale(self, scores: np.ndarray, indptr: np.ndarray, indices: np.ndarray) -> np.ndarray:
        """[U, C] scores of a model on the scale on which they are added; the CSR says what users have."""
        if self.by == "rrf":
            return reciprocal_ranks(scores, indptr, indices, self.k)
        return standard_scores(scores, indptr, indices)


class Fused:
    """Several models that rank as one. It has no embeddings; whatever needs only scores takes it as a model.

    Args:
        recipe: how their scores become one.
        models: over the same graph, each with `graph`, `ids` and `frozen()`.

    Raises:
        ArgumentError: there are none, they learned from different graphs, one of triples does not score relations, or
            weights are not as many.
    """

    def __init__(self, recipe: Fusion, models: Sequence[Any]):
        self.models = tuple(models)
        if not self.models:
            raise bad("models", "Fused", "one model or more", 0)
        self.recipe = recipe if recipe.weights else replace(recipe, weights=(1.0,) * len(self.models))
        if len(self.recipe.weights) != len(self.models):
            raise bad("weights", "Fused", f"one a model, {len(self.models)} in all", recipe.weights)
        self.graph: Graph = self.models[0].graph
        self.calibration: Calibration | None = None
        for model in self.models if self.reads_relations else ():
            if not model.reads_relations:
                what = "such that each scores relations, as ComplEx, of a graph that has them"
                raise bad("models", "Fused", what, type(model.recipe).__name__)
        for model in self.models[1:]:
            if model.graph is not self.graph and model.graph.fingerprint != self.graph.fingerprint:
                raise bad("models", "Fused", "over one graph", "different edges or ids")

    @property
    def ids(self) -> NodeIds:
        return self.graph.ids

    @property
    def reads_relations(self) -> bool:
        """Whether it scores triples."""
        return self.graph.relation is not None

    def frozen(self) -> FusedScores:
        """What scores pairs, as the weights are now."""
        return FusedScores(self.recipe, tuple(model.frozen() for model in self.models), self.graph)

    def score(
        self,
        source: Sequence[Any] | np.ndarray,
        target: Sequence[Any] | np.ndarray,
        relation: Sequence[Any] | np.ndarray | None = None,
    ) -> np.ndarray:
        """As `Model.score`; scores of different users, or questions, are of different scales."""
        return Model.score(self, source, target, relation)  # type: ignore[arg-type]

    def score_relations(
        self, source: Sequence[Any] | np.ndarray, target: Sequence[Any] | np.ndarray
    ) -> tuple[list[Any], np.ndarray]:
        """As `Model.score_relations`."""
        return Model.score_relations(self, source, target)  # type: ignore[arg-type]

    def complete(
        self,
        head: Any = None,
        relation: Any = None,
        tail: Any = None,
        k: int = 10,
        known: Graph | Split | None = None,
        new: bool = False,
    ) -> Completion:
        """As `Model.complete`."""
        return Model.complete(self, head, relation, tail, k, known, new)  # type: ignore[arg-type]

    def relation_rows(self, relation: Sequence[Any] | np.ndarray | None) -> np.ndarray | None:
        """As `Model.relation_rows`."""
        return Model.relation_rows(self, relation)  # type: ignore[arg-type]

    def recommend(self, user: Any, k: int = 10, known: Graph | None = None) -> list[tuple[Any, float]]:
        """As `Model.recommend`."""
        return Model.recommend(self, user, k, known)  # type: ignore[arg-type]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        what = f"one with embeddings, as `{name}` is of these"
        raise NoEmbeddings(str(bad("model", "graphtune", what, "a fused ranking", "Take one of its models.")))


@dataclass(frozen=True)
class FusedScores:
    """Scores of several models as one, on row numbers. What a user has already in the graph takes no place in a rank.

    Attributes:
        recipe: with a weight a model.
        models: what their `frozen()` gave.
        graph: whose edges users have; its items are the candidates, or all its nodes where it is no log of events.
    """

    recipe: Fusion
    models: tuple[Any, ...]
    graph: Graph

    @property
    def candidates(self) -> range:
        """Rows that can be targets."""
        return targets_of(self.graph)

    def cross(self, u: np.ndarray, columns: range, relation: np.ndarray | None = None) -> np.ndarray:
        """[U, len(columns)] float32 scores; ranks and means are over all candidates whatever the columns. Of triples
        relation r + R reads r backwards.

        Raises:
            ArgumentError: a column is no candidate.
        """
        every = self.candidates
        if columns.start < every.start or columns.stop > every.stop:
            raise bad("columns", "FusedScores.cross", f"within {every}", columns)
        total = self._sum(self.scaled(u, relation), (len(u), len(every)))
        return total[:, columns.start - every.start : columns.stop - every.start]

    def pairs(self, u: np.ndarray, v: np.ndarray, relation: np.ndarray | None = None) -> np.ndarray:
        """[n] float32 scores of u -> v."""
        every, scores = self.candidates, np.empty(len(u), dtype=np.float32)
        asked, place = np.unique(u if relation is None else np.stack([u, relation]), axis=-1, return_inverse=True)
        users, relations = (asked, None) if relation is None else asked
        size = max(1, AT_ONCE // max(1, len(every)))
        for begin in range(0, len(users), size):
            mine = np.flatnonzero((place >= begin) & (place < begin + size))
            some = slice(begin, begin + size)
            block = self.cross(users[some], every, None if relations is None else relations[some])
            scores[mine] = block[place[mine] - begin, np.asarray(v)[mine] - every.start]
        return scores

    def relations(self, u: np.ndarray, v: np.ndarray, count: int) -> np.ndarray:
        """[n, count] float32 scores of u -> v by each of the first `count` relations, on a scale among these."""
        nothing = np.zeros(len(u) + 1, dtype=np.int64), np.empty(0, dtype=np.int64)
        return self._sum(self._scaled(lambda model: model.relations(u, v, count), nothing), (len(u), count))

    def scaled(self, u: np.ndarray, relation: np.ndarray | None = None) -> Iterator[Any]:
        """[U, C] of each model with a weight in turn, on the common scale; 0 for those without."""
        if relation is None:
            return self._scaled(lambda model: model.cross(u, self.candidates), left_out(self.graph, self.graph, u))
        known = self._known.answers(u, relation)
        return self._scaled(lambda model: model.cross(u, self.candidates, relation), known)

    def _scaled(self, scores: Callable[[Any], np.ndarray], out: Sets) -> Iterator[Any]:
        for weight, model in zip(self.recipe.weights, self.models):
            yield self.recipe.scale(scores(model), *out) if weight else np.float32(0)

    def _sum(self, scaled: Iterator[Any], shape: tuple[int, int]) -> np.ndarray:
        total: np.ndarray = np.zeros(shape, dtype=np.float32)
        for weight, scores in zip(self.recipe.weights, scaled):
            total += np.float32(weight) * scores
        return total

    @cached_property
    def _known(self) -> Known:
        return Known.of(self.graph)
