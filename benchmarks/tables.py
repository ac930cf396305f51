"""Write the tables of README.md, benchmarks/results/README.md and docs/fine-tuning.md from benchmarks/results."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from headlines import FIELDS

HERE = Path(__file__).parent
RESULTS = "<!-- results -->", "<!-- /results -->"
MEASURED_END = "<!-- /measured -->"
LOSS = 0.01
"""Share of the metric that a technique for memory or speed may lose: all that its interval leaves open."""


def headlines() -> str:
    """One markdown table of the rows of every field."""
    lines = ["| | measured | by |", "|---|---|---|"]
    for field, rows in FIELDS.items():
        lines.append(f"| **{field}** | | |")
        for what, found, file in rows:
            record = result(file)
            lines.append(f"| {what} | {found.format(**record['figures'])} | `{_command(record)}` |")
    return "\n".join(lines)


def table() -> str:
    """One markdown row per figure, by benchmark, and the machines below."""
    lines = ["| benchmark | figure | value | seeds |", "|---|---|---|---|"]
    machines = set()
    for path in sorted((HERE / "results").glob("*.json")):
        record = result(path.stem)
        machine = record["machine"]
        kind = machine["processor"] + (f" ({machine['vectors']})" if "vectors" in machine else "")
        machines.add(f"{kind}, {machine['cores']} cores, torch {machine['versions']['torch']}")
        for number, figure in enumerate(record.get("shown", record["figures"])):
            name = f"`{_command(record)}`" if number == 0 else ""
            lines.append(f"| {name} | {figure} | {record['figures'][figure]:g} | {record['seeds']} |")
    return "\n".join([*lines, "", "Measured on " + "; ".join(sorted(machines)) + "."])


def result(name: str) -> dict[str, Any]:
    """What a benchmark wrote."""
    found: dict[str, Any] = json.loads((HERE / "results" / f"{name}.json").read_text())
    return found


def _command(record: dict[str, Any]) -> str:
    return str(record["command"]).removeprefix("python benchmarks/")


def gains(techniques: dict[str, dict[str, Any]], stage: str) -> str:
    """One markdown row a technique of a stage of fine-tuning, as `techniques.py` found it."""
    lines = ["| technique | graph, model | metric | without | with | gain | |", "|---|---|---|---|---|---|---|"]
    for key, found in techniques.items():
        if found["stage"] == stage:
            lines.append("| " + " | ".join(_cells(key, found)) + " |")
    return "\n".join(lines)


def _cells(key: str, found: dict[str, Any]) -> tuple[str, ...]:
    without, with_it = np.mean(found["without"]), np.mean(found["with"])
    gain = f"{found['gain']:+.4f} [{found['low']:+.4f}, {found['high']:+.4f}]"
    chosen = ", ".join(f"{name.split('.')[-1]}={value}" for name, value in found["chosen"].items())
    where = f"{found['graph']}, {found['model']}"
    return f"`{key}` ({chosen})", where, found["metric"], f"{without:.4f}", f"{with_it:.4f}", gain, _verdict(found)


def _verdict(found: dict[str, Any]) -> str:
    if found["saves"]:
        bound = LOSS * float(np.mean(found["without"]))
        return "no loss" if found["low"] > -bound else "a loss cannot be ruled out"
    if found["low"] > 0:
        return "**gain**"
    stories = ", ".join(dict.fromkeys(t["story"] for t in found["tried"]))
    return f"{'worse here; ' if found['high'] < 0 else ''}no gain found on {stories}"


def recipe(cells: dict[str, dict[str, Any]]) -> str:
    """One markdown row a model on a graph, as `recipe.py` found it."""
    lines = [
        "| graph, model, task | metric | recipe | over random | over longer | over plain |",
        "|---|---|---|---|---|---|",
    ]
    for name, found in cells.items():
        gains = (_gain(*found[f"over_{arm}"]) for arm in ("random", "longer", "plain"))
        mean = f"{np.mean(found['recipe']['test']):.4f}"
        lines.append("| " + " | ".join((name.replace("_", ", "), found["metric"], mean, *gains)) + " |")
    return "\n".join(lines)


def _gain(mean: float, low: float, high: float) -> str:
    text = f"{mean:+.4f} [{low:+.4f}, {high:+.4f}]"
    return f"**{text}**" if low > 0 else text


def write_between(path: Path, begin: str, end: str, text: str) -> None:
    """Replace what stands between two markers."""
    pattern = re.compile(f"({re.escape(begin)})(.*?)({re.escape(end)})", re.DOTALL)
    path.write_text(pattern.sub(lambda match: f"{match[1]}\n\n{text}\n\n{match[3]}", path.read_text(), count=1))


def main() -> None:
    guide = HERE.parent / "docs" / "fine-tuning.md"
    write_between(HERE.parent / "README.md", *RESULTS, headlines())
    write_between(HERE / "results" / "README.md", *RESULTS, table())
    write_between(guide, "<!-- measured: recipe -->", MEASURED_END, recipe(result("recipe")["details"]["cells"]))
    techniques = result("techniques")["details"]["techniques"]
    for stage in dict.fromkeys(found["stage"] for found in techniques.values()):
        write_between(guide, f"<!-- measured: {stage} -->", MEASURED_END, gains(techniques, stage))


if __name__ == "__main__":
    main()
