"""Reading labels, targets and texts of nodes.

Axes: N nodes of the graph, C classes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from graphtune.check import bad, one_of
from graphtune.findings import Finding, Report
from graphtune.graph import Graph
from graphtune.io.encode import encode_classes
from graphtune.io.layout import TextOptions
from graphtune.io.matching import Matched, match_rows, nodes_found, report_on, rows_found
from graphtune.io.tables import Column, as_path, read_columns
from graphtune.io.values import read_numbers

LABEL_KINDS = ("class", "multi", "target")


def read_labels(
    path: str | Path,
    graph: Graph,
    *,
    id: Column | None = None,
    label: Column | None = None,
    kind: str = "class",
    separator: str | None = None,
    node_kind: str | None = None,
    delimiter: str | None = None,
    header: bool | None = None,
    comment: str = "#%",
    strict: bool = False,
) -> tuple[Graph, Report]:
    """The graph with `labels` and `label_names`, or `targets`, from a text or Parquet file with a label a row.

    Args:
        path: the file.
        graph: the graph; it is not changed.
        id, label: columns by name or position; None: those named so, or else the first two.
        kind: "class" for one class a node (labels [N] int64, -1 where unknown); "multi" for several, on several
            rows or behind `separator` (labels [N, C] bool); "target" for a number to regress on (targets [N]
            float64, NaN where unknown). Classes are numbered in the order of their names.
        separator: what stands between the labels of a node in a row, such as "|".
        node_kind: the kind of node that the rows are about, where an id may be of several kinds.
        delimiter, header, comment: see `read_edges`.
        strict: raise where a row is dropped.

    Raises:
        ArgumentError: a column is not there, or `separator` is given for another kind.
        DataError: the file is missing or damaged, or no row is about a node of the graph.
    """
    one_of("kind", "read_labels", kind, LABEL_KINDS)
    if separator is not None and kind != "multi":
        raise bad("separator", "read_labels", 'left out unless kind="multi"', separator)
    path = as_path(path, "read_labels")
    options = TextOptions(delimiter, header, comment)
    (ids, values), findings = read_columns(path, "read_labels", {"id": id, "label": label}, options)
    rows = match_rows(graph, ids, node_kind, path.name)
    if kind == "class":
        graph, known, found = _with_classes(graph, rows, ids, values, path.name)
    elif kind == "multi":
        graph, known, found = _with_several_labels(graph, rows, ids, values, separator, path.name)
    else:
        graph, known, found = _with_targets(graph, rows, ids, values, path.name)
    without = nodes_found(graph, "nodes without a label", ~known, "kept")
    summary = {"nodes": graph.num_nodes, "labelled": int(known.sum())}
    if kind != "target":
        summary["classes"] = len(graph.label_names or ())
    return graph, report_on(path, [*findings, *rows.findings, *found, *without], strict, summary)


def read_texts(
    path: str | Path,
    graph: Graph,
    *,
    id: Column | None = None,
    text: Column | None = None,
    node_kind: str | None = None,
    delimiter: str | None = None,
    header: bool | None = None,
    comment: str = "",
    strict: bool = False,
) -> tuple[Graph, Report]:
    """The graph with a text for every node, from a text or Parquet file with a text a row.

    Nodes without a row get an empty text and are counted; of several rows about a node the first counts.

    Args:
        path: the file.
        graph: the graph; it is not changed.
        id, text: columns by name or position; None: those named so, or else the first two.
        node_kind: the kind of node that the rows are about, where an id may be of several kinds.
        delimiter, header, comment: see `read_edges`; without `comment` no line is one.
        strict: raise where a row is dropped.

    Raises:
        ArgumentError: a column is not there.
        DataError: the file is missing or damaged, or no row is about a node of the graph.
    """
    path = as_path(path, "read_texts")
    options = TextOptions(delimiter, header, comment)
    (ids, values), findings = read_columns(path, "read_texts", {"id": id, "text": text}, options)
    rows = match_rows(graph, ids, node_kind, path.name)
    node, row, repeated = rows.first_rows(graph)
    place = np.full(graph.num_nodes, -1)
    place[node] = row
    texts = values.cast(pa.string()).take(pa.array(place, mask=place < 0)).fill_null("")
    without = nodes_found(graph, "nodes without a text", place < 0, "kept")
    summary = {"nodes": graph.num_nodes, "texts": len(node)}
    report = report_on(path, [*findings, *rows.findings, *repeated, *without], strict, summary)
    return graph.replace(texts=tuple(texts.to_pylist())), report


def _with_classes(
    graph: Graph, rows: Matched, ids: pa.ChunkedArray, values: pa.ChunkedArray, source: str
) -> tuple[Graph, np.ndarray, list[Finding]]:
    node, row, repeated = rows.first_rows(graph, ' (for several labels a node pass kind="multi")')
    number, names = encode_classes([values.take(pa.array(row))], source)
    labels = np.full(graph.num_nodes, -1, dtype=np.int64)
    labels[node] = number
    empty = rows_found("rows without a label", number < 0, ids.take(pa.array(row)))
    return graph.replace(labels=labels, label_names=names), labels >= 0, repeated + empty


def _with_several_labels(
    graph: Graph,
    rows: Matched,
    ids: pa.ChunkedArray,
    values: pa.ChunkedArray,
    separator: str | None,
    source: str,
) -> tuple[Graph, np.ndarray, list[Finding]]:
    row = np.flatnonzero(rows.node >= 0)
    values = values.take(pa.array(row))
    if separator is not None:
        lists = pc.split_pattern(values.cast(pa.string()), separator)
        row = np.repeat(row, pc.list_value_length(lists).to_numpy())
        values = pc.list_flatten(lists)
    number, names = encode_classes([values], source)
    given = number >= 0
    labels = np.zeros((graph.num_nodes, len(names)), dtype=bool)
    labels[rows.node[row[given]], number[given]] = True
    empty = rows_found("rows without a label", ~given, ids.take(pa.array(row)))
    return graph.replace(labels=labels, label_names=names), labels.max(axis=1), empty


def _with_targets(
    graph: Graph, rows: Matched, ids: pa.ChunkedArray, values: pa.ChunkedArray, source: str
) -> tuple[Graph, np.ndarray, list[Finding]]:
    node, row, repeated = rows.first_rows(graph)
    numbers = read_numbers(values.take(pa.array(row)), "label", source).values
    numbers = np.where(np.isfinite(numbers), numbers, np.nan)
    targets = np.full(graph.num_nodes, np.nan)
    targets[node] = numbers
    faults = rows_found("rows whose target is no finite number", np.isnan(numbers), ids.take(pa.array(row)))
    return graph.replace(targets=targets), np.isfinite(targets), repeated + faults
