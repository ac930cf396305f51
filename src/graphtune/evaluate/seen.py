"""Whether a model has learned from edges that it is to be judged by."""

from __future__ import annotations

import numpy as np

from graphtune.check import LeakError, bad
from graphtune.graph import Graph
from graphtune.models.base import Model
from graphtune.split import Split


def refuse_seen(model: Model, split: Split, who: str = "The model") -> None:
    """Refuse a model that learned from edges it is to predict.

    Raises:
        ArgumentError: it is about other nodes than the split.
        LeakError: its graph holds validation or test edges that the train part does not.
    """
    if model.graph is split.train:
        return
    if model.graph.ids != split.graph.ids:
        fix = "Split the graph that the model was built on."
        raise bad("split", "evaluate", "of the nodes of the model", f"{split.graph.num_nodes:,} other nodes", fix)
    if np.array_equal(_keys(model.graph), _keys(split.train)):
        return
    seen = np.setdiff1d(_keys(model.graph), _keys(split.train))
    hidden = np.concatenate([_keys(split.valid), _keys(split.test)])
    known = int(np.isin(hidden, seen).sum())
    if known:
        raise LeakError(
            f"{who} must have learned the train part only. Got one that has seen {known:,} of {len(hidden):,} "
            "validation and test edges. Pretrain it on the split (without --split none)."
        )


def _keys(graph: Graph) -> np.ndarray:
    """[E] a number for each edge: its nodes, unordered in an undirected graph, and its relation."""
    u, v = graph.edges if graph.directed else np.sort(graph.edges, axis=0)
    keys = u * graph.num_nodes + v
    return keys if graph.relation is None else keys * graph.num_relations + graph.relation
