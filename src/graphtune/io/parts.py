"""A text or Parquet file in parts that are tables of their own: a file of any size takes the memory of a part."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from graphtune.check import DataError
from graphtune.io.layout import BOM, COMPRESSION, TextOptions, check_file, find_layout, first_line
from graphtune.io.tables import ArrowTable, Column, Table
from graphtune.io.text import TextTable

PART_BYTES = 1 << 24
PART_ROWS = 1 << 20


def table_parts(path: Path, options: TextOptions, wanted: Iterable[Column | None]) -> Iterator[Table]:
    """The table in a text or Parquet file, in consecutive parts; findings about the head come with the first.

    Args:
        path: the file.
        options: how to read text.
        wanted: the columns that will be read.

    Raises:
        DataError: the file is missing, empty, damaged or of another kind.
    """
    check_file(path)
    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            yield from _parquet_parts(path)
        else:
            named = any(isinstance(want, str) and not want.isdigit() for want in wanted)
            yield from _text_parts(path, options, named)
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{path.name} must be a readable file. Got: {first_line(error)}.") from None


def _parquet_parts(path: Path) -> Iterator[Table]:
    with pq.ParquetFile(path, pre_buffer=False) as file:
        for batch in file.iter_batches(PART_ROWS):
            yield ArrowTable(path.name, pa.Table.from_batches([batch]))


def _text_parts(path: Path, options: TextOptions, named: bool) -> Iterator[Table]:
    layout = None
    for data in _whole_lines(path):
        if layout is None:
            layout = find_layout(data, options, named, path.name)
            data = data.slice(layout.start)
        yield TextTable.of(path.name, layout, options, data)
        lines = layout.lines_before + data.to_pybytes().count(b"\n")
        options = replace(options, header=layout.header)  # what is settled is not told again
        layout = replace(layout, lines_before=lines, comments=0)
    if layout is None:
        raise DataError(f"{path.name} must hold data. Got an empty file.")


def _whole_lines(path: Path) -> Iterator[pa.Buffer]:
    """The bytes of a file, unpacked, cut behind line ends."""
    rest = b""
    with pa.input_stream(str(path), compression=COMPRESSION.get(path.suffix.lower())) as stream:
        first: Any = stream.read(PART_BYTES)
        data = first.removeprefix(BOM)
        while data:
            data = rest + data
            cut = _cut(data)
            if cut:
                yield pa.py_buffer(data[:cut])
            rest = data[cut:]
            data = stream.read(PART_BYTES)
    if rest:
        yield pa.py_buffer(rest)


def _cut(data: bytes) -> int:
    """Where the last line ends that is whole and does not end within quotes; 0 for none."""
    cut = data.rfind(b"\n") + 1
    while cut and data.count(b'"', 0, cut) % 2:
        cut = data.rfind(b"\n", 0, cut - 1) + 1
    return cut
