"""Steps of optimisers on the rows of a table that a gradient touches.

Axes: N rows of the table, D dim, n rows of the gradient, of which several may be of one row of the table, U touched
rows. A touched row has one owner, who adds up its gradient in order, so results do not depend on the number of threads.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from graphtune.kernels.parallel import in_blocks

ROWS_A_BLOCK = 512


class Touched(NamedTuple):
    """Which rows a gradient touches, and where its parts stand.

    Attributes:
        rows: [U] int64, ascending.
        starts: [U + 1] int64: the parts of rows[u] are order[starts[u]:starts[u + 1]].
        order: [n] int64, places in the gradient.
    """

    rows: np.ndarray
    starts: np.ndarray
    order: np.ndarray


def touched(indices: np.ndarray) -> Touched:
    """The rows that [n] int64 `indices` name, each once."""
    bits = max(1, len(indices) - 1).bit_length()
    keys = np.sort((indices << bits) | np.arange(len(indices)))  # place and row in one number sorts fastest
    row = keys >> bits
    first = np.flatnonzero(np.diff(row, prepend=-1))
    return Touched(row[first], np.append(first, len(indices)), keys & ((1 << bits) - 1))


@njit(cache=True, nogil=True, error_model="numpy")
def _sum(values, order, begin, end, out):
    out[:] = values[order[begin]]
    for at in range(begin + 1, end):
        part = values[order[at]]
        for d in range(len(out)):
            out[d] += part[d]


@njit(cache=True, nogil=True, error_model="numpy")
def _adam(begin, end, rows, starts, order, values, table, mean, square, rate, keep, beta1, beta2, eps):
    one = np.float32(1.0)
    gradient = np.empty(table.shape[1], np.float32)
    for u in range(begin, end):
        _sum(values, order, starts[u], starts[u + 1], gradient)
        weight, m, v = table[rows[u]], mean[rows[u]], square[rows[u]]
        for d in range(len(gradient)):
            g = gradient[d]
            m[d] = beta1 * m[d] + (one - beta1) * g
            v[d] = beta2 * v[d] + (one - beta2) * g * g
            weight[d] = keep * weight[d] - rate * m[d] / (math.sqrt(v[d]) + eps)


@njit(cache=True, nogil=True, error_model="numpy")
def _adagrad(begin, end, rows, starts, order, values, table, square, rate, decay, eps):
    gradient = np.empty(table.shape[1], np.float32)
    for u in range(begin, end):
        _sum(values, order, starts[u], starts[u + 1], gradient)
        weight, v = table[rows[u]], square[rows[u]]
        for d in range(len(gradient)):
            g = gradient[d] + decay * weight[d]
            v[d] += g * g
            weight[d] -= rate * g / (math.sqrt(v[d]) + eps)


@njit(cache=True, nogil=True, error_model="numpy")
def _descent(begin, end, rows, starts, order, values, table, rate, decay):
    gradient = np.empty(table.shape[1], np.float32)
    for u in range(begin, end):
        _sum(values, order, starts[u], starts[u + 1], gradient)
        weight = table[rows[u]]
        for d in range(len(gradient)):
            weight[d] -= rate * (gradient[d] + decay * weight[d])


def adam_rows(
    indices: np.ndarray,
    values: np.ndarray,
    table: np.ndarray,
    mean: np.ndarray,
    square: np.ndarray,
    rate: float,
    keep: float,
    betas: tuple[float, float],
    eps: float,
) -> None:
    """m <- b1 m + (1 - b1) g; v <- b2 v + (1 - b2) g^2; w <- keep w - rate m / (sqrt(v) + eps), in touched rows.

    Args:
        indices: [n] int64 rows of the table; values: [n, D] float32; g of a row is the sum of its values.
        table, mean, square: [N, D] float32 w, m and v, changed in place.
        rate: step size, with the corrections of m and v for their start from 0.
        keep: 1 less the decoupled decay.
    """
    which = touched(indices)
    scalars = (np.float32(x) for x in (rate, keep, *betas, eps))
    in_blocks(_adam, len(which.rows), *which, values, table, mean, square, *scalars, block=ROWS_A_BLOCK)


def adagrad_rows(
    indices: np.ndarray,
    values: np.ndarray,
    table: np.ndarray,
    square: np.ndarray,
    rate: float,
    decay: float,
    eps: float,
) -> None:
    """g <- g + decay w; v <- v + g^2; w <- w - rate g / (sqrt(v) + eps), in touched rows; arguments as `adam_rows`."""
    which = touched(indices)
    scalars = (np.float32(x) for x in (rate, decay, eps))
    in_blocks(_adagrad, len(which.rows), *which, values, table, square, *scalars, block=ROWS_A_BLOCK)


def descent_rows(indices: np.ndarray, values: np.ndarray, table: np.ndarray, rate: float, decay: float) -> None:
    """w <- w - rate (g + decay w), in touched rows; arguments as `adam_rows`."""
    which = touched(indices)
    in_blocks(_descent, len(which.rows), *which, values, table, np.float32(rate), np.float32(decay), block=ROWS_A_BLOCK)
