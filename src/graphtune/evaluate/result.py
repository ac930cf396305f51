"""What an evaluation gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from graphtune import statistics
from graphtune.check import bad, one_of
from graphtune.evaluate.groups import Groups
from graphtune.evaluate.ranks import TripleRanks
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
        resampled: whether its interval is that of resampled queries. What counts different things, as coverage does, is
            smaller in every resample; it has no interval.
    """

    statistic: Callable[..., float]
    arrays: tuple[np.ndarray, ...]
    together: bool = True
    resampled: bool = True

    def estimate(self) -> Estimate:
        """The metric with its interval."""
        if not self.resampled:
            value = float(self.statistic(*self.arrays))
            return Estimate(value, float("nan"), float("nan"), len(self.arrays[0]))
        return bootstrap_statistic(self.statistic, self.arrays, self.together, resamples=RESAMPLES)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Scores of one model on one part of a split.

    Attributes:
        task: what was evaluated.
        part: "train", "valid" or "test".
        per_query: [Q] scores whose means are metrics; NaN for a query without an answer.
        pooled: the other metrics.
        counts: queries, skipped ones, unseen entities and the like.
        groups: what the queries are grouped by.
        ranks: the ranks and what was asked, of a knowledge graph.
        users: [Q] rows of the users who were asked, of recommendations.
        divided: what gives evaluations of parts of what is asked, where a query may be in several of them.
    """

    task: str
    part: str
    per_query: dict[str, np.ndarray]
    pooled: dict[str, Pooled] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    groups: dict[str, Groups] = field(default_factory=dict)
    ranks: TripleRanks | None = None
    users: np.ndarray | None = None
    divided: dict[str, Callable[[], dict[Any, Evaluation]]] = field(default_factory=dict)

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
            estimates[name] = p.estimate()
        return estimates

    def by(self, name: str) -> dict[Any, Evaluation]:
        """The queries of each group for themselves, the group with the most queries first; parts in their own order.

        A pooled metric that takes no row per query is left out.

        Args:
            name: what to group by, one of `groups` or of `divided`.

        Raises:
            ArgumentError: there are no groups of that name.

        Example:
            >>> colours = Groups(("red", "blue"), np.array([0, 1, 1]))
            >>> found = Evaluation("task", "test", {"hit": np.array([1.0, 0.0, 1.0])}, groups={"colour": colours})
            >>> {colour: of["hit"] for colour, of in found.by("colour").items()}
            {'blue': 0.5, 'red': 1.0}
        """
        if one_of("name", "Evaluation.by", name, (*self.groups, *self.divided)) in self.divided:
            return self.divided[name]()
        groups = self.groups[name]
        return {group: self._take(groups.of == groups.names.index(group)) for group in groups.sizes()}

    def _take(self, which: np.ndarray) -> Evaluation:
        """The evaluation of the queries that a mask selects."""
        per_query = {name: scores[which] for name, scores in self.per_query.items()}
        together = {name: p for name, p in self.pooled.items() if p.together}
        pooled = {name: replace(p, arrays=tuple(a[which] for a in p.arrays)) for name, p in together.items()}
        groups = {name: groups.take(which) for name, groups in self.groups.items()}
        return Evaluation(self.task, self.part, per_query, pooled, {"queries": int(which.sum())}, groups)

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
