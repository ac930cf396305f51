"""GraphML and GML files, read through NetworkX."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from graphtune.check import DataError, bad
from graphtune.findings import Finding
from graphtune.graph import Graph
from graphtune.ids import NodeIds
from graphtune.io.encode import INTEGER, encode_classes, encode_ids
from graphtune.io.layout import check_file, first_line
from graphtune.io.tables import Column, suffix_of
from graphtune.io.values import Numbers, read_numbers, read_times

NETWORK_FILES = (".graphml", ".gml")


def read_network_file(
    path: Path, directed: bool | None, attributes: Mapping[str, Column | None], label: str | None
) -> tuple[Graph, list[Finding]]:
    """The graph in a file, not cleaned, and what was settled.

    Args:
        path: a .graphml or .gml file.
        directed: None takes what the file says; True makes two edges of each that has no direction.
        attributes: "weight", "time" and "relation" -> the attribute of edges that holds it, or None.
        label: the attribute of nodes that holds their class, or None.

    Raises:
        ArgumentError: no edge or node has such an attribute.
        DataError: the file is damaged or has no edge, or an attribute is missing in some edges.
    """
    network = _parse(path)
    if directed and not network.is_directed():
        network = network.to_directed()
    if network.number_of_edges() == 0:
        raise DataError(f"{path.name} must hold at least one edge. Got {len(network)} nodes and no edge.")
    row = {name: i for i, name in enumerate(network)}
    data = [values for *_, values in network.edges(data=True)]
    columns = {role: _attribute(data, role, name, path.name) for role, name in attributes.items() if name is not None}
    relation = encode_ids([columns["relation"]], path.name) if "relation" in columns else None
    labels, label_names = _labels(network, label, path.name)
    graph = Graph(
        np.array([(row[u], row[v]) for u, v in network.edges()]).T,
        NodeIds((_names(network),)),
        directed=network.is_directed() if directed is None else directed,
        relation=None if relation is None else relation.rows,
        relation_ids=None if relation is None else NodeIds((relation.ids,)),
        weight=_numbers(columns.get("weight"), "weight", read_numbers, path.name),
        time=_numbers(columns.get("time"), "time", read_times, path.name),
        labels=labels,
        label_names=label_names,
    )
    nodes = (values for _, values in network.nodes(data=True))
    unread = [("edge", _keys(data) - set(attributes.values())), ("node", _keys(nodes) - {label})]
    findings = [
        Finding(f"{unit} attributes not read", len(names), "noted", tuple(sorted(names)[:5]))
        for unit, names in unread
        if names
    ]
    return graph, findings


def _parse(path: Path) -> Any:
    import networkx as nx

    check_file(path)
    try:
        if suffix_of(path) == ".graphml":
            return nx.read_graphml(path)
        try:
            return nx.read_gml(path, label="label")
        except nx.NetworkXError as error:
            if "label" not in str(error):
                raise
            return nx.read_gml(path, label="id")
    except Exception as error:  # the parsers raise errors of many kinds, all about the file
        raise DataError(f"{path.name} must be a {suffix_of(path)[1:]} file. Got: {first_line(error)}.") from None


def _names(network: Any) -> pa.Array:
    """The names of the nodes: integers where all spell one, else strings."""
    names = pa.array([str(name) for name in network], pa.string())
    return names.cast(pa.int64()) if pc.all(pc.match_substring_regex(names, INTEGER)).as_py() else names


def _attribute(data: list[dict[str, Any]], role: str, name: Column, source: str) -> pa.ChunkedArray:
    known = sorted(_keys(data))
    if name not in known:
        raise bad(role, "read_edges", f"an attribute of edges in {source}", name, f"There are {known or 'none'}.")
    values = [values.get(name) for values in data]
    absent = sum(value is None for value in values)
    if absent:
        raise DataError(f"Every edge of {source} must have the attribute {name!r}. Got {absent} edges without it.")
    return pa.chunked_array([_column(values)])


def _numbers(
    column: pa.ChunkedArray | None,
    role: str,
    read: Callable[[pa.ChunkedArray, str, str], Numbers],
    source: str,
) -> np.ndarray | None:
    if column is None:
        return None
    numbers = read(column, role, source)
    if numbers.missing.any():
        got = column[int(numbers.missing.argmax())].as_py()
        raise DataError(f"The {role} of every edge of {source} must be a number. Got {got!r}.")
    return numbers.values


def _labels(network: Any, label: str | None, source: str) -> tuple[np.ndarray | None, tuple[str, ...] | None]:
    if label is None:
        return None, None
    known = sorted(_keys(values for _, values in network.nodes(data=True)))
    if label not in known:
        raise bad(
            "label",
            "read_edges",
            f"an attribute of nodes in {source}",
            label,
            f"There are {known or 'none'}.",
        )
    values = [values.get(label) for _, values in network.nodes(data=True)]
    return encode_classes([pa.chunked_array([_column(values)])], source)


def _keys(data: Iterable[dict[str, Any]]) -> set[str]:
    return {key for values in data for key in values}


def _column(values: list[Any]) -> pa.Array:
    """The values as they are if they have one type, else as text."""
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([None if value is None else str(value) for value in values])
