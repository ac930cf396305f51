"""Recommendation on a published split: full-ranking Recall@20 and NDCG@20 beside the published figures.

The best epoch is chosen on a validation part of the published train part. Published: LightGCN on Gowalla after 1000
epochs .1830 / .1554 (He et al., 2020).
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

import graphtune as gt
from harness import arguments, finish, mean_and_spread

RECIPES = {
    "bprmf": gt.BPRMF(),
    "bprmf-cosines": gt.BPRMF(loss="softmax", negatives=512, temperature=0.2),
    "lightgcn": gt.LightGCN(),
    "lightgcn-contrast": gt.LightGCN(contrast=0.2),
    "lightgcn-softmax": gt.LightGCN(loss="softmax", negatives=1024),
}


def popularity(split: gt.Split) -> gt.Model:
    """Every user gets the most taken items: a model of dim 1 whose item vectors are the counts."""
    model = gt.BPRMF(dim=1).build(split.train)
    counts = np.bincount(split.train.edges[1], minlength=split.graph.num_nodes).astype(np.float32)
    counts[split.graph.ids.rows("user").start : split.graph.ids.rows("user").stop] = 1.0
    gt.start_from(model, gt.Vectors(*_all_ids(split.graph, counts[:, None])))
    return model


def _all_ids(graph: gt.Graph, matrix: np.ndarray) -> tuple[list, np.ndarray, list[str]]:
    rows = np.arange(graph.num_nodes)
    return graph.ids.values(rows), matrix, [graph.ids.kinds[i] for i in graph.ids.kinds_of(rows)]


def main() -> None:
    parser = arguments(__doc__, seeds=1)
    parser.add_argument("data", nargs="?", default="lastfm")
    parser.add_argument("--models", nargs="*", default=["lightgcn-softmax"], choices=list(RECIPES))
    parser.add_argument("--epochs", type=int, help="instead of each model's own")
    parser.add_argument("--batch-size", type=int, help="instead of each model's own")
    args = parser.parse_args()
    split = gt.load_dataset(args.data).split
    task = gt.Recommendation(split)
    base = task.evaluate(popularity(split))
    print(f"popularity: recall@20 {base['recall_20']:.4f}, ndcg@20 {base['ndcg_20']:.4f}", flush=True)
    figures = {"popularity_recall_20": base["recall_20"], "popularity_ndcg_20": base["ndcg_20"]}
    details = {}
    for name in args.models:
        scores: dict[str, list[float]] = {"recall_20": [], "ndcg_20": [], "minutes": []}
        for seed in range(1 if args.quick else args.seeds):
            changes = {"epochs": 1 if args.quick else args.epochs, "batch_size": args.batch_size}
            given = {key: value for key, value in changes.items() if value}
            config = replace(RECIPES[name].training(), seed=seed, **given)
            begin = time.perf_counter()
            result = gt.pretrain(RECIPES[name], split, config, run=gt.Run(quiet=args.quick))
            scores["minutes"].append((time.perf_counter() - begin) / 60)
            test = task.evaluate(result.model)
            for key in ("recall_20", "ndcg_20"):
                scores[key].append(test[key])
            print(test, flush=True)
        print(f"{name}: recall@20 {mean_and_spread(scores['recall_20'])}", flush=True)
        prefix = "" if len(args.models) == 1 else f"{name}_"
        figures |= {f"{prefix}{key}": float(np.mean(values)) for key, values in scores.items()}
        details[name] = scores
    finish(f"rec_quality_{args.data}", figures, args, runs=details)


if __name__ == "__main__":
    main()
