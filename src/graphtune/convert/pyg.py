"""`Data` and `HeteroData` of PyTorch Geometric. Axes: N nodes, E edges, F features, C classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from graphtune.check import DataError, bad
from graphtune.convert.tables import (
    ONE_TYPE,
    Edges,
    Nodes,
    Tables,
    from_tables,
    is_typed,
    labels_or_targets,
    side_tables,
    to_tables,
    with_side,
    y_and_target,
)
from graphtune.convert.tensors import array, set_all
from graphtune.graph import Graph
from graphtune.ids import NODE

if TYPE_CHECKING:
    from torch_geometric.data import Data, HeteroData

MASKS = ("train_mask", "val_mask", "test_mask")
UNUSED = len(MASKS)


def from_pyg(data: Data | HeteroData, directed: bool | None = None) -> Graph:
    """The graph of a `Data` or, with node types as kinds and edge types as relations, a `HeteroData`.

    Read of the nodes: `x` (dense or sparse), `y` ([N] integers: classes; [N] floats: targets; [N, C] zeros
    and ones: several labels a node), `target`, `ids`, `texts`. Of the edges: `edge_index`, `edge_type` with
    `relation_ids`, `edge_weight` or an `edge_attr` of one column, `edge_time`. Of the whole: `label_names`.
    Masks are read by `part_from_pyg`; nothing else is carried. Edge types of a `HeteroData` that its list `side` names
    are side edges.

    PyG has no ids: without the `ids` that `to_pyg` writes they are 0..n-1 for each kind. A relation of
    several edge types of one name is one relation. A node type without `x` gets zeros, an edge type without
    weights ones.

    Args:
        data: with all features of one width.
        directed: None makes the graph undirected if each edge also stands turned round with the same weight,
            relation and time, and takes it once. False does so too, and takes other edges as they stand.

    Raises:
        ArgumentError: edge attributes of several columns, features of several widths, or a `y` of another
            shape.
    """
    who = "from_pyg"
    from torch_geometric.data import Data, HeteroData

    side: list[Edges] = []
    if isinstance(data, HeteroData):
        nodes = {kind: _nodes(data[kind], kind, who) for kind in data.node_types}
        edges = [_edges(data[kind], kind, who) for kind in data.edge_types]
        apart = set(_get(data, "side") or ())
        side = [table for table in edges if table.type[1] in apart]
        edges = [table for table in edges if table.type[1] not in apart]
    elif isinstance(data, Data):
        nodes, edges = {NODE: _nodes(data, NODE, who)}, [_edges(data, ONE_TYPE, who)]
    else:
        raise bad("data", who, "a Data or HeteroData of torch_geometric", type(data).__name__)
    relation_ids, label_names = _get(data, "relation_ids"), _get(data, "label_names")
    graph = from_tables(Tables(nodes, edges, relation_ids, label_names), who, directed)
    return with_side(graph, side)


def to_pyg(graph: Graph) -> Data | HeteroData:
    """A `Data`, or a `HeteroData` if the graph has named kinds of node.

    Written as `from_pyg` reads it, an undirected edge in both directions. Your ids are the list `ids` (of
    `data`, or of each node type). Several labels a node are a float `y`, targets a double `y` (or `target`
    beside labels); features are dense. Edges without a relation are of the type "to". Side edges of a graph with kinds
    of node are edge types by their names, which the list `side` holds; of another graph they are left out.
    """
    from torch_geometric.data import Data, HeteroData

    tables = to_tables(graph)
    if is_typed(graph):
        data = HeteroData()
        for kind, nodes in tables.nodes.items():
            set_all(data[kind], _node_values(nodes))
        for edges in [*tables.edges, *side_tables(graph)]:
            set_all(data[edges.type], _edge_values(edges))
        set_all(data, {"side": list(graph.side) if graph.side else None})
    else:
        data = Data()
        set_all(data, _node_values(tables.nodes[NODE]) | _edge_values(tables.edges[0]))
    set_all(data, {"relation_ids": tables.relation_ids, "label_names": tables.label_names})
    return data


def part_from_pyg(data: Data | HeteroData, column: int | None = None) -> np.ndarray:
    """[N] uint8 parts from `train_mask`, `val_mask` and `test_mask`: 0, 1, 2, and 3 for a node in none.

    The rows are those of `from_pyg`; give the parts to `given_split(graph, part, "node")`.

    Args:
        data: with a train mask and at least one of the others.
        column: which split to take of masks [N, S] that hold several.

    Raises:
        ArgumentError: no masks, or several splits and no `column`.
        DataError: a node in two parts.
    """
    hetero = hasattr(data, "node_types")
    stores = [data[kind] for kind in data.node_types] if hetero else [data]
    part = np.concatenate([_part(store, column) for store in stores])
    if not (part == 0).any():
        fix = "Make a split with split_nodes instead."
        raise bad("data", "part_from_pyg", "with a train_mask that marks nodes", "none", fix)
    return part


def _part(store: Any, column: int | None) -> np.ndarray:
    """[n] parts of the nodes of one type."""
    masks = np.zeros((len(MASKS), store.num_nodes), dtype=bool)
    for at, name in enumerate(MASKS):
        mask = array(_get(store, name))
        if mask is not None and mask.ndim == 2:
            if column is None or not 0 <= column < mask.shape[1]:
                what = f"the number of one of the {mask.shape[1]} splits that the masks hold"
                raise bad("column", "part_from_pyg", what, column)
            mask = mask[:, column]
        masks[at] = False if mask is None else mask
    if (masks.sum(axis=0) > 1).any():
        row = int((masks.sum(axis=0) > 1).argmax())
        names = ", ".join(name for name, mask in zip(MASKS, masks) if mask[row])
        raise DataError(f"The masks of `data` must not overlap. Got node {row} in {names}.")
    return np.where(masks.any(axis=0), masks.argmax(axis=0), UNUSED).astype(np.uint8)


def _nodes(store: Any, kind: str, who: str) -> Nodes:
    if store.num_nodes is None:
        raise bad("data", who, "of a known number of nodes", f"none for {kind!r}", "Set num_nodes.")
    count = int(store.num_nodes)
    labels, targets = labels_or_targets(array(_get(store, "y")), count, "data.y", who)
    features = array(_get(store, "x"))
    if features is not None and (features.ndim != 2 or features.shape[0] != count):
        raise bad("data.x", who, f"of shape [{count}, F]", list(features.shape))
    targets = array(_get(store, "target")) if targets is None else targets
    return Nodes(count, _get(store, "ids"), features, labels, targets, _get(store, "texts"))


def _edges(store: Any, kind: tuple[str, str, str], who: str) -> Edges:
    ends = array(_get(store, "edge_index"))
    if ends is None:
        raise bad("data", who, "with an edge_index", list(store.keys()), "Undo ToSparseTensor and the like.")
    weight = array(_get(store, "edge_weight"))
    if weight is None:
        weight = array(_get(store, "edge_attr"))
    if weight is not None and weight.size != ends.shape[1]:
        fix = "Set data.edge_weight to one column, or delete data.edge_attr."
        raise bad("data.edge_attr", who, "one weight per edge", list(weight.shape), fix)
    weight = None if weight is None else weight.ravel()
    return Edges(kind, ends, array(_get(store, "edge_type")), weight, array(_get(store, "edge_time")))


def _node_values(nodes: Nodes) -> dict[str, Any]:
    y, target = y_and_target(nodes)
    texts = None if nodes.texts is None else list(nodes.texts)
    return {
        "num_nodes": nodes.count,
        "ids": nodes.ids,
        "x": nodes.features,
        "y": y,
        "target": target,
        "texts": texts,
    }


def _edge_values(edges: Edges) -> dict[str, Any]:
    return {
        "edge_index": edges.ends,
        "edge_type": edges.relation,
        "edge_weight": edges.weight,
        "edge_time": edges.time,
    }


def _get(store: Any, name: str) -> Any:
    return store[name] if name in store else None  # noqa: SIM401  a Data has no default
