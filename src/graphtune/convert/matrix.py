"""Adjacency matrices of SciPy. Axes: N nodes, U sources, I targets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import scipy.sparse as sp

from graphtune.check import bad
from graphtune.graph import Graph
from graphtune.ids import NodeIds

EVENTS = 'For users and items pass ids=NodeIds.of(users, items, kinds=("user", "item")).'


def from_scipy(matrix: Any, ids: NodeIds | Iterable[Any] | None = None, directed: bool = False) -> Graph:
    """The graph of an adjacency matrix: an edge for each entry that is not zero.

    Args:
        matrix: [N, N], any sparse format; entry (u, v) is the weight of u -> v, entries given twice are
            summed. If all weights are one, the graph has none. Or [U, I], with two kinds of node in `ids`: a
            directed graph from the first to the second.
        ids: N ids in row order; without them 0..N-1.
        directed: False for a symmetric matrix, of which each edge is taken once.

    Raises:
        ArgumentError: the matrix is not sparse, not symmetric though the graph is undirected, or does not
            have one row and one column per id.
    """
    who = "from_scipy"
    if not sp.issparse(matrix):
        fix = "Wrap it: scipy.sparse.csr_array(...)."
        raise bad("matrix", who, "a sparse matrix", type(matrix).__name__, fix)
    entries = sp.coo_array(matrix, copy=True)
    entries.sum_duplicates()
    entries.eliminate_zeros()
    if ids is None:
        ids = NodeIds.range(entries.shape[0])
    names = ids if isinstance(ids, NodeIds) else NodeIds.of(ids)
    two_kinds = tuple(map(len, names.blocks)) == entries.shape
    if not two_kinds and entries.shape != (len(names), len(names)):
        what = f"of one row and one column for each of {len(names)} ids"
        raise bad("matrix", who, what, entries.shape, EVENTS)
    if not directed and not two_kinds:
        if (entries != entries.T).nnz:
            raise bad("matrix", who, "symmetric for an undirected graph", "another", "Pass directed=True.")
        entries = sp.coo_array(sp.triu(entries))
    edges = np.stack(entries.coords).astype(np.int64)
    edges[1] += entries.shape[0] if two_kinds else 0
    weight = None if (entries.data == 1).all() else entries.data
    return Graph(edges, names, directed or two_kinds, weight=weight)


def to_scipy(graph: Graph) -> sp.csr_array:
    """[N, N] adjacency matrix, float32, symmetric for an undirected graph; parallel edges are summed.

    Rows are in the order of `graph.ids`. Relations, times and all that belongs to nodes are not carried.
    """
    return graph.sparse().copy()
