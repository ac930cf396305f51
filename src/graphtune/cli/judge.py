"""Tasks by name on a saved model, and its scores on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from graphtune.check import bad, one_of
from graphtune.cli.data import LabelOptions, with_labels
from graphtune.cli.settings import Settings, nearest, own_recipes, parse_settings
from graphtune.cli.talk import Talk, lines, table
from graphtune.evaluate import Evaluation
from graphtune.graph import Graph
from graphtune.split import TEST, VALID, Split, split_nodes
from graphtune.statistics import Estimate, paired_test
from graphtune.store import Stored, open_directory
from graphtune.tasks import (
    CommunityDetection,
    LinkPrediction,
    NodeClassification,
    NodeRegression,
    Recommendation,
    Task,
    TripleCompletion,
    default_task,
)

EDGE_TASKS: dict[str, Any] = {
    "link-prediction": LinkPrediction,
    "recommendation": Recommendation,
    "triple-completion": TripleCompletion,
}
NODE_TASKS: dict[str, Any] = {"node-classification": NodeClassification, "node-regression": NodeRegression}
TASKS: dict[str, Any] = {**EDGE_TASKS, **NODE_TASKS, "community-detection": CommunityDetection}
GIVEN = ("split", "data", "seed")  # fields of tasks that are not settings
PARTS = {"valid": VALID, "test": TEST}


@dataclass(frozen=True)
class EvaluateOptions:
    """What `graphtune evaluate` is asked.

    Attributes:
        directory: of the model.
        task: its name.
        labels: for node tasks, and for communities to compare with.
        part: "test" or "valid".
        seed: of the parts of labelled nodes.
        set: settings of the task, as key=value.
        model: the class of a model of one's own.
    """

    directory: str
    task: str
    labels: LabelOptions = LabelOptions()
    part: str = "test"
    seed: int = 0
    set: tuple[str, ...] = ()
    model: str | None = None


def evaluate(options: EvaluateOptions, talk: Talk) -> dict[str, Any]:
    """Score a saved model on a part of its data."""
    part = PARTS[one_of("--part", "evaluate", options.part, PARTS)]
    task_class = find_task(options.task)
    settings = parse_settings(options.set, "evaluate", {})
    settings.check(task_class, hidden=GIVEN)
    stored = open_directory(options.directory, own_recipes(options.model))
    task = make_task(task_class, stored, options.directory, options.labels, options.seed, settings, talk)
    result = task.evaluate(stored.model, part).as_dict()
    model = type(stored.model.recipe).__name__
    return {"directory": options.directory, "model": model, **result, "task": task.name}


def show_evaluation(result: dict[str, Any]) -> None:
    """Metrics with their intervals."""
    rows = [[name, *estimate_cells(m)] for name, m in result["metrics"].items()]
    table(f"{result['model']}: {result['task']}, {result['part']} part", ("metric", "value", "95 % interval"), rows)
    lines(*(f"{count:,} {name}" for name, count in result["counts"].items()))


def estimate_cells(metric: dict[str, Any]) -> tuple[str, str]:
    """A value and its interval, in the digits that they deserve."""
    value, interval = str(Estimate(metric["mean"], metric["low"], metric["high"], metric["n"])).split(" ", 1)
    return value, "-" if metric["low"] != metric["low"] else interval


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
        return task_class(_edge_split(stored, directory, name), **chosen)
    if name in NODE_TASKS:
        if name == NodeRegression.name:
            labels = LabelOptions(labels.labels, "target", labels.label_columns, labels.kind)
        return task_class(_node_split(stored, directory, labels, name, seed, talk), **chosen)
    return task_class(_labelled(whole_graph(stored), labels, talk), seed=seed, **chosen)


def whole_graph(stored: Stored) -> Graph:
    """All edges that a directory holds, those of validation and test with them."""
    split = stored.record.split
    return stored.model.graph if split is None else split.graph


def compared(first: Evaluation, second: Evaluation, metric: str) -> dict[str, Any] | None:
    """The paired test of two models on a metric; None where it has no scores per query."""
    if metric not in first.per_query:
        return None
    test = paired_test(second.per_query[metric], first.per_query[metric])
    interval = {"low": test.low, "high": test.high}
    return {"metric": metric, "difference": test.difference, **interval, "p_value": test.p_value, "n": test.n}


def _edge_split(stored: Stored, directory: str, task: str) -> Split:
    triples = stored.model.graph.relation_ids is not None
    if triples != (task == TripleCompletion.name):
        fits = TripleCompletion.name if triples else f"{LinkPrediction.name} or {Recommendation.name}"
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
