"""The report as one HTML file: nothing is fetched, no script runs, and all text from the run is escaped."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from graphtune.config import TrainConfig
from graphtune.reporting.facts import BROKEN_OFF, FINISHED, Facts

PRETRAINED = " (pretrained)"
ROWS = 200  # of the history, at most
CAPTIONS = {
    "loss": "The mean loss of each epoch.",
    "metrics": "Scores of the validation part; the dashed line is the epoch whose weights are kept.",
    "learning-rate": "What the schedule plans for the whole run, and what each epoch ended with.",
}
STATES = {
    FINISHED: "Finished.",
    BROKEN_OFF: "Broken off, as far as its last checkpoint or log goes. The same command with --resume goes on.",
}
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2.2rem; border-bottom: 1px solid #ddd }
table { border-collapse: collapse; margin: .6rem 0; display: block; overflow-x: auto }
th, td { text-align: left; padding: .15rem .9rem .15rem 0; vertical-align: top; overflow-wrap: anywhere }
th { font-weight: 600; white-space: nowrap } td.n { text-align: right; font-variant-numeric: tabular-nums }
tr.set td { font-weight: 600 } img { max-width: 100% } .note { color: #666 } pre { white-space: pre-wrap }
"""


def page(facts: Facts, pictures: Mapping[str, bytes]) -> str:
    """The HTML.

    Args:
        facts: what is known of the run.
        pictures: PNG by name.
    """
    title = " ".join(filter(None, (_model(facts), _task(facts), f"in {facts.name}")))
    sections = (
        ("", _summary(facts)),
        ("Scores", _scores(facts)),
        ("Curves", _curves(pictures)),
        ("Data", _data(facts)),
        ("Configuration", _configuration(facts)),
        ("Where the time went", _profile(facts)),
        ("Environment", _environment(facts)),
        ("History", _history(facts)),
    )
    body = "\n".join(_section(name, content) for name, content in sections if content)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{escape(title)}</h1>\n"
        f"{body}\n</body>\n</html>\n"
    )


def _summary(facts: Facts) -> str:
    notes, history = facts.notes, facts.history
    options = notes.get("options") or {}
    last = history[-1] if history else {}
    epochs = f"{len(history)} of {facts.training['epochs']}" if facts.training else f"{len(history)}"
    done = {
        "state": STATES.get(facts.state, f"Under way, {len(history)} epochs so far."),
        "model": _model(facts),
        "asked for": notes.get("chosen"),
        "task": _task(facts),
        "pretrained model": options.get("directory"),
        "started from": notes.get("start"),
        "epochs": epochs if not facts.is_solved else "solved in closed form, without epochs",
        "steps": f"{last['step']:,}" if last and not facts.is_solved else None,
        "decided by": facts.monitor and f"validation {facts.monitor}",
        "best epoch": facts.best_epoch or None,
        "stopped early": "yes" if (notes.get("outcome") or {}).get("stopped_early") else None,
        "seconds": notes.get("seconds") or round(sum(row["seconds"] for row in history), 1),
    }
    return _pairs(done)


def _scores(facts: Facts) -> str:
    """A table a task and part, the pretrained model beside the fine-tuned one where both were judged."""
    blocks = []
    for name, found in facts.metrics.items():
        if name.endswith(PRETRAINED) and name.removesuffix(PRETRAINED) in facts.metrics:
            continue
        before = facts.metrics.get(name + PRETRAINED)
        blocks.append(f"<h3>{escape(name)}, {escape(str(found['part']))} part</h3>")
        blocks.append(_alone(found) if before is None else _compared(before, found))
        counts = ", ".join(f"{count:,} {what}" for what, count in found["counts"].items())
        blocks.append(f'<p class="note">{escape(counts)}</p>')
    tests = facts.notes.get("significance") or {}
    for task, test in ((task, test) for task, test in tests.items() if test):
        text = (
            f"{task}, {test['metric']}: fine-tuned less pretrained {test['difference']:+.4f} "
            f"[{test['low']:+.4f}, {test['high']:+.4f}], p = {test['p_value']:.3g}, paired over {test['n']:,} queries"
        )
        blocks.append(f"<p>{escape(text)}</p>")
    return "".join(blocks)


def _alone(found: dict[str, Any]) -> str:
    rows = [[name, *_estimate(e), f"{e['n']:,}"] for name, e in found["metrics"].items()]
    return _table(("metric", "value", "95 % interval", "queries"), rows)


def _compared(before: dict[str, Any], after: dict[str, Any]) -> str:
    rows = []
    for name, e in after["metrics"].items():
        first = before["metrics"].get(name)
        gain = "" if first is None else f"{e['mean'] - first['mean']:+.4f}"
        rows.append([name, *(("", "") if first is None else _estimate(first)), *_estimate(e), gain])
    return _table(("metric", "pretrained", "95 % interval", "fine-tuned", "95 % interval", "gain"), rows)


def _curves(pictures: Mapping[str, bytes]) -> str:
    blocks = []
    for name, picture in pictures.items():
        source = "data:image/png;base64," + base64.b64encode(picture).decode()
        blocks.append(f'<p><img src="{source}" alt="{escape(name)}"><br><span class="note">{CAPTIONS[name]}</span></p>')
    return "".join(blocks)


