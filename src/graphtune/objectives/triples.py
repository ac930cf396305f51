"""Objectives on triples. B examples, K negatives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from graphtune.batch import Batch
from graphtune.objectives.adversarial import adversarial_loss
from graphtune.objectives.base import Losses
from graphtune.objectives.parts import is_positive, scored


@dataclass(frozen=True)
class SelfAdversarial:
    """-log s(margin + f(h,r,t)) - sum_k w_k log s(-margin - f(h,r,n_k)), w = softmax(temperature * f), no gradient
    through w (Sun et al., 2019, equation 6). The target and known positives among the n_k have w = 0.

    Needs `source`, `target`, `relation` and `negative`.

    Attributes:
        margin: distance at which a triple is as likely as not.
        temperature: how much harder negatives count more; 0 weighs them alike.
    """

    margin: float = 9.0
    temperature: float = 1.0
    reads_few = True

    def __call__(self, model: Any, batch: Batch) -> Losses:
        positive, scores, factors = scored(model, batch)
        hidden = is_positive(batch).expand(scores.shape)
        return Losses(adversarial_loss(positive, scores, hidden, self.margin, self.temperature), factors)
