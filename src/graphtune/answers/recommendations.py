"""Recommendations under the user's ids, in memory and in files.

Axes: n recommendations, U users, k places.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from graphtune.check import bad
from graphtune.files import commit
from graphtune.graph import Graph
from graphtune.ids import NodeIds
from graphtune.models.ranked import kinds_asked

COLUMNS = ("user", "item", "place", "score")
SUFFIXES = (".parquet", ".csv")


@dataclass(frozen=True, eq=False)
class Recommendations:
    """Who is given what: n rows, those of a user one behind the other, best place first.

    Attributes:
        graph: whose ids these are.
        user: [n] int64, the rows of users in the graph.
        item: [n] int64, the rows of items.
        place: [n] int32, from 1.
        score: [n] float32, of the model; with diversity they need not fall from place to place.
        search: how they were found.
    """

    graph: Graph
    user: np.ndarray
    item: np.ndarray
    place: np.ndarray
    score: np.ndarray
    search: str

    @classmethod
    def of_grid(
        cls, graph: Graph, users: np.ndarray, items: np.ndarray, scores: np.ndarray, search: str
    ) -> Recommendations:
        """From items and scores [U, k] of users [U]; an item -1 is none."""
        given = items >= 0
        place = np.broadcast_to(np.arange(1, items.shape[1] + 1, dtype=np.int32), items.shape)
        return cls(graph, np.repeat(users, given.sum(axis=1)), items[given], place[given], scores[given], search)

    def __len__(self) -> int:
        return len(self.user)

    def of(self, user: Any) -> list[tuple[Any, float]]:
        """The items of a user with their scores, best place first."""
        mine = self.user == self.graph.ids.index([user], kinds_asked(self.graph)[0])[0]
        return list(zip(self.graph.ids.values(self.item[mine]), self.score[mine].tolist()))

    def table(self) -> pl.DataFrame:
        """The columns user, item, place, score; ids are of the type they are in the graph."""
        return pl.DataFrame(pl.from_arrow(arrow_table(self)))


@dataclass(frozen=True)
class Saved:
    """A file of recommendations.

    Attributes:
        path: where it is.
        rows: how many it has.
        users: how many are given something.
        search: how they were found.
    """

    path: Path
    rows: int
    users: int
    search: str


def arrow_table(found: Recommendations) -> pa.Table:
    """As `Recommendations.table`."""
    ids, kinds = found.graph.ids, kinds_asked(found.graph)
    columns = [_named(ids, found.user, kinds[0]), _named(ids, found.item, kinds[1])]
    return pa.table([*columns, pa.array(found.place), pa.array(found.score)], names=list(COLUMNS))


def joined(parts: Sequence[Recommendations], graph: Graph) -> Recommendations:
    """All of them as one."""
    if not parts:
        empty = np.empty((0, 1), dtype=np.int64)
        return Recommendations.of_grid(graph, empty[:, 0], empty, empty.astype(np.float32), "exact")
    user, item, place, score = (np.concatenate([getattr(part, name) for part in parts]) for name in COLUMNS)
    return Recommendations(graph, user, item, place, score, parts[0].search)


def write_parts(path: str | Path, parts: Iterable[Recommendations], graph: Graph) -> Saved:
    """Write them to a Parquet or csv file, by the end of its name, one after the other.

    Raises:
        ArgumentError: the name ends otherwise.
        DataError: the file cannot be written.
    """
    check_suffix(path, "path", "write")
    rows, users, search = 0, 0, ""

    def counted() -> Iterator[pa.Table]:
        nonlocal rows, users, search
        yield arrow_table(joined([], graph))
        for part in parts:
            yield arrow_table(part)
            rows, users, search = rows + len(part), users + int((part.place == 1).sum()), part.search

    write = _write_csv if Path(path).suffix.lower() == ".csv" else _write_parquet
    commit(Path(path), lambda at: write(at, counted()))
    return Saved(Path(path), rows, users, search)


def check_suffix(path: str | Path, argument: str, who: str) -> None:
    """Raise `ArgumentError` for a file whose name does not say what to write."""
    if Path(path).suffix.lower() not in SUFFIXES:
        raise bad(argument, who, "a file that ends in " + " or ".join(SUFFIXES), str(path))


def _write_parquet(at: Path, tables: Iterator[pa.Table]) -> None:
    with pq.ParquetWriter(at, next(tables).schema) as file:
        for table in tables:
            file.write_table(table)


def _write_csv(at: Path, tables: Iterator[pa.Table]) -> None:
    with at.open("wb") as file:
        for i, table in enumerate(tables):
            pl.DataFrame(pl.from_arrow(table)).write_csv(file, include_header=i == 0)


def _named(ids: NodeIds, rows: np.ndarray, kind: str | None) -> pa.Array:
    """The ids of rows of one kind; with the kind in front where they may be of several."""
    if kind is not None or len(ids.kinds) == 1:
        block = ids.kinds.index(kind or ids.kinds[0])
        return ids.blocks[block].take(pa.array(rows - ids.starts[block]))
    names = (f"{ids.kinds[k]}:{value}" for k, value in zip(ids.kinds_of(rows), ids.values(rows)))
    return pa.array(list(names), pa.string())
