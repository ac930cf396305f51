"""`graphtune finetune`: a saved model, trained on for a task."""

from __future__ import annotations

import dataclasses
import math
import shlex
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from graphtune.check import ArgumentError
from graphtune.cli.evaluate import estimate_cells
from graphtune.cli.fuse import refuse_fused
from graphtune.cli.options.learn import FinetuneOptions
from graphtune.cli.output import already_done, check_out, keep, outcome, running, show_done
from graphtune.cli.profile import show_profile
from graphtune.cli.settings import own_recipes, parse_settings
from graphtune.cli.several import Asked, ask, described, make, single, splits_to_save
from graphtune.cli.start import begin, check_start, read_fixed
from graphtune.cli.talk import Talk, lines, table
from graphtune.cli.tasks import NODE_TASKS
from graphtune.config import TrainConfig
from graphtune.evaluate import Evaluation
from graphtune.files import read_json
from graphtune.launch import launch
from graphtune.models import Model
from graphtune.start import StartReport
from graphtune.statistics import paired_test
from graphtune.store import Record, Stored, open_directory
from graphtune.tasks import Recommendation, TripleCompletion
from graphtune.tasks import finetune as train


@dataclass(frozen=True)
class Plan:
    """What is to be trained, settled before the first step.

    Attributes:
        stored: the pretrained model with its record.
        asked: what the task is made from.
        task: on the data of the record.
        config: how to train.
        start: the model to train, that of the directory unless --start says otherwise.
        started: how --start went.
    """

    stored: Stored
    asked: Asked
    task: Any
    config: TrainConfig
    start: Model
    started: StartReport | None

    def by_probe(self, task: str) -> bool:
        """Whether the pretrained model has no head for a task, and a linear model on its embeddings is judged."""
        return task in NODE_TASKS and task not in self.stored.model.heads

    def described(self, directory: str) -> dict[str, Any]:
        """What a run that is resumed must have in common with the one that was begun, beside the configuration."""
        model = read_json(Path(directory) / "run.json")["sha256"]["model.safetensors"]
        return {"model": model, **described(self.asked, self.task)}


def finetune(options: FinetuneOptions, talk: Talk) -> dict[str, Any]:
    """Open, fine-tune, compare with the pretrained model on the test part, and save."""
    begun = time.monotonic()
    done = already_done(options.out, "finetune", asdict(options))
    if done is not None:
        return done
    out = check_out(options.out, "finetune")
    fixed = read_fixed(options.fixed, options.labels.kind, "finetune")
    plan = _plan(options, talk)
    task = plan.task
    judged = single(task) if launch().is_first else ()
    before = {each.name: each.evaluate(plan.stored.model) for each in judged}
    with running(options.out, "finetune", plan.described(options.directory), talk.quiet, plan.config) as run:
        result = train(plan.start, task, plan.config, run, fixed)
        if not judged:
            return {}
        after = {each.name: each.evaluate(result.model) for each in judged}
        told = {each.name: _told(each, before[each.name], after[each.name], plan) for each in judged}
        seconds = round(time.monotonic() - begun, 1)
        split, of_nodes = splits_to_save(plan.stored, task)
        notes: dict[str, Any] = {
            "command": "finetune",
            "options": asdict(options),
            "pretrained": plan.stored.record.notes,
            "start": None if plan.started is None else f"{options.start}: {plan.started}",
            "outcome": outcome(result),
            "significance": {name: one["significance"] for name, one in told.items()},
            "seconds": seconds,
        }
        record = Record(split, asdict(plan.config), _metrics(before, after), result.history, notes, of_nodes)
        keep(options.out, run, result.model, record)
    return {
        "directory": str(out),
        "model": type(result.model.recipe).__name__,
        "task": task.name,
        "start": None if plan.started is None else asdict(plan.started),
        **({"tasks": told} if len(told) > 1 else told[task.name]),
        **outcome(result),
        "profile": None if run.profile is None else run.profile.as_dict(),
        "seconds": seconds,
        "next": [line for name in told for line in _next(name, out)],
    }


