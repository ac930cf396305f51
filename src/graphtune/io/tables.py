"""Tables from text files, Parquet files and data frames, and the columns of them that hold a graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from graphtune.check import ArgumentError, DataError, bad
from graphtune.findings import Finding
from graphtune.io.layout import COMPRESSION, TextOptions, check_file, check_names, first_line
from graphtune.io.text import TextTable
from graphtune.split.keys import PARTS

Column = str | int
"""A column by its name, or by its position from 0."""


class Table(Protocol):
    """Named columns that are read when asked for."""

    @property
    def source(self) -> str: ...

    @property
    def names(self) -> tuple[str, ...]: ...

    @property
    def has_names(self) -> bool:
        """Whether the names come from the data."""

    def read(self, columns: list[int]) -> tuple[list[pa.ChunkedArray], list[Finding]]: ...


@dataclass(frozen=True)
class ArrowTable:
    """A table whose columns have types already."""

    source: str
    table: pa.Table
    has_names: bool = True

    def __post_init__(self) -> None:
        check_names(self.table.column_names, self.source)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.table.column_names)

    def read(self, columns: list[int]) -> tuple[list[pa.ChunkedArray], list[Finding]]:
        return [_plain(self.table.column(i)) for i in columns], []


def open_table(path: Path, options: TextOptions, wanted: Iterable[Column | None]) -> Table:
    """The table in a text or Parquet file, of which the columns `wanted` will be read.

    Raises:
        DataError: the file is missing, empty, damaged or of another kind.
    """
    if path.suffix.lower() not in (".parquet", ".pq"):
        named = any(isinstance(want, str) and not want.isdigit() for want in wanted)
        return TextTable.open(path, options, named)
    check_file(path)
    try:
        return ArrowTable(path.name, pq.read_table(path))
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{path.name} must be a Parquet file. Got: {first_line(error)}.") from None


def frame_table(frame: Any, who: str) -> ArrowTable:
    """The columns of a pandas or polars data frame or an Arrow table.

    Raises:
        ArgumentError: it is none of these.
        DataError: a column mixes types, or two have the same name.
    """
    if isinstance(frame, pa.Table):
        return ArrowTable("the table", frame)
    if type(frame).__module__.startswith("polars") and hasattr(frame, "to_arrow"):
        return ArrowTable("the frame", frame.to_arrow())
    if not (type(frame).__module__.startswith("pandas") and hasattr(frame, "columns")):
        raise bad("frame", who, "a pandas or polars data frame or an Arrow table", type(frame).__name__)
    check_names([str(name) for name in frame.columns], "the frame")
    columns = {}
    for name in frame.columns:
        try:
            columns[str(name)] = pa.array(frame[name], from_pandas=True)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            got = f"{first_line(error)}. Cast it first: frame[{name!r}].astype(str)"
            raise DataError(f"Column {name!r} of the frame must be of one type. Got: {got}.") from None
    return ArrowTable("the frame", pa.table(columns))


def find_column(table: Table, who: str, role: str, wanted: Column) -> int:
    """The position of the column that the caller calls `wanted` in the argument `role`.

    Raises:
        ArgumentError: there is none; the error lists the columns there are.
    """
    names = table.names
    if isinstance(wanted, str) and wanted in names and table.has_names:
        return names.index(wanted)
    position = int(wanted) if isinstance(wanted, str) and wanted.isdigit() else wanted
    if isinstance(position, int) and not isinstance(position, bool) and 0 <= position < len(names):
        return position
    what = f"a column of {table.source}, by name or by position from 0"
    fix = f"The columns are {', '.join(names)}."
    if not table.has_names:
        fix = f"It has {len(names)} columns and no header, so use positions, or pass header=True."
    raise bad(role, who, what, wanted, fix)


def find_columns(
    table: Table, who: str, wanted: Mapping[str, Column | None], needed: Sequence[str], usual: Sequence[str]
) -> tuple[dict[str, int], list[Finding]]:
    """The position of every column asked for, and what was settled for the caller.

    Args:
        table: where to look.
        who: the function that the caller called.
        wanted: role -> column; roles at None are left out, unless needed.
        needed: the roles that must have a column. Where all of them are None, they are the columns named `usual`,
            or else the first ones of the table.
        usual: names that the needed columns often have.

    Raises:
        ArgumentError: a column is not there, or two roles share one.
        DataError: the table has fewer columns than are needed.
    """
    asked = {role: want for role, want in wanted.items() if want is not None}
    named = table.has_names and set(usual) <= set(table.names) and not set(needed) & set(asked)
    if len(table.names) < len(needed) and not set(needed) & set(asked):
        count = f"{len(needed)} columns ({', '.join(needed)})"
        raise DataError(f"{table.source} must have {count}, split by its delimiter. Got {len(table.names)}.")
    default: dict[str, Column] = dict(zip(needed, usual if named else range(len(needed))))
    columns: dict[str, int] = {}
    for role, want in (default | asked).items():
        columns[role] = find_column(table, who, role, want)
        first = next(other for other, position in columns.items() if position == columns[role])
        if first != role:
            raise ArgumentError(f"`{role}` of {who} must be another column than `{first}`. Got {want!r} for both.")
    read = tuple(f"{role} = {table.names[i]}" for role, i in columns.items())
    rest = tuple(name for i, name in enumerate(table.names) if i not in columns.values())
    findings = [Finding("columns read", len(read), "noted", read)]
    if rest:
        findings.append(Finding("columns not read", len(rest), "noted", rest[:5]))
    return columns, findings


def read_columns(
    path: Path, who: str, wanted: Mapping[str, Column | None], options: TextOptions
) -> tuple[list[pa.ChunkedArray], list[Finding]]:
    """The columns `wanted`, all of them needed, from a text or Parquet file, and what was settled and found.

    Where all are None they are the columns of these names, or else the first ones.

    Raises:
        ArgumentError: a column is not there, two roles share one, or an option is none.
        DataError: the file is missing, empty, damaged or of another kind.
    """
    options.check(who)
    table = open_table(path, options, wanted.values())
    positions, settled = find_columns(table, who, wanted, tuple(wanted), tuple(wanted))
    arrays, faults = table.read(list(positions.values()))
    return arrays, [*settled, *faults]


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column with its text as Arrow strings, whatever they were packed in."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _plain(column.cast(kind.value_type))
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return column.cast(pa.string())
    return column


def suffix_of(path: Path) -> str:
    """The suffix of a file that tells its kind, in small letters: ".gml" of "a.GML.gz"."""
    plain = path.with_suffix("") if path.suffix.lower() in COMPRESSION else path
    return plain.suffix.lower()


def as_path(path: str | Path, who: str) -> Path:
    """`path` as a Path.

    Raises:
        ArgumentError: it is something else.
    """
    if not isinstance(path, str | Path):
        raise bad("path", who, "the name of a file", type(path).__name__, "Data frames go to `from_frame`.")
    return Path(path)


def as_parts(files: Mapping[str, str | Path] | str | Path, who: str) -> dict[str, Path]:
    """The parts of a data set with their files; a single file is a part called "edges".

    Raises:
        ArgumentError: there are none, one is not called as a part of a split, or not the name of a file.
    """
    if not isinstance(files, Mapping):
        return {"edges": as_path(files, who)}
    if not files or not set(files) <= set(PARTS):
        raise bad("files", who, f"names of parts ({', '.join(PARTS)}) with their files", files)
    return {part: as_path(path, who) for part, path in files.items()}
