"""`graphtune finetune`: a saved model, trained on for a task."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from graphtune.check import bad
from graphtune.cli.data import LabelOptions, check_file
from graphtune.cli.judge import GIVEN, compared, estimate_cells, find_task, make_task
from graphtune.cli.output import OutOptions, check_out, keep, running
from graphtune.cli.settings import own_recipes, parse_settings
from graphtune.cli.talk import Talk, lines, table
from graphtune.config import TrainConfig
from graphtune.store import Record, open_directory
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
    """

    directory: str
    task: str
    out: OutOptions
    labels: LabelOptions = LabelOptions()
    seed: int = 0
    set: tuple[str, ...] = ()
    model: str | None = None


def finetune(options: FinetuneOptions, talk: Talk) -> dict[str, Any]:
    """Open, fine-tune, compare with the pretrained model on the test part, and save."""
    begun = time.monotonic()
    out = check_out(options.out, "finetune")
    task_class = find_task(options.task)
    if task_class is CommunityDetection:
        fix = "Fine-tune on link-prediction, then: graphtune evaluate DIR --task community-detection."
        raise bad("--task", "finetune", "one with something to learn from", options.task, fix)
    check_file("--labels", options.labels.labels)
    settings = parse_settings(options.set, "finetune", {"seed": options.seed})
    settings.check(task_class, TrainConfig, hidden=("split", "data"))
    of_task = dataclasses.replace(settings, values={k: v for k, v in settings.values.items() if k not in GIVEN})
    stored = open_directory(options.directory, own_recipes(options.model))
    task = make_task(task_class, stored, options.directory, options.labels, options.seed, of_task, talk)
    config = dataclasses.replace(task.defaults(), **settings.of(TrainConfig))
    before = task.evaluate(stored.model)
    weights = f"{Path(options.directory).resolve()}"
    plan = {"model": weights, "task": repr((task.name, of_task.values)), "training": asdict(config)}
    with running(options.out, "finetune", plan, talk.quiet) as run:
        result = train(stored.model, task, config, run)
        after = task.evaluate(result.model)
        metrics = {f"{task.name} (pretrained)": before.as_dict(), task.name: after.as_dict()}
        seconds = round(time.monotonic() - begun, 1)
        notes = {"command": "finetune", "options": asdict(options), "pretrained": stored.record.notes}
        record = Record(task.split, asdict(config), metrics, result.history, {**notes, "seconds": seconds})
        keep(options.out, run, result.model, record)
    metric = task.monitor if task.monitor in before.per_query else next(iter(before.per_query))
    return {
        "directory": str(out),
        "model": type(result.model.recipe).__name__,
        "task": task.name,
        "part": after.part,
        "pretrained": before.as_dict()["metrics"],
        "fine_tuned": after.as_dict()["metrics"],
        "counts": after.counts,
        "significance": compared(before, after, metric),
        "epochs": len(result.history),
        "best_epoch": result.best_epoch,
        "stopped_early": result.stopped_early,
        "seconds": seconds,
        "next": [f"graphtune evaluate {out} --task {task.name}", _ask(task.name, out)],
    }


def show_finetuning(result: dict[str, Any]) -> None:
    """Both models side by side, whether they differ, the place, and what to type next."""
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
    where = f"Saved in {result['directory']} ({result['seconds']} s, best epoch {result['best_epoch']}). Next:"
    lines("", where, *(f"  {command}" for command in result["next"]))


def _ask(task: str, out: Path) -> str:
    if task.startswith("node-"):
        return f"graphtune predict {out} --nodes ID"
    if task == "recommendation":
        return f"graphtune recommend {out} USER -k 10"
    if task == "triple-completion":
        return f'graphtune predict {out} HEAD RELATION "?"'
    return f"graphtune predict {out} A B"