def _data(facts: Facts) -> str:
    graph, split = facts.config.get("graph") or {}, facts.config.get("split")
    options = facts.notes.get("options") or {}
    told = {
        "file": (options.get("data") or {}).get("edges"),
        "nodes": graph and f"{graph['nodes']:,}",
        "edges": graph and f"{graph['edges']:,} {'directed' if graph['directed'] else 'undirected'}",
        "relations": graph.get("relations") and f"{graph['relations']:,}",
        "kinds of nodes": ", ".join(graph.get("kinds", ())),
        "classes": ", ".join(map(str, graph.get("label_names") or ())),
        "fingerprint": facts.fingerprint[:16] or str(facts.plan.get("data") or "")[:16],
        "split": split and _words(split),
        "parts": split and ", ".join(f"{count:,} {name} {split['unit']}s" for name, count in facts.parts.items()),
    }
    if facts.config and split is None:
        told["split"] = "none: every edge was learned"
    found = "\n".join(map(str, facts.notes.get("report") or ()))
    return _pairs(told) + (f"<pre>{escape(found)}</pre>" if found else "")


def _configuration(facts: Facts) -> str:
    blocks = []
    recipe = facts.config.get("recipe")
    if recipe is not None:
        blocks.append(f"<h3>Model: {escape(recipe['name'])}</h3>" + _pairs(recipe["options"], keep_empty=True))
    elif facts.plan:
        blocks.append("<h3>Plan</h3>" + _pairs(facts.plan))
    if facts.training is not None:
        usual = {name: getattr(TrainConfig, name) for name in TrainConfig.names()}
        rows = [(name, value, usual.get(name)) for name, value in facts.training.items()]
        changed = [value != default for _, value, default in rows]
        blocks.append("<h3>Training</h3>" + _table(("option", "value", "default"), rows, marked=changed))
    return "".join(blocks)


def _profile(facts: Facts) -> str:
    if facts.profile is None:
        return ""
    columns = ("share_step", "median_step", "high_step")
    rows = []
    for row in facts.profile["stages"]:
        share, *times = (row[name] for name in columns)
        of_step = f"{share:.1%}" if share else ""
        rows.append((row["stage"], f"{row['seconds']:.3f}", f"{row['share']:.1%}", of_step, *map(_micro, times)))
    head = ("stage", "seconds", "share", "share of a step", "median of a step, us", "90 % quantile, us")
    operators = [
        (row["operator"], f"{row['calls_step']:g}", _micro(row["seconds_step"]), f"{row['share']:.1%}")
        for row in facts.profile["operators"]
    ]
    below = _table(("operator", "calls a step", "us a step", "share"), operators) if operators else ""
    return _table(head, rows) + below


def _environment(facts: Facts) -> str:
    files = [(name, digest) for name, digest in facts.files.items()]
    return _pairs(facts.versions) + (_table(("file", "sha256"), files) if files else "")


def _history(facts: Facts) -> str:
    if not facts.history:
        return ""
    names = list(dict.fromkeys(name for row in facts.history for name in row))
    step = -(-len(facts.history) // ROWS)
    rows = [[_number(row.get(name)) for name in names] for row in facts.history[::-1][::step][::-1]]
    note = f'<p class="note">Every {step}th epoch, back from the last.</p>' if step > 1 else ""
    return f"<details><summary>{len(facts.history)} epochs</summary>{note}{_table(names, rows)}</details>"


def _model(facts: Facts) -> str:
    recipe = facts.config.get("recipe")
    return recipe["name"] if recipe is not None else str(facts.plan.get("model") or "run").partition("(")[0]


def _task(facts: Facts) -> str:
    options = facts.notes.get("options") or {}
    return str(options.get("task") or facts.plan.get("task") or "").partition(" ")[0]


def _words(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_value(value)}" for name, value in values.items() if value is not None)


def _estimate(e: dict[str, Any]) -> tuple[str, str]:
    return f"{e['mean']:.4f}", f"[{e['low']:.4f}, {e['high']:.4f}]"


def _micro(seconds: float) -> str:
    return f"{seconds * 1e6:,.0f}" if seconds else ""


def _number(value: object) -> str:
    return "" if value is None else f"{value:.5g}" if isinstance(value, float) else str(value)


def _value(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _section(name: str, content: str) -> str:
    return f"<h2>{escape(name)}</h2>\n{content}" if name else content


def _pairs(values: Mapping[str, Any], keep_empty: bool = False) -> str:
    """A table of names and values, those that are empty left out."""
    shown = {name: value for name, value in values.items() if keep_empty or value not in (None, "", 0, {}, [])}
    rows = "".join(f"<tr><th>{escape(str(k))}</th><td>{escape(_value(v))}</td></tr>" for k, v in shown.items())
    return f"<table>{rows}</table>" if rows else ""


def _table(head: Iterable[str], rows: Iterable[Sequence[object]], marked: Sequence[bool] = ()) -> str:
    """A table; cells after the first stand to the right, and `marked` rows are bold."""
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    lines = []
    for number, row in enumerate(rows):
        cells = "".join(f"<td{' class=n' if i else ''}>{escape(_value(cell))}</td>" for i, cell in enumerate(row))
        lines.append(f"<tr{' class=set' if marked and marked[number] else ''}>{cells}</tr>")
    return f"<table><tr>{top}</tr>{''.join(lines)}</table>"
