"""`graphtune fuse`: several saved models as one ranking."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from graphtune.adapt.fuse import fuse
from graphtune.check import bad
from graphtune.cli.evaluate import show_evaluation
from graphtune.cli.options.saved import FuseOptions
from graphtune.cli.output import fingerprint
from graphtune.cli.settings import own_recipes
from graphtune.cli.talk import Talk, lines, table
from graphtune.graph import Graph
from graphtune.models.fused import Fused
from graphtune.split import VALID, Split
from graphtune.store import Record, Stored, check_target, open_directory, save
from graphtune.tasks import Recommendation, Task, TripleCompletion, calibrate, can_calibrate


def fuse_directories(options: FuseOptions, talk: Talk) -> dict[str, Any]:
    """Open models of one split, fuse them, evaluate and save."""
    begun = time.monotonic()
    out = check_target(options.out, options.overwrite)
    if len(options.directories) < 2:
        raise bad("DIR", "fuse", "two model directories or more", list(options.directories))
    stored = [open_directory(directory, own_recipes(options.model)) for directory in options.directories]
    split = _same_split(stored, options.directories)
    talk.say(f"Fusing {len(stored)} models by {options.by}")
    fused = fuse([one.model for one in stored], split, options.by, options.k)
    task = _task(fused, split, options.k)
    watched = split is not None and split.valid.num_edges
    valid = task.evaluate(fused, VALID).means() if task is not None and watched else None  # type: ignore[arg-type]
    metrics = {} if task is None else {task.name: task.evaluate(fused).as_dict()}  # type: ignore[arg-type]
    seconds = round(time.monotonic() - begun, 1)
    notes = {"command": "fuse", "fused": list(options.directories), "by": options.by, "seconds": seconds}
    if split is not None and can_calibrate(fused, split):  # type: ignore[arg-type]
        fused.calibration = calibrate(fused, split)  # type: ignore[arg-type]
    save(out, fused, Record(split, metrics=metrics, notes=notes), options.overwrite)
    names = [type(one.model.recipe).__name__ for one in stored]
    parts = zip(options.directories, names, fused.recipe.weights)
    return {
        "directory": str(out),
        "by": options.by,
        "models": [{"directory": d, "model": name, "weight": weight} for d, name, weight in parts],
        "valid": valid,
        "metrics": metrics,
        "seconds": seconds,
        "next": shlex.join(["graphtune", *map(str, _question(fused.graph, out))]),
    }


def show_fusion(result: dict[str, Any]) -> None:
    """What each model weighs, the scores, and the place."""
    rows = [[m["directory"], m["model"], f"{m['weight']:.3f}"] for m in result["models"]]
    table(f"Fused by {result['by']}", ("directory", "model", "weight"), rows)
    for task, evaluation in result["metrics"].items():
        show_evaluation({"model": "Fused", **evaluation, "task": task})
    lines("", f"Saved in {result['directory']} ({result['seconds']} s). Next:", f"  {result['next']}")


def _task(fused: Fused, split: Split | None, k: int) -> Task | None:
    if split is None:
        return None
    return TripleCompletion(split) if fused.reads_relations else Recommendation(split, k=k)


def _question(graph: Graph, out: Path) -> list[object]:
    """A command that asks the ranking about something of this very graph."""
    if graph.relation_ids is not None and graph.relation is not None:
        (head,), (relation,) = graph.ids.values(graph.edges[0, :1]), graph.relation_ids.values(graph.relation[:1])
        return ["predict", out, head, relation, "?"]
    return ["recommend", out, graph.ids.values([int(graph.adjacency("out").degree.argmax())])[0], "-k", 10]


def refuse_fused(stored: Stored, directory: str, who: str) -> None:
    """Refuse what has no weights of its own to a command that changes them.

    Raises:
        ArgumentError: the directory holds a fused ranking.
    """
    if isinstance(stored.model, Fused):
        fix = "Take the models that are fused, and fuse them again."
        raise bad("DIR", who, "a model with weights of its own", f"{directory}, a fused ranking", fix)


def _same_split(stored: Sequence[Stored], directories: Sequence[str]) -> Split | None:
    """The split that all models have; None where all learned every edge.

    Raises:
        ArgumentError: they have different ones.
    """
    found = [_data(one) for one in stored]
    for directory, one in zip(directories, found):
        if one != found[0]:
            fix = "Train them on the same file with the same --split, --by and --seed."
            raise bad("DIR", "fuse", f"of the data and the parts of {directories[0]}", directory, fix)
    split = stored[0].record.split
    if split is not None and split.unit != "edge":
        raise bad("DIR", "fuse", "a model with edges kept aside, or none", directories[0])
    return split


def _data(stored: Stored) -> str:
    split = stored.record.split
    return fingerprint(stored.model.graph if split is None else split.graph, split)
