"""Users who come after training, folded in from half of their events: NDCG@20 on the other half beside retraining.

A fifth of the users is held out whole (`split_cold`), with the items that only they have met. A model learns the
others; a tenth of the events of each of them is for the choice of the best epoch and a tenth shows what becomes of old
users.
Then the new users and items get rows from half of the events of the new users, all else in the model as it is, to the
bit. How, is chosen beforehand on an eighth of the other users, held out in the same way from a model of its own.
`settled` is the same with messages over all edges, as a copy of the model has them: no weight of old users and items
changes, but what LightGCN makes of them does. Beside it stands the same recipe trained from scratch with these halves.
Seconds are of the processor.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import graphtune as gt
from graphtune.evaluate import evaluate_recommendations
from graphtune.split import TEST, TRAIN, UNUSED
from harness import arguments, finish, mean_and_spread

RATIOS, FOR_CHOICE, WITHIN = (8, 0, 2), (7, 0, 1), (8, 1, 1)
RECIPES = {
    "mf-softmax": (gt.BPRMF(loss="softmax", negatives=1024), {"l2": 0.05}),
    "bprmf": (gt.BPRMF(), {}),
    "lightgcn-softmax": (gt.LightGCN(loss="softmax", negatives=1024), {}),
}
WAYS = {"mean": ("mean", 0), "mean, 3 epochs": ("mean", 3), "solve": ("solve", 0)}
QUIET = gt.Run(quiet=True)


@dataclass(frozen=True)
class Parts:
    """What is known and what is asked.

    Attributes:
        first: of the users and items that training sees, with a validation and a test part of their own.
        support: the given halves of the new users, over all users and items.
        later: what retraining sees, and the same validation and test parts; over all.
        asked: the other halves of the new users, in test; over all.
    """

    first: gt.Split
    support: gt.Graph
    later: gt.Split
    asked: gt.Split


def divided(graph: gt.Graph, of: str, ratios: tuple[int, int, int], seed: int) -> Parts:
    found = gt.split_cold(graph, of, ratios, 0.5, seed)
    found.audit()
    whole, given = found.split.graph, found.split.part
    new = found.new[whole.edges].any(axis=0)
    known = np.bincount(whole.edges[:, ~new].ravel(), minlength=whole.num_nodes) > 0
    kind = whole.ids.kinds_of(np.arange(whole.num_nodes))
    whole = whole.take_nodes(np.lexsort((~known, kind)))
    rows = np.flatnonzero(np.bincount(whole.edges[:, ~new].ravel(), minlength=whole.num_nodes))
    first = gt.split_interactions(whole.take_edges(~new).take_nodes(rows), "user", WITHIN, seed)
    later, asked = (np.full(whole.num_edges, UNUSED, np.uint8) for _ in range(2))
    later[~new], later[new & (given == TRAIN)] = first.part, TRAIN
    asked[later == TRAIN], asked[given == TEST] = TRAIN, TEST
    counts = first.train.num_edges, int((later == TRAIN).sum()), int((given == TEST).sum()), len(known) - len(rows)
    print("{:,} events, with those given {:,}, asked {:,}; {:,} new users and items".format(*counts), flush=True)
    told = whole.take_edges(new & (given == TRAIN))
    return Parts(first, told, *(gt.given_split(whole, part, "edge") for part in (later, asked)))


def ndcg(model: gt.Model, split: gt.Split) -> float:
    return evaluate_recommendations(model, split, TEST)["ndcg_20"]


def timed(make: Callable[[], Any]) -> tuple[Any, float]:
    begin = time.process_time()
    return make(), time.process_time() - begin


def fold(model: gt.Model, parts: Parts, way: str) -> gt.Model:
    rows, epochs = WAYS[way]
    return gt.add_nodes(model, parts.support, epochs, rows=rows, run=QUIET).model


def chosen(recipe: gt.Recipe, parts: Parts, config: gt.TrainConfig) -> tuple[str, dict[str, float]]:
    """The way that is best for the new users held out for the choice, and what each reaches there."""
    model = gt.pretrain(recipe, parts.first, config, run=QUIET).model
    ways = [way for way, (rows, _) in WAYS.items() if rows == "mean" or isinstance(recipe, gt.BPRMF)]
    scores = {way: ndcg(fold(model, parts, way), parts.asked) for way in ways}
    return max(scores, key=lambda way: scores[way]), scores


def run(graph: gt.Graph, name: str, seed: int, changes: dict[str, Any]) -> dict[str, Any]:
    """Scores of the model folded in and trained anew, and of old users before and after."""
    recipe, own = RECIPES[name]
    config = replace(recipe.training(), **{"eval_every": 2, "patience": 3, "seed": seed, **own, **changes})
    parts = divided(graph, "user", RATIOS, seed)
    way, valid = chosen(recipe, divided(parts.first.graph, "user", FOR_CHOICE, seed), config)
    first, seconds_first = timed(lambda: gt.pretrain(recipe, parts.first, config, run=QUIET))
    model, seconds = timed(lambda: fold(first.model, parts, way))
    anew, seconds_anew = timed(lambda: gt.pretrain(recipe, parts.later, config, run=QUIET))
    figures = {
        "ndcg_20": ndcg(model, parts.asked),
        "ndcg_20_settled": ndcg(model.copy().eval(), parts.asked),
        "ndcg_20_retrained": ndcg(anew.model, parts.asked),
        "ndcg_20_old_before": ndcg(first.model, parts.first),
        "ndcg_20_old_after": ndcg(model, parts.later),
        "ndcg_20_old_retrained": ndcg(anew.model, parts.later),
        "seconds": seconds,
        "seconds_retrained": seconds_anew,
    }
    for prefix in ("", "settled_"):
        reached = figures[f"ndcg_20{'_settled' if prefix else ''}"]
        figures[f"{prefix}ndcg_20_of_retrained"] = reached / figures["ndcg_20_retrained"]
    told = {
        "way": way,
        "choice": valid,
        "best_epochs": [first.best_epoch, anew.best_epoch],
        "seconds_first": seconds_first,
        "old_unchanged": all(unchanged(first.model, model, kind) for kind in model.ids.kinds),
    }
    print(f"{name}, seed {seed}: {figures} {told}", flush=True)
    return {"figures": figures, **told}


def unchanged(before: gt.Model, after: gt.Model, kind: str) -> bool:
    """Whether the embeddings of the nodes of a kind that were there have the bits they had."""
    names = before.ids.values(before.ids.rows(kind))
    return bool(np.array_equal(before.encode(names, kind=kind), after.encode(names, kind=kind)))


def main() -> None:
    parser = arguments(__doc__, seeds=3)
    parser.add_argument("data", nargs="?", default="lastfm")
    parser.add_argument("--models", nargs="*", default=["mf-softmax", "lightgcn-softmax"], choices=list(RECIPES))
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
        runs[name] = [run(graph, name, seed, changes) for seed in seeds]
        for key in runs[name][0]["figures"]:
            values = [one["figures"][key] for one in runs[name]]
            print(f"{name} {key}: {mean_and_spread(values)}", flush=True)
            figures[f"{name}_{key}"] = float(np.mean(values))
    figures["ndcg_20_of_retrained"] = min(figures[f"{name}_ndcg_20_of_retrained"] for name in args.models)
    finish(f"rec_cold_{args.data}", figures, args, runs=runs)


if __name__ == "__main__":
    main()
