"""Sums of messages along edges that have relations, row by row, without an array [M, D] of messages.

Messages stand in groups, as the entries of a CSR matrix do: those of row i are `indptr[i]` to `indptr[i + 1]`.
Messages of weight 0 are passed over.

Axes: N rows, M messages, R relations, B bases, D dim.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from graphtune.kernels.parallel import in_blocks

ROWS_A_BLOCK = 256
RELATIONS_A_BLOCK = 4


@njit(cache=True, nogil=True, fastmath=True)
def _mixed(begin, end, indptr, source, relation, weight, mix, x, out):
    for row in range(begin, end):
        out[row] = 0.0
        for at in range(indptr[row], indptr[row + 1]):
            if weight[at] == 0.0:
                continue
            other = source[at]
            for basis in range(mix.shape[1]):
                share = weight[at] * mix[relation[at], basis]
                for d in range(x.shape[1]):
                    out[row, basis, d] += share * x[other, d]


@njit(cache=True, nogil=True, fastmath=True)
def _mix_gradient(begin, end, indptr, source, relation, weight, relations, x, pull):
    found = np.zeros((relations, pull.shape[1]), np.float32)
    for row in range(begin, end):
        for at in range(indptr[row], indptr[row + 1]):
            if weight[at] == 0.0:
                continue
            other = source[at]
            for basis in range(pull.shape[1]):
                total = np.float32(0.0)
                for d in range(x.shape[1]):
                    total += pull[row, basis, d] * x[other, d]
                found[relation[at], basis] += weight[at] * total
    return found


@njit(cache=True, nogil=True, fastmath=True)
def _composed(begin, end, indptr, left, right, weight, a, b, out):
    for row in range(begin, end):
        out[row] = 0.0
        for at in range(indptr[row], indptr[row + 1]):
            if weight[at] == 0.0:
                continue
            one, two = left[at], right[at]
            for d in range(a.shape[1]):
                out[row, d] += weight[at] * a[one, d] * b[two, d]


def mixed(
    indptr: np.ndarray, source: np.ndarray, relation: np.ndarray, weight: np.ndarray, mix: np.ndarray, x: np.ndarray
) -> np.ndarray:
    """[N, B, D] float32: out[i, b] = sum over messages m of row i of weight[m] mix[relation[m], b] x[source[m]].

    Args:
        indptr: [N + 1] int64.
        source: [M] int64 rows of x; relation: [M] int64 rows of mix; weight: [M] float32.
        mix: [R, B] float32; x: [any, D] float32, C order.
    """
    out = np.empty((len(indptr) - 1, mix.shape[1], x.shape[1]), np.float32)
    in_blocks(_mixed, len(out), indptr, source, relation, weight, mix, x, out, block=ROWS_A_BLOCK)
    return out


def mix_gradient(
    indptr: np.ndarray,
    source: np.ndarray,
    relation: np.ndarray,
    weight: np.ndarray,
    relations: int,
    x: np.ndarray,
    pull: np.ndarray,
) -> np.ndarray:
    """[R, B] float32, the gradient of `mixed` by `mix`, where `pull` [N, B, D] is that by its result."""
    block = max(ROWS_A_BLOCK, len(pull) // 64)  # each block has sums of its own, added up in order
    arguments = indptr, source, relation, weight, relations, x, pull
    parts = in_blocks(_mix_gradient, len(pull), *arguments, block=block)
    return np.stack(parts).sum(axis=0)


def composed(
    indptr: np.ndarray,
    left: np.ndarray,
    right: np.ndarray,
    weight: np.ndarray,
    a: np.ndarray,
    b: np.ndarray,
    block: int = ROWS_A_BLOCK,
) -> np.ndarray:
    """[N, D] of the kind of a and b, float32 or complex64: out[i] = sum of weight[m] a[left[m]] b[right[m]].

    Args:
        indptr: [N + 1] int64.
        left, right: [M] int64 rows of a and of b; weight: [M] float32.
        a, b: [any, D], C order, of one kind.
        block: rows that a thread takes at once.
    """
    out = np.empty((len(indptr) - 1, a.shape[1]), a.dtype)
    in_blocks(_composed, len(out), indptr, left, right, weight, a, b, out, block=block)
    return out
