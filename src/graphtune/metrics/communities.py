"""Communities against known classes, and by modularity.

Axes: Q queries, k places in a ranked list, P positives, M negatives, n nodes, C classes, E edges.
"""

from __future__ import annotations

import numpy as np

from graphtune.check import bad
from graphtune.metrics.checks import vector


def nmi(labels: np.ndarray, membership: np.ndarray) -> float:
    """Mutual information of two partitions [n] over the mean of their entropies; 1 when they are the same."""
    from sklearn.metrics import normalized_mutual_info_score

    return float(normalized_mutual_info_score(*_two_partitions("nmi", labels, membership)))


def ari(labels: np.ndarray, membership: np.ndarray) -> float:
    """Rand index of two partitions [n] adjusted for chance: 1 when they are the same, 0 for random ones."""
    from sklearn.metrics import adjusted_rand_score

    return float(adjusted_rand_score(*_two_partitions("ari", labels, membership)))


def modularity(
    edges: np.ndarray, membership: np.ndarray, weight: np.ndarray | None = None, directed: bool = False
) -> float:
    """Share of edge weight inside communities less that expected of random edges with the same degrees.

    Undirected: sum over communities of inside / m - (degree / 2m)^2 (Newman and Girvan 2004). Directed:
    inside / m - out-degree * in-degree / m^2 (Leicht and Newman 2008).

    Args:
        edges: [2, E], each undirected edge once.
        membership: [N] the community of each node, any integers.
        weight: [E] positive; 1 by default.
        directed: whether u -> v differs from v -> u.

    Raises:
        ArgumentError: no edges, or shapes that do not fit.
    """
    membership, edges = np.asarray(membership), np.asarray(edges)
    if edges.ndim != 2 or len(edges) != 2 or edges.shape[1] == 0:
        raise bad("edges", "modularity", "[2, E] with at least one edge", f"shape {edges.shape}")
    if membership.ndim != 1 or edges.min() < 0 or edges.max() >= len(membership):
        got = f"shape {membership.shape} for nodes up to {edges.max()}"
        raise bad("membership", "modularity", "one community per node", got)
    weight = np.ones(edges.shape[1]) if weight is None else vector("weight", "modularity", weight)
    if len(weight) != edges.shape[1] or (weight <= 0).any():
        raise bad("weight", "modularity", f"{edges.shape[1]} positive numbers, one per edge", len(weight))
    community = np.unique(membership, return_inverse=True)[1]
    source, target = community[edges]
    out_degree, in_degree = (np.bincount(end, weight, minlength=community.max() + 1) for end in (source, target))
    half = (out_degree + in_degree) / 2
    expected = out_degree @ in_degree if directed else half @ half
    total = weight.sum()
    return float(weight[source == target].sum() / total - expected / total**2)


def _two_partitions(who: str, labels: np.ndarray, membership: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    labels, membership = np.asarray(labels), np.asarray(membership)
    if labels.ndim != 1 or labels.shape != membership.shape or len(labels) == 0:
        got = f"shapes {labels.shape} and {membership.shape}"
        raise bad("membership", who, "[n], as long as `labels` [n], and not empty", got)
    return labels, membership
