"""Rows of new nodes by regularised least squares against the rows of those that they are joined to.

Axes: n new nodes, M entries of their lists, K keys, D dim.
"""

from __future__ import annotations

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from graphtune.adapt.hints import Hints
from graphtune.models.scorer import Frozen

UNOBSERVED = 0.01
RIDGE = 1000.0
AT_ONCE = 1024  # nodes whose systems of equations are held together


def solve_rows(
    keys: np.ndarray,
    indptr: np.ndarray,
    indices: np.ndarray,
    weight: np.ndarray | None = None,
    unobserved: float = UNOBSERVED,
    ridge: float = RIDGE,
) -> np.ndarray:
    """[n, D] float64 x that minimise for each node the sum over its own keys y of w (1 - x y)^2, and over all keys of
    unobserved (x y)^2, and ridge * s |x|^2, with s the mean square of a number of the keys.

    x = (unobserved Y'Y + Y_u' W Y_u + ridge s I)^-1 Y_u' w: half a step of alternating least squares for implicit
    feedback (Hu et al., 2008), whose confidence of 1 + alpha beside 1 is w = alpha * unobserved. The larger the ridge,
    the nearer x is to a multiple of the sum of the keys. The same bits on any number of processors.

    Args:
        keys: [K, D] rows of the nodes of the other kind.
        indptr: [n + 1] where the list of each node begins.
        indices: [M] the keys that each node is joined to.
        weight: [M] w of each; 1 where None.
        unobserved: how much a pair without an edge counts.
        ridge: how much rows are held to 0.
    """
    keys = keys.astype(np.float64)
    dim = keys.shape[1]
    scale = max(float(np.mean(np.square(keys))) if keys.size else 0.0, np.finfo(np.float64).tiny)
    found = np.zeros((len(indptr) - 1, dim))
    with threadpool_limits(1):
        shared = unobserved * (keys.T @ keys) + ridge * scale * np.eye(dim)
        for begin in range(0, len(found), AT_ONCE):
            some = range(begin, min(begin + AT_ONCE, len(found)))
            left, right = np.tile(shared, (len(some), 1, 1)), np.zeros((len(some), dim))
            for place, node in enumerate(some):
                own = slice(indptr[node], indptr[node + 1])
                rows = keys[indices[own]]
                weighed = rows if weight is None else rows * weight[own, None]
                left[place] += rows.T @ weighed
                right[place] = weighed.sum(axis=0)
            found[begin : begin + len(some)] = np.linalg.solve(left, right[:, :, None])[:, :, 0]
    return found


def solved_hints(frozen: Frozen, hints: Hints, kinds: np.ndarray, known: np.ndarray) -> np.ndarray:
    """[N, D] float64 the solved rows of the owners of hints, 0 where there are none.

    Args:
        frozen: rows of all nodes.
        hints: what is told; weights are those of `solve_rows`.
        kinds: [N] of each node; the keys are those of the kinds of the other ends.
        known: nodes that an owner is also held against where it has no edge to them.
    """
    found = np.zeros((len(kinds), frozen.key.shape[1]))
    for kind in np.unique(kinds[hints.owner]):
        some = hints.take(np.flatnonzero(kinds[hints.owner] == kind))
        some = some.take(np.argsort(some.owner, kind="stable"))
        nodes = np.union1d(known[np.isin(kinds[known], kinds[some.other])], some.other)
        owners, count = np.unique(some.owner, return_counts=True)
        keys = frozen.key[torch.from_numpy(nodes).to(frozen.key.device)].float().cpu().numpy()
        indptr = np.concatenate([[0], np.cumsum(count)])
        found[owners] = solve_rows(keys, indptr, np.searchsorted(nodes, some.other), some.weight.astype(np.float64))
    return found
