"""Graphs of NetworkX. Axes: N nodes, E edges, F features, C classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from graphtune.check import bad
from graphtune.graph import Graph
from graphtune.ids import NODE, NodeIds, id_array

if TYPE_CHECKING:
    import networkx

FROM = "from_networkx"


def from_networkx(
    g: networkx.Graph,
    weight: str | None = "weight",
    relation: str | None = None,
    time: str | None = None,
    label: str | None = None,
    target: str | None = None,
    features: str | None = None,
    text: str | None = None,
) -> Graph:
    """The graph of a NetworkX graph of any class, its nodes in the order of `g.nodes`.

    Nodes are named by strings or integers, which become the ids; or by pairs (kind, id), which become ids of
    several kinds.

    Args:
        g: Graph, DiGraph, MultiGraph or MultiDiGraph.
        weight: edge attribute; a graph in which no edge has it has no weights.
        relation: edge attribute, strings or integers.
        time: edge attribute, numbers.
        label: node attribute: a class (string or integer), or a list or set of them; None or absent if
            unknown.
        target: node attribute to regress on, a number; None or absent if unknown.
        features: node attribute, F numbers.
        text: node attribute, a string.

    Raises:
        ArgumentError: nodes with other names, an attribute that no edge or node has, that some lack though
            all must have it, or whose values are of another type.
    """
    if not hasattr(g, "is_multigraph"):
        raise bad("g", FROM, "a NetworkX graph", type(g).__name__)
    names, ids = _ids(list(g.nodes))
    row = {name: at for at, name in enumerate(names)}
    edges = np.array([(row[u], row[v]) for u, v in g.edges()], dtype=np.int64).reshape(-1, 2).T
    numbers, relation_ids = _relations(_edge_values(g, relation, "relation"))
    labels, label_names = _labels(_node_values(g, names, label, "label"))
    targets = _node_values(g, names, target, "target")
    return Graph(
        edges,
        ids,
        directed=g.is_directed(),
        relation=numbers,
        relation_ids=relation_ids,
        weight=_numbers("weight", weight, _edge_values(g, weight, "weight", optional=True)),
        time=_numbers("time", time, _edge_values(g, time, "time")),
        features=_matrix(features, _node_values(g, names, features, "features", partly=False)),
        labels=labels,
        label_names=label_names,
        targets=_numbers("target", target, targets and [np.nan if t is None else t for t in targets]),
        texts=_texts(text, _node_values(g, names, text, "text", partly=False)),
    )


def to_networkx(graph: Graph) -> networkx.Graph:
    """A NetworkX graph whose nodes are named by the ids, or by pairs (kind, id) where there are several
    kinds.

    A multigraph where two edges join the same nodes, otherwise a Graph or DiGraph. Edge attributes: `weight`,
    `relation`, `time`. Node attributes: `label` (the name of the class, or its number if it has none; several
    labels as a list), `target`, `features` (an array [F]), `text`. Unknown labels and targets are left out.
    """
    import networkx

    pairs = Counter(map(tuple, (graph.edges if graph.directed else np.sort(graph.edges, axis=0)).T.tolist()))
    classes = {
        (False, False): networkx.Graph,
        (True, False): networkx.DiGraph,
        (False, True): networkx.MultiGraph,
        (True, True): networkx.MultiDiGraph,
    }
    g = classes[graph.directed, len(pairs) < graph.num_edges]()
    names = _names(graph)
    g.add_nodes_from(zip(names, _node_attributes(graph)))
    ends = ((names[u], names[v]) for u, v in graph.edges.T.tolist())
    g.add_edges_from((u, v, attributes) for (u, v), attributes in zip(ends, _edge_attributes(graph)))
    return g


def _ids(names: list[Any]) -> tuple[list[Any], NodeIds]:
    """The node names, those of one kind together, and their ids."""
    if names and all(isinstance(n, tuple) and len(n) == 2 and isinstance(n[0], str) for n in names):
        blocks: dict[str, list[Any]] = {}
        for kind, name in names:
            blocks.setdefault(kind, []).append(name)
        _check_names([name for _, name in names])
        by_kind = [(kind, name) for kind, block in blocks.items() for name in block]
        return by_kind, NodeIds.of(*blocks.values(), kinds=list(blocks))
    _check_names(names)
    return names, NodeIds.of(names)


def _check_names(names: list[Any]) -> None:
    for name in names:
        if not isinstance(name, str | int | np.integer) or isinstance(name, bool):
            what = "a graph whose nodes are named by strings or integers"
            fix = "Use networkx.convert_node_labels_to_integers(g, label_attribute='name')."
            raise bad("g", FROM, what, name, fix)
    if len({isinstance(name, str) for name in names}) > 1:
        fix = "Use networkx.relabel_nodes(g, str)."
        raise bad("g", FROM, "a graph whose nodes are all strings or all integers", names[:5], fix)


def _edge_values(g: Any, attribute: str | None, argument: str, optional: bool = False) -> list[Any] | None:
    """The attribute of every edge; None if it was not asked for, or is `optional` and no edge has it."""
    if attribute is None:
        return None
    values = [value for *_, value in g.edges(data=attribute)]
    missing = sum(value is None for value in values)
    if optional and missing == len(values):
        return None
    if missing:
        fix = f"Set it on all, or pass {argument}=None."
        raise bad(argument, FROM, "an attribute of every edge", f"{attribute!r}, which {missing} edges lack", fix)
    return values


def _node_values(
    g: Any, names: list[Any], attribute: str | None, argument: str, partly: bool = True
) -> list[Any] | None:
    """The attribute of every node; where only `partly` set, None for the rest."""
    if attribute is None:
        return None
    values = [g.nodes[name].get(attribute) for name in names]
    missing = sum(value is None for value in values)
    if missing == len(values) or (missing and not partly):
        what = f"an attribute of {'some nodes' if partly else 'every node'}"
        raise bad(argument, FROM, what, f"{attribute!r}, which {missing} of {len(values)} nodes lack")
    return values


def _numbers(argument: str, attribute: str | None, values: list[Any] | None) -> np.ndarray | None:
    if values is None:
        return None
    array = np.array(values) if values else np.zeros(0)
    if array.dtype.kind not in "iuf" or array.ndim != 1:
        raise bad(argument, FROM, "an attribute of numbers", f"{attribute!r}, such as {values[0]!r}")
    return array


def _matrix(attribute: str | None, values: list[Any] | None) -> np.ndarray | None:
    if values is None:
        return None
    try:
        return np.stack([np.asarray(value, dtype=np.float32).reshape(-1) for value in values])
    except (ValueError, TypeError):
        what, got = (
            "an attribute of equally many numbers for every node",
            f"{attribute!r}, such as {values[0]!r}",
        )
        raise bad("features", FROM, what, got) from None


def _texts(attribute: str | None, values: list[Any] | None) -> tuple[str, ...] | None:
    if values is not None and not all(isinstance(value, str) for value in values):
        raise bad("text", FROM, "an attribute of strings", f"{attribute!r}, such as {values[0]!r}")
    return None if values is None else tuple(values)


def _relations(values: list[Any] | None) -> tuple[np.ndarray | None, NodeIds | None]:
    if values is None:
        return None, None
    coded = id_array(values).dictionary_encode()
    return coded.indices.to_numpy(zero_copy_only=False), NodeIds((coded.dictionary,))


def _labels(values: list[Any] | None) -> tuple[np.ndarray | None, tuple[str, ...] | None]:
    """[N] class numbers or [N, C] bool, and the class names: integers in order, or strings in order."""
    if values is None:
        return None, None
    several = any(isinstance(value, list | tuple | set | frozenset) for value in values)
    lists = [_as_list(value) for value in values]
    classes = {label for labels in lists for label in labels}
    if len({type(label) for label in classes}) > 1 or not all(isinstance(c, str | int) for c in classes):
        raise bad("label", FROM, "an attribute of strings or of integers", sorted(map(repr, classes))[:5])
    number = {label: at for at, label in enumerate(sorted(classes))}
    names = tuple(map(str, number))
    if not several:
        return np.array([number[labels[0]] if labels else -1 for labels in lists]), names
    table = np.zeros((len(values), len(number)), dtype=bool)
    for at, labels in enumerate(lists):
        table[at, [number[label] for label in labels]] = True
    return table, names


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple | set | frozenset) else [value]


def _names(graph: Graph) -> list[Any]:
    names = graph.ids.values(np.arange(graph.num_nodes))
    if graph.ids.kinds == (NODE,):
        return names
    kinds = (graph.ids.kinds[at] for at in graph.ids.kinds_of(np.arange(graph.num_nodes)))
    return list(zip(kinds, names))


def _node_attributes(graph: Graph) -> Iterable[dict[str, Any]]:
    columns: dict[str, list[Any]] = {}
    if graph.labels is not None:
        columns["label"] = _label_values(graph.labels, graph.label_names)
    if graph.targets is not None:
        columns["target"] = [None if np.isnan(target) else target for target in graph.targets.tolist()]
    if graph.features is not None:
        features: Any = graph.features
        columns["features"] = list(features if isinstance(features, np.ndarray) else features.toarray())
    if graph.texts is not None:
        columns["text"] = list(graph.texts)
    return _records(columns, graph.num_nodes)


def _label_values(labels: np.ndarray, label_names: tuple[str, ...] | None) -> list[Any]:
    def name(label: int) -> Any:
        return label_names[label] if label_names else label

    if labels.ndim == 1:
        return [name(label) if label >= 0 else None for label in labels.tolist()]
    return [[name(int(label)) for label in np.flatnonzero(row)] or None for row in labels]


def _edge_attributes(graph: Graph) -> Iterable[dict[str, Any]]:
    columns: dict[str, list[Any]] = {}
    if graph.weight is not None:
        columns["weight"] = graph.weight.tolist()
    if graph.relation is not None and graph.relation_ids is not None:
        columns["relation"] = graph.relation_ids.values(graph.relation)
    if graph.time is not None:
        columns["time"] = graph.time.tolist()
    return _records(columns, graph.num_edges)


def _records(columns: dict[str, list[Any]], n: int) -> Iterable[dict[str, Any]]:
    """One dict per row, without the values that are None."""
    for at in range(n):
        yield {name: column[at] for name, column in columns.items() if column[at] is not None}
