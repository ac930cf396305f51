"""The days of a graph that has grown: which nodes came when, and what the graph was like then.

An encoder that holds to them makes of each node what it made on the day the node came, so whatever joins later, the
embeddings of earlier nodes keep their bits. Axes: N nodes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graphtune.graph import Graph


@dataclass(frozen=True)
class Size:
    """How large a graph was before it grew; what came then stands behind it.

    Attributes:
        nodes: of each kind.
        edges: of all.
        side: side edges of each name, in the order of the names.
    """

    nodes: tuple[int, ...]
    edges: int
    side: tuple[int, ...] = ()


def size_of(graph: Graph) -> Size:
    side = tuple(edges.shape[1] for edges in (graph.side or {}).values())
    return Size(tuple(len(block) for block in graph.ids.blocks), graph.num_edges, side)


def days(graph: Graph, before: Sequence[Size]) -> tuple[np.ndarray, list[Graph]]:
    """[N] the day on which each node came, 0 for those that were there first; and for each day but the last all nodes
    with the edges and side edges that were there by then.

    Args:
        graph: as it is now.
        before: its sizes before each time that it grew, the first one first.
    """
    blocks = enumerate(graph.ids.blocks)
    came = np.concatenate([_day(len(block), [size.nodes[kind] for size in before]) for kind, block in blocks])
    return came, [_graph_of(graph, size) for size in before]


def _graph_of(graph: Graph, size: Size) -> Graph:
    then = graph.take_edges(np.arange(graph.num_edges) < size.edges)
    return then.replace(
        side={name: edges[:, :end] for (name, edges), end in zip((graph.side or {}).items(), size.side)}
    )


def _day(count: int, ends: Sequence[int]) -> np.ndarray:
    """[count] how many of the ends each number is not below."""
    return np.searchsorted(np.asarray(ends, dtype=np.int64), np.arange(count), side="right")
