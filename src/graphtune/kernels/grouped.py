"""One softmax a query over all keys in one pass: scores, loss and a gradient rounded by chance to few entries.

The gradient of the loss of a query with n targets is n p - (1 at each target), p its softmax. Entries n p below some
tau, here `rounding`, become tau with the chance n p / tau, else nothing; others stay exact: unbiased, at most
n / tau + 1 of them, and products with them cost those alone. Entries are chosen by one walk along the row that keeps
one each time its sum of chances passes the next whole number (systematic sampling: Madow, 1949), so a query needs one
number of chance.

Axes: B queries, N keys, T targets of all queries, D dim, M entries kept.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from graphtune.kernels.parallel import in_blocks, thread_count
from graphtune.kernels.short import ROWS, short_keys, short_rows, short_scores
from graphtune.kernels.softmax import _exp as exp

ROWS_AT_ONCE = 2 * ROWS  # their scores stay in the cache until they are read
LARGE, ROWS_OF_LARGE = 12 << 20, 16 * ROWS  # keys of more bytes come from memory, so each time for more rows
STRETCH = 32  # entries whose chances are summed before any is looked at
KEYS_A_BLOCK, QUERIES_A_BLOCK = 512, 32


class Entries(NamedTuple):
    """A sparse [B, N], by rows.

    Attributes:
        start: [B + 1] int64, where a row has its room.
        filled: [B] int64 entries in it.
        column: [start[B]] int32; value: float32.
    """

    start: np.ndarray
    filled: np.ndarray
    column: np.ndarray
    value: np.ndarray


@njit(cache=True, nogil=True, fastmath=True)
def _softmax(row):
    """The row becomes exp(row - its maximum); the maximum and the sum."""
    top, total = row[0], np.float32(0.0)
    for j in range(len(row)):
        top = max(top, row[j])
    for j in range(len(row)):
        row[j] = exp(row[j] - top)
        total += row[j]
    return top, total


@njit(cache=True, nogil=True, fastmath=True)
def _capped(part, limit):
    total = np.float32(0.0)
    for j in range(len(part)):
        total += min(part[j], limit)
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def _choose(row, limit, rest, scale, column, value):
    """Entries of the row by the chance row / limit, those above the limit surely; how many."""
    n, found, unit = len(row), 0, 1.0 / np.float64(limit)
    for begin in range(0, n, STRETCH):
        end = min(n, begin + STRETCH)
        sum_of_chances = _capped(row[begin:end], limit) * unit
        if sum_of_chances < rest * 0.99999:
            rest -= sum_of_chances
            continue
        for j in range(begin, end):
            rest -= min(row[j], limit) * unit
            if rest <= 0.0:
                rest += 1.0
                if found < len(column):
                    column[found], value[found] = j, max(row[j], limit) * scale
                    found += 1
    return found


@njit(cache=True, nogil=True, error_model="numpy")
def _forward(begin, end, query, scale, panels, key_scale, n, indptr, target, phase, rounding, right, log_sum, entries):
    start, count, column, value = entries
    rows = ROWS_OF_LARGE if panels.size * 4 > LARGE else ROWS_AT_ONCE
    scores = np.empty((rows, len(key_scale)), np.float32)
    for first in range(begin, end, rows):
        last = min(end, first + rows)
        short_scores(query, scale, first, last, panels, key_scale, scores)
        for b in range(first, last):
            row = scores[b - first][:n]
            for t in range(indptr[b], indptr[b + 1]):
                right[t] = row[target[t]]
            top, total = _softmax(row)
            log_sum[b] = top + np.float32(math.log(total))
            share = np.float32(1.0) / total
            limit = total * rounding / np.float32(max(1, indptr[b + 1] - indptr[b]))
            room = slice(start[b], start[b + 1])
            count[b] = _choose(row, limit, 1.0 - phase[b], share, column[room], value[room])


def softmax_entries(
    query: np.ndarray, key: np.ndarray, indptr: np.ndarray, target: np.ndarray, phase: np.ndarray, rounding: float
) -> tuple[np.ndarray, np.ndarray, Entries]:
    """Scores of targets, logarithms of the sums of exponents, and the softmax rounded by chance.

    Scores are products in 16 bits (`graphtune.kernels.short`).

    Args:
        query: [B, D] float32; key: [N, D] float32.
        indptr: [B + 1] int64, the targets of query b are target[indptr[b]:indptr[b + 1]]; target: [T] int64 keys.
        phase: [B] float32 in [0, 1), the one number of chance of each query.
        rounding: above 0; entries of the softmax below rounding / (targets of the query) are rounded.

    Returns:
        [T] float32 scores, [B] float32 logarithms, and the entries.
    """
    size, n = len(query), len(key)
    room = np.minimum(n, np.ceil(np.diff(indptr) / rounding) + 2).astype(np.int64)
    start = np.concatenate([[0], np.cumsum(room)])
    entries = Entries(start, np.zeros(size, np.int64), np.empty(start[-1], np.int32), np.empty(start[-1], np.float32))
    right, log_sum = np.empty(len(target), np.float32), np.empty(size, np.float32)
    arguments = *short_rows(query), *short_keys(key), n, indptr, target, phase, np.float32(rounding), right, log_sum
    block = -(-size // (ROWS_AT_ONCE * thread_count())) * ROWS_AT_ONCE
    in_blocks(_forward, size, *arguments, tuple(entries), block=max(1, block))
    return right, log_sum, entries


@njit(cache=True, nogil=True, fastmath=True)
def _add_rows(out, table, rows, factors):
    """out += sum_i factors[i] * table[rows[i]], four rows a pass."""
    whole = len(rows) // 4 * 4
    for i in range(0, whole, 4):
        a, b, c, e = table[rows[i]], table[rows[i + 1]], table[rows[i + 2]], table[rows[i + 3]]
        w, x, y, z = factors[i], factors[i + 1], factors[i + 2], factors[i + 3]
        for d in range(len(out)):
            out[d] += (w * a[d] + x * b[d]) + (y * c[d] + z * e[d])
    for i in range(whole, len(rows)):
        a, w = table[rows[i]], factors[i]
        for d in range(len(out)):
            out[d] += w * a[d]


@njit(cache=True, nogil=True)
def _by_query(begin, end, start, count, column, value, key, out):
    for b in range(begin, end):
        room = slice(start[b], start[b] + count[b])
        out[b] = 0.0
        _add_rows(out[b], key, column[room], value[room])


@njit(cache=True, nogil=True)
def _transpose(start, count, column, value, n):
    """The entries by column: bounds [N + 1], rows [M] and values [M]."""
    bounds = np.zeros(n + 1, np.int64)
    for b in range(len(count)):
        for i in range(start[b], start[b] + count[b]):
            bounds[column[i] + 1] += 1
    for j in range(n):
        bounds[j + 1] += bounds[j]
    place = bounds[:-1].copy()
    rows, values = np.empty(bounds[n], np.int32), np.empty(bounds[n], np.float32)
    for b in range(len(count)):
        for i in range(start[b], start[b] + count[b]):
            at = place[column[i]]
            place[column[i]] = at + 1
            rows[at], values[at] = b, value[i]
    return bounds, rows, values


@njit(cache=True, nogil=True)
def _by_key(begin, end, bounds, rows, values, query, out):
    for j in range(begin, end):
        out[j] = 0.0
        _add_rows(out[j], query, rows[bounds[j] : bounds[j + 1]], values[bounds[j] : bounds[j + 1]])


@njit(cache=True, nogil=True)
def _weigh(start, count, column, value, indptr, target, weight, right_share, new_start, new_column, new_value):
    """Entries of the softmax times the weight of their query, and -right_share * weight at each target."""
    for b in range(len(count)):
        whole, at = np.float32(0.0), new_start[b]
        for t in range(indptr[b], indptr[b + 1]):
            whole += weight[t]
        for i in range(start[b], start[b] + count[b]):
            new_column[at], new_value[at] = column[i], whole * value[i]
            at += 1
        for t in range(indptr[b], indptr[b + 1]):
            new_column[at], new_value[at] = target[t], -right_share * weight[t]
            at += 1


def weighed(entries: Entries, indptr: np.ndarray, target: np.ndarray, weight: np.ndarray, share: float) -> Entries:
    """The gradient by scores of sum_t weight_t (log sum of its query - share * its score).

    Args:
        entries: of the softmax; indptr, target: as in `softmax_entries`.
        weight: [T] float32.
    """
    count = entries.filled + np.diff(indptr)
    start = np.concatenate([[0], np.cumsum(count)])
    column, value = np.empty(start[-1], np.int32), np.empty(start[-1], np.float32)
    _weigh(*entries, indptr, target, weight, np.float32(share), start, column, value)
    return Entries(start, count, column, value)


def entries_times(entries: Entries, query: np.ndarray, key: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(entries @ key [B, D], entries^T @ query [N, D]), each row with one owner."""
    by_query, by_key = np.empty_like(query), np.empty_like(key)
    in_blocks(_by_query, len(query), *entries, key, by_query, block=QUERIES_A_BLOCK)
    turned = _transpose(*entries, len(key))
    in_blocks(_by_key, len(key), *turned, query, by_key, block=KEYS_A_BLOCK)
    return by_query, by_key
