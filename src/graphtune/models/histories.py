"""Models that score a user by the items it took: what closed-form recommenders share.

Such a model has no vector that is learned for a user. An operator between items, solved from the train part, makes the
scores of all items from a history; so a user who came today is scored as any other, and nothing is trained.

Axes: U users, I items, D dim of the vectors that some operators have.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor
from torch.nn import functional as F

from graphtune.check import ArgumentError, bad
from graphtune.graph import Graph
from graphtune.kernels.csr import take_rows
from graphtune.models.base import ClosedForm, Model
from graphtune.models.encoder import Encoder
from graphtune.models.scorer import Frozen, Scorer
from graphtune.models.solved import Solved

AT_ONCE = 256  # users whose scores of all items are made at a time


class ItemOperator(Solved, ABC):
    """Scores of all items from histories. Its arrays are buffers of whatever size the solution has.

    Args:
        num_items: I.
        dim: D; 0 for an operator without vectors.

    Attributes:
        items: [I] int64, where its items stand among those of the graph, which may have grown.
        linear: whether the scores of a history are the sum of those of its items.
    """

    items: Tensor
    linear = True

    def __init__(self, num_items: int, dim: int = 0):
        super().__init__()
        self.dim = dim
        self.register_buffer("items", torch.arange(num_items))

    @abstractmethod
    def scores(self, histories: sp.csr_array) -> np.ndarray:
        """[U, I] float32 from [U, I] histories."""

    def vectors(self, histories: sp.csr_array) -> tuple[np.ndarray, np.ndarray]:
        """[U, D] float32 of users by their histories, and [I, D] of all items; only where D is not 0."""
        raise NotImplementedError

    def put_csr(self, name: str, matrix: sp.csr_array) -> None:
        """Set the three buffers of a sparse matrix; how many columns it has the operator knows."""
        arrays = {"begin": matrix.indptr, "column": matrix.indices, "value": matrix.data}
        self.put(**{f"{name}_{part}": array for part, array in arrays.items()})

    def csr(self, name: str) -> sp.csr_array:
        """The sparse matrix of `put_csr`, [rows, I]."""
        begin, column, value = (self.array(f"{name}_{part}") for part in ("begin", "column", "value"))
        return sp.csr_array((value, column.astype(np.int32), begin), shape=(len(begin) - 1, len(self.items)))


class HistoryScorer(Scorer):
    """Scores by an operator on histories. It has nothing to train, and no queries and keys.

    Args:
        operator: solved, or to be solved.
    """

    def __init__(self, operator: ItemOperator):
        super().__init__()
        self.operator = operator
        self.has_embeddings = bool(operator.dim)

    def scores(self, histories: sp.csr_array) -> np.ndarray:
        """[U, I] float32 from [U, I] histories, I the items of the graph; what the operator does not know scores 0."""
        items = self.operator.items.cpu().numpy()
        if np.array_equal(items, np.arange(histories.shape[1])):
            return self.operator.scores(histories)
        scores = np.zeros(histories.shape, dtype=np.float32)
        scores[:, items] = self.operator.scores(sp.csr_array(histories[:, items]))
        return scores

    def vectors(self, histories: sp.csr_array) -> tuple[np.ndarray, np.ndarray]:
        """[U, D] of users by their histories and [I, D] of all items, 0 for those that the operator does not know.

        Raises:
            ArgumentError: the operator has none.
        """
        if not self.operator.dim:
            raise no_vectors(self)
        items = self.operator.items.cpu().numpy()
        users, known = self.operator.vectors(sp.csr_array(histories[:, items]))
        vectors = np.zeros((histories.shape[1], known.shape[1]), dtype=np.float32)
        vectors[items] = known
        return users, vectors

    def frozen(self, encoder: Encoder, graph: Graph) -> Frozen:
        return HistoryScores(self, graph)  # type: ignore[return-value]

    def query(self, z: Tensor, relation: Tensor | None = None) -> Tensor:
        raise no_vectors(self, "query")

    def key(self, z: Tensor, nodes: Tensor | None = None) -> Tensor:
        raise no_vectors(self, "key")

    def cross(self, query: Tensor, key: Tensor) -> Tensor:
        raise no_vectors(self, "cross")


class HistoryEncoder(Encoder):
    """The vectors that an operator has: of users by their histories in the graph, and of items."""

    def __init__(self, scorer: HistoryScorer, graph: Graph):
        super().__init__()
        self.num_nodes, self.dim = graph.num_nodes, scorer.operator.dim
        self._scores = HistoryScores(scorer, graph)

    def forward(self, nodes: Tensor | None = None) -> Tensor:
        z = self._scores.z
        return z if nodes is None else F.embedding(nodes.to(z.device), z)


@dataclass(frozen=True)
class HistoryScores:
    """The scores of the users of a graph by their histories, in the place of `Frozen`. Works on row numbers.

    What is no pair of a user and an item scores 0.

    Attributes:
        scorer: makes the scores.
        graph: holds the histories.
    """

    scorer: HistoryScorer
    graph: Graph

    def cross(self, u: np.ndarray, columns: range, relation: np.ndarray | None = None) -> np.ndarray:
        """[n, len(columns)] float32 scores of each u -> every node in `columns`."""
        items = self.graph.ids.rows("item")
        if columns == items:
            return self.scorer.scores(histories(self.graph, u))
        out = np.zeros((len(u), len(columns)), dtype=np.float32)
        low, high = max(columns.start, items.start), min(columns.stop, items.stop)
        if low < high:
            scores = self.scorer.scores(histories(self.graph, u))
            out[:, low - columns.start : high - columns.start] = scores[:, low - items.start : high - items.start]
        return out

    def pairs(self, u: np.ndarray, v: np.ndarray, relation: np.ndarray | None = None) -> np.ndarray:
        """[n] float32 scores of u -> v."""
        items = self.graph.ids.rows("item")
        out = np.zeros(len(u), dtype=np.float32)
        users, which = np.unique(u, return_inverse=True)
        order = np.argsort(which, kind="stable")
        bounds = np.searchsorted(which[order], np.arange(0, len(users) + AT_ONCE, AT_ONCE))
        for i in range(len(bounds) - 1):
            some = order[bounds[i] : bounds[i + 1]]
            some = some[(v[some] >= items.start) & (v[some] < items.stop)]
            scores = self.cross(users[i * AT_ONCE : (i + 1) * AT_ONCE], items)
            out[some] = scores[which[some] - i * AT_ONCE, v[some] - items.start]
        return out

    def summands(self, source: int, target: int) -> tuple[np.ndarray, np.ndarray]:
        """[H] nodes of the items that the source took, and [H] float64 what each adds to the score of the target; none
        for an operator that is not linear."""
        items, taken = self.graph.ids.rows("item"), histories(self.graph, np.array([source]))
        if not self.scorer.operator.linear:
            return np.empty(0, np.int64), np.empty(0)
        alone = sp.csr_array((taken.data, taken.indices, np.arange(taken.nnz + 1)), shape=(taken.nnz, len(items)))
        parts = self.scorer.scores(alone)[:, target - items.start].astype(np.float64)
        return taken.indices.astype(np.int64) + items.start, parts

    @property
    def z(self) -> Tensor:
        """[N, D] vectors of users and of items, 0 for nodes that are neither."""
        kinds = [self.graph.ids.rows(kind) for kind in ("user", "item")]
        z = np.zeros((self.graph.num_nodes, self.scorer.operator.dim), dtype=np.float32)
        for rows, vectors in zip(kinds, self.scorer.vectors(histories(self.graph, np.array(kinds[0])))):
            z[rows.start : rows.stop] = vectors
        return torch.from_numpy(z).to(self.scorer.operator.items.device)

    @property
    def key(self) -> Tensor:
        """[N, D]: the same as `z`."""
        return self.z


def history_model(recipe: ClosedForm, operator: ItemOperator, graph: Graph) -> Model:
    """A model of a log of events that scores histories."""
    scorer = HistoryScorer(operator)
    return Model(recipe, HistoryEncoder(scorer, graph), scorer, graph)


def count_items(graph: Graph, who: str) -> int:
    """I.

    Raises:
        ArgumentError: the graph is no log of events.
    """
    if not graph.is_bipartite_events:
        raise bad("graph", who, "a log of events, of users with items", f"nodes of {', '.join(graph.ids.kinds)}")
    return len(graph.ids.rows("item"))


def histories(graph: Graph, rows: np.ndarray | None = None) -> sp.csr_array:
    """[U, I] float32, 1 where a user took an item however often; all users without `rows`, which number nodes."""
    users, items = graph.ids.rows("user"), graph.ids.rows("item")
    csr = graph.adjacency("out")
    rows = np.array(users) if rows is None else np.asarray(rows, dtype=np.int64)
    indptr, nodes = take_rows(csr.indptr, csr.indices, rows)
    ones = np.ones(len(nodes), np.float32)
    taken = sp.csr_array((ones, nodes - items.start, indptr), shape=(len(rows), len(items)))
    taken.sum_duplicates()
    taken.data[:] = 1
    return taken


def with_graph(model: Model, graph: Graph) -> Model:
    """The same solution over another graph, whose users are scored by the histories that stand in it.

    Nothing is solved again: items that are new score 0, and users are new or have changed at no cost.

    Args:
        model: one that scores histories; left as it is.
        graph: a log of events with every item of the model, by id, in any order.

    Raises:
        ArgumentError: the model scores no histories, or an item of it is unknown in the graph.
    """
    scorer = model.scorer
    if not isinstance(scorer, HistoryScorer):
        raise bad("model", "with_graph", "one that scores histories", type(model.recipe).__name__)
    twin = model.recipe.build(graph)
    assert isinstance(twin.scorer, HistoryScorer)
    twin.load_state_dict(model.state_dict())
    known = model.ids.values(scorer.operator.items.cpu().numpy() + model.ids.rows("item").start)
    twin.scorer.operator.items = torch.from_numpy(graph.ids.index(known, "item") - graph.ids.rows("item").start)
    return twin.to(model.device).train(model.training)


def no_vectors(scorer: HistoryScorer, what: str = "embeddings") -> ArgumentError:
    name = type(scorer.operator).__name__
    fix = "`score`, `recommend` and `most_similar` work; for embeddings take GFCF, BSPM, LightGCN or BPRMF."
    return bad("model", what, "one with embeddings", f"{name}, which scores histories", fix)
