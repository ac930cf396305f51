"""What is known of a run, from its directory: one that is finished, under way or broken off."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from graphtune.check import ArgumentError, DataError, bad
from graphtune.config import TrainConfig
from graphtune.files import Lock, read_json
from graphtune.models import RECIPES
from graphtune.store import CHECKPOINTS, LOGS, PROFILE, read_written
from graphtune.train.checkpoint import LOCK, Checkpoints
from graphtune.train.loggers import CSVLogger
from graphtune.train.schedule import count_reductions, rate

FINISHED, UNDER_WAY, BROKEN_OFF = "finished", "under way", "broken off"
POINTS = 600  # of a planned curve


@dataclass(frozen=True)
class Facts:
    """A run in plain values; what its directory does not say is empty.

    Attributes:
        name: of the directory.
        state: "finished", "under way" or "broken off".
        history: a row an epoch.
        monitor: the validation metric that decides, or None.
        best_epoch: of the monitored metric so far, 0 if unknown.
        config: recipe, heads, graph and split, of a finished run.
        training: the resolved configuration of the training, or None.
        plan: of a run that is not finished, what it says of its data, model and task.
        metrics: evaluations by name.
        notes: as `Record` has them.
        parts: edges or nodes of each part of the split.
        fingerprint: of the data.
        versions: of the packages that made it.
        files: sha256 by name.
        profile: where the time went, or None.
    """

    name: str
    state: str
    history: list[dict[str, Any]]
    monitor: str | None = None
    best_epoch: int = 0
    config: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] | None = None
    plan: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)
    parts: dict[str, int] = field(default_factory=dict)
    fingerprint: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    profile: dict[str, Any] | None = None

    @property
    def is_solved(self) -> bool:
        """Whether the model is a closed form, whose history has no loss and no rate."""
        solved = {recipe.__name__ for recipe in RECIPES.values() if hasattr(recipe, "solve")}
        return self.config.get("recipe", {}).get("name") in solved

    @property
    def metric_names(self) -> list[str]:
        """Validation metrics in the history, the monitored one first."""
        names = dict.fromkeys(name for row in self.history for name in row if name not in CSVLogger.COLUMNS)
        return sorted(names, key=lambda name: name != self.monitor)

    def planned_rates(self) -> tuple[list[float], list[float]]:
        """Epochs, with fractions, and the learning rate that the schedule has there, over the whole run.

        "plateau" is lowered as the validations so far ask for, and stays there.
        """
        if self.training is None:
            return [], []
        known = {name: value for name, value in self.training.items() if name in TrainConfig.names()}
        config = TrainConfig(**known)
        per_epoch = self.history[-1]["step"] / self.history[-1]["epoch"] if self.history else POINTS
        total = config.epochs * per_epoch
        steps = [total * i / POINTS for i in range(POINTS + 1)]
        monitor = self.monitor or next(iter(self.metric_names), None)
        lowered = [_reductions(config, self.history[:epoch], monitor) for epoch in range(len(self.history) + 1)]
        epochs = [step / per_epoch for step in steps]
        rates = [
            config.lr * rate(config, step, total, lowered[min(int(at), len(self.history))])  # type: ignore[arg-type]
            for step, at in zip(steps, epochs)
        ]
        return epochs, rates


def read_facts(directory: str | Path) -> Facts:
    """What the directory of a run says.

    Args:
        directory: of a model; of a run that is under way or broken off; or what `Run(checkpoints=...)` was given.

    Raises:
        ArgumentError: there is no run in it.
        DataError: a model directory is damaged.
    """
    path = Path(directory)
    if not path.is_dir():
        raise bad("directory", "report", "the directory of a run", str(path), "There is none.")
    profile = None
    with suppress(DataError):
        profile = read_json(path / LOGS / PROFILE)
    return _finished(path, profile) if (path / "run.json").exists() else _unfinished(path, profile)


def _finished(path: Path, profile: dict[str, Any] | None) -> Facts:
    written = read_written(path)
    notes = written.run["notes"]
    outcome = notes.get("outcome") or {}
    return Facts(
        name=path.resolve().name,
        state=FINISHED,
        history=written.history,
        monitor=outcome.get("monitor"),
        best_epoch=outcome.get("best_epoch", 0),
        config=written.config,
        training=written.config["training"],
        metrics=written.metrics,
        notes=notes,
        parts=written.parts,
        fingerprint=written.run["fingerprint"],
        versions=written.run["versions"],
        files=written.run["sha256"],
        profile=profile,
    )


def _unfinished(path: Path, profile: dict[str, Any] | None) -> Facts:
    place = path / CHECKPOINTS if (path / CHECKPOINTS).is_dir() else path
    state = Checkpoints(place).glance()
    saved = [] if state is None else state["place"]["history"]
    logged = _logged(path / LOGS / CSVLogger.NAME)
    if state is None and not logged:
        fix = "A run can be looked at after its first validation."
        raise ArgumentError(
            f"`directory` of report must hold a model or a run. Got {str(path)!r}, which does not. {fix}"
        )
    ahead = len(logged) > len(saved) and logged[: len(saved)] == saved
    history = logged if ahead and _is_newer(path / LOGS / CSVLogger.NAME, place) else saved
    plan = {} if state is None else dict(state["plan"])
    monitor = plan.pop("monitor", None)
    training = {name: plan.pop(name) for name in TrainConfig.names() if name in plan}
    return Facts(
        name=path.resolve().name,
        state=BROKEN_OFF if Lock(place / LOCK).holder() is None else UNDER_WAY,
        history=history,
        monitor=monitor,
        best_epoch=_best(history, monitor),
        training=training or None,
        plan=plan,
        profile=profile,
    )


def _logged(path: Path) -> list[dict[str, Any]]:
    """The rows of history.csv; none where it is not there, those before a line that was cut off otherwise."""
    rows: dict[int, dict[str, Any]] = {}
    if not path.is_file():
        return []
    with open(path, newline="", encoding="utf-8") as file, suppress(ValueError, TypeError, KeyError):
        for line in csv.DictReader(file):
            kinds = {"epoch": int, "step": int, "loss": float, "lr": float, "seconds": float}
            fixed = {name: kind(line[name]) for name, kind in kinds.items()}
            row = rows.setdefault(fixed["epoch"], fixed)
            if line["metric"]:
                row[line["metric"]] = float(line["value"])
    return [rows[epoch] for epoch in sorted(rows)]


def _is_newer(log: Path, checkpoints: Path) -> bool:
    """Whether a log was written to since the last checkpoint; that of an earlier run in the directory was not."""
    with suppress(FileNotFoundError):  # a checkpoint was removed meanwhile
        return log.stat().st_mtime >= max((file.stat().st_mtime for file in checkpoints.glob("*.json")), default=0.0)
    return False


def _best(history: Sequence[dict[str, Any]], monitor: str | None) -> int:
    """The epoch of the highest value, the last of equal ones, as `Best` has it."""
    scored = [(row[monitor], row["epoch"]) for row in history if monitor in row]
    return max(scored, default=(0.0, 0))[1]


def _reductions(config: TrainConfig, history: list[dict[str, Any]], monitor: str | None) -> int:
    return 0 if monitor is None else count_reductions(config, history, monitor)
