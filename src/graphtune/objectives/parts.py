"""What several objectives share: the queries, keys and rows of a batch, and tables as kernels read them.

A small step takes as long as its calls, so `unsqueeze` and `select` stand here for indexing, which takes half as long
again.
Axes: B examples, K negatives, Q query.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from graphtune.batch import Batch
from graphtune.kernels.own import Own


def pair_and_noise(model: Any, batch: Batch) -> tuple[Tensor, Tensor, Tensor, tuple[Tensor, ...]]:
    """Query [B, Q], key [B, Q] and noise keys ([B, K, Q] or [K, Q]) of a batch, with the factors to penalise."""
    assert batch.target is not None
    scorer, negative = model.scorer, batch.own_negative()
    source, target, noise = model.rows(batch.source, batch.target, negative)
    query, key = scorer.query(source, batch.relation), scorer.key(target, batch.target)
    return query, key, scorer.key(noise, negative), factors(scorer, batch, source, key)


def with_target(model: Any, batch: Batch) -> tuple[Tensor, tuple[Tensor, ...]]:
    """[B, 1 + K] scores of the target and of the negatives of each example, with the factors to penalise; keys that are
    an example's own are read and scored as one."""
    assert batch.target is not None
    scorer, negative = model.scorer, batch.own_negative()
    if negative.ndim == 1:
        query, key, noise, used = pair_and_noise(model, batch)
        return torch.cat([scorer.pair(query, key).unsqueeze(1), scorer.cross(query, noise)], 1), used
    nodes = torch.cat([batch.target.unsqueeze(1), negative], 1)
    source, rows = model.rows(batch.source, nodes)
    query, keys = scorer.query(source, batch.relation), scorer.key(rows, nodes)
    return scorer.pair(query.unsqueeze(1), keys), factors(scorer, batch, source, keys.select(1, 0))


def scored(model: Any, batch: Batch) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
    """Scores of the targets [B] and of the negatives [B, K], with the factors to penalise; rows of nodes that several
    examples have as negatives of their own are read once."""
    assert batch.target is not None
    scorer, negative = model.scorer, batch.own_negative()
    own = Own.of(negative.cpu().numpy()) if negative.ndim == 2 else None
    nodes = negative if own is None else torch.from_numpy(own.nodes).to(negative.device)
    source, target, noise = model.rows(batch.source, batch.target, nodes)
    query, key = scorer.query(source, batch.relation), scorer.key(target, batch.target)
    if own is None or noise.ndim == 3:  # `Hardest` has rows of its own
        scores = noise_scores(model, query, scorer.key(noise, negative))
    else:
        scores = scorer.own(query, scorer.key(noise, nodes), own)
    return scorer.pair(query, key), scores, factors(scorer, batch, source, key)


def noise_scores(model: Any, query: Tensor, noise: Tensor) -> Tensor:
    """[B, K] scores of queries with their own noise [B, K, Q], or with shared noise [K, Q]."""
    if noise.ndim == 2:
        return model.scorer.cross(query, noise)
    return model.scorer.pair(query.unsqueeze(1), noise)


def is_positive(batch: Batch) -> Tensor:
    """[B, K] bool: negatives that are the example's target, or known positives where the batch says which are."""
    assert batch.target is not None
    same = batch.own_negative() == batch.target.unsqueeze(1)
    return same if batch.known is None else same | batch.known


def focal(score: Tensor, gamma: float) -> Tensor:
    """(1 - s(score))^gamma, the factor of a score that should be large (Lin et al., 2017, equation 4)."""
    return torch.exp(-gamma * F.softplus(score))  # a power of the chance has no gradient where it is 0


def table(parameter: Tensor) -> np.ndarray:
    """A table as the kernels read it: the memory of the parameter itself; bfloat16 as uint16."""
    rows = parameter.detach()
    return rows.view(torch.uint16).numpy() if rows.dtype == torch.bfloat16 else rows.numpy()


def factors(scorer: Any, batch: Batch, source: Tensor, key: Tensor) -> tuple[Tensor, ...]:
    """What penalties act on: the rows of sources, keys and relations, as the scorer measures them."""
    modulus = scorer.modulus
    if batch.relation is None or not hasattr(scorer, "relation"):
        return modulus(source), modulus(key)
    return modulus(source), modulus(key), modulus(F.embedding(batch.relation, scorer.relation))
