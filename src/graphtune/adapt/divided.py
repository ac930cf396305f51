"""Splits of a graph that has grown. Axes: N nodes, E edges."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from graphtune.adapt.enlarge import Enlarged
from graphtune.graph import Graph
from graphtune.split import TRAIN, UNUSED, Split
from graphtune.split.parts import arrival


def divided(split: Split, found: Enlarged) -> tuple[Split, Enlarged]:
    """The split with new edges in train and new nodes in no part, and how the graph that a model may see has grown.

    Args:
        split: of the graph before.
        found: how its whole graph has grown, so that no edge of validation or test is told a second time.

    Raises:
        LeakError: a new edge tells of one of validation or test, as the same triple by an inverse relation does.
    """
    if split.unit == "edge":
        added = np.full(int(found.added.sum()), TRAIN, dtype=np.uint8)
        negatives = split.negatives
        if negatives is not None:
            negatives = np.concatenate([found.rows[negatives[:2]], negatives[2:]])
        grown = replace(split, graph=found.graph, part=np.concatenate([split.part, added]), negatives=negatives)
    else:
        part = _of_nodes(split, found)
        edge_part = None if split.edge_part is None else arrival(found.graph, part)
        grown = replace(split, graph=found.graph, part=part, edge_part=edge_part)
    grown.audit()
    seen = Enlarged(grown.observed(TRAIN), found.rows, split.observed(TRAIN).num_edges, found.known)
    return grown, seen


def divided_nodes(split: Split, graph: Graph, found: Enlarged) -> Split:
    """A split of nodes, all of whose edges are seen, over the graph of the model that has grown."""
    return replace(split, graph=graph, part=_of_nodes(split, found))


def _of_nodes(split: Split, found: Enlarged) -> np.ndarray:
    part = np.full(found.graph.num_nodes, UNUSED, dtype=np.uint8)
    part[found.rows] = split.part
    return part
