"""Communities of a graph: by its edges, by its embeddings and by both, against known classes where there are any.

Axes: N nodes, D dim, K communities.
"""

from __future__ import annotations

import warnings

import numpy as np
import scipy.sparse as sp

from graphtune.check import bad
from graphtune.evaluate.result import Evaluation, Pooled
from graphtune.graph import Graph
from graphtune.kernels.blocks import sample_blocks
from graphtune.metrics import ari, modularity, nmi
from graphtune.models.base import Model

STEPS = 16  # lazy steps over which the combination smooths embeddings
CHAINS = 4
CLOSURE = 1.4  # how far observed triangles may exceed those of a block model that is to explain the graph
WEDGES = 20_000
LARGEST = 1 << 26  # N * K up to which labels are sampled: four chains hold 1 GiB


def kmeans(model: Model, k: int, seed: int = 0) -> np.ndarray:
    """[N] communities 0..k-1: KMeans (10 starts) on the embeddings, each scaled to length 1."""
    return _kmeans(_embeddings(model), k, seed, starts=10)[0]


def leiden(graph: Graph, seed: int = 0) -> np.ndarray:
    """[N] communities of the Leiden algorithm (Traag et al., 2019) at best modularity, directions ignored."""
    import igraph
    import leidenalg

    network = igraph.Graph(graph.num_nodes, graph.edges.T.tolist())
    weights = None if graph.weight is None else graph.weight.tolist()
    found = leidenalg.find_partition(
        network, leidenalg.ModularityVertexPartition, weights=weights, seed=seed, n_iterations=-1
    )
    return np.array(found.membership, dtype=np.int64)


def combined(model: Model, graph: Graph, k: int, seed: int = 0) -> np.ndarray:
    """[N] communities 0..k-1 from embeddings and edges together, directions ignored.

    Embeddings are averaged along lazy walks over the edges and put into `k` clusters. From there the labels are
    sampled from the posterior of a degree-corrected block model, and each node takes its most frequent one
    (`sample_blocks`). A block model knows no triangles but those that dense communities have by chance. Where the
    graph closes clearly more of its wedges than the fitted model would (`closure`), edges repeat what others said and
    the posterior is too sure of itself; then the clusters of the averaged embeddings are the answer, as they are
    where nodes times communities exceed 67 million.

    Args:
        model: of the embeddings.
        graph: of the edges, on the same nodes.
        k: communities; each gets a node.
        seed: of KMeans, the chains and the wedges.
    """
    matrix = _symmetric(graph)
    z = smooth(matrix, _embeddings(model), STEPS)
    starts = [_kmeans(z, k, seed + i, starts=3) for i in range(CHAINS)]
    clusters = min(starts, key=lambda start: start[1])[0]
    if k == 1 or matrix.nnz == 0 or graph.num_nodes * k > LARGEST:
        return clusters
    sampled = _sampled(matrix, np.stack([start[0] for start in starts]), k, seed)
    seen, expected = closure(matrix, sampled, seed)
    return clusters if seen > CLOSURE * expected else sampled


def smooth(matrix: sp.csr_array, z: np.ndarray, steps: int) -> np.ndarray:
    """[N, D] `z`, scaled to length 1, after `steps` times taking the mean of a node and of its neighbours' mean."""
    degree = matrix.sum(axis=1)
    walk = sp.csr_array(sp.diags_array(1 / np.where(degree > 0, degree, 1.0)) @ matrix, dtype=z.dtype)
    z = z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-12)
    for _ in range(steps):
        z = (z + walk @ z) / 2
    return z


