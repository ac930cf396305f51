"""The bytes of a text file, and working out where its columns are."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from graphtune.check import DataError, bad

COMPRESSION = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd"}
DELIMITERS = ("\t", ",", ";", "|", " ")
ENDS = {"source", "target", "src", "dst", "from", "to", "user", "item", "user_id", "item_id", "node", "id"}
PARTS_OF_TRIPLES = {"head", "relation", "tail", "subject", "predicate", "object"}
HEADER_WORDS = ENDS | PARTS_OF_TRIPLES | {"label", "text", "weight", "rating", "time", "timestamp"}
BOM = b"\xef\xbb\xbf"
UTF16 = "utf-16"
SAMPLE_BYTES = 1 << 17  # no more than csv takes in one field


@dataclass(frozen=True)
class TextOptions:
    """How to read delimited text.

    Attributes:
        delimiter: the character between columns (" " also takes runs of spaces and tabs); None finds it out.
        header: whether the first line names the columns; None finds it out.
        comment: the characters that begin a comment line; "" for none.
    """

    delimiter: str | None = None
    header: bool | None = None
    comment: str = "#%"

    def check(self, who: str) -> None:
        separates = isinstance(self.delimiter, str) and len(self.delimiter) == 1 and self.delimiter.isascii()
        if self.delimiter is not None and (not separates or self.delimiter in '"\r\n'):
            raise bad("delimiter", who, "one ASCII character", self.delimiter, 'For example "," or "\\t".')
        if self.header not in (None, True, False):
            raise bad("header", who, "True, False or None (find out)", self.header)
        if not isinstance(self.comment, str):
            raise bad("comment", who, "the characters that begin a comment line", self.comment)


@dataclass(frozen=True)
class Layout:
    """Where the columns of a text are.

    Attributes:
        delimiter: the character between columns.
        quoted: whether fields may stand in double quotes.
        header: whether a line names the columns.
        names: the columns; "column 0", ... where there is no header.
        lines_before: how many lines, comments and header, stand before the data.
        comments: how many of them are comments.
        start: the offset of the first line of data, in bytes.
        first: that line.
    """

    delimiter: str
    quoted: bool
    header: bool
    names: tuple[str, ...]
    lines_before: int
    comments: int
    start: int
    first: str


def open_buffer(path: Path) -> pa.Buffer:
    """All bytes of a file, unpacked, or mapped into memory where it is not compressed.

    Raises:
        DataError: the file is not there, is a directory, is empty or cannot be unpacked.
    """
    check_file(path)
    codec = COMPRESSION.get(path.suffix.lower())
    try:
        if codec is None:
            data = pa.memory_map(str(path)).read_buffer()
        else:
            data = pa.input_stream(str(path), compression=codec).read_buffer()
    except OSError as error:
        raise DataError(f"{path.name} must be a readable file. Got: {first_line(error)}.") from None
    if data.size == 0:
        raise DataError(f"{path.name} must hold data. Got an empty file.")
    has_mark = data.size >= len(BOM) and data.slice(0, len(BOM)).to_pybytes() == BOM
    return data.slice(len(BOM)) if has_mark else data


def check_file(path: Path) -> None:
    """Raise unless `path` is a file with something in it."""
    if not path.exists():
        raise DataError(f"{path} must be a file. Got no such file. Check the name and the directory.")
    if not path.is_file():
        what, fix = ("a directory", "Name a file in it.") if path.is_dir() else ("a device or a pipe", "Save it first.")
        raise DataError(f"{path} must be a file. Got {what}. {fix}")
    if path.stat().st_size == 0:
        raise DataError(f"{path.name} must hold data. Got an empty file.")


def first_line(error: BaseException) -> str:
    """The first line of an error of another library, less the final stop."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


def one_line(text: str) -> str:
    """The beginning of a text, on one line."""
    return text[:80].replace("\r", "\\r").replace("\n", "\\n")


