"""Reading an edge list whose edges do not fit into memory: part by part into a graph directory.

The text is read once; numbers of its ids are put aside on disk. When all ids are known, passes over these numbers find
self-loops and repeats and write the edges. The memory is that of the ids, a bit an edge, a part of the file, and what
is allowed for a pass.

Axes: n rows of the file, N nodes, E edges.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa

from graphtune.check import DataError, bad
from graphtune.cleaning import Cleaning
from graphtune.disk.arrays import ArrayFile, staged
from graphtune.disk.graph import RECORD, check_place, has_graph, load_graph, record_of, save_ids
from graphtune.disk.repeats import find_repeats
from graphtune.files import read_json
from graphtune.findings import EXAMPLES, Finding, Report
from graphtune.graph import Graph
from graphtune.ids import NodeIds
from graphtune.io.assemble import Shape
from graphtune.io.encode import Encoded
from graphtune.io.idstream import HashCollision, IdStream
from graphtune.io.layout import TextOptions, check_file
from graphtune.io.parts import table_parts
from graphtune.io.tables import Column, find_columns
from graphtune.io.values import read_numbers
from graphtune.kernels.memory import blocks

HASH_SEEDS = (1, 3, 5)


@dataclass
class Tally:
    """Findings summed over the parts of a file, with the first examples of each."""

    found: dict[tuple[str, str], Finding] = field(default_factory=dict)

    def add(self, what: str, count: int, action: str, examples: tuple[str, ...] = ()) -> None:
        if count or examples:
            before = self.found.get((what, action), Finding(what, 0, action))
            shown = (*before.examples, *examples)[:EXAMPLES]
            self.found[what, action] = Finding(what, before.count + count, action, shown)

    @property
    def findings(self) -> list[Finding]:
        return list(self.found.values())


@dataclass(frozen=True)
class Rows:
    """The rows of the file as numbers that lie on disk.

    Attributes:
        source, target: [n] int32 codes of the ids, mapped.
        weight: [n] float32, mapped, or None.
        ids: the ids, and for each code the node, -1 for a missing id.
        dropped: [n / 8] uint8, a bit for each row that gives no edge.
    """

    source: np.ndarray
    target: np.ndarray
    weight: np.ndarray | None
    ids: Encoded
    dropped: np.ndarray

    def edges(self) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Sources, targets and positions of the rows that give an edge, block by block."""
        at = 0
        for source, target in blocks(self.source, self.target):
            kept = np.flatnonzero(~self.is_dropped(at, len(source)))
            yield self.ids.rows[source[kept]], self.ids.rows[target[kept]], at + kept
            at += len(source)

    def weights(self) -> Iterator[np.ndarray]:
        """Weights of the rows that give an edge, block by block."""
        assert self.weight is not None
        at = 0
        for (weight,) in blocks(self.weight):
            yield weight[~self.is_dropped(at, len(weight))]
            at += len(weight)

    def drop(self, positions: np.ndarray) -> None:
        bits = (1 << (positions & 7)).astype(np.uint8)
        np.bitwise_or.at(self.dropped, positions >> 3, bits)

    def names(self, positions: np.ndarray, directed: bool) -> tuple[str, ...]:
        """Edges as the user wrote them."""
        nodes = (self.ids.rows[end[positions]] for end in (self.source, self.target))
        ends = [self.ids.ids.take(pa.array(node)).to_pylist() for node in nodes]
        return tuple(f"{a} {'->' if directed else '-'} {b}" for a, b in zip(*ends))

    def is_dropped(self, at: int, count: int) -> np.ndarray:
        """[count] bool, whether the rows from `at` on, a multiple of 8, give no edge."""
        bits = self.dropped[at >> 3 : (at + count + 7) >> 3]
        return np.unpackbits(bits, count=count, bitorder="little").astype(bool)


