"""Objectives: (model, batch) -> an unreduced loss per example and the embedding rows it used.

Weights, reduction and penalties belong to the engine. `score` below is the model's `query . key`.

Axes: B examples, K negatives, C classes, N nodes, D dim.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from graphtune.batch import Batch, WalkBatch
from graphtune.kernels.skipgram import train_edges, train_walks


class Losses(NamedTuple):
    """What an objective gives back.

    Attributes:
        values: [B] loss of each example.
        factors: the embedding rows used, each [b, ...]; the engine's l1, l2 and n3 penalties act on them.
    """

    values: Tensor
    factors: tuple[Tensor, ...]


class Objective(Protocol):
    """What `fit` needs of an objective; a plain function will do."""

    def __call__(self, model: Any, batch: Any) -> Losses: ...


class Fused(Protocol):
    """An objective that can also make its own SGD step in place, with the same gradient as `__call__`."""

    def can_update(self, model: Any) -> bool:
        """Whether `update` knows the encoder and the scorer."""
        ...

    def update(self, model: Any, batch: Any, lr: float, threads: int | None = None) -> float: ...


def table(parameter: Tensor) -> np.ndarray:
    """A table as the kernels read it: the memory of the parameter itself; bfloat16 as uint16."""
    rows = parameter.detach()
    return rows.view(torch.uint16).numpy() if rows.dtype == torch.bfloat16 else rows.numpy()


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


@dataclass(frozen=True)
class EdgeProximity:
    """-log s(score(u, v)) - sum_k log s(-score(u, n_k)) (LINE, Tang et al., 2015, equation 7).

    With a `Dot` scorer this is first-order proximity, with `Context` second-order; on a GNN encoder it is the graph
    autoencoder's reconstruction loss with sampled non-edges. Noise equal to v is left out.
    Needs `source`, `target` and `negative`; `update` needs a `Lookup` encoder with one of these scorers.
    """

    def __call__(self, model: Any, batch: Batch) -> Losses:
        assert batch.target is not None and batch.negative is not None
        query, key, noise, factors = _pair_and_noise(model, batch)
        positive = F.softplus(-model.scorer.pair(query, key))
        wrong = F.softplus(_noise_scores(model, query, noise))
        wrong = wrong.masked_fill(batch.own_negative() == batch.target[:, None], 0.0)
        return Losses(positive + wrong.sum(-1), factors)

    def can_update(self, model: Any) -> bool:
        return model.encoder.in_kernels and model.scorer.in_kernels

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
    """-log s(score(u, v) - score(u, n)), the mean over the negatives (Rendle et al., 2009).

    Needs `source`, `target` and `negative`.
    """

    def __call__(self, model: Any, batch: Batch) -> Losses:
        query, key, noise, factors = _pair_and_noise(model, batch)
        margin = model.scorer.pair(query, key)[:, None] - _noise_scores(model, query, noise)
        return Losses(F.softplus(-margin).mean(-1), factors)


@dataclass(frozen=True)
class SampledSoftmax:
    """-log of v's share in exp(score / temperature) over v and the negatives (Jean et al., 2015; InfoNCE).

    A negative equal to v is left out. Needs `source`, `target` and `negative`.

    Attributes:
        temperature: scores are divided by it.
        normalize: score cosines instead of dot products.
    """

    temperature: float = 1.0
    normalize: bool = False

    def __call__(self, model: Any, batch: Batch) -> Losses:
        assert batch.target is not None and batch.negative is not None
        query, key, noise, factors = _pair_and_noise(model, batch)
        if self.normalize:
            query, key, noise = (F.normalize(x, dim=-1) for x in (query, key, noise))
        positive = model.scorer.pair(query, key) / self.temperature
        wrong = _noise_scores(model, query, noise) / self.temperature
        lowest = torch.finfo(wrong.dtype).min  # infinity would make the gradient of a fully masked row NaN
        wrong = wrong.masked_fill(batch.own_negative() == batch.target[:, None], lowest)
        return Losses(torch.logaddexp(positive, wrong.logsumexp(1)) - positive, factors)


@dataclass(frozen=True)
class OneVsAll:
    """Cross-entropy of the true target against every node (Lacroix et al., 2018).

    Needs `source`, `target` and, on a graph with relations, `relation`. Factors are query source, key and relation.

    Attributes:
        label_smoothing: share of the target's weight spread over all nodes.
        first, last: the rows that can be answers (the items of a recommender); all where `last` is None.
    """

    label_smoothing: float = 0.0
    first: int = 0
    last: int | None = None

    def __call__(self, model: Any, batch: Batch) -> Losses:
        assert batch.target is not None
        z = model.encoder(None)
        source = F.embedding(batch.source, z)
        keys = model.scorer.key(z, None)
        scores = model.scorer.cross(model.scorer.query(source, batch.relation), keys[self.first : self.last])
        values = F.cross_entropy(
            scores, batch.target - self.first, reduction="none", label_smoothing=self.label_smoothing
        )
        return Losses(values, _factors(model, batch, source, F.embedding(batch.target, keys)))


@dataclass(frozen=True)
class SelfAdversarial:
    """-log s(margin + f(h,r,t)) - sum_k w_k log s(-margin - f(h,r,n_k)), w = softmax(temperature * f), no gradient
    through w (Sun et al., 2019, equation 6).

    Needs `source`, `target`, `relation` and `negative`.

    Attributes:
        margin: distance at which a triple is as likely as not.
        temperature: how much harder negatives count more; 0 weighs them alike.
    """

    margin: float = 9.0
    temperature: float = 1.0

    def __call__(self, model: Any, batch: Batch) -> Losses:
        query, key, noise, factors = _pair_and_noise(model, batch)
        positive = F.softplus(-(self.margin + model.scorer.pair(query, key)))
        scores = _noise_scores(model, query, noise)
        share = torch.softmax(self.temperature * scores.detach(), dim=-1)
        wrong = (share * F.softplus(self.margin + scores)).sum(-1)
        return Losses((positive + wrong) / 2, factors)


@dataclass(frozen=True)
class Classify:
    """Cross-entropy of a head's outputs with one class a node, or binary cross-entropy with several.

    Needs `source` and `label` ([B] classes or [B, C] indicators).

    Attributes:
        head: the name of the head in `model.heads`.
        label_smoothing: of the one-class loss.
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
            values = F.binary_cross_entropy_with_logits(logits, batch.label, reduction="none").sum(-1)
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


