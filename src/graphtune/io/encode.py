"""Columns of ids as rows of nodes; no loop over rows in Python."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from graphtune.check import DataError
from graphtune.findings import EXAMPLES, Finding

INTEGER = r"^(0|-?[1-9][0-9]{0,17})$"
INTEGER_OR_FLOAT = r"^(0|-?[1-9][0-9]{0,17})(\.0+)?$"

LIKE_MISSING = pa.array(["na", "n/a", "<na>", "nan", "null", "none"])


@dataclass(frozen=True)
class Encoded:
    """Columns of ids as numbers.

    Attributes:
        ids: [U] the distinct ids: Arrow int64 in ascending order, or strings in order of first appearance.
        rows: [n] int64 per value the position of its id in `ids`, -1 where it is missing; column after column.
        findings: what was noted on the way.
    """

    ids: pa.Array
    rows: np.ndarray
    findings: tuple[Finding, ...] = ()


def encode_ids(columns: Sequence[pa.ChunkedArray], source: str) -> Encoded:
    """The ids in columns of one kind of node, as numbers.

    Where every id spells an integer in the usual way ("7", not "007"), ids are integers; "7.0" is one too where
    all others are. Space around an id is not part of it. Nulls, empty ids and ids with a line break are missing.

    Raises:
        DataError: a column holds neither text nor whole numbers.
    """
    chunks = _one_type([_text_or_integers(column, source) for column in columns])
    if not chunks:
        return Encoded(pa.array([], pa.int64()), np.zeros(0, dtype=np.int64))
    ids, codes = _distinct(chunks)
    ids, row, findings = settle(ids) if pa.types.is_string(ids.type) else (*_ascending(ids), ())
    rows = np.concatenate(codes, dtype=np.int64)
    if not np.array_equal(row, np.arange(len(row))):
        rows = np.append(row, -1)[rows]  # code -1, a null, takes the last
    return Encoded(ids, rows, findings)


def used_only(encoded: Encoded, keep: np.ndarray | slice) -> Encoded:
    """The values that `keep` selects, without the ids that none of them has."""
    rows = encoded.rows[keep]
    used = np.bincount(rows, minlength=len(encoded.ids)) > 0
    return Encoded(encoded.ids.filter(pa.array(used)), (np.cumsum(used) - 1)[rows], encoded.findings)


def encode_classes(columns: Sequence[pa.ChunkedArray], source: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """[n] class numbers, -1 where missing, and the class names in order: integers by value, else text by letter."""
    encoded = encode_ids(columns, source)
    order = pc.sort_indices(encoded.ids).to_numpy()
    place = np.append(np.argsort(order), -1)
    return place[encoded.rows], tuple(map(str, encoded.ids.take(pa.array(order)).to_pylist()))


def id_texts(column: pa.ChunkedArray, source: str) -> pa.ChunkedArray:
    """The ids of a column as text, empty where they are missing.

    Raises:
        DataError: the column holds neither text nor whole numbers.
    """
    return _text_or_integers(column, source).cast(pa.string()).fill_null("")


def _text_or_integers(column: pa.ChunkedArray, source: str) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_string(kind):
        return column.fill_null("") if column.null_count else column
    try:
        if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind):
            return column.cast(pa.int64())  # pandas makes integers floats where one is missing
    except pa.ArrowInvalid:
        pass  # a fraction, or beyond 64 bits
    fix = "Cast the column to strings or integers."
    raise DataError(f"Ids in {source} must be strings or whole numbers. Got a column of {kind}. {fix}")


def _one_type(columns: list[pa.ChunkedArray]) -> list[pa.Array]:
    """The chunks of all columns that hold something; integers become text where another column is text."""
    if len({column.type for column in columns}) > 1:
        columns = [column.cast(pa.string()).fill_null("") for column in columns]
    return [chunk for column in columns for chunk in column.chunks if len(chunk)]


def _distinct(chunks: list[pa.Array]) -> tuple[pa.Array, list[np.ndarray]]:
    """The distinct values in order of appearance, and per chunk which of them each value is, -1 for null."""
    if pa.types.is_string(chunks[0].type):
        return _distinct_text(chunks)
    return _encode(chunks)


def _encode(chunks: list[pa.Array]) -> tuple[pa.Array, list[np.ndarray]]:
    coded = pa.chunked_array(chunks).dictionary_encode().chunks
    indices = [chunk.indices.fill_null(-1) if chunk.null_count else chunk.indices for chunk in coded]
    return coded[-1].dictionary, [index.to_numpy() for index in indices]


def _distinct_text(chunks: list[pa.Array]) -> tuple[pa.Array, list[np.ndarray]]:
    """`_encode` for text, several times faster: by a 64-bit hash, held against a second, independent one."""
    hashes, checks = zip(*map(_hashes, chunks))
    _, codes = _encode(list(hashes))
    texts, first_checks = [], []
    seen = 0
    for chunk, check, code in zip(chunks, checks, codes):
        later = np.flatnonzero(code >= seen)
        new, at = np.unique(code[later], return_index=True)
        texts.append(chunk.take(pa.array(later[at])))
        first_checks.append(check[later[at]])
        seen += len(new)
    of_code = np.concatenate(first_checks)
    if not all(np.array_equal(of_code[code], check) for code, check in zip(codes, checks)):
        return _encode(chunks)
    return pa.concat_arrays(texts), codes


def _hashes(chunk: pa.Array) -> tuple[pa.Array, np.ndarray]:
    text = pl.Series(chunk)
    return pa.array(text.hash(1).to_numpy()), text.hash(2).to_numpy().astype(np.uint32)


def _ascending(ids: pa.Array) -> tuple[pa.Array, np.ndarray]:
    """Distinct integers in order, and for each of `ids` its place in it, -1 for null."""
    ordered = pc.drop_null(pc.unique(ids)).sort()
    return ordered, pc.index_in(ids, ordered).fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)


def settle(text: pa.Array) -> tuple[pa.Array, np.ndarray, tuple[Finding, ...]]:
    """The ids that distinct texts stand for, for each text the place of its id, and what was noted."""
    ids = pc.utf8_trim_whitespace(text)
    missing = pc.or_(pc.equal(ids, ""), pc.match_substring_regex(ids, r"[\r\n]"))
    ids = pc.if_else(missing, pa.scalar(None, pa.string()), ids)
    findings = _trimmed(text, ids)
    if pc.all(pc.match_substring_regex(ids, INTEGER_OR_FLOAT)).as_py():
        findings += _decimals(ids)
        return *_ascending(pc.replace_substring_regex(ids, r"\.0+$", "").cast(pa.int64())), findings
    findings += _like_missing(ids)
    if ids.equals(text):
        return text, np.arange(len(text)), findings
    ids, (codes,) = _encode([ids])
    return ids, codes.astype(np.int64), findings


def _decimals(ids: pa.Array) -> tuple[Finding, ...]:
    spelled = pc.fill_null(pc.match_substring(ids, "."), False)
    count = pc.sum(spelled).as_py() or 0
    if not count:
        return ()
    examples = tuple(ids.filter(spelled)[:EXAMPLES].to_pylist())
    return (Finding("ids spelled as decimal numbers, read as integers", count, "noted", examples),)


def _like_missing(ids: pa.Array) -> tuple[Finding, ...]:
    """Namibia may be meant, or a hole that another program filled."""
    found = ids.filter(pc.fill_null(pc.is_in(pc.utf8_lower(ids), LIKE_MISSING), False)).to_pylist()
    what = "ids that other programs write for a missing value, read as ids"
    return (Finding(what, len(found), "noted", tuple(found[:EXAMPLES])),) if found else ()


def _trimmed(text: pa.Array, stripped: pa.Array) -> tuple[Finding, ...]:
    changed = pc.fill_null(pc.not_equal(text, stripped), False)
    count = pc.sum(changed).as_py() or 0
    if not count:
        return ()
    examples = tuple(repr(value) for value in text.filter(changed)[:EXAMPLES].to_pylist())
    return (Finding("ids with space around them, which is not part of them", count, "noted", examples),)
