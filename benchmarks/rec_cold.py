"""Users who come after training, folded in from half of their events: NDCG@20 on the other half beside retraining.

A fifth of the users is held out whole for test and a tenth for validation (`split_cold`). A model learns the others; of
each of theirs a tenth of the events is for the choice of the best epoch and a tenth shows what becomes of old users.
Then the new users get rows from half of their events, the model as it is; how, is chosen on those of validation. Beside
it stands the same recipe trained from scratch with these halves. Seconds are of the processor.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import graphtune as gt
from graphtune.evaluate import evaluate_recommendations
from graphtune.split import TEST, TRAIN, UNUSED, VALID
from harness import arguments, finish, mean_and_spread

RATIOS, WITHIN = (7, 1, 2), (8, 1, 1)
RECIPES = {
    "mf-softmax": (gt.BPRMF(loss="softmax", negatives=1024), {"l2": 0.05}),
    "bprmf": (gt.BPRMF(), {}),
    "lightgcn-softmax": (gt.LightGCN(loss="softmax", negatives=1024), {}),
}
QUIET = gt.Run(quiet=True)


@dataclass(frozen=True)
class Parts:
    """What is known and what is asked, over all users and items.

    Attributes:
        first: of the users that training sees, with a validation and a test part of their own.
        support: the given halves of the new users.
        later: what retraining sees, and the same validation and test parts.
        asked: the other halves of the new users, in validation and test.
    """

    first: gt.Split
    support: gt.Graph
    later: gt.Split
    asked: gt.Split


def divided(graph: gt.Graph, of: str, seed: int) -> Parts:
    found = gt.split_cold(graph, of, RATIOS, 0.5, seed)
    found.audit()
    print(", ".join(f"{count:,} {what}" for what, count in found.summary().items()), flush=True)
    whole, given = found.split.graph, found.split.part
    first = gt.split_interactions(found.seen, "user", WITHIN, seed)
    new = found.new[whole.edges].any(axis=0)
    old, told = ~new & (given == TRAIN), new & (given == TRAIN)
    later, asked = (np.full(whole.num_edges, UNUSED, np.uint8) for _ in range(2))
    later[old], later[told] = first.part, TRAIN
    asked[later == TRAIN] = TRAIN
    asked[given == VALID], asked[given == TEST] = VALID, TEST
    return Parts(first, found.support, *(gt.given_split(whole, part, "edge") for part in (later, asked)))


def ndcg(model: gt.Model, split: gt.Split, part: int) -> float:
    return evaluate_recommendations(model, split, part)["ndcg_20"]


def timed(make: Callable[[], Any]) -> tuple[Any, float]:
    begin = time.process_time()
    return make(), time.process_time() - begin


def folded(model: gt.Model, parts: Parts) -> tuple[str, gt.Model, float, dict[str, float]]:
    """The way that is best for new users of validation, its model and seconds; and what each way reached there."""
    products = isinstance(model.recipe, gt.BPRMF)
    gt.add_nodes(model, parts.support)  # what is compiled once
    found = {
        way: timed(lambda: gt.add_nodes(model, parts.support, rows=way).model)  # noqa: B023
        for way in ("mean", *(["solve"] if products else []))
    }
    found["mean, 3 epochs"] = timed(lambda: gt.add_nodes(model, parts.support, epochs=3, run=QUIET).model)
    scores = {way: ndcg(one, parts.asked, VALID) for way, (one, _) in found.items()}
    best = max(scores, key=lambda way: scores[way])
    return best, *found[best], scores


def run(graph: gt.Graph, of: str, name: str, seed: int, changes: dict[str, Any]) -> dict[str, Any]:
    """Scores of the model folded in and trained anew, and of old users before and after."""
    parts, (recipe, own) = divided(graph, of, seed), RECIPES[name]
    config = replace(recipe.training(), **{"eval_every": 2, "patience": 5, "seed": seed, **own, **changes})
    first, seconds_first = timed(lambda: gt.pretrain(recipe, parts.first, config, run=QUIET))
    way, model, seconds, valid = folded(first.model, parts)
    anew, seconds_anew = timed(lambda: gt.pretrain(recipe, parts.later, config, run=QUIET))
    rows = model.ids.index(first.model.ids.blocks[0], "user")
    before = first.model.encode(first.model.ids.blocks[0], kind="user")
    figures = {
        "ndcg_20": ndcg(model, parts.asked, TEST),
        "ndcg_20_retrained": ndcg(anew.model, parts.asked, TEST),
        "ndcg_20_old_before": ndcg(first.model, parts.first, TEST),
        "ndcg_20_old_after": ndcg(model, parts.later, TEST),
        "ndcg_20_old_retrained": ndcg(anew.model, parts.later, TEST),
        "seconds": seconds,
        "seconds_retrained": seconds_anew,
    }
    figures["ndcg_20_of_retrained"] = figures["ndcg_20"] / figures["ndcg_20_retrained"]
    told = {
        "way": way,
        "valid": valid,
        "best_epochs": [first.best_epoch, anew.best_epoch],
        "seconds_first": seconds_first,
        "old_rows_unchanged": bool(np.array_equal(before, model.encode()[rows])),
    }
    print(f"{name}, seed {seed}: {figures} {told}", flush=True)
    return {"figures": figures, **told}


def main() -> None:
    parser = arguments(__doc__, seeds=3)
    parser.add_argument("data", nargs="?", default="lastfm")
    parser.add_argument("--models", nargs="*", default=["mf-softmax", "lightgcn-softmax"], choices=list(RECIPES))
    parser.add_argument("--of", choices=("user", "item"), default="user", help="which of the two are held out")
    parser.add_argument("--epochs", type=int, default=60, help="at most")
    parser.add_argument("--batch-size", type=int, help="instead of each model's own")
    parser.add_argument("--lr", type=float, help="instead of each model's own")
    args = parser.parse_args()
    graph = gt.load_dataset(args.data).graph
    given = {"epochs": 2 if args.quick else args.epochs, "batch_size": args.batch_size, "lr": args.lr}
    changes = {key: value for key, value in given.items() if value}
    figures: dict[str, float] = {}
    runs: dict[str, list[dict[str, Any]]] = {}
    for name in args.models:
        seeds = range(1 if args.quick else args.seeds)
        runs[name] = [run(graph, args.of, name, seed, changes) for seed in seeds]
        for key in runs[name][0]["figures"]:
            values = [one["figures"][key] for one in runs[name]]
            print(f"{name} {key}: {mean_and_spread(values)}", flush=True)
            figures[f"{name}_{key}"] = float(np.mean(values))
    figures["ndcg_20_of_retrained"] = min(figures[f"{name}_ndcg_20_of_retrained"] for name in args.models)
    finish(f"rec_cold_{args.data}", figures, args, runs=runs)


if __name__ == "__main__":
    main()