def read_on_disk(
    path: Path,
    directory: str | Path,
    options: TextOptions,
    columns: Mapping[str, Column | None],
    shape: Shape,
    cleaning: Cleaning,
    strict: bool,
    memory: int,
) -> tuple[Graph, Report]:
    """`read_edges` into a directory; see there. A directory with the graph of this very file is opened instead.

    Args:
        path: a text or Parquet file.
        directory: new or empty.
        options: how to read text.
        columns: of source, target and weight.
        shape: says whether edges are directed.
        cleaning: duplicates "first" or "keep"; self-loops.
        strict: raise where anything would be dropped or merged; nothing is left on disk then.
        memory: bytes that a pass may take for entries.
    """
    _check(columns, cleaning)
    check_file(path)
    record: dict[str, Any] = {"read": _described(path, options, columns, shape, cleaning)}
    if has_graph(directory) and read_json(Path(directory) / RECORD).get("read") == record["read"]:
        return load_graph(directory, memory), _report_of(path.name, read_json(Path(directory) / RECORD))
    place = check_place(directory, shape.who)
    with staged(place, record, RECORD) as staging, TemporaryDirectory(dir=staging) as scratch:
        rows, tally = _rows(path, Path(scratch), options, columns, shape)
        if rows.weight is not None:
            _mark_weights(rows, tally, shape.directed)
        _mark_loops(rows, tally, shape.directed, cleaning.drop_self_loops is not False)
        if cleaning.duplicates != "keep":
            _mark_repeats(rows, tally, shape.directed, memory)
        num_edges = len(rows.source) - int(np.bitwise_count(rows.dropped).sum())
        report = Report(path.name).add(tally.findings, nodes=len(rows.ids.ids), edges=num_edges)
        if strict:
            report.refuse()
        if num_edges == 0:
            got = "; ".join(str(finding) for finding in report.findings if finding.changed_data) or "no rows"
            raise DataError(f"{path.name} must hold at least one edge. Got {got}.")
        _write(staging, rows, num_edges)
        record.update(record_of(NodeIds((rows.ids.ids,)), None, num_edges, shape.directed))
        record["findings"] = [asdict(finding) for finding in report.findings]
    pa.default_memory_pool().release_unused()
    return load_graph(place, memory), report


def _described(
    path: Path, options: TextOptions, columns: Mapping[str, Column | None], shape: Shape, cleaning: Cleaning
) -> dict[str, Any]:
    """What is read and how, as JSON can say it; the same for the same graph."""
    stat = path.stat()
    file = {"path": str(path.absolute()), "bytes": stat.st_size, "changed": stat.st_mtime_ns}
    return {**file, "directed": shape.directed, "text": asdict(options), "columns": dict(columns), **asdict(cleaning)}


def _report_of(source: str, record: dict[str, Any]) -> Report:
    """The report of when the graph was read."""
    findings = [Finding(**{**found, "examples": tuple(found["examples"])}) for found in record["findings"]]
    return Report(source).add(findings, nodes=record["nodes"], edges=record["edges"])


def _check(columns: Mapping[str, Column | None], cleaning: Cleaning) -> None:
    for role in ("time", "relation", "label"):
        if columns.get(role) is not None:
            raise bad(role, "read_edges", "left out with `on_disk`", columns[role], "Read the file into memory.")
    if cleaning.duplicates not in ("first", "keep"):
        raise bad("cleaning", "read_edges", "duplicates='first' or 'keep' with `on_disk`", cleaning.duplicates)
    for name in ("k_core", "largest_component", "drop_isolated", "implicit"):
        if getattr(cleaning, name) not in (0, None, False):
            raise bad("cleaning", "read_edges", f"without {name} with `on_disk`", getattr(cleaning, name))


