"""Objectives of the heads of node tasks. B examples, C classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch.nn import functional as F

from graphtune.batch import Batch
from graphtune.objectives.base import Losses


@dataclass(frozen=True)
class Classify:
    """Cross-entropy of a head's outputs with one class a node, or binary cross-entropy with several.

    Needs `source` and `label` ([B] classes or [B, C] indicators).

    Attributes:
        head: the name of the head in `model.heads`.
        label_smoothing: share s of a class's weight spread over all classes; of several classes a node, each
            indicator y becomes (1 - s) y + s / 2.
    """

    head: str
    label_smoothing: float = 0.0

    def __call__(self, model: Any, batch: Batch) -> Losses:
        assert batch.label is not None
        (z,) = model.rows(batch.source)
        logits = model.heads[self.head](z)
        if batch.label.ndim == 1:
            values = F.cross_entropy(logits, batch.label, reduction="none", label_smoothing=self.label_smoothing)
        else:
            label, s = batch.label, self.label_smoothing
            label = (1 - s) * label + s / 2 if s else label
            values = F.binary_cross_entropy_with_logits(logits, label, reduction="none").sum(-1)
        return Losses(values, (z,))


@dataclass(frozen=True)
class Regress:
    """Squared error of a head's one output, or Huber's loss, which grows linearly past `huber` (Huber, 1964).

    Needs `source` and `label` ([B] values).

    Attributes:
        head: the name of the head in `model.heads`.
        huber: where the loss turns linear; 0 for the squared error.
    """

    head: str
    huber: float = 0.0

    def __call__(self, model: Any, batch: Batch) -> Losses:
        assert batch.label is not None
        (z,) = model.rows(batch.source)
        value = model.heads[self.head](z).squeeze(-1)
        if self.huber:
            return Losses(F.huber_loss(value, batch.label, reduction="none", delta=self.huber), (z,))
        return Losses((value - batch.label).square(), (z,))
