"""`graphtune benchmark CONFIG`: a row of a table of results, made with several seeds, that one command makes again."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from graphtune.check import ArgumentError, GraphtuneError, bad, integer, number
from graphtune.cli.configfile import Config, check_config, embed_options, file_keys, finetune_options, read_config
from graphtune.cli.machine import machine
from graphtune.cli.oneseed import run_seed
from graphtune.cli.options.learn import BenchmarkOptions
from graphtune.cli.output import check_file_target
from graphtune.cli.parts import NO_SPLIT
from graphtune.cli.talk import Talk, lines, plain, table
from graphtune.files import commit_json, read_json
from graphtune.statistics import t_interval

FORMAT = "graphtune benchmark 1"
SEEDS = 3
TRAINED = ("embed", "finetune")
ANEW = "--overwrite begins anew."
Record = dict[str, Any]


def benchmark(options: BenchmarkOptions, talk: Talk) -> Record:
    """Run every configuration with every seed that is not done, and save after each.

    Raises:
        ArgumentError: a configuration is wrong or leaves no test part, or `out` holds something else.
        GraphtuneError: a run failed.
    """
    number("--price", "benchmark", options.price, 0)
    if options.seeds is not None:
        integer("--seeds", "benchmark", options.seeds, 1)
    asked, seeds = _asked(options)
    out = _check_out(options)
    record = _begun(options, asked, out)
    for seed in range(seeds):  # in turns, so that the machine's moods are everybody's, and mistakes are found early
        for row in record["rows"]:
            if all(done["seed"] != seed for done in row["runs"]):
                talk.say(f"{row['name']}, seed {seed}")
                row["runs"].append(_run(row, asked[row["name"]], seed, options, talk))
                _finish(record, options.price)
                commit_json(out, plain(record))
    _finish(record, options.price)
    return {"file": str(out), **record}


def show_benchmark(result: Record) -> None:
    """A table a task with a row a configuration, and how to have it again."""
    rows = result["rows"]
    for task in dict.fromkeys(task for row in rows for task in row["metrics"]):
        of_task = [row for row in rows if task in row["metrics"]]
        names = list(dict.fromkeys(name for row in of_task for name in row["metrics"][task]))
        columns = ("config", "model", *names, "seconds", "CPU s", "MB", "cost")
        table(f"{task}, test part", columns, [_cells(row, row["metrics"][task], names) for row in of_task])
    seeds = max(len(row["runs"]) for row in rows)
    lines(
        f"Mean of {seeds} seeds ± half its 95 % interval; epochs were chosen on validation. Time, memory and cost are",
        f"of one seed, from the start of the program to its scores, at {result['price']:g} an hour of a core.",
        f"Saved in {result['file']}. Again: graphtune benchmark {result['file']} --out AGAIN.json",
    )


def _asked(options: BenchmarkOptions) -> tuple[dict[str, Config], int]:
    """Configurations by name, checked, with files as seen from here; and how many seeds."""
    found: dict[str, Config] = {}
    seeds = options.seeds
    for path in options.configs:
        if Path(path).suffix == ".json":
            rows = _results(path, "CONFIG")["rows"]
            seeds = seeds or max(len(row["runs"]) for row in rows)
            named = [(row["name"], check_config(row["config"], path)) for row in rows]
        else:
            named = [(Path(path).stem, read_config(path))]
        for name, config in named:
            if name in found:
                raise bad("CONFIG", "benchmark", "files of different names", name)
            found[name] = _checked(config, path)
    return found, seeds or SEEDS


def _results(path: str, argument: str) -> Record:
    """A file of results.

    Raises:
        ArgumentError: it is none.
    """
    try:
        found = read_json(Path(path))
    except GraphtuneError as error:
        raise ArgumentError(f"`{argument}` of benchmark must be earlier results. Got {path!r}: {error}") from None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise bad(argument, "benchmark", f"results of format {FORMAT!r} where it is JSON", path)
    return found


def _checked(config: Config, path: str) -> Config:
    """A configuration without places to save in, tried as far as that is possible before the data is read."""
    config = {section: dict(values) for section, values in config.items()}
    places = {section: config[section].pop("out", None) for section in TRAINED if section in config}
    tried = {section: {**values, "out": "-"} for section, values in config.items() if section in TRAINED}
    if "embed" in config:
        embed_options({**config, **tried})
        if "finetune" not in config and config["embed"].get("split") == NO_SPLIT:
            fix = f"So says {path}."
            raise bad("split in [embed]", "benchmark", "one that leaves a test part", NO_SPLIT, fix)
    if "finetune" in config:
        if "embed" in config and config["finetune"].get("directory", places["embed"]) == places["embed"]:
            config["finetune"].pop("directory", None)
            tried["finetune"]["directory"] = "-"
        finetune_options(tried)
    return config


def _check_out(options: BenchmarkOptions) -> Path:
    if Path(options.out).is_file() and not (options.resume or options.overwrite):
        fix = "It exists: --resume goes on with it, --overwrite begins anew."
        raise bad("--out", "benchmark", "a new file", options.out, fix)
    return check_file_target(options.out, "benchmark", overwrite=True)


def _begun(options: BenchmarkOptions, asked: dict[str, Config], out: Path) -> Record:
    """The results so far: those in `out`, where they are to be gone on with, and rows without runs.

    Raises:
        ArgumentError: what is there is of other configurations, or of another machine or version.
    """
    now = machine()
    stored = {name: _stored(config, out.parent) for name, config in asked.items()}
    runs: dict[str, list[Record]] = {}
    if options.resume and out.exists():
        held = _results(str(out), "--out")
        other = [name for name, value in now.items() if held["machine"].get(name) != value]
        if other:
            told = "; ".join(f"{name} was {held['machine'].get(name)}, is {now[name]}" for name in other)
            raise bad("--out", "benchmark", "of this machine and version", options.out, f"{told}. {ANEW}")
        for row in held["rows"]:
            if stored.get(row["name"]) != row["config"]:
                fix = f"Its row {row['name']!r} is of another one. {ANEW}"
                raise bad("--out", "benchmark", "results of these configurations", options.out, fix)
            runs[row["name"]] = row["runs"]
    rows = [{"name": name, "config": config, "runs": runs.get(name, [])} for name, config in stored.items()]
    return {"format": FORMAT, "price": options.price, "machine": now, "date": time.strftime("%Y-%m-%d"), "rows": rows}


def _stored(config: Config, base: Path) -> Config:
    """The configuration as it is saved: names of files relative to the directory of the results."""
    here = os.path.realpath(base)
    moved = {s: {k: os.path.relpath(os.path.realpath(v[k]), here) for k in file_keys(v)} for s, v in config.items()}
    return json.loads(json.dumps({section: {**values, **moved[section]} for section, values in config.items()}))


def _run(row: Record, config: Config, seed: int, options: BenchmarkOptions, talk: Talk) -> Record:
    try:
        return run_seed(config, seed, talk.quiet)
    except KeyboardInterrupt:
        done = f"{options.out} holds the seeds that are done" if Path(options.out).exists() else "No seed is done"
        raise KeyboardInterrupt(f"Interrupted. {done}; the same command with --resume runs the others.") from None
    except GraphtuneError as error:
        kind = ArgumentError if isinstance(error, ArgumentError) else GraphtuneError
        raise kind(f"{row['name']}, seed {seed}: {error}") from None


def _finish(record: Record, price: float) -> None:
    """Put into each row what its runs come to."""
    for row in record["rows"]:
        runs = row["runs"] = sorted(row["runs"], key=lambda run: run["seed"])
        if runs:
            cpu_seconds = _mean(run["cpu_seconds"] for run in runs)
            row |= {
                "model": runs[0]["model"],
                "metrics": {task: _estimates([run["metrics"][task] for run in runs]) for task in runs[0]["metrics"]},
                "seconds": _mean(run["seconds"] for run in runs),
                "cpu_seconds": cpu_seconds,
                "peak_bytes": max(run["peak_bytes"] for run in runs),
                "cost": cpu_seconds / 3600 * price,
            }


def _estimates(runs: Sequence[dict[str, float | None]]) -> dict[str, Any]:
    """Mean and interval of each metric; None, which is what JSON has for NaN, is skipped."""
    found = {}
    for name in dict.fromkeys(name for run in runs for name in run):
        values = [run.get(name) for run in runs]
        estimate = t_interval([float("nan") if value is None else value for value in values])
        found[name] = {"mean": estimate.mean, "low": estimate.low, "high": estimate.high, "n": estimate.n}
    return found


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


def _cells(row: Record, metrics: Record, names: Sequence[str]) -> list[str]:
    scores = [_score(metrics[name]) if name in metrics else "-" for name in names]
    costs = f"{row['seconds']:,.1f}", f"{row['cpu_seconds']:,.1f}", f"{row['peak_bytes'] / 1e6:,.0f}"
    return [row["name"], row["model"], *scores, *costs, f"{row['cost']:,.4f}"]


def _score(estimate: dict[str, Any]) -> str:
    """Four decimals for shares, one for ranks, and half the interval where there is one."""
    mean, high = estimate["mean"], estimate["high"]
    digits = 4 if abs(mean) < 10 else 1
    return f"{mean:,.{digits}f}" + (f" ±{high - mean:,.{digits}f}" if high == high else "")
