"""What a story of the demo consists of, and how its models are trained and kept."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from graphtune.evaluate import Evaluation
from graphtune.split import Split
from graphtune.statistics import Estimate, PairedTest, bootstrap_interval, paired_test
from graphtune.store import Record, save
from graphtune.tasks.base import Task
from graphtune.train.fit import Result

BASELINE, REFERENCE, PRETRAINED, FINE_TUNED = "baseline", "reference", "pretrained", "fine-tuned"
COMMUNITIES = "communities"


@dataclass(frozen=True)
class Plan:
    """What all stories share.

    Attributes:
        out: directory that the models are saved under.
        quick: train for a few epochs only, to see that all works.
    """

    out: Path
    quick: bool = False

    def epochs(self, full: int) -> int:
        """How many epochs to train where the whole demo trains `full`."""
        return max(2, full // 15) if self.quick else full


@dataclass(frozen=True)
class Score:
    """How well one model, or one plain method, does.

    Attributes:
        model: what was scored.
        role: "baseline", "reference", "pretrained" or "fine-tuned".
        metrics: with intervals.
        per_query: [Q] scores behind each metric that is a mean.
        directory: where the model is saved, if it is one.
    """

    model: str
    role: str
    metrics: dict[str, Estimate]
    per_query: dict[str, np.ndarray]
    directory: Path | None = None


@dataclass(frozen=True)
class Contest:
    """Scores on the same queries.

    Attributes:
        title: what is asked.
        metrics: which to show; the first decides.
        scores: from the plainest method on.
    """

    title: str
    metrics: tuple[str, ...]
    scores: tuple[Score, ...]

    def gains(self) -> dict[str, PairedTest]:
        """The fine-tuned model, where there is one, against each of the others, by the first metric."""
        by = self.metrics[0]
        tuned = next((score for score in self.scores if score.role == FINE_TUNED), None)
        others = [score for score in self.scores if score is not tuned and tuned is not None]
        return {score.model: paired_test(tuned.per_query[by], score.per_query[by]) for score in others if tuned}


@dataclass(frozen=True)
class Story:
    """One of the three.

    Attributes:
        name: of its directory.
        title: what it is about.
        read: what was read, a line each.
        contests: the scores.
        notes: what the models say of the data, a line each.
        ask: a command that asks a saved model for more.
    """

    name: str
    title: str
    read: tuple[str, ...]
    contests: tuple[Contest, ...]
    notes: tuple[str, ...]
    ask: str

    def as_dict(self) -> dict[str, Any]:
        """Everything, as JSON can say it."""
        contests = [
            {
                "title": contest.title,
                "metrics": list(contest.metrics),
                "scores": [_score_as_dict(score, contest.metrics) for score in contest.scores],
                "gains": {model: asdict(test) for model, test in contest.gains().items()},
            }
            for contest in self.contests
        ]
        lines = {"read": list(self.read), "notes": list(self.notes), "ask": self.ask}
        return {"name": self.name, "title": self.title, "contests": contests, **lines}


def kept(plan: Plan, name: str, role: str, result: Result, task: Task, split: Split | None = None) -> Score:
    """The score of a trained model on the test part of `split`, after saving it under out/name/role."""
    evaluation = task.evaluate(result.model)
    record = Record(
        split=split,
        training=asdict(result.config),
        metrics={task.name: evaluation.as_dict()},
        history=result.history,
        notes={"made by": "graphtune demo"},
    )
    directory = save(plan.out / name / role, result.model, record, overwrite=True)
    family = type(result.model.recipe).__name__
    return Score(f"{family}, {role}", role, evaluation.metrics, evaluation.per_query, directory)


def plain(method: str, evaluation: Evaluation) -> Score:
    """The score of a method without a model."""
    means = {name: bootstrap_interval(scores) for name, scores in evaluation.per_query.items()}
    return Score(method, BASELINE, means, evaluation.per_query)


def command(*words: object) -> str:
    """A graphtune command as one types it."""
    return shlex.join(["graphtune", *map(str, words)])


def shown(names: Iterable[object]) -> str:
    """A list as people write it."""
    return ", ".join(map(str, names))


def _score_as_dict(score: Score, metrics: tuple[str, ...]) -> dict[str, Any]:
    estimates = {name: asdict(score.metrics[name]) for name in metrics}
    directory = None if score.directory is None else str(score.directory)
    return {"model": score.model, "role": score.role, "metrics": estimates, "directory": directory}
