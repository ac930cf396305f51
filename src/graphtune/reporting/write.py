"""Writes the page and its pictures."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from graphtune.files import commit, commit_text, make_directory
from graphtune.reporting.curves import draw
from graphtune.reporting.facts import Facts, read_facts
from graphtune.reporting.page import page
from graphtune.store import REPORT

PAGE = "report.html"


def report(directory: str | Path, out: str | Path | None = None) -> Path:
    """Write a page on a run: scores, curves, configuration, data, environment. It needs no network and can be sent.

    Args:
        directory: of a model; of a run that is under way or broken off; or what `Run(checkpoints=...)` was given.
        out: the page, replaced if it is there; report/report.html in the directory where None. The curves stand beside
            it as PNG, named after it.

    Returns:
        Where the page is.

    Raises:
        ArgumentError: there is no run in the directory.
        DataError: the directory is damaged, or the page cannot be written.
    """
    return write_report(read_facts(directory), place_of(directory, out))[0]


def place_of(directory: str | Path, out: str | Path | None) -> Path:
    """Where the page goes."""
    return Path(directory) / REPORT / PAGE if out is None else Path(out)


def beside(path: Path, name: str) -> Path:
    """The file of a picture of the page at `path`."""
    return path.with_name(f"{path.stem}-{name}.png")


def write_report(facts: Facts, path: Path) -> list[Path]:
    """Write the page to `path` and the pictures beside it; all of them, the page first."""
    pictures = draw(facts)
    make_directory(path.parent)
    files = {beside(path, name): picture for name, picture in pictures.items()}
    for at, picture in files.items():
        commit(at, partial(_write_bytes, content=picture))
    commit_text(path, page(facts, pictures))
    return [path, *files]


def _write_bytes(at: Path, content: bytes) -> None:
    at.write_bytes(content)
