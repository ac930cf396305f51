"""What is known of a data set without reading it, and of its files."""

from __future__ import annotations

from dataclasses import dataclass

RAW = "https://raw.githubusercontent.com/"


@dataclass(frozen=True)
class File:
    """One file of a data set.

    Attributes:
        path: below the root of the data.
        sha256: of its content.
        url: where exactly this content is served; None where no public file has it.
    """

    path: str
    sha256: str
    url: str | None = None


@dataclass(frozen=True)
class DatasetInfo:
    """What is known of a data set without reading it.

    Attributes:
        name: as `load_dataset` takes it.
        title: what it is, in a line.
        task: what it is mostly used for.
        page: the public page to read about it.
        licence: as far as the source states one.
        counts: what is in it; "train", "valid" and "test" are the sizes of the parts.
        files: all that is needed to load it.
    """

    name: str
    title: str
    task: str
    page: str
    licence: str
    counts: dict[str, int]
    files: tuple[File, ...]


def files_below(folder: str, url: str | None, hashes: dict[str, str]) -> tuple[File, ...]:
    """Files that have the same name behind `folder` and behind `url`, with the sha256 of each by that name."""
    return tuple(File(folder + name, sha256, url and url + name) for name, sha256 in hashes.items())
