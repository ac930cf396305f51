"""Whether probabilities are what they say. Axis: P predictions."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphtune.check import bad, integer
from graphtune.metrics.checks import vector


def expected_calibration_error(
    probability: np.ndarray, truth: np.ndarray, weight: np.ndarray | None = None, bins: int = 15
) -> float:
    """Mean distance of what is said from what is so: predictions are put into `bins` of equal width in [0, 1], and the
    mean probability of each is held against its share of true ones (Naeini et al., AAAI 2015; Guo et al., ICML 2017).

    Args:
        probability: [P] of being true, in [0, 1].
        truth: [P] 0 or 1.
        weight: [P] how many predictions each stands for; None for one.
        bins: how many.

    Raises:
        ArgumentError: no predictions, different lengths, or numbers out of their range.
    """
    who = "expected_calibration_error"
    probability, truth, weight = _predictions(who, probability, truth, weight)
    bins = integer("bins", who, bins, 1)
    at = np.minimum((probability * bins).astype(np.int64), bins - 1)
    gap = np.bincount(at, weights=weight * (probability - truth), minlength=bins)
    return float(np.abs(gap).sum() / weight.sum())


def brier_score(probability: np.ndarray, truth: np.ndarray, weight: np.ndarray | None = None) -> float:
    """Mean squared distance of probabilities from 0 or 1 (Brier, 1950); arguments as expected_calibration_error's."""
    probability, truth, weight = _predictions("brier_score", probability, truth, weight)
    return float(np.average((probability - truth) ** 2, weights=weight))


def _predictions(who: str, probability: Any, truth: Any, weight: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    probability, truth = vector("probability", who, probability), vector("truth", who, truth)
    weight = np.ones(len(probability)) if weight is None else vector("weight", who, weight)
    if not len(probability) == len(truth) == len(weight) > 0:
        lengths = len(probability), len(truth), len(weight)
        raise bad("truth", who, "as long as `probability` and `weight`, and not empty", lengths)
    if probability.min() < 0 or probability.max() > 1:
        raise bad("probability", who, "in [0, 1]", (probability.min(), probability.max()))
    if not np.isin(truth, (0, 1)).all():
        raise bad("truth", who, "0 or 1", sorted(set(truth.tolist()))[:5])
    if weight.min() < 0 or weight.sum() == 0:
        raise bad("weight", who, "not negative, and not all 0", weight.min())
    return probability, truth, weight
