"""In-place SGD on Bayesian personalised ranking (Rendle et al., 2009).

A block of triplets is cut into eight lanes of consecutive ones, which go side by side: a tile is a triplet of each. The
margins of a tile are computed from the same weights, then its rows move, one triplet after another, while the rows of
the next tile come nearer. So triplets of one user may stand in a row, as they read its row from the cache, and are
still not computed from the same weights: that would be a step of several times the rate. Threads write to the tables
without locks (Hogwild, Recht et al., 2011): with one thread the result is exact and repeatable, with several it differs
in the last digits from run to run.

Axes: B examples, K negatives, P = B K triplets, N nodes, D dim.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from graphtune.kernels.lanes import CELLS, WIDTH
from graphtune.kernels.margins import gap, pulls, step
from graphtune.kernels.parallel import in_shares
from graphtune.kernels.vector import prefetch

LEAST_TRIPLETS = 1024  # of a call
LEAST = 1e-6


@njit(cache=True, nogil=True)
def _triplets(begin, end, source, target, tied, user, positive, negative, rate, decay, place, sums, rates, pull):
    """Triplets begin..end; returns the loss of the first lane and how many triplets of it count."""
    count, lane = negative.shape[1], -(-(end - begin) // CELLS)
    loss, measured = 0.0, 0
    for first in range(begin, begin + lane):
        for i in range(CELLS):
            at = min(first + i * lane, end - 1)
            b = at if count == 1 else at // count
            u, v, n = user[b], positive[b], negative[b, at - b * count]
            apart = v != n and (not tied or (u != v and u != n))
            place[0, i], place[1, i], place[2, i] = u, v, n
            rates[i] = rate[b, at - b * count] if apart and first + i * lane < end else np.float32(0.0)
            gap(source, target, u, v, n, i, sums)
        pulls(sums, rates, pull)
        if rates[0] > 0:
            share = 1.0 - pull[0] / rates[0]
            loss -= math.log(LEAST if share < LEAST else share)  # NaN stays NaN
            measured += 1
        for i in range(CELLS):
            ahead = first + i * lane + 1
            if ahead < end:
                b = ahead if count == 1 else ahead // count
                if user[b] != place[0, i]:
                    prefetch(source, user[b])
                prefetch(target, positive[b])
                prefetch(target, negative[b, ahead - b * count])
            if rates[i] > 0:
                step(source, target, place[0, i], place[1, i], place[2, i], pull[i], decay * rates[i])
    return loss, measured


def train_triplets(
    source: np.ndarray,
    target: np.ndarray,
    user: np.ndarray,
    positive: np.ndarray,
    negative: np.ndarray,
    rate: np.ndarray,
    l2: float = 0.0,
    threads: int | None = None,
) -> float:
    """One pass of SGD over triplets (u, v, n); the tables change in place.

    The loss of one is -log s(x . (y - z)), x the row u of `source`, y and z the rows v and n of `target`. One whose
    rows are not three different ones, or whose rate is 0, is left out.

    Args:
        source, target: [N, D] float32, C-contiguous; the same array where both sides are one.
        user, positive: [B] int64; negative: [B, K] int64.
        rate: [B, K] float32, the step size of each triplet.
        l2: the loss of a triplet is also l2 (|x|^2 + |y|^2).
        threads: how many; all where None.

    Returns:
        The mean loss, measured on each eighth triplet.
    """
    tied = source.ctypes.data == target.ctypes.data

    def some(begin: int, end: int) -> tuple[float, int]:
        place = np.empty((3, CELLS), np.int64)
        sums, cells = np.empty((CELLS, WIDTH), np.float32), np.empty((2, CELLS), np.float32)
        given = source, target, tied, user, positive, negative, rate, np.float32(2 * l2)
        return _triplets(begin, end, *given, place, sums, cells[0], cells[1])

    losses, counts = zip(*in_shares(some, negative.size, least=LEAST_TRIPLETS, threads=threads))
    return sum(losses) / max(1, sum(counts))
