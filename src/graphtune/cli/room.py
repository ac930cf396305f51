"""What learning takes, told before it begins: memory and time beside what is free here."""

from __future__ import annotations

from typing import Any

import psutil

from graphtune.cli.data import Data
from graphtune.cli.parts import NO_SPLIT, ratios_of
from graphtune.estimate import Plan, Size, embedding_memory, training_seconds
from graphtune.graph import Graph
from graphtune.split import RATIOS

Ratios = tuple[float, float, float] | None


def needed(plan: Plan, graph: Graph, ratios: Ratios, timed: bool = True) -> dict[str, Any]:
    """What `graphtune embed` takes.

    Args:
        plan: what is learned.
        graph: all of it.
        ratios: of train, validation and test; None where every edge is learned.
        timed: whether to try the kernel for a moment.
    """
    size = Size.of(graph)
    stages = embedding_memory(plan, size, ratios)
    learned = size if ratios is None else size.part(ratios[0] / sum(ratios))
    free = psutil.virtual_memory().available
    return {
        "bytes": max(stages.values()),
        "bytes_at": stages,
        "bytes_free": free,
        "fits": max(stages.values()) <= free,
        "seconds": round(training_seconds(plan, learned), 1) if timed else None,
        "epochs": plan.config.epochs,
    }


def ratios_for(data: Data, how: str | None) -> Ratios:
    """The ratios that `--split` asks for, or those of the published split; None where every edge is learned."""
    if how == NO_SPLIT or data.graph.on_disk:
        return None
    if how is not None or data.published is None:
        return RATIOS if how is None else ratios_of(how)
    if data.published.unit != "edge":
        return None
    train, valid, test = (float((data.published.part == part).sum()) for part in range(3))
    return train, valid, test


def warning(need: dict[str, Any]) -> str | None:
    """What to say where the memory will not do, and what to do."""
    if need["fits"]:
        return None
    stage = max(need["bytes_at"], key=need["bytes_at"].get)
    fix = "Take a smaller --dim, keep the graph on disk (--on-disk DIR), or leave out the test (--split none)."
    return f"warning: this takes about {amount(need['bytes'])} ({stage}), {amount(need['bytes_free'])} are free. {fix}"


def amount(count: int) -> str:
    """Bytes for people."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{max(count / 1e6, 0.1):.1f} MB"


def duration(seconds: float) -> str:
    """Seconds for people, who should not take them for exact."""
    if seconds < 1.5:
        return "a second"
    for unit, length in (("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} seconds"
