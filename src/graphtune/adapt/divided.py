"""Splits of a graph that has grown. Axes: N nodes, E edges, F new ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from graphtune.adapt.enlarge import Enlarged
from graphtune.graph import Graph
from graphtune.split import TRAIN, UNUSED, Split
from graphtune.split.keys import group_by, row_key
from graphtune.split.parts import COLD, ORDERED, UPDATED, arrival


def divided(split: Split, found: Enlarged) -> tuple[Split, Enlarged]:
    """The split with new edges in train and new nodes in no part, and how the graph that a model may see has grown. New
    events of a user with an item that is held out for it stay held out.

    Args:
        split: of the graph before.
        found: how its whole graph has grown, so that no edge of validation or test is told a second time.

    Raises:
        LeakError: a new edge tells of one of validation or test, as the same triple by an inverse relation does.
    """
    if split.unit == "edge":
        added = added_parts(split, found)
        negatives = split.negatives
        if negatives is not None:
            negatives = np.concatenate([found.rows[negatives[:2]], negatives[2:]])
        timed = split.kind in (*ORDERED, *COLD)
        kind = UPDATED if timed else split.kind  # what is added comes after what is held out
        part = np.concatenate([split.part, added])
        grown = replace(split, graph=found.graph, kind=kind, part=part, negatives=negatives)
    else:
        part = _of_nodes(split, found)
        edge_part = None if split.edge_part is None else arrival(found.graph, part)
        grown = replace(split, graph=found.graph, part=part, edge_part=edge_part)
    grown.audit()
    seen = Enlarged(grown.observed(TRAIN), found.rows, split.observed(TRAIN).num_edges, found.known)
    return grown, seen


def added_parts(split: Split, found: Enlarged) -> np.ndarray:
    """[F] the part of each new edge: train, or of an event that of earlier ones of the same pair, the first where these
    are in several."""
    graph, before = found.graph, found.edges_before
    if not graph.is_bipartite_events:
        return np.full(graph.num_edges - before, TRAIN, dtype=np.uint8)
    group, _ = group_by(row_key(*graph.edges))
    part_of = np.full(int(group.max(initial=-1)) + 1, UNUSED, dtype=np.uint8)
    np.minimum.at(part_of, group[:before], split.part)
    fresh = ~np.isin(group[before:], group[:before])
    return np.where(fresh, TRAIN, part_of[group[before:]]).astype(np.uint8)


def divided_nodes(split: Split, graph: Graph, found: Enlarged) -> Split:
    """A split of nodes, all of whose edges are seen, over the graph of the model that has grown."""
    return replace(split, graph=graph, part=_of_nodes(split, found))


def _of_nodes(split: Split, found: Enlarged) -> np.ndarray:
    part = np.full(found.graph.num_nodes, UNUSED, dtype=np.uint8)
    part[found.rows] = split.part
    return part
