"""Lines on work that takes longer than two seconds, with what is left of it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import numpy as np

FIRST_LINE, EVERY = 2.0, 10.0
Say: TypeAlias = Callable[[str], object]


def to_stderr(text: str) -> None:
    """A line on stderr."""
    print(text, file=sys.stderr, flush=True)


def with_eta(parts: Sequence[np.ndarray], unit: str, say: Say) -> Iterator[np.ndarray]:
    """The parts, and a line when two seconds have gone by, then every ten: "4,096 of 100,000 users, 3 s, ETA 70 s"."""
    total, done = sum(map(len, parts)), 0
    begin = time.monotonic()
    next_line = begin + FIRST_LINE
    for part in parts:
        yield part
        done, now = done + len(part), time.monotonic()
        if now >= next_line and done < total:
            passed = now - begin
            say(f"{done:,} of {total:,} {unit}, {passed:.0f} s, ETA {passed / done * (total - done):.0f} s")
            next_line = now + EVERY
