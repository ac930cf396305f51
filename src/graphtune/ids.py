"""The user's own node ids <-> rows 0..N-1."""

from __future__ import annotations

import builtins
import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from graphtune.check import DataError, bad, one_of

NODE = "node"
SEARCHED = 10_000  # ids of a kind that are compared with a misspelt one


@dataclass(frozen=True, eq=False)
class NodeIds:
    """Ids in row order, in one block per kind of node ("user" rows first, then "item" rows, ...).

    An id is a string or an integer and is unique within its kind, so user 7 and item 7 are two nodes.

    Attributes:
        blocks: per kind, the ids in row order (Arrow string or int64, no nulls).
        kinds: the name of each block; a graph with one kind of node has `("node",)`.
    """

    blocks: tuple[pa.Array, ...]
    kinds: tuple[str, ...] = (NODE,)

    def __post_init__(self) -> None:
        if len(self.blocks) != len(self.kinds) or len(set(self.kinds)) != len(self.kinds):
            raise bad("kinds", "NodeIds", f"{len(self.blocks)} distinct names, one per block", self.kinds)
        for block, kind in zip(self.blocks, self.kinds):
            if not (pa.types.is_string(block.type) or pa.types.is_int64(block.type)) or block.null_count:
                raise bad("blocks", "NodeIds", "Arrow arrays of string or int64 without nulls", block.type)
            if not _distinct(block):
                counts = pc.value_counts(block)
                repeated = counts.filter(pc.greater(counts.field("counts"), 1))[0]["values"].as_py()
                raise DataError(f"Node ids must be unique. The {kind} id {repeated!r} stands twice.")

    @classmethod
    def of(cls, *blocks: Iterable[Any], kinds: Sequence[str] = (NODE,)) -> NodeIds:
        """Ids from sequences of strings or integers, one sequence per kind."""
        return cls(tuple(id_array(block) for block in blocks), tuple(kinds))

    @classmethod
    def range(cls, n: int) -> NodeIds:
        """The integer ids 0..n-1."""
        return cls((pa.array(np.arange(n, dtype=np.int64)),))

    def __len__(self) -> int:
        return int(self.starts[-1])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, NodeIds):
            return NotImplemented
        return self.kinds == other.kinds and all(a.equals(b) for a, b in zip(self.blocks, other.blocks))

    __hash__ = None  # type: ignore[assignment]

    @cached_property
    def starts(self) -> np.ndarray:
        """[kinds + 1] the first row of each block, then N."""
        return np.concatenate([[0], np.cumsum([len(block) for block in self.blocks])]).astype(np.int64)

    def rows(self, kind: str) -> builtins.range:
        """The rows of all nodes of `kind`."""
        at = self.kinds.index(one_of("kind", "NodeIds.rows", kind, self.kinds))
        return range(int(self.starts[at]), int(self.starts[at + 1]))

    def index(
        self, ids: Iterable[Any], kind: str | None = None, missing: str = "raise", what: str = NODE
    ) -> np.ndarray:
        """Rows of `ids`, int64 [n].

        Args:
            ids: the user's ids. Text that spells an integer finds an integer id, and the reverse.
            kind: the block to look in; without it every block is tried and an id found in two is an error.
            missing: "raise", or "mark" to get -1 for an unknown id.
            what: the ids are of, for the error.

        Raises:
            ArgumentError: an id is unknown (with `missing="raise"`), or stands in several kinds.
        """
        one_of("missing", "NodeIds.index", missing, ("raise", "mark"))
        wanted = id_array(ids, mixed_as_text=True)
        rows = np.full(len(wanted), -1, dtype=np.int64)
        for name in self.kinds if kind is None else (kind,):
            found = self._index_in_block(wanted, name)
            twice = (found >= 0) & (rows >= 0)
            if twice.any():
                value = wanted[int(twice.argmax())].as_py()
                raise bad("ids", "NodeIds.index", "ids of one kind of node", value, f"Name the kind: {self.kinds}.")
            rows = np.where(found >= 0, found, rows)
        if missing == "raise" and (rows < 0).any():
            value = wanted[int((rows < 0).argmax())].as_py()
            raise bad("ids", "NodeIds.index", f"known {kind or what} ids", value, self._hint(str(value), kind))
        return rows

    def values(self, rows: np.ndarray | Sequence[int]) -> list[Any]:
        """The user's ids of `rows`, as Python strings or integers."""
        rows = np.asarray(rows, dtype=np.int64)
        block = np.searchsorted(self.starts, rows, side="right") - 1
        if len(self.blocks) == 1:
            return self.blocks[0].take(pa.array(rows)).to_pylist()
        return [self.blocks[b][int(r - self.starts[b])].as_py() for b, r in zip(block, rows)]

    def take(self, rows: np.ndarray) -> NodeIds:
        """The ids of `rows`, which stand kind after kind."""
        kind = self.kinds_of(rows)
        if (kind[1:] < kind[:-1]).any():
            raise bad("rows", "NodeIds.take", f"kind after kind: {', '.join(self.kinds)}", rows[:5].tolist())
        bounds = np.searchsorted(kind, np.arange(len(self.blocks) + 1))
        parts = (rows[begin:end] for begin, end in pairwise(bounds))
        blocks = [b.take(pa.array(part - start)) for b, part, start in zip(self.blocks, parts, self.starts)]
        return NodeIds(tuple(blocks), self.kinds)

    def kinds_of(self, rows: np.ndarray) -> np.ndarray:
        """The number of the block that each of `rows` lies in."""
        return np.searchsorted(self.starts, rows, side="right") - 1

    def _index_in_block(self, wanted: pa.Array, kind: str) -> np.ndarray:
        span = self.rows(kind)
        block = self.blocks[self.kinds.index(kind)]
        found = pc.index_in(_cast(wanted, block.type), value_set=block).fill_null(-1).to_numpy(zero_copy_only=False)
        return np.where(found >= 0, found.astype(np.int64) + span.start, -1)

    def _hint(self, wanted: str, kind: str | None) -> str:
        """What a wrong id may have meant."""
        blocks = self.blocks if kind is None else (self.blocks[self.kinds.index(kind)],)
        names = [str(v) for block in blocks for v in block[:SEARCHED].to_pylist()]
        near = difflib.get_close_matches(wanted, names, n=3, cutoff=0.75)
        if near:
            return f"Did you mean {' or '.join(near)}?"
        return f"Ids look like {', '.join(repr(v) for v in blocks[0][:3].to_pylist()) or '(there are none)'}."


