"""Values of nodes.

Axes: Q queries, k places in a ranked list, P positives, M negatives, n nodes, C classes, E edges.
"""

from __future__ import annotations

import numpy as np

from graphtune.check import bad
from graphtune.metrics.checks import vector


def squared_errors(targets: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """[n] squared differences of two finite vectors [n]; their mean is the MSE."""
    targets, predicted = _two_vectors("squared_errors", targets, predicted)
    return (targets - predicted) ** 2


def absolute_errors(targets: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """[n] absolute differences of two finite vectors [n]; their mean is the MAE."""
    targets, predicted = _two_vectors("absolute_errors", targets, predicted)
    return np.abs(targets - predicted)


def mse(targets: np.ndarray, predicted: np.ndarray) -> float:
    """Mean squared error."""
    return float(squared_errors(targets, predicted).mean())


def mae(targets: np.ndarray, predicted: np.ndarray) -> float:
    """Mean absolute error."""
    return float(absolute_errors(targets, predicted).mean())


def r2(targets: np.ndarray, predicted: np.ndarray) -> float:
    """1 - MSE / variance of the targets: 0 is what their mean gets. NaN where all targets are equal."""
    targets, predicted = _two_vectors("r2", targets, predicted)
    variance = targets.var()
    return 1 - mse(targets, predicted) / variance if variance > 0 else float("nan")


def _two_vectors(who: str, targets: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    targets, predicted = vector("targets", who, targets), vector("predicted", who, predicted)
    if len(targets) != len(predicted) or len(targets) == 0:
        raise bad("predicted", who, f"as long as `targets`, {len(targets)}, and not empty", len(predicted))
    return targets, predicted
