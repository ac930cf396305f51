"""One softmax a query over all keys in one pass: scores, loss and a gradient rounded by chance to few entries.

The gradient of the loss of a query with n targets is n p - (1 at each target), p its softmax. Entries n p below some
tau, here `rounding`, become tau with the chance n p / tau, else nothing; others stay exact: unbiased, at most
n / tau + 16 of them (`kernels.choice`), and products with them cost those alone.

Axes: B queries, N keys, T targets of all queries, D dim, M entries kept.
"""

import math
import sys
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from graphtune.kernels.bytes import IN_ONE, byte_keys, byte_rows, byte_scores
from graphtune.kernels.choice import AT_ONCE, WALKS, choose
from graphtune.kernels.largest import largest
from graphtune.kernels.parallel import in_blocks, thread_count
from graphtune.kernels.short import ROWS, short_keys, short_rows, short_scores
from graphtune.kernels.softmax import exp

ROWS_AT_ONCE = 2 * ROWS  # their scores stay in the cache until they are read
LARGE, ROWS_OF_LARGE = 12 << 20, 16 * ROWS  # keys of more bytes come from memory, so each time for more rows
MANY = 4096 if IN_ONE else sys.maxsize
"""Keys from which scores are products in 8 bits (`kernels.bytes`); of fewer, which cost little, in 16."""
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
def _exponents(row, top):
    """The row becomes exp(row - top), `top` its maximum; their sum."""
    total = np.float32(0.0)
    for j in range(len(row)):
        row[j] = exp(row[j] - top)
        total += row[j]
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def _forward(begin, end, packed, n, indptr, target, phase, rounding, right, log_sum, entries):
    bits, query, scale, panels, key_scale, first_sum = packed
    start, count, column, value = entries
    rows = ROWS_OF_LARGE if panels.size * 4 > LARGE else ROWS_AT_ONCE
    scores = np.empty((rows, -(-len(key_scale) // AT_ONCE) * AT_ONCE), np.float32)
    for first in range(begin, end, rows):
        last = min(end, first + rows)
        if bits == 8:
            byte_scores(query, scale, first, last, panels, key_scale, first_sum, scores)
        else:
            short_scores(query, scale, first, last, panels, key_scale, scores)
        for b in range(first, last):
            row = scores[b - first]
            for t in range(indptr[b], indptr[b + 1]):
                right[t] = row[target[t]]
            top = largest(row[:n])
            total = _exponents(row[:n], top)
            row[n:] = 0.0
            log_sum[b] = top + np.float32(math.log(total))
            share = np.float32(1.0) / total
            limit = total * rounding / np.float32(max(1, indptr[b + 1] - indptr[b]))
            room = slice(start[b], start[b + 1])
            count[b] = choose(row, limit, phase[b], share, column[room], value[room])


def softmax_entries(
    query: np.ndarray, key: np.ndarray, indptr: np.ndarray, target: np.ndarray, phase: np.ndarray, rounding: float
) -> tuple[np.ndarray, np.ndarray, Entries]:
    """Scores of targets, logarithms of the sums of exponents, and the softmax rounded by chance.

    Scores are products in 16 bits, or in 8 with `MANY` keys.

    Args:
        query: [B, D] float32; key: [N, D] float32.
        indptr: [B + 1] int64, the targets of query b are target[indptr[b]:indptr[b + 1]]; target: [T] int64 keys.
        phase: [B] float32 in [0, 1), the one number of chance of each query.
        rounding: above 0; entries of the softmax below rounding / (targets of the query) are rounded.

    Returns:
        [T] float32 scores, [B] float32 logarithms, and the entries.
    """
    size, n = len(query), len(key)
    room = np.minimum(n, np.ceil(np.diff(indptr) / rounding) + WALKS).astype(np.int64)
    start = np.concatenate([[0], np.cumsum(room)])
    entries = Entries(start, np.zeros(size, np.int64), np.empty(start[-1], np.int32), np.empty(start[-1], np.float32))
    right, log_sum = np.empty(len(target), np.float32), np.empty(size, np.float32)
    arguments = _packed(query, key), n, indptr, target, phase, np.float32(rounding), right, log_sum
    block = -(-size // (ROWS_AT_ONCE * thread_count())) * ROWS_AT_ONCE
    in_blocks(_forward, size, *arguments, tuple(entries), block=max(1, block))
    return right, log_sum, entries


def _packed(query: np.ndarray, key: np.ndarray) -> tuple[Any, ...]:
    """The bits of whole numbers, then queries and keys in such, as `_forward` takes them."""
    if len(key) >= MANY:
        return 8, *byte_rows(query), *byte_keys(key)
    return 16, *short_rows(query), *short_keys(key), np.empty(0, np.int32)


@njit(cache=True, nogil=True, fastmath=True)
def _add_four(out, table, rows, factors, i):
    """out += factors[i] * table[rows[i]] and so on for the next three; places without a sign need no test."""
    a, b, c, e = np.uint64(rows[i]), np.uint64(rows[i + 1]), np.uint64(rows[i + 2]), np.uint64(rows[i + 3])
    w, x, y, z = factors[i], factors[i + 1], factors[i + 2], factors[i + 3]
    for d in range(len(out)):
        out[d] += (w * table[a, d] + x * table[b, d]) + (y * table[c, d] + z * table[e, d])


@njit(cache=True, nogil=True, fastmath=True)
def _add_rows(out, table, rows, factors):
    """out += sum_i factors[i] * table[rows[i]], eight rows a pass: as many come from far memory at once."""
    eights, fours = len(rows) // 8 * 8, len(rows) // 4 * 4
    for i in range(0, eights, 8):
        a, b, c, e = np.uint64(rows[i]), np.uint64(rows[i + 1]), np.uint64(rows[i + 2]), np.uint64(rows[i + 3])
        f, g, h, k = np.uint64(rows[i + 4]), np.uint64(rows[i + 5]), np.uint64(rows[i + 6]), np.uint64(rows[i + 7])
        s, t, u, v = factors[i], factors[i + 1], factors[i + 2], factors[i + 3]
        w, x, y, z = factors[i + 4], factors[i + 5], factors[i + 6], factors[i + 7]
        for d in range(len(out)):
            first = (s * table[a, d] + t * table[b, d]) + (u * table[c, d] + v * table[e, d])
            out[d] += first + ((w * table[f, d] + x * table[g, d]) + (y * table[h, d] + z * table[k, d]))
    for i in range(eights, fours, 4):
        _add_four(out, table, rows, factors, i)
    for i in range(fours, len(rows)):
        row, factor = np.uint64(rows[i]), factors[i]
        for d in range(len(out)):
            out[d] += factor * table[row, d]


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
