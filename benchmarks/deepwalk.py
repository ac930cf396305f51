"""DeepWalk on BlogCatalog beside gensim: the same walks a node, dim, window and negatives; multi-label F1.

Labels by one-vs-rest logistic regression on 10, 50 and 90 % of the nodes, the number of labels a node given (Perozzi et
al., 2014). gensim reads walks of the same distribution as strings, since integer ids scramble its negatives.
"""

from __future__ import annotations

import time

import numpy as np
from gensim.models import Word2Vec

import graphtune as gt
from graphtune.kernels.walks import random_walks
from graphtune.metrics import deepwalk_protocol
from graphtune.models import DeepWalk
from harness import arguments, finish

FRACTIONS = (0.1, 0.5, 0.9)


def ours(graph: gt.Graph, recipe: DeepWalk, seed: int) -> tuple[np.ndarray, float]:
    begin = time.perf_counter()
    config = gt.TrainConfig(**{**vars(recipe.training()), "seed": seed})
    model = gt.pretrain(recipe, graph, config, run=gt.Run(quiet=True)).model
    return model.encode(), time.perf_counter() - begin


def gensims(graph: gt.Graph, recipe: DeepWalk, seed: int) -> tuple[np.ndarray, float]:
    begin = time.perf_counter()
    csr = graph.adjacency()
    rng = np.random.default_rng(seed)
    starts = np.concatenate([rng.permutation(graph.num_nodes) for _ in range(recipe.walks_per_node)])
    walks = random_walks(csr.indptr, csr.indices, None, starts, recipe.walk_length, seed=seed)
    names = np.array([str(i) for i in range(graph.num_nodes)], dtype=object)
    model = Word2Vec(
        [names[walk].tolist() for walk in walks],
        vector_size=recipe.dim, window=recipe.window, negative=recipe.negatives,
        sg=1, hs=0, min_count=0, sample=0, epochs=1, workers=2, seed=seed,
    )  # fmt: skip
    return np.stack([model.wv[str(i)] for i in range(graph.num_nodes)]), time.perf_counter() - begin


def main() -> None:
    parser = arguments(__doc__, seeds=2)
    parser.add_argument("--walks", type=int, default=10, help="walks per node")
    args = parser.parse_args()
    graph = gt.load_dataset("blogcatalog").graph
    recipe = DeepWalk(walks_per_node=1 if args.quick else args.walks)
    repeats = 1 if args.quick else 3
    found: dict[str, list[list[float]]] = {"graphtune": [], "gensim": []}
    seconds: dict[str, list[float]] = {"graphtune": [], "gensim": []}
    for seed in range(1 if args.quick else args.seeds):
        for name, run in (("graphtune", ours), ("gensim", gensims)):
            embedding, took = run(graph, recipe, seed)
            scores = deepwalk_protocol(embedding, graph.labels, FRACTIONS, repeats, seed)
            row = [float(scores[f][m].mean()) for m in ("micro_f1", "macro_f1") for f in FRACTIONS]
            found[name].append(row)
            seconds[name].append(took)
            print(f"{name:<10} seed {seed}: micro {row[:3]}, macro {row[3:]}, {took:.1f} s", flush=True)
    keys = [f"{m}_f1_{int(100 * f)}" for m in ("micro", "macro") for f in FRACTIONS]
    mean = {name: np.mean(rows, axis=0) for name, rows in found.items()}
    figures = dict(zip(keys, mean["graphtune"])) | {f"gensim_{k}": v for k, v in zip(keys, mean["gensim"])}
    figures["micro_f1_delta"] = mean["graphtune"][1] - mean["gensim"][1]
    figures["time_ratio_gensim"] = float(np.median(np.array(seconds["gensim"]) / seconds["graphtune"]))
    finish("deepwalk", figures, args, walks_per_node=recipe.walks_per_node, runs=found, seconds=seconds)


if __name__ == "__main__":
    main()
