"""`graphtune update`: a saved recommender that learns new events, and what it forgets by that."""

from __future__ import annotations

import shlex
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from graphtune.adapt.update import Updated, Updating, told, update, usual_update
from graphtune.cli.data import read_data
from graphtune.cli.extend import of_kind
from graphtune.cli.fuse import refuse_fused
from graphtune.cli.options.learn import UpdateOptions
from graphtune.cli.output import already_done, check_out, fingerprint, keep, outcome, running, show_done
from graphtune.cli.profile import show_profile
from graphtune.cli.settings import own_recipes, parse_settings
from graphtune.cli.talk import Talk, lines, table
from graphtune.config import TrainConfig
from graphtune.files import read_json
from graphtune.graph import Graph
from graphtune.launch import launch
from graphtune.store import Record, open_directory

TITLES = {"earlier": "earlier events", "later": "new events"}


def update_directory(options: UpdateOptions, talk: Talk) -> dict[str, Any]:
    """Read new events, train on from the model that there is, measure, and save beside it."""
    begun = time.monotonic()
    done = already_done(options.out, "update", asdict(options))
    if done is not None:
        return done
    out = check_out(options.out, "update")
    settings = parse_settings(options.set, "update", {"seed": options.seed})
    settings.check(Updating, TrainConfig)
    stored = open_directory(options.directory, own_recipes(options.model))
    refuse_fused(stored, options.directory, "update")
    how = Updating(**settings.of(Updating))
    config = replace(usual_update(stored.model), **settings.of(TrainConfig))
    events = read_data(of_kind(options.data, stored.model.graph, "update"), talk).graph
    plan = _described(options.directory, events, how)
    with running(options.out, "update", plan, talk.quiet, config) as run:
        found = update(stored.model, stored.record.split, events, how, config, run)
        if not launch().is_first:
            return {}
        result = {**_told(found), "seconds": round(time.monotonic() - begun, 1)}
        notes = {
            "command": "update",
            "options": asdict(options),
            "before": stored.record.notes,
            "start": f"{options.directory}, and {result['report'] or 'no new users or items'}",
            "scores": result["scores"],
            "outcome": outcome(found.result),
            "seconds": result["seconds"],
        }
        record = Record(found.news.split, asdict(config), _metrics(found), found.result.history, notes)
        keep(options.out, run, found.result.model, record)
    profile = None if run.profile is None else run.profile.as_dict()
    return {"directory": str(out), **result, "profile": profile, "next": _next(out)}


def show_update(result: dict[str, Any]) -> None:
    """What came, the scores before and after, and the place."""
    if "finished" in result:
        show_done(result)
        return
    count = result["events"]
    lines(
        f"{result['model']}: {count['learned']:,} new events learned, {count['valid']:,} to stop by, "
        f"{count['test']:,} to judge on",
        *([result["report"]] if result["report"] else []),
        *([f"{result['known']:,} known or repeated events left out"] if result["known"] else []),
    )
    for when, scores in result["scores"].items():
        rows = [
            [name, f"{one['before']:.4f}", f"{one['after']:.4f}", f"{one['change']:+.4f}"]
            for name, one in scores.items()
        ]
        lines("")
        table(f"Held-out {TITLES[when]}", ("metric", "before", "after", "change"), rows)
    lines("", f"Saved in {result['directory']} ({result['seconds']} s). Next:", f"  {result['next']}")
    show_profile(result["profile"])


def _next(out: Path) -> str:
    return shlex.join(["graphtune", "recommend", str(out), "USER", "-k", "10"])


def _described(directory: str, events: Graph, how: Updating) -> dict[str, Any]:
    """What a run that is resumed must have in common with the one that was begun, beside the configuration."""
    model = read_json(Path(directory) / "run.json")["sha256"]["model.safetensors"]
    return {"model": model, "events": fingerprint(events, None), "how": asdict(how)}


def _told(found: Updated) -> dict[str, Any]:
    """What came and how it went, as JSON can say it."""
    return {
        "model": type(found.result.model.recipe).__name__,
        "of_kind": {kind: found.news.report.count(kind) for kind in ("user", "item")},
        "report": "; ".join(found.news.report.counts()),
        "known": found.news.report.known,
        "events": found.news.counts(),
        "scores": told(found),
        **outcome(found.result),
    }


def _metrics(found: Updated) -> dict[str, Any]:
    """The evaluations by name."""
    named: dict[str, Any] = {}
    for word, scores in (("before", found.before), ("after", found.after)):
        named |= {f"recommendation, {TITLES[when]} ({word})": one.as_dict() for when, one in scores.items()}
    return named
