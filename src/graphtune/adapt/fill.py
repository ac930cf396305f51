"""Rows of new nodes in closed form, from what their edges say.

Axes: N nodes, n of those that a model has, F edges, D of all tables of the model side by side.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from graphtune.adapt.enlarge import WHO, Enlarged
from graphtune.adapt.hints import hints_of, mean_hints, two_sided
from graphtune.adapt.rowmap import RowMap, fit_rows, regress_rows
from graphtune.adapt.solve import solved_hints
from graphtune.check import bad, one_of
from graphtune.graph import Graph
from graphtune.models.base import Model
from graphtune.models.lookup import Dot, Lookup
from graphtune.split.keys import rank_within, sort_within

ROWS = ("mean", "solve")
FITTED = 20_000  # nodes that a map is fitted to, at most
WIDEST = 4096  # features of which rows are made


@torch.no_grad()
def fill_rows(model: Model, bigger: Model, found: Enlarged, rows: str = "mean") -> tuple[np.ndarray, np.ndarray]:
    """Set the rows of new nodes in all tables to what their edges say, in rounds outwards from those that were there.

    Args:
        model: that was trained.
        bigger: over the enlarged graph, with the same weights; changed in place.
        found: how the graph has grown.
        rows: one of `ROWS`.

    Returns:
        [N] bool, the new nodes to which no path leads and that have features, by which their rows are set; and [N]
        bool, those without either, which get the mean row of their kind.

    Raises:
        ArgumentError: least squares for scores that are no products of rows.
    """
    graph, new, tables = found.graph, found.new, bigger.table_parameters()
    if one_of("rows", WHO, rows, ROWS) == "solve" and not _has_products(model):
        what = "'mean' for a model whose scores are not products of the rows of one table"
        raise bad("rows", WHO, what, rows)
    rounds = rounds_from(graph.edges[:, found.added], new)
    if not tables:
        return np.zeros_like(new), rounds < 0
    kinds = graph.ids.kinds_of(np.arange(len(new)))
    hints, apart = hints_of(graph.take_edges(found.added), model.scorer), two_sided(graph, model.scorer)
    hints = hints.take((rounds[hints.owner] > 0) & (rounds[hints.other] == rounds[hints.owner] - 1))
    counts = np.bincount(hints.owner, minlength=len(new))
    maps = {
        int(kind): _row_map(model, int(kind), counts[new & (kinds == kind)], rows) for kind in np.unique(kinds[new])
    }
    for number in range(1, int(rounds.max()) + 1):
        frozen, some = bigger.frozen(), hints.take(rounds[hints.owner] == number)
        if rows == "solve":
            told = solved_hints(frozen, some, kinds, found.rows)
        else:
            told = mean_hints(frozen, some, len(new), apart)
        for kind, row_map in maps.items():
            nodes = np.flatnonzero((rounds == number) & (kinds == kind))
            _put(tables, nodes, row_map(told[nodes]))
    featured = (rounds < 0) & has_features(graph)
    for kind, row_map in maps.items():
        nodes = np.flatnonzero((rounds < 0) & ~featured & (kinds == kind))
        _put(tables, nodes, np.tile(row_map.mean, (len(nodes), 1)))
        nodes = np.flatnonzero(featured & (kinds == kind))
        if len(nodes):
            old = found.rows[kinds[found.rows] == kind]
            _put(tables, nodes, _feature_map(bigger, old)(_features(graph, nodes)))
    return featured, (rounds < 0) & ~featured


def has_features(graph: Graph) -> np.ndarray:
    """[N] bool, the nodes with a feature that is not 0; none where they have more than `WIDEST` features."""
    features = graph.features
    if features is None or features.shape[1] > WIDEST:
        return np.zeros(graph.num_nodes, dtype=bool)
    return np.asarray(abs(features).sum(axis=1)).ravel() > 0


def _feature_map(bigger: Model, old: np.ndarray) -> RowMap:
    """Ridge regression from features to the rows of old nodes of a kind, which are surer the more edges they have."""
    old = old[has_features(bigger.graph)[old]]
    old = old[np.linspace(0, len(old) - 1, min(len(old), FITTED)).astype(np.int64)]
    tables = _rows_of(list(bigger.table_parameters().values()), old)
    count = np.bincount(bigger.graph.edges.ravel(), minlength=bigger.graph.num_nodes)[old]
    return regress_rows(_features(bigger.graph, old), np.concatenate(tables, axis=1), np.sqrt(1 + count))


def _features(graph: Graph, nodes: np.ndarray) -> np.ndarray:
    """[n, F] float64."""
    some: Any = graph.features
    some = some[nodes]
    return np.asarray(some.toarray() if sp.issparse(some) else some, dtype=np.float64)


def _has_products(model: Model) -> bool:
    """Whether a score is the product of two rows of one table."""
    return isinstance(model.encoder, Lookup) and isinstance(model.scorer, Dot)


def rounds_from(edges: np.ndarray, new: np.ndarray) -> np.ndarray:
    """[N] in which round each node is reached over the edges [2, F] from those that are not new, 0; -1 for never."""
    rounds, number = np.where(new, -1, 0), 0
    while (rounds == number).any():
        number += 1
        reached = [ends[(rounds[others] >= 0) & (rounds[ends] < 0)] for ends, others in (edges, edges[::-1])]
        rounds[np.concatenate(reached)] = number
    return rounds


def _row_map(model: Model, kind: int, counts: np.ndarray, rows: str) -> RowMap:
    """From what edges say of nodes of a kind to their rows, by the nodes that the model has.

    They are told as little as new ones are: each keeps as many hints, at random, as one of `counts` says. The mean of
    many hints is surer, and its map would make too much of a few.
    """
    graph, (first, end) = model.graph, model.ids.starts[kind : kind + 2]
    hints = hints_of(graph, model.scorer)
    owners = np.unique(hints.owner)
    owners = owners[(owners >= first) & (owners < end)]
    owners = owners if len(owners) else np.arange(first, end)
    owners = owners[np.linspace(0, len(owners) - 1, min(len(owners), FITTED)).astype(np.int64)]
    some = hints.take(np.isin(hints.owner, owners))
    if counts.any():
        some = some.take(_few(some.owner, counts[counts > 0]))
    frozen = model.frozen()
    if rows == "solve":
        every = np.arange(graph.num_nodes)
        told = solved_hints(frozen, some, graph.ids.kinds_of(every), every)[owners]
    else:
        told = mean_hints(frozen, some, graph.num_nodes, two_sided(graph, model.scorer))[owners]
    tables = _rows_of(list(model.table_parameters().values()), owners)
    return fit_rows(told, np.concatenate(tables, axis=1), frozen.key.shape[1], [t.shape[1] for t in tables])


def _few(owner: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Positions of some entries of each owner, at random, at most as many as one of `counts`; the same in each call."""
    rng = np.random.default_rng(0)
    most = rng.choice(counts, int(owner.max(initial=0)) + 1)
    order = sort_within(owner, rng.permutation(len(owner)))
    place, _ = rank_within(owner[order])
    return order[place < most[owner[order]]]


def _rows_of(tables: list[Tensor], nodes: np.ndarray) -> list[np.ndarray]:
    """[n, width] float64 rows of each table."""
    at = torch.from_numpy(nodes)
    return [table.cpu()[at].double().reshape(len(nodes), -1).numpy() for table in tables]


def _put(tables: dict[str, torch.nn.Parameter], nodes: np.ndarray, rows: np.ndarray) -> None:
    """Set rows of all tables, [n, D] side by side."""
    at = 0
    for table in tables.values():
        width = table[:1].numel()
        part = torch.from_numpy(rows[:, at : at + width]).reshape(len(nodes), *table.shape[1:])
        table[torch.from_numpy(nodes).to(table.device)] = part.to(table)
        at += width
