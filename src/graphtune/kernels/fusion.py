"""Rows of scores brought to one scale, so that those of several models can be added. U users, C columns.

What a user has already is given as CSR: `indices[indptr[u]:indptr[u + 1]]`, in any order, repeats allowed. It does not
count: neither in ranks nor in means. Each user is worked on by one thread, so results do not depend on their number.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from graphtune.kernels.parallel import in_blocks

USERS_A_BLOCK = 16
DIGIT, PASSES = 11, 3  # 33 bits
TINY = 1e-30  # deviations up to it are rounding


def reciprocal_ranks(scores: np.ndarray, indptr: np.ndarray, indices: np.ndarray, k: float) -> np.ndarray:
    """[U, C] float32 of 1 / (k + rank), the rank 1 + how many columns that the user has not got score higher.

    Equal scores have equal ranks. What the user has is ranked too, but takes no place from others. NaN stays NaN.

    Args:
        scores: [U, C] float32.
        indptr: [U + 1] int64.
        indices: int64 columns.
        k: at least 0.
    """
    scores = np.ascontiguousarray(scores) + np.float32(0)  # -0.0 is 0.0
    out = np.empty_like(scores)
    arguments = scores, scores.view(np.uint32), indptr, indices, np.float64(k), out
    in_blocks(_reciprocal_ranks, len(scores), *arguments, block=USERS_A_BLOCK)
    return out


def standard_scores(scores: np.ndarray, indptr: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """[U, C] float32 of (score - mean) / deviation, both over the finite scores of what the user has not got; 0 where
    these are all equal. What the user has is brought to the same scale. Infinite scores and NaN stay.

    Args:
        scores: [U, C] float32.
        indptr: [U + 1] int64.
        indices: int64 columns.
    """
    scores = np.ascontiguousarray(scores)
    out = np.empty_like(scores)
    in_blocks(_standard_scores, len(scores), scores, indptr, indices, out, block=USERS_A_BLOCK)
    return out


@njit(cache=True, nogil=True)
def _reciprocal_ranks(begin, end, scores, bits, indptr, indices, k, out):  # type: ignore[no-untyped-def]
    width = scores.shape[1]
    seen = np.zeros(width, dtype=np.bool_)
    key, order = np.empty((2, width), dtype=np.uint32), np.empty((2, width), dtype=np.int32)
    for u in range(begin, end):
        mine = indices[indptr[u] : indptr[u + 1]]
        seen[mine] = True
        _descending(bits[u], key, order)
        _ranked(scores[u], order[PASSES % 2], seen, k, out[u])
        seen[mine] = False


@njit(cache=True, nogil=True)
def _descending(bits, key, order):  # type: ignore[no-untyped-def]
    """Leave the columns of floats of these bits in order[1], the highest first, by digits from the lowest up."""
    count = np.zeros((PASSES, 1 << DIGIT), dtype=np.int32)
    last = np.uint32((1 << DIGIT) - 1)
    for j in range(len(bits)):
        bit = bits[j]
        value = bit if bit >> np.uint32(31) else np.uint32(~bit) & np.uint32(0x7FFFFFFF)
        key[0, j], order[0, j] = value, j
        for p in range(PASSES):
            count[p, (value >> np.uint32(p * DIGIT)) & last] += 1
    for p in range(PASSES):
        total = np.int32(0)
        for digit in range(1 << DIGIT):
            total, count[p, digit] = total + count[p, digit], total
        here, there = p % 2, (p + 1) % 2
        for i in range(len(bits)):
            value = key[here, i]
            digit = (value >> np.uint32(p * DIGIT)) & last
            at = count[p, digit]
            count[p, digit] = at + 1
            key[there, at], order[there, at] = value, order[here, i]


@njit(cache=True, nogil=True)
def _ranked(scores, order, seen, k, out):  # type: ignore[no-untyped-def]
    above, equal, value, share = 0, 0, np.float32(0), np.float32(1 / (k + 1))
    for i in range(len(order)):
        j = order[i]
        if i == 0 or scores[j] != value:
            above, equal, value = above + equal, 0, scores[j]
            share = np.float32(1 / (k + 1 + above))
        equal += not seen[j]
        out[j] = share if scores[j] == scores[j] else scores[j]


@njit(cache=True, nogil=True)
def _standard_scores(begin, end, scores, indptr, indices, out):  # type: ignore[no-untyped-def]
    seen = np.zeros(scores.shape[1], dtype=np.bool_)
    for u in range(begin, end):
        row, mine = scores[u], indices[indptr[u] : indptr[u + 1]]
        seen[mine] = True
        count, total = 0, 0.0
        for j in range(len(row)):
            if not seen[j] and np.isfinite(row[j]):
                count, total = count + 1, total + row[j]
        mean, squares = total / max(count, 1), 0.0
        for j in range(len(row)):
            if not seen[j] and np.isfinite(row[j]):
                squares += (row[j] - mean) ** 2
        deviation = np.sqrt(squares / max(count, 1))
        scale = 1 / deviation if deviation > max(1e-7 * abs(mean), TINY) else 0.0
        for j in range(len(row)):
            out[u, j] = (row[j] - mean) * scale if np.isfinite(row[j]) else row[j]
        seen[mine] = False
