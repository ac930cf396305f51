"""Skip-gram with negative sampling beside gensim on the same walks: pairs a second, F1 and link AUC.

Both train on the same random walks: dim 128, window 10, 5 negatives, all threads (gensim: 2 workers, string ids).
Ours counts the draw of windows and negatives, gensim's count starts after its vocabulary is built. Two graphs:
BlogCatalog, and a generated power-law graph of a million nodes. Then DeepWalk's multi-label F1 on BlogCatalog and the
AUC of hidden edges of ego-Facebook, each over the seeds.
"""

from __future__ import annotations

import time

import numpy as np
from gensim.models import Word2Vec

import graphtune as gt
from graphtune.kernels.alias import Alias
from graphtune.kernels.skipgram import train_walks
from graphtune.kernels.walks import random_walks, windows
from graphtune.metrics import deepwalk_protocol, roc_auc
from graphtune.models import DeepWalk
from graphtune.sampling.noise import NOISE_POWER
from harness import arguments, finish, mean_and_spread, median_ratio, power_law_graph

DIM, WINDOW, NEGATIVES, LENGTH, BATCH = 128, 10, 5, 40, 2048
FRACTIONS = (0.1, 0.5)


def walks_of(graph: gt.Graph, passes: int, most: int, seed: int) -> np.ndarray:
    csr = graph.adjacency()
    rng = np.random.default_rng(seed)
    able = np.flatnonzero(csr.degree)
    starts = np.concatenate([rng.permutation(able) for _ in range(passes)])[:most]
    return random_walks(csr.indptr, csr.indices, None, starts, LENGTH, seed=seed)


def pairs_of(walks: np.ndarray) -> float:
    """Expected number of (centre, context) pairs: a window reaches 1..10 positions, each as likely."""
    at = np.arange(LENGTH)
    near = [np.minimum(at, r) + np.minimum(LENGTH - 1 - at, r) for r in range(1, WINDOW + 1)]
    return len(walks) * float(np.mean(near, axis=0).sum())


def ours(graph: gt.Graph, walks: np.ndarray) -> tuple[gt.models.Model, float]:
    """The trained model and pairs a second."""
    recipe = DeepWalk(dim=DIM)
    model = recipe.build(graph)
    source, target = model.encoder.weight.detach().numpy(), model.scorer.weight.detach().numpy()
    noise = Alias((np.bincount(walks[walks >= 0], minlength=graph.num_nodes) + 1.0) ** NOISE_POWER)  # as gensim counts
    some = walks[:1].copy()
    train_walks(source, target, some, *windows(some, WINDOW, NEGATIVES, noise.table), 0.0)  # compiles
    begin = time.perf_counter()
    for first in range(0, len(walks), BATCH):
        some = walks[first : first + BATCH].copy()
        reach, negative = windows(some, WINDOW, NEGATIVES, noise.table, seed=1, first_walk=first)
        lr = 0.025 * max(1 - first / len(walks), 0.004)
        train_walks(source, target, some, reach, negative, lr)
    return model, pairs_of(walks) / (time.perf_counter() - begin)


def gensims(graph: gt.Graph, walks: np.ndarray) -> tuple[Word2Vec, float]:
    names = np.array([str(i) for i in range(graph.num_nodes)], dtype=object)
    sentences = [names[walk].tolist() for walk in walks]
    model = Word2Vec(vector_size=DIM, window=WINDOW, negative=NEGATIVES, sg=1, min_count=0, sample=0, workers=2)
    model.build_vocab([*sentences, names.tolist()])
    begin = time.perf_counter()
    model.train(sentences, total_examples=len(sentences), epochs=1)
    return model, pairs_of(walks) / (time.perf_counter() - begin)


def vectors(graph: gt.Graph, model: Word2Vec) -> np.ndarray:
    return np.stack([model.wv[str(i)] for i in range(graph.num_nodes)])


def speed(graph: gt.Graph, name: str, passes: int, most: int, turns: int) -> list[dict[str, float]]:
    walks = walks_of(graph, passes, most, 0)
    rows = []
    for turn in range(turns):
        rows.append({"ours": ours(graph, walks)[1], "gensim": gensims(graph, walks)[1]})
        print(f"{name} turn {turn}: " + ", ".join(f"{k} {v:,.0f} pairs/s" for k, v in rows[-1].items()), flush=True)
    return rows


