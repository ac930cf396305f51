"""Files that are either whole or absent, whenever the process dies."""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from graphtune.check import DataError


def commit(path: Path, write: Callable[[Path], None]) -> str:
    """Write a file through a temporary one: write, fsync, rename, fsync of the directory.

    Args:
        path: where the file shall be.
        write: puts the content at the path that it is given.

    Returns:
        The sha256 of the content.

    Raises:
        DataError: the disk is full, or the directory cannot be written; what was at `path` is untouched.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(temporary)
        temporary.chmod(0o666 & ~_umask())  # some writers make files that only their owner can read
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        digest = sha256(temporary)
        os.replace(temporary, path)
        _sync_directory(path.parent)
    except Exception as error:
        temporary.unlink(missing_ok=True)
        reason = _system_error(error)
        if reason is None:
            raise
        raise DataError(
            f"The file {path} could not be written: {reason}. What was there before is untouched; "
            "free some space or choose another directory."
        ) from error
    return digest


def commit_text(path: Path, text: str) -> str:
    """`commit` for text, in UTF-8."""
    return commit(path, lambda at: _write_text(at, text))


def commit_json(path: Path, value: Any) -> str:
    """`commit` for anything that JSON can say."""
    return commit_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """The JSON value in a file.

    Raises:
        DataError: the file is missing or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"The file {path} must exist. Found none; the directory is incomplete.") from None
    except (ValueError, OSError) as error:
        raise DataError(f"The file {path} must hold JSON. Found something else ({error}).") from None


def sha256(path: Path) -> str:
    """The sha256 of a file's content, as hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def exchange(new: Path, place: Path) -> None:
    """Put the directory `new` at `place`, and what was at `place` at `new`, in one step where the system can.

    Linux swaps the two names at once. Elsewhere it takes two renames; a kill between them leaves the old directory
    under its name with `.old` behind.
    """
    if _swap(new, place):
        return
    old = place.with_name(f"{place.name}.old")
    os.rename(place, old)
    os.rename(new, place)
    os.rename(old, new)


def _swap(first: Path, second: Path) -> bool:
    at_cwd, rename_exchange = -100, 2
    try:
        swap = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        return False
    return swap(at_cwd, os.fsencode(first), at_cwd, os.fsencode(second), rename_exchange) == 0


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _sync_directory(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _system_error(error: Exception) -> str | None:
    """What the system says, where `error` is about the disk; writers in Rust wrap theirs in their own classes."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if type(error).__name__ == "SafetensorError":
        return str(error)
    return None
