"""The directory that a long command writes: checked first, taken up again after a break."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from graphtune.check import ArgumentError, DataError, bad, one_of
from graphtune.files import commit_json, read_json
from graphtune.graph import Graph
from graphtune.models import Model
from graphtune.split import Split
from graphtune.store import CHECKPOINTS, LOGS, Record, check_target, save
from graphtune.train.fit import Result, Run
from graphtune.train.loggers import CSVLogger, Logger, TensorBoardLogger

PLAN = "plan"  # without a suffix: a .json among the checkpoints would be taken for one
LOG_KINDS = ("csv",)


@dataclass(frozen=True)
class OutOptions:
    """Where a command saves, and how it goes on.

    Attributes:
        out: the directory.
        resume: take up an unfinished run.
        overwrite: replace a model that is there.
        log: "csv" for logs/history.csv.
        tensorboard: event files in logs.
    """

    out: str
    resume: bool = False
    overwrite: bool = False
    log: str | None = None
    tensorboard: bool = False


def check_out(options: OutOptions, who: str) -> Path:
    """The directory to write, checked before anything is computed.

    Raises:
        ArgumentError: it holds something that must stay, a finished run to resume, or an unfinished one without
            a word on what to do with it.
    """
    if options.log is not None:
        one_of("--log", who, options.log, LOG_KINDS)
    out, unfinished = Path(options.out), is_unfinished(options.out)
    if options.resume and not unfinished and (out / "run.json").exists():
        raise bad("--resume", who, "given for an unfinished run", str(out), "This one is finished; it can be used.")
    check_target(out, options.overwrite)
    if unfinished and not (options.resume or options.overwrite):
        fix = "--resume goes on with it, --overwrite begins anew."
        raise bad("--out", who, "a new or empty directory", str(out), f"It holds an unfinished run; {fix}")
    return out


def is_unfinished(out: str | Path) -> bool:
    """Whether a directory holds checkpoints; a run that ends well leaves none."""
    return any((Path(out) / CHECKPOINTS).glob("*.json"))


@contextmanager
def running(options: OutOptions, who: str, plan: dict[str, Any], quiet: bool) -> Iterator[Run]:
    """What `fit` needs to save its state in the directory.

    A run that is resumed must have the same plan. Ctrl-C leaves with a line that says how to go on.

    Raises:
        ArgumentError: the plan is another one; the error names what differs.
    """
    out = Path(options.out)
    directory, was_there = out / CHECKPOINTS, out.exists()
    goes_on = options.resume and is_unfinished(out)
    if goes_on:
        _check_plan(directory / PLAN, plan, who)
    loggers: list[Logger] = []
    try:
        if not goes_on:
            shutil.rmtree(directory, ignore_errors=True)
            directory.mkdir(parents=True)
            commit_json(directory / PLAN, plan)
        loggers += _loggers(options)
        yield Run(directory, goes_on, tuple(loggers), quiet)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_how_to_go_on(options.out)) from None
    finally:
        _close(loggers)
        if not is_unfinished(out):
            shutil.rmtree(directory, ignore_errors=True)
            if not was_there and out.is_dir() and not any(out.iterdir()):
                out.rmdir()


def fingerprint(graph: Graph, split: Split | None) -> str:
    """The same for the same data in the same parts."""
    return graph.fingerprint + ("" if split is None else sha256(split.part.tobytes()).hexdigest())


def outcome(result: Result) -> dict[str, Any]:
    """How long a training went, as JSON can say it."""
    return {
        "epochs": len(result.history),
        "best_epoch": result.best_epoch,
        "stopped_early": result.stopped_early,
    }


def keep(options: OutOptions, run: Run, model: Model, record: Record) -> None:
    """Save the model; the checkpoints, no longer needed, go with the directory that it replaces."""
    _close(run.loggers)
    save(options.out, model, record, overwrite=options.overwrite)


def _check_plan(path: Path, plan: dict[str, Any], who: str) -> None:
    try:
        begun = read_json(path)
    except DataError as error:
        raise DataError(f"{error} --overwrite begins anew.") from None
    now = json.loads(json.dumps(plan))
    other = [f"{k} was {begun.get(k)!r}, is {v!r}" for k, v in now.items() if begun.get(k) != v]
    if other:
        fix = "Give the same data and options, or --overwrite to begin anew."
        raise ArgumentError(f"`--resume` of {who} must go on with the run in {path.parent}. Got {other[0]}. {fix}")


def _how_to_go_on(out: str) -> str:
    if is_unfinished(out):
        return f"Interrupted. The same command with --resume goes on from the last checkpoint in {out}."
    return "Interrupted before the first checkpoint; nothing was saved."


def _loggers(options: OutOptions) -> Iterator[Logger]:
    directory = Path(options.out) / LOGS
    if options.log == "csv":
        yield CSVLogger(directory, options.resume)
    if options.tensorboard:
        yield TensorBoardLogger(directory)


def _close(loggers: Iterable[Logger]) -> None:
    for logger in loggers:
        logger.close()
