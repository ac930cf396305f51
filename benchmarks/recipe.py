"""The recipe against random weights and against none of it: pretrained start, dropout, L2, a cosine rate.

DeepWalk, LINE and a GNN each start a model of a social graph (links, and classes of which 5 % of the nodes tell one),
of a recommender and of a knowledge graph. In the recommender the vectors of DeepWalk and LINE start a BPR-MF, and the
GNN is LightGCN; in the knowledge graph RotatE's entities start from vectors that its graph gives without its relations.

The other side starts at random and has all the rest of the recipe: with as many epochs of fine-tuning, and "longer",
with more of them, by as many seconds as the pretraining took. "Plain" has nothing of it: a random start, no dropout
but that of the head of classes, no L2, one rate from first to last. Each arm has the rate, of two, that is best on
validation for a seed of its own. Gains are on test, the mean over seeds with its 95 % t-interval; a cell is won where
that of each of its tasks is above 0.
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
ARMS = ("recipe", "random", "longer", "plain")
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
        after: changes to those of the fine-tuning; the recipe's dropout and L2 are among them (`PENALTIES`).
        epochs: of the fine-tuning.
        rates: learning rates to choose from.
        takes_over: another model, which starts from the pretrained one's vectors.
    """

    recipe: Any
    make: Callable[[int], Made]
    metric: str
    before: dict[str, Any]
    after: dict[str, Any]
    epochs: int
    rates: tuple[float, float]
    takes_over: Any = None

    @property
    def model(self) -> Any:
        """What is fine-tuned."""
        return self.takes_over or self.recipe


PENALTIES = ("row_dropout", "l2")


def changes(cell: Cell, arm: str) -> dict[str, Any]:
    """To the settings of the fine-tuning."""
    if arm != "plain":
        return cell.after
    return {name: value for name, value in cell.after.items() if name not in PENALTIES}


def model_of(cell: Cell, arm: str) -> Any:
    """What is fine-tuned; without a dropout of its own in the plain arm."""
    return replace(cell.model, dropout=0.0) if arm == "plain" and hasattr(cell.model, "dropout") else cell.model


def friends(seed: int) -> Made:
    split = gt.split_edges(gt.load_dataset("lastfm-asia").graph, seed=seed)
    return split, gt.LinkPrediction(split, negatives=128)


def few_countries(seed: int) -> Made:
    split = gt.split_nodes(gt.load_dataset("lastfm-asia").graph, (0.05, 0.15, 0.8), seed=seed)
    return split.graph, gt.NodeClassification(split)


def artists(seed: int) -> Made:
    split = gt.load_dataset("lastfm").split
    return split, gt.Recommendation(split, negatives=256)


def facts(seed: int) -> Made:
    """The triples of CoDEx-S; to pretrain on, which entities they join, without direction."""
    split = gt.load_dataset("codex-s").split
    joined = np.unique(np.sort(split.train.edges, axis=0), axis=1)
    graph = replace(split.train, edges=joined, directed=False, relation=None, relation_ids=None)
    return graph, gt.TripleCompletion(split, loss="self-adversarial", negatives=64)


LINKS = {"batch_size": 1024, "weight_decay_table": 0.0, "row_dropout": 0.1, "l2": 1e-3, "patience": 0, "eval_every": 5}
CLASSES = {"weight_decay": 0.0, "row_dropout": 0.1, "l2": 1e-3, "eval_every": 10, "patience": 0}
ITEMS = {"row_dropout": 0.2, "l2": 1e-3, "eval_every": 5, "patience": 0}
FACTS = {"batch_size": 256, "row_dropout": 0.1, "l2": 1e-4, "eval_every": 10, "patience": 0}
COARSE, FINE, FAST = (0.01, 0.03), (0.003, 0.01), (0.03, 0.1)

