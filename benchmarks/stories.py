"""Stories: a model, a task and a graph, small enough to be run hundreds of times, and one run of a story.

A run takes changes by name: `recipe.dropout` of the model, `task.negatives` of the task, `objective.temperature` of the
loss; `start`; what `missing` rows get; whether known rows are `fixed`, the run is to `watch` validation, or the first
of several tasks is `alone`; any other name is a field of `TrainConfig`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import networkx
import numpy as np

import graphtune as gt
from graphtune.split import TEST, VALID

NOVEL = "les-miserables"
QUIET = gt.Run(quiet=True)
TASKS: dict[str, Callable[..., Any]] = {
    "classes": gt.NodeClassification,
    "values": gt.NodeRegression,
    "links": gt.LinkPrediction,
    "items": gt.Recommendation,
    "triples": gt.TripleCompletion,
}
METRICS = {
    "classes": "f1_micro",
    "values": "r2",
    "links": "mrr",
    "items": "ndcg_20",
    "triples": "mrr",
    "shared": "node-classification/f1_micro",
}
PARTS = ("recipe", "task", "objective")
OWN = {"start": "random", "missing": "neighbours", "fixed": False, "watch": True, "alone": False}
KNOWN = 0.7
"""Share of the nodes of which the start `known` has vectors."""

Changes = Mapping[str, Any]


@dataclass(frozen=True)
class Story:
    """A model, a task and a graph. All fields are plain data, so that two stories of one text are one story.

    Attributes:
        data: a name that `load_dataset` knows; "name/time" and "name/last" are its events split by time.
        task: a name in `TASKS`, or "shared" for classes and links together.
        recipe: the model.
        ratios: of a random split, drawn anew for each seed; the published split where None.
        changes: what differs from the defaults of the task.
        before: what differs from the recipe's own settings where it is pretrained.
    """

    data: str
    task: str
    recipe: Any
    ratios: tuple[float, float, float] | None = None
    changes: dict[str, Any] = field(default_factory=dict)
    before: dict[str, Any] = field(default_factory=dict)

    @property
    def metric(self) -> str:
        return METRICS[self.task]


# without schedule, decay or penalties; each at the rate of three that is best for a story of its kind on validation
LINKS = {"epochs": 15, "batch_size": 1024, "eval_every": 5, "patience": 0, "schedule": "constant"}
LINKS |= {"weight_decay_table": 0.0, "lr": 0.01, "start": "pretrained"}
GNN = {"epochs": 60, "weight_decay": 0.0, "eval_every": 3}
SHARED = GNN | {"batch_size": 65536, "lr": 0.01, "eval_every": 6, "schedule": "constant", "weight_decay_table": 0.0}
TABLE = {"epochs": 40, "weight_decay": 0.0, "eval_every": 2, "start": "pretrained", "lr": 0.03}
ITEMS = {
    "epochs": 10,
    "eval_every": 5,
    "patience": 0,
    "schedule": "constant",
    "l2": 0.0,
    "task.negatives": 128,
    "lr": 0.01,
}
TRIPLES = {"epochs": 20, "eval_every": 5, "patience": 0, "schedule": "constant", "n3": 0.0, "lr": 0.2}
DISTANCE = TRIPLES | {"optimizer": "adamw", "lr": 0.03, "task.loss": "self-adversarial", "task.negatives": 32}
VERY_FEW, FEW, MOST = (0.02, 0.2, 0.78), (0.05, 0.15, 0.8), (0.7, 0.1, 0.2)

STORIES = {
    "cora-gcn": Story("cora", "classes", gt.GCN(dropout=0.0), None, GNN),
    "citeseer-gcn": Story("citeseer", "classes", gt.GCN(dropout=0.0), None, GNN),
    "cora-few-gcn": Story("cora", "classes", gt.GCN(dropout=0.0), VERY_FEW, GNN, {"epochs": 60}),
    "citeseer-few-gcn": Story("citeseer", "classes", gt.GCN(dropout=0.0), VERY_FEW, GNN, {"epochs": 60}),
    "lastfm-gcn": Story("lastfm-asia", "classes", gt.GCN(dropout=0.0, dim=16, hidden=16), FEW, GNN),
    "lastfm-deepwalk": Story("lastfm-asia", "classes", gt.DeepWalk(dim=64, walks_per_node=4), FEW, TABLE),
    "cora-deepwalk": Story("cora", "classes", gt.DeepWalk(dim=64), FEW, TABLE),
    "cora-links-deepwalk": Story("cora", "links", gt.DeepWalk(dim=32), MOST, LINKS),
    "citeseer-links-deepwalk": Story("citeseer", "links", gt.DeepWalk(dim=32), MOST, LINKS),
    "cora-links-gcn": Story(
        "cora",
        "links",
        gt.GCN(dropout=0.0, dim=32, hidden=32),
        MOST,
        LINKS | {"batch_size": 4096, "epochs": 25, "start": "random"},
    ),
    "lastfm-bprmf": Story("lastfm", "items", gt.BPRMF(dim=32), None, ITEMS),
    "movielens-last-bprmf": Story("movielens-100k/last", "items", gt.BPRMF(dim=32), None, ITEMS),
    "movielens-time-bprmf": Story("movielens-100k/time", "items", gt.BPRMF(dim=32), None, ITEMS),
    "lastfm-lightgcn": Story("lastfm", "items", gt.LightGCN(dim=32, layers=2), None, ITEMS),
    "umls-complex": Story("umls", "triples", gt.ComplEx(dim=64), None, TRIPLES | {"batch_size": 1024}),
    "kinship-complex": Story("kinship", "triples", gt.ComplEx(dim=64), None, TRIPLES | {"batch_size": 1024}),
    "nations-distmult": Story("nations", "triples", gt.DistMult(dim=32), None, TRIPLES),
    "nations-transe": Story("nations", "triples", gt.TransE(dim=32), None, DISTANCE),
    "novel-links-deepwalk": Story(NOVEL, "links", gt.DeepWalk(dim=16), MOST, LINKS | {"task.negatives": 32}),
    "cora-shared": Story("cora", "shared", gt.GCN(dropout=0.0), VERY_FEW, SHARED),
    "lastfm-shared": Story("lastfm-asia", "shared", gt.GCN(dropout=0.0, dim=16, hidden=16), FEW, SHARED),
    "umls-transe": Story("umls", "triples", gt.TransE(dim=32), None, DISTANCE),
}


def run(story: Story, changes: Changes, seed: int, quick: bool = False) -> dict[str, Any]:
    """Train once; the metrics of validation and of test, the epochs that were run and the seconds it took."""
    begin = time.perf_counter()
    parts, own, config = sorted_out({**story.changes, **changes})
    task = task_of(story, seed)
    task = task.tasks[0] if own["alone"] else replace(task, **parts["task"])
    config = replace(task.defaults(), seed=seed, **config)
    if quick:
        config = replace(config, epochs=2, eval_every=1)
    model = START[own["start"]](story, replace(story.recipe, **parts["recipe"]), seed, own)
    training = task.training(model, config)
    if parts["objective"]:
        training = replace(training, objective=replace(training.objective, **parts["objective"]))
    if own["fixed"]:
        training = replace(training, fixed=np.flatnonzero(known_nodes(model.graph, seed)))
    if not own["watch"]:
        training = replace(training, validate=None, monitor=None)
    result = gt.fit(model, training, config, QUIET)
    return {
        "valid": means(task, result.model, VALID),
        "test": means(task, result.model, TEST),
        "epochs": len(result.history),
        "seconds": time.perf_counter() - begin,
    }


def means(task: Any, model: gt.Model, part: int) -> dict[str, float]:
    """The metrics of a part, under the name of the task too; those of several tasks with the mean of what each goes
    by."""
    found = task.evaluate(model, part).means()
    if several := getattr(task, "tasks", ()):
        return found | {"mean": float(np.mean([found[f"{each.name}/{each.monitor}"] for each in several]))}
    return found | {f"{task.name}/{name}": value for name, value in found.items()}


def sorted_out(changes: Changes) -> tuple[dict[str, dict[str, Any]], dict[str, Any], dict[str, Any]]:
    """Changes of the parts, what is told to this file, and changes of the `TrainConfig`."""
    parts: dict[str, dict[str, Any]] = {part: {} for part in PARTS}
    own, config = dict(OWN), {}
    for name, value in changes.items():
        part, dot, rest = name.partition(".")
        if dot:
            parts[part][rest] = value
        elif name in own:
            own[name] = value
        else:
            config[name] = value
    return parts, own, config


@lru_cache(maxsize=4)
def split_of(data: str, by_node: bool, ratios: tuple[float, float, float] | None, seed: int) -> gt.Split:
    """The split by time that the name asks for, the published one, or a random one."""
    data, _, by = data.partition("/")
    if by:
        return gt.split_interactions(gt.load_dataset(data).graph, by)
    if ratios is None:
        return gt.load_dataset(data).split
    graph = gt.from_networkx(networkx.les_miserables_graph()) if data == NOVEL else gt.load_dataset(data).graph
    return (gt.split_nodes if by_node else gt.split_edges)(graph, ratios, seed)


def task_of(story: Story, seed: int) -> Any:
    if story.task == "shared":
        splits = split_of(story.data, True, story.ratios, seed), split_of(story.data, False, MOST, seed)
        return gt.Shared((gt.NodeClassification(splits[0]), gt.LinkPrediction(splits[1])))
    by_node = story.task in ("classes", "values")
    return TASKS[story.task](split_of(story.data, by_node, story.ratios, seed if story.ratios else 0))


def train_graph(story: Story, seed: int) -> gt.Graph:
    task = task_of(story, seed)
    return (task.tasks[-1] if story.task == "shared" else task).split.train


def known_nodes(graph: gt.Graph, seed: int) -> np.ndarray:
    """[N] bool: the nodes of which the start `known` has vectors."""
    return np.random.default_rng([seed, 7]).random(graph.num_nodes) < KNOWN


@lru_cache(maxsize=64)
def pretrained_of(name: str, seed: int) -> gt.Model:
    story = STORIES[name]
    task = task_of(story, seed)
    data = task.split if task.split.unit == "edge" else task.split.train
    config = replace(story.recipe.training(), seed=seed, **story.before)
    return gt.pretrain(story.recipe, data, config, run=QUIET).model


@lru_cache(maxsize=64)
def walked_of(name: str, seed: int, dim: int, known_only: bool) -> gt.Model:
    """DeepWalk of the train graph, or of the part of it between known nodes."""
    graph = train_graph(STORIES[name], seed)
    if graph.relation is not None or graph.directed:
        graph = graph.replace(directed=False, relation=None, relation_ids=None)
    if known_only:
        graph = graph.take_edges(known_nodes(graph, seed)[graph.edges].all(axis=0))
    recipe = gt.DeepWalk(dim=dim, walks_per_node=4)
    return gt.pretrain(recipe, graph, replace(recipe.training(), seed=seed), run=QUIET).model


def _random(story: Story, recipe: Any, seed: int, own: Changes) -> gt.Model:
    return recipe.build(train_graph(story, seed), seed)


def _drawn(story: Story, recipe: Any, seed: int, own: Changes) -> gt.Model:
    model = _random(story, recipe, seed, own)
    gt.randomise(model, own["start"], seed)
    return model


def _pretrained(story: Story, recipe: Any, seed: int, own: Changes) -> gt.Model:
    model = _random(story, recipe, seed, own)
    gt.start_from_model(model, pretrained_of(name_of(story), seed))
    return model


def _walked(story: Story, recipe: Any, seed: int, own: Changes) -> gt.Model:
    model = _random(story, recipe, seed, own)
    gt.start_from_model(model, walked_of(name_of(story), seed, width(model), False))
    return model


def _known(story: Story, recipe: Any, seed: int, own: Changes) -> gt.Model:
    """Vectors of some nodes only, as where new nodes have come to a graph."""
    model = _random(story, recipe, seed, own)
    walked = walked_of(name_of(story), seed, width(model), True)
    rows = np.flatnonzero(known_nodes(model.graph, seed))
    vectors = gt.Vectors(model.ids.values(rows), walked.embeddings().detach().numpy()[rows])
    gt.start_from(model, vectors, own["missing"], seed=seed)
    return model


def _closed(story: Story, recipe: Any, seed: int, own: Changes) -> gt.Model:
    model = _random(story, recipe, seed, own)
    gt.start_from_closed_form(model, CLOSED[own["start"]](dim=width(model)), seed=seed)
    return model


CLOSED: dict[str, Callable[..., Any]] = {"prone": gt.ProNE, "netmf": gt.NetMF}
START: dict[str, Callable[[Story, Any, int, Changes], gt.Model]] = {
    "random": _random,
    "xavier": _drawn,
    "normal": _drawn,
    "orthogonal": _drawn,
    "pretrained": _pretrained,
    "deepwalk": _walked,
    "known": _known,
    **dict.fromkeys(CLOSED, _closed),
}


def width(model: gt.Model) -> int:
    """Numbers a node in the tables of the encoder."""
    return sum(table.shape[1] for name, table in model.table_parameters().items() if name.startswith("encoder."))


def name_of(story: Story) -> str:
    return next(name for name, other in STORIES.items() if other == story)
