"""Node regression on chameleon: the logarithm of a page's monthly traffic, against predicting the mean.

Nodes are split 7:2:1 at random by the seed; the mean of the train part has R2 0 by definition, or just below on test.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

import graphtune as gt
from harness import arguments, finish, mean_and_spread

RECIPES = {"gcn": gt.GCN()}


def main() -> None:
    args = arguments(__doc__, seeds=5).parse_args()
    graph = gt.load_dataset("chameleon").graph
    found: dict[str, list[float]] = {}
    for seed in range(1 if args.quick else args.seeds):
        task = gt.NodeRegression(gt.split_nodes(graph, seed=seed))
        split, targets = task.split, graph.targets
        mean = targets[split.train_nodes].mean()
        rest = targets[split.test_nodes]
        found.setdefault("mean", []).append(1 - ((rest - mean) ** 2).sum() / ((rest - rest.mean()) ** 2).sum())
        for name, recipe in RECIPES.items():
            config = replace(task.defaults(), seed=seed, epochs=20 if args.quick else task.defaults().epochs)
            model = gt.finetune(recipe.build(graph, seed), task, config, gt.Run(quiet=True)).model
            test = task.evaluate(model)
            found.setdefault(name, []).append(test["r2"])
            found.setdefault(f"{name}_mae", []).append(test["mae"])
            print(f"seed {seed} {name}: R2 {test.metrics['r2']}", flush=True)
    for name, values in found.items():
        print(f"{name}: {mean_and_spread(values)}")
    finish("node_regression", {f"r2_{k}": float(np.mean(v)) for k, v in found.items()}, args, runs=found)


if __name__ == "__main__":
    main()
