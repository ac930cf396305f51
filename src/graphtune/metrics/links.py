"""Links: scores of positives against negatives.

Axes: Q queries, k places in a ranked list, P positives, M negatives, n nodes, C classes, E edges.
"""

from __future__ import annotations

import numpy as np

from graphtune.check import bad, integer, number
from graphtune.metrics.checks import vector


def roc_auc(positive: np.ndarray, negative: np.ndarray) -> float:
    """Chance that a positive scores above a negative, ties counting half. `positive`: [P], `negative`: [M]."""
    return float(roc_auc_each(positive, negative).mean())


def roc_auc_each(positive: np.ndarray, negative: np.ndarray) -> np.ndarray:
    """[P] share of the negatives below each positive, ties counting half; the mean is the AUC.

    For paired tests of two models on the same pairs. For an interval resample both sides with
    `statistics.bootstrap_statistic(roc_auc, [positive, negative], together=False)`: one over these terms alone
    would leave out the chance in the negatives.
    """
    positive, negative = _two_sides("roc_auc", positive, negative)
    below, not_above = _places(negative, positive)
    return (below + not_above) / (2 * len(negative))


def average_precision(positive: np.ndarray, negative: np.ndarray) -> float:
    """Area under precision against recall in steps, as scikit-learn's `average_precision_score`."""
    return float(average_precision_each(positive, negative).mean())


def average_precision_each(positive: np.ndarray, negative: np.ndarray) -> np.ndarray:
    """[P] precision among all pairs that score at least as high as each positive; the mean is the AP."""
    positive, negative = _two_sides("average_precision", positive, negative)
    right = len(positive) - _places(positive, positive)[0]
    wrong = len(negative) - _places(negative, positive)[0]
    return right / (right + wrong)


def hits_at_k_against(positive: np.ndarray, negative: np.ndarray, k: int) -> np.ndarray:
    """[P] 1 where a positive scores strictly above the k-th best negative, else 0 (Hits@K of OGB's evaluator).

    All are 1 where there are fewer than k negatives, as OGB has it.
    """
    positive, negative = _two_sides("hits_at_k_against", positive, negative)
    k = integer("k", "hits_at_k_against", k, low=1)
    bar = np.partition(negative, -k)[-k] if k <= len(negative) else -np.inf
    return (positive > bar).astype(np.float64)


def accuracy_at(positive: np.ndarray, negative: np.ndarray, threshold: float) -> float:
    """Share of pairs on the right side of `threshold`; a score equal to it is taken for a link."""
    positive, negative = _two_sides("accuracy_at", positive, negative)
    threshold = number("threshold", "accuracy_at", threshold)
    right = (positive >= threshold).sum() + (negative < threshold).sum()
    return float(right / (len(positive) + len(negative)))


def f1_at(positive: np.ndarray, negative: np.ndarray, threshold: float) -> float:
    """F1 of taking every pair that scores at least `threshold` for a link."""
    positive, negative = _two_sides("f1_at", positive, negative)
    threshold = number("threshold", "f1_at", threshold)
    hit, claimed = (positive >= threshold).sum(), (negative >= threshold).sum()
    return float(2 * hit / (hit + claimed + len(positive)))


def _two_sides(who: str, positive: np.ndarray, negative: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    sides = vector("positive", who, positive), vector("negative", who, negative)
    for name, side in zip(("positive", "negative"), sides):
        if len(side) == 0:
            raise bad(name, who, "at least one score", "none")
    return sides


def _places(values: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each of `wanted`: how many of `values` are less, and how many are not greater.

    Searching in ascending order keeps the cache warm: 5x faster on 20,000 scores.
    """
    values, order = np.sort(values), np.argsort(wanted)
    less, not_greater = np.empty((2, len(wanted)))
    less[order] = np.searchsorted(values, wanted[order], side="left")
    not_greater[order] = np.searchsorted(values, wanted[order], side="right")
    return less, not_greater
