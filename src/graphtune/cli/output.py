"""The directory that a long command writes: checked first, taken up again after a break."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

from graphtune.check import bad, number, one_of
from graphtune.cli.options.learn import OutOptions
from graphtune.cli.talk import lines
from graphtune.config import TrainConfig
from graphtune.files import read_json, sweep_beside
from graphtune.graph import Graph
from graphtune.launch import launch
from graphtune.models import Model
from graphtune.split import Split
from graphtune.store import CHECKPOINTS, LOGS, PROFILE, Record, check_target, save
from graphtune.tasks import calibrate, can_calibrate
from graphtune.train.checkpoint import Checkpoints
from graphtune.train.distributed import workers
from graphtune.train.fit import Result, Run
from graphtune.train.loggers import CSVLogger, Logger, TensorBoardLogger
from graphtune.train.profile import Profile
from graphtune.train.trackers import TRACKERS, MLflowLogger, WandbLogger, check_installed

LOG_KINDS = ("csv", *TRACKERS)


def already_done(options: OutOptions, who: str, asked: dict[str, Any]) -> dict[str, Any] | None:
    """What there is to tell of a finished run that was to be resumed; None where there is something left to do.

    Args:
        options: where.
        who: the command.
        asked: all of its options; but for `out` they must be those of the finished run.

    Raises:
        ArgumentError: the finished run is of other options, and may not be overwritten.
        DataError: another process is at work in the directory.
    """
    return workers().from_first(lambda: _look(options, who, asked))


def _look(options: OutOptions, who: str, asked: dict[str, Any]) -> dict[str, Any] | None:
    out = Path(options.out)
    Checkpoints(out / CHECKPOINTS).check_free()
    sweep_beside(out)
    if not _goes_on(options) or not (out / "run.json").exists() or (out / CHECKPOINTS).exists():
        return None
    notes = read_json(out / "run.json").get("notes", {})
    made = {"command": notes.get("command"), **notes.get("options", {})}
    wanted = {"command": who, **json.loads(json.dumps(asked))}
    other = [name for name in wanted if name != "out" and made.get(name) != wanted[name]]
    if not other:
        return {"directory": str(out), "finished": True, "metrics": read_json(out / "metrics.json")}
    if options.overwrite:
        return None
    told = "; ".join(f"{name} was {made.get(name)!r}, is {wanted[name]!r}" for name in other)
    fix = f"It holds a finished run of other options ({told}). Choose another directory, or --overwrite."
    raise bad("--out", who, "the directory of the run to resume", str(out), fix)


def show_done(result: dict[str, Any]) -> None:
    """That there was nothing to do."""
    lines(f"{result['directory']} is finished; there is nothing to resume.")


def check_out(options: OutOptions, who: str) -> Path:
    """The directory to write, checked before anything is computed by the process that will write it.

    Raises:
        ArgumentError: it holds something that must stay, or an unfinished run without a word on what to do with it.
    """
    if not launch().is_first:
        return Path(options.out)
    number("--save-every", who, options.save_every, 0)
    for kind in options.logs:
        if one_of("--log", who, kind, LOG_KINDS) in TRACKERS:
            check_installed(kind, "--log", who)
    out = check_target(options.out, options.overwrite)
    if is_unfinished(out) and not (_goes_on(options) or options.overwrite):
        fix = "--resume goes on with it, --overwrite begins anew."
        raise bad("--out", who, "a new or empty directory", str(out), f"It holds an unfinished run; {fix}")
    return out


def check_file_target(out: str, who: str, overwrite: bool, option: str = "--out") -> Path:
    """The file to write, checked before anything is computed.

    Raises:
        ArgumentError: it is a directory, it exists (and not `overwrite`), or its directory cannot be written.
    """
    path = Path(out)
    if path.is_dir():
        raise bad(option, who, "the name of a file", out, "There is a directory of that name.")
    if path.exists() and not overwrite:
        raise bad(option, who, "a new file", out, "It exists; --overwrite replaces it.")
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise bad(option, who, "a file in a directory that can be written", out)
    return path


def is_unfinished(out: str | Path) -> bool:
    """Whether a directory holds checkpoints; a run that ends well leaves none."""
    return any((Path(out) / CHECKPOINTS).glob("*.json"))


@contextmanager
def running(options: OutOptions, who: str, plan: dict[str, Any], quiet: bool, config: TrainConfig) -> Iterator[Run]:
    """What `fit` needs to save its state in the directory, which is this process's alone meanwhile; of several it is
    the first one's.

    Ctrl-C leaves with a line that says how to go on.

    Raises:
        DataError: another process is at work in the directory, or it cannot be written.
    """
    out, was_there = Path(options.out), Path(options.out).exists()
    if not launch().is_first:
        yield Run(out / CHECKPOINTS, options.resume, plan=plan, quiet=True)
        return
    loggers = tuple(_loggers(options, {"command": who, **plan, **asdict(config)}))
    profile = Profile(out / LOGS / PROFILE) if options.profile else None
    with Checkpoints(out / CHECKPOINTS) as store:
        try:
            check_out(options, who)  # again, as another run may have ended here meanwhile
            every = options.save_every
            yield Run(store, options.resume, every, plan=plan, loggers=loggers, quiet=quiet, profile=profile)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(_how_to_go_on(options.out)) from None
        finally:
            _close(loggers, profile)
            if not is_unfinished(out):
                store.remove()
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
        "monitor": result.monitor,
    }


def keep(options: OutOptions, run: Run, model: Model, record: Record) -> None:
    """Save the model, calibrated where validation triples were kept aside; the checkpoints, no longer needed, go with
    the directory that it replaces."""
    _close(run.loggers, run.profile)
    if record.split is not None and can_calibrate(model, record.split):
        model.calibration = calibrate(model, record.split)
    save(options.out, model, record, overwrite=options.overwrite)


def _goes_on(options: OutOptions) -> bool:
    """Whether an unfinished run is to be taken up: as asked, or after torchrun has started its processes again."""
    return options.resume or launch().restarts > 0


def _how_to_go_on(out: str) -> str:
    if is_unfinished(out):
        return f"Interrupted. The same command with --resume goes on from the last checkpoint in {out}."
    return "Interrupted before the first checkpoint; nothing was saved."


def _loggers(options: OutOptions, told: dict[str, Any]) -> Iterator[Logger]:
    directory, name = Path(options.out) / LOGS, Path(options.out).name
    if "csv" in options.logs:
        yield CSVLogger(directory)
    if "mlflow" in options.logs:
        yield MLflowLogger(directory, told, name)
    if "wandb" in options.logs:
        yield WandbLogger(directory, told, name)
    if options.tensorboard:
        yield TensorBoardLogger(directory)


def _close(loggers: Iterable[Logger], profile: Profile | None) -> None:
    for logger in loggers:
        logger.close()
    if profile is not None:
        profile.close()
