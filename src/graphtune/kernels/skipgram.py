"""In-place SGD on skip-gram with negative sampling and on LINE's edge objective.

Axes: W walks, L positions, K negatives, B edges, D dim, N nodes.
Threads write to the tables without locks (Hogwild, Recht et al., 2011): with one thread the result is exact and
repeatable, with several it differs in the last digits from run to run.
"""

import math

import numpy as np
from numba import njit, prange


@njit(cache=True, fastmath=True, inline="always")
def _sigmoid(x):
    return np.float32(1.0) / (np.float32(1.0) + np.float32(math.exp(-x)))


@njit(cache=True, fastmath=True, inline="always")
def _pull(source, x, target, y, label, lr, gradient):
    """One logistic step between rows x and y: moves target[y], adds source[x]'s part to `gradient`.

    Rows are indexed in place: a view of a row would count references, which two threads fight over.
    """
    score = np.float32(0.0)
    for d in range(gradient.shape[0]):
        score += source[x, d] * target[y, d]
    g = (label - _sigmoid(score)) * lr
    for d in range(gradient.shape[0]):
        old = target[y, d]
        target[y, d] = old + g * source[x, d]
        gradient[d] += g * old
    return score


@njit(cache=True, fastmath=True, inline="always")
def _add(source, x, gradient):
    """Move source[x] by what `_pull` has gathered, and start anew."""
    for d in range(gradient.shape[0]):
        source[x, d] += gradient[d]
        gradient[d] = np.float32(0.0)


@njit(cache=True, fastmath=True)
def _train_walk(source, target, walks, reach, negative, w, lr, gradient):
    """All pairs of walk w; returns the loss over one pair a centre, and how many those were."""
    length = walks.shape[1]
    loss, counted = 0.0, 0
    for at in range(length):
        centre = walks[w, at]
        if centre < 0:
            continue
        first = True
        for other in range(max(0, at - reach[w, at]), min(length, at + reach[w, at] + 1)):
            x = walks[w, other]
            if other == at or x < 0:
                continue
            score = _pull(source, x, target, centre, np.float32(1.0), lr, gradient)
            if first:
                loss += _softplus(-score)
            for k in range(negative.shape[2]):
                y = negative[w, at, k]
                if y == centre:
                    continue
                score = _pull(source, x, target, y, np.float32(0.0), lr, gradient)
                if first:
                    loss += _softplus(score)
            _add(source, x, gradient)
            counted += first
            first = False
    return loss, counted


@njit(cache=True)
def _softplus(x):
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


@njit(cache=True, parallel=True)
def _train_walks(source, target, walks, reach, negative, lr):
    num_walks = walks.shape[0]
    loss = np.zeros(num_walks)
    counted = np.zeros(num_walks, np.int64)
    for w in prange(num_walks):
        gradient = np.zeros(source.shape[1], np.float32)
        loss[w], counted[w] = _train_walk(source, target, walks, reach, negative, w, lr, gradient)
    return loss.sum() / max(1, counted.sum())


@njit(cache=True, fastmath=True)
def _train_block(source, target, head, tail, negative, begin, end, lr, gradient):
    """Edges begin..end; returns the sum of their losses."""
    loss = 0.0
    for e in range(begin, end):
        loss += _softplus(-_pull(source, head[e], target, tail[e], np.float32(1.0), lr, gradient))
        for k in range(negative.shape[1]):
            if negative[e, k] != tail[e]:
                loss += _softplus(_pull(source, head[e], target, negative[e, k], np.float32(0.0), lr, gradient))
        _add(source, head[e], gradient)
    return loss


@njit(cache=True, parallel=True)
def _train_edges(source, target, head, tail, negative, lr, blocks):
    loss = np.zeros(blocks)
    size = (len(head) + blocks - 1) // blocks
    for block in prange(blocks):
        gradient = np.zeros(source.shape[1], np.float32)
        begin, end = block * size, min(len(head), (block + 1) * size)
        loss[block] = _train_block(source, target, head, tail, negative, begin, end, lr, gradient)
    return loss.sum() / max(1, len(head))


def train_walks(
    source: np.ndarray,
    target: np.ndarray,
    walks: np.ndarray,
    reach: np.ndarray,
    negative: np.ndarray,
    lr: float,
) -> float:
    """One pass of SGD over the windows of `walks`; the tables change in place.

    For a centre c, each node x within its reach and the centre's negatives n, as word2vec orders them: the loss is
    -log s(x.c) - sum_n log s(-x.n) with x from `source`, c and n from `target`; a negative equal to c is skipped.

    Args:
        source, target: [N, D] float32, C-contiguous.
        walks, reach: [W, L] int32; negative: [W, L, K] int32, as `kernels.walks.windows` makes them.
        lr: the step size.

    Returns:
        The mean loss, measured on the first pair of each centre.
    """
    return float(_train_walks(source, target, walks, reach, negative, np.float32(lr)))


def train_edges(
    source: np.ndarray,
    target: np.ndarray,
    head: np.ndarray,
    tail: np.ndarray,
    negative: np.ndarray,
    lr: float,
) -> float:
    """One pass of SGD over sampled edges (LINE, Tang et al., 2015, equation 7); the tables change in place.

    Args:
        source, target: [N, D] float32; the same array for first-order proximity.
        head, tail: [B] int64; negative: [B, K] int64. A negative equal to the tail is skipped.
        lr: the step size.

    Returns:
        The mean loss per edge.
    """
    return float(_train_edges(source, target, head, tail, negative, np.float32(lr), 256))
