"""Tables -> one graph, in one way for edges, triples and events, from one file or several."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from graphtune.check import DataError
from graphtune.cleaning import Cleaning, clean, keep_nodes
from graphtune.findings import EXAMPLES, Finding, Report
from graphtune.graph import Graph
from graphtune.ids import NODE, NodeIds
from graphtune.io.encode import Encoded, encode_ids, used_only
from graphtune.io.tables import Column, Table, find_columns
from graphtune.io.values import Numbers, read_numbers, read_times
from graphtune.split.keys import PARTS


@dataclass(frozen=True)
class Shape:
    """What to make of the rows of a table.

    Attributes:
        who: the function that the user called, for errors.
        ends: what that function calls the columns of the two ends of an edge.
        needed: the columns that must be there, in their usual order.
        usual: names that the needed columns often have.
        kinds: the kind of node at both ends, or the kinds at either end.
        directed: whether edges have a direction.
    """

    who: str
    ends: tuple[str, str]
    needed: tuple[str, ...]
    usual: tuple[str, ...]
    kinds: tuple[str, ...] = (NODE,)
    directed: bool = True


@dataclass(frozen=True)
class Rows:
    """The columns of several tables, one after another.

    Attributes:
        names: the tables.
        part: [n] uint8 the table of each row.
        columns: role -> the column in each table.
        findings: what was found in reading them.
    """

    names: tuple[str, ...]
    part: np.ndarray
    columns: dict[str, list[pa.ChunkedArray]]
    findings: tuple[Finding, ...]

    @property
    def source(self) -> str:
        return ", ".join(self.names)

    def show(self, position: int) -> str:
        """A row as the user wrote it: "row 7: source = 'a', target = ''", with the table where there are several."""
        table = self.part[position]
        row = int(position - np.argmax(self.part == table))
        values = (f"{role} = {column[table][row].as_py()!r}" for role, column in self.columns.items())
        where = f"{self.names[table]} " if len(self.names) > 1 else ""
        return f"{where}row {row + 1}: {', '.join(values)}"

    def fault(self, what: str, which: np.ndarray) -> list[Finding]:
        """The finding that the rows in the mask `which` are dropped; none where there are no such rows."""
        if not which.any():
            return []
        examples = tuple(self.show(int(i)) for i in np.flatnonzero(which)[:EXAMPLES])
        return [Finding(what, int(which.sum()), "dropped", examples)]


def read_rows(tables: Sequence[Table], wanted: Mapping[str, Column | None], shape: Shape) -> Rows:
    """The wanted columns (role -> column) of all tables.

    Raises:
        ArgumentError: a column is not there, or two roles share one.
        DataError: a table cannot be read.
    """
    found: list[Finding] = []
    columns: dict[str, list[pa.ChunkedArray]] = {}
    for table in tables:
        positions, settled = find_columns(table, shape.who, wanted, shape.needed, shape.usual)
        arrays, faults = table.read(list(positions.values()))
        for role, array in zip(positions, arrays):
            columns.setdefault(role, []).append(array)
        found += settled if table is tables[0] else []
        found += [_of(table, f) for f in faults if f.changed_data] if len(tables) > 1 else faults
    lengths = [len(column) for column in columns[shape.needed[0]]]
    part = np.repeat(np.arange(len(tables), dtype=np.uint8), lengths)
    return Rows(tuple(table.source for table in tables), part, columns, tuple(found))


def build_graph(rows: Rows, shape: Shape) -> tuple[Graph, np.ndarray, list[Finding]]:
    """The graph of all rows, not cleaned, the table [E] uint8 that each edge stood in, and what was found.

    Raises:
        DataError: no row gives an edge, or a column is of no use in its role.
    """
    edges, ids, findings = _edges(rows, shape)
    relation = encode_ids(rows.columns["relation"], rows.source) if "relation" in rows.columns else None
    numbers = {
        role: _numbers(rows, role, read)
        for role, read in (("weight", read_numbers), ("time", read_times))
        if role in rows.columns
    }
    findings += [finding for column in (relation, *numbers.values()) if column for finding in column.findings]
    keep, faults = _usable(rows, edges, relation, numbers)
    findings += faults
    if not keep.any():
        raise _no_edge(rows.source, [*rows.findings, *findings])
    chosen = slice(None) if keep.all() else keep  # a slice copies nothing
    values: dict[str, Any] = {role: column.values[chosen] for role, column in numbers.items()}
    if "weight" in values:
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, which cleaning reports
            values["weight"] = values["weight"].astype(np.float32)
    if relation is not None:
        relation = used_only(relation, chosen)
        values |= {"relation": relation.rows, "relation_ids": NodeIds((relation.ids,))}
    graph = Graph(edges[:, chosen], ids, directed=shape.directed, **values)
    if not keep.all():
        graph = keep_nodes(graph, np.bincount(graph.edges.ravel(), minlength=graph.num_nodes) > 0)
    return graph, rows.part[chosen], findings


def _usable(
    rows: Rows, edges: np.ndarray, relation: Encoded | None, numbers: Mapping[str, Numbers]
) -> tuple[np.ndarray, list[Finding]]:
    """[n] bool, whether each row gives an edge, and why others do not."""
    keep = edges.min(axis=0) >= 0
    if relation is not None:
        keep &= relation.rows >= 0
    findings = rows.fault("rows with a missing id", ~keep)
    for role, column in numbers.items():
        findings += rows.fault(f"rows whose {role} is no {column.wanted}", keep & column.missing)
        keep &= ~column.missing
    return keep, findings


def _edges(rows: Rows, shape: Shape) -> tuple[np.ndarray, NodeIds, list[Finding]]:
    """[2, n] the rows of the ends, -1 for a missing id, and the ids."""
    source, target = (rows.columns[end] for end in shape.ends)
    if len(shape.kinds) == 1:
        both = encode_ids([*source, *target], rows.source)
        return both.rows.reshape(2, -1), NodeIds((both.ids,), shape.kinds), list(both.findings)
    one, other = encode_ids(source, rows.source), encode_ids(target, rows.source)
    shifted = np.where(other.rows < 0, -1, other.rows + len(one.ids))
    ids = NodeIds((one.ids, other.ids), shape.kinds)
    return np.stack([one.rows, shifted]), ids, [*one.findings, *other.findings]


def _numbers(rows: Rows, role: str, read: Callable[[pa.ChunkedArray, str, str], Numbers]) -> Numbers:
    columns = [read(column, role, name) for name, column in zip(rows.names, rows.columns[role])]
    return Numbers(
        np.concatenate([column.values for column in columns]),
        np.concatenate([column.missing for column in columns]),
        tuple(finding for column in columns for finding in column.findings),
        next((column.wanted for column in columns if column.wanted != Numbers.wanted), Numbers.wanted),
    )


def _of(table: Table, finding: Finding) -> Finding:
    return replace(finding, what=f"{finding.what} in {table.source}")


def finish(
    graph: Graph, findings: Sequence[Finding], cleaning: Cleaning, strict: bool, source: str
) -> tuple[Graph, Report]:
    """The cleaned graph with the report of reading and cleaning.

    Raises:
        DataError: cleaning leaves no edge, or `strict` and something was changed.
    """
    pa.default_memory_pool().release_unused()  # what reading took, which Arrow would keep for itself
    graph, cleaned = clean(graph, cleaning)
    report = Report(source).add([*findings, *cleaned.findings], **cleaned.summary)
    if strict:
        report.refuse()
    if graph.num_edges == 0:
        raise _no_edge(source, report.findings)
    return graph, report


def _no_edge(source: str, findings: Iterable[Finding]) -> DataError:
    got = "; ".join(str(finding) for finding in findings if finding.changed_data) or "no rows"
    return DataError(f"{source} must hold at least one edge. Got {got}.")


def part_sizes(names: Iterable[str], part: np.ndarray) -> dict[str, int]:
    """How many edges each of the named parts holds."""
    names = list(names)
    return dict(zip(names, np.bincount(part, minlength=len(names)).tolist()))


def part_numbers(names: Iterable[str], part: np.ndarray) -> np.ndarray:
    """[E] uint8: the numbers that splits have for these parts, whatever their order; 0 for what is no part of one."""
    return np.array([PARTS.index(name) if name in PARTS else 0 for name in names], dtype=np.uint8)[part]
