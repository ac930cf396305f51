"""Objectives that hold a true pair against noise, one by one. B examples, K negatives."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from graphtune.batch import Batch
from graphtune.kernels.bpr import train_triplets
from graphtune.kernels.skipgram import train_edges
from graphtune.objectives.base import Losses
from graphtune.objectives.parts import focal, is_positive, pair_and_noise, table, with_target


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
        scores, factors = with_target(model, batch)
        wrong = scores * _signs(scores.shape[1], scores.device)
        values = F.softplus(wrong)
        if self.label_smoothing:
            values = values - self.label_smoothing / 2 * wrong
        if self.gamma:
            values = values * focal(-wrong, self.gamma)
        left_out = F.pad(is_positive(batch), (1, 0))
        return Losses(values.masked_fill(left_out, 0.0).sum(-1), factors)

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

    Needs `source`, `target` and `negative`; `update` needs a `Lookup` encoder and a `Dot` or `Context` scorer, in
    float32. It takes L2 too, multiplies both by the weights of the examples, and leaves examples out that have the same
    row in two places.
    """

    obeys: ClassVar = ("l2",)

    def __call__(self, model: Any, batch: Batch) -> Losses:
        scores, factors = with_target(model, batch)
        right, noisy = scores.split_with_sizes([1, scores.shape[1] - 1], 1)
        values = F.softplus(noisy - right)
        if batch.known is None:
            return Losses(values.mean(-1), factors)
        left = ~is_positive(batch)
        return Losses((values * left).sum(-1) / left.sum(-1).clamp_min(1), factors)

    def can_update(self, model: Any) -> bool:
        known = model.encoder.in_kernels and model.scorer.in_kernels
        return known and all(p.dtype == torch.float32 for p in model.table_parameters().values())

    def update(self, model: Any, batch: Batch, lr: float, threads: int | None = None, l2: float = 0.0) -> float:
        assert batch.target is not None and batch.negative is not None
        source = table(model.encoder.weight)
        own = getattr(model.scorer, "weight", None)
        target = source if own is None else table(own)
        user, positive, negative = (t.numpy() for t in (batch.source, batch.target, batch.own_negative()))
        if negative.ndim == 1:
            negative = np.tile(negative, (len(user), 1))
        if batch.known is None:
            share = np.full(negative.shape, lr / negative.shape[1], np.float32)
        else:
            left = (~is_positive(batch)).numpy()
            share = np.float32(lr) * left / np.maximum(left.sum(1, dtype=np.float32, keepdims=True), 1)
        if batch.weight is not None:
            share = share * batch.weight.numpy()[:, None]
        return train_triplets(source, target, user, positive, negative, share, l2, threads)


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
        cosines = query @ noise.T if noise.ndim == 2 else (query.unsqueeze(1) * noise).sum(-1)
        left = ~is_positive(batch)
        wrong = (F.relu(cosines - self.margin) * left).sum(-1) / left.sum(-1).clamp_min(1)
        return Losses(1 - (query * key).sum(-1) + self.weight * wrong, factors)


@lru_cache(maxsize=16)
def _signs(count: int, device: torch.device) -> Tensor:
    """[count] -1 for the target, which comes first, and 1 for noise. Made once: in each small step it would take as
    long as the products."""
    with torch.inference_mode(False):  # or autograd would refuse it later
        signs = torch.ones(count, device=device)
        signs[0] = -1
        return signs