def show_finetuning(result: dict[str, Any]) -> None:
    """Both models side by side, whether they differ, the place, and what to type next."""
    if "finished" in result:
        show_done(result)
        return
    for name, told in result.get("tasks", {result["task"]: result}).items():
        _show(result["model"], name, told)
    show_profile(result["profile"])
    where = f"Saved in {result['directory']} ({result['seconds']} s, best epoch {result['best_epoch']}). Next:"
    lines("", where, *(f"  {command}" for command in result["next"]))


def _told(task: Any, before: Evaluation, after: Evaluation, plan: Plan) -> dict[str, Any]:
    """Both models on one task, as JSON can say it."""
    metric = task.monitor if task.monitor in before.per_query else next(iter(before.per_query))
    return {
        "part": after.part,
        "pretrained": before.as_dict()["metrics"],
        "pretrained_by": "a linear model on its embeddings" if plan.by_probe(task.name) else "its own scores",
        "fine_tuned": after.as_dict()["metrics"],
        "counts": after.counts,
        "significance": _compared(before, after, metric),
    }


def _compared(first: Evaluation, second: Evaluation, metric: str) -> dict[str, Any] | None:
    """The paired test of two models on a metric; None where it has no scores per query."""
    if metric not in first.per_query:
        return None
    test = paired_test(second.per_query[metric], first.per_query[metric])
    interval = {"low": test.low, "high": test.high}
    return {"metric": metric, "difference": test.difference, **interval, "p_value": test.p_value, "n": test.n}


def _metrics(before: dict[str, Evaluation], after: dict[str, Evaluation]) -> dict[str, Any]:
    """The evaluations by name."""
    pretrained = {f"{name} (pretrained)": found.as_dict() for name, found in before.items()}
    return {**pretrained, **{name: found.as_dict() for name, found in after.items()}}


def _show(model: str, task: str, told: dict[str, Any]) -> None:
    rows = []
    for name, after in told["fine_tuned"].items():
        rows.append([name, *estimate_cells(told["pretrained"][name]), *estimate_cells(after)])
    columns = ("metric", "pretrained", "95 % interval", "fine-tuned", "95 % interval")
    table(f"{model}: {task}, {told['part']} part", columns, rows)
    test = told["significance"]
    if test is not None:
        p = "p < 0.001" if test["p_value"] < 0.001 else f"p = {test['p_value']:.3f}"
        known = math.isfinite(test["low"])
        interval = f"[{test['low']:+.4f}, {test['high']:+.4f}]" if known else "(too few for an interval)"
        lines(f"{test['metric']}: fine-tuned less pretrained {test['difference']:+.4f} {interval}, {p} (paired)")
    lines(f"The pretrained model is judged by {told['pretrained_by']}.")


def _plan(options: FinetuneOptions, talk: Talk) -> Plan:
    settings = parse_settings(options.set, "finetune", {"seed": options.seed})
    asked = ask(options.task, settings)
    _check_labels(options.labels.labels)
    check_start(options, "finetune")
    stored = open_directory(options.directory, own_recipes(options.model))
    refuse_fused(stored, options.directory, "finetune")
    task = make(asked, stored, options.directory, options.labels, options.seed, talk)
    config = dataclasses.replace(task.defaults(), **settings.of(TrainConfig))
    start, started = stored.model, None
    if options.start is not None:
        start = stored.model.copy()
        started = begin(start, options, config.seed, options.model, "finetune", talk)
    return Plan(stored, asked, task, config, start, started)


def _check_labels(file: str | None) -> None:
    """Refuse a file that is not there before anything is computed.

    Raises:
        ArgumentError: it is missing.
    """
    if file is not None and not Path(file).exists():
        raise ArgumentError(f"`--labels` must name a file. Got {file!r}, which is none.")


def _next(task: str, out: Path) -> tuple[str, str]:
    """What to type next: the scores again, and a question to the model."""
    where = shlex.quote(str(out))
    ask = "predict", "A B"
    if task in NODE_TASKS:
        ask = "predict", "--nodes ID"
    elif task == Recommendation.name:
        ask = "recommend", "USER -k 10"
    elif task == TripleCompletion.name:
        ask = "predict", 'HEAD RELATION "?"'
    return f"graphtune evaluate {where} --task {task}", f"graphtune {ask[0]} {where} {ask[1]}"
