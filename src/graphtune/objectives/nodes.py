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

    Needs `source` and `label` ([B] classes or [B, C] indicators). Where the batch says what to mix with, embeddings
    are mixed before the head, and labels (mixup: Zhang et al., 2018; on nodes: Wang et al., 2021).

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
    mixes = True

    def __call__(self, model: Any, batch: Batch) -> Losses:
        assert batch.label is not None
        z = _mixed_rows(model, batch)
        logits = model.heads[self.head](z)
        if batch.label.ndim == 1:
            values = self._of_class(logits, batch.label)
            if batch.mix_share is not None and batch.mix_label is not None:
                values = torch.lerp(self._of_class(logits, batch.mix_label), values, batch.mix_share)
        else:
            label, s = _mixed_values(batch), self.label_smoothing
            label = (1 - s) * label + s / 2 if s else label
            values = F.binary_cross_entropy_with_logits(logits, label, reduction="none")
            values = values * focal(torch.where(batch.label > 0, logits, -logits), self.gamma) if self.gamma else values
            values = values.sum(-1)
        return Losses(values, (z,))

    def _of_class(self, logits: Tensor, label: Tensor) -> Tensor:
        values = F.cross_entropy(logits, label, reduction="none", label_smoothing=self.label_smoothing)
        return values * self._hardness(logits, label) if self.gamma else values

    def _hardness(self, logits: Tensor, label: Tensor) -> Tensor:
        right = logits.log_softmax(-1).gather(-1, label[:, None])[:, 0]
        return (-torch.expm1(right)).clamp_min(1e-12) ** self.gamma  # a power of 0 has no gradient


@dataclass(frozen=True)
class Regress:
    """Squared error of a head's one output, or Huber's loss, which grows linearly past `huber` (Huber, 1964).

    Needs `source` and `label` ([B] values); embeddings and values are mixed where the batch says what with.

    Attributes:
        head: the name of the head in `model.heads`.
        huber: where the loss turns linear; 0 for the squared error.
    """

    head: str
    huber: float = 0.0
    mixes = True

    def __call__(self, model: Any, batch: Batch) -> Losses:
        z, label = _mixed_rows(model, batch), _mixed_values(batch)
        value = model.heads[self.head](z).squeeze(-1)
        if self.huber:
            return Losses(F.huber_loss(value, label, reduction="none", delta=self.huber), (z,))
        return Losses((value - label).square(), (z,))


def _mixed_rows(model: Any, batch: Batch) -> Tensor:
    """[B, D] embeddings of the batch, mixed with those of other nodes where it says so."""
    if batch.mix_source is None or batch.mix_share is None:
        return model.rows(batch.source)[0]
    z, other = model.rows(batch.source, batch.mix_source)
    return torch.lerp(other, z, batch.mix_share[:, None].to(z.dtype))


def _mixed_values(batch: Batch) -> Tensor:
    """The values [B] or indicators [B, C] of the batch, mixed likewise."""
    assert batch.label is not None
    if batch.mix_label is None or batch.mix_share is None:
        return batch.label
    share = batch.mix_share if batch.label.ndim == 1 else batch.mix_share[:, None]
    return torch.lerp(batch.mix_label, batch.label, share)
