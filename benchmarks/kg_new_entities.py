"""Entities that come after training, with five triples each: MRR on their other triples, among all entities.

A tenth of the entities is held out whole for validation and a tenth for test (`split_entities`). The model learns the
others; then the new ones get rows from their five triples: `closed` by the closed form of `add_nodes`, `new` with the
training behind it that is best on validation, none among the choices. Beside it stand the same model trained from
scratch with those triples (the rate, the N3 penalty and the epoch that are best on validation), the mean of the
neighbours' rows, and random rows. Ranks are filtered and realistic. Seconds are of the processor.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

import graphtune as gt
from graphtune.adapt.enlarge import enlarge
from graphtune.split import VALID, EntitySplit
from harness import arguments, finish, mean_and_spread

RATIOS, SUPPORT = (8, 1, 1), 5
TRAINED = ((5, 1), (5, 5))  # epochs, replay
RATES, PENALTIES = (0.1, 0.3, 1.0), (1.0, 5.0)  # of retraining, as multiples of the recipe's learning rate and N3
RECIPES = {
    "complex": gt.ComplEx(),
    "distmult": gt.DistMult(),
    "transe": gt.TransE(dim=100),
    "rotate": gt.RotatE(dim=100),
}
QUIET = gt.Run(quiet=True)


def timed(make: Callable[[], Any]) -> tuple[Any, float]:
    begin = time.process_time()
    return make(), time.process_time() - begin


def started(model: gt.Model, divided: EntitySplit, missing: str) -> gt.Model:
    """A model over all entities whose new rows are random, or the mean of their neighbours."""
    bigger = model.recipe.build(enlarge(divided.seen, divided.support).graph)
    gt.start_from_model(bigger, model, missing=missing)
    return bigger


def extended(
    model: gt.Model, divided: EntitySplit, task: gt.TripleCompletion
) -> tuple[dict[str, gt.Model], dict[str, Any]]:
    """The closed form, and what validation chose of it and of some training; with seconds of the second."""
    gt.add_nodes(model, divided.support)  # what is compiled and read once
    found = {(0, 0): timed(lambda: gt.add_nodes(model, divided.support).model)}
    for how in TRAINED:
        found[how] = timed(lambda: gt.add_nodes(model, divided.support, *how, run=QUIET).model)  # noqa: B023
    best = max(found, key=lambda how: task.evaluate(found[how][0], VALID).means()["mrr"])
    closed, seconds = found[0, 0]
    told = {"epochs": best[0], "replay": best[1], "seconds": found[best][1], "seconds_closed": seconds}
    return {"closed": closed, "new": found[best][0]}, told


def retrained(recipe: gt.Recipe, divided: EntitySplit, config: gt.TrainConfig) -> tuple[gt.Model, float]:
    """The model trained from scratch that is best on validation, and the seconds of one training."""
    found = []
    for rate, penalty in product(RATES, PENALTIES):
        tried = replace(config, lr=rate * config.lr, n3=penalty * config.n3)
        found.append(timed(lambda: gt.pretrain(recipe, divided.split, tried, run=QUIET)))  # noqa: B023
    best, seconds = max(found, key=lambda one: max(row["mrr"] for row in one[0].history))
    return best.model, seconds


def run(data: str, recipe: gt.Recipe, epochs: int, seed: int) -> dict[str, float]:
    """Every way's test scores, and its seconds."""
    divided = gt.split_entities(gt.load_dataset(data).graph, RATIOS, SUPPORT, seed)
    divided.audit()
    print(f"{data}, seed {seed}: " + ", ".join(f"{n:,} {what}" for what, n in divided.summary().items()), flush=True)
    task = gt.TripleCompletion(divided.split)
    config = replace(recipe.training(), epochs=epochs, seed=seed, eval_every=1, patience=0)
    model = gt.pretrain(recipe, divided.seen, config, run=QUIET).model
    ways, told = extended(model, divided, task)
    whole, seconds = retrained(recipe, divided, config)
    ways |= {"retrained": whole, **{how: started(model, divided, how) for how in ("neighbours", "random")}}
    figures = {**told, "seconds_retrained": seconds}
    for way, one in ways.items():
        test = task.evaluate(one).means()
        figures |= {f"mrr_{way}": test["mrr"], f"hits_10_{way}": test["hits_10"]}
        print(f"  {way:<10} MRR {test['mrr']:.4f}, Hits@10 {test['hits_10']:.4f}", flush=True)
    return {**figures, "mrr_of_retrained": figures["mrr_new"] / figures["mrr_retrained"]}


def main() -> None:
    parser = arguments(__doc__, seeds=3)
    parser.add_argument("data", nargs="*", default=["umls", "codex-s"])
    parser.add_argument("--model", default="complex", choices=RECIPES)
    parser.add_argument("--dim", type=int, help="instead of the model's own")
    parser.add_argument("--epochs", type=int, default=25, help="of training")
    args = parser.parse_args()
    recipe = RECIPES[args.model] if args.dim is None else replace(RECIPES[args.model], dim=args.dim)
    figures, runs = {}, {}
    for data in args.data[:1] if args.quick else args.data:
        seeds = range(1 if args.quick else args.seeds)
        runs[data] = [run(data, recipe, 3 if args.quick else args.epochs, seed) for seed in seeds]
        for key in runs[data][0]:
            values = [one[key] for one in runs[data]]
            print(f"{data} {key}: {mean_and_spread(values)}", flush=True)
            figures[key if len(args.data) == 1 else f"{data}_{key}"] = float(np.mean(values))
    finish("kg_new_entities", figures, args, runs=runs)


if __name__ == "__main__":
    main()
