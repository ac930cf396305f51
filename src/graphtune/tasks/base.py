"""What every task offers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from graphtune.check import bad, chance, number
from graphtune.config import TrainConfig
from graphtune.evaluate import Evaluation
from graphtune.graph import Graph
from graphtune.models.base import Model
from graphtune.split import TEST, VALID, Split
from graphtune.train.fit import Training


class Task(Protocol):
    """A task on one split of one graph.

    Attributes:
        name: as the command line spells it.
        monitor: the validation metric that picks the best weights; larger is better.
    """

    name: str

    @property
    def monitor(self) -> str: ...

    @property
    def graph(self) -> Graph: ...

    def training(self, model: Model, config: TrainConfig) -> Training:
        """How the engine trains `model` for this; adds the heads that the task needs."""
        ...

    def evaluate(self, model: Model, part: int = TEST) -> Evaluation:
        """Score a model on a part."""
        ...

    def validate(self, model: Model) -> dict[str, float]:
        """The metrics of the validation part, without intervals and quick enough for every epoch."""
        ...

    def defaults(self) -> TrainConfig:
        """Fine-tuning settings that suit the task."""
        ...


def need(holds: bool, task: str, what: str, got: object, fix: str = "") -> None:
    """Refuse a split that does not fit the task.

    Raises:
        ArgumentError: `holds` is false.
    """
    if not holds:
        raise bad("split", task, what, got, fix)


def watching(task: Task, split: Split) -> tuple[Callable[[Model], dict[str, float]], str] | tuple[None, None]:
    """`validate` and `monitor` of a task's training; neither where the split has no validation part."""
    return (task.validate, task.monitor) if (split.part == VALID).any() else (None, None)


def check_smoothing(task: str, label_smoothing: float, loss: str, *smooth: str) -> None:
    """Refuse label smoothing that is no share, or of another loss than `smooth`, those that know it.

    Raises:
        ArgumentError: either holds.
    """
    chance("label_smoothing", task, label_smoothing)
    if label_smoothing and loss not in smooth:
        named = " or ".join(f"loss={name!r}" for name in smooth)
        raise bad("label_smoothing", task, f"0 unless {named}", label_smoothing, f"The loss is {loss!r}.")


def check_focal(task: str, focal: float, loss: str, focused: str) -> None:
    """Refuse a gamma of the focal loss that is negative, or with another loss than `focused`, the one that knows it.

    Raises:
        ArgumentError: either holds.
    """
    number("focal", task, focal, 0)
    if focal and loss != focused:
        raise bad("focal", task, f"0 unless loss={focused!r}", focal, f"The loss is {loss!r}.")


def is_of(split: Split, unit: str) -> bool:
    """Whether it is a split at all, and of "edge" or "node"."""
    return isinstance(split, Split) and split.unit == unit


def describe(split: Split) -> str:
    """What a split is of, for error messages."""
    if not isinstance(split, Split):
        return f"{type(split).__name__}, which is no split: `split_edges` and the like make one"
    graph = split.graph
    extras = [name for name in ("relation", "labels", "targets", "features") if getattr(graph, name) is not None]
    return f"{split.kind} of a graph with {' and '.join(extras) or 'edges only'}"
