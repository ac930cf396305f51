"""The form between a Graph and the graphs of PyG and DGL: a table for each kind of node and type of edge.

Axes: n nodes of one kind, N all; e edges of one type, E all; F features, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from graphtune.check import bad
from graphtune.graph import Graph
from graphtune.ids import NODE, NodeIds

UNNAMED = ("to", "_E")  # how PyG and DGL call an edge type that was given no name
ONE_TYPE = (NODE, UNNAMED[0], NODE)


@dataclass(frozen=True)
class Nodes:
    """The nodes of one kind.

    Attributes:
        count: n.
        ids: n ids; None for 0..n-1.
        features: [n, F] or None.
        labels: [n] class numbers, [n, C] bool, or None.
        targets: [n] or None.
        texts: n strings or None.
    """

    count: int
    ids: Sequence[Any] | None = None
    features: Any = None
    labels: np.ndarray | None = None
    targets: np.ndarray | None = None
    texts: Sequence[str] | None = None


@dataclass(frozen=True)
class Edges:
    """The edges of one type.

    Attributes:
        type: kind of the sources, name of the relation, kind of the targets.
        ends: [2, e] rows within each kind.
        relation: [e] relation numbers, where one type holds the edges of all relations; else None.
        weight: [e] or None.
        time: [e] or None.
    """

    type: tuple[str, str, str]
    ends: np.ndarray
    relation: np.ndarray | None = None
    weight: np.ndarray | None = None
    time: np.ndarray | None = None


@dataclass(frozen=True)
class Tables:
    """A whole graph.

    Attributes:
        nodes: by kind.
        edges: of each type; those of an undirected graph in both directions.
        relation_ids: the relations in the order of their numbers; None if the edge types tell.
        label_names: the C names.
    """

    nodes: dict[str, Nodes]
    edges: list[Edges]
    relation_ids: Sequence[Any] | None = None
    label_names: Sequence[str] | None = None


def is_typed(graph: Graph) -> bool:
    """Whether PyG and DGL need a heterogeneous graph for it."""
    return graph.ids.kinds != (NODE,)


def from_tables(tables: Tables, who: str, directed: bool | None) -> Graph:
    """The graph; undirected if `directed` is None and each edge also stands turned round, alike in all."""
    nodes, edges = list(tables.nodes.values()), tables.edges
    counts, lengths = [table.count for table in nodes], [table.ends.shape[1] for table in edges]
    names = [range(table.count) if table.ids is None else table.ids for table in nodes]
    ids = NodeIds.of(*names, kinds=list(tables.nodes))
    start = dict(zip(ids.kinds, ids.starts.tolist()))
    ends = [table.ends + np.array([[start[table.type[0]]], [start[table.type[2]]]]) for table in edges]
    relation, relation_ids = _relations(tables)
    untimed = [table.type for table in edges if table.time is None]
    if 0 < len(untimed) < len(edges):
        raise bad("data", who, "timed in all edge types or in none", f"no times in {untimed}")
    graph = Graph(
        np.concatenate([*ends, np.zeros((2, 0), dtype=np.int64)], axis=1),
        ids,
        directed=True,
        relation=relation,
        relation_ids=relation_ids,
        weight=_stack([table.weight for table in edges], lengths, 1.0),
        time=_stack([table.time for table in edges], lengths, 0),
        features=_features(nodes, who),
        labels=_labels(tables, who),
        label_names=None if tables.label_names is None else tuple(tables.label_names),
        targets=_stack([table.targets for table in nodes], counts, np.nan),
        texts=_texts(nodes),
    )
    return graph if directed else _undirected(graph, even_if_not_mirrored=directed is False)


def to_tables(graph: Graph) -> Tables:
    """The tables of a graph, an undirected edge in both directions (a self-loop once)."""
    if not graph.directed:
        back = np.flatnonzero(graph.edges[0] != graph.edges[1])
        whole = graph.take_edges(np.concatenate([np.arange(graph.num_edges), back]))
        turned = np.concatenate([graph.edges, graph.edges[::-1, back]], axis=1)
        graph = whole.replace(edges=turned, directed=True)
    nodes = {kind: _nodes_of(graph, kind) for kind in graph.ids.kinds}
    relation_ids = None
    if graph.relation_ids is not None:
        relation_ids = graph.relation_ids.values(np.arange(graph.num_relations))
    return Tables(nodes, _edges_of(graph), relation_ids, graph.label_names)


def side_tables(graph: Graph) -> list[Edges]:
    """The side edges, a table for each name and pair of kinds."""
    tables = []
    for name, edges in (graph.side or {}).items():
        kinds = graph.ids.kinds_of(edges)
        for source, target in np.unique(kinds, axis=1).T.tolist():
            at = (kinds[0] == source) & (kinds[1] == target)
            starts = graph.ids.starts[[source, target]][:, None]
            tables.append(Edges((graph.ids.kinds[source], name, graph.ids.kinds[target]), edges[:, at] - starts))
    return tables


def with_side(graph: Graph, tables: list[Edges]) -> Graph:
    """The graph with the side edges of the tables."""
    side: dict[str, np.ndarray] = {}
    for table in tables:
        source, name, target = table.type
        starts = np.array([[graph.ids.rows(source).start], [graph.ids.rows(target).start]])
        known = side.get(name, np.empty((2, 0), dtype=np.int64))
        side[name] = np.concatenate([known, table.ends + starts], axis=1)
    return graph.replace(side=side) if side else graph


def labels_or_targets(
    y: np.ndarray | None, count: int, argument: str, who: str
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """The labels or targets that `y` holds: [n] integers are class numbers, [n] floats targets, and zeros and
    ones [n, C] several labels a node; [n, 1] is taken as [n]."""
    if y is None:
        return None, None
    y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
    if y.ndim not in (1, 2) or len(y) != count or (y.ndim == 2 and not np.isin(y, (0, 1)).all()):
        what = f"[{count}] classes or targets, or [{count}, C] of zeros and ones"
        raise bad(argument, who, what, f"{y.dtype} {list(y.shape)}")
    if y.ndim == 2:
        return y.astype(bool), None
    return (None, y) if y.dtype.kind == "f" else (y.astype(np.int64), None)


def y_and_target(nodes: Nodes) -> tuple[np.ndarray | None, np.ndarray | None]:
    """What `labels_or_targets` reads, and the targets once more if `y` holds the labels."""
    if nodes.labels is None:
        return nodes.targets, None
    return nodes.labels.astype(np.float32 if nodes.labels.ndim == 2 else np.int64), nodes.targets


def _undirected(graph: Graph, even_if_not_mirrored: bool) -> Graph:
    """Each edge of a graph that stands in both directions once; another graph as it is."""
    if _is_mirrored(graph):
        return graph.take_edges(graph.edges[0] <= graph.edges[1]).replace(directed=False)
    return graph.replace(directed=False) if even_if_not_mirrored else graph


def _is_mirrored(graph: Graph) -> bool:
    """Whether turning all edges round gives the same edges, with the same weights, relations and times."""
    u, v = graph.edges
    forth, back = u * graph.num_nodes + v, v * graph.num_nodes + u
    if (np.sort(forth) != np.sort(back)).any():
        return False
    extra = [array for array in (graph.relation, graph.weight, graph.time) if array is not None]
    if not extra:
        return True
    a, b = np.lexsort((*extra, forth)), np.lexsort((*extra, back))
    return all(bool((array[a] == array[b]).all()) for array in extra)


def _relations(tables: Tables) -> tuple[np.ndarray | None, NodeIds | None]:
    """[E] relation numbers and the names, from numbers that the edges carry or from the edge types."""
    numbers = [table.relation for table in tables.edges if table.relation is not None]
    names = tables.relation_ids
    if numbers and len(numbers) == len(tables.edges):
        relation = np.concatenate(numbers)
        return relation, NodeIds.of(range(int(relation.max(initial=-1)) + 1) if names is None else names)
    types = [table.type[1] for table in tables.edges]
    if names is None and set(types) <= set(UNNAMED):
        return None, None
    names = list(dict.fromkeys(types)) if names is None else names
    number = {str(name): at for at, name in enumerate(names)}
    lengths = [table.ends.shape[1] for table in tables.edges]
    return np.repeat(np.array([number[name] for name in types], dtype=np.int64), lengths), NodeIds.of(names)


def _stack(parts: list[np.ndarray | None], lengths: list[int], fill: float) -> np.ndarray | None:
    """The parts one below another, `fill` where one is None; None if all are."""
    given = [part for part in parts if part is not None]
    if not given:
        return None
    shape, dtype = given[0].shape[1:], given[0].dtype
    return np.concatenate(
        [np.full((n, *shape), fill, dtype) if part is None else part for part, n in zip(parts, lengths)]
    )


def _features(nodes: list[Nodes], who: str) -> Any:
    """[N, F], with rows of zeros for a kind without features."""
    widths = {table.features.shape[1] for table in nodes if table.features is not None}
    if len(widths) > 1:
        fix = "Project them to one width, or leave them out of some types."
        raise bad("data", who, "features of one width in all node types", f"widths {sorted(widths)}", fix)
    parts, counts = [table.features for table in nodes], [table.count for table in nodes]
    if any(sp.issparse(part) for part in parts):
        shape = widths.pop()
        return sp.vstack([sp.csr_array((n, shape)) if p is None else p for p, n in zip(parts, counts)], "csr")
    return _stack(parts, counts, 0.0)


def _labels(tables: Tables, who: str) -> np.ndarray | None:
    labelled = {kind: table.labels for kind, table in tables.nodes.items() if table.labels is not None}
    if len(labelled) > 1 and tables.label_names is None:
        fix = "Give all of them label_names, or leave labels out of all types but one."
        what = "labelled in one node type, unless label_names number all"
        raise bad("data", who, what, list(labelled), fix)
    shapes = {labels.shape[1:] for labels in labelled.values()}
    if len(shapes) > 1:
        raise bad("data", who, "labelled alike in all node types", sorted(shapes))
    nodes = tables.nodes.values()
    fill = -1 if shapes == {()} else False
    return _stack([table.labels for table in nodes], [table.count for table in nodes], fill)


def _texts(nodes: list[Nodes]) -> tuple[str, ...] | None:
    if all(table.texts is None for table in nodes):
        return None
    return tuple(text for table in nodes for text in (table.texts or [""] * table.count))


def _nodes_of(graph: Graph, kind: str) -> Nodes:
    """The nodes of one kind; where there are others, without what no node of the kind has."""
    rows = graph.ids.rows(kind)
    at = slice(rows.start, rows.stop)
    one = not is_typed(graph)
    features, labels, targets = graph.features, graph.labels, graph.targets
    return Nodes(
        len(rows),
        graph.ids.values(np.arange(rows.start, rows.stop)),
        features[at] if features is not None and (one or abs(features[at]).sum() > 0) else None,
        labels[at] if labels is not None and (one or _is_known(labels[at]).any()) else None,
        targets[at] if targets is not None and (one or not np.isnan(targets[at]).all()) else None,
        graph.texts[at] if graph.texts is not None and (one or any(graph.texts[at])) else None,
    )


def _is_known(labels: np.ndarray) -> np.ndarray:
    return labels >= 0 if labels.ndim == 1 else labels


def _edges_of(graph: Graph) -> list[Edges]:
    if not is_typed(graph):
        return [Edges(ONE_TYPE, graph.edges, graph.relation, graph.weight, graph.time)]
    source, target = graph.ids.kinds_of(graph.edges)
    relation = np.zeros(graph.num_edges, dtype=np.int64) if graph.relation is None else graph.relation
    kinds = len(graph.ids.kinds)
    key = (relation * kinds + source) * kinds + target
    order = np.argsort(key, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(key[order])) + 1)
    return [_edges_of_type(graph, part) for part in parts if len(part)]


def _edges_of_type(graph: Graph, at: np.ndarray) -> Edges:
    """The edges at the positions `at`, which have one type."""
    source, target = graph.ids.kinds_of(graph.edges[:, at[0]])
    name = UNNAMED[0]
    if graph.relation is not None and graph.relation_ids is not None:
        name = str(graph.relation_ids.values(graph.relation[at[:1]])[0])
    return Edges(
        (graph.ids.kinds[source], name, graph.ids.kinds[target]),
        graph.edges[:, at] - graph.ids.starts[[source, target]][:, None],
        weight=None if graph.weight is None else graph.weight[at],
        time=None if graph.time is None else graph.time[at],
    )
