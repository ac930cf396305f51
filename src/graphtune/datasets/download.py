"""The files of a data set: found on this machine, or else downloaded; used only where their sha256 is the known one."""

from __future__ import annotations

import os
import sys
import time
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import IO

from graphtune.check import DataError, bad, one_of
from graphtune.datasets.info import DatasetInfo, File
from graphtune.datasets.table import TABLE
from graphtune.files import commit, sha256

TIMEOUT = 30.0
CHUNK = 1 << 18
FIRST_LINE, EVERY = 2.0, 5.0


def list_datasets() -> tuple[str, ...]:
    """The names that `load_dataset` takes."""
    return tuple(TABLE)


def dataset_info(name: str) -> DatasetInfo:
    """What is known of a data set without reading it.

    Raises:
        ArgumentError: there is none of this name; the error lists those there are.
    """
    return TABLE[one_of("name", "dataset_info", name, TABLE)]


def fetch(name: str, root: str | Path | None = None) -> dict[str, Path]:
    """All files of a data set on this machine; those that are missing are downloaded.

    Args:
        name: of the data set.
        root: the only directory to look in and to download to. None: look in the directory that `GRAPHTUNE_DATA`
            names, then in the cache, and download to the cache (`GRAPHTUNE_CACHE`, or else ~/.cache/graphtune).

    Returns:
        The file of each path in the data set's table.

    Raises:
        ArgumentError: there is no such data set, or `GRAPHTUNE_DATA` names no directory.
        DataError: a file's content is not the known one, it has no public source, or it cannot be downloaded or
            written.
    """
    info = dataset_info(name)
    roots = _roots(root)
    return {file.path: _one(info, file, roots) for file in info.files}


def _roots(root: str | Path | None) -> list[Path]:
    """The directories to look in; the last is the one to download to."""
    if root is not None:
        return [Path(root).expanduser()]
    cache = Path(os.environ.get("GRAPHTUNE_CACHE") or "~/.cache/graphtune").expanduser()
    data = os.environ.get("GRAPHTUNE_DATA")
    if not data:
        return [cache]
    if not Path(data).is_dir():
        raise bad("GRAPHTUNE_DATA", "the environment", "a directory", data, "Correct it, or unset it.")
    return [Path(data), cache]


def _one(info: DatasetInfo, file: File, roots: list[Path]) -> Path:
    for root in roots:
        path = root / file.path
        if path.is_file():
            _verify(path, path, file)
            return path
    path = roots[-1] / file.path
    if file.url is None:
        raise DataError(
            f"The data set {info.name} must be put in place by hand: no public file has the content of {file.path} "
            f"that is known here. See {info.page}, and put the file at {path}."
        )
    _download(file.url, path, file)
    return path


def _verify(path: Path, shown: Path | str, file: File) -> None:
    """Refuse a file whose content is not the known one."""
    found = sha256(path)
    if found != file.sha256:
        raise DataError(
            f"The file {shown} must have sha256 {file.sha256[:12]}. Found {found[:12]}: it is another file, or "
            "was cut or changed. Remove it to fetch it again."
        )


def _download(url: str, path: Path, file: File) -> None:
    """Put what `url` serves at `path`, whole and verified or not at all."""

    def write(at: Path) -> None:
        try:
            with urllib.request.urlopen(url, timeout=TIMEOUT) as source, open(at, "wb") as target:
                _copy(source, target, int(source.headers.get("Content-Length") or 0), path.name)
        except (urllib.error.URLError, TimeoutError, ConnectionError, HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise DataError(
                f"The file {path.name} must be downloaded from {url}. Got: {reason}. "
                f"Check the network, or put the file at {path}."
            ) from None
        _verify(at, url, file)

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"The directory {path.parent} could not be made: {error.strerror}.") from None
    commit(path, write)


def _copy(source: IO[bytes], target: IO[bytes], total: int, name: str) -> None:
    """Copy a stream, with a line of progress on stderr now and then."""
    begin = time.monotonic()
    next_line, done = begin + FIRST_LINE, 0
    while block := source.read(CHUNK):
        target.write(block)
        done += len(block)
        now = time.monotonic()
        if now >= next_line:
            next_line = now + EVERY
            print(_progress(name, done, total, now - begin), file=sys.stderr, flush=True)
    if done < total:
        raise ConnectionError(f"the connection ended after {done:,} of {total:,} bytes")


def _progress(name: str, done: int, total: int, seconds: float) -> str:
    """A line such as "train.txt: 3.1 of 21.3 MB, ETA 12 s"."""
    if not total:
        return f"{name}: {done / 1e6:.1f} MB"
    return f"{name}: {done / 1e6:.1f} of {total / 1e6:.1f} MB, ETA {seconds * (total - done) / done:.0f} s"
