"""Vectors of another dim: fewer columns that keep dot products best, or more.

Products and eigenvectors run on one thread in double precision: the same bits on any number of processors.

Axes: n vectors, d their dim, D the dim asked for.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from threadpoolctl import threadpool_limits

TAIL = 0.01  # of the typical entry: columns of zeros would all get the same gradient, or none
ROWS = 1 << 16  # that are made double at a time


def resized(sides: Sequence[np.ndarray], dim: int, seed: int = 0) -> list[np.ndarray]:
    """Vectors of one space with `dim` columns; source and target side are changed alike.

    Fewer columns: X V with V the first D right singular vectors of all sides stacked; no other X V V^T is nearer to X,
    and X V V^T X^T is the nearest to the dot products X X^T. More columns: a small random tail.

    Args:
        sides: each [n, d] float32.
        dim: D.
        seed: of the tail.
    """
    width = sides[0].shape[1]
    if dim < width:
        basis = _principal(sides, dim)
        return [_product(side, basis) for side in sides]
    if dim > width:
        random = np.random.default_rng(seed)
        return [_with_tail(side, dim - width, random) for side in sides]
    return list(sides)


def dealt(widths: Sequence[int]) -> list[np.ndarray]:
    """Columns for tables side by side, the leading ones shared out evenly: 3 and 3 get (0, 2, 4) and (1, 3, 5)."""
    table = np.repeat(np.arange(len(widths)), widths)
    turn = np.concatenate([(np.arange(width) + 0.5) / width for width in widths])
    owner = table[np.lexsort((table, turn))]
    return [np.flatnonzero(owner == number) for number in range(len(widths))]


def _principal(sides: Sequence[np.ndarray], dim: int) -> np.ndarray:
    """[d, D] float32: the leading right singular vectors, each with its largest entry positive."""
    width = sides[0].shape[1]
    gram = np.zeros((width, width))
    with threadpool_limits(1):
        for side in sides:
            for begin in range(0, len(side), ROWS):
                rows = side[begin : begin + ROWS].astype(np.float64)
                gram += rows.T @ rows
        basis = np.linalg.eigh(gram)[1][:, ::-1][:, :dim]
    basis *= np.sign(basis[np.abs(basis).argmax(axis=0), np.arange(dim)])
    return basis.astype(np.float32)


def _product(side: np.ndarray, basis: np.ndarray) -> np.ndarray:
    with threadpool_limits(1):
        return side @ basis


def _with_tail(side: np.ndarray, columns: int, random: np.random.Generator) -> np.ndarray:
    typical = float(np.sqrt(np.square(side, dtype=np.float64).mean())) if side.size else 0.0
    tail = random.standard_normal((len(side), columns), dtype=np.float32) * np.float32(TAIL * typical)
    return np.concatenate([side, tail], axis=1)
