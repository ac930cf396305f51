"""What ranks, who can be asked for, what can be recommended, and what is left out.

Axes: U sources, T targets, k places.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias

import numpy as np

from graphtune.check import bad
from graphtune.graph import Graph
from graphtune.kernels.csr import take_rows

Sets: TypeAlias = tuple[np.ndarray, np.ndarray]
"""A set of columns for each source, as CSR: indptr [U + 1] and columns."""


class Scores(Protocol):
    """What `frozen()` gives: scores of rows, computed from one moment of a model."""

    def cross(self, u: np.ndarray, columns: range) -> np.ndarray:
        """[U, len(columns)] float32 scores of each u with every node in `columns`."""

    def pairs(self, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        """[n] scores of u[i] -> v[i]."""


class Ranks(Protocol):
    """Whatever ranks targets: a model, a filter in closed form, or several of them fused."""

    @property
    def graph(self) -> Graph:
        """What it learned from."""

    def frozen(self) -> Scores:
        """Its scores, ready for many questions."""


def sources_of(graph: Graph) -> range:
    """The rows of those who can be asked for: the users of a log of events, all nodes of another graph."""
    return graph.ids.rows("user") if graph.is_bipartite_events else range(graph.num_nodes)


def targets_of(graph: Graph) -> range:
    """The rows of what can be recommended: the items of a log of events, all nodes of another graph."""
    return graph.ids.rows("item") if graph.is_bipartite_events else range(graph.num_nodes)


def kinds_asked(graph: Graph) -> tuple[str | None, str | None]:
    """The kinds of sources and of targets, where ids need one."""
    return ("user", "item") if graph.is_bipartite_events else (None, None)


def check_rankable(graph: Graph, known: Graph | None, who: str, user: Any) -> None:
    """Refuse graphs with relations, and known edges between other nodes.

    Raises:
        ArgumentError: one of the two is so.
    """
    if graph.relation_ids is not None:
        raise bad("user", who, "a node of a graph without relations", user, "Use `predict` instead.")
    if known is not None and known.ids != graph.ids:
        raise bad("known", who, "a graph on the nodes of the model", f"{len(known.ids)} other nodes")


def left_out(graph: Graph, known: Graph | None, rows: np.ndarray) -> Sets:
    """The columns that are not recommended to each of `rows` [U]: what it has in `known`, and itself.

    Columns count from the first target of `graph`.
    """
    indptr, columns = np.zeros(len(rows) + 1, dtype=np.int64), np.empty(0, dtype=np.int64)
    if known is not None:
        csr = known.adjacency("out")
        indptr, found = take_rows(csr.indptr, csr.indices, rows)
        columns = found.astype(np.int64) - targets_of(graph).start
    if not graph.is_bipartite_events:
        owner = np.concatenate([np.repeat(np.arange(len(rows)), np.diff(indptr)), np.arange(len(rows))])
        columns = np.concatenate([columns, rows])[np.argsort(owner, kind="stable")]
        indptr = indptr + np.arange(len(indptr))
    return indptr, columns
