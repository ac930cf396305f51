"""Rows for nodes that come after training, from a few edges each.

Axes: N nodes, n of those that were there, K numbers that a node is told, D of all tables of a model side by side.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from graphtune.adapt.enlarge import WHO, Enlarged, enlarge
from graphtune.adapt.fill import fill_rows
from graphtune.check import bad, integer
from graphtune.config import TrainConfig
from graphtune.graph import Graph
from graphtune.ids import NODE
from graphtune.models.arrivals import size_of
from graphtune.models.base import ClosedForm, Model
from graphtune.models.histories import HistoryScorer, with_graph
from graphtune.models.pathranking import PathScorer, over_graph
from graphtune.train.fit import Run, Training, fit

REPLAY = 1
RATE = 0.3


@dataclass(frozen=True)
class NewNodes:
    """What became of the nodes that were added.

    Attributes:
        ids: of the new nodes, by row.
        edges: how many new edges each of them has.
        untold: those from which no path of edges leads to a node that was there, and without features; their rows are
            the mean row.
        known: facts that were there already or stood twice, left out.
        between: new edges between nodes that were there: they are known now, and change no row.
        kinds: of each of them.
        featured: those without such a path whose rows come from their features.
        unscored: new items of a model that scores histories: they score 0 until it is solved again.
    """

    ids: tuple[Any, ...]
    edges: tuple[int, ...]
    untold: tuple[Any, ...] = ()
    known: int = 0
    between: int = 0
    kinds: tuple[str, ...] = ()
    featured: tuple[Any, ...] = ()
    unscored: tuple[Any, ...] = ()

    def count(self, kind: str) -> int:
        """How many are of a kind."""
        return sum(one == kind for one in self.kinds)

    def __str__(self) -> str:
        parts = list(self.counts())
        if self.featured:
            parts.append(f"{len(self.featured):,} of them without a way to a known node, set by their features")
        if self.unscored:
            parts.append("new items score 0 until the model is solved again")
        if self.untold:
            first = ", ".join(map(str, self.untold[:3]))
            parts.append(f"{len(self.untold):,} of them without a way to a known node, set to the mean row: {first}")
        if self.between:
            parts.append(f"{self.between:,} edges between known nodes, whose rows stay")
        if self.known:
            parts.append(f"{self.known:,} known or repeated edges left out")
        return "; ".join(parts)

    def counts(self) -> Iterator[str]:
        """How many there are of each kind, and with how many edges."""
        for kind in dict.fromkeys(self.kinds):
            edges = [count for count, one in zip(self.edges, self.kinds) if one == kind]
            few, many = min(edges), max(edges)
            each = f"{few:,}" if few == many else f"{few:,} to {many:,}"
            yield f"{len(edges):,} new {kind}s, {each} {'edges' if kind == NODE else 'events'} each"


@dataclass(frozen=True)
class Extended:
    """A model over more nodes.

    Attributes:
        model: over the enlarged graph.
        report: what became of the new nodes.
    """

    model: Model
    report: NewNodes


def add_nodes(
    model: Model,
    facts: Graph,
    epochs: int = 0,
    replay: int = REPLAY,
    config: TrainConfig | None = None,
    run: Run = Run(),
    rows: str = "mean",
) -> Extended:
    """A model with rows for new nodes, from a few edges each; all that it had keeps its bits.

    A new node starts at what its edges say: the mean of the queries that it should answer, such as h + r of TransE, is
    mapped to a row as those of the model are mapped to theirs best (see `fit_rows`). Nodes that are joined to new ones
    alone follow in rounds outwards; one to which no edge leads gets what a ridge regression makes of its features, or
    the mean row where there are none. LightGCN, GCN, GraphSAGE and GAT make of each node what they make of it in the
    graph of the day it came, so embeddings of old nodes stay, too (of the last three but for the rounding of products
    of matrices); those of other encoders change with their new edges, while all weights stay. An encoder without a
    table of nodes needs no more than the features of the new ones.

    With `epochs` the new rows are then trained as the recipe pretrains, on their own edges and on some of the others,
    which tell what new nodes do not answer. All else is held.

    Args:
        model: trained; left as it is.
        facts: new edges under the user's ids, some of nodes that the model knows; of relations that it knows.
        epochs: of training; 0 for the closed form alone.
        replay: edges of old nodes for each of new ones; the more, the less new nodes are given as answers.
        config: how to train, its own epochs aside; as the recipe does, at a third of its rate, where None.
        run: progress of the training.
        rows: what a new row is made from: the "mean" of what its edges say; or, where scores are products of the rows
            of a table, as of BPRMF, the row that solves regularised least squares ("solve": see `solve_rows`).

    Raises:
        ArgumentError: a relation is unknown, no node or every node is known, ids, weights, times or features do not
            fit, or there is nothing to train.
        TrainingError: the loss is no longer finite.
    """
    return extend(model, enlarge(model.graph, facts), epochs, replay, config, run, rows)


def extend(
    model: Model,
    found: Enlarged,
    epochs: int = 0,
    replay: int = REPLAY,
    config: TrainConfig | None = None,
    run: Run = Run(),
    rows: str = "mean",
) -> Extended:
    """`add_nodes` over a graph that has grown already; arguments and errors as there."""
    integer("epochs", WHO, epochs, 0)
    integer("replay", WHO, replay, 0)
    if isinstance(model.scorer, HistoryScorer | PathScorer):
        return _without_rows(model, found, epochs, rows)
    bigger = carried(model, found)
    bigger.encoder.hold(found.graph, (*model.encoder.grown, size_of(model.graph)))
    featured, untold = fill_rows(model, bigger, found, rows)
    if epochs:
        _train(bigger, found, replay, replace(config or usual_training(model), epochs=epochs), run)
    bigger.eval()
    return Extended(bigger, _report(found, featured, untold))


def _without_rows(model: Model, found: Enlarged, epochs: int, rows: str) -> Extended:
    """The same solution, which scores new nodes by their edges."""
    if epochs or rows != "mean":
        argument, got = ("epochs", epochs) if epochs else ("rows", rows)
        what = f"left out for {type(model.recipe).__name__}, which has no rows of nodes"
        raise bad(argument, WHO, what, got, "New nodes are scored by their edges.")
    nobody = np.zeros(len(found.new), dtype=bool)
    report = _report(found, nobody, nobody)
    if isinstance(model.scorer, PathScorer):
        return Extended(over_graph(model, found.graph), report)
    items = tuple(name for name, kind in zip(report.ids, report.kinds) if kind == "item")
    return Extended(with_graph(model, found.graph).eval(), replace(report, unscored=items))


def carried(model: Model, found: Enlarged) -> Model:
    """A model over the enlarged graph with all that the model has; new rows are 0.

    Raises:
        ArgumentError: a weight depends on the number of nodes, but is no table.
    """
    bigger = model.recipe.build(found.graph).to(model.device)
    for name, head in model.heads.items():
        bigger.add_head(name, head.spec)  # type: ignore[arg-type]
    if model.encoder.adapter_width:
        bigger.encoder.add_adapters(model.encoder.adapter_width)
    tables, ours = model.table_parameters(), model.state_dict()
    rows = torch.from_numpy(found.rows).to(model.device)
    for name, weight in bigger.state_dict().items():
        if name in tables:
            weight.zero_()
            weight[rows] = ours[name]
        elif weight.shape == ours[name].shape:
            weight.copy_(ours[name])
        else:
            what = f"one whose weights are of the size of its graph only in tables; {name} is"
            raise bad("model", WHO, what, f"{list(ours[name].shape)}, then {list(weight.shape)}")
    bigger.outputs = copy.deepcopy(model.outputs)
    return bigger


def usual_training(model: Model) -> TrainConfig:
    """How new rows are trained unless told: as the recipe is, at `RATE` times its rate, as they nearly are where they
    belong."""
    own = model.recipe.training()
    return replace(own, lr=RATE * own.lr, schedule="constant", patience=0)


def _train(bigger: Model, found: Enlarged, replay: int, config: TrainConfig, run: Run) -> None:
    """Train the new rows in place; all other weights keep their bits."""
    recipe, tables = bigger.recipe, bigger.table_parameters()
    if isinstance(recipe, ClosedForm):
        raise bad("epochs", WHO, f"0: {type(recipe).__name__} is solved, not trained", config.epochs)
    if not tables or any(table.dtype != torch.float32 for table in tables.values()):
        raise bad("epochs", WHO, "0 for a model without tables of float32", config.epochs)
    if not found.new[found.graph.edges].any():
        raise bad("epochs", WHO, "0 where no new node has an edge", config.epochs)
    others = [name for name, _ in bigger.named_parameters() if name not in tables]
    config = replace(config, freeze=",".join(filter(None, [*others, config.freeze])))
    sampler, objective = recipe.pretraining(_lesson(found, replay, config.seed), config)
    fit(bigger, Training("New nodes", sampler, objective, fixed=found.rows), config, run)


def _lesson(found: Enlarged, replay: int, seed: int) -> Graph:
    """The edges of new nodes, and `replay` times as many of the others."""
    graph = found.graph
    mine = found.new[graph.edges].any(axis=0)
    others = np.flatnonzero(~mine)
    size = min(len(others), replay * int(mine.sum()))
    mine[np.random.default_rng(seed).choice(others, size, replace=False)] = True
    return graph.take_edges(mine)


def _report(found: Enlarged, featured: np.ndarray, untold: np.ndarray) -> NewNodes:
    graph, new = found.graph, found.new
    added = graph.edges[:, found.added]
    degree = np.bincount(added[0], minlength=len(new)) + np.bincount(added[1][added[0] != added[1]], minlength=len(new))
    between = int((~new[added]).all(axis=0).sum())
    ids, set_by, lost = (tuple(graph.ids.values(np.flatnonzero(which))) for which in (new, featured, new & untold))
    kinds = tuple(graph.ids.kinds[kind] for kind in graph.ids.kinds_of(np.flatnonzero(new)))
    return NewNodes(ids, tuple(degree[new].tolist()), lost, found.known, between, kinds, set_by)
