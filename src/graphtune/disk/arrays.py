"""Arrays in .npy files that are written piece by piece and mapped for reading, in directories that are whole or absent.

Nothing in such a file can run code: it is read with `allow_pickle=False`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from graphtune.check import DataError
from graphtune.files import check_files, commit_json, read_json, sha256


class ArrayFile:
    """An array in a .npy file, of which one piece after another is written.

    Args:
        path: the file.
        dtype: of the array.
        shape: of the array, C-contiguous.
    """

    def __init__(self, path: Path, dtype: Any, *shape: int):
        self.dtype = np.dtype(dtype)
        self._file: BinaryIO = open(path, "wb")  # noqa: SIM115
        described = {"descr": self.dtype.str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._file, described)
        self._begin = self._file.tell()
        self._file.truncate(self._begin + self.dtype.itemsize * int(np.prod(shape)))

    def put(self, at: int, piece: np.ndarray) -> None:
        """Write entries from entry `at` on, counted row after row."""
        self._file.seek(self._begin + at * self.dtype.itemsize)
        self._file.write(np.ascontiguousarray(piece, dtype=self.dtype).tobytes())

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> ArrayFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def write_array(path: Path, array: np.ndarray) -> None:
    """A whole array."""
    with open(path, "wb") as file:
        np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)


def mapped(path: Path) -> np.ndarray:
    """The array in a file, mapped for reading alone.

    Raises:
        DataError: the file is no array.
    """
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise DataError(f"The file {path} must hold an array (.npy). Found none: {error}.") from None


@contextmanager
def staged(path: Path, record: dict[str, Any], name: str) -> Iterator[Path]:
    """A directory to fill, which then takes its place at `path`; a failure leaves nothing.

    Args:
        path: a directory that is not there, or is empty.
        record: what to keep in the file `name`, which is written last and holds the sha256 of all others.
        name: of that file.

    Raises:
        DataError: the disk is full or cannot be written.
    """
    staging = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        staging.mkdir(parents=True)
        yield staging
        hashes = {file.name: sha256(file) for file in sorted(staging.iterdir()) if file.is_file()}
        commit_json(staging / name, {**record, "sha256": hashes})
        os.rename(staging, path)
    except OSError as error:
        raise DataError(f"The directory {path} could not be written: {error.strerror}. Nothing was left.") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def verified(path: Path, name: str, format: int) -> dict[str, Any]:
    """The record of a directory that `staged` made, its files checked against it.

    Raises:
        DataError: a file is missing or was changed.
    """
    record = read_json(path / name)
    if not isinstance(record, dict) or record.get("format") != format or not isinstance(record.get("sha256"), dict):
        found = record.get("format") if isinstance(record, dict) else type(record).__name__
        raise DataError(f"The file {path / name} must be of format {format}. Found {found!r}.")
    check_files(path, record["sha256"])
    return record
