"""Objectives on walks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch.nn import functional as F

from graphtune.batch import WalkBatch
from graphtune.kernels.skipgram import train_walks
from graphtune.objectives.base import Losses
from graphtune.objectives.parts import table


@dataclass(frozen=True)
class SkipGram:
    """-log s(x.c) - sum_k log s(-x.n_k) for each pair of node x and centre c (Mikolov et al., 2013, equation 4).

    x is read on the source side, c and the noise n on the target side; noise equal to c is left out.
    Needs a `WalkBatch`; `update` needs a `Lookup` encoder and a `Context` scorer.
    """

    def __call__(self, model: Any, batch: WalkBatch) -> Losses:
        node, centre, negative = (t.to(model.device) for t in batch.pairs())
        (z,) = model.rows(node)
        keys = model.scorer.key(z, centre), model.scorer.key(z, negative)
        positive = F.softplus(-model.scorer.pair(model.scorer.query(z), keys[0]))
        noise = F.softplus(model.scorer.pair(model.scorer.query(z)[:, None], keys[1]))
        noise = noise.masked_fill(negative == centre[:, None], 0.0)
        return Losses(positive + noise.sum(-1), (z, keys[0]))

    def can_update(self, model: Any) -> bool:
        return model.encoder.in_kernels and model.scorer.in_kernels and hasattr(model.scorer, "weight")

    def update(self, model: Any, batch: WalkBatch, lr: float, threads: int | None = None) -> float:
        source, target = table(model.encoder.weight), table(model.scorer.weight)
        return train_walks(source, target, batch.walks, batch.reach, batch.negative, lr, threads)
