"""What a command says: reports to stderr, the result to stdout, as text for people or one JSON object for machines."""

from __future__ import annotations

import contextlib
import json
import math
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from graphtune.check import bad
from graphtune.launch import launch

WIDTH = 160  # of a table that goes to a file or a pipe


@dataclass(frozen=True)
class Talk:
    """How much a command says, and in which form.

    Attributes:
        json: the result is one JSON object, and nothing else stands on stdout.
        quiet: no reports and no progress on stderr.
        together: the command is one that several processes can do together; the first one speaks for all.
    """

    json: bool = False
    quiet: bool = False
    together: bool = False

    def say(self, text: object) -> None:
        """A report, on stderr."""
        if not self.quiet and launch().is_first:
            print(text, file=sys.stderr, flush=True)

    def run(self, work: Callable[[], dict[str, Any]], show: Callable[[dict[str, Any]], None]) -> None:
        """Do the work of a command and give its result.

        Args:
            work: does it, and returns what JSON can say.
            show: prints that for people.

        Raises:
            ArgumentError: there are several processes, and the command is not for them.
        """
        if launch().world > 1 and not self.together:
            raise bad("--nproc-per-node", "torchrun", "1 but for embed, finetune and run", launch().world)
        if not launch().is_first:
            work()
            return
        if not self.json:
            show(work())
            return
        with _stdout_kept_free():
            result = work()
        print(json.dumps(plain(result), ensure_ascii=False, indent=1))


@contextlib.contextmanager
def waiting(text: str, seconds: float = 2.0) -> Iterator[None]:
    """Says `text` on stderr where what is inside takes longer than that."""
    timer = threading.Timer(seconds, lambda: print(text, file=sys.stderr, flush=True))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def plain(value: Any) -> Any:
    """`value` in strict JSON: NumPy numbers as numbers, numbers that are not finite as null."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table on stdout; columns after the first stand to the right."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=None, pad_edge=False)
    for i, name in enumerate(columns):
        drawn.add_column(Text(name), justify="right" if i else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(str(cell)) for cell in row))
    if title:
        print(title)
    Console(width=None if sys.stdout.isatty() else WIDTH).print(drawn)


def lines(*texts: str) -> None:
    """Lines on stdout, as they are."""
    for text in texts:
        print(text)


@contextlib.contextmanager
def _stdout_kept_free() -> Iterator[None]:
    with contextlib.redirect_stdout(sys.stderr):
        yield
