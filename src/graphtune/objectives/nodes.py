"""Objectives of the heads of node tasks. B examples, C classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from graphtune.batch import Batch
from graphtune.objectives.base import Losses
from graphtune.objectives.parts import focal


@dataclass(frozen=True)
class Classify:
    """Cross-entropy of a head's outputs with one class a node, or binary cross-entropy with several.

    Needs `source` and `label` ([B] classes or [B, C] indicators).

    Attributes:
        head: the name of the head in `model.heads`.
        label_smoothing: share s of a class's weight spread over all classes; of several classes a node, each
            indicator y becomes (1 - s) y + s / 2.
        gamma: of the focal loss (Lin et al., 2017): a loss -log p counts (1 - p)^gamma, for p the chance given to the
            right class, or to each right indicator; so nodes that are classified well count less.
    """

    head: str
    label_smoothing: float = 0.0
    gamma: float = 0.0

    def __call__(self, model: Any, batch: Batch) -> Losses:
        assert batch.label is not None
        (z,) = model.rows(batch.source)
        logits = model.heads[self.head](z)
        if batch.label.ndim == 1:
            values = F.cross_entropy(logits, batch.label, reduction="none", label_smoothing=self.label_smoothing)
            values = values * self._hardness(logits, batch.label) if self.gamma else values
        else:
            label, s = batch.label, self.label_smoothing
            label = (1 - s) * label + s / 2 if s else label
            values = F.binary_cross_entropy_with_logits(logits, label, reduction="none")
            values = values * focal(torch.where(batch.label > 0, logits, -logits), self.gamma) if self.gamma else values
            values = values.sum(-1)
        return Losses(values, (z,))

    def _hardness(self, logits: Tensor, label: Tensor) -> Tensor:
        right = logits.log_softmax(-1).gather(-1, label[:, None])[:, 0]
        return (-torch.expm1(right)).clamp_min(1e-12) ** self.gamma  # a power of 0 has no gradient


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
