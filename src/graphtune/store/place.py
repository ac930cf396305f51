"""Where a model is saved: what may be replaced, and how the new takes its place."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from graphtune.check import bad
from graphtune.files import exchange
from graphtune.store.record import CHECKPOINTS, LOGS, REPORT


def check_target(directory: str | Path, overwrite: bool = False) -> Path:
    """The directory to save to, checked before anything is computed.

    Raises:
        ArgumentError: it holds a model (and not `overwrite`), or something else, or cannot be made.
    """
    path = Path(directory)
    if path.is_dir() and any(path.iterdir()):
        ours = (path / "run.json").exists()
        unfinished = all(entry.name in (CHECKPOINTS, LOGS, REPORT) for entry in path.iterdir())
        if ours and not overwrite:
            raise bad(
                "out", "save", "a new or empty directory", str(path), "It holds a model; --overwrite replaces it."
            )
        if not ours and not unfinished:
            raise bad("out", "save", "a new or empty directory", str(path), "It holds other files.")
    elif path.exists() and not path.is_dir():
        raise bad("out", "save", "a directory", str(path), "There is a file of that name.")
    parent = next(p for p in path.resolve().parents if p.exists())
    if not os.access(path if path.exists() else parent, os.W_OK) or not parent.is_dir():
        raise bad("out", "save", "a directory that can be written", str(path))
    return path


def take_place(staging: Path, path: Path) -> None:
    """Put `staging` at `path`; what was there, its logs kept, goes with the name `staging`."""
    if not path.exists():
        os.rename(staging, path)
        return
    if (path / LOGS).is_dir():
        shutil.copytree(path / LOGS, staging / LOGS, symlinks=True)
    exchange(staging, path)
