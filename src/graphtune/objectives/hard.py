"""The hardest of many negatives. B examples, K negatives, k of them kept, D dim."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import torch
from torch.nn import functional as F

from graphtune.batch import Batch
from graphtune.objectives.base import Losses, Objective
from graphtune.objectives.parts import is_positive, noise_scores


@dataclass(frozen=True)
class Hardest:
    """An objective on the k negatives that the model scores highest now (dynamic negatives: Zhang et al., 2013).

    Of the K negatives of a batch each example keeps its own k; its target and known positives come last, and only where
    there are fewer others. The encoder makes one pass for choice and loss, and the choice has no gradient. Hard
    negatives are often positives that nobody has told of, so draw them `unknown`. `SelfAdversarial` weighs all of them
    instead.
    Needs `source`, `target` and `negative`, and what `objective` needs; no `log_q`.

    Attributes:
        objective: `EdgeProximity`, `BPR`, `SampledSoftmax` or `SelfAdversarial`.
        count: k; all where K is less.
    """

    objective: Objective
    count: int

    def __call__(self, model: Any, batch: Batch) -> Losses:
        assert batch.target is not None
        nodes, hidden = batch.own_negative(), is_positive(batch)
        source, target, noise = model.rows(batch.source, batch.target, nodes)
        with torch.no_grad():
            query = model.scorer.query(source, batch.relation)
            scores = noise_scores(model, query, model.scorer.key(noise, nodes))
            scores = scores.masked_fill(hidden, torch.finfo(scores.dtype).min)
            best = scores.topk(min(self.count, scores.shape[1]), sorted=False).indices
        if nodes.ndim == 1:
            nodes, noise = nodes[best], F.embedding(best, noise)
        else:
            nodes, noise = nodes.gather(1, best), noise.gather(1, best[..., None].expand(-1, -1, noise.shape[-1]))
        chosen = replace(batch, negative=nodes, known=hidden.gather(1, best), log_q=None)
        rows = {3: [source, target, noise]}
        if noise.ndim == 3:
            rows[2] = [source, torch.cat([target[:, None], noise], 1)]
        return self.objective(SimpleNamespace(scorer=model.scorer, rows=lambda *asked: rows[len(asked)]), chosen)
