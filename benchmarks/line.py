"""LINE on BlogCatalog: multi-label F1 of first order, second order and both, beside the original C++ code's.

Second-order samples a second (drawing included) go beside gensim's skip-gram pairs a second in the same run.
The C++ rows (20 M samples an order, measured once on another machine): 1st 33.0 / 36.7 / 38.5, 2nd 32.0 / 35.3 / 36.3,
both 34.3 / 38.3 / 39.1 micro-F1 at 10 / 50 / 90 % training nodes. Then what second-order neighbours for low degrees
gain on Cora.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

import graphtune as gt
from graphtune.metrics import deepwalk_protocol
from graphtune.objectives import EdgeProximity
from harness import arguments, finish, median_ratio
from skipgram import gensims, walks_of

FRACTIONS = (0.1, 0.5, 0.9)
EXTEND_TO = (0, 10, 30, 100)


def samples_per_s(graph: gt.Graph, epochs: int) -> float:
    """Of second-order LINE: draws of edges and negatives, and the steps."""
    recipe = gt.LINE(dim=128, order="second")
    sampler, objective = recipe.pretraining(graph, recipe.training())
    model = recipe.build(graph)
    assert isinstance(objective, EdgeProximity)
    count, begin = 0, time.perf_counter()
    for epoch in range(epochs):
        for batch in sampler.batches(epoch):
            objective.update(model, batch, 0.025)
            count += len(batch)
    return count / (time.perf_counter() - begin)


def speed(graph: gt.Graph, turns: int, quick: bool) -> list[dict[str, float]]:
    walks = walks_of(graph, 1, 500 if quick else 10**9, 0)
    samples_per_s(graph, 1)
    rows = []
    for turn in range(turns):
        rows.append({"ours": samples_per_s(graph, 1 if quick else 6), "gensim": gensims(graph, walks)[1]})
        print(f"turn {turn}: {rows[-1]['ours']:,.0f} samples/s, gensim {rows[-1]['gensim']:,.0f} pairs/s", flush=True)
    return rows


def low_degrees(seeds: int, quick: bool) -> dict[str, float]:
    """Micro-F1 at 10 % training nodes on Cora, whose nodes have 4 neighbours, by how far low degrees are extended."""
    graph = gt.load_dataset("cora").graph
    classes = np.eye(int(graph.labels.max()) + 1, dtype=bool)[graph.labels]
    figures = {}
    for extend_to in EXTEND_TO[: 2 if quick else None]:
        recipe, scores = gt.LINE(dim=128, extend_to=extend_to), []
        for seed in range(seeds):
            config = replace(recipe.training(), seed=seed, epochs=1 if quick else 60)
            model = gt.pretrain(recipe, graph, config, run=gt.Run(quiet=True)).model
            scores.append(deepwalk_protocol(model.encode(), classes, (0.1,), 3, seed)[0.1]["micro_f1"].mean())
        figures[f"cora_extended_to_{extend_to}_micro_f1_10"] = float(np.mean(scores))
        print(f"cora, extended to {extend_to}: micro {np.mean(scores):.4f}", flush=True)
    return figures


def main() -> None:
    parser = arguments(__doc__, seeds=1)
    parser.add_argument("--epochs", type=int, default=30, help="passes over both directions of every edge")
    args = parser.parse_args()
    graph = gt.load_dataset("blogcatalog").graph
    turns = speed(graph, 1 if args.quick else 5, args.quick)
    figures = {"samples_per_s_ratio_gensim_pairs": median_ratio(turns, "ours", "gensim")}
    details: dict[str, list[list[float]]] = {}
    for order in ("first", "second", "both"):
        recipe = gt.LINE(dim=128, order=order)
        rows = []
        for seed in range(1 if args.quick else args.seeds):
            config = replace(recipe.training(), seed=seed, epochs=1 if args.quick else args.epochs)
            begin = time.perf_counter()
            model = gt.pretrain(recipe, graph, config, run=gt.Run(quiet=True)).model
            took = time.perf_counter() - begin
            scores = deepwalk_protocol(model.encode(), graph.labels, FRACTIONS, 1 if args.quick else 3, seed)
            rows.append([float(scores[f][m].mean()) for m in ("micro_f1", "macro_f1") for f in FRACTIONS])
            print(f"{order} seed {seed}: micro {rows[-1][:3]}, macro {rows[-1][3:]}, {took:.1f} s", flush=True)
        keys = [f"{m}_f1_{int(100 * f)}" for m in ("micro", "macro") for f in FRACTIONS]
        prefix = "" if order == "both" else f"{order}_"
        figures |= {f"{prefix}{key}": value for key, value in zip(keys, np.mean(rows, axis=0))}
        details[order] = rows
    figures |= low_degrees(1 if args.quick else args.seeds, args.quick)
    finish("line", figures, args, runs=details, turns=turns)


if __name__ == "__main__":
    main()
