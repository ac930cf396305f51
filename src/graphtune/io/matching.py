"""Rows of a file about nodes, matched to the nodes of a graph by id."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from graphtune.check import DataError
from graphtune.findings import EXAMPLES, Finding, Report
from graphtune.graph import Graph
from graphtune.io.encode import encode_ids

BETWEEN = "|"  # several categories in one cell


@dataclass(frozen=True)
class Matched:
    """Which row is about which node.

    Attributes:
        node: [m] the node of each row of the file, -1 where there is none.
        findings: rows without an id, and ids that the graph does not have.
    """

    node: np.ndarray
    findings: tuple[Finding, ...]

    def first_rows(self, graph: Graph, hint: str = "") -> tuple[np.ndarray, np.ndarray, list[Finding]]:
        """The nodes with a row, the first row of each, and the finding that further rows are dropped."""
        known = np.flatnonzero(self.node >= 0)
        node, first = np.unique(self.node[known], return_index=True)
        again = np.zeros(graph.num_nodes, dtype=bool)
        repeats = np.delete(known, first)
        again[self.node[repeats]] = True
        names = tuple(map(str, graph.ids.values(np.flatnonzero(again)[:EXAMPLES])))
        found = [Finding(f"further rows about a node{hint}", len(repeats), "dropped", names)] if names else []
        return node, known[first], found


def match_rows(graph: Graph, ids: pa.ChunkedArray, node_kind: str | None, source: str) -> Matched:
    """The node of each id in a column.

    Raises:
        ArgumentError: the graph has no such kind of node, or an id is of two kinds and `node_kind` is None.
        DataError: no row is about a node of the graph.
    """
    encoded = encode_ids([ids], source)
    node_of = graph.ids.index(encoded.ids, kind=node_kind, missing="mark")
    if not (node_of >= 0).any():
        theirs, ours = (
            encoded.ids[:EXAMPLES].to_pylist(),
            graph.ids.values(range(min(EXAMPLES, graph.num_nodes))),
        )
        fix = "Check which column holds the ids."
        raise DataError(f"{source} must be about nodes of the graph, such as {ours}. Got ids such as {theirs}. {fix}")
    findings = list(encoded.findings)
    empty, unknown = encoded.rows < 0, node_of < 0
    if empty.any():
        findings.append(Finding("rows with a missing id", int(empty.sum()), "dropped"))
    if unknown.any():
        names = tuple(map(str, encoded.ids.filter(pa.array(unknown))[:EXAMPLES].to_pylist()))
        findings.append(Finding("ids that are not in the graph", int(unknown.sum()), "dropped", names))
    return Matched(np.append(node_of, -1)[encoded.rows], tuple(findings))


def nodes_found(graph: Graph, what: str, which: np.ndarray, action: str) -> list[Finding]:
    """The finding about the nodes that the mask [N] selects; none where there are none."""
    names = tuple(map(str, graph.ids.values(np.flatnonzero(which)[:EXAMPLES])))
    return [Finding(what, int(which.sum()), action, names)] if names else []


def report_on(path: Path, findings: list[Finding], strict: bool, summary: dict[str, int]) -> Report:
    """The report of reading a file; `strict` raises where anything was changed."""
    report = Report(path.name, tuple(findings), dict(summary))
    if strict:
        report.refuse()
    return report


def rows_found(what: str, which: np.ndarray, ids: pa.ChunkedArray) -> list[Finding]:
    """The finding that the rows which the mask [m] selects are dropped, with their ids."""
    names = tuple(str(ids[int(i)].as_py()) for i in np.flatnonzero(which)[:EXAMPLES])
    return [Finding(what, int(which.sum()), "dropped", names)] if names else []
