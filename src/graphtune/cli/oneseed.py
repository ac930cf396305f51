"""One seed of a benchmark, in a process of its own, so that its seconds and its memory are its own.

Nothing heavy is imported before the process is at work: to start is a part of what a run costs.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from graphtune.check import ArgumentError, GraphtuneError

Config = dict[str, dict[str, Any]]


def run_seed(config: Config, seed: int, quiet: bool) -> dict[str, Any]:
    """Do what a configuration says, from start to test scores, and throw the models away.

    Args:
        config: the sections of a file of `graphtune run`, of whose `out` nothing becomes.
        seed: added to that of each section.
        quiet: no reports and no progress.

    Returns:
        What `_measured` gives, with `seed` and `seconds`.

    Raises:
        GraphtuneError: what the run raised, or the process was ended from outside.
    """
    begin = time.monotonic()
    start = multiprocessing.get_context("spawn")
    here, there = start.Pipe(duplex=False)
    with TemporaryDirectory(prefix="graphtune-benchmark-") as place:
        process = start.Process(target=_work, args=(_seeded(config, seed, place), quiet, there), daemon=True)
        process.start()
        there.close()
        try:
            result, raised = here.recv()
        except EOFError:
            process.join()
            why = "its memory may have run out" if process.exitcode == -9 else "see what it printed"
            text = f"The process of seed {seed} ended with exit code {process.exitcode}: {why}."
            raise GraphtuneError(text) from None
        process.join()
    if raised is not None:
        raise raised
    return {"seed": seed, "seconds": round(time.monotonic() - begin, 2), **result}


def _seeded(config: Config, seed: int, place: str) -> Config:
    """The configuration with the seed in its sections, and directories below `place` to save in."""
    own: Config = {
        section: {"out": str(Path(place) / section), "seed": values.get("seed", 0) + seed}
        for section, values in config.items()
        if section in ("embed", "finetune")
    }
    return {section: {**values, **own.get(section, {})} for section, values in config.items()}


def _work(config: Config, quiet: bool, answer: Connection) -> None:
    """Run in the new process, and send (result, None) or (None, error)."""
    try:
        with contextlib.redirect_stdout(sys.stderr):
            answer.send((_measured(config, quiet), None))
    except KeyboardInterrupt:
        sys.exit(130)
    except GraphtuneError as error:
        kind = ArgumentError if isinstance(error, ArgumentError) else GraphtuneError
        answer.send((None, kind(str(error))))


def _measured(config: Config, quiet: bool) -> dict[str, Any]:
    """Scores of the test part, what was chosen on validation, and what it took."""
    from graphtune.cli.configfile import run_sections
    from graphtune.cli.machine import cpu_seconds, peak_resident
    from graphtune.cli.talk import Talk
    from graphtune.store import read_written

    result = run_sections(config, Talk(quiet=quiet))
    last = result["finetune"] if "finetune" in result else result["embed"]
    written = read_written(last["directory"])
    chosen = [row for row in written.history if row["epoch"] == last["best_epoch"]]
    monitor = last["monitor"]
    return {
        "model": last["model"],
        "metrics": _scores(result),
        "valid": {monitor: chosen[0][monitor]} if chosen and monitor in chosen[0] else {},
        "epochs": last["epochs"],
        "best_epoch": last["best_epoch"],
        "data": written.run["fingerprint"],
        "cpu_seconds": round(cpu_seconds(), 2),
        "peak_bytes": peak_resident(),
    }


def _scores(result: dict[str, Any]) -> dict[str, dict[str, float]]:
    """The test scores of the last section, by task and metric."""
    if "finetune" in result:
        tuned = result["finetune"]
        found = {task: told["fine_tuned"] for task, told in tuned.get("tasks", {tuned["task"]: tuned}).items()}
    else:
        found = {task: evaluation["metrics"] for task, evaluation in result["embed"]["metrics"].items()}
    return {task: {name: metric["mean"] for name, metric in metrics.items()} for task, metrics in found.items()}
