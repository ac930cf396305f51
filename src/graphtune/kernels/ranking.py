"""Top-k and ranks over rows of scores.

Axes: Q queries, N columns (items, entities), C candidates.

A set of columns per query (masked, known) is given as CSR: those of query q are
`indices[indptr[q]:indptr[q + 1]]`, in any order, repeats allowed. A slice `indptr[a:b + 1]` of a larger CSR
serves the queries a..b-1 without copying `indices`. Each query is worked on by one thread and nothing is
summed across queries, so results do not depend on the number of threads.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from graphtune.check import bad, integer
from graphtune.kernels.parallel import in_blocks

QUERIES_A_BLOCK = 64
BLOCK = 256  # columns compared at once before any is looked at singly


def top_k(
    scores: np.ndarray, k: int, mask_indptr: np.ndarray, mask_indices: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The k best unmasked columns of every query, best first; of equal scores the smaller column goes first.

    Args:
        scores: [Q, N] float32; not modified. A column scored -inf counts as masked.
        k: how many columns to return.
        mask_indptr: [Q + 1] where the masked columns of each query begin.
        mask_indices: the masked columns.

    Returns:
        [Q, k] int64 columns and [Q, k] float32 scores; a query with fewer than k unmasked columns is filled up
        with column -1 and score -inf.

    Raises:
        ArgumentError: wrong types, shapes or columns, or a score that is NaN.
    """
    scores = _check_scores("top_k", scores)
    k = integer("k", "top_k", k, low=1)
    indptr, masked = check_sets("mask", "top_k", mask_indptr, mask_indices, *scores.shape)
    columns = np.full((len(scores), k), -1, dtype=np.int64)
    best = np.full((len(scores), k), -np.inf, dtype=np.float32)
    has_nan = np.zeros(len(scores), dtype=np.bool_)
    in_blocks(_top_k, len(scores), scores, indptr, masked, columns, best, has_nan, block=QUERIES_A_BLOCK)
    _refuse_nan("top_k", scores, has_nan)
    return columns, best


