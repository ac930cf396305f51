"""Objectives that hold a true pair against noise, one by one. B examples, K negatives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from torch.nn import functional as F

from graphtune.batch import Batch
from graphtune.kernels.skipgram import train_edges
from graphtune.objectives.base import Losses
from graphtune.objectives.parts import focal, is_positive, noise_scores, pair_and_noise, table


@dataclass(frozen=True)
class EdgeProximity:
    """-log s(score(u, v)) - sum_k log s(-score(u, n_k)) (LINE, Tang et al., 2015, equation 7).

    With a `Dot` scorer this is first-order proximity, with `Context` second-order; on a GNN encoder it is the graph
    autoencoder's reconstruction loss with sampled non-edges. Noise equal to v is left out, and so is a known positive.
    Needs `source`, `target` and `negative`; `update` needs a `Lookup` encoder with one of these scorers.

    Attributes:
        label_smoothing: s; v then counts as an edge by 1 - s / 2 and noise by s / 2, in binary cross-entropy. Without
            `update`.
        gamma: of the focal loss (Lin et al., 2017): each logarithm counts (1 - p)^gamma, for p the chance that it is
            the logarithm of, so edges that are told apart already count less. Without `update`.
        in_kernels: whether `update` may be used; it knows neither weights nor known positives of a batch.
    """

    label_smoothing: float = 0.0
    gamma: float = 0.0
    in_kernels: bool = True

    def __call__(self, model: Any, batch: Batch) -> Losses:
        assert batch.target is not None and batch.negative is not None
        query, key, noise, factors = pair_and_noise(model, batch)
        right, noisy = model.scorer.pair(query, key), noise_scores(model, query, noise)
        positive, wrong = F.softplus(-right), F.softplus(noisy)
        if self.label_smoothing:
            positive, wrong = positive + self.label_smoothing / 2 * right, wrong - self.label_smoothing / 2 * noisy
        if self.gamma:
            positive, wrong = positive * focal(right, self.gamma), wrong * focal(-noisy, self.gamma)
        wrong = wrong.masked_fill(is_positive(batch), 0.0)
        return Losses(positive + wrong.sum(-1), factors)

    def can_update(self, model: Any) -> bool:
        known = model.encoder.in_kernels and model.scorer.in_kernels
        return known and self.in_kernels and not self.label_smoothing and not self.gamma

    def update(self, model: Any, batch: Batch, lr: float, threads: int | None = None) -> float:
        assert batch.target is not None and batch.negative is not None
        source = table(model.encoder.weight)
        own = getattr(model.scorer, "weight", None)
        target = source if own is None else table(own)
        head, tail, negative = (t.numpy() for t in (batch.source, batch.target, batch.negative))
        if negative.ndim == 1:
            negative = np.tile(negative, (-(-len(head) // 2), 1))
        return train_edges(source, target, head, tail, negative, lr, threads)


@dataclass(frozen=True)
class BPR:
    """-log s(score(u, v) - score(u, n)), the mean over the negatives (Rendle et al., 2009), less known positives.

    Needs `source`, `target` and `negative`.
    """

    def __call__(self, model: Any, batch: Batch) -> Losses:
        query, key, noise, factors = pair_and_noise(model, batch)
        margin = model.scorer.pair(query, key)[:, None] - noise_scores(model, query, noise)
        values = F.softplus(-margin)
        if batch.known is None:
            return Losses(values.mean(-1), factors)
        left = ~is_positive(batch)
        return Losses((values * left).sum(-1) / left.sum(-1).clamp_min(1), factors)


@dataclass(frozen=True)
class CosineContrast:
    """1 - cos(u, v) + weight * mean over the negatives of max(0, cos(u, n) - margin) (SimpleX: Mao et al., 2021).

    Known positives and v itself are no negatives. `Cosine` is the scorer to go with it: the loss looks at directions
    alone, whatever the scorer. Needs `source`, `target` and `negative`.

    Attributes:
        margin: m; negatives of a smaller cosine cost nothing.
        weight: of the negatives beside the one positive.
    """

    margin: float = 0.4
    weight: float = 1.0

    def __call__(self, model: Any, batch: Batch) -> Losses:
        query, key, noise, factors = pair_and_noise(model, batch)
        query, key, noise = (F.normalize(x, dim=-1) for x in (query, key, noise))
        cosines = query @ noise.T if noise.ndim == 2 else (query[:, None] * noise).sum(-1)
        left = ~is_positive(batch)
        wrong = (F.relu(cosines - self.margin) * left).sum(-1) / left.sum(-1).clamp_min(1)
        return Losses(1 - (query * key).sum(-1) + self.weight * wrong, factors)
