"""Progress with an ETA: a live bar on a terminal, a plain line now and then elsewhere; always on stderr."""

from __future__ import annotations

import sys
import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from graphtune.batch import Batch, MixedBatch, QueryBatch, WalkBatch

FIRST_LINE, EVERY = 2.0, 10.0


def say(text: str, quiet: bool = False) -> None:
    """A line on stderr."""
    if not quiet:
        print(text, file=sys.stderr, flush=True)


class Reporter:
    """Shows how far a run is, how fast it goes and how long it will take. Use as a context manager.

    What the first step takes is left out of speed and ETA: it may compile kernels.

    Args:
        name: what is being done.
        total: steps in all.
        quiet: show nothing.
    """

    def __init__(self, name: str, total: int, quiet: bool = False):
        self.name, self.total = name, total
        self.done = self.first = 0
        self.examples, self.unit = 0, ""
        self.note = ""
        self.loss = 0.0
        live = not quiet and sys.stderr.isatty()
        self.plain = not quiet and not live
        self.bar = _bar() if live else None

    def __enter__(self) -> Reporter:
        return self

    def __exit__(self, *error: object) -> None:
        if self.bar is not None:
            self.bar.stop()

    def begin(self, done: int) -> None:
        """Start, after the steps that an earlier run has made."""
        self.done = self.first = done
        self.start = self.warm = time.monotonic()
        self.next_line = self.start + FIRST_LINE
        if self.bar is not None:
            self.bar.start()
            self.task = self.bar.add_task(self.name, total=self.total, completed=done, note="")

    def advance(self, loss: float, batch: Batch | QueryBatch | WalkBatch | MixedBatch) -> None:
        """One more step, on `batch`, with this loss."""
        if self.bar is None and not self.plain:
            return
        now = time.monotonic()
        self.done += 1
        if self.done == self.first + 1:
            self.loss, self.warm, self.unit = loss, now, batch.unit
        else:
            self.loss = 0.98 * self.loss + 0.02 * loss
            self.examples += len(batch)
        if self.bar is not None:
            self.bar.update(self.task, advance=1, note=f"loss {self.loss:.4g} {self.note} {self._speed(now)}")
        elif self.plain and now >= self.next_line:
            self.next_line = now + EVERY
            say(self._line(now))

    def metrics(self, row: dict[str, Any], monitor: str | None) -> None:
        """Show the monitored metric of a history row."""
        if monitor is not None and monitor in row:
            self.note = f"{monitor} {row[monitor]:.4f}"

    def _line(self, now: float) -> str:
        shown = [f"{self.name}: {self.done}/{self.total} steps", f"loss {self.loss:.4g} {self.note}".strip()]
        warm = self.done - self.first - 1
        if warm:
            left = (now - self.warm) / warm * (self.total - self.done)
            return ", ".join([*shown, self._speed(now), f"{now - self.start:.0f} s", f"ETA {left:.0f} s"])
        return ", ".join([*shown, f"{now - self.start:.0f} s with what had to be compiled"])

    def _speed(self, now: float) -> str:
        speed = self.examples / max(now - self.warm, 1e-9)
        return f"{speed / 1e6:.1f} M {self.unit}/s" if speed >= 1e6 else f"{speed:,.0f} {self.unit}/s"


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
        TextColumn("ETA"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=Console(stderr=True),
        transient=True,
    )
