"""Objectives on triples. B examples, K negatives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional as F

from graphtune.batch import Batch
from graphtune.objectives.base import Losses
from graphtune.objectives.parts import is_positive, noise_scores, pair_and_noise


@dataclass(frozen=True)
class SelfAdversarial:
    """-log s(margin + f(h,r,t)) - sum_k w_k log s(-margin - f(h,r,n_k)), w = softmax(temperature * f), no gradient
    through w (Sun et al., 2019, equation 6). Known positives among the n_k have w = 0.

    Needs `source`, `target`, `relation` and `negative`.

    Attributes:
        margin: distance at which a triple is as likely as not.
        temperature: how much harder negatives count more; 0 weighs them alike.
    """

    margin: float = 9.0
    temperature: float = 1.0

    def __call__(self, model: Any, batch: Batch) -> Losses:
        query, key, noise, factors = pair_and_noise(model, batch)
        positive = F.softplus(-(self.margin + model.scorer.pair(query, key)))
        scores = noise_scores(model, query, noise)
        hardness = self.temperature * scores.detach()
        if batch.known is None:
            share = torch.softmax(hardness, dim=-1)
        else:
            positives = is_positive(batch)
            lowest = torch.finfo(hardness.dtype).min
            share = torch.softmax(hardness.masked_fill(positives, lowest), dim=-1).masked_fill(positives, 0.0)
        wrong = (share * F.softplus(self.margin + scores)).sum(-1)
        return Losses((positive + wrong) / 2, factors)
