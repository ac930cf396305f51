"""Columns of weights, times and other numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from graphtune.check import DataError
from graphtune.findings import Finding

DECIMAL_COMMA = r"^[+-]?\d+,\d+$"


@dataclass(frozen=True)
class Numbers:
    """A column of numbers.

    Attributes:
        values: [n] float64, or int64 for whole times; NaN or 0 where missing.
        missing: [n] bool, whether the column holds no number there.
        findings: what was noted on the way.
        wanted: what the missing ones are not: a number or a date, with a hint where one is known.
    """

    values: np.ndarray
    missing: np.ndarray
    findings: tuple[Finding, ...] = ()
    wanted: str = "number"


def read_numbers(column: pa.ChunkedArray, name: str, source: str) -> Numbers:
    """The column as float64. Text that spells "nan" or "inf" is a number here.

    Raises:
        DataError: the column is of another type, such as lists or dates.
    """
    wanted = "number"
    if pa.types.is_string(column.type):
        text = _text(column)
        numbers = text.cast(pl.Float64, strict=False)
        if text.filter(numbers.is_null()).str.contains(DECIMAL_COMMA).any():
            wanted = "number (decimals stand behind a point: 3.5, not 3,5)"
        column = numbers.to_arrow()
    kind = column.type
    if not (_is_number(kind) or pa.types.is_boolean(kind) or pa.types.is_null(kind)):
        raise DataError(f"Column {name!r} of {source} must hold numbers. Got a column of {kind}.")
    missing = column.is_null().to_numpy(zero_copy_only=False)
    values = column.cast(pa.float64(), safe=False).fill_null(np.nan).to_numpy(zero_copy_only=False)
    return Numbers(values, missing, wanted=wanted)


def read_times(column: pa.ChunkedArray, name: str, source: str) -> Numbers:
    """The column as times: int64 where all are whole, else float64.

    Numbers stay as they are. Dates and date-times, also as text (ISO 8601), become seconds since 1970 in UTC.

    Raises:
        DataError: the column is of another type, such as lists.
    """
    findings: tuple[Finding, ...] = ()
    wanted = "number"
    if pa.types.is_string(column.type):
        column = _times_in_text(_text(column)).to_arrow()
    if pa.types.is_temporal(column.type):
        shown = f"{name}: {column.drop_null()[0].as_py()}" if column.null_count < len(column) else name
        findings = (Finding("column of dates, read as seconds since 1970 in UTC", 1, "noted", (shown,)),)
        column, wanted = _seconds(column).to_arrow(), "date as others in its column are"
    if not pa.types.is_integer(column.type):
        numbers = read_numbers(column, name, source)
        return Numbers(numbers.values, numbers.missing, findings, wanted)
    missing = column.is_null().to_numpy(zero_copy_only=False)
    return Numbers(column.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False), missing, findings, wanted)


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)


def _text(column: pa.ChunkedArray) -> pl.Series:
    return pl.Series(column).str.strip_chars()


def _times_in_text(text: pl.Series) -> pl.Series:
    """Integers, floats or date-times, whichever the text spells; null where it does not."""
    numbers = text.cast(pl.Float64, strict=False)
    if numbers.null_count() > len(text) / 2:
        dates = text.str.to_datetime(strict=False, time_zone="UTC")
        return dates if dates.null_count() < numbers.null_count() else numbers
    whole = text.cast(pl.Int64, strict=False)
    return whole if whole.null_count() == numbers.null_count() else numbers


def _seconds(column: pa.ChunkedArray) -> pl.Series:
    """Integers where no time has a fraction of a second, else floats."""
    micro = pl.Series(column).cast(pl.Datetime("us")).cast(pl.Int64)
    return micro // 1_000_000 if (micro % 1_000_000 == 0).all() else micro / 1_000_000
