"""Ranks of one answer per query.

Axes: Q queries, k places in a ranked list, P positives, M negatives, n nodes, C classes, E edges.
"""

from __future__ import annotations

import numpy as np

from graphtune.check import bad, integer
from graphtune.metrics.checks import vector


def mrr(ranks: np.ndarray) -> np.ndarray:
    """[Q] reciprocal ranks, whose mean is the MRR. `ranks`: [Q] float from 1, realistic where there are ties."""
    return 1 / _ranks("mrr", ranks)


def hits_at(ranks: np.ndarray, k: int) -> np.ndarray:
    """[Q] 1 where the rank is at most k, else 0: their mean is Hits@k. A realistic rank of k + 1/2 is no hit."""
    return (_ranks("hits_at", ranks) <= integer("k", "hits_at", k, low=1)).astype(np.float64)


def mean_rank(ranks: np.ndarray) -> np.ndarray:
    """[Q] the ranks as float64, whose mean is the mean rank (MR, lower is better)."""
    return _ranks("mean_rank", ranks).copy()


def amri(ranks: np.ndarray, num_candidates: np.ndarray) -> np.ndarray:
    """[Q] terms whose mean is the adjusted mean rank index 1 - (MR - 1) / (E[MR] - 1).

    1 is perfect, 0 is what random scores get, negative is worse (Berrendorf et al. 2020, "On the ambiguity of
    rank-based evaluation of entity alignment or link prediction methods"). An interval over the terms takes
    E[MR] as fixed.

    Args:
        ranks: [Q] float from 1.
        num_candidates: [Q] how many were ranked in each query, the answer included.

    Returns:
        [Q] float64; NaN where every query has a single candidate.
    """
    ranks = _ranks("amri", ranks)
    counts = vector("num_candidates", "amri", num_candidates)
    if len(counts) != len(ranks) or (ranks > counts).any():
        got = f"{len(counts)} counts for {len(ranks)} ranks, or a rank above its count"
        raise bad("num_candidates", "amri", "one count per rank, no less than it", got)
    expected = ((counts + 1) / 2).mean() if len(counts) else np.nan
    return 1 - (ranks - 1) / (expected - 1 if expected > 1 else np.nan)


def _ranks(who: str, ranks: np.ndarray) -> np.ndarray:
    ranks = vector("ranks", who, ranks)
    if (ranks < 1).any():
        raise bad("ranks", who, "counted from 1", float(ranks.min()))
    return ranks
