"""`graphtune compare`: models by what `graphtune evaluate --ranks` or `--scores` saved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphtune.check import bad
from graphtune.cli.talk import lines
from graphtune.evaluate import compare_ranks, compare_scores, read_ranks, read_scores
from graphtune.evaluate.saved import read_table
from graphtune.evaluate.scores import USER
from graphtune.statistics import Comparison, Row


def compare(files: Sequence[str], metric: str | None, baseline: str | None) -> dict[str, Any]:
    """Paired tests of the models whose ranks of the same queries, or scores of the same users, are in files.

    Each model is called by its file. Without a metric it is MRR, or the first of the users' scores.

    Raises:
        ArgumentError: fewer than two files, one given twice, other queries in one than in another, or an unknown
            metric or baseline.
        DataError: a file is missing or holds neither.
    """
    if len(set(files)) < max(2, len(files)):
        raise bad("FILES", "compare", "two files or more, each once", list(files))
    if baseline is not None and baseline not in files:
        raise bad("--baseline", "compare", f"one of {', '.join(files)}", baseline)
    held = {name: read_table(name, "ranks or scores").columns for name in files}
    if all(USER in columns for columns in held.values()):
        tables = {name: read_scores(name) for name in files}
        found = compare_scores(tables, metric or held[files[0]][1], baseline)
    else:
        found = compare_ranks({name: read_ranks(name) for name in files}, metric or "mrr", baseline)
    rows = [_told(row) for row in found.rows]
    return {
        "metric": found.metric,
        "baseline": found.baseline,
        "models": rows,
        "table": found.table(),
        "note": _note(found),
    }


def show_comparison(result: dict[str, Any]) -> None:
    """The table, and what it is of."""
    lines(result["table"], result["note"])


def _told(row: Row) -> dict[str, Any]:
    mean = {"mean": row.estimate.mean, "low": row.estimate.low, "high": row.estimate.high, "n": row.estimate.n}
    if row.test is None:
        return {"model": row.model, **mean, "test": None}
    test = {"difference": row.test.difference, "low": row.test.low, "high": row.test.high}
    return {"model": row.model, **mean, "test": {**test, "p_value": row.test.p_value, "p_adjusted": row.p_adjusted}}


def _note(found: Comparison) -> str:
    queries = found.rows[0].estimate.n
    return f"{queries:,} queries, paired; p of a sign-flip test, corrected for the number of models (Holm)."
