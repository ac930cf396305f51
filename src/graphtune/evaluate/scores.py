"""Scores of each user in Parquet files, a row a user under the user's own id, and recommenders compared by their files.

Axes: Q users.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl

from graphtune import statistics
from graphtune.check import DataError, bad
from graphtune.evaluate.result import Evaluation
from graphtune.evaluate.saved import read_table
from graphtune.files import commit
from graphtune.ids import NodeIds
from graphtune.statistics import Comparison

USER = "user"


def scores_table(evaluation: Evaluation, ids: NodeIds) -> pl.DataFrame:
    """The id of each of the Q users who were asked, then a column for each metric that is a mean over users.

    Args:
        evaluation: of recommendations.
        ids: of the graph that it is about.

    Raises:
        ArgumentError: it is of something else.
    """
    if evaluation.users is None:
        raise bad("evaluation", "scores_table", "one of recommendations", evaluation.task)
    return pl.DataFrame({USER: ids.values(evaluation.users), **evaluation.per_query})


def write_scores(path: str | Path, evaluation: Evaluation, ids: NodeIds) -> None:
    """Write the table of `scores_table` to a Parquet file, whole or not at all.

    Raises:
        ArgumentError: see `scores_table`.
        DataError: the file cannot be written.
    """
    commit(Path(path), scores_table(evaluation, ids).write_parquet)


def read_scores(path: str | Path) -> pl.DataFrame:
    """The table of a file that `write_scores` made.

    Raises:
        DataError: the file is missing, is no Parquet file, has no users or one twice, or scores that are no numbers.
    """
    table = read_table(path, "scores of users")
    if USER not in table.columns or table.width < 2 or table[USER].is_duplicated().any():
        what = f"a column {USER} with each user once, and scores"
        raise DataError(f"The file {path} must have {what}. Found the columns {', '.join(table.columns)}.")
    for name, column in table.drop(USER).to_dict().items():
        if not column.dtype.is_numeric() or column.null_count():
            raise DataError(f"The file {path} must hold a number for each user. Found others in {name}.")
    return table


def compare_scores(tables: Mapping[str, pl.DataFrame], metric: str, baseline: str | None = None) -> Comparison:
    """Recommenders by the scores of the same users, with paired significance, as `graphtune.compare`.

    Args:
        tables: of `scores_table` or `read_scores`, by model name; the rows in any order.
        metric: a column of each.
        baseline: the model that the others are tested against; the best where None.

    Raises:
        ArgumentError: there is no such metric or model, or the tables are not about the same users.
    """
    scores: dict[str, dict[str, np.ndarray]] = {}
    users: pl.Series | None = None
    for name, table in tables.items():
        if metric not in table.columns or metric == USER:
            known = ", ".join(column for column in table.columns if column != USER)
            raise bad("metric", "compare_scores", f"one of {name}: {known}", metric)
        ordered = table.sort(USER)
        users = ordered[USER] if users is None else users
        if not users.equals(ordered[USER]):
            raise bad("tables", "compare_scores", "of the same users", f"others in {name} than in {next(iter(tables))}")
        scores[name] = {metric: ordered[metric].to_numpy()}
    return statistics.compare(scores, metric, baseline)
