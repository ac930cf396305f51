"""Objectives that share one chance of 1 over many targets. B examples, K negatives, N nodes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional as F

from graphtune.batch import Batch
from graphtune.objectives.base import Losses
from graphtune.objectives.entropy import can_form, full_entropy, sampled_entropy
from graphtune.objectives.parts import factors, is_positive, noise_scores, pair_and_noise
from graphtune.objectives.relations import relation_entropy


@dataclass(frozen=True)
class SampledSoftmax:
    """-log of v's share in exp(score / temperature) over v and the negatives (Jean et al., 2015; InfoNCE).

    A negative equal to v is left out, and so is a known one. With `log_q` of the batch the negatives stand for all
    nodes: exp(score) is divided by how often its node is expected, so that their sum is that over all other nodes on
    average (Bengio & Senecal, 2008; for targets in the batch Yi et al., 2019). v itself is not drawn, so its score
    stays as it is (Khrylchenko et al., 2025). Needs `source`, `target` and `negative`.

    Attributes:
        temperature: scores are divided by it.
        normalize: score cosines instead of dot products.
    """

    temperature: float = 1.0
    normalize: bool = False

    def __call__(self, model: Any, batch: Batch) -> Losses:
        assert batch.target is not None and batch.negative is not None
        query, key, noise, factors = pair_and_noise(model, batch)
        if self.normalize:
            query, key, noise = (F.normalize(x, dim=-1) for x in (query, key, noise))
        positive, log_q = model.scorer.pair(query, key) / self.temperature, batch.own_log_q()
        if log_q is None and batch.known is None and can_form(model.scorer, query, noise):
            query = query / self.temperature
            return Losses(sampled_entropy(query, noise, positive, batch.own_negative(), batch.target), factors)
        wrong = noise_scores(model, query, noise) / self.temperature
        lowest = torch.finfo(wrong.dtype).min  # infinity would make the gradient of a fully masked row NaN
        wrong = (wrong if log_q is None else wrong - log_q).masked_fill(is_positive(batch), lowest)
        return Losses(torch.logaddexp(positive, wrong.logsumexp(1)) - positive, factors)


@dataclass(frozen=True)
class OneVsAll:
    """Cross-entropy of the true target against every node (Lacroix et al., 2018).

    Needs `source`, `target` and, on a graph with relations, `relation`. Factors are query source, key and relation.

    Attributes:
        label_smoothing: share of the target's weight spread over all nodes.
        relation_weight: of `relation_entropy`, the cross-entropy of the relation among all 2R; 0 for none.
        first, last: the rows that can be answers (the items of a recommender); all where `last` is None.
    """

    label_smoothing: float = 0.0
    relation_weight: float = 0.0
    first: int = 0
    last: int | None = None
    reads_all = True

    def __call__(self, model: Any, batch: Batch) -> Losses:
        assert batch.target is not None
        source, z = model.rows_and_all(batch.source)
        keys = model.scorer.key(z, None)
        query, answers = model.scorer.query(source, batch.relation), keys[self.first : self.last]
        target, smoothing = batch.target - self.first, self.label_smoothing
        if can_form(model.scorer, query, answers):
            values = full_entropy(query, answers, target, smoothing)
        else:
            scores = model.scorer.cross(query, answers)
            values = F.cross_entropy(scores, target, reduction="none", label_smoothing=smoothing)
        right = F.embedding(batch.target, keys)
        if self.relation_weight:
            assert batch.relation is not None
            relations = relation_entropy(model.scorer, source, batch.relation, right)
            values = values + self.relation_weight * relations
        return Losses(values, factors(model.scorer, batch, source, right))
