"""Recommendation on a published split: full-ranking Recall@20 and NDCG@20 beside the published figures.

`SETTINGS` says how each model is made for each data set. A model that is trained learns the train part and takes its
best epoch on validation. A closed form has no epoch to choose: its settings are chosen on validation, then it is solved
once more on train and validation together, which is the train part that the data set was published with; so do the
published figures. `--try dim=128,256 low_pass=.3,1` makes every combination from the train part, takes the best by
validation, and only then looks at test. For Gowalla it is chosen on the division that LightGCN++ published
(gowalla-lightgcnpp), whose test part is the same. Minutes are of the solving or training and the ranking of all users.
`--fuse` also makes one ranking of all models, `--fuse only` nothing else: weights and epochs are learned by
validation, then every model is made again on the published train part, and test is looked at once. With `--members 4` a
trained model is the mean of those of four seeds.
"""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import product
from typing import Any, NamedTuple

import numpy as np

import graphtune as gt
from graphtune.cli.settings import Settings
from graphtune.models import RECIPES
from graphtune.split import TRAIN, VALID
from harness import arguments, finish, mean_and_spread

MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: (name, {}) for name in ("popularity", "itemknn", "ease", "gf-cf", "bspm", "bprmf", "lightgcn")},
    "bprmf-cosines": ("bprmf", {"loss": "softmax", "negatives": 512, "temperature": 0.2}),
    "lightgcn-softmax": ("lightgcn", {"loss": "softmax", "negatives": 1024}),
    "bprmf-full": ("bprmf", {"loss": "full-softmax", "temperature": 0.2}),
    "lightgcn-cosines": ("lightgcn", {"loss": "softmax", "negatives": 1024, "temperature": 0.2}),
    "lightgcn-contrast": ("lightgcn", {"contrast": 0.2}),
}
"""The recipe and its options by the name that the benchmark has for it."""
FROM_SVD = ("bprmf-cosines", "bprmf-full", "lightgcn-cosines")
"""Models that start from the SVD of the log."""
SETTINGS: dict[tuple[str, str], dict[str, Any]] = {
    # on two parts of a fifth of the train part, and the validation part of the data set: dim of 64 to 256, low_pass of
    # .1 to 3, item_power of .15 to .65, user_power of 0 to .75, sharpening of 0 to 2.5
    ("lastfm", "gf-cf"): {"dim": 96, "low_pass": 1.0, "item_power": 0.35},
    ("lastfm", "bspm"): {"dim": 96, "low_pass": 0.6, "sharpening": 0.3, "item_power": 0.4},
    # on the validation part: temperature of .1 to .25, 512 and 1,024 negatives, random starts
    ("lastfm", "bprmf-cosines"): {"epochs": 45, "patience": 0},
    # on the same: dim of 64, 128, 256; sampled and full softmax
    ("lastfm", "bprmf-full"): {"dim": 128, "epochs": 30, "patience": 0},
    ("lastfm", "lightgcn-cosines"): {"dim": 128, "layers": 2, "epochs": 40, "patience": 0},
    # on the same parts as gf-cf: l2 of 50, 150, 500; neighbours of 50, 200, shrinkage of 5, 20
    ("lastfm", "ease"): {"l2": 150.0},
    ("lastfm", "itemknn"): {"neighbours": 200, "shrinkage": 20.0},
    # on 1,024 users of the validation part of gowalla-lightgcnpp: dim of 96, 192, 448, low_pass of .1, .3, 1,
    # item_power of .4, .5, sharpening of 0, 1, 2.5
    ("gowalla", "gf-cf"): {"dim": 448, "low_pass": 0.3, "item_power": 0.4},
    ("gowalla", "bspm"): {"dim": 448, "low_pass": 0.3, "sharpening": 1.0, "item_power": 0.4},
    # not searched; the rest as of lastfm
    ("gowalla", "bprmf-cosines"): {
        "temperature": 0.15,
        "negatives": 1024,
        "batch_size": 8192,
        "epochs": 25,
        "patience": 0,
    },
}
"""Options of the recipe and of the training by (data set, model), chosen on validation; elsewhere the recipe's own."""
CHOSEN_ON = {"gowalla": "gowalla-lightgcnpp"}
"""The data set with the same test part whose validation part settings are chosen on."""
PUBLISHED: dict[str, dict[str, tuple[float, float]]] = {
    "gowalla": {
        "LightGCN": (0.1830, 0.1554),
        "UltraGCN": (0.1862, 0.1580),
        "SimpleX": (0.1872, 0.1557),
        "GF-CF": (0.1849, 0.1518),
        "BSPM-EM": (0.1920, 0.1597),
    },
}
"""Recall@20 and NDCG@20 by data set and model, as their papers have them."""
Options = dict[str, Any]


