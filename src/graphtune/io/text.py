"""The columns of a delimited text, with every malformed line counted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from graphtune.check import DataError
from graphtune.findings import EXAMPLES, Finding
from graphtune.io.layout import Layout, TextOptions, find_layout, first_line, not_text, one_line, open_buffer

BLOCK_BYTES = 1 << 22


@dataclass(frozen=True)
class TextTable:
    """A text whose layout is known; its columns are read as strings.

    Attributes:
        source: the name of the file.
        layout: where the columns are.
        options: what the caller asked for.
        data: the lines of data.
    """

    source: str
    layout: Layout
    options: TextOptions
    data: pa.Buffer

    @classmethod
    def open(cls, path: Path, options: TextOptions, named: bool) -> TextTable:
        """The text in a file; `named` says that columns are asked for by name.

        Raises:
            DataError: the file is missing, empty or binary, or its header is of no use.
        """
        data = open_buffer(path)
        layout = find_layout(data, options, named, path.name)
        return cls.of(path.name, layout, options, data.slice(layout.start))

    @classmethod
    def of(cls, source: str, layout: Layout, options: TextOptions, data: pa.Buffer) -> TextTable:
        """Lines of data whose layout is known."""
        return cls(source, layout, options, _single_spaces(data) if layout.delimiter == " " else data)

    @property
    def names(self) -> tuple[str, ...]:
        return self.layout.names

    @property
    def has_names(self) -> bool:
        return self.layout.header

    def read(self, columns: list[int]) -> tuple[list[pa.ChunkedArray], list[Finding]]:
        """The columns at these positions, less the malformed lines, and what was found.

        Raises:
            DataError: the text is not UTF-8.
        """
        table, skipped = self._parse(columns, threads=True)
        if skipped:  # once more in order, so that the skipped lines have their numbers
            table, skipped = self._parse(columns, threads=False)
        table, comments = self._without_comments(table)
        findings = [*self._header_found(), *self._faults(skipped), *comments]
        return [table.column(str(i)) for i in columns], findings

    def _parse(self, columns: list[int], threads: bool) -> tuple[pa.Table, list[tuple[int, str]]]:
        """The columns and column 0, and the number and text of each line with too few or too many fields."""
        skipped: list[tuple[int, str]] = []

        def skip(row: arrow_csv.InvalidRow) -> str:
            skipped.append((row.number or 0, row.text))
            return "skip"

        names = [str(i) for i in range(len(self.names))]
        if self.data.size == 0:
            return pa.table({name: pa.array([], pa.string()) for name in names}), skipped
        try:
            table = arrow_csv.read_csv(
                pa.BufferReader(self.data),
                arrow_csv.ReadOptions(column_names=names, block_size=BLOCK_BYTES, use_threads=threads),
                arrow_csv.ParseOptions(
                    delimiter=self.layout.delimiter,
                    quote_char='"' if self.layout.quoted else False,
                    newlines_in_values=self.layout.quoted,
                    invalid_row_handler=skip,
                ),
                arrow_csv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.string()),
                    include_columns=list(dict.fromkeys(map(str, [0, *columns]))),
                ),
            )
        except pa.ArrowInvalid as error:
            if "UTF8" in str(error):
                raise not_text(self.source, "bytes that are not UTF-8") from None
            fix = "A quote may not be closed, or a line may be longer than 4 MB."
            raise DataError(f"{self.source} must be delimited text. Got: {first_line(error)}. {fix}") from None
        return table, skipped

    def _header_found(self) -> list[Finding]:
        if self.options.header is not None:
            return []
        shown = ", ".join(self.names) if self.has_names else f"this is data: {one_line(self.layout.first)}"
        return [Finding("header lines", int(self.has_names), "noted", (shown,))]

    def _faults(self, skipped: list[tuple[int, str]]) -> list[Finding]:
        comment = tuple(self.options.comment)
        lines = [(number, text) for number, text in skipped if not text.startswith(comment)]
        comments = self.layout.comments + len(skipped) - len(lines)
        findings = [Finding("comment lines", comments, "noted")] if comments else []
        if lines:
            unit, before = ("line", self.layout.lines_before) if self._rows_are_lines() else ("row", 0)
            examples = tuple(f"{unit} {number + before}: {one_line(text)}" for number, text in lines[:EXAMPLES])
            what = f"lines without {len(self.names)} columns"
            findings.append(Finding(what, len(lines), "dropped", examples))
        return findings

    def _rows_are_lines(self) -> bool:
        """Whether a row's number is its line's: no blank line is skipped and no quoted field has line ends."""
        text = self.data.to_pybytes()
        quotes = self.layout.quoted and b'"' in text
        return not (quotes or b"\n\n" in text or b"\n\r\n" in text)

    def _without_comments(self, table: pa.Table) -> tuple[pa.Table, list[Finding]]:
        """Less the lines that begin as a comment and happen to have the right number of columns."""
        comment = np.zeros(len(table), dtype=bool)
        for mark in self.options.comment:
            comment |= pc.starts_with(table.column("0"), mark).to_numpy()
        if not comment.any():
            return table, []
        examples = tuple(table.column("0").filter(pa.array(comment))[:EXAMPLES].to_pylist())
        found = Finding("comment lines among the data", int(comment.sum()), "dropped", examples)
        return table.filter(pa.array(~comment)), [found]


def _single_spaces(data: pa.Buffer) -> pa.Buffer:
    """The text with one space for every run of spaces and tabs, and none at the ends of a line."""
    text = data.to_pybytes().replace(b"\r\n", b"\n").replace(b"\t", b" ")
    while b"  " in text:
        text = text.replace(b"  ", b" ")
    text = text.replace(b" \n", b"\n").replace(b"\n ", b"\n")
    return pa.py_buffer(text.strip(b" "))
