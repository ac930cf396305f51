"""The objectives of tasks that share a model. T tasks."""

from __future__ import annotations

from dataclasses import dataclass

from graphtune.objectives.base import Objective


@dataclass(frozen=True)
class Several:
    """One objective for each part of a `MixedBatch`. The engine asks them one by one and balances their losses.

    Attributes:
        objectives: [T].
        balance: "fixed", "uncertainty" or "pcgrad"; see `graphtune.train.balance`.
        weights: [T] of the losses, for "fixed" and "pcgrad"; 1 where None.
        lr: rate of the log variances, for "uncertainty"; that of the training where None.
    """

    objectives: tuple[Objective, ...]
    balance: str = "fixed"
    weights: tuple[float, ...] | None = None
    lr: float | None = None

    @property
    def reads_all(self) -> bool:
        """Whether one of them reads all rows of a table."""
        return any(getattr(objective, "reads_all", False) for objective in self.objectives)
