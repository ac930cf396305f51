"""Progress with an ETA: a live bar on a terminal, a plain line now and then elsewhere; always on stderr."""

from __future__ import annotations

import sys
import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

FIRST_LINE, EVERY = 2.0, 10.0


def say(text: str, quiet: bool = False) -> None:
    """A line on stderr."""
    if not quiet:
        print(text, file=sys.stderr, flush=True)


class Reporter:
    """Shows how far a run is. Use as a context manager.

    Args:
        name: what is being done.
        total: steps in all.
        done: steps that an earlier run has made.
        quiet: show nothing.
    """

    def __init__(self, name: str, total: int, done: int = 0, quiet: bool = False):
        self.name, self.total, self.done, self.first = name, total, done, done
        self.start = time.monotonic()
        self.next_line = self.start + FIRST_LINE
        self.note = ""
        self.loss = 0.0
        live = not quiet and sys.stderr.isatty()
        self.plain = not quiet and not live
        self.bar = _bar() if live else None

    def __enter__(self) -> Reporter:
        if self.bar is not None:
            self.bar.start()
            self.task = self.bar.add_task(self.name, total=self.total, completed=self.done, note="")
        return self

    def __exit__(self, *error: object) -> None:
        if self.bar is not None:
            self.bar.stop()

    def advance(self, loss: float, size: int) -> None:
        """One more step, of `size` examples, with this loss."""
        self.done += 1
        self.loss = loss if self.done == self.first + 1 else 0.98 * self.loss + 0.02 * loss
        if self.bar is not None:
            self.bar.update(self.task, advance=1, note=f"loss {self.loss:.4g} {self.note}")
        elif self.plain and time.monotonic() >= self.next_line:
            self.next_line = time.monotonic() + EVERY
            self._line()

    def metrics(self, row: dict[str, Any], monitor: str | None) -> None:
        """Show the monitored metric of a history row."""
        if monitor is not None and monitor in row:
            self.note = f"{monitor} {row[monitor]:.4f}"

    def _line(self) -> None:
        elapsed = time.monotonic() - self.start
        left = elapsed / (self.done - self.first) * (self.total - self.done)
        say(
            f"{self.name}: {self.done}/{self.total} steps, loss {self.loss:.4g} {self.note}, "
            f"{elapsed:.0f} s, ETA {left:.0f} s"
        )


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
