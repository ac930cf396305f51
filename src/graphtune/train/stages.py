"""What goes on in work that has no steps to count; on stderr."""

from __future__ import annotations

import sys
import time
from threading import Event, Thread

from graphtune.train.progress import EVERY, FIRST_LINE


class Stages:
    """Says on stderr what goes on, first after two seconds, then every ten. Use as a context manager; call it with
    what is done now.

    Args:
        name: what is being done.
        quiet: say nothing.
    """

    def __init__(self, name: str, quiet: bool = False):
        self.name, self.stage, self.start = name, "", time.monotonic()
        self.over = Event()
        self.watch = None if quiet else Thread(target=self._watch, daemon=True)

    def __call__(self, stage: str) -> None:
        self.stage = stage

    def __enter__(self) -> Stages:
        if self.watch is not None:
            self.watch.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.over.set()
        if self.watch is not None:
            self.watch.join()

    def _watch(self) -> None:
        wait = FIRST_LINE
        while not self.over.wait(wait):
            print(f"{self.name}: {self.stage}, {time.monotonic() - self.start:.0f} s", file=sys.stderr, flush=True)
            wait = EVERY
