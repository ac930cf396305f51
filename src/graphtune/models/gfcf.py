"""GF-CF (Shen et al., 2021): collaborative filtering as a filter on the graph of items, without training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch

from graphtune.config import TrainConfig
from graphtune.graph import Graph
from graphtune.kernels.sparse import sparse_product
from graphtune.models.base import Model, check_recipe
from graphtune.models.factorise import factors, quiet, sparse_operator
from graphtune.models.histories import AT_ONCE, HistoryScorer, ItemOperator, count_items, histories, history_model

Products = tuple[Callable[[np.ndarray], np.ndarray], Callable[[np.ndarray], np.ndarray]]


class SpectralFilter(ItemOperator):
    """x -> (x P + low_pass x D^-q V V^T D^q) times a polynomial of P = R~^T R~, which is never formed.

    R~ = D_u^-p R D_i^-q [U, I] is the normalised matrix of events, V [I, D] its first right singular vectors and
    D = D_i the users of each item.

    Args:
        num_items: I.
        dim: D.
        polynomial: coefficients of 1, P, P^2, ...
        early: whether the low-pass part goes through the polynomial, too, or is added behind it.
    """

    def __init__(self, num_items: int, dim: int, polynomial: tuple[float, ...] = (1.0,), early: bool = True):
        super().__init__(num_items, dim)
        self.polynomial, self.early = polynomial, early
        self.put_csr("matrix", sp.csr_array((0, num_items), dtype=np.float32))
        self.put(vector=np.zeros((num_items, dim)), scale=np.zeros(num_items), low_pass=np.zeros(1))

    def scores(self, histories: sp.csr_array) -> np.ndarray:
        matrix = self.csr("matrix")
        there, back = _product(matrix), _product(sp.csr_array(matrix.T))
        out = np.empty(histories.shape, dtype=np.float32)
        for begin in range(0, len(out), AT_ONCE):
            some = sp.csr_array(histories[begin : begin + AT_ONCE])
            x = back(np.ascontiguousarray((matrix @ some.T).toarray()))
            low = self._low_pass(some)
            x = self._sharpened(x + low, there, back) if self.early else self._sharpened(x, there, back) + low
            out[begin : begin + AT_ONCE] = x.T
        return out

    def vectors(self, histories: sp.csr_array) -> tuple[np.ndarray, np.ndarray]:
        into, items = self._sides()
        return histories @ into, items

    def _sides(self) -> tuple[np.ndarray, np.ndarray]:
        """[I, D] D^-q V and D^q V."""
        vector, scale = self.array("vector"), self.array("scale")[:, None]
        return np.divide(vector, scale, out=np.zeros_like(vector), where=scale > 0), vector * scale

    def _low_pass(self, histories: sp.csr_array) -> np.ndarray:
        """[I, U]"""
        into, items = self._sides()
        users = torch.from_numpy(np.ascontiguousarray((histories @ into).T))
        return float(self.array("low_pass")[0]) * (torch.from_numpy(items) @ users).numpy()

    def _sharpened(self, x: np.ndarray, there: Callable, back: Callable) -> np.ndarray:
        """[I, U] the polynomial of P on [I, U], by Horner's rule."""
        found = self.polynomial[-1] * x
        for coefficient in self.polynomial[-2::-1]:
            found = back(there(found)) + coefficient * x
        return found


@dataclass(frozen=True)
class GFCF:
    """Scores x P + low_pass x D^-q V V^T D^q: items that are near by common users, and an ideal low-pass filter.

    P = R~^T R~ with R~ = D_u^-p R D_i^-q, and V holds the first right singular vectors of R~. As embeddings a user has
    x D^-q V and an item D^q V, whose product is the low-pass part.

    Attributes:
        dim: vectors in V; where the matrix has fewer the rest is 0.
        low_pass: weight of the low-pass part, the paper's alpha.
        user_power: p.
        item_power: q; less than the paper's 0.5 lets popular items count for more.
    """

    dim: int = 256
    low_pass: float = 0.3
    user_power: float = 0.5
    item_power: float = 0.5

    def __post_init__(self) -> None:
        check_recipe(self, dim=1, low_pass=0.0, user_power=0.0, item_power=0.0)

    def build(self, graph: Graph, seed: int = 0) -> Model:
        return history_model(self, SpectralFilter(count_items(graph, "GFCF"), self.dim), graph)

    def training(self) -> TrainConfig:
        return TrainConfig(epochs=1)

    def solve(self, model: Model, seed: int = 0, say: Callable[[str], None] = quiet) -> None:
        """Find V."""
        solve_filter(model, (self.user_power, self.item_power), self.low_pass, seed, say)


def solve_filter(
    model: Model, powers: tuple[float, float], low_pass: float, seed: int, say: Callable[[str], None]
) -> None:
    """Fill in the arrays of a `SpectralFilter`; `powers` are p and q."""
    assert isinstance(model.scorer, HistoryScorer)
    operator = model.scorer.operator
    matrix, scale = normalised_events(histories(model.graph), *powers)
    say(f"{operator.dim} factors of {matrix.nnz:,} entries")
    found = factors(sparse_operator(matrix), sparse_operator(sp.csr_array(matrix.T)), matrix.shape, operator.dim, seed)
    vector = np.zeros((matrix.shape[1], operator.dim), dtype=np.float32)
    vector[:, : found.right.shape[1]] = found.right.numpy()
    operator.put_csr("matrix", matrix)
    operator.put(vector=vector, scale=scale, low_pass=np.array([low_pass]))


def normalised_events(taken: sp.csr_array, user_power: float, item_power: float) -> tuple[sp.csr_array, np.ndarray]:
    """R~ [U, I] float32 of 0/1 histories, and D_i^q [I], 0 for items that nobody took."""
    of_user, of_item = (np.asarray(taken.sum(axis=axis), dtype=np.float64) for axis in (1, 0))
    row = np.repeat(np.arange(taken.shape[0]), np.diff(taken.indptr))
    data = of_user[row] ** -user_power * of_item[taken.indices] ** -item_power
    matrix = sp.csr_array((data.astype(np.float32), taken.indices, taken.indptr), shape=taken.shape)
    return matrix, np.where(of_item > 0, of_item**item_power, 0)


def _product(matrix: sp.csr_array) -> Callable[[np.ndarray], np.ndarray]:
    csr = matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32), matrix.data

    def multiply(x: np.ndarray) -> np.ndarray:
        return sparse_product(*csr, x)

    return multiply
