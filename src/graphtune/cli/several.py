"""One task or several by name on a saved model, with their settings; and what is saved of their splits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from graphtune.check import bad
from graphtune.cli.options.data import LabelOptions
from graphtune.cli.output import fingerprint
from graphtune.cli.settings import Settings
from graphtune.cli.talk import Talk
from graphtune.cli.tasks import GIVEN, NODE_TASKS, find_task, held_nodes, make_task
from graphtune.config import TrainConfig
from graphtune.split import Split
from graphtune.store import Stored
from graphtune.tasks import CommunityDetection, Shared


@dataclass(frozen=True)
class Asked:
    """What is to be learned, before the data is read.

    Attributes:
        classes: of the tasks, by name.
        own: the settings of each task.
        shared: those of `Shared`.
    """

    classes: dict[str, Any]
    own: dict[str, Settings]
    shared: dict[str, Any]


def ask(text: str, settings: Settings) -> Asked:
    """The tasks of `--task A` or `--task A,B`, with their settings.

    Of several tasks `A.key=value` is a setting of one, `key=value` of each that knows it.

    Raises:
        ArgumentError: there is no such task or setting, or one with nothing to learn from.
    """
    names = [name.strip() for name in text.split(",")]
    found = [find_task(name) for name in names]
    if CommunityDetection in found:
        fix = "Fine-tune on link-prediction, then: graphtune evaluate DIR --task community-detection."
        raise bad("--task", "finetune", "one with something to learn from", text, fix)
    classes = {task.name: task for task in found}
    if len(classes) < len(found):
        raise bad("--task", "finetune", "tasks of different names", text)
    general, special = _by_task(settings, classes if len(found) > 1 else {})
    also = (Shared,) if len(found) > 1 else ()
    general.check(*found, *also, TrainConfig, hidden=("split", "data"))
    for name, mine in special.items():
        mine.check(classes[name], hidden=GIVEN)
    kept = {key: value for key, value in general.values.items() if key not in GIVEN}
    own = {name: Settings({**kept, **special[name].values} if special else kept, settings.who) for name in classes}
    return Asked(classes, own, general.of(Shared) if also else {})


def make(asked: Asked, stored: Stored, directory: str, labels: LabelOptions, seed: int, talk: Talk) -> Any:
    """The task on the data of a model directory, or several as one. Labels go to tasks on nodes that have none yet.

    Raises:
        ArgumentError: a task does not fit the data.
    """
    given = dict.fromkeys(asked.classes, labels)
    if len(asked.classes) > 1:
        takes = [name for name in asked.classes if name in NODE_TASKS and held_nodes(stored, name) is None]
        given = {name: labels if name in takes else LabelOptions() for name in asked.classes}
        if labels.labels is not None and not takes:
            raise bad("--labels", "finetune", f"left out for {', '.join(asked.classes)} of {directory}", labels.labels)
    tasks = [
        make_task(task, stored, directory, given[name], seed, asked.own[name], talk)
        for name, task in asked.classes.items()
    ]
    return tasks[0] if len(tasks) == 1 else Shared(tuple(tasks), **asked.shared)


def single(task: Any) -> Sequence[Any]:
    """The tasks that a task consists of."""
    return task.tasks if isinstance(task, Shared) else (task,)


def described(asked: Asked, task: Any) -> dict[str, Any]:
    """What a run that is resumed must have in common: the data in its parts, the tasks and their settings."""
    splits = [each.split for each in single(task)]
    told = [f"{name} {dict(own.values)}" for name, own in asked.own.items()]
    return {
        "data": "".join(fingerprint(split.graph, split) for split in splits),
        "task": "; ".join(told) + (f" {asked.shared}" if asked.shared else ""),
    }


def splits_to_save(stored: Stored, task: Any) -> tuple[Split, dict[str, Split]]:
    """The split of a new directory, and those of nodes beside it: all that the old one holds and the tasks bring.

    The split of edges goes first, as it says what the model may see, on a graph with the labels of every task.
    """
    new = {each.name: each.split for each in single(task)}
    nodes = {**stored.record.node_splits, **{name: split for name, split in new.items() if split.unit == "node"}}
    held = stored.record.split
    edges = [split for split in (*new.values(), held) if split is not None and split.unit == "edge"]
    if not edges and len(nodes) == 1:
        return next(iter(nodes.values())), {}
    first = edges[0] if edges else next(iter(nodes.values()))
    return _with_labels(first, nodes), nodes


def _with_labels(split: Split, nodes: Mapping[str, Split]) -> Split:
    graph = split.graph
    for name, of_nodes in nodes.items():
        if name == "node-regression":
            graph = graph.replace(targets=of_nodes.graph.targets)
        else:
            graph = graph.replace(labels=of_nodes.graph.labels, label_names=of_nodes.graph.label_names)
    return replace(split, graph=graph) if nodes else split


def _by_task(settings: Settings, classes: Mapping[str, Any]) -> tuple[Settings, dict[str, Settings]]:
    """The settings without the name of a task before them, and those of each task that have it."""
    special: dict[str, dict[str, str]] = {name: {} for name in classes}
    general = {}
    for key, value in settings.values.items():
        task, dot, name = key.partition(".")
        if dot and task in special:
            special[task][name] = value
        else:
            general[key] = value
    return Settings(general, settings.who), {name: Settings(own, settings.who) for name, own in special.items()}