def find_layout(data: pa.Buffer, options: TextOptions, named: bool, source: str) -> Layout:
    """Work out where the columns are; `named` says that columns are asked for by name.

    Raises:
        DataError: the text is binary, has comments alone, one column, or a header of no use.
    """
    lines = _sample_lines(data, source)
    before = _lines_before(lines, options.comment)
    if before == len(lines):
        fix = 'Where a "#" or "%" begins an id, pass comment="".'
        raise DataError(f"{source} must hold lines of data. Got comments and blank lines alone. {fix}")
    body = lines[before:]
    quoted = body[0].startswith('"')
    delimiter = options.delimiter or _find_delimiter(body, quoted)
    quoted |= delimiter in ",;|"
    comments = sum(bool(line.strip()) for line in lines[:before])
    rows = _split(body, delimiter, quoted)
    width = _usual_width(rows)
    if width < 2:
        fix = "Name the `delimiter`, or leave it out to have it found."
        raise DataError(f"{source} must hold two columns or more. Got {one_line(body[0].strip())!r}. {fix}")
    header = options.header
    if header is None:
        header = named or _is_header(rows, width)
    names = tuple(f"column {i}" for i in range(width))
    if header:
        names = _header_names(rows[0], width, source)
        before += 1
    start = sum(len(line.encode()) for line in lines[:before])
    first = lines[before].strip() if before < len(lines) else ""
    return Layout(delimiter, quoted, header, names, before, comments, start, first)


def _sample_lines(data: pa.Buffer, source: str) -> list[str]:
    sample = data.slice(0, min(SAMPLE_BYTES, data.size)).to_pybytes()
    if b"\0" in sample:
        raise not_text(source, UTF16 if sample[:2] in (b"\xff\xfe", b"\xfe\xff") else "binary data")
    lines = sample.splitlines(keepends=True)
    if data.size > SAMPLE_BYTES and len(lines) > 1:
        lines.pop()  # cut off in the middle
    try:
        return [line.decode() for line in lines]
    except UnicodeDecodeError as error:
        raise not_text(source, first_line(error)) from None


def not_text(source: str, got: str) -> DataError:
    """The error for data that is not UTF-8 text."""
    was = UTF16 if got == UTF16 else "latin1"
    fix = f"Save it as UTF-8 text (iconv -f {was} -t utf-8), or as Parquet, GraphML, GML, .mat or .npz."
    return DataError(f"{source} must be text in UTF-8. Got {got}. {fix}")


def _lines_before(lines: list[str], comment: str) -> int:
    """How many lines at the beginning are comments or blank."""
    data = (i for i, line in enumerate(lines) if line.strip() and not line.startswith(tuple(comment)))
    return next(data, len(lines))


def _find_delimiter(lines: list[str], quoted: bool) -> str:
    """The delimiter that gives most lines the usual number of columns, where that is two or more."""
    agreeing = {}
    for delimiter in DELIMITERS:
        rows = _split(lines, delimiter, quoted or delimiter in ",;|")
        width = _usual_width(rows)
        agreeing[delimiter] = sum(len(row) == width for row in rows) / len(rows) if width > 1 else 0.0
    return max(DELIMITERS, key=lambda delimiter: agreeing[delimiter])


def _split(lines: list[str], delimiter: str, quoted: bool) -> list[list[str]]:
    """The fields of the lines that are not blank."""
    if delimiter == " " and not quoted:
        return [line.split() for line in lines if line.strip()]
    if quoted:
        rows = csv.reader(lines, delimiter=delimiter, skipinitialspace=delimiter == " ")
    else:
        rows = csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    return [[field.strip() for field in row] for row in rows if row]


def _usual_width(rows: list[list[str]]) -> int:
    """The number of columns that most rows have; of two equally frequent ones, the larger."""
    counts = Counter(map(len, rows))
    return max(counts, key=lambda width: (counts[width], width))


def _is_header(rows: list[list[str]], width: int) -> bool:
    """Whether the first row holds names: it has no number, and a column below it holds numbers alone.

    Where no column holds numbers alone, the names must be known ones.
    """
    first = rows[0]
    below = [row for row in rows[1:] if len(row) == width]
    if len(first) != width or any(map(_is_number, first)):
        return False
    if below and any(all(map(_is_number, column)) for column in zip(*below)):
        return True
    return sum(name.lower() in HEADER_WORDS for name in first) >= 2


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _header_names(row: list[str], width: int, source: str) -> tuple[str, ...]:
    if len(row) != width:
        fix = "Mend the header, or pass header=False."
        raise DataError(f"The header of {source} must name {width} columns, as many as lines have. Got {row}. {fix}")
    check_names(row, source)
    return tuple(row)


def check_names(names: list[str], source: str) -> None:
    """Raise where two columns have the same name."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        fix = "Rename one, or pass header=False if this line is data."
        raise DataError(f"Column names of {source} must be distinct. Got {twice[0]!r} twice in {names}. {fix}")
