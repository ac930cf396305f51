"""Tables -> one graph, in one way for edges, triples and events, from one file or several."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from graphtune.check import DataError
from graphtune.clean import Cleaning, clean, keep_nodes
from graphtune.findings import EXAMPLES, Finding, Report
from graphtune.graph import Graph
from graphtune.ids import NODE, NodeIds
from graphtune.io.encode import encode_ids, used_only
from graphtune.io.tables import Column, Table, find_columns
from graphtune.io.values import Numbers, read_numbers, read_times


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
        found += (
            [*settled, *faults] if table is tables[0] else [_of(table, f) for f in faults if f.changed_data]
        )
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
    weight = _numbers(rows, "weight", read_numbers)
    time = _numbers(rows, "time", read_times)
    missing = edges.min(axis=0) < 0
    if relation is not None:
        missing |= relation.rows < 0
        findings += relation.findings
    faults: list[tuple[str, np.ndarray]] = [("rows with a missing id", missing)]
    for role, numbers in (("weight", weight), ("time", time)):
        if numbers is not None:
            faults.append((f"rows whose {role} is no number", numbers.missing & ~missing))
            findings += numbers.findings
    for what, fault in faults:
        findings += rows.fault(what, fault)
    keep = ~np.any([fault for _, fault in faults], axis=0)
    if not keep.any():
        got = "; ".join(str(f) for f in (*rows.findings, *findings) if f.changed_data) or "no rows"
        raise DataError(f"{rows.source} must hold at least one edge. Got {got}.")
    if keep.all():
        keep = slice(None)
    relation = None if relation is None else used_only(relation, keep)
    with np.errstate(over="ignore"):  # a weight beyond float32 becomes infinite, which cleaning reports
        graph = Graph(
            edges[:, keep],
            ids,
            directed=shape.directed,
            relation=None if relation is None else relation.rows,
            relation_ids=None if relation is None else NodeIds((relation.ids,)),
            weight=None if weight is None else weight.values[keep].astype(np.float32),
            time=None if time is None else time.values[keep],
        )
    used = np.bincount(graph.edges.ravel(), minlength=graph.num_nodes) > 0
    return (graph if used.all() else keep_nodes(graph, used)), rows.part[keep], findings


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


def _numbers(rows: Rows, role: str, read: Callable[[pa.ChunkedArray, str, str], Numbers]) -> Numbers | None:
    if role not in rows.columns:
        return None
    columns = [read(column, role, name) for name, column in zip(rows.names, rows.columns[role])]
    return Numbers(
        np.concatenate([column.values for column in columns]),
        np.concatenate([column.missing for column in columns]),
        tuple(finding for column in columns for finding in column.findings),
    )


def _of(table: Table, finding: Finding) -> Finding:
    return replace(finding, what=f"{finding.what} in {table.source}")


def finish(
    graph: Graph, findings: Sequence[Finding], cleaning: Cleaning, strict: bool, source: str
) -> tuple[Graph, Report]:
    """The cleaned graph with the report of reading and cleaning; `strict` raises where they changed anything."""
    graph, cleaned = clean(graph, cleaning)
    report = Report(source).add([*findings, *cleaned.findings], **cleaned.summary)
    if strict:
        report.refuse()
    return graph, report


def part_sizes(names: Iterable[str], part: np.ndarray) -> dict[str, int]:
    """How many edges each of the named parts holds."""
    names = list(names)
    return dict(zip(names, np.bincount(part, minlength=len(names)).tolist()))
