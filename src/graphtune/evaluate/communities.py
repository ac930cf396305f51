"""Community detection: KMeans on the embeddings and Leiden on the graph, against known classes where there are any."""

from __future__ import annotations

import numpy as np

from graphtune.evaluate.result import Evaluation, Pooled
from graphtune.graph import Graph
from graphtune.metrics import ari, modularity, nmi
from graphtune.models.base import Model


def kmeans(model: Model, k: int, seed: int = 0) -> np.ndarray:
    """[N] communities 0..k-1: KMeans (10 starts) on the embeddings, each scaled to length 1."""
    from sklearn.cluster import KMeans

    z = model.embeddings().float().cpu().numpy()
    z = z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-12)
    return KMeans(k, n_init=10, random_state=seed).fit_predict(z).astype(np.int64)


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


def evaluate_communities(model: Model, graph: Graph, k: int | None = None, seed: int = 0) -> Evaluation:
    """NMI and ARI against the node classes (where known), and modularity, of KMeans and of Leiden.

    Args:
        model: whose embeddings KMeans clusters.
        graph: whose edges Leiden and the modularity use.
        k: communities for KMeans; the number of classes where None, else as many as Leiden finds.
        seed: of both.
    """
    by_leiden = leiden(graph, seed)
    labels = graph.labels if graph.labels is not None and graph.labels.ndim == 1 else None
    if k is None:
        k = int(by_leiden.max()) + 1 if labels is None else len(np.unique(labels[labels >= 0]))
    pooled: dict[str, Pooled] = {}
    values: dict[str, np.ndarray] = {}
    for name, found in (("kmeans", kmeans(model, k, seed)), ("leiden", by_leiden)):
        if labels is not None:
            arrays = (labels[labels >= 0], found[labels >= 0])
            pooled[f"nmi_{name}"], pooled[f"ari_{name}"] = Pooled(nmi, arrays), Pooled(ari, arrays)
        values[f"modularity_{name}"] = np.array([modularity(graph.edges, found, graph.weight)])
    counts = {"communities of KMeans": k, "communities of Leiden": int(by_leiden.max()) + 1}
    return Evaluation("community detection", "train", values, pooled, counts)
