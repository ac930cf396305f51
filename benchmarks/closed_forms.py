"""NetMF with spectral smoothing on BlogCatalog beside plain NetMF by SciPy: multi-label F1, time from graph to vectors.

The peer is NetMF as published (Qiu et al., 2018, algorithm 4): T = 10, b = 1, 256 eigenpairs by ARPACK and a randomised
SVD, in scipy and scikit-learn. Labels by one-vs-rest logistic regression on 10, 50 and 90 % of the nodes, the number of
labels a node given (Perozzi et al., 2014).
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import eigsh
from sklearn.utils.extmath import randomized_svd
from threadpoolctl import threadpool_limits

import graphtune as gt
from graphtune.metrics import deepwalk_protocol
from harness import arguments, finish

FRACTIONS = (0.1, 0.5, 0.9)
DIM, WINDOW, RANK = 128, 10, 256


def enhanced(graph: gt.Graph, seed: int) -> np.ndarray:
    return solved(gt.NetMF(DIM, smoothing=4), graph, seed)


def plain(graph: gt.Graph, seed: int) -> np.ndarray:
    return solved(gt.NetMF(DIM), graph, seed)


def prone(graph: gt.Graph, seed: int) -> np.ndarray:
    return solved(gt.ProNE(DIM), graph, seed)


def solved(recipe: gt.ClosedForm, graph: gt.Graph, seed: int) -> np.ndarray:
    return gt.pretrain(recipe, graph, gt.TrainConfig(epochs=1, seed=seed), run=gt.Run(quiet=True)).model.encode()


def peer(graph: gt.Graph, seed: int) -> np.ndarray:
    adjacency = sp.csr_matrix(graph.sparse("both"), dtype=np.float64)
    degree = np.asarray(adjacency.sum(axis=1)).ravel()
    half = sp.diags(1 / np.sqrt(np.maximum(degree, 1e-12)))
    start = np.random.default_rng(seed).standard_normal(len(degree))
    with threadpool_limits(1):  # quicker than on two: its short vector operations wait for one another
        values, vectors = eigsh(half @ adjacency @ half, RANK, which="LA", v0=start)
    weight = sum(values**step for step in range(1, WINDOW + 1)) / WINDOW
    rows = (half @ vectors) * np.sqrt(np.maximum(weight, 0) * degree.sum())
    matrix = np.log(np.maximum(rows @ rows.T, 1))
    u, s, _ = randomized_svd(matrix, DIM, random_state=seed)
    return u * np.sqrt(s)


RUNS: dict[str, Callable[[gt.Graph, int], np.ndarray]] = {
    "graphtune": enhanced, "netmf": peer, "graphtune_plain": plain, "graphtune_prone": prone,
}  # fmt: skip


def main() -> None:
    args = arguments(__doc__, seeds=3).parse_args()
    graph = gt.load_dataset("blogcatalog").graph
    repeats = 1 if args.quick else 5
    for run in (enhanced, prone):  # compiles, and reads the graph's neighbour lists once for all
        run(gt.load_dataset("football").graph, 0)
    graph.adjacency("both")
    found: dict[str, list[list[float]]] = {name: [] for name in RUNS}
    seconds: dict[str, list[float]] = {name: [] for name in RUNS}
    for seed in range(1 if args.quick else args.seeds):
        for name, run in RUNS.items():
            begin = time.perf_counter()
            embedding = run(graph, seed)
            seconds[name].append(time.perf_counter() - begin)
            scores = deepwalk_protocol(embedding, graph.labels, FRACTIONS, repeats, seed)
            row = [float(scores[f][m].mean()) for m in ("micro_f1", "macro_f1") for f in FRACTIONS]
            found[name].append(row)
            shown = ["/".join(f"{100 * x:.1f}" for x in part) for part in (row[:3], row[3:])]
            print(f"{name:<16} seed {seed}: micro {shown[0]}, macro {shown[1]}, {seconds[name][-1]:.1f} s", flush=True)
    keys = [f"{m}_f1_{int(100 * f)}" for m in ("micro", "macro") for f in FRACTIONS]
    mean = {name: np.mean(rows, axis=0) for name, rows in found.items()}
    figures = dict(zip(keys, mean["graphtune"]))
    for name in list(RUNS)[1:]:
        figures |= {f"{name}_{key}": value for key, value in zip(keys, mean[name])}
    for name in ("graphtune", "graphtune_plain", "graphtune_prone"):
        key = "time_ratio_netmf" + name.removeprefix("graphtune")
        figures[key] = float(np.median(np.array(seconds["netmf"]) / seconds[name]))
    shown = [key for key in figures if "_50" in key or key.startswith("time")]
    finish("closed_forms", figures, args, shown, runs=found, seconds=seconds)


if __name__ == "__main__":
    main()