def classes(seeds: int, passes: int) -> list[dict[str, float]]:
    graph = gt.load_dataset("blogcatalog").graph
    rows = []
    for seed in range(seeds):
        walks = walks_of(graph, passes, len(graph.ids) * passes, seed)
        found = {"ours": ours(graph, walks)[0].encode(), "gensim": vectors(graph, gensims(graph, walks)[0])}
        row = {}
        for name, z in found.items():
            scores = deepwalk_protocol(z, graph.labels, FRACTIONS, 3, seed)
            for f in FRACTIONS:
                row |= {f"{name}_{m}_{int(100 * f)}": float(scores[f][m].mean()) for m in ("micro_f1", "macro_f1")}
        rows.append(row)
        print(f"blogcatalog seed {seed}: " + ", ".join(f"{k} {v:.4f}" for k, v in row.items()), flush=True)
    return rows


def links(seeds: int) -> list[dict[str, float]]:
    """AUC of cosines: test edges of ego-Facebook against as many non-edges, the same for both."""
    rows = []
    for seed in range(seeds):
        split = gt.split_edges(gt.load_dataset("ego-facebook").graph, seed=seed)
        walks = walks_of(split.train, 10, 10**9, seed)
        rng = np.random.default_rng(seed)
        whole = split.graph.sparse().tocsr()
        fake = rng.integers(0, split.graph.num_nodes, (2, 3 * split.test.num_edges))
        fake = fake[:, np.asarray(whole[fake[0], fake[1]]).ravel() == 0][:, : split.test.num_edges]
        row = {}
        for name, z in (
            ("ours", ours(split.train, walks)[0].encode()),
            ("gensim", vectors(split.graph, gensims(split.train, walks)[0])),
        ):
            z = z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-12)
            true, false = ((z[u] * z[v]).sum(1) for u, v in (split.test.edges, fake))
            row[f"{name}_auc"] = roc_auc(true, false)
        rows.append(row)
        print(f"ego-facebook seed {seed}: " + ", ".join(f"{k} {v:.4f}" for k, v in row.items()), flush=True)
    return rows


def main() -> None:
    parser = arguments(__doc__, seeds=5)
    parser.add_argument("--turns", type=int, default=7, help="speed measurements, in turns")
    args = parser.parse_args()
    quick = args.quick
    small = gt.load_dataset("blogcatalog").graph
    large = power_law_graph(20_000 if quick else 1_000_000, 10, seed=0)
    figures, details = {}, {}
    details["blogcatalog"] = speed(small, "blogcatalog", 1 if quick else 3, 10**9, 1 if quick else args.turns)
    details["million"] = speed(large, "a million nodes", 1, 1_000 if quick else 25_000, 1 if quick else args.turns)
    figures["pairs_per_s_ratio_gensim"] = median_ratio(details["blogcatalog"], "ours", "gensim")
    figures["pairs_per_s_ratio_gensim_1m"] = median_ratio(details["million"], "ours", "gensim")
    figures["million_pairs_per_s"] = float(np.median([row["ours"] for row in details["blogcatalog"]])) / 1e6
    details["classes"] = classes(1 if quick else args.seeds, 1 if quick else 10)
    details["links"] = links(1 if quick else args.seeds)
    for key, rows, short in (
        ("micro_f1_50", "classes", "micro_f1"), ("macro_f1_50", "classes", "macro_f1"), ("auc", "links", "auc")
    ):  # fmt: skip
        mine, theirs = ([row[f"{who}_{key}"] for row in details[rows]] for who in ("ours", "gensim"))
        print(f"{key}: ours {mean_and_spread(mine)}, gensim {mean_and_spread(theirs)}")
        figures |= {
            f"{short}_delta": float(np.mean(mine) - np.mean(theirs)),
            f"{short}_gensim_std": float(np.std(theirs)),
        }
    finish("skipgram", figures, args, **details)


if __name__ == "__main__":
    main()
