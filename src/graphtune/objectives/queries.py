"""Objectives on queries with all their targets.

Axes: Q queries, B examples (a query with one target each), N nodes, R relations, D dim.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from graphtune.batch import QueryBatch
from graphtune.objectives.base import Losses
from graphtune.objectives.grouped import rounded_entropy
from graphtune.objectives.relations import can_round, relation_entropy
from graphtune.objectives.rows import rows_and_all

ROUNDING = 1 / 64
"""Entries of a gradient below it are rounded by chance unless told otherwise."""
_GOLDEN = (5**0.5 - 1) / 2  # whose multiples spread evenly over [0, 1)


class _Rows(NamedTuple):
    """What a batch of queries reads: sources [Q, D], queries and keys of all nodes [N, D], keys of targets [B, D]."""

    source: Tensor
    query: Tensor
    keys: Tensor
    target: Tensor


@dataclass(frozen=True)
class KvsAll:
    """Cross-entropy of each target against every node, one softmax for all targets of a query.

    The sum over examples is that of `OneVsAll` on the same triples, at the cost of the queries alone. Where scores are
    products of float32 on the CPU the gradient is rounded by chance to few entries, which takes a quarter of the exact
    one's time, and scores are products in 16 bits, or 8 (`rounded_entropy`). Factors are those of `OneVsAll`, each
    query as often as it has targets.

    Needs a `QueryBatch`.

    Attributes:
        label_smoothing: share of each target's weight spread over all nodes.
        relation_weight: of the cross-entropy of the relation among all 2R, given the two nodes (ComplEx-N3-RP: Chen et
            al., 2021); 0 for none.
        rounding: entries of an example's gradient by scores that are below it become it or 0 by chance; 0 for the
            exact gradient, by arrays [Q, N].
        first, last: the rows that can be answers (the items of a recommender); all where `last` is None.
    """

    label_smoothing: float = 0.0
    relation_weight: float = 0.0
    rounding: float = ROUNDING
    first: int = 0
    last: int | None = None
    reads_all = True

    def __call__(self, model: Any, batch: QueryBatch) -> Losses:
        rows = _rows(model, batch)
        keys, target = rows.keys, batch.target
        if self.last is not None:
            keys, target = keys[self.first : self.last], target - self.first
        if self.rounding and can_round(model.scorer, rows.query, keys):
            options = batch.phase, self.rounding, self.label_smoothing
            values = rounded_entropy(rows.query, keys, batch.bounds(), target, *options)
        else:
            values = _entropy(model.scorer.cross(rows.query, keys), batch.query(), target, self.label_smoothing)
        return _with_relations(self, values, model.scorer, batch, rows)


@dataclass(frozen=True)
class KvsAllBCE:
    """Binary cross-entropy of all nodes, 1 for the targets of a query and 0 for the others (Dettmers et al., 2018).

    sum over nodes of softplus(s) - y s; a query's sum is dealt out to its examples alike, so that the mean over
    examples weighs queries alike and stands, beside penalties, where that of `KvsAll` does.

    Needs a `QueryBatch`. Attributes as those of `KvsAll`; smoothed, y is (1 - label_smoothing) y + label_smoothing / N.
    """

    label_smoothing: float = 0.0
    relation_weight: float = 0.0
    reads_all = True

    def __call__(self, model: Any, batch: QueryBatch) -> Losses:
        rows, of, smoothing = _rows(model, batch), batch.query(), self.label_smoothing
        scores = model.scorer.cross(rows.query, rows.keys).float()
        right = _at(scores, of, batch.target)
        sums = F.softplus(scores).sum(1) - (smoothing * scores.mean(1) if smoothing else 0.0)
        sums = sums.index_add(0, of, right, alpha=smoothing - 1)
        return _with_relations(self, (sums / batch.count)[of], model.scorer, batch, rows)


def _rows(model: Any, batch: QueryBatch) -> _Rows:
    """All at once where keys are the embeddings themselves, as each array [N, D] of gradients costs as much as a step
    of the optimiser."""
    scorer, z = model.scorer, model.encoder(None)
    keys = scorer.key(model.drop(z), None)
    if keys is z and scorer.is_product:
        source, target, keys = rows_and_all(z, batch.source, batch.target)
    else:
        source, target = model.drop(F.embedding(batch.source, z)), F.embedding(batch.target, keys)
    return _Rows(source, scorer.query(source, batch.relation), keys, target)


def _entropy(scores: Tensor, of: Tensor, target: Tensor, smoothing: float) -> Tensor:
    """[B] from [Q, N], of the targets [B] of queries `of` [B]."""
    scores = scores.float()
    each = scores.logsumexp(1)
    if smoothing:
        each = each - smoothing * scores.mean(1)
    return each[of] - (1 - smoothing) * _at(scores, of, target)


def _at(scores: Tensor, row: Tensor, column: Tensor) -> Tensor:
    return scores.view(-1)[row * scores.shape[1] + column]


def _with_relations(
    objective: KvsAll | KvsAllBCE, values: Tensor, scorer: Any, batch: QueryBatch, rows: _Rows
) -> Losses:
    """The losses and factors, with those of relations where they are asked for."""
    if objective.relation_weight:
        of = batch.query()
        place = torch.arange(len(of), device=of.device) - batch.bounds()[of]
        phase = (batch.phase[of].double() + _GOLDEN * (place + 1)) % 1
        options = phase.float(), getattr(objective, "rounding", 0.0)
        relations = relation_entropy(scorer, F.embedding(of, rows.source), batch.relation[of], rows.target, *options)
        values = values + objective.relation_weight * relations
    modulus, times = scorer.modulus, batch.count.float()
    factors = modulus(rows.source), modulus(rows.target)
    if not hasattr(scorer, "relation"):
        return Losses(values, factors, (times, None))
    return Losses(values, (*factors, modulus(F.embedding(batch.relation, scorer.relation))), (times, None, times))
