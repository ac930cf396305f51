"""Communities beside Leiden, spectral clustering and Infomap: football, Cora, and LFR graphs at mixing .4 and .5.

Two tables, k given and k not given. Leiden@k searches the resolution whose communities are nearest to k in number; k
not given, the combination takes as many as Leiden finds at best modularity. All methods see the edges alone. On
football and Cora the seeds are those of the methods; each LFR graph (networkx, 1,000 nodes) is another one per seed. It
mixes more than its nominal mu, so the effective mixing is printed: the share of a node's edges that leave its
community. The combination's constants were set on LFR graphs of other seeds and parameters, a planted partition,
polbooks, CiteSeer and LastFM Asia.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterator

import igraph
import leidenalg
import networkx as nx
import numpy as np
import scipy.sparse as sp
from sklearn.cluster import SpectralClustering

import graphtune as gt
from graphtune.evaluate.communities import combined, effective_mixing, kmeans, leiden
from graphtune.metrics import ari, nmi
from harness import arguments, finish, mean_and_spread

LFR = {"tau1": 2.5, "tau2": 1.5, "average_degree": 15, "max_degree": 50, "min_community": 20, "max_community": 100}
RECIPE = gt.DeepWalk(walks_per_node=20)


def lfr(mu: float, seed: int) -> gt.Graph:
    """An LFR graph without loops; its communities are the labels."""
    graph = nx.LFR_benchmark_graph(1000, mu=mu, seed=seed, max_iters=2000, **LFR)
    graph.remove_edges_from(list(nx.selfloop_edges(graph)))
    first = [min(graph.nodes[v]["community"]) for v in range(1000)]
    edges = np.array(graph.edges()).T
    return gt.Graph(edges, gt.NodeIds.range(1000), labels=np.unique(first, return_inverse=True)[1])


def leiden_at(graph: gt.Graph, k: int, seed: int) -> np.ndarray:
    """Leiden at the resolution, found by bisection, whose communities are nearest to `k` in number."""
    network = igraph.Graph(graph.num_nodes, graph.edges.T.tolist())
    low, high, best = 0.05, 20.0, None
    for _ in range(25):
        middle = (low * high) ** 0.5
        found = leidenalg.find_partition(
            network, leidenalg.RBConfigurationVertexPartition, resolution_parameter=middle, seed=seed, n_iterations=-1
        )
        count = len(found)
        if best is None or abs(count - k) < abs(len(best) - k):
            best = found
        if count == k:
            break
        low, high = (middle, high) if count < k else (low, middle)
    return np.array(best.membership)


def spectral_at(graph: gt.Graph, k: int, seed: int, regularise: bool = False) -> np.ndarray:
    """Spectral clustering; regularised, every pair is joined by the mean degree over N (Amini et al., 2013)."""
    half = sp.csr_matrix((np.ones(graph.num_edges), graph.edges), (graph.num_nodes, graph.num_nodes))
    matrix = half + half.T
    affinity = np.asarray(matrix.todense()) + 2 * graph.num_edges / graph.num_nodes**2 if regularise else matrix
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of graphs in several components
        return SpectralClustering(k, affinity="precomputed", random_state=seed).fit_predict(affinity)


def infomap(graph: gt.Graph, seed: int) -> np.ndarray:
    random.seed(seed)
    igraph.set_random_number_generator(random)
    return np.array(igraph.Graph(graph.num_nodes, graph.edges.T.tolist()).community_infomap(trials=10).membership)


def run(graph: gt.Graph, seed: int) -> dict[str, np.ndarray]:
    """What each method finds; a name that starts with "free_" was not given k."""
    k = len(np.unique(graph.labels))
    config = gt.TrainConfig(**{**vars(RECIPE.training()), "seed": seed})
    model = gt.pretrain(RECIPE, graph, config, run=gt.Run(quiet=True)).model
    by_leiden = leiden(graph, seed)
    return {
        "combined": combined(model, graph, k, seed),
        "kmeans": kmeans(model, k, seed),
        "leiden_k": leiden_at(graph, k, seed),
        "spectral_k": spectral_at(graph, k, seed),
        "regularised_k": spectral_at(graph, k, seed, regularise=True),
        "free_combined": combined(model, graph, int(by_leiden.max()) + 1, seed),
        "free_leiden": by_leiden,
        "free_infomap": infomap(graph, seed),
    }


def graphs(quick: bool, seed: int) -> Iterator[tuple[str, gt.Graph]]:
    yield "football", gt.load_dataset("football").graph
    if not quick:
        yield "cora", gt.load_dataset("cora").graph
        yield "lfr_4", lfr(0.4, seed)
    yield "lfr_5", lfr(0.5, seed)


def main() -> None:
    args = arguments(__doc__, seeds=10).parse_args()
    scores: dict[str, list[float]] = {}
    for seed in range(1 if args.quick else args.seeds):
        for name, graph in graphs(args.quick, seed):
            scores.setdefault(f"{name}_effective_mixing", []).append(effective_mixing(graph, graph.labels))
            for method, found in run(graph, seed).items():
                pair = nmi(graph.labels, found), ari(graph.labels, found)
                for metric, score in zip(("nmi", "ari"), pair):
                    scores.setdefault(f"{name}_{method}_{metric}", []).append(score)
                print(f"{name:<9} seed {seed} {method:<14} NMI {pair[0]:.3f} ARI {pair[1]:.3f} k {found.max() + 1}",
                      flush=True)  # fmt: skip
    for key, values in scores.items():
        print(f"{key:<32} {mean_and_spread(values)}")
    compared = ("combined", "leiden_k", "regularised_k")
    shown = [k for k in scores if k.endswith("_nmi") and "_free_" not in k and any(f"_{m}_" in k for m in compared)]
    finish("communities", {k: float(np.mean(v)) for k, v in scores.items()}, args, shown, lfr=LFR, runs=scores)


if __name__ == "__main__":
    main()
