"""Reading graphs from tables: edges, triples of a knowledge graph, events of users and items."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from graphtune.check import bad, one_of
from graphtune.cleaning import LOOK_ONLY, STANDARD, Cleaning
from graphtune.disk import MEMORY
from graphtune.events import cut_sessions
from graphtune.findings import Finding, Report
from graphtune.graph import Graph
from graphtune.io.assemble import Shape, build_graph, finish, part_numbers, part_sizes, read_rows
from graphtune.io.layout import TextOptions
from graphtune.io.matrices import MATRIX_FILES, read_matrix_file
from graphtune.io.networks import NETWORK_FILES, read_network_file
from graphtune.io.ondisk import read_on_disk
from graphtune.io.tables import Column, Table, as_parts, as_path, frame_table, open_table, suffix_of

EDGES = Shape("read_edges", ("source", "target"), ("source", "target"), ("source", "target"))
TRIPLES = Shape("read_triples", ("head", "tail"), ("head", "relation", "tail"), ("head", "relation", "tail"))
EVENTS = Shape("read_events", ("user", "item"), ("user", "item"), ("user", "item"), ("user", "item"))


def read_edges(
    path: str | Path,
    *,
    directed: bool | None = None,
    delimiter: str | None = None,
    header: bool | None = None,
    comment: str = "#%",
    source: Column | None = None,
    target: Column | None = None,
    weight: Column | None = None,
    time: Column | None = None,
    relation: Column | None = None,
    label: str | None = None,
    cleaning: Cleaning = STANDARD,
    strict: bool = False,
    on_disk: str | Path | None = None,
    memory: int = MEMORY,
) -> tuple[Graph, Report]:
    """A graph from a list of edges, or from a file that holds a whole graph; which, the name of the file tells.

    Text (any other suffix, also behind .gz, .bz2 or .zst) and .parquet hold one edge a row. .graphml and .gml
    are read through NetworkX. .mat holds a sparse matrix `network`, and `group` with several labels a node; .npz
    holds a SciPy sparse matrix or the arrays adj_data, adj_indices, ... of gnn-benchmark. Nodes of a matrix are
    called 0, 1, ... unless the file names them.

    Malformed lines (a wrong number of columns, a missing id, a weight that is no number) are dropped, counted
    and shown in the report, and so is what cleaning finds.

    With `on_disk` the edges are never in memory at once: they go from a text or Parquet file to a directory, part by
    part, and the graph maps them. Malformed rows, self-loops and repeats are found there as in memory. Weights are
    read; times, relations, components and unusual degrees are not.

    Args:
        path: the file.
        directed: None for undirected, unless a .graphml or .gml file says otherwise.
        delimiter: between the columns of text; None finds it out (tab, comma, semicolon, bar or spaces).
        header: whether the first line of text names the columns; None finds it out and says so in the report.
        comment: the characters that begin a comment line of text.
        source, target: columns by name or position; None: those named so, or else the first two.
        weight, time, relation: further columns, or attributes of edges in .graphml and .gml; None: not read.
        label: the attribute of nodes in .graphml and .gml that holds their class; None: not read.
        cleaning: what to merge and drop.
        strict: raise where anything would be dropped, merged or otherwise changed.
        on_disk: a directory to keep the graph in, which `load_graph` opens later; None for memory. It is new or empty,
            or holds the graph of this very file, unchanged and read in the same way, which is opened then.
        memory: with `on_disk`, bytes that a pass over the edges may take beyond some 50 for every id.

    Returns:
        The cleaned graph, and the report of all that was found.

    Raises:
        ArgumentError: a column is not there (the error lists those that are), or an option does not fit the file.
        DataError: the file is missing, empty, binary or without an edge, or `strict` and not clean.
    """
    path = as_path(path, "read_edges")
    columns = {"source": source, "target": target, "weight": weight, "time": time, "relation": relation}
    options = TextOptions(delimiter, header, comment)
    suffix = suffix_of(path)
    if on_disk is not None:
        if suffix in (*NETWORK_FILES, *MATRIX_FILES):
            raise bad("on_disk", "read_edges", f"left out for a {suffix} file, which is read as a whole", str(on_disk))
        options.check("read_edges")
        shape = replace(EDGES, directed=bool(directed))
        return read_on_disk(path, on_disk, options, {**columns, "label": label}, shape, cleaning, strict, memory)
    if suffix in NETWORK_FILES:
        _refuse(suffix, delimiter=delimiter, header=header, source=source, target=target)
        attributes = {role: columns[role] for role in ("weight", "time", "relation")}
        graph, findings = read_network_file(path, directed, attributes, label)
    elif suffix in MATRIX_FILES:
        _refuse(suffix, delimiter=delimiter, header=header, label=label, **columns)
        graph, findings = read_matrix_file(path, bool(directed))
    else:
        _refuse(suffix or "text", label=label)
        shape = replace(EDGES, directed=bool(directed))
        return _read(_open(path, shape, options, columns), columns, shape, cleaning, strict)
    return finish(graph, findings, cleaning, strict, path.name)


def read_triples(
    path: str | Path,
    *,
    delimiter: str | None = None,
    header: bool | None = None,
    comment: str = "#%",
    head: Column | None = None,
    relation: Column | None = None,
    tail: Column | None = None,
    cleaning: Cleaning = STANDARD,
    strict: bool = False,
) -> tuple[Graph, Report]:
    """A knowledge graph from a text or Parquet file with one triple (head, relation, tail) a row; it is directed.

    Repeated triples are merged. (h, r, h) is kept: it says something. The options are those of `read_edges`.

    Args:
        path: the file.
        delimiter, header, comment: see `read_edges`.
        head, relation, tail: columns by name or position; None: those named so, or else the first three.
        cleaning: what to merge and drop.
        strict: raise where anything would be changed.

    Raises:
        ArgumentError, DataError: see `read_edges`.
    """
    columns = {"head": head, "relation": relation, "tail": tail}
    table = _open(path, TRIPLES, TextOptions(delimiter, header, comment), columns)
    return _read(table, columns, TRIPLES, cleaning, strict)


def read_triple_files(
    files: Mapping[str, str | Path],
    *,
    delimiter: str | None = None,
    header: bool | None = None,
    comment: str = "#%",
    head: Column | None = None,
    relation: Column | None = None,
    tail: Column | None = None,
    strict: bool = False,
) -> tuple[Graph, np.ndarray, Report]:
    """A knowledge graph that is published in parts, such as {"train": path, "valid": path, "test": path}.

    The parts share one id space. Edges stand in the order of the files and their lines. Nothing is merged or
    moved; malformed lines are dropped, and the report shows what cleaning would find in the whole.

    Returns:
        The graph; [E] uint8 the part that each edge stands in, 0 for train, 1 for valid, 2 for test; the report.

    Raises:
        ArgumentError, DataError: see `read_edges`.
    """
    columns = {"head": head, "relation": relation, "tail": tail}
    return _read_parts(files, columns, TRIPLES, TextOptions(delimiter, header, comment), strict)


def read_events(
    path: str | Path,
    *,
    delimiter: str | None = None,
    header: bool | None = None,
    comment: str = "#%",
    user: Column | None = None,
    item: Column | None = None,
    time: Column | None = None,
    weight: Column | None = None,
    session_gap: float | None = None,
    cleaning: Cleaning = STANDARD,
    strict: bool = False,
) -> tuple[Graph, Report]:
    """A log of what users did with items, one event a row of a text or Parquet file.

    The graph is directed, with the kinds of node "user" and "item": user 7 and item 7 are two nodes. By default
    repeated events of a user with an item are merged into the earliest (with `time`) or first one.

    Args:
        path: the file.
        delimiter, header, comment: see `read_edges`.
        user, item: columns by name or position; None: those named so, or else the first two.
        time: a column of numbers (any unit), dates or ISO 8601 date-times; None: not read.
        weight: a column of positive numbers, such as ratings or counts; None: not read.
        session_gap: sessions take the place of users, a user's events cut where more time than this passes; see
            `cut_sessions`. None: users stay whole.
        cleaning: what to merge and drop; `k_core` holds for users and items alike.
        strict: raise where anything would be changed.

    Raises:
        ArgumentError, DataError: see `read_edges`.
    """
    columns = {"user": user, "item": item, "time": time, "weight": weight}
    if session_gap is not None and time is None:
        raise bad("session_gap", "read_events", "left out without times", session_gap, "Name the time column.")
    table = _open(path, EVENTS, TextOptions(delimiter, header, comment), columns)
    return _read(table, columns, EVENTS, cleaning, strict, session_gap)


def read_event_files(
    files: Mapping[str, str | Path],
    *,
    delimiter: str | None = None,
    header: bool | None = None,
    comment: str = "#%",
    user: Column | None = None,
    item: Column | None = None,
    strict: bool = False,
) -> tuple[Graph, np.ndarray, Report]:
    """A log of events that is published in parts; see `read_triple_files` and `read_events`."""
    columns = {"user": user, "item": item}
    return _read_parts(files, columns, EVENTS, TextOptions(delimiter, header, comment), strict)


def from_frame(
    frame: Any,
    *,
    kind: str = "edges",
    directed: bool = False,
    source: Column | None = None,
    target: Column | None = None,
    weight: Column | None = None,
    time: Column | None = None,
    relation: Column | None = None,
    cleaning: Cleaning = STANDARD,
    strict: bool = False,
) -> tuple[Graph, Report]:
    """A graph from a pandas or polars data frame or an Arrow table, one edge a row.

    Args:
        frame: the table; the index of a pandas frame is not read.
        kind: "edges", "triples" (source is the head, target the tail) or "events" (source is the user, target
            the item). Triples and events are directed.
        directed: whether edges have a direction.
        source, target: columns by name or position; None: those with the usual names of this kind (see
            `read_edges`, `read_triples`, `read_events`), or else the first ones.
        weight, time: further columns; None: not read.
        relation: a further column; "triples" needs it, and takes the second of three at None.
        cleaning: what to merge and drop.
        strict: raise where anything would be changed.

    Raises:
        ArgumentError, DataError: see `read_edges`.
    """
    shapes = {"edges": replace(EDGES, directed=directed), "triples": TRIPLES, "events": EVENTS}
    shape = shapes[one_of("kind", "from_frame", kind, shapes)]
    ends = {"source": shape.ends[0], "target": shape.ends[1]}
    columns = {
        ends["source"]: source,
        ends["target"]: target,
        "weight": weight,
        "time": time,
        "relation": relation,
    }
    shape = replace(shape, who="from_frame")
    return _read(frame_table(frame, "from_frame"), columns, shape, cleaning, strict)


def _open(path: str | Path, shape: Shape, options: TextOptions, columns: Mapping[str, Column | None]) -> Table:
    path = as_path(path, shape.who)
    options.check(shape.who)
    return open_table(path, options, columns.values())


def _read(
    table: Table,
    columns: Mapping[str, Column | None],
    shape: Shape,
    cleaning: Cleaning,
    strict: bool,
    session_gap: float | None = None,
) -> tuple[Graph, Report]:
    rows = read_rows([table], columns, shape)
    graph, _, findings = build_graph(rows, shape)
    if session_gap is not None:
        users = len(graph.ids.blocks[0])
        graph = cut_sessions(graph, session_gap)
        cut = f"{users:,} users, {len(graph.ids.blocks[0]):,} sessions"
        findings.append(Finding("users, cut into sessions", users, "noted", (cut,)))
    return finish(graph, [*rows.findings, *findings], cleaning, strict, table.source)


def _read_parts(
    files: Mapping[str, str | Path],
    columns: Mapping[str, Column | None],
    shape: Shape,
    options: TextOptions,
    strict: bool,
) -> tuple[Graph, np.ndarray, Report]:
    options.check(shape.who)
    paths = as_parts(files, shape.who)
    tables = [open_table(path, options, columns.values()) for path in paths.values()]
    rows = read_rows(tables, columns, shape)
    graph, part, findings = build_graph(rows, shape)
    graph, report = finish(graph, [*rows.findings, *findings], LOOK_ONLY, strict, rows.source)
    return graph, part_numbers(paths, part), report.add([], **part_sizes(paths, part))


def _refuse(suffix: str, **options: object) -> None:
    """Raise where an option is given that means nothing for this kind of file."""
    for name, value in options.items():
        if value is not None:
            raise bad(name, "read_edges", f"left out for a {suffix} file", value)