def setting(data: str, model: str, changes: Options) -> tuple[Any, gt.TrainConfig]:
    """The recipe and the training of the tables, with changes."""
    name, options = MODELS[model]
    chosen = {**options, **SETTINGS.get((data, model), {}), **changes}
    recipe = RECIPES[name]
    of_training = {key: chosen.pop(key) for key in list(chosen) if key in gt.TrainConfig.names()}
    made = recipe(**chosen)
    return made, replace(made.training(), **of_training)


def is_solved(model: str) -> bool:
    return hasattr(RECIPES[MODELS[model][0]], "solve")


def whole_train(split: gt.Split) -> gt.Split:
    """The same test part with train and validation as one."""
    return gt.given_split(split.graph, np.where(split.part == VALID, TRAIN, split.part).astype(np.uint8), "edge")


def solve(recipe: Any, graph: gt.Graph, seed: int) -> gt.Model:
    model = recipe.build(graph, seed)
    recipe.solve(model, seed)
    return model.eval()


def make(
    split: gt.Split, data: str, model: str, changes: Options, quiet: bool, epochs: int = 0
) -> tuple[gt.Model, int]:
    """Trained on the train part by its validation, or for so many `epochs` without, or solved on the train part; and
    the epochs that it took."""
    recipe, config = setting(data, model, changes)
    if is_solved(model):
        return solve(recipe, split.train, config.seed), 0
    start = None
    if model in FROM_SVD:
        start = recipe.build(split.train, config.seed)
        gt.start_from_svd(start)
    if epochs:
        config = replace(config, epochs=epochs, patience=0)
    result = gt.pretrain(recipe, split.train if epochs else split, config, start=start, run=gt.Run(quiet=quiet))
    return result.model, result.best_epoch


def best_of(tried: dict[str, list[Any]], data: str, model: str, fixed: Options) -> tuple[Options, list[Options]]:
    """The combination with the best validation NDCG, and what all of them came to."""
    split = gt.load_dataset(CHOSEN_ON.get(data, data)).split
    task, found = gt.Recommendation(split), []
    for values in product(*tried.values()):
        changes = dict(zip(tried, values))
        begin = time.perf_counter()
        scores = task.validate(make(split, data, model, {**fixed, **changes}, quiet=True)[0])
        row = {**changes, "recall_20": scores["recall_20"], "ndcg_20": scores["ndcg_20"]}
        took = time.perf_counter() - begin
        print(f"{data} {model} {changes}: validation recall@20 {row['recall_20']:.4f}, ", end="")
        print(f"ndcg@20 {row['ndcg_20']:.4f}, {took:.0f} s", flush=True)
        found.append(row)
    best = max(found, key=lambda row: row["ndcg_20"])
    return {name: best[name] for name in tried}, found


def read_tried(pairs: list[str], model: str) -> dict[str, list[Any]]:
    """Values to try by option, from `option=value,value` texts."""
    tried: dict[str, list[Any]] = {}
    recipe = RECIPES[MODELS[model][0]]
    for pair in pairs:
        name, _, texts = pair.partition("=")
        for text in texts.split(","):
            one = Settings({name: text}, "rec_quality")
            one.check(recipe, gt.TrainConfig)
            tried.setdefault(name, []).append({**one.of(recipe), **one.of(gt.TrainConfig)}[name])
    return tried


def scores_of(data: str, model: str, changes: Options, seeds: int, quiet: bool) -> dict[str, list[float]]:
    """Test scores by seed."""
    split = gt.load_dataset(data).split
    judged = whole_train(split) if is_solved(model) else split
    found: dict[str, list[float]] = {"recall_20": [], "ndcg_20": [], "minutes": []}
    for seed in range(seeds):
        begin = time.perf_counter()
        made, _ = make(judged, data, model, {**changes, "seed": seed}, quiet)
        test = gt.Recommendation(judged).evaluate(made)
        found["minutes"].append((time.perf_counter() - begin) / 60)
        for key in ("recall_20", "ndcg_20"):
            found[key].append(test[key])
        print(test, flush=True)
    return found


class Members(NamedTuple):
    """A model of one seed each, as one, and the epochs that each took."""

    model: Any
    epochs: list[int]


