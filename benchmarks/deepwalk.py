"""DeepWalk on BlogCatalog from edge list to saved vectors, beside gensim, PecanPy and GRAPE; multi-label F1 of each.

All take the same walks a node, length, dim and window, and all processors. The peers have 5 negatives a pair. Ours
stand for two pairs or more: with 8 of them F1 is that of gensim, with 5, the default, some .004 lower, so both are run;
ratios are those of 8 unless they say 5. Labels by one-vs-rest logistic regression on 10, 50 and 90 % of the nodes, the
number of labels a node given (Perozzi et al., 2014). The gensim pipeline gets its walks from our kernel, which takes it
a second, and reads them as strings, since integer ids scramble its negatives. GRAPE runs one epoch at its learning rate
of 0.01.
Peers: benchmarks/peers.sh pecanpy, benchmarks/peers.sh grape.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from gensim.models import Word2Vec

import graphtune as gt
from graphtune.kernels.parallel import thread_count
from graphtune.kernels.walks import random_walks
from graphtune.metrics import deepwalk_protocol
from graphtune.models import DeepWalk
from graphtune.vectors import vectors_of
from harness import arguments, finish, mean_and_spread, peer, write_edges

FRACTIONS = (0.1, 0.5, 0.9)
Embedding = tuple[np.ndarray, float]


def ours(path: Path, out: Path, recipe: DeepWalk, seed: int, negatives: int) -> Embedding:
    """The embedding in the order of the ids, and seconds from file to file."""
    begin = time.perf_counter()
    graph, _ = gt.read_edges(path)
    recipe = replace(recipe, negatives=negatives)
    config = replace(recipe.training(), seed=seed)
    model = gt.pretrain(recipe, graph, config, run=gt.Run(quiet=True)).model
    gt.write_vectors(out / "ours.parquet", vectors_of(model), "parquet")
    took = time.perf_counter() - begin
    return model.encode([str(i) for i in range(graph.num_nodes)]), took


def gensims(path: Path, out: Path, recipe: DeepWalk, seed: int) -> Embedding:
    begin = time.perf_counter()
    graph, _ = gt.read_edges(path)
    csr = graph.adjacency()
    rng = np.random.default_rng(seed)
    starts = np.concatenate([rng.permutation(graph.num_nodes) for _ in range(recipe.walks_per_node)])
    walks = random_walks(csr.indptr, csr.indices, None, starts, recipe.walk_length, seed=seed)
    names = np.array([str(i) for i in graph.ids.values(np.arange(graph.num_nodes))], dtype=object)
    model = Word2Vec(
        [names[walk].tolist() for walk in walks],
        vector_size=recipe.dim, window=recipe.window, negative=recipe.negatives,
        sg=1, hs=0, min_count=0, sample=0, epochs=1, workers=2, seed=seed,
    )  # fmt: skip
    model.wv.save_word2vec_format(str(out / "gensim.txt"))
    took = time.perf_counter() - begin
    return np.stack([model.wv[str(i)] for i in range(graph.num_nodes)]), took


def others(name: str) -> Callable[[Path, Path, DeepWalk, int], Embedding]:
    def run(path: Path, out: Path, recipe: DeepWalk, seed: int) -> Embedding:
        numbers = recipe.walks_per_node, recipe.walk_length, recipe.dim, recipe.window, thread_count()
        seconds = peer(name, "deepwalk", path, out / "peer.npy", *numbers)["seconds"]
        return np.load(out / "peer.npy"), seconds

    return run


OURS = {"graphtune": partial(ours, negatives=8), "graphtune_5": partial(ours, negatives=5)}
PEERS = {"gensim": gensims, "pecanpy": others("pecanpy"), "grape": others("grape")}


def main() -> None:
    parser = arguments(__doc__, seeds=1)
    parser.add_argument("--walks", type=int, default=40, help="walks per node")
    parser.add_argument("--peers", nargs="*", default=list(PEERS), choices=list(PEERS))
    args = parser.parse_args()
    graph = gt.load_dataset("blogcatalog").graph
    recipe = DeepWalk(walks_per_node=1 if args.quick else args.walks)
    repeats = 1 if args.quick else 3
    found: dict[str, list[list[float]]] = {}
    seconds: dict[str, list[float]] = {}
    with TemporaryDirectory() as place:
        path = write_edges(graph, Path(place) / "edges.tsv")
        for run in OURS.values():
            run(path, Path(place), DeepWalk(walks_per_node=1, walk_length=2), 0)  # compiles
        for seed in range(1 if args.quick else args.seeds):
            for name, run in {**OURS, **{peer: PEERS[peer] for peer in args.peers}}.items():
                embedding, took = run(path, Path(place), recipe, seed)
                scores = deepwalk_protocol(embedding, graph.labels, FRACTIONS, repeats, seed)
                row = [float(scores[f][m].mean()) for m in ("micro_f1", "macro_f1") for f in FRACTIONS]
                found.setdefault(name, []).append(row)
                seconds.setdefault(name, []).append(took)
                shown = ", ".join(f"{value:.3f}" for value in row)
                print(f"{name:<11} seed {seed}: {took:.1f} s, micro and macro F1 {shown}", flush=True)
    keys = [f"{m}_f1_{int(100 * f)}" for m in ("micro", "macro") for f in FRACTIONS]
    figures = dict(zip(keys, np.mean(found["graphtune"], axis=0)))
    for name in ("graphtune_5", *args.peers):
        figures |= {f"{name}_{key}": value for key, value in zip(keys, np.mean(found[name], axis=0)) if "_50" in key}
    for name in args.peers:
        for who, suffix in (("graphtune", ""), ("graphtune_5", "_with_5")):
            ratios = np.array(seconds[name]) / seconds[who]
            print(f"{name}: {mean_and_spread(ratios.tolist())} times the seconds of {who}")
            figures[f"end_to_end_ratio_{name}{suffix}"] = float(np.median(ratios))
    if args.peers:
        figures["end_to_end_ratio_fastest"] = min(figures[f"end_to_end_ratio_{name}"] for name in args.peers)
    finish("deepwalk", figures, args, walks_per_node=recipe.walks_per_node, runs=found, seconds=seconds)


if __name__ == "__main__":
    main()
