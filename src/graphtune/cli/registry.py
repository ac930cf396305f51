"""`graphtune datasets`: what there is, what is known of one, and fetching it."""

from __future__ import annotations

from typing import Any

from graphtune.check import bad
from graphtune.cli.settings import nearest
from graphtune.cli.talk import lines, table
from graphtune.datasets import DatasetInfo, dataset_info, fetch, list_datasets


def listed() -> dict[str, Any]:
    """Every data set with a line on it."""
    found = [dataset_info(name) for name in list_datasets()]
    return {"datasets": [{"name": i.name, "title": i.title, "task": i.task} for i in found]}


def show_list(result: dict[str, Any]) -> None:
    width = max(len(d["name"]) for d in result["datasets"])
    lines(*(f"{d['name']:<{width}}  {d['title']}" for d in result["datasets"]))
    lines("", "graphtune embed dataset:NAME --out DIR learns one.")


def info(name: str) -> dict[str, Any]:
    """All that is known of one without reading it."""
    found = dataset_info(known_dataset(name))
    return {**_facts(found), "files": [{"path": f.path, "sha256": f.sha256, "url": f.url} for f in found.files]}


def show_info(result: dict[str, Any]) -> None:
    counts = ", ".join(f"{count:,} {name}" for name, count in result["counts"].items())
    rows = [[name, result[name]] for name in ("title", "task", "page", "licence")] + [["counts", counts]]
    lines(result["name"], *(f"  {name:<8} {text}" for name, text in rows))
    lines(*(f"  {'file':<8} {f['path']}  {f['url'] or '(no public file has this content)'}" for f in result["files"]))


def fetched(name: str) -> dict[str, Any]:
    """Fetch the files of one that are not here yet."""
    known = known_dataset(name)
    return {"name": known, "files": {name: str(path) for name, path in fetch(known).items()}}


def show_fetched(result: dict[str, Any]) -> None:
    table("", ("file", "at"), list(result["files"].items()))


def known_dataset(name: str) -> str:
    """The name as the registry spells it, whatever the case.

    Raises:
        ArgumentError: there is no data set of this name.
    """
    names = {known.lower(): known for known in list_datasets()}
    if name.lower() not in names:
        fix = f"{nearest(name.lower(), names)}`graphtune datasets list` says what each is."
        raise bad("NAME", "graphtune", f"one of {', '.join(names.values())}", name, fix)
    return names[name.lower()]


def _facts(found: DatasetInfo) -> dict[str, Any]:
    return {name: getattr(found, name) for name in ("name", "title", "task", "page", "licence", "counts")}
