"""`graphtune finetune`: a saved model, trained on for a task."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from graphtune.check import bad
from graphtune.cli.data import LabelOptions, check_file
from graphtune.cli.judge import GIVEN, NODE_TASKS, compared, estimate_cells, find_task, make_task
from graphtune.cli.output import OutOptions, already_done, check_out, fingerprint, keep, outcome, running, show_done
from graphtune.cli.profile import show_profile
from graphtune.cli.settings import Settings, own_recipes, parse_settings
from graphtune.cli.start import begin, check_start
from graphtune.cli.talk import Talk, lines, table
from graphtune.config import TrainConfig
from graphtune.files import read_json
from graphtune.models import Model
from graphtune.start import StartReport
from graphtune.store import Record, Stored, open_directory
from graphtune.tasks import CommunityDetection
from graphtune.tasks import finetune as train


@dataclass(frozen=True)
class FinetuneOptions:
    """What `graphtune finetune` is asked.

    Attributes:
        directory: of the pretrained model.
        task: its name.
        out: where to save.
        labels: for node tasks; None for those that the graph has.
        seed: of every random choice.
        set: settings of the task and of the training, as key=value.
        model: the class of a model of one's own.
        start: begin elsewhere than at the weights of the directory; see `EmbedOptions`.
        missing, resize: what becomes of nodes that --start does not know, and of vectors of another dim.
    """

    directory: str
    task: str
    out: OutOptions
    labels: LabelOptions = LabelOptions()
    seed: int = 0
    set: tuple[str, ...] = ()
    model: str | None = None
    start: str | None = None
    missing: str | None = None
    resize: str | None = None


@dataclass(frozen=True)
class Plan:
    """What is to be trained, settled before the first step.

    Attributes:
        stored: the pretrained model with its record.
        task: on the data of the record.
        config: how to train.
        chosen: the settings of the task.
        start: the model to train, that of the directory unless --start says otherwise.
        started: how --start went.
    """

    stored: Stored
    task: Any
    config: TrainConfig
    chosen: Settings
    start: Model
    started: StartReport | None

    @property
    def by_probe(self) -> bool:
        """Whether the pretrained model has no head for the task, and a linear model on its embeddings is judged."""
        return self.task.name in NODE_TASKS and self.task.name not in self.stored.model.heads

    def described(self, directory: str) -> dict[str, Any]:
        """What a run that is resumed must have in common with the one that was begun, beside the configuration."""
        return {
            "data": fingerprint(self.task.split.graph, self.task.split),
            "model": read_json(Path(directory) / "run.json")["sha256"]["model.safetensors"],
            "task": f"{self.task.name} {dict(self.chosen.values)}",
        }


def finetune(options: FinetuneOptions, talk: Talk) -> dict[str, Any]:
    """Open, fine-tune, compare with the pretrained model on the test part, and save."""
    begun = time.monotonic()
    done = already_done(options.out, "finetune", asdict(options))
    if done is not None:
        return done
    out = check_out(options.out, "finetune")
    plan = _plan(options, talk)
    task = plan.task
    before = task.evaluate(plan.stored.model)
    with running(options.out, "finetune", plan.described(options.directory), talk.quiet, plan.config) as run:
        result = train(plan.start, task, plan.config, run)
        after = task.evaluate(result.model)
        metrics = {f"{task.name} (pretrained)": before.as_dict(), task.name: after.as_dict()}
        metric = task.monitor if task.monitor in before.per_query else next(iter(before.per_query))
        significance = compared(before, after, metric)
        seconds = round(time.monotonic() - begun, 1)
        notes = {
            "command": "finetune",
            "options": asdict(options),
            "pretrained": plan.stored.record.notes,
            "start": None if plan.started is None else f"{options.start}: {plan.started}",
            "outcome": outcome(result),
            "significance": significance,
        }
        record = Record(task.split, asdict(plan.config), metrics, result.history, {**notes, "seconds": seconds})
        keep(options.out, run, result.model, record)
    return {
        "directory": str(out),
        "model": type(result.model.recipe).__name__,
        "task": task.name,
        "part": after.part,
        "start": None if plan.started is None else asdict(plan.started),
        "pretrained": before.as_dict()["metrics"],
        "pretrained_by": "a linear model on its embeddings" if plan.by_probe else "its own scores",
        "fine_tuned": after.as_dict()["metrics"],
        "counts": after.counts,
        "significance": significance,
        **outcome(result),
        "profile": None if run.profile is None else run.profile.as_dict(),
        "seconds": seconds,
        "next": [f"graphtune evaluate {out} --task {task.name}", _ask(task.name, out)],
    }


def show_finetuning(result: dict[str, Any]) -> None:
    """Both models side by side, whether they differ, the place, and what to type next."""
    if "finished" in result:
        show_done(result)
        return
    rows = []
    for name, after in result["fine_tuned"].items():
        rows.append([name, *estimate_cells(result["pretrained"][name]), *estimate_cells(after)])
    columns = ("metric", "pretrained", "95 % interval", "fine-tuned", "95 % interval")
    table(f"{result['model']}: {result['task']}, {result['part']} part", columns, rows)
    test = result["significance"]
    if test is not None:
        p = "p < 0.001" if test["p_value"] < 0.001 else f"p = {test['p_value']:.3f}"
        interval = f"[{test['low']:+.4f}, {test['high']:+.4f}]"
        lines(f"{test['metric']}: fine-tuned less pretrained {test['difference']:+.4f} {interval}, {p} (paired)")
    lines(f"The pretrained model is judged by {result['pretrained_by']}.")
    show_profile(result["profile"])
    where = f"Saved in {result['directory']} ({result['seconds']} s, best epoch {result['best_epoch']}). Next:"
    lines("", where, *(f"  {command}" for command in result["next"]))


def _plan(options: FinetuneOptions, talk: Talk) -> Plan:
    task_class = find_task(options.task)
    if task_class is CommunityDetection:
        fix = "Fine-tune on link-prediction, then: graphtune evaluate DIR --task community-detection."
        raise bad("--task", "finetune", "one with something to learn from", options.task, fix)
    check_file("--labels", options.labels.labels)
    check_start(options.start, options.missing, options.resize, "finetune")
    settings = parse_settings(options.set, "finetune", {"seed": options.seed})
    settings.check(task_class, TrainConfig, hidden=("split", "data"))
    chosen = dataclasses.replace(settings, values={k: v for k, v in settings.values.items() if k not in GIVEN})
    stored = open_directory(options.directory, own_recipes(options.model))
    task = make_task(task_class, stored, options.directory, options.labels, options.seed, chosen, talk)
    config = dataclasses.replace(task.defaults(), **settings.of(TrainConfig))
    start, started = stored.model, None
    if options.start is not None:
        start = stored.model.copy()
        how = options.start, options.missing, options.resize
        started = begin(start, *how, config.seed, options.model, "finetune", talk)
    return Plan(stored, task, config, chosen, start, started)


def _ask(task: str, out: Path) -> str:
    if task.startswith("node-"):
        return f"graphtune predict {out} --nodes ID"
    if task == "recommendation":
        return f"graphtune recommend {out} USER -k 10"
    if task == "triple-completion":
        return f'graphtune predict {out} HEAD RELATION "?"'
    return f"graphtune predict {out} A B"
