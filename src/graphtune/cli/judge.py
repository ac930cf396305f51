"""Tasks by name on a saved model, and its scores on them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from graphtune.check import bad, one_of
from graphtune.cli.data import with_labels
from graphtune.cli.options.data import LabelOptions
from graphtune.cli.options.saved import EvaluateOptions
from graphtune.cli.output import check_file_target
from graphtune.cli.settings import Settings, nearest, own_recipes, parse_settings
from graphtune.cli.talk import Talk, lines, table
from graphtune.evaluate import Evaluation, write_ranks
from graphtune.evaluate.ranks import SIDES
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
PARTS = {"valid": VALID, "test": TEST}
GROUPS = {
    TripleCompletion.name: ("relation", "category", "side", "entities"),
    TripleClassification.name: ("relation", "category"),
    Recommendation.name: ("activity", "period"),
}
SHOWN_GROUPS = 20


def evaluate(options: EvaluateOptions, talk: Talk) -> dict[str, Any]:
    """Score a saved model on a part of its data."""
    part = PARTS[one_of("--part", "evaluate", options.part, PARTS)]
    task_class = find_task(options.task)
    settings = parse_settings(options.set, "evaluate", {})
    settings.check(task_class, hidden=GIVEN)
    _check_asked(options)
    stored = open_directory(options.directory, own_recipes(options.model))
    task = make_task(task_class, stored, options.directory, options.labels, options.seed, settings, talk)
    asked = (options.side,) if options.task == TripleCompletion.name else ()
    found = task.evaluate(stored.model, part, *asked)
    if options.ranks is not None:
        write_ranks(options.ranks, found.ranks)
    model = type(stored.model.recipe).__name__
    groups = {name: _grouped(found, name) for name in options.groups}
    told = {"task": task.name, "side": options.side if asked else None, "groups": groups, "ranks": options.ranks}
    return {"directory": options.directory, "model": model, **found.as_dict(), **told}


def show_evaluation(result: dict[str, Any]) -> None:
    """Metrics with their intervals."""
    rows = [[name, *estimate_cells(m)] for name, m in result["metrics"].items()]
    table(f"{result['model']}: {result['task']}, {result['part']} part", ("metric", "value", "95 % interval"), rows)
    lines(*(f"{count:,} {name}" for name, count in result["counts"].items()))


def show_evaluated(result: dict[str, Any]) -> None:
    """Metrics of all queries, then of each group, and where their ranks are."""
    show_evaluation(result)
    if result["side"] in ("head", "tail"):
        lines(f"Only {result['side']}s were asked.")
    for name, groups in result["groups"].items():
        _show_groups(name, groups)
    if result["ranks"] is not None:
        lines(f"Ranks of the queries saved in {result['ranks']}; `graphtune compare` reads such files.")


def _check_asked(options: EvaluateOptions) -> None:
    """Refuse groups, sides and ranks that the task does not have.

    Raises:
        ArgumentError: it does not, or the file for the ranks cannot be written.
    """
    one_of("--side", "evaluate", options.side, SIDES)
    completes = options.task == TripleCompletion.name
    for option, given in (("--side", options.side != "both"), ("--ranks", options.ranks is not None)):
        if given and not completes:
            raise bad(option, "evaluate", f"left out but for --task {TripleCompletion.name}", options.task)
    known = GROUPS.get(options.task)
    if options.by is not None and known is None:
        raise bad("--by", "evaluate", f"left out but for {' and '.join(GROUPS)}", options.task)
    for name in options.groups:
        one_of("--by", "evaluate", name, known or ())
    if options.ranks is not None:
        check_file_target(options.ranks, "evaluate", options.overwrite, "--ranks")


def _grouped(found: Evaluation, name: str) -> list[dict[str, Any]]:
    """Every group with its metrics, the one of most queries first; periods in their order."""
    groups = ((group, of.as_dict()) for group, of in found.by(name).items())
    return [{"group": group, "queries": of["counts"]["queries"], "metrics": of["metrics"]} for group, of in groups]


def _show_groups(name: str, groups: list[dict[str, Any]]) -> None:
    """The largest groups in a table, and how many more there are; the interval is of the first metric."""
    shown, others = groups[:SHOWN_GROUPS], groups[SHOWN_GROUPS:]
    first, *metrics = shown[0]["metrics"] if shown else [""]
    rows = []
    for group in shown:
        cells = {metric: estimate_cells(group["metrics"][metric]) for metric in group["metrics"]}
        rows.append([group["group"], f"{group['queries']:,}", *cells[first], *(cells[m][0] for m in metrics)])
    lines("")
    table(f"By {name}", (name, "queries", first, "95 % interval", *metrics), rows)
    if others:
        queries = sum(group["queries"] for group in others)
        lines(f"{len(others):,} more with {queries:,} queries; --json has all of them.")


def estimate_cells(metric: dict[str, Any]) -> tuple[str, str]:
    """A value and its interval, in the digits that they deserve."""
    value, _, interval = str(Estimate(metric["mean"], metric["low"], metric["high"], metric["n"])).partition(" ")
    return value, interval or "-"


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


def compared(first: Evaluation, second: Evaluation, metric: str) -> dict[str, Any] | None:
    """The paired test of two models on a metric; None where it has no scores per query."""
    if metric not in first.per_query:
        return None
    test = paired_test(second.per_query[metric], first.per_query[metric])
    interval = {"low": test.low, "high": test.high}
    return {"metric": metric, "difference": test.difference, **interval, "p_value": test.p_value, "n": test.n}


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