def _rows(
    path: Path, scratch: Path, options: TextOptions, columns: Mapping[str, Column | None], shape: Shape
) -> tuple[Rows, Tally]:
    """The rows that can be used, their numbers in `scratch`; with other hashes where two ids have the same one."""
    for seed in HASH_SEEDS:
        tally, stream = Tally(), IdStream(path.name, seed)
        try:
            count, no_number = _put_aside(path, scratch, options, columns, shape, stream, tally)
            break
        except HashCollision:
            continue
    else:
        raise DataError(
            f"{path.name} must hold ids that {len(HASH_SEEDS)} hashes tell apart. Got two that they do not."
        )
    if count == 0:
        got = "; ".join(str(finding) for finding in tally.findings if finding.changed_data) or "no rows"
        raise DataError(f"{path.name} must hold at least one edge. Got {got}.")
    ids = stream.settled()
    for finding in ids.findings:
        tally.add(finding.what, finding.count, finding.action, finding.examples)
    source, target = (np.memmap(scratch / name, np.int32, "r") for name in ("source", "target"))
    weight = np.memmap(scratch / "weight", np.float32, "r") if columns.get("weight") is not None else None
    rows = Rows(source, target, weight, ids, np.zeros(-(-count // 8), dtype=np.uint8))
    return _without_unusable(rows, no_number, tally, shape.directed), tally


def _put_aside(
    path: Path,
    scratch: Path,
    options: TextOptions,
    columns: Mapping[str, Column | None],
    shape: Shape,
    stream: IdStream,
    tally: Tally,
) -> tuple[int, np.ndarray]:
    """Write the codes of all rows, and their weights, part by part; how many rows there are, and where no weight is."""
    count, no_number = 0, [np.empty(0, dtype=np.int64)]
    with ExitStack() as stack:
        files = [stack.enter_context(open(scratch / name, "wb")) for name in ("source", "target", "weight")]
        for part in table_parts(path, options, columns.values()):
            positions, settled = find_columns(part, shape.who, columns, shape.needed, shape.usual)
            arrays, faults = part.read(list(positions.values()))
            for finding in [*(settled if count == 0 else []), *faults]:
                tally.add(finding.what, finding.count, finding.action, finding.examples)
            read = dict(zip(positions, arrays))
            for end, role in enumerate(shape.ends):
                files[end].write(stream.codes(read[role], end).tobytes())
            if "weight" in read:
                numbers = read_numbers(read["weight"], "weight", path.name)
                no_number.append(count + np.flatnonzero(numbers.missing))
                with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite
                    files[2].write(numbers.values.astype(np.float32).tobytes())
            count += len(arrays[0])
    return count, np.concatenate(no_number)


def _without_unusable(rows: Rows, no_number: np.ndarray, tally: Tally, directed: bool) -> Rows:
    """Less the rows with a missing id or a weight that is no number, and the ids that stand in such rows alone."""
    used = np.zeros(len(rows.ids.ids), dtype=bool)
    for u, v, position in rows.edges():
        missing, wrong = (u < 0) | (v < 0), np.isin(position, no_number)
        first = position[missing][:EXAMPLES]
        tally.add("rows with a missing id", int(missing.sum()), "dropped", tuple(f"row {i + 1}" for i in first))
        wrong &= ~missing
        first = position[wrong][:EXAMPLES]
        examples = tuple(f"row {i + 1}: {name}" for i, name in zip(first, rows.names(first, directed)))
        tally.add("rows whose weight is no number", int(wrong.sum()), "dropped", examples)
        usable = ~(missing | wrong)
        used[u[usable]] = used[v[usable]] = True
        rows.drop(position[~usable])
    if used.all():
        return rows
    ids = Encoded(rows.ids.ids.filter(pa.array(used)), np.append(np.cumsum(used) - 1, -1)[rows.ids.rows])
    return replace(rows, ids=ids)


def _mark_loops(rows: Rows, tally: Tally, directed: bool, drop: bool) -> None:
    for u, v, position in rows.edges():
        found = position[u == v]
        names = rows.names(found[:EXAMPLES], directed)
        tally.add("self-loops", len(found), "dropped" if drop else "kept", names)
        if drop:
            rows.drop(found)


def _mark_repeats(rows: Rows, tally: Tally, directed: bool, memory: int) -> None:
    for repeats in find_repeats(rows.edges, len(rows.ids.ids), directed, memory):
        for what, which in (
            ("edges given in both directions", repeats.turned),
            ("repeated edges", ~repeats.turned),
        ):
            first = np.sort(repeats.positions[which])[:EXAMPLES]
            tally.add(what, int(which.sum()), "merged", rows.names(first, directed))
        rows.drop(repeats.positions)


def _mark_weights(rows: Rows, tally: Tally, directed: bool) -> None:
    """Drop the edges whose weight no model takes."""
    assert rows.weight is not None
    at = 0
    for (weight,) in blocks(rows.weight):
        finite, kept = np.isfinite(weight), ~rows.is_dropped(at, len(weight))
        for what, fault in (
            ("edges with a weight that is not finite", ~finite & kept),
            ("edges with a weight below zero", finite & (weight < 0) & kept),
            ("edges of weight zero", (weight == 0) & kept),
        ):
            found = np.flatnonzero(fault)
            names = rows.names(at + found[:EXAMPLES], directed)
            examples = tuple(f"{name}: {weight[i]:g}" for name, i in zip(names, found))
            tally.add(what, len(found), "dropped", examples)
            rows.drop(at + found)
        at += len(weight)


def _write(staging: Path, rows: Rows, num_edges: int) -> None:
    save_ids(staging, NodeIds((rows.ids.ids,)))
    with ArrayFile(staging / "edges.npy", np.int64, 2, num_edges) as file:
        at = 0
        for u, v, _ in rows.edges():
            file.put(at, u)
            file.put(num_edges + at, v)
            at += len(u)
    if rows.weight is not None:
        with ArrayFile(staging / "weight.npy", np.float32, num_edges) as file:
            at = 0
            for weight in rows.weights():
                file.put(at, weight)
                at += len(weight)
