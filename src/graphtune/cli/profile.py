"""What `--profile` found, as tables."""

from __future__ import annotations

from typing import Any

from graphtune.cli.talk import lines, table

SHOWN = 6  # operators; profile.json has more


def show_profile(profile: dict[str, Any] | None) -> None:
    """Where the time went, by stage and by operator; nothing where there is no profile."""
    if profile is None:
        return
    median = _micro(profile["median_step"])
    lines("", f"{profile['steps']:,} steps in {profile['seconds']:.2f} s, the median one {median} us")
    columns = ("stage", "seconds", "share", "share of a step", "median, us", "90 %, us")
    table("", columns, [_stage(row) for row in profile["stages"]])
    if profile["operators"]:
        rows = [
            [row["operator"], f"{row['calls_step']:g}", _micro(row["seconds_step"]), f"{row['share']:.1%}"]
            for row in profile["operators"][:SHOWN]
        ]
        table(f"Operators of {profile['traced_steps']} steps", ("operator", "calls a step", "us", "share"), rows)


def _stage(row: dict[str, Any]) -> list[str]:
    of_step = f"{row['share_step']:.1%}" if row["share_step"] else ""
    times = (_micro(row["median_step"]), _micro(row["high_step"]))
    return [row["stage"], f"{row['seconds']:.3f}", f"{row['share']:.1%}", of_step, *times]


def _micro(seconds: float) -> str:
    return f"{seconds * 1e6:,.0f}" if seconds else ""
