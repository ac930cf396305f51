"""Communities sampled from the posterior of a degree-corrected block model.

Axes: N nodes, M CSR entries, C chains, K communities. A chain has its own generator, so results do not depend on the
number of threads.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from graphtune.kernels.parallel import in_blocks
from graphtune.kernels.random import advance, stream, uniform

PRIOR = 50.0  # weight, in ends of edges, with which a community's density leans on that of all


@njit(cache=True, nogil=True)
def _inside(indptr, indices, weight, label, inside):
    """Ends of edges whose both ends are in each community, into `inside` [K]."""
    for r in range(len(inside)):
        inside[r] = 0.0
    for node in range(len(label)):
        for at in range(indptr[node], indptr[node + 1]):
            if label[indices[at]] == label[node]:
                inside[label[node]] += weight[at]


@njit(cache=True, nogil=True)
def _densities(inside, total, dense):
    """Rates of an edge within each community, into `dense` [K], and between communities; a pair of degree 1 each."""
    ends, squares, within = 0.0, 0.0, 0.0
    for r in range(len(total)):
        ends += total[r]
        squares += total[r] * total[r]
        within += inside[r]
    mean = max(within, 1.0) / squares
    for r in range(len(total)):
        dense[r] = (inside[r] + PRIOR) / (total[r] * total[r] + PRIOR / mean)
    return max(ends - within, 1.0) / max(ends * ends - squares, 1.0)


@njit(cache=True, nogil=True)
def _log_likelihood(inside, total, dense, sparse):
    """Poisson log-likelihood of the edges, without what no labelling changes."""
    ends, value = 0.0, 0.0
    for r in range(len(total)):
        ends += total[r]
        value += inside[r] * np.log(dense[r] / sparse) - total[r] * total[r] * (dense[r] - sparse)
    return (value + ends * np.log(sparse) - ends * ends * sparse) / 2


@njit(cache=True, nogil=True)
def _sweep(indptr, indices, weight, degree, label, total, size, dense, sparse, state, kept, odds):
    """As many draws as there are nodes, each of the label of one node given all others; `kept` [N, K] adds up the
    odds of each draw, unless it is empty."""
    n, k = len(label), len(total)
    for _ in range(n):
        state = advance(state)
        node = int(uniform(state) * n)
        old = label[node]
        if size[old] == 1:
            if len(kept):
                kept[node, old] += 1.0
            continue
        size[old] -= 1
        total[old] -= degree[node]
        for r in range(k):
            odds[r] = 0.0
        for at in range(indptr[node], indptr[node + 1]):
            odds[label[indices[at]]] += weight[at]
        best = -np.inf
        for r in range(k):
            gain = odds[r] * np.log(dense[r] / sparse) - degree[node] * total[r] * (dense[r] - sparse)
            odds[r] = gain + np.log(size[r] + 1.0)
            best = max(best, odds[r])
        whole = 0.0
        for r in range(k):
            odds[r] = np.exp(odds[r] - best)
            whole += odds[r]
        if len(kept):
            for r in range(k):
                kept[node, r] += odds[r] / whole
        state = advance(state)
        left, new = uniform(state) * whole, 0
        while new < k - 1 and left >= odds[new]:
            left -= odds[new]
            new += 1
        label[node] = new
        size[new] += 1
        total[new] += degree[node]
    return state


@njit(cache=True, nogil=True)
def _chains(begin, end, indptr, indices, weight, degree, label, sweeps, burn, seed, kept, fit):
    k = kept.shape[2]
    inside, dense, odds = np.empty(k), np.empty(k), np.empty(k)
    nothing = np.empty((0, k), np.float32)
    for chain in range(begin, end):
        total, size = np.zeros(k), np.zeros(k, np.int64)
        for node in range(len(degree)):
            total[label[chain, node]] += degree[node]
            size[label[chain, node]] += 1
        state = stream(seed, chain)
        for sweep in range(sweeps):
            _inside(indptr, indices, weight, label[chain], inside)
            sparse = _densities(inside, total, dense)
            if sweep >= burn:
                fit[chain] += _log_likelihood(inside, total, dense, sparse) / (sweeps - burn)
            into = kept[chain] if sweep >= burn else nothing
            state = _sweep(indptr, indices, weight, degree, label[chain], total, size, dense, sparse, state, into, odds)


def sample_blocks(
    indptr: np.ndarray,
    indices: np.ndarray,
    weight: np.ndarray,
    starts: np.ndarray,
    k: int,
    sweeps: int = 300,
    burn: int = 150,
    seed: int = 0,
    threads: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Gibbs samples of communities under the degree-corrected planted partition (Karrer & Newman, 2011).

    Edges between u and v are Poisson with rate d_u d_v times the density of their common community, or one density for
    all pairs apart; sizes have a uniform Dirichlet prior. Each sweep fits the densities to the labels and then draws
    as many labels as there are nodes, each given all others. With one density for all communities a label's log-odds
    are the gains of modularity at some resolution (Newman, 2016). A community's last node stays.

    Args:
        indptr, indices, weight: CSR of both directions of every edge, without loops.
        starts: [C, N] labels 0..k-1 that the chains begin with.
        k: K.
        sweeps: of a chain.
        burn: sweeps before anything is kept.
        seed: chain c draws from stream c of it.
        threads: how many; all where None.

    Returns:
        [C, N, K] float32, the share of a label in each node's draws, and [C] the mean log-likelihood of the samples.
    """
    label = starts.astype(np.int64)
    degree = np.add.reduceat(np.append(weight, 0.0), indptr[:-1]) * (np.diff(indptr) > 0)
    kept, fit = np.zeros((*label.shape, k), np.float32), np.zeros(len(label))
    csr = indptr.astype(np.int64), indices.astype(np.int64), weight.astype(np.float64)
    arguments = *csr, degree.astype(np.float64), label, sweeps, burn, np.uint64(seed), kept, fit
    in_blocks(_chains, len(label), *arguments, block=1, threads=threads)
    return kept / np.maximum(kept.sum(axis=2, keepdims=True), 1e-9), fit
