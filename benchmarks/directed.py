"""Two sides against one: directed link prediction with and without a target-side table of its own.

LINE's second-order objective on the same edges with the same budget: `order="second"` has a target-side vector for
each node, `order="first"` ties both sides, which makes u -> v and v -> u score alike. Two questions are asked of the
hidden edges: edge or random pair, and edge or its own reverse (edges whose reverse exists are left out of the second).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

import graphtune as gt
from graphtune.metrics import roc_auc
from harness import arguments, finish, mean_and_spread


def directed_graph() -> gt.Graph:
    """CoDEx-S without its relations: an edge from each head to its tail, once."""
    whole = gt.load_dataset("codex-s").graph
    edges = np.unique(whole.edges, axis=1)
    return gt.Graph(edges[:, edges[0] != edges[1]], whole.ids, directed=True)


def direction_auc(model: gt.Model, split: gt.Split) -> float:
    """AUC of hidden edges against their reverses."""
    u, v = split.test.edges
    all_edges = set(zip(*split.graph.edges.tolist()))
    one_way = np.array([(b, a) not in all_edges for a, b in zip(u.tolist(), v.tolist())])
    frozen = model.frozen()
    return roc_auc(frozen.pairs(u[one_way], v[one_way]), frozen.pairs(v[one_way], u[one_way]))


def main() -> None:
    args = arguments(__doc__, seeds=3).parse_args()
    graph = directed_graph()
    found: dict[str, list[float]] = {}
    for seed in range(1 if args.quick else args.seeds):
        split = gt.split_edges(graph, seed=seed)
        task = gt.LinkPrediction(split)
        for name, order in (("two_sided", "second"), ("symmetric", "first")):
            recipe = gt.LINE(dim=64, order=order)
            start = gt.pretrain(recipe, split, replace(recipe.training(), seed=seed), run=gt.Run(quiet=True)).model
            config = replace(task.defaults(), seed=seed, epochs=1 if args.quick else task.defaults().epochs)
            model = gt.finetune(start, task, config, gt.Run(quiet=True)).model
            found.setdefault(f"auc_{name}", []).append(task.evaluate(model)["auc"])
            found.setdefault(f"direction_auc_{name}", []).append(direction_auc(model, split))
            print(f"seed {seed} {name}: {found[f'auc_{name}'][-1]:.4f}, {found[f'direction_auc_{name}'][-1]:.4f}")
    for name, values in found.items():
        print(f"{name}: {mean_and_spread(values)}")
    finish("directed", {name: float(np.mean(values)) for name, values in found.items()}, args, runs=found)


if __name__ == "__main__":
    main()
