"""EASE (Steck, 2019): the linear model of items by items, solved outright."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch
from scipy.linalg import lapack

from graphtune.check import bad, number, one_of
from graphtune.config import TrainConfig
from graphtune.graph import Graph
from graphtune.kernels.sparse import sparse_product
from graphtune.models.base import Model, check_recipe
from graphtune.models.factorise import factors, quiet, sparse_operator
from graphtune.models.histories import HistoryScorer, ItemOperator, count_items, histories, history_model

METHODS = ("auto", "exact", "truncated")
DENSE_ITEMS = 16_000  # most for an [I, I] matrix: 2 GB while it is solved in float64, 1 GB kept


class ItemWeights(ItemOperator):
    """B [I, I] in whole, or as `left @ right.T` less its diagonal."""

    def __init__(self, num_items: int):
        super().__init__(num_items)
        none = np.zeros((0, 0))
        self.put(weight=none, left=none, right=none, diagonal=np.zeros(0))

    def scores(self, histories: sp.csr_array) -> np.ndarray:
        csr = histories.indptr.astype(np.int64), histories.indices.astype(np.int32), histories.data
        if len(self.array("weight")):
            return sparse_product(*csr, self.array("weight"))
        scores = torch.from_numpy(sparse_product(*csr, self.array("left"))) @ torch.from_numpy(self.array("right")).T
        own = np.repeat(np.arange(histories.shape[0]), np.diff(histories.indptr)), histories.indices
        found = scores.numpy()
        found[own] -= histories.data * self.array("diagonal")[histories.indices]
        return found


@dataclass(frozen=True)
class EASE:
    """Scores x B, with B the least squares of X by X B under a zero diagonal and the penalty `l2` |B|^2.

    B_ij = -P_ij / P_jj with P = (X^T X + l2)^-1.

    "truncated" keeps the `rank` largest singular triples of X. By Woodbury's identity P is then 1 / l2 times
    I - V diag(s^2 / (s^2 + l2)) V^T, without any [I, I] matrix; what is left out is below s^2 / (s^2 + l2) at the first
    s that is left out: little where `l2` is well above that s^2, nothing at full rank. It has no embeddings.

    Attributes:
        l2: of the squares of B.
        method: "exact"; "truncated"; "auto" is exact up to 16,000 items.
        rank: of "truncated".
    """

    l2: float = 200.0
    method: str = "auto"
    rank: int = 512

    def __post_init__(self) -> None:
        check_recipe(self, rank=1)
        number("l2", "EASE", self.l2, 0, open_low=True)
        one_of("method", "EASE", self.method, METHODS)

    @property
    def dim(self) -> int:
        return 0

    def build(self, graph: Graph, seed: int = 0) -> Model:
        return history_model(self, ItemWeights(count_items(graph, "EASE")), graph)

    def training(self) -> TrainConfig:
        return TrainConfig(epochs=1)

    def solve(self, model: Model, seed: int = 0, say: Callable[[str], None] = quiet) -> None:
        """Find B.

        Raises:
            ArgumentError: "exact" for more than 16,000 items.
        """
        x = histories(model.graph)
        count = x.shape[1]
        if self.method == "exact" and count > DENSE_ITEMS:
            raise bad("method", "EASE", f"'truncated' for more than {DENSE_ITEMS:,} items", self.method)
        assert isinstance(model.scorer, HistoryScorer)
        if self.method == "exact" or (self.method == "auto" and count <= DENSE_ITEMS):
            say(f"inverse of {count:,} x {count:,} numbers")
            model.scorer.operator.put(weight=exact_weights(x, self.l2))
        else:
            say(f"truncated: {self.rank} factors of {x.nnz:,} entries in place of {count:,} x {count:,} weights")
            left, right, diagonal = self._truncated(x, seed)
            model.scorer.operator.put(left=left, right=right, diagonal=diagonal)

    def _truncated(self, x: sp.csr_array, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        found = factors(sparse_operator(x), sparse_operator(sp.csr_array(x.T)), x.shape, self.rank, seed)
        v, square = found.right.double().numpy(), found.values.double().numpy() ** 2
        left = v * (square / (square + self.l2))
        share = (left * v).sum(axis=1)
        right = v / np.maximum(1 - share, 1e-9)[:, None]
        return left, right, (left * right).sum(axis=1)


def exact_weights(x: sp.csr_array, l2: float) -> np.ndarray:
    """[I, I] B, by a Cholesky factor of X^T X + l2."""
    gram = np.asfortranarray((x.T @ x).toarray(), dtype=np.float64)
    gram[np.diag_indices_from(gram)] += l2
    factor, failed = lapack.dpotrf(gram, lower=1, overwrite_a=1)
    inverse, failed_too = lapack.dpotri(factor, lower=1, overwrite_c=1)
    if failed or failed_too:
        raise bad("l2", "EASE", "larger: the weights between items cannot be told apart", l2)
    inverse = inverse.astype(np.float32)  # only the lower half is filled in
    scale = -1 / inverse.diagonal()
    weights = np.tril(inverse, -1)
    weights += weights.T
    weights *= scale
    return np.ascontiguousarray(weights)
