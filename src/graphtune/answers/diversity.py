"""Lists whose items are not all alike.

Axes: U users, P candidates, k places.
"""

from __future__ import annotations

import numpy as np

POOL = 5  # candidates for each place


def diversified(scores: np.ndarray, cosine: np.ndarray, k: int, diversity: float) -> np.ndarray:
    """Choose k of P candidates one after the other by maximal marginal relevance (Carbonell & Goldstein, 1998).

    The next one has the largest (1 - diversity) * score - diversity * (the largest cosine to one chosen before), scores
    brought to 0..1 among the candidates of a user. Of equals the one that stands first is taken.

    Args:
        scores: [U, P], best first; -inf where there is no candidate.
        cosine: [U, P, P] of candidates with each other.
        k: places, no more than P.
        diversity: from 0, the candidates in their order, to 1, by cosines alone after the first.

    Returns:
        [U, k] columns of the candidates in the order chosen; -1 where there are no more.
    """
    valid, user = np.isfinite(scores), np.arange(len(scores))
    worth = np.where(valid, (1 - diversity) * _to_unit(scores, valid), -np.inf)
    chosen = np.full((len(scores), k), -1)
    nearest = np.zeros(scores.shape)
    for place in range(k):
        gain = worth - diversity * nearest
        best = gain.argmax(axis=1)
        chosen[:, place] = np.where(np.isfinite(gain[user, best]), best, -1)
        worth[user, best] = -np.inf
        to_best = cosine[user, best]
        nearest = to_best if place == 0 else np.maximum(nearest, to_best)
    return chosen


def _to_unit(scores: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """[U, P] from 0, the worst valid score of a user, to 1, the best; 1 where all are equal."""
    low = np.where(valid, scores, np.inf).min(axis=1, keepdims=True)
    high = np.where(valid, scores, -np.inf).max(axis=1, keepdims=True)
    span = np.where(high > low, high - low, 1)
    return np.where(high > low, (np.where(valid, scores, 0) - np.where(valid, low, 0)) / span, 1.0)
