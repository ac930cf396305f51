"""What nodes of a graph that has grown hear of: the edges that came no later than they did.

So whatever joins later, the embeddings of earlier nodes keep their bits. Axes: N nodes, M entries of a list.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graphtune.graph import CSR, Graph


@dataclass(frozen=True)
class Size:
    """How large a graph was before it grew; what came then stands behind it.

    Attributes:
        nodes: of each kind.
        edges: of all.
    """

    nodes: tuple[int, ...]
    edges: int


def size_of(graph: Graph) -> Size:
    return Size(tuple(len(block) for block in graph.ids.blocks), graph.num_edges)


def heard(graph: Graph, before: Sequence[Size]) -> CSR:
    """The neighbours of each node, in both directions, over the edges that came with it or earlier.

    Args:
        graph: as it is now.
        before: its sizes before each time that it grew, the first one first.
    """
    when = np.concatenate([_when(len(block), [s.nodes[k] for s in before]) for k, block in enumerate(graph.ids.blocks)])
    edge = _when(graph.num_edges, [size.edges for size in before])
    lists = [graph.take_edges(edge <= time).adjacency("both") for time in range(len(before) + 1)]
    degree = np.stack([each.degree for each in lists])[when, np.arange(len(when))]
    indptr = np.concatenate([[0], np.cumsum(degree)])
    indices = np.empty(indptr[-1], dtype=lists[0].indices.dtype)
    weight = None if graph.weight is None else np.empty(indptr[-1], dtype=np.float32)
    for time, each in enumerate(lists):
        to, mine = np.repeat(when == time, degree), np.repeat(when == time, each.degree)
        indices[to] = each.indices[mine]
        if weight is not None and each.weight is not None:
            weight[to] = each.weight[mine]
    return CSR(indptr, indices, weight)


def _when(count: int, ends: Sequence[int]) -> np.ndarray:
    """[count] how often there were so many already that each stands behind them."""
    return np.searchsorted(np.asarray(ends, dtype=np.int64), np.arange(count), side="right")
