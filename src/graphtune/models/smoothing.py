"""Spectral propagation (ProNE: Zhang et al., 2019, section 3.2): embeddings smoothed over a graph.

Axes: N nodes, D dim.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import torch
from scipy.special import iv
from threadpoolctl import threadpool_limits
from torch import Tensor

from graphtune.graph import Graph
from graphtune.models.factorise import orthonormal, sparse_operator

# Chosen on validation labels (BlogCatalog, Cora, CiteSeer, LastFM Asia) and hidden edges (ego-Facebook, AstroPh).
SHARE = 0.75  # power of a factor's weight; the paper's 0.5 loses up to 5 points of F1 where labels are few
LENGTH = 2.0  # of smoothed rows; suits the penalty of a linear probe better than the paper's 1


def smooth_sides(
    graph: Graph, source: Tensor, target: Tensor, terms: int, mu: float, theta: float
) -> tuple[Tensor, Tensor]:
    """Both sides smoothed, their factors' weights evened out (U S^0.75 of U S V^T), rows brought to one length.

    In an undirected graph the smoothed source side stands for both: nodes are compared by their cosine. A directed
    graph is smoothed as its double cover, with each node once as a source and once as a target and an edge from the one
    to the other: so sources come near their targets, and not the other way round.
    """
    adjacency = graph.sparse("out")
    if not graph.directed:
        one = of_length(flattened(smoothed(adjacency, source, terms, mu, theta)), LENGTH)
        return one, one
    cover = sp.csr_array(sp.block_array([[None, adjacency], [adjacency.T, None]]))
    both = smoothed(cover, torch.cat([source, target]), terms, mu, theta)
    sides = of_length(flattened(both), LENGTH).split(graph.num_nodes)
    return sides[0], sides[1]


def smoothed(adjacency: sp.csr_array, x: Tensor, terms: int = 10, mu: float = 0.2, theta: float = 0.5) -> Tensor:
    """[N, D] A' (x - exp(-theta ((L - mu)^2 / 2 - 1)) x), the exponential by `terms` Chebyshev polynomials.

    A' is the adjacency matrix with self-loops and L = I - D'^-1 A' its Laplacian: a band-pass filter, as the paper's
    authors compute it. Nodes without edges come to 0.

    Args:
        adjacency: [N, N], symmetric.
        x: [N, D].
        terms: 2 or more.
        mu: the eigenvalue of L that the filter is centred on.
        theta: how narrow it is.
    """
    unit = sp.eye_array(len(x), dtype=np.float32)
    looped = sp.csr_array(adjacency + unit)
    degree = np.asarray(looped.sum(axis=1, dtype=np.float64)).ravel()
    multiply = sparse_operator(sp.csr_array((1 - mu) * unit - sp.diags_array(1 / degree) @ looped))
    before, now = x, multiply(multiply(x)) / 2 - x
    smooth = float(iv(0, theta)) * before - 2 * float(iv(1, theta)) * now
    for k in range(2, terms):
        before, now = now, multiply(multiply(now)) - 2 * now - before
        smooth += 2 * float(iv(k, theta)) * (-1) ** k * now
    spread = sparse_operator(looped)(x - smooth)
    spread[torch.from_numpy(np.diff(adjacency.indptr) == 0)] = 0.0
    return spread


def flattened(x: Tensor, power: float = SHARE) -> Tensor:
    """[N, D] U S^power of x = U S V^T."""
    left = orthonormal(x)
    with threadpool_limits(1):
        u, values, _ = np.linalg.svd((left.T @ x).double().numpy(), full_matrices=False)
    return left @ torch.from_numpy((u * values**power).astype(np.float32))


def of_length(x: Tensor, length: float) -> Tensor:
    """Rows of one length; rows of zeros stay."""
    return x * (length / x.norm(dim=1, keepdim=True).clamp_min(1e-12))
