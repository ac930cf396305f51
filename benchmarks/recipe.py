"""The recipe against random weights: a pretrained start, dropout, L2 and a rate that falls as a cosine.

DeepWalk, LINE and a GNN each start a model of a social graph (links and classes), of a recommender and of a knowledge
graph. There RotatE's entities start from vectors that its graph gives without its relations. Three arms:

- recipe: pretrained, dropout, L2, cosine;
- random: random weights and all the rest of the recipe;
- plain: random weights, no dropout, no L2, a constant rate.

The arms that start at random train twice as many epochs, which is to outweigh the pretraining; the seconds of all are
in the results. Each arm has the rate, of three, that is best on validation for a seed of its own. Gains are on test,
the mean over seeds with its 95 % t-interval; a cell is won where both arms are beaten with an interval above 0.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats

import graphtune as gt
from graphtune.split import TEST, VALID
from harness import arguments, finish

QUIET = gt.Run(quiet=True)
ARMS = ("recipe", "random", "plain")
CHOOSING = 100
"""The seed on which rates are chosen."""

Made = tuple[Any, Any]
"""What to pretrain on, and the task."""


@dataclass(frozen=True)
class Cell:
    """A model on a graph.

    Attributes:
        recipe: what is pretrained.
        make: seed -> what to pretrain on, and the task.
        metric: of the task.
        before: changes to the settings of the pretraining.
        after: changes to those of the fine-tuning; the recipe's dropout and L2 are among them.
        rates: learning rates to choose from.
        takes_over: another model, which starts from the pretrained one's vectors.
    """

    recipe: Any
    make: Callable[[int], Made]
    metric: str
    before: dict[str, Any]
    after: dict[str, Any]
    rates: tuple[float, float, float]
    takes_over: Any = None

    @property
    def model(self) -> Any:
        """What is fine-tuned."""
        return self.takes_over or self.recipe


def friends(seed: int) -> Made:
    split = gt.split_edges(gt.load_dataset("lastfm-asia").graph, seed=seed)
    return split, gt.LinkPrediction(split)


def countries(seed: int) -> Made:
    split = gt.split_nodes(gt.load_dataset("lastfm-asia").graph, seed=seed)
    return split.graph, gt.NodeClassification(split)


def artists(seed: int) -> Made:
    split = gt.load_dataset("lastfm").split
    return split, gt.Recommendation(split)


def facts(seed: int) -> Made:
    """The triples of CoDEx-S; to pretrain on, which entities they join, without direction."""
    split = gt.load_dataset("codex-s").split
    joined = np.unique(np.sort(split.train.edges, axis=0), axis=1)
    graph = replace(split.train, edges=joined, directed=False, relation=None, relation_ids=None)
    return graph, gt.TripleCompletion(split, loss="self-adversarial", negatives=64)


LINKS = {"epochs": 10, "batch_size": 1024, "weight_decay_table": 0.0, "row_dropout": 0.1, "l2": 1e-3, "patience": 0}
CLASSES = {"epochs": 60, "weight_decay": 0.0, "row_dropout": 0.1, "l2": 1e-3, "eval_every": 5, "patience": 0}
ITEMS = {"epochs": 15, "row_dropout": 0.2, "l2": 1e-3, "eval_every": 5, "patience": 0}
FACTS = {"epochs": 15, "batch_size": 1024, "row_dropout": 0.1, "l2": 1e-4, "eval_every": 5, "patience": 0}
COARSE = (0.003, 0.01, 0.03)
FINE = (0.001, 0.003, 0.01)

DEEPWALK, LINE = gt.DeepWalk(dim=64), gt.LINE(dim=64)
GCN = gt.GCN(hidden=64, dim=64, dropout=0.2)
CELLS = {
    "social_deepwalk_links": Cell(DEEPWALK, friends, "mrr", {}, LINKS, FINE),
    "social_deepwalk_classes": Cell(DEEPWALK, countries, "f1_micro", {}, CLASSES, COARSE),
    "social_line_links": Cell(LINE, friends, "mrr", {}, LINKS, FINE),
    "social_line_classes": Cell(LINE, countries, "f1_micro", {}, CLASSES, COARSE),
    "social_gnn_links": Cell(GCN, friends, "mrr", {"epochs": 30}, LINKS, FINE),
    "social_gnn_classes": Cell(GCN, countries, "f1_micro", {"epochs": 30}, CLASSES, COARSE),
    "recommender_deepwalk": Cell(DEEPWALK, artists, "ndcg_20", {}, ITEMS, FINE),
    "recommender_line": Cell(LINE, artists, "ndcg_20", {}, ITEMS, FINE),
    "recommender_gnn": Cell(gt.LightGCN(), artists, "ndcg_20", {"epochs": 20}, ITEMS, FINE),
    "knowledge_deepwalk": Cell(DEEPWALK, facts, "mrr", {}, FACTS, COARSE, gt.RotatE(dim=64)),
    "knowledge_line": Cell(LINE, facts, "mrr", {}, FACTS, COARSE, gt.RotatE(dim=64)),
    "knowledge_gnn": Cell(GCN, facts, "mrr", {"epochs": 30}, FACTS, COARSE, gt.RotatE(dim=64)),
}
"""By graph, model and, where a graph has two, task; a cell of the table is a graph and a model."""


def start(cell: Cell, arm: str, data: Any, task: Any, seed: int, quick: bool) -> Any:
    """The model before fine-tuning."""
    if arm != "recipe":
        return cell.model.build(task.split.train if task.split.unit == "edge" else data, seed)
    before = replace(cell.recipe.training(), seed=seed, patience=0, **cell.before)
    found = gt.pretrain(cell.recipe, data, replace(before, epochs=1) if quick else before, run=QUIET).model
    if cell.takes_over is None:
        return found
    model = cell.takes_over.build(task.split.train, seed)
    gt.start_from_model(model, found, scale="own", seed=seed)
    return model


def settings(cell: Cell, arm: str, task: Any, lr: float, seed: int, quick: bool) -> gt.TrainConfig:
    config = replace(task.defaults(), seed=seed, lr=lr, schedule="cosine", **cell.after)
    if arm != "recipe":
        config = replace(config, epochs=2 * config.epochs)
    if arm == "plain":
        config = replace(config, schedule="constant", row_dropout=0.0, l2=0.0, weight_decay=0.0)
    return replace(config, epochs=2, eval_every=1) if quick else config


def run(cell: Cell, arm: str, lr: float, seed: int, quick: bool) -> dict[str, float]:
    """Metrics on validation and test, and the seconds from random weights to the end."""
    data, task = cell.make(seed)
    begun = time.monotonic()
    model = start(cell, arm, data, task, seed, quick)
    model = gt.finetune(model, task, settings(cell, arm, task, lr, seed, quick), QUIET).model
    seconds = time.monotonic() - begun
    valid, test = (task.evaluate(model, part)[cell.metric] for part in (VALID, TEST))
    return {"valid": valid, "test": test, "seconds": seconds}


class Runs:
    """Results of runs, kept in a file of JSON lines if one is given; what is there is not run again."""

    def __init__(self, path: str | None, quick: bool):
        self.path, self.quick = path, quick
        self.known: dict[str, dict[str, float]] = {}
        if path and Path(path).exists():
            self.known = dict(json.loads(line) for line in Path(path).read_text().splitlines())

    def get(self, name: str, arm: str, lr: float, seed: int) -> dict[str, float]:
        cell = CELLS[name]
        pretrained = (cell.recipe, cell.before) if arm == "recipe" else ""
        key = repr((arm, cell.make.__name__, cell.model, pretrained, cell.after, lr, seed, self.quick))
        if key not in self.known:
            self.known[key] = run(cell, arm, lr, seed, self.quick)
            if self.path:
                with open(self.path, "a") as file:
                    file.write(json.dumps([key, self.known[key]]) + "\n")
        return self.known[key]


def measure(name: str, runs: Runs, seeds: int) -> dict[str, Any]:
    """Rates by validation on a seed of its own, then each arm on the seeds."""
    found: dict[str, Any] = {"metric": CELLS[name].metric}
    for arm in ARMS:
        rates = CELLS[name].rates[:1] if runs.quick else CELLS[name].rates
        lr = max(rates, key=lambda lr: runs.get(name, arm, lr, CHOOSING)["valid"])
        done = [runs.get(name, arm, lr, seed) for seed in range(seeds)]
        found[arm] = {"lr": lr, **{k: [result[k] for result in done] for k in ("test", "seconds")}}
    for arm in ARMS[1:]:
        found[f"over_{arm}"] = interval(np.subtract(found["recipe"]["test"], found[arm]["test"]))
    return found


def interval(differences: np.ndarray) -> tuple[float, float, float]:
    """The mean with its 95 % t-interval."""
    mean, n = float(differences.mean()), len(differences)
    half = float(stats.t.ppf(0.975, n - 1) * differences.std(ddof=1) / np.sqrt(n)) if n > 1 else math.inf
    return mean, mean - half, mean + half


def main() -> None:
    parser = arguments(__doc__, seeds=5)
    parser.add_argument("--cells", nargs="+", choices=list(CELLS), default=list(CELLS), metavar="CELL")
    parser.add_argument("--cache", metavar="FILE", help="keep runs here, and do not run those that are here again")
    args = parser.parse_args()
    torch.set_num_threads(1)
    runs, figures, details = Runs(args.cache, args.quick), {}, {}
    for name in args.cells[: 2 if args.quick else None]:
        found = details[name] = measure(name, runs, 2 if args.quick else args.seeds)
        arms = ", ".join(f"{arm} {np.mean(found[arm]['test']):.4f}" for arm in ARMS)
        gains = ", ".join("over {} {:+.4f} [{:+.4f}, {:+.4f}]".format(arm, *found[f"over_{arm}"]) for arm in ARMS[1:])
        print(f"{name} {found['metric']}: {arms}; {gains}", flush=True)
        for key, value in zip(("", "_low", "_high"), found["over_random"]):
            figures[name + key] = value
        figures[f"{name}_over_plain"] = found["over_plain"][0]
    won = {"_".join(n.split("_")[:2]): True for n in details}
    for name, found in details.items():
        won["_".join(name.split("_")[:2])] &= all(found[f"over_{arm}"][1] > 0 for arm in ARMS[1:])
    figures |= {"wins": sum(won.values()), "cells": len(won)}
    finish("recipe", figures, args, cells=details)


if __name__ == "__main__":
    main()
