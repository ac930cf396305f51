"""Adjacency lists of users and items, the layout of LightGCN's data: a line holds a user, then the items."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from graphtune.check import DataError
from graphtune.cleaning import LOOK_ONLY
from graphtune.findings import EXAMPLES, Finding, Report
from graphtune.graph import Graph
from graphtune.ids import NodeIds
from graphtune.io.assemble import finish, part_numbers, part_sizes
from graphtune.io.encode import encode_ids
from graphtune.io.layout import not_text, open_buffer
from graphtune.io.tables import as_parts


def read_adjacency_lists(
    files: Mapping[str, str | Path] | str | Path, *, strict: bool = False
) -> tuple[Graph, np.ndarray, Report]:
    """A log of events from one file or several parts, in which a line holds a user and then all of their items.

    Ids stand between spaces or tabs. The parts share one id space. Events stand in the order of the files and
    their lines. Nothing is merged; a user without items stays, as an isolated node, and is counted.

    Args:
        files: a file, or the names of parts with their files, such as {"train": path, "test": path}.
        strict: raise where anything would be changed.

    Returns:
        The graph, directed, of the kinds "user" and "item"; [E] uint8 the part that each edge stands in, 0 for train or
        the one file, 1 for valid, 2 for test; the report.

    Raises:
        ArgumentError: `files` is neither.
        DataError: a file is missing, empty or binary, or there is no event in them.
    """
    paths = as_parts(files, "read_adjacency_lists")
    source = ", ".join(path.name for path in paths.values())
    lines = [_words(path) for path in paths.values()]
    words = pa.chunked_array(lines)
    users = encode_ids([pc.list_element(words, 0)], source)
    items = encode_ids([pc.list_flatten(pc.list_slice(words, 1))], source)
    if len(items.rows) == 0:
        raise DataError(f"{source} must hold a user and items in a line. Got no line with two ids.")
    count = pc.list_value_length(words).to_numpy() - 1
    edges = np.stack([np.repeat(users.rows, count), items.rows + len(users.ids)])
    part = np.repeat(np.repeat(np.arange(len(lines), dtype=np.uint8), list(map(len, lines))), count)
    graph = Graph(edges, NodeIds((users.ids, items.ids), ("user", "item")), directed=True)
    findings = [*users.findings, *items.findings]
    bare = np.flatnonzero(count == 0)
    if bare.size:
        names = users.ids.take(pa.array(users.rows[bare[:EXAMPLES]])).to_pylist()
        findings.append(Finding("lines with a user and no item", len(bare), "kept", tuple(map(str, names))))
    graph, report = finish(graph, findings, LOOK_ONLY, strict, source)
    return graph, part_numbers(paths, part), report.add([], **part_sizes(paths, part))


def _words(path: Path) -> pa.Array:
    """The words of each line that is not blank, as an Arrow list array."""
    content = open_buffer(path).to_pybytes()
    if b"\0" in content:
        raise not_text(path.name, "binary data")
    try:
        lines = [line for line in content.decode().split("\n") if line.strip()]
    except UnicodeDecodeError:
        raise not_text(path.name, "bytes that are not UTF-8") from None
    return pc.utf8_split_whitespace(pc.utf8_trim_whitespace(pa.array(lines, pa.string())))
