"""What a part of a batch counts in the whole. T tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from graphtune.batch import MixedBatch


@dataclass(frozen=True)
class Share:
    """What a part counts in its batch.

    Attributes:
        mean: its share of the weights of the examples, or of their number where they have none.
        penalty: its share of their number, as penalties are means over rows.
        tasks: [T] of each task's batch, for the part of a `MixedBatch`.
    """

    mean: Tensor | float
    penalty: float
    tasks: tuple[Share, ...] = ()

    def of(self, mean: Tensor, penalty: Tensor | float) -> Tensor:
        return mean * self.mean + penalty * self.penalty

    def task(self, number: int) -> Share | Whole:
        return self.tasks[number]

    def times(self, inner: Share | Whole) -> Share:
        """Of a part of this part."""
        if isinstance(inner, Whole):
            return self
        tasks = tuple(own.times(part) for own, part in zip(self.tasks, inner.tasks))
        return Share(self.mean * inner.mean, self.penalty * inner.penalty, tasks)


class Whole:
    """The share of a batch that is not split."""

    mean = 1.0

    def of(self, mean: Tensor, penalty: Tensor | float) -> Tensor:
        return mean + penalty if isinstance(penalty, Tensor) else mean

    def task(self, number: int) -> Whole:
        return self

    def times(self, inner: Share | Whole) -> Share | Whole:
        return inner


WHOLE = Whole()


def shares(batch: Any, parts: Sequence[Any]) -> list[Share]:
    """What each of the parts of a batch counts; one that has no examples counts nothing."""
    if isinstance(batch, MixedBatch):
        rows = [_of_task(own, [part.parts[k] for part in parts]) for k, own in enumerate(batch.parts)]
        return [Share(0.0, 0.0, tasks) for tasks in zip(*rows)]
    examples, weight = sum(map(len, parts)), getattr(batch, "weight", None)
    total = None if weight is None else weight.sum().clamp_min(1e-12)
    counts = [len(part) / examples for part in parts]
    means = counts if total is None else [part.weight.sum() / total for part in parts]
    return [Share(mean, count) for mean, count in zip(means, counts)]


def nothing(batch: Any) -> Share:
    """The share of one that only takes part."""
    return Share(0.0, 0.0, tuple(Share(0.0, 0.0) for _ in batch.parts) if isinstance(batch, MixedBatch) else ())


def _of_task(batch: Any, parts: Sequence[Any]) -> list[Share]:
    """Of the parts of one task's batch, of which some may be missing, or all."""
    there = [part for part in parts if part is not None]
    found = iter(shares(batch, there) if there else ())
    return [Share(0.0, 0.0) if part is None else next(found) for part in parts]