def members(split: gt.Split, data: str, model: str, changes: Options, quiet: bool, epochs: list[int]) -> Members:
    """As `make`, with as many seeds as there are `epochs`; a closed form has one."""
    if is_solved(model):
        return Members(make(split, data, model, {}, quiet)[0], epochs)
    made = [make(split, data, model, {**changes, "seed": seed}, quiet, each) for seed, each in enumerate(epochs)]
    models, took = zip(*made)
    return Members(models[0] if len(models) == 1 else gt.Fused(gt.Fusion("weights"), models), list(took))


def fused(data: str, models: list[str], fixed: Options, quiet: bool, count: int) -> dict[str, Any]:
    """The models, each of `count` seeds, as one ranking: weights and epochs from validation, then all made again on the
    whole train part."""
    begin, tuned = time.perf_counter(), gt.load_dataset(CHOSEN_ON.get(data, data)).split
    first = {model: members(tuned, data, model, fixed, quiet, [0] * count) for model in models}
    together = gt.fuse([each.model for each in first.values()], tuned, by="weights")
    valid = gt.Recommendation(tuned).validate(together)
    chosen = {model: weight for model, weight in zip(models, together.recipe.weights) if weight > 0}
    print(f"{data} fused, weights {chosen}: validation {valid}", flush=True)
    whole = whole_train(gt.load_dataset(data).split)
    again = [members(whole, data, model, fixed, quiet, first[model].epochs).model for model in chosen]
    task = gt.Recommendation(whole)
    test = task.evaluate(gt.Fused(gt.Fusion("weights", tuple(chosen.values())), again))
    took = (time.perf_counter() - begin) / 60
    print(f"{data} fused: {test}", flush=True)
    alone = {model: task.evaluate(made)["ndcg_20"] for model, made in zip(chosen, again)}
    print(f"{data} parts on the whole train part, ndcg_20: {alone}", flush=True)
    scores = {key: test[key] for key in ("recall_20", "ndcg_20")}
    validation = {key: valid[key] for key in ("recall_20", "ndcg_20")}
    return {**scores, "minutes": took, "weights": chosen, "parts_ndcg_20": alone, "validation": validation}


def main() -> None:
    parser = arguments(__doc__, seeds=1)
    parser.add_argument("data", nargs="?", default="lastfm")
    parser.add_argument("--models", nargs="*", default=["popularity", "lightgcn-softmax"], choices=list(MODELS))
    parser.add_argument("--try", dest="tried", nargs="*", default=[], metavar="OPTION=VALUE,VALUE")
    parser.add_argument("--fuse", nargs="?", const="also", choices=("also", "only"), help="one ranking of all models")
    parser.add_argument("--members", type=int, default=1, help="seeds of a trained model in that ranking")
    parser.add_argument("--epochs", type=int, help="instead of each model's own")
    parser.add_argument("--batch-size", type=int, help="instead of each model's own")
    args = parser.parse_args()
    figures: dict[str, float] = {}
    details: dict[str, Any] = {}
    given = {"epochs": 1 if args.quick else args.epochs, "batch_size": args.batch_size}
    of_training = {key: value for key, value in given.items() if value}
    for model in args.models if args.fuse != "only" else ():
        fixed = {} if is_solved(model) else of_training
        tried = read_tried(args.tried, model)
        chosen, validation = best_of(tried, args.data, model, fixed) if tried else ({}, [])
        seeds = 1 if args.quick or is_solved(model) else args.seeds
        scores = scores_of(args.data, model, {**fixed, **chosen}, seeds, args.quick)
        told = ", ".join(f"{key} {mean_and_spread(scores[key])}" for key in scores)
        print(f"{args.data} {model}: {told}", flush=True)
        recipe, config = setting(args.data, model, {**fixed, **chosen})
        details[model] = {**scores, "validation": validation, "recipe": repr(recipe), "config": repr(config)}
        prefix = "" if len(args.models) == 1 else f"{model}_"
        figures |= {f"{prefix}{key}": float(np.mean(values)) for key, values in scores.items()}
    if args.fuse:
        details["fused"] = fused(args.data, args.models, of_training, args.quick, args.members)
        figures |= {f"fused_{key}": details["fused"][key] for key in ("recall_20", "ndcg_20", "minutes")}
    for name, (recall, ndcg) in PUBLISHED.get(args.data, {}).items():
        print(f"{args.data} published {name}: recall_20 {recall:.4f}, ndcg_20 {ndcg:.4f}")
    finish(f"rec_quality_{args.data}", figures, args, published=PUBLISHED.get(args.data, {}), runs=details)


if __name__ == "__main__":
    main()
