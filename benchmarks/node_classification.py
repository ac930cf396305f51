"""GNN encoders on the public Planetoid splits: test accuracy beside the published figures.

Published: CogDL's table (Cen et al., 2021): GCN 82.3 / 71.4, GAT 82.9 / 71.0 on Cora / CiteSeer.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

import graphtune as gt
from harness import arguments, finish, mean_and_spread

PUBLISHED = {("cora", "gcn"): 0.823, ("cora", "gat"): 0.829, ("citeseer", "gcn"): 0.714, ("citeseer", "gat"): 0.710}
RECIPES = {"gcn": gt.GCN(dropout=0.8), "gat": gt.GAT(dropout=0.6), "graphsage": gt.GraphSAGE(dropout=0.8)}


def main() -> None:
    parser = arguments(__doc__, seeds=10)
    parser.add_argument("--data", nargs="*", default=["cora", "citeseer"])
    parser.add_argument("--models", nargs="*", default=list(RECIPES))
    args = parser.parse_args()
    figures, details = {}, {}
    for name in args.data[:1] if args.quick else args.data:
        task = gt.NodeClassification(gt.load_dataset(name).split)
        for model_name in args.models[:1] if args.quick else args.models:
            accuracy, valid, seconds = [], [], []
            for seed in range(2 if args.quick else args.seeds):
                begin = time.perf_counter()
                config = replace(task.defaults(), seed=seed)
                model = RECIPES[model_name].build(task.split.train, seed)
                result = gt.finetune(model, task, config, gt.Run(quiet=True))
                seconds.append(time.perf_counter() - begin)
                accuracy.append(task.evaluate(result.model)["accuracy"])
                valid.append(task.evaluate(result.model, part=1)["accuracy"])
            published = PUBLISHED.get((name, model_name))
            print(
                f"{name} {model_name}: test {mean_and_spread(accuracy)}, valid {np.mean(valid):.4f}, "
                f"published {published}, {np.median(seconds):.1f} s a run",
                flush=True,
            )
            figures[f"accuracy_{name}_{model_name}"] = float(np.mean(accuracy))
            details[f"{name}_{model_name}"] = {"test": accuracy, "valid": valid, "published": published}
    finish("node_classification", figures, args, runs=details)


if __name__ == "__main__":
    main()
