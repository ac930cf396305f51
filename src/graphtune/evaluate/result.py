"""What an evaluation gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from graphtune import statistics
from graphtune.check import bad
from graphtune.statistics import Comparison, Estimate, bootstrap_interval, bootstrap_statistic

PARTS = ("train", "valid", "test")
RESAMPLES = 200  # of a pooled metric, each a pass over all queries
SMALLER_IS_BETTER = ("mean_rank", "mse", "mae")


@dataclass(frozen=True)
class Pooled:
    """A metric that is no mean over queries: AUC, F1, R2.

    Attributes:
        statistic: takes the arrays, gives a number.
        arrays: what it takes, queries along the first axis.
        together: whether row i of every array is the same query.
    """

    statistic: Callable[..., float]
    arrays: tuple[np.ndarray, ...]
    together: bool = True


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Scores of one model on one part of a split.

    Attributes:
        task: what was evaluated.
        part: "train", "valid" or "test".
        per_query: [Q] scores whose means are metrics; NaN for a query without an answer.
        pooled: the other metrics.
        counts: queries, skipped ones, unseen entities and the like.
    """

    task: str
    part: str
    per_query: dict[str, np.ndarray]
    pooled: dict[str, Pooled] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def __getitem__(self, metric: str) -> float:
        return self.means()[metric]

    def means(self) -> dict[str, float]:
        """Every metric without its interval."""
        values = {name: float(np.nanmean(scores)) for name, scores in self.per_query.items()}
        return values | {name: float(p.statistic(*p.arrays)) for name, p in self.pooled.items()}

    @cached_property
    def metrics(self) -> dict[str, Estimate]:
        """Every metric with its 95 % bootstrap interval over queries."""
        estimates = {name: bootstrap_interval(scores) for name, scores in self.per_query.items()}
        for name, p in self.pooled.items():
            estimates[name] = bootstrap_statistic(p.statistic, p.arrays, p.together, resamples=RESAMPLES)
        return estimates

    def as_dict(self) -> dict[str, Any]:
        """Everything but the per-query scores, as JSON can say it."""
        metrics = {k: {"mean": e.mean, "low": e.low, "high": e.high, "n": e.n} for k, e in self.metrics.items()}
        return {"task": self.task, "part": self.part, "metrics": metrics, "counts": self.counts}

    def __str__(self) -> str:
        lines = [f"{self.task}, {self.part} part"]
        lines += [f"  {name:<12} {estimate}" for name, estimate in self.metrics.items()]
        lines += [f"  {count:,} {name}" for name, count in self.counts.items()]
        return "\n".join(lines)


def compare(evaluations: Mapping[str, Evaluation], metric: str, baseline: str | None = None) -> Comparison:
    """A table of models evaluated on the same queries, with paired significance against `baseline`.

    Args:
        evaluations: by model name.
        metric: a metric that has per-query scores.
        baseline: the model that the others are tested against; the best where None.

    Raises:
        ArgumentError: the models were not evaluated on the same queries, or the metric has no per-query scores.
    """
    for name, evaluation in evaluations.items():
        if metric not in evaluation.per_query:
            known = ", ".join(evaluation.per_query)
            raise bad("metric", "compare", f"one with per-query scores in {name!r}: {known}", metric)
    scores = {name: evaluation.per_query for name, evaluation in evaluations.items()}
    return statistics.compare(scores, metric, baseline, larger_is_better=metric not in SMALLER_IS_BETTER)
