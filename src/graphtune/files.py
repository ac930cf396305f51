"""Files that are either whole or absent, whenever the process dies."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import glob
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
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
    temporary = temporary_name(path)
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


def temporary_name(path: Path) -> Path:
    """Where this process writes what is to stand at `path`."""
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def is_temporary(path: Path) -> bool:
    """Whether a path is a `temporary_name`, of any process."""
    return path.name.startswith(".") and path.suffix == ".tmp"


def sweep_beside(path: Path) -> None:
    """Remove the files and directories that processes now dead were writing, to stand at `path`."""
    for entry in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        number = entry.name.removesuffix(".tmp").rpartition(".")[2]
        if number.isdigit() and (int(number) == os.getpid() or not _is_alive(int(number))):
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def make_directory(path: Path) -> None:
    """Make a directory, and those above it, if need be.

    Raises:
        DataError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _no_directory(path, error) from error


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


def check_files(directory: Path, expected: Mapping[str, str]) -> None:
    """Compare the files of a directory with the sha256 that is written down for each name.

    Raises:
        DataError: one is missing or was changed.
    """
    for name, digest in expected.items():
        file = directory / Path(name).name
        found = sha256(file) if file.is_file() else "no file"
        if found != digest:
            what = f"sha256 {digest[:12]}. Found {found[:12]}: it was changed or cut."
            raise DataError(f"The file {file} must have {what}")


class Lock:
    """A file that one process holds at a time; the system frees it however the process ends.

    Args:
        path: of the file, in a directory that is there; it stays when freed.
    """

    def __init__(self, path: Path):
        self.path = path
        self._handle: int | None = None

    def take(self) -> None:
        """Hold the file.

        Raises:
            DataError: another process holds it, or the directory cannot be written.
        """
        while self._handle is None:
            try:
                handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
            except OSError as error:
                raise _no_directory(self.path.parent, error) from error
            if not _locks(handle):
                holder = os.read(handle, 20).decode(errors="replace") or "another"
                os.close(handle)
                raise DataError(
                    f"The directory {self.path.parent} must be of one run at a time. Found process {holder} at work "
                    "in it. Wait for it to end, or choose another directory."
                )
            self._handle = handle
            if not self.is_in_place():  # its last holder has removed it
                self.free()
                continue
            with suppress(OSError):  # who holds it is only for the message
                os.truncate(handle, 0)
                os.write(handle, str(os.getpid()).encode())

    def is_in_place(self) -> bool:
        """Whether the file is held and stands at its path still."""
        try:
            return self._handle is not None and os.path.samestat(os.stat(self.path), os.fstat(self._handle))
        except FileNotFoundError:
            return False

    def holder(self) -> int | None:
        """The process that seems to hold the file, by what stands in it; it is not tried."""
        try:
            number = int(self.path.read_text())
        except (OSError, ValueError):
            return None
        return number if _is_alive(number) else None

    def free(self) -> None:
        """Let others hold it."""
        if self._handle is not None:
            with suppress(OSError):  # nobody holds it then, for those who read
                os.truncate(self._handle, 0)
            os.close(self._handle)
            self._handle = None


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


def _locks(handle: int) -> bool:
    """Whether this process now has the open file; True too where the file system knows no locks."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EWOULDBLOCK, errno.EACCES)
    return True


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _no_directory(path: Path, error: OSError) -> DataError:
    reason = error.strerror or str(error)
    return DataError(f"The directory {path} could not be written: {reason}. Choose another one.")


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