DEEPWALK, LINE = gt.DeepWalk(dim=32), gt.LINE(dim=32)
GCN, LONG, SHORT = gt.GCN(hidden=32, dim=32, dropout=0.2), {"epochs": 30}, {"epochs": 10}
MF, ROTATE = gt.BPRMF(dim=32), gt.RotatE(dim=32)
CELLS = {
    "social_deepwalk_links": Cell(DEEPWALK, friends, "mrr", {}, LINKS, 5, FINE),
    "social_deepwalk_classes": Cell(DEEPWALK, few_countries, "f1_micro", {}, CLASSES, 30, COARSE),
    "social_line_links": Cell(LINE, friends, "mrr", {}, LINKS, 5, FINE),
    "social_line_classes": Cell(LINE, few_countries, "f1_micro", {}, CLASSES, 30, COARSE),
    "social_gnn_links": Cell(GCN, friends, "mrr", LONG, LINKS, 5, FINE),
    "social_gnn_classes": Cell(GCN, few_countries, "f1_micro", {"epochs": 80}, CLASSES, 30, COARSE),
    "recommender_deepwalk": Cell(DEEPWALK, artists, "ndcg_20", {}, ITEMS, 20, COARSE, MF),
    "recommender_line": Cell(LINE, artists, "ndcg_20", {"epochs": 120}, ITEMS, 20, COARSE, MF),
    "recommender_gnn": Cell(gt.LightGCN(dim=32), artists, "ndcg_20", SHORT, ITEMS, 20, COARSE),
    "knowledge_deepwalk": Cell(DEEPWALK, facts, "mrr", {}, FACTS, 10, FAST, ROTATE),
    "knowledge_line": Cell(LINE, facts, "mrr", {}, FACTS, 10, FAST, ROTATE),
    "knowledge_gnn": Cell(GCN, facts, "mrr", SHORT, FACTS, 10, FAST, ROTATE),
}
"""By graph, model and, where a graph has two, task; a cell of the table is a graph and a model."""


def start(cell: Cell, arm: str, data: Any, task: Any, seed: int, quick: bool) -> Any:
    """The model before fine-tuning."""
    if arm != "recipe":
        return model_of(cell, arm).build(task.split.train if task.split.unit == "edge" else data, seed)
    before = replace(cell.recipe.training(), seed=seed, patience=0, **cell.before)
    found = gt.pretrain(cell.recipe, data, replace(before, epochs=1) if quick else before, run=QUIET).model
    if cell.takes_over is None:
        return found
    model = cell.takes_over.build(task.split.train, seed)
    gt.start_from_model(model, found, scale="own", seed=seed)
    return model


def run(cell: Cell, arm: str, lr: float, seed: int, epochs: int, quick: bool) -> dict[str, float]:
    """Metrics on validation and test, and seconds."""
    data, task = cell.make(seed)
    begun = time.monotonic()
    model = start(cell, arm, data, task, seed, quick)
    ready = time.monotonic()
    schedule = "constant" if arm == "plain" else "cosine"
    config = replace(task.defaults(), seed=seed, lr=lr, schedule=schedule, **changes(cell, arm), epochs=epochs)
    model = gt.finetune(model, task, config, QUIET).model
    seconds = {"starting": ready - begun, "training": time.monotonic() - ready}
    valid, test = (task.evaluate(model, part)[cell.metric] for part in (VALID, TEST))
    return {"valid": valid, "test": test, **seconds}


class Runs:
    """Results of runs, kept in a file of JSON lines if one is given; what is there is not run again."""

    def __init__(self, path: str | None, quick: bool):
        self.path, self.quick = path, quick
        self.known: dict[str, dict[str, float]] = {}
        if path and Path(path).exists():
            self.known = dict(json.loads(line) for line in Path(path).read_text().splitlines())

    def get(self, name: str, arm: str, lr: float, seed: int, epochs: int) -> dict[str, float]:
        cell = CELLS[name]
        pretrained = (cell.recipe, cell.before) if arm == "recipe" else ""
        made = arm, cell.make.__name__, model_of(cell, arm), pretrained, changes(cell, arm)
        key = repr((*made, lr, seed, epochs, self.quick))
        if key not in self.known:
            self.known[key] = run(cell, arm, lr, seed, epochs, self.quick)
            if self.path:
                with open(self.path, "a") as file:
                    file.write(json.dumps([key, self.known[key]]) + "\n")
        return self.known[key]


