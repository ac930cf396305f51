"""Tasks by name, on the data of a saved model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from graphtune.check import bad
from graphtune.cli.data import with_labels
from graphtune.cli.options.data import LabelOptions
from graphtune.cli.settings import Settings, nearest
from graphtune.cli.talk import Talk
from graphtune.graph import Graph
from graphtune.split import Split, split_nodes
from graphtune.store import Stored
from graphtune.tasks import (
    CommunityDetection,
    LinkPrediction,
    NodeClassification,
    NodeRegression,
    Recommendation,
    Task,
    TripleClassification,
    TripleCompletion,
    default_task,
)

EDGE_TASKS: dict[str, Any] = {
    "link-prediction": LinkPrediction,
    "recommendation": Recommendation,
    "triple-completion": TripleCompletion,
    "triple-classification": TripleClassification,
}
TRIPLE_TASKS = (TripleCompletion.name, TripleClassification.name)
NODE_TASKS: dict[str, Any] = {"node-classification": NodeClassification, "node-regression": NodeRegression}
TASKS: dict[str, Any] = {**EDGE_TASKS, **NODE_TASKS, "community-detection": CommunityDetection}
GIVEN = ("split", "data", "seed")  # fields of tasks that are not settings


def find_task(name: str) -> Any:
    """The class of a task.

    Raises:
        ArgumentError: there is none of that name.
    """
    if name not in TASKS:
        raise bad("--task", "graphtune", f"one of {', '.join(TASKS)}", name, nearest(name, TASKS).strip())
    return TASKS[name]


def natural_task(split: Split) -> Task:
    """What the parts of a split are for."""
    if split.unit == "edge":
        return default_task(split)
    return NodeClassification(split) if split.graph.labels is not None else NodeRegression(split)


def make_task(
    task_class: Any,
    stored: Stored,
    directory: str,
    labels: LabelOptions,
    seed: int,
    settings: Settings,
    talk: Talk,
) -> Any:
    """The task on the data that a model directory holds.

    Raises:
        ArgumentError: the task does not fit the data.
    """
    name, chosen = task_class.name, settings.of(task_class)
    if name in EDGE_TASKS:
        if labels.labels is not None:
            raise bad("--labels", "graphtune", f"left out for {name}", labels.labels)
        seeded = {"seed": seed} if name == TripleClassification.name else {}
        return task_class(_edge_split(stored, directory, name), **seeded, **chosen)
    if name in NODE_TASKS:
        if name == NodeRegression.name:
            labels = replace(labels, label_type="target")
        return task_class(_node_split(stored, directory, labels, name, seed, talk), **chosen)
    return task_class(_labelled(whole_graph(stored), labels, talk), seed=seed, **chosen)


def whole_graph(stored: Stored) -> Graph:
    """All edges that a directory holds, those of validation and test with them."""
    split = stored.record.split
    return stored.model.graph if split is None else split.graph


def _edge_split(stored: Stored, directory: str, task: str) -> Split:
    triples = stored.model.graph.relation_ids is not None
    if triples != (task in TRIPLE_TASKS):
        fits = " or ".join(TRIPLE_TASKS) if triples else f"{LinkPrediction.name} or {Recommendation.name}"
        what = "triples" if triples else "edges without relations"
        raise bad("--task", "graphtune", f"{fits} for the {what} of {directory}", task)
    split = stored.record.split
    if split is None or split.unit != "edge":
        got = "one that learned every edge" if split is None else "one whose nodes are divided"
        fix = "Embed the graph again without --split none, so that some edges stay hidden."
        raise bad("DIR", task, f"a model with edges kept aside to test on, in {directory}", got, fix)
    return split


def held_nodes(stored: Stored, task: str) -> Split | None:
    """The parts of nodes that a directory holds for a task."""
    split = stored.record.split
    of_nodes = split if split is not None and split.unit == "node" else None
    return stored.record.node_splits.get(task, of_nodes)


def _node_split(stored: Stored, directory: str, labels: LabelOptions, task: str, seed: int, talk: Talk) -> Split:
    """The parts of nodes that the directory holds, or new ones, over the graph that the model learned from."""
    held = held_nodes(stored, task)
    if held is not None:
        if labels.labels is not None:
            fix = "Leave out --labels, or begin with a model that was not fine-tuned on labels."
            raise bad("--labels", task, f"left out: {directory} holds labels and their parts", labels.labels, fix)
        return held
    graph = _labelled(stored.model.graph, labels, talk)
    known = graph.targets if task == NodeRegression.name else graph.labels
    if known is None:
        fix = "Give them as --labels FILE, with a line `id,label` for each node."
        raise bad("--labels", task, f"given: {directory} holds none for this task", None, fix)
    if task == NodeRegression.name:
        return split_nodes(_only_targets(graph), seed=seed)
    return split_nodes(_of_two_classes(graph), seed=seed)


def _of_two_classes(graph: Graph) -> Graph:
    labels = np.asarray(graph.labels)
    count = labels.shape[1] if labels.ndim == 2 else len(np.unique(labels[labels >= 0]))
    if count < 2:
        raise bad("--labels", NodeClassification.name, "of two classes or more", list(graph.label_names or ()))
    return graph


def _only_targets(graph: Graph) -> Graph:
    if not np.isfinite(np.asarray(graph.targets)).any():
        fix = "Text goes to node-classification."
        raise bad("--labels", NodeRegression.name, "numbers", "no number for any node", fix)
    return graph.replace(labels=None, label_names=None)


def _labelled(graph: Graph, labels: LabelOptions, talk: Talk) -> Graph:
    graph, reports = with_labels(graph, labels)
    for report in reports:
        talk.say(report)
    return graph