def closure(matrix: sp.csr_array, membership: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """The share of wedges u - v - w whose ends are joined, and what a degree-corrected block model expects of them.

    Args:
        matrix: [N, N] weights of both directions of every edge, without loops, indices ascending.
        membership: [N] communities, of which the model has a density each for pairs within and one for pairs apart.
        seed: of the wedges that are looked at.
    """
    neighbours = np.diff(matrix.indptr)
    wedges = neighbours * (neighbours - 1.0)
    if wedges.sum() == 0:
        return 0.0, 0.0
    rng = np.random.default_rng(seed)
    middle = rng.choice(len(wedges), WEDGES, p=wedges / wedges.sum())
    first = rng.integers(0, neighbours[middle])
    second = rng.integers(0, neighbours[middle] - 1)
    second += second >= first
    u, w = (matrix.indices[matrix.indptr[middle] + place] for place in (first, second))
    source, target = np.repeat(np.arange(len(wedges)), neighbours), matrix.indices
    within = membership[source] == membership[target]
    total = np.bincount(membership, neighbours)
    apart = (~within).sum() / max(neighbours.sum() ** 2 - (total**2).sum(), 1.0)
    inside = np.bincount(membership[source[within]], minlength=len(total)) / np.maximum(total**2, 1.0)
    rate = np.where(membership[u] == membership[w], inside[membership[u]], apart)
    expected = np.minimum(1.0, neighbours[u] * neighbours[w] * rate)
    return float((matrix[u, w] > 0).mean()), float(expected.mean())


def effective_mixing(graph: Graph, membership: np.ndarray) -> float:
    """The share of a node's edges that leave its community, averaged over nodes with edges; loops do not count.

    The mixing parameter mu of Lancichinetti, Fortunato and Radicchi (2008) as a graph has it, which generators miss.

    Raises:
        ArgumentError: not a community per node, or no edges.
    """
    membership = np.asarray(membership)
    u, v = graph.edges[:, graph.edges[0] != graph.edges[1]]
    if membership.shape != (graph.num_nodes,):
        raise bad("membership", "effective_mixing", f"a community for each of {graph.num_nodes} nodes", membership)
    if len(u) == 0:
        raise bad("graph", "effective_mixing", "a graph with edges", "none")
    ends = np.concatenate([u, v])
    degree = np.bincount(ends, minlength=graph.num_nodes)
    leave = np.bincount(ends, np.tile(membership[u] != membership[v], 2), minlength=graph.num_nodes)
    return float((leave[degree > 0] / degree[degree > 0]).mean())


def evaluate_communities(model: Model, graph: Graph, k: int | None = None, seed: int = 0) -> Evaluation:
    """NMI and ARI against the node classes (where known), and modularity, of KMeans, Leiden and the combination.

    Args:
        model: whose embeddings KMeans and the combination use.
        graph: whose edges Leiden, the combination and the modularity use.
        k: communities for KMeans and the combination; the number of classes where None, else as many as Leiden finds.
        seed: of all three.
    """
    by_leiden = leiden(graph, seed)
    labels = graph.labels if graph.labels is not None and graph.labels.ndim == 1 else None
    if k is None:
        k = int(by_leiden.max()) + 1 if labels is None else len(np.unique(labels[labels >= 0]))
    pooled: dict[str, Pooled] = {}
    values: dict[str, np.ndarray] = {}
    all_found = {
        "kmeans": kmeans(model, k, seed),
        "leiden": by_leiden,
        "combined": combined(model, graph, k, seed),
    }
    for name, found in all_found.items():
        if labels is not None:
            arrays = (labels[labels >= 0], found[labels >= 0])
            pooled[f"nmi_{name}"], pooled[f"ari_{name}"] = Pooled(nmi, arrays), Pooled(ari, arrays)
        values[f"modularity_{name}"] = np.array([modularity(graph.edges, found, graph.weight)])
    counts = {"communities of KMeans and combined": k, "communities of Leiden": int(by_leiden.max()) + 1}
    return Evaluation("community detection", "train", values, pooled, counts)


def _embeddings(model: Model) -> np.ndarray:
    return model.embeddings().float().cpu().numpy()


def _kmeans(z: np.ndarray, k: int, seed: int, starts: int) -> tuple[np.ndarray, float]:
    """[N] communities of rows scaled to length 1, each with a node, and the sum of squares of distances to centres."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    z = z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-12)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # of fewer points than clusters, which is dealt with here
        fitted = KMeans(k, n_init=starts, random_state=seed).fit(z)
    found = fitted.labels_.astype(np.int64)
    if len(np.unique(found)) < k:
        found = _nobody_empty(np.eye(k)[found])
    return found, float(fitted.inertia_)


def _symmetric(graph: Graph) -> sp.csr_array:
    """[N, N] weights of both directions of every edge, of mean 1, parallel edges added up, without loops."""
    u, v = graph.edges
    other = u != v
    weight = np.ones(other.sum()) if graph.weight is None else graph.weight[other].astype(np.float64)
    weight = weight / weight.mean() if len(weight) else weight
    half = sp.csr_array((weight, (u[other], v[other])), shape=(graph.num_nodes, graph.num_nodes))
    matrix = sp.csr_array(half + half.T)
    matrix.sort_indices()
    return matrix


def _sampled(matrix: sp.csr_array, starts: np.ndarray, k: int, seed: int) -> np.ndarray:
    """[N] the most frequent label of each node in the likelier half of the chains."""
    shares, fit = sample_blocks(matrix.indptr, matrix.indices, matrix.data, starts, k, seed=seed)
    best = np.argsort(-fit, kind="stable")[: (len(starts) + 1) // 2]
    mean = sum(_named_as(shares[best[0]], shares[chain]) for chain in best)
    return _nobody_empty(np.asarray(mean))


def _named_as(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """`second` [N, K] with the columns in the order that agrees best with `first`."""
    from scipy.optimize import linear_sum_assignment

    return second[:, linear_sum_assignment(-(first.T @ second))[1]]


def _nobody_empty(shares: np.ndarray) -> np.ndarray:
    """[N] the largest column of each row; a column that is no row's largest gets the row where it is largest."""
    found = shares.argmax(axis=1)
    for r in range(shares.shape[1]):
        if not (found == r).any():
            spare = np.bincount(found, minlength=shares.shape[1])[found] > 1
            found[np.where(spare, shares[:, r], -1.0).argmax()] = r
    return found