def measure(name: str, runs: Runs, seeds: int) -> dict[str, Any]:
    """Rates by validation on a seed of its own, then all arms on the seeds."""
    cell = CELLS[name]
    epochs, rates = (2, cell.rates[:1]) if runs.quick else (cell.epochs, cell.rates)
    took = runs.get(name, "recipe", rates[0], CHOOSING, epochs)
    more = math.ceil(epochs * took["starting"] / took["training"])
    found: dict[str, Any] = {"metric": cell.metric}
    for arm in ARMS:
        way, budget = ("random", epochs + more) if arm == "longer" else (arm, epochs)
        lr = max(rates, key=lambda lr: runs.get(name, way, lr, CHOOSING, budget)["valid"])
        done = [runs.get(name, way, lr, seed, budget) for seed in range(seeds)]
        shown = {key: [result[key] for result in done] for key in ("test", "starting", "training")}
        found[arm] = {"lr": lr, "epochs": budget, **shown}
    for arm in ARMS[1:]:
        found[f"over_{arm}"] = interval(np.subtract(found["recipe"]["test"], found[arm]["test"]))
    return found


def interval(differences: np.ndarray) -> tuple[float, float, float]:
    """The mean with its 95 % t-interval."""
    mean, n = float(differences.mean()), len(differences)
    half = float(stats.t.ppf(0.975, n - 1) * differences.std(ddof=1) / np.sqrt(n)) if n > 1 else math.inf
    return mean, mean - half, mean + half


def cell_of(name: str) -> str:
    """A graph and a model."""
    return "_".join(name.split("_")[:2])


def wins(details: dict[str, Any], gain: str) -> int:
    """Cells all of whose tasks gain."""
    lost = {cell_of(name) for name, found in details.items() if found[gain][1] <= 0}
    return len({cell_of(name) for name in details} - lost)


def main() -> None:
    parser = arguments(__doc__, seeds=5)
    parser.add_argument("--cells", nargs="+", choices=list(CELLS), default=list(CELLS), metavar="CELL")
    parser.add_argument("--cache", metavar="FILE", help="keep runs here, and do not run those that are here again")
    args = parser.parse_args()
    torch.set_num_threads(1)
    runs = Runs(args.cache, args.quick)
    figures: dict[str, float] = {}
    details: dict[str, Any] = {}
    for name in args.cells[: 2 if args.quick else None]:
        found = details[name] = measure(name, runs, 2 if args.quick else args.seeds)
        arms = ", ".join(f"{arm} {np.mean(found[arm]['test']):.4f}" for arm in ARMS)
        gains = ", ".join("over {} {:+.4f} [{:+.4f}, {:+.4f}]".format(arm, *found[f"over_{arm}"]) for arm in ARMS[1:])
        print(f"{name} {found['metric']}: {arms}; {gains}", flush=True)
        for arm, prefix in (("random", name), ("longer", f"{name}_over_longer"), ("plain", f"{name}_over_plain")):
            figures |= {prefix + key: value for key, value in zip(("", "_low", "_high"), found[f"over_{arm}"])}
    figures |= {"wins": wins(details, "over_random"), "wins_over_longer": wins(details, "over_longer")}
    figures |= {"wins_over_plain": wins(details, "over_plain")}
    figures["cells"] = len({cell_of(name) for name in details})
    shown = [name for name in figures if name.startswith("wins")]
    finish("recipe", figures, args, [*shown, "cells"], cells=details)


if __name__ == "__main__":
    main()