def realistic_ranks(
    scores: np.ndarray,
    answer: np.ndarray,
    known_indptr: np.ndarray,
    known_indices: np.ndarray,
    row: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Filtered realistic rank of each answer among the columns of its row.

    Known columns other than the answer are left out. The rank is 1 + #greater + #equal / 2, the mean of the
    optimistic and the pessimistic rank over the rest (Berrendorf et al. 2020, "On the ambiguity of rank-based
    evaluation of entity alignment or link prediction methods").

    Args:
        scores: [Q, N] float32.
        answer: [A] the column whose rank is asked.
        known_indptr: [Q + 1] where the known columns of each row begin.
        known_indices: the known columns; the answer may be among them.
        row: [A] the row of scores that each answer is ranked in; row i for answer i, with A = Q, where None.

    Returns:
        [A] float64 ranks (multiples of 1/2, from 1), and [A] int64 the columns ranked, the answer included.

    Raises:
        ArgumentError: wrong types, shapes or columns, or a score that is NaN.
    """
    scores = _check_scores("realistic_ranks", scores)
    answer = _check_columns("answer", "realistic_ranks", answer, scores.shape[1])
    rows = np.arange(len(scores)) if row is None else _check_columns("row", "realistic_ranks", row, len(scores))
    if len(answer) != len(rows):
        raise bad("answer", "realistic_ranks", f"one column per query, {len(rows)} in all", len(answer))
    indptr, known = check_sets("known", "realistic_ranks", known_indptr, known_indices, *scores.shape)
    ranks = np.empty(len(rows), dtype=np.float64)
    candidates = np.empty(len(rows), dtype=np.int64)
    has_nan = np.zeros(len(scores), dtype=np.bool_)
    arguments = scores, rows, answer, indptr, known, ranks, candidates, has_nan
    in_blocks(_realistic_ranks, len(rows), *arguments, block=QUERIES_A_BLOCK)
    _refuse_nan("realistic_ranks", scores, has_nan)
    return ranks, candidates


def ranks_among(score_true: np.ndarray, score_candidates: np.ndarray) -> np.ndarray:
    """Realistic rank of each query's true score among the query's own candidates.

    Args:
        score_true: [Q] float.
        score_candidates: [Q, C] float, the true one not among them.

    Returns:
        [Q] float64 ranks 1 + #greater + #equal / 2, from 1 to C + 1.

    Raises:
        ArgumentError: wrong shapes, or a score that is NaN.
    """
    true, others = np.asarray(score_true), np.asarray(score_candidates)
    if true.ndim != 1 or others.ndim != 2 or len(true) != len(others):
        got = f"shapes {true.shape} and {others.shape}"
        raise bad("score_candidates", "ranks_among", "[Q, C], one row per entry of `score_true` [Q]", got)
    if np.isnan(true).any() or np.isnan(others).any():
        raise bad("score_candidates", "ranks_among", "free of NaN", "NaN", _NAN_FIX)
    greater = (others > true[:, None]).sum(axis=1)
    equal = (others == true[:, None]).sum(axis=1)
    return 1 + greater + equal / 2


@njit(cache=True, nogil=True)
def _top_k(begin, end, scores, indptr, masked, columns, best, has_nan):  # type: ignore[no-untyped-def]
    for q in range(begin, end):
        has_nan[q] = _select(scores[q], masked[indptr[q] : indptr[q + 1]], columns[q], best[q])
        sort_heap(columns[q], best[q])


@njit(cache=True, nogil=True)
def _select(row, mask, columns, best):  # type: ignore[no-untyped-def]
    """Leave the best of `row` in the heap (columns, best), its worst at 0. Return whether a NaN was met.

    Columns come in ascending order, so one that only equals the worst kept score never displaces it.
    """
    at = 0
    for start in range(0, len(row), BLOCK):
        stop = min(start + BLOCK, len(row))
        if not _any_above(row[start:stop], best[0]):
            continue
        for j in range(start, stop):
            if row[j] <= best[0]:
                continue
            if np.isnan(row[j]):
                return True
            while at < len(mask) and mask[at] < j:
                at += 1
            if at == len(mask) or mask[at] != j:
                columns[0], best[0] = j, row[j]
                sift_down(columns, best, len(best))
    return False


@njit(cache=True, nogil=True)
def _any_above(values, floor):  # type: ignore[no-untyped-def]
    """Whether a value is above `floor` or NaN; without a branch, so that it compiles to vector code."""
    count = np.int32(0)
    for j in range(len(values)):
        count = np.int32(count + np.int32(not values[j] <= floor))
    return count > 0


@njit(cache=True, nogil=True)
def sort_heap(columns, best):  # type: ignore[no-untyped-def]
    for size in range(len(best) - 1, 0, -1):
        columns[0], columns[size] = columns[size], columns[0]
        best[0], best[size] = best[size], best[0]
        sift_down(columns, best, size)


@njit(cache=True, nogil=True)
def sift_down(columns, best, size):  # type: ignore[no-untyped-def]
    """Let the entry at 0 sink to its place in a heap with the worst on top."""
    column, score, at = columns[0], best[0], 0
    while 2 * at + 1 < size:
        child = 2 * at + 1
        if child + 1 < size and worse(columns[child + 1], best[child + 1], columns[child], best[child]):
            child += 1
        if not worse(columns[child], best[child], column, score):
            break
        columns[at], best[at] = columns[child], best[child]
        at = child
    columns[at], best[at] = column, score


@njit(cache=True, nogil=True)
def worse(column, score, other_column, other_score):  # type: ignore[no-untyped-def]
    return score < other_score or (score == other_score and column > other_column)


@njit(cache=True, nogil=True)
def _realistic_ranks(begin, end, scores, rows, answer, indptr, known, ranks, candidates, has_nan):  # type: ignore[no-untyped-def]
    for a in range(begin, end):
        q = rows[a]
        row = scores[q]
        own = row[answer[a]]
        greater, equal, less = _compare(row, own)
        if greater + equal + less < len(row):
            has_nan[q] = True  # all that rank in this row write the same
        others = len(row) - 1
        equal -= 1
        for column in known[indptr[q] : indptr[q + 1]]:
            if column != answer[a]:
                others -= 1
                greater -= row[column] > own
                equal -= row[column] == own
        ranks[a] = 1 + greater + 0.5 * equal
        candidates[a] = others + 1


@njit(cache=True, nogil=True)
def _compare(row, own):  # type: ignore[no-untyped-def]
    """How many are greater, equal and less. Sums that are cast back at each step stay as narrow as the scores, without
    which there is no vector code: 0.6 microseconds for 15,000 instead of 22."""
    greater, equal, less = np.int32(0), np.int32(0), np.int32(0)
    for j in range(len(row)):
        value = row[j]
        greater = np.int32(greater + np.int32(value > own))
        equal = np.int32(equal + np.int32(value == own))
        less = np.int32(less + np.int32(value < own))
    return np.int64(greater), np.int64(equal), np.int64(less)


_NAN_FIX = "The model has diverged, or a feature is NaN."


def _check_scores(who: str, scores: np.ndarray) -> np.ndarray:
    if not isinstance(scores, np.ndarray) or scores.dtype != np.float32 or scores.ndim != 2:
        got = f"{getattr(scores, 'dtype', type(scores).__name__)} {getattr(scores, 'shape', '')}".strip()
        raise bad("scores", who, "a NumPy array [Q, N] of float32", got)
    return np.ascontiguousarray(scores)


def _check_columns(argument: str, who: str, columns: np.ndarray, size: int) -> np.ndarray:
    """`columns` as int64, all within 0..size-1."""
    columns = np.asarray(columns)
    if columns.ndim != 1 or not (np.issubdtype(columns.dtype, np.integer) or columns.size == 0):
        raise bad(argument, who, "a 1-D array of integers", f"{columns.dtype} {columns.shape}")
    if columns.size and (columns.min() < 0 or columns.max() >= size):
        raise bad(argument, who, f"columns in [0, {size})", f"{columns.min()} to {columns.max()}")
    return columns.astype(np.int64, copy=False)


def check_sets(
    name: str, who: str, indptr: np.ndarray, indices: np.ndarray, queries: int, columns: int
) -> tuple[np.ndarray, np.ndarray]:
    """The CSR of what the queries use of `indices`, as int64, every row ascending and without repeats."""
    indptr, indices = np.asarray(indptr), np.asarray(indices)
    if indptr.shape != (queries + 1,) or not np.issubdtype(indptr.dtype, np.integer):
        got = f"{indptr.dtype} {indptr.shape}"
        raise bad(f"{name}_indptr", who, f"{queries + 1} integers, one more than queries", got)
    if indptr[0] < 0 or indptr[-1] > len(indices) or (np.diff(indptr) < 0).any():
        got = f"from {indptr[0]} to {indptr[-1]}, for {len(indices)} entries"
        raise bad(f"{name}_indptr", who, "ascending and within the indices", got)
    used = _check_columns(f"{name}_indices", who, indices[indptr[0] : indptr[-1]], columns)
    return _ascending(indptr.astype(np.int64) - indptr[0], used, columns)


def _ascending(indptr: np.ndarray, columns: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    rises = np.append(columns[1:] > columns[:-1], True)
    rises[indptr[indptr > 0] - 1] = True
    if len(columns) == 0 or rises.all():
        return indptr, columns
    query = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
    place = np.unique(query * size + columns)
    return np.searchsorted(place, np.arange(len(indptr)) * size), place % size


def _refuse_nan(who: str, scores: np.ndarray, has_nan: np.ndarray) -> None:
    if has_nan.any():
        raise bad("scores", who, "free of NaN", f"NaN in row {int(has_nan.argmax())}", _NAN_FIX)
