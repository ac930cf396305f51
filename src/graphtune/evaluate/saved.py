"""Ranks in Parquet files: a row per query under the user's own ids, and models compared by their files.

Axes: Q queries.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl

from graphtune import statistics
from graphtune.check import DataError, bad
from graphtune.evaluate.ranks import TripleRanks, rank_scores
from graphtune.files import commit
from graphtune.ids import NodeIds
from graphtune.metrics import hits_at
from graphtune.statistics import Comparison

QUERY = ("head", "relation", "tail", "direction")  # what a query is
COLUMNS = (*QUERY, "rank", "candidates")


def ranks_table(ranks: TripleRanks) -> pl.DataFrame:
    """Head, relation and tail under the user's ids, the direction ("head" or "tail", the missing end), rank and
    candidates; a row for each of the Q queries."""
    graph = ranks.asked
    assert graph.relation is not None and graph.relation_ids is not None
    (head, tail), relation = graph.edges[:, ranks.triple], graph.relation[ranks.triple]
    return pl.DataFrame(
        {
            "head": _named(graph.ids, head),
            "relation": _named(graph.relation_ids, relation),
            "tail": _named(graph.ids, tail),
            "direction": np.where(ranks.is_head, "head", "tail"),
            "rank": ranks.rank,
            "candidates": ranks.candidates.astype(np.int64),
        }
    )


def write_ranks(path: str | Path, ranks: TripleRanks) -> None:
    """Write ranks to a Parquet file with the columns of `ranks_table`, whole or not at all.

    Raises:
        DataError: the file cannot be written.
    """
    commit(Path(path), ranks_table(ranks).write_parquet)


def read_ranks(path: str | Path) -> pl.DataFrame:
    """The table of a file that `write_ranks` made.

    Raises:
        DataError: the file is missing, is no Parquet file, or lacks a column; or a rank is no finite number from 1.
    """
    table = read_table(path, "ranks")
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        raise DataError(f"The file {path} must have the columns {', '.join(COLUMNS)}. Found no {', '.join(missing)}.")
    rank = table["rank"]
    if not rank.dtype.is_numeric() or rank.null_count() or not (rank.is_finite() & (rank >= 1)).all():
        found = f"{rank.dtype}, least {rank.min()!r}, {rank.null_count()} missing"
        raise DataError(f"The file {path} must hold finite ranks from 1. Found {found}.")
    return table.select(COLUMNS)


def read_table(path: str | Path, what: str) -> pl.DataFrame:
    """The table in a Parquet file; `what` it is to hold is for errors.

    Raises:
        DataError: the file is missing or is no Parquet file.
    """
    if not Path(path).is_file():
        raise DataError(f"The file {path} must exist. Found none.")
    try:
        return pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise DataError(f"The file {path} must hold {what} in Parquet. Found: {reason}.") from error


def compare_ranks(tables: Mapping[str, pl.DataFrame], metric: str = "mrr", baseline: str | None = None) -> Comparison:
    """Models by the ranks of the same queries, with paired significance, as `graphtune.compare`.

    Args:
        tables: of `ranks_table` or `read_ranks`, by model name; the rows in any order.
        metric: "mrr", "mean_rank", or "hits_" with a number.
        baseline: the model that the others are tested against; the best where None.

    Raises:
        ArgumentError: there is no such metric or model, or the tables are not about the same queries among as many
            candidates.
    """
    ordered = {name: table.sort(*QUERY, "rank") for name, table in tables.items()}
    first = next(iter(ordered), None)
    for name, table in ordered.items():
        _same_queries(ordered[first], first, table, name)  # type: ignore[index, arg-type]
    scores = {name: {metric: _scores(table["rank"].to_numpy(), metric)} for name, table in ordered.items()}
    return statistics.compare(scores, metric, baseline, larger_is_better=metric != "mean_rank")


def _same_queries(first: pl.DataFrame, first_name: str, other: pl.DataFrame, name: str) -> None:
    same = (*QUERY, "candidates")
    if first.select(same).equals(other.select(same)):
        return
    keys = [table.select(pl.col(QUERY).cast(pl.String)) for table in (first, other)]
    alone = len(keys[1].join(keys[0], on=QUERY, how="anti")), len(keys[0].join(keys[1], on=QUERY, how="anti"))
    got = f"{alone[0]:,} queries of {name} alone and {alone[1]:,} of {first_name} alone"
    if alone == (0, 0):
        got = f"other candidates in {name} than in {first_name}"
    raise bad("tables", "compare_ranks", "of the same queries among the same candidates", got)


def _scores(rank: np.ndarray, metric: str) -> np.ndarray:
    known, k = rank_scores(rank), metric.removeprefix("hits_")
    if metric not in known and not (metric.startswith("hits_") and k.isdigit() and int(k) > 0):
        raise bad("metric", "compare_ranks", "mrr, mean_rank, or hits_ with a number", metric)
    return known[metric] if metric in known else hits_at(rank, int(k))


def _named(ids: NodeIds, rows: np.ndarray) -> list[object]:
    """The user's ids; with the kind in front, where there are several."""
    values = ids.values(rows)
    if len(ids.kinds) == 1:
        return values
    return [f"{ids.kinds[kind]}:{value}" for kind, value in zip(ids.kinds_of(rows), values)]
