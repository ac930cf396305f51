"""Write the README's results section from benchmarks/results/*.json."""

from __future__ import annotations

import json
from pathlib import Path

HERE = Path(__file__).parent
BEGIN, END = "<!-- results -->", "<!-- /results -->"


def table() -> str:
    """One markdown row per figure, by benchmark, and the machines below."""
    lines = ["| benchmark | figure | value | seeds |", "|---|---|---|---|"]
    machines = set()
    for path in sorted((HERE / "results").glob("*.json")):
        record = json.loads(path.read_text())
        machine = record["machine"]
        machines.add(f"{machine['processor']}, {machine['cores']} cores, torch {machine['versions']['torch']}")
        command = record["command"].removeprefix("python benchmarks/")
        for number, figure in enumerate(record.get("shown", record["figures"])):
            name = f"`{command}`" if number == 0 else ""
            lines.append(f"| {name} | {figure} | {record['figures'][figure]:g} | {record['seeds']} |")
    return "\n".join([*lines, "", "Measured on " + "; ".join(sorted(machines)) + "."])


def main() -> None:
    readme = HERE.parent / "README.md"
    text = readme.read_text()
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    readme.write_text(f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}")


if __name__ == "__main__":
    main()
