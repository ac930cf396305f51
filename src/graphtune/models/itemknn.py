"""ItemKNN (Sarwar et al., 2001; Deshpande & Karypis, 2004): items like those that a user took."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from graphtune.config import TrainConfig
from graphtune.graph import Graph
from graphtune.models.base import Model, check_recipe
from graphtune.models.factorise import quiet
from graphtune.models.histories import HistoryScorer, ItemOperator, count_items, histories, history_model

ROWS = 2048  # items whose similarities to all others are held at a time


class Neighbours(ItemOperator):
    """A sparse matrix of weights between items."""

    def __init__(self, num_items: int):
        super().__init__(num_items)
        self.put_csr("weight", sp.csr_array((num_items, num_items), dtype=np.float32))

    def scores(self, histories: sp.csr_array) -> np.ndarray:
        return (histories @ self.csr("weight")).toarray()


@dataclass(frozen=True)
class ItemKNN:
    """Score of item j: the sum of s_ij over the items i of the history that are among the neighbours of j.

    s_ij = c_ij / (sqrt(c_i c_j) + shrinkage), with c_ij the users who took both and c_i those who took i: the cosine,
    drawn towards 0 where few tell of it. It has no embeddings; memory is linear in items and neighbours.

    Attributes:
        neighbours: of each item, those of the largest s; of equal ones the first in the order of items.
        shrinkage: of the cosine; 0 for the plain one.
    """

    neighbours: int = 100
    shrinkage: float = 10.0

    def __post_init__(self) -> None:
        check_recipe(self, neighbours=1, shrinkage=0.0)

    @property
    def dim(self) -> int:
        return 0

    def build(self, graph: Graph, seed: int = 0) -> Model:
        return history_model(self, Neighbours(count_items(graph, "ItemKNN")), graph)

    def training(self) -> TrainConfig:
        return TrainConfig(epochs=1)

    def solve(self, model: Model, seed: int = 0, say: Callable[[str], None] = quiet) -> None:
        """Find the neighbours of each item."""
        taken = histories(model.graph)
        say(f"the {self.neighbours} neighbours of {taken.shape[1]:,} items")
        assert isinstance(model.scorer, HistoryScorer)
        model.scorer.operator.put_csr("weight", self.weights(taken))

    def weights(self, taken: sp.csr_array) -> sp.csr_array:
        """[I, I] float32: s_ij at row i and column j, for the neighbours i of j."""
        by_item = sp.csr_array(taken.T)
        length = np.sqrt(np.diff(by_item.indptr))
        parts = []
        for begin in range(0, len(length), ROWS):
            block = sp.csr_array(by_item[begin : begin + ROWS] @ taken)
            row = np.repeat(np.arange(block.shape[0]), np.diff(block.indptr))
            block.data /= (length[begin + row] * length[block.indices] + self.shrinkage).astype(np.float32)
            block.data[block.indices == begin + row] = 0
            parts.append(largest(block, self.neighbours))
        return sp.csr_array(sp.vstack(parts, format="csr").T)


def largest(matrix: sp.csr_array, k: int) -> sp.csr_array:
    """Of each row the `k` largest entries above 0; of equal ones the first columns."""
    matrix.eliminate_zeros()
    matrix.sort_indices()
    size = np.diff(matrix.indptr)
    row = np.repeat(np.arange(len(size)), size)
    order = np.lexsort((-matrix.data, row))
    kept = order[np.arange(len(order)) - np.repeat(matrix.indptr[:-1], size) < k]
    return sp.csr_array((matrix.data[kept], (row[kept], matrix.indices[kept])), shape=matrix.shape)
