"""What a row is by what edges say of its node: a linear map, fitted to the rows that were learned.

Axes: n nodes, K numbers that a node is told, D of its rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

RIDGE = 10.0
RIDGES = (1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0)  # beside the sum of squares of a feature, on average


@dataclass(frozen=True)
class RowMap:
    """rows = (told - middle) W + mean.

    Attributes:
        weight: [K, D] float64.
        middle: [K] float64, what nodes are told on average.
        mean: [D] float64, of their rows.
    """

    weight: np.ndarray
    middle: np.ndarray
    mean: np.ndarray

    def __call__(self, told: np.ndarray) -> np.ndarray:
        """[n, K] -> [n, D], on one thread."""
        with threadpool_limits(1):
            return (told - self.middle) @ self.weight + self.mean


def fit_rows(told: np.ndarray, rows: np.ndarray, block: int, widths: Sequence[int], ridge: float = RIDGE) -> RowMap:
    """The map that comes nearest to the rows, held to one that only scales.

    First each table gets those multiples of the vectors of its width that have the least squared error: rows of TransE
    are nearly the mean of h + r. What is left is mapped by the W with the least squared error and ridge * s |W|^2,
    with s the sum of squares of a number that is told, on average over the K. All numbers are less their means.

    It is what a la carte embedding (Khodak et al., 2018) does for words, with queries for contexts and W held to a
    multiple of 1 instead of 0. The same bits on any number of processors.

    Args:
        told: [n, K] what the nodes are told: vectors of `block` numbers side by side.
        rows: [n, D] what they have learned to be: tables side by side.
        block: numbers of a vector.
        widths: of the tables, D in all.
        ridge: how much W is held.
    """
    middle, mean = told.mean(axis=0), rows.mean(axis=0, dtype=np.float64)
    x, y = told - middle, rows - mean
    with threadpool_limits(1):
        weight = _multiples(x, y, block, widths)
        gram = x.T @ x
        size = max(float(np.trace(gram)) / len(gram), np.finfo(np.float64).tiny)
        weight += np.linalg.solve(gram + ridge * size * np.eye(len(gram)), x.T @ (y - x @ weight))
    return RowMap(weight, middle, mean)


def regress_rows(features: np.ndarray, rows: np.ndarray, weight: np.ndarray) -> RowMap:
    """Weighted ridge regression from features [n, K] to rows [n, D], its ridge the one of `RIDGES` that generalised
    cross-validation finds best (Golub, Heath & Wahba, 1979); all numbers are less their means.

    Args:
        features: of the nodes.
        rows: what they have learned to be.
        weight: [n] above 0, how much the squared error of each row counts.
    """
    middle, mean = (np.average(table, axis=0, weights=weight) for table in (features, rows.astype(np.float64)))
    share = np.sqrt(weight / weight.mean())[:, None]
    x, y = share * (features - middle), share * (rows - mean)
    with threadpool_limits(1):
        gram, told = x.T @ x, x.T @ y
        size = max(float(np.trace(gram)) / len(gram), np.finfo(np.float64).tiny)
        values, vectors = np.linalg.eigh(gram)
        values, turned = np.maximum(values, 0), vectors.T @ told
        square = np.square(turned).sum(axis=1)
        best, error = RIDGES[-1], np.inf
        for ridge in RIDGES:
            kept = values + ridge * size
            left = np.square(y).sum() - (square * (2 / kept - values / kept**2)).sum()
            free = len(x) - 1 - (values / kept).sum()
            if free > 0 and left / free**2 < error:
                best, error = ridge, left / free**2
        return RowMap(vectors @ (turned / (values + best * size)[:, None]), middle, mean)


def _multiples(x: np.ndarray, y: np.ndarray, block: int, widths: Sequence[int]) -> np.ndarray:
    """[K, D] the multiples of each vector that make up each table of its width best, 0 for other tables."""
    weight, begin = np.zeros((x.shape[1], y.shape[1])), 0
    vectors = [x[:, at : at + block] for at in range(0, x.shape[1], block)]
    products = np.array([[np.vdot(a, b) for b in vectors] for a in vectors])
    for width in widths:
        if width == block:
            table = y[:, begin : begin + width]
            for number, multiple in enumerate(np.linalg.pinv(products) @ [np.vdot(a, table) for a in vectors]):
                weight[number * block : (number + 1) * block, begin : begin + width] = multiple * np.eye(block)
        begin += width
    return weight