def id_array(ids: Iterable[Any], mixed_as_text: bool = False) -> pa.Array:
    """Ids as an Arrow array of int64 (all integers) or string (all strings).

    Raises:
        ArgumentError: other types, nulls, or strings and integers together (unless `mixed_as_text`).
    """
    array = ids.combine_chunks() if isinstance(ids, pa.ChunkedArray) else _to_arrow(ids, mixed_as_text)
    if len(array) == 0 and pa.types.is_null(array.type):
        return array.cast(pa.int64())
    if pa.types.is_integer(array.type):
        array = array.cast(pa.int64())
    elif pa.types.is_large_string(array.type) or pa.types.is_dictionary(array.type):
        array = array.cast(pa.string())
    if array.null_count or not (pa.types.is_string(array.type) or pa.types.is_int64(array.type)):
        raise bad("ids", "NodeIds", "strings or integers, none missing", str(array.type))
    return array


def _distinct(block: pa.Array) -> bool:
    """Whether no id stands twice. Arrow's own count takes 200 bytes an id, which it keeps."""
    if not pa.types.is_int64(block.type):
        import polars as pl  # late: it takes longer to import than most ids to check

        return pl.Series(block).n_unique() == len(block)
    values = block.to_numpy()
    if not (values[1:] > values[:-1]).all():
        values = np.sort(values)
    return bool((values[1:] != values[:-1]).all())


def _to_arrow(ids: Any, mixed_as_text: bool) -> pa.Array:
    if isinstance(ids, pa.Array):
        return ids
    values = ids if isinstance(ids, np.ndarray) and ids.dtype != object else list(ids)
    if mixed_as_text and len({type(v) for v in values}) > 1:
        values = [str(v) for v in values]
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        raise bad("ids", "NodeIds", "all strings or all integers", list(values)[:5]) from None


def _cast(wanted: pa.Array, to: pa.DataType) -> pa.Array:
    """`wanted` as the block's type; text that spells no integer becomes null, which is never found."""
    if wanted.type.equals(to):
        return wanted
    if pa.types.is_string(to):
        return wanted.cast(pa.string())
    spelled = pc.match_substring_regex(wanted, r"^(0|-?[1-9][0-9]{0,17})$")
    return pc.if_else(spelled, wanted, pa.scalar(None, pa.string())).cast(pa.int64())
