"""Ranked lists: the first k places of each query.

Axes: Q queries, k places in a ranked list, P positives, M negatives, n nodes, C classes, E edges.
"""

from __future__ import annotations

import numpy as np

from graphtune.check import bad, integer


def recall_at_k(hits: np.ndarray, num_relevant: np.ndarray, k: int | None = None) -> np.ndarray:
    """Share of a query's relevant items that are among the first k.

    Args:
        hits: [Q, K] bool, whether the item at each place of the ranked list is relevant; False where padded.
        num_relevant: [Q] how many items are relevant, in the list or not.
        k: how many places count; all K by default.

    Returns:
        [Q] float64, NaN where nothing is relevant.

    Raises:
        ArgumentError: wrong types or shapes, k over K, or more hits than relevant items.
    """
    hits, relevant = _ranked("recall_at_k", hits, num_relevant, k)
    return hits.sum(axis=1) / relevant


def precision_at_k(hits: np.ndarray, num_relevant: np.ndarray, k: int | None = None) -> np.ndarray:
    """Share of the first k places with a relevant item; padded places count as misses. See `recall_at_k`."""
    hits, relevant = _ranked("precision_at_k", hits, num_relevant, k)
    return _where_relevant(hits.mean(axis=1), relevant)


def hit_rate_at_k(hits: np.ndarray, num_relevant: np.ndarray, k: int | None = None) -> np.ndarray:
    """1 where a relevant item is among the first k, else 0. See `recall_at_k`."""
    hits, relevant = _ranked("hit_rate_at_k", hits, num_relevant, k)
    return _where_relevant(hits.max(axis=1), relevant)


def mrr_at_k(hits: np.ndarray, num_relevant: np.ndarray, k: int | None = None) -> np.ndarray:
    """1 / place of the first relevant item, 0 where none is among the first k. See `recall_at_k`."""
    hits, relevant = _ranked("mrr_at_k", hits, num_relevant, k)
    return _where_relevant(hits.any(axis=1) / (1 + hits.argmax(axis=1)), relevant)


def ndcg_at_k(hits: np.ndarray, num_relevant: np.ndarray, k: int | None = None) -> np.ndarray:
    """Discounted gain of the first k places over that of the best possible list (Jarvelin and Kekalainen 2002).

    A relevant item at place i gains 1 / log2(i + 1). The best list has min(k, num_relevant) relevant items
    first. See `recall_at_k`.
    """
    hits, relevant = _ranked("ndcg_at_k", hits, num_relevant, k)
    discount = 1 / np.log2(np.arange(2, hits.shape[1] + 2))
    best_hits = np.minimum(np.nan_to_num(relevant, nan=1), hits.shape[1]).astype(np.int64)
    return _where_relevant(hits @ discount / np.cumsum(discount)[best_hits - 1], relevant)


def average_precision_at_k(hits: np.ndarray, num_relevant: np.ndarray, k: int | None = None) -> np.ndarray:
    """Precision at the place of each hit among the first k, summed, over the number of relevant items.

    As in trec_eval the divisor is `num_relevant` even where it exceeds k. See `recall_at_k`.
    """
    hits, relevant = _ranked("average_precision_at_k", hits, num_relevant, k)
    precision = np.cumsum(hits, axis=1) / np.arange(1, hits.shape[1] + 1)
    return (precision * hits).sum(axis=1) / relevant


def _ranked(who: str, hits: np.ndarray, num_relevant: np.ndarray, k: int | None) -> tuple[np.ndarray, np.ndarray]:
    """The first k places, and the number of relevant items as floats with NaN for 0."""
    hits, relevant = np.asarray(hits), np.asarray(num_relevant)
    if hits.ndim != 2 or hits.dtype != np.bool_ or hits.shape[1] == 0:
        raise bad("hits", who, "a bool array [Q, K] with K >= 1", f"{hits.dtype} {hits.shape}")
    if relevant.shape != hits.shape[:1] or (relevant < hits.sum(axis=1)).any():
        got = f"shape {relevant.shape} for {len(hits)} queries, or fewer relevant items than hits"
        raise bad("num_relevant", who, "one count per query, no less than its hits", got)
    k = hits.shape[1] if k is None else integer("k", who, k, low=1, high=hits.shape[1])
    return hits[:, :k], np.where(relevant > 0, relevant, np.nan)


def _where_relevant(values: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(relevant), np.nan, values)
