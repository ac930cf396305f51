"""Second-order walks a second, exact, beside PecanPy (SparseOTF, all threads) and fastnode2vec (one thread).

BlogCatalog, walks of 40 nodes, p = q = 0.25 and p = 0.5, q = 2; ratios are the median over turns in which all run.
Peers: benchmarks/peers.sh pecanpy, benchmarks/peers.sh fastnode2vec.
"""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import graphtune as gt
from graphtune.kernels.parallel import thread_count
from graphtune.kernels.walks import random_walks
from harness import arguments, finish, median_ratio, one_thread, peer, write_edges

LENGTH = 40
SETTINGS = ((0.25, 0.25), (0.5, 2.0))


def ours(graph: gt.Graph, walks: int, p: float, q: float) -> float:
    """Steps a second."""
    csr = graph.adjacency()
    starts = np.tile(np.arange(graph.num_nodes), walks)
    begin = time.perf_counter()
    found = random_walks(csr.indptr, csr.indices, None, starts, LENGTH, p, q, simple=True)
    return int((found[:, 1:] >= 0).sum()) / (time.perf_counter() - begin)


def rate(result: dict[str, float]) -> float:
    return result["steps"] / result["seconds"]


def main() -> None:
    args = arguments(__doc__, seeds=3).parse_args()
    graph = gt.load_dataset("karate" if args.quick else "blogcatalog").graph
    turns: list[dict[str, float]] = []
    with TemporaryDirectory() as place:
        path = write_edges(graph, Path(place) / "edges.tsv")
        for p, q in SETTINGS:
            ours(graph, 1, p, q)
            for turn in range(1 if args.quick else args.seeds):
                row = {"ours": ours(graph, 20, p, q)}
                with one_thread():
                    row["ours_one_thread"] = ours(graph, 20, p, q)
                row["pecanpy"] = rate(peer("pecanpy", "walks", path, 1, LENGTH, p, q, thread_count()))
                row["fastnode2vec"] = rate(peer("fastnode2vec", "walks", path, 5, LENGTH, p, q))
                print(f"p {p} q {q} turn {turn}: " + ", ".join(f"{k} {v:,.0f}" for k, v in row.items()), flush=True)
                turns.append(row)
    figures = {
        "second_order_ratio_pecanpy": median_ratio(turns, "ours", "pecanpy"),
        "second_order_ratio_fastnode2vec_per_thread": median_ratio(turns, "ours_one_thread", "fastnode2vec"),
        "million_steps_per_s": float(np.median([row["ours"] for row in turns])) / 1e6,
    }
    finish("walks", figures, args, turns=turns)


if __name__ == "__main__":
    main()
