"""One ranking from those of several models over the same graph.

Axes: P models, U users, C candidates, n pairs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from graphtune.check import ArgumentError, bad, number, one_of
from graphtune.graph import Graph
from graphtune.ids import NodeIds
from graphtune.kernels.fusion import reciprocal_ranks, standard_scores
from graphtune.models.base import Model
from graphtune.models.ranked import left_out, targets_of

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
        ArgumentError: there are none, they learned from different graphs, or from triples, or weights are not as many.
    """

    def __init__(self, recipe: Fusion, models: Sequence[Any]):
        self.models = tuple(models)
        if not self.models:
            raise bad("models", "Fused", "one model or more", 0)
        self.recipe = recipe if recipe.weights else replace(recipe, weights=(1.0,) * len(self.models))
        if len(self.recipe.weights) != len(self.models):
            raise bad("weights", "Fused", f"one a model, {len(self.models)} in all", recipe.weights)
        self.graph: Graph = self.models[0].graph
        if self.graph.relation is not None:
            raise bad("models", "Fused", "of a graph without relations", f"{self.graph.num_relations} relations")
        for model in self.models[1:]:
            if model.graph is not self.graph and model.graph.fingerprint != self.graph.fingerprint:
                raise bad("models", "Fused", "over one graph", "different edges or ids")

    @property
    def ids(self) -> NodeIds:
        return self.graph.ids

    def frozen(self) -> FusedScores:
        """What scores pairs, as the weights are now."""
        return FusedScores(self.recipe, tuple(model.frozen() for model in self.models), self.graph)

    def score(self, source: Sequence[Any] | np.ndarray, target: Sequence[Any] | np.ndarray) -> np.ndarray:
        """As `Model.score`; scores of different users are of different scales."""
        return Model.score(self, source, target)  # type: ignore[arg-type]

    def relation_rows(self, relation: None) -> None:
        """There are no relations."""

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

    def cross(self, u: np.ndarray, columns: range) -> np.ndarray:
        """[U, len(columns)] float32 scores; ranks and means are over all candidates whatever the columns.

        Raises:
            ArgumentError: a column is no candidate.
        """
        every = self.candidates
        if columns.start < every.start or columns.stop > every.stop:
            raise bad("columns", "FusedScores.cross", f"within {every}", columns)
        total = np.zeros((len(u), len(every)), dtype=np.float32)
        for weight, scaled in zip(self.recipe.weights, self.scaled(u)):
            total += np.float32(weight) * scaled
        return total[:, columns.start - every.start : columns.stop - every.start]

    def pairs(self, u: np.ndarray, v: np.ndarray, relation: None = None) -> np.ndarray:
        """[n] float32 scores of u -> v; there are no relations."""
        every, scores = self.candidates, np.empty(len(u), dtype=np.float32)
        users, place = np.unique(u, return_inverse=True)
        size = max(1, AT_ONCE // max(1, len(every)))
        for begin in range(0, len(users), size):
            mine = np.flatnonzero((place >= begin) & (place < begin + size))
            block = self.cross(users[begin : begin + size], every)
            scores[mine] = block[place[mine] - begin, np.asarray(v)[mine] - every.start]
        return scores

    def scaled(self, u: np.ndarray) -> Iterator[Any]:
        """[U, C] of each model with a weight in turn, on the common scale; 0 for those without."""
        indptr, indices = left_out(self.graph, self.graph, u)
        for weight, model in zip(self.recipe.weights, self.models):
            if weight:
                yield self.recipe.scale(model.cross(u, self.candidates), indptr, indices)
            else:
                yield np.float32(0)
