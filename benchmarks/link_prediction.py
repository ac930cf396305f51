"""node2vec's link prediction on ego-Facebook and ca-AstroPh: half of the edges hidden, the rest connected; AUC.

A logistic regression on what an operator makes of two embeddings (Grover and Leskovec, 2016, section 4.4), fitted to
kept edges and as many non-edges. Model, operator and strength are chosen on a tenth of the kept edges, which no model
trains on; the hidden half is scored once, by what was chosen. The published best of node2vec are .968 and .937.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

import graphtune as gt
from graphtune.evaluate import choose_operator, evaluate_probe
from harness import arguments, finish, mean_and_spread

DATA = {"facebook": "ego-facebook", "astroph": "ca-astroph"}
PUBLISHED = {"facebook": 0.968, "astroph": 0.937}
RATIOS = (4.5, 0.5, 5)
QUIET = gt.Run(quiet=True)
Maker = Callable[[gt.Split, int], gt.Model]


def pretrained(recipe: gt.Recipe) -> Maker:
    def make(split: gt.Split, seed: int) -> gt.Model:
        config = gt.TrainConfig(**{**vars(recipe.training()), "seed": seed})
        return gt.pretrain(recipe, split.train, config, run=QUIET).model

    return make


def tuned(recipe: gt.Recipe, start_pretrained: bool, **options: float) -> Maker:
    def make(split: gt.Split, seed: int) -> gt.Model:
        model = pretrained(recipe)(split, seed) if start_pretrained else recipe.build(split.train, seed)
        task = gt.LinkPrediction(split, seed=seed)
        config = gt.TrainConfig(**{**vars(task.defaults()), **options, "seed": seed})
        return gt.finetune(model, task, config, QUIET).model

    return make


CANDIDATES: dict[str, Maker] = {
    "deepwalk": pretrained(gt.DeepWalk()),
    "node2vec": pretrained(gt.Node2Vec(p=1.0, q=0.5)),
    "node2vec-near": pretrained(gt.Node2Vec(p=0.5, q=2.0)),
    "line": pretrained(gt.LINE()),
    "netmf": pretrained(gt.NetMF()),
    "prone": pretrained(gt.ProNE()),
    "deepwalk-tuned": tuned(gt.DeepWalk(), True, eval_every=5),
    "gcn-tuned": tuned(gt.GCN(dim=64, hidden=64), False, batch_size=1 << 17, epochs=60, lr=0.01, eval_every=5),
}
QUICK = {"deepwalk": pretrained(gt.DeepWalk(walks_per_node=2))}


def run(graph: gt.Graph, candidates: dict[str, Maker], seed: int) -> dict[str, float]:
    """Test AUC of what validation chose, of the paper's best operator on DeepWalk, and the interval."""
    split = gt.split_edges(graph, RATIOS, seed, keep_connected=True)
    models = {}
    for name, make in candidates.items():
        begin = time.perf_counter()
        models[name] = make(split, seed)
        print(f"  {name}: {time.perf_counter() - begin:.0f} s", flush=True)
    chosen = choose_operator(models, split, seed=seed)
    for (name, operator), auc in chosen.valid.items():
        print(f"  valid {name:<16} {operator:<12} {auc:.4f}")
    hadamard = choose_operator({"deepwalk": models["deepwalk"]}, split, ("hadamard",), seed=seed)
    auc = evaluate_probe(chosen, split, seed=seed).metrics["auc"]
    print(f"  chosen {chosen.operator} of {chosen.model}: test AUC {auc}", flush=True)
    plain = evaluate_probe(hadamard, split, seed=seed)["auc"]
    return {"auc": auc.mean, "low": auc.low, "high": auc.high, "deepwalk_hadamard": plain}


def main() -> None:
    args = arguments(__doc__, seeds=3).parse_args()
    figures: dict[str, float] = {}
    runs: dict[str, list[dict[str, float]]] = {}
    for short, name in DATA.items():
        if args.quick and short != "facebook":
            continue
        graph = gt.load_dataset(name).graph
        for seed in range(1 if args.quick else args.seeds):
            print(f"{name}, seed {seed}", flush=True)
            runs.setdefault(short, []).append(run(graph, QUICK if args.quick else CANDIDATES, seed))
        for key in ("auc", "deepwalk_hadamard"):
            values = [found[key] for found in runs[short]]
            figures["_".join(["auc", short, *([] if key == "auc" else [key])])] = float(np.mean(values))
            print(f"{name} {key}: {mean_and_spread(values)}; published {PUBLISHED[short]}")
        for key, pick in (("low", min), ("high", max)):
            figures[f"auc_{short}_{key}"] = pick(found[key] for found in runs[short])
        figures[f"auc_{short}_over_published"] = figures[f"auc_{short}"] - PUBLISHED[short]
    finish("link_prediction", figures, args, runs=runs)


if __name__ == "__main__":
    main()