def _pair_and_noise(model: Any, batch: Batch) -> tuple[Tensor, Tensor, Tensor, tuple[Tensor, ...]]:
    """Query [B, Q], key [B, Q] and noise keys ([B, K, Q] or [K, Q]) of a batch, with the factors to penalise."""
    assert batch.target is not None
    negative = batch.own_negative()
    source, target, noise = model.rows(batch.source, batch.target, negative)
    query = model.scorer.query(source, batch.relation)
    key = model.scorer.key(target, batch.target)
    noise_key = model.scorer.key(noise, negative)
    return query, key, noise_key, _factors(model, batch, source, key)


def _noise_scores(model: Any, query: Tensor, noise: Tensor) -> Tensor:
    """[B, K] scores of queries with their own noise [B, K, Q], or with shared noise [K, Q]."""
    if noise.ndim == 2:
        return model.scorer.cross(query, noise)
    return model.scorer.pair(query[:, None], noise)


def _factors(model: Any, batch: Batch, source: Tensor, key: Tensor) -> tuple[Tensor, ...]:
    relation = getattr(model.scorer, "relation", None)
    rows = [source, key]
    if relation is not None and batch.relation is not None:
        rows.append(F.embedding(batch.relation, relation))
    return tuple(model.scorer.modulus(x) for x in rows)
