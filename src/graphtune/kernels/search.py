"""Queries against panels of keys, each query keeping what may be among its best; see `kernels.best`.

Axes: n queries, G groups of 6, P panels of W keys, k places.
"""

import numpy as np
from numba import njit

from graphtune.kernels.products import QUERIES
from graphtune.kernels.ranking import sift_down, sort_heap, worse
from graphtune.kernels.screen import fused, lowest_bit, screen

PANELS_A_PASS = 64  # that stay in the cache while all groups of a block meet them


@njit(cache=True, nogil=True)
def search(begin, end, rows, scale, margin, reach, floor, panels, key_scale, longest, order,
            query, key, indptr, masked, columns, best, by_all, width):  # fmt: skip
    """The best keys of groups begin..end-1, of queries whose floor is not infinite; their `by_all` becomes False.

    A few panels at a time meet all groups; longest keys come first. With W keys a panel and room for n queries:

    rows: of the queries, as `screen` takes them.
    scale, margin, reach, floor: [6 G] of the queries; `longest * reach` bounds their scores.
    panels, key_scale, order: of the keys as they stand in panels, and which key each is.
    longest: [P] bounds the scale of the keys from each panel on.
    query, key: the numbers themselves.
    indptr, masked: keys that a query is not to have, ascending.
    columns, best: [n, k] what is found, filled with -1 and -inf before.
    """
    first, k = begin * QUERIES, columns.shape[1]
    n = min(end * QUERIES, len(query)) - first
    heaps = np.full((n, k), np.float32(-np.inf))  # the best lower bounds of a query, the worst on top
    kept, upper = np.empty((n, 4 * k + 256), np.int64), np.empty((n, 4 * k + 256), np.float32)
    count = np.zeros(n, np.int64)
    bound, reaches = np.empty((QUERIES, width), np.float32), np.empty(QUERIES, np.uint32)
    over = np.zeros(end - begin, np.bool_)
    for start in range(0, len(panels), PANELS_A_PASS):
        stop = min(start + PANELS_A_PASS, len(panels))
        for group in range(begin, end):
            over[group - begin] = over[group - begin] or not _may_reach(group, longest[start], reach, floor)
            if over[group - begin]:
                continue
            for panel in range(start, stop):
                if screen(rows, group, panels, panel, scale, margin, key_scale, floor, bound, reaches):
                    for i in range(QUERIES):
                        q, word = group * QUERIES + i, reaches[i]
                        while word:
                            j = lowest_bit(word)
                            word &= word - np.uint32(1)
                            at = panel * width + j
                            if at < len(order) and not _holds(masked, indptr[q], indptr[q + 1], order[at]):
                                between = np.float32(2.0) * margin[q] * key_scale[at]
                                _keep(q, q - first, order[at], bound[i, j], between, heaps, kept, upper, count, floor)
    for own in range(n):
        q = first + own
        if floor[q] < np.inf:
            left = _still(kept, upper, own, count[own], floor[q])
            _scores(query[q], key, kept[own], left, upper[own])
            _take_best(kept[own], upper[own], left, columns[q], best[q])
            by_all[q] = False


@njit(cache=True, nogil=True)
def _keep(q, own, column, bound, between, heaps, kept, upper, count, floor):
    """Keep a key for query q, the `own`-th here, whose score is from `bound - between` to `bound`.

    Too many keys that are too near to one another set the floor out of reach.
    """
    room = kept.shape[1]
    if count[own] == room:
        count[own] = _still(kept, upper, own, room, floor[q])
        if count[own] > room // 2:
            floor[q] = np.float32(np.inf)
    if bound < floor[q]:
        return
    kept[own, count[own]], upper[own, count[own]] = column, bound
    count[own] += 1
    if bound - between > heaps[own, 0]:
        _push(heaps, own, bound - between)
        floor[q] = heaps[own, 0]


@njit(cache=True, nogil=True)
def _may_reach(group, longest, reach, floor):
    """Whether a query of the group may still find a key, none of which is longer."""
    found = False
    for q in range(group * QUERIES, (group + 1) * QUERIES):
        found = found or longest * reach[q] >= floor[q]
    return found


@njit(cache=True, nogil=True)
def _holds(ascending, low, high, value):
    """Whether `value` stands at a place from `low` to `high` - 1."""
    end = high
    while low < high:
        middle = (low + high) // 2
        if ascending[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low < end and ascending[low] == value


@njit(cache=True, nogil=True)
def _still(kept, upper, own, count, floor):
    """Keep what still reaches the floor; return how many do."""
    left = 0
    for i in range(count):
        if upper[own, i] >= floor:
            kept[own, left], upper[own, left] = kept[own, i], upper[own, i]
            left += 1
    return left


@njit(cache=True, nogil=True)
def _push(heaps, own, value):
    """Replace the least value of a heap that has it on top."""
    at, size = 0, heaps.shape[1]
    while 2 * at + 1 < size:
        child = 2 * at + 1
        if child + 1 < size and heaps[own, child + 1] < heaps[own, child]:
            child += 1
        if heaps[own, child] >= value:
            break
        heaps[own, at] = heaps[own, child]
        at = child
    heaps[own, at] = value


@njit(cache=True, nogil=True)
def _scores(query, key, columns, count, out):
    """Scores in float32, each summed in the order of `products`; four at a time, as a sum waits for itself."""
    for begin in range(0, count, 4):
        last = count - 1
        a, b = columns[begin], columns[min(begin + 1, last)]
        c, d = columns[min(begin + 2, last)], columns[min(begin + 3, last)]
        p = q = r = s = np.float32(0.0)
        for i in range(len(query)):
            x = query[i]
            p, q = fused(x, key[a, i], p), fused(x, key[b, i], q)
            r, s = fused(x, key[c, i], r), fused(x, key[d, i], s)
        for i, score in enumerate((p, q, r, s)):
            if begin + i < count:
                out[begin + i] = score


@njit(cache=True, nogil=True)
def _take_best(kept, scores, count, columns, best):
    for i in range(count):
        if worse(columns[0], best[0], kept[i], scores[i]):
            columns[0], best[0] = kept[i], scores[i]
            sift_down(columns, best, len(best))
    sort_heap(columns, best)
