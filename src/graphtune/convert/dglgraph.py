"""Graphs of DGL, homogeneous and heterogeneous; DGL is the extra `graphtune[dgl]`. Axis: n nodes of one kind."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from graphtune.check import GraphtuneError, bad
from graphtune.convert.tables import (
    Edges,
    Nodes,
    Tables,
    from_tables,
    is_typed,
    labels_or_targets,
    to_tables,
    y_and_target,
)
from graphtune.convert.tensors import array, set_all, tensor
from graphtune.graph import Graph
from graphtune.ids import NODE

NO_KIND = "_N"  # how DGL calls the nodes of a homogeneous graph


def from_dgl(g: Any, directed: bool | None = None) -> Graph:
    """The graph of a `DGLGraph`: node types become kinds, edge types relations.

    Read of the nodes: "feat", "label" ([n] integers: classes; [n] floats: targets; [n, C] zeros and ones:
    several labels a node) and "target". Of the edges: "weight", "time", and `dgl.ETYPE` as relation numbers.
    Nothing else is carried.

    DGL has no ids: without the Python attributes that `to_dgl` sets they are 0..n-1 for each kind, and the
    kinds come in the order in which the edge types name them, sources first.

    Args:
        g: with all features of one width.
        directed: as in `from_pyg`.

    Raises:
        ArgumentError: features of several widths, weights of several columns, or labels of another shape.
        GraphtuneError: DGL is not installed.
    """
    who, dgl = "from_dgl", _dgl()
    if not isinstance(g, dgl.DGLGraph):
        raise bad("g", who, "a DGLGraph", type(g).__name__)
    types = g.canonical_etypes
    ids, texts = getattr(g, "ids", {}), getattr(g, "texts", {})
    named = [kind for kind in ids if kind in g.ntypes]
    nodes = {}
    for theirs in dict.fromkeys([*named, *(t[0] for t in types), *(t[2] for t in types), *g.ntypes]):
        kind = _ours(theirs)
        nodes[kind] = _nodes(g.nodes[theirs].data, g.num_nodes(theirs), ids.get(kind), texts.get(kind))
    edges = [_edges(g.edges[kind].data, g.edges(etype=kind), kind, dgl.ETYPE) for kind in types]
    relation_ids, label_names = getattr(g, "relation_ids", None), getattr(g, "label_names", None)
    return from_tables(Tables(nodes, edges, relation_ids, label_names), who, directed)


def to_dgl(graph: Graph) -> Any:
    """A homogeneous `DGLGraph`, or a heterogeneous one if the graph has named kinds of node.

    Written as `from_dgl` reads it, an undirected edge in both directions; features are dense, several labels
    a node floats, and edges without a relation of the type "to". For what DGL has no place it gets Python
    attributes, which its own transformations do not copy: `ids` and `texts` (lists, by kind), `relation_ids`
    and `label_names`.

    Raises:
        ArgumentError: a graph with named kinds of node but no edge, which DGL cannot hold.
        GraphtuneError: DGL is not installed.
    """
    dgl = _dgl()
    tables = to_tables(graph)
    typed = is_typed(graph)
    if typed and not graph.num_edges:
        what = "a graph with edges, as DGL takes no other with kinds of node"
        raise bad("graph", "to_dgl", what, "no edges")
    ends = [tuple(tensor(edges.ends)) for edges in tables.edges]
    if typed:
        counts = {kind: nodes.count for kind, nodes in tables.nodes.items()}
        g = dgl.heterograph(dict(zip((edges.type for edges in tables.edges), ends)), counts)
    else:
        g = dgl.graph(ends[0], num_nodes=graph.num_nodes)
    for kind, nodes in tables.nodes.items():
        set_all(g.nodes[kind if typed else NO_KIND].data, _node_values(nodes))
    for edges in tables.edges:
        values = {"weight": edges.weight, "time": edges.time, dgl.ETYPE: edges.relation}
        set_all(g.edges[edges.type].data if typed else g.edata, values)
    g.ids = {kind: nodes.ids for kind, nodes in tables.nodes.items()}
    g.texts = {kind: nodes.texts for kind, nodes in tables.nodes.items()}
    g.relation_ids, g.label_names = tables.relation_ids, tables.label_names
    return g


def _dgl() -> Any:
    os.environ.setdefault("DGLBACKEND", "pytorch")  # or the import asks, and writes a configuration file
    try:
        import dgl
    except ImportError as error:
        raise GraphtuneError(f"DGL could not be imported ({error}). Install graphtune[dgl].") from error
    return dgl


def _ours(kind: str) -> str:
    return NODE if kind == NO_KIND else kind


def _nodes(data: Any, count: int, ids: list[Any] | None, texts: Any) -> Nodes:
    y, target = array(data.get("label")), array(data.get("target"))
    labels, targets = labels_or_targets(y, count, "label", "from_dgl")
    return Nodes(count, ids, array(data.get("feat")), labels, target if targets is None else targets, texts)


def _edges(data: Any, ends: Any, kind: tuple[str, str, str], relation: str) -> Edges:
    weight = array(data.get("weight"))
    if weight is not None and weight.size != len(weight):
        raise bad("weight", "from_dgl", "one weight per edge", list(weight.shape))
    return Edges(
        (_ours(kind[0]), kind[1], _ours(kind[2])),
        np.stack([array(end) for end in ends]).astype(np.int64),
        array(data.get(relation)),
        None if weight is None else weight.ravel(),
        array(data.get("time")),
    )


def _node_values(nodes: Nodes) -> dict[str, Any]:
    y, target = y_and_target(nodes)
    return {"feat": nodes.features, "label": y, "target": target}
