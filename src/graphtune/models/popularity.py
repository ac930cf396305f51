"""Popularity: every user gets the items that most users took."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from graphtune.config import TrainConfig
from graphtune.graph import Graph
from graphtune.models.base import Model
from graphtune.models.factorise import quiet
from graphtune.models.histories import HistoryScorer, ItemOperator, count_items, histories, history_model


class Counts(ItemOperator):
    """Scores of items that are the same for everyone."""

    linear = False

    def __init__(self, num_items: int):
        super().__init__(num_items)
        self.put(count=np.zeros(num_items))

    def scores(self, histories: sp.csr_array) -> np.ndarray:
        return np.tile(self.array("count"), (histories.shape[0], 1))


@dataclass(frozen=True)
class Popularity:
    """The number of users who took an item is its score for everyone: the least that a recommender must beat.

    It has no embeddings.
    """

    @property
    def dim(self) -> int:
        return 0

    def build(self, graph: Graph, seed: int = 0) -> Model:
        return history_model(self, Counts(count_items(graph, "Popularity")), graph)

    def training(self) -> TrainConfig:
        return TrainConfig(epochs=1)

    def solve(self, model: Model, seed: int = 0, say: Callable[[str], None] = quiet) -> None:
        """Count the users of each item."""
        say("users of each item")
        assert isinstance(model.scorer, HistoryScorer)
        model.scorer.operator.put(count=histories(model.graph).sum(axis=0))
