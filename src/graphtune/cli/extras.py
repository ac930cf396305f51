"""What goes with a graph on the command line: how it is cleaned, and files about its nodes and beside its edges."""

from __future__ import annotations

from dataclasses import fields

from graphtune.check import bad
from graphtune.cleaning import MEAN, STANDARD, Cleaning
from graphtune.cli.options.data import DataOptions, ExtraOptions, LabelOptions
from graphtune.findings import Report
from graphtune.graph import Graph
from graphtune.io import read_features, read_item_graph, read_social


def refuse(options: DataOptions | LabelOptions | ExtraOptions, what: str, *only: str, fix: str = "") -> None:
    """Refuse options, or those of a class that `only` names, where they mean nothing.

    Raises:
        ArgumentError: one of them is given.
    """
    defaults = {field.name: field.default for field in fields(options)}
    for name in only or defaults:
        value = getattr(options, name)
        if value != defaults[name]:
            raise bad(f"--{name.replace('_', '-')}", "graphtune", what, value, fix)


def cleaning(extras: ExtraOptions) -> Cleaning:
    """The rules of cleaning.

    Raises:
        ArgumentError: an option is none.
    """
    return Cleaning(
        duplicates=STANDARD.duplicates if extras.duplicates is None else extras.duplicates,
        k_core=_core(extras.k_core),
        implicit=_implicit(extras.implicit),
        keep_weight=extras.keep_weight,
    )


def add_extras(extras: ExtraOptions, graph: Graph, strict: bool) -> tuple[Graph, tuple[Report, ...]]:
    """The graph of events with links, item graph and features."""
    reports: list[Report] = []
    if extras.item_graph is not None:
        graph, report = read_item_graph(extras.item_graph, graph, strict=strict)
        reports.append(report)
    if extras.social is not None:
        graph, report = read_social(extras.social, graph, strict=strict)
        reports.append(report)
    files = {"user": extras.user_features, "item": extras.item_features}
    categories = _categories(extras.categories, files)
    for kind, path in files.items():
        if path is not None:
            graph, report = read_features(path, graph, categories=categories[kind], node_kind=kind, strict=strict)
            reports.append(report)
    return graph, tuple(reports)


def _categories(text: str | None, files: dict[str, str | None]) -> dict[str, list[str]]:
    """The columns of categories of each kind."""
    found: dict[str, list[str]] = {kind: [] for kind in files}
    for name in filter(None, (text or "").split(",")):
        kind, _, column = name.partition(".")
        if files.get(kind) is None or not column:
            what = "user.COLUMN or item.COLUMN of --user-features and --item-features, with commas between"
            raise bad("--categories", "graphtune", what, name)
        found[kind].append(column)
    return found


def _implicit(text: str | None) -> float | str | None:
    try:
        return text if text in (None, MEAN) else float(text)
    except ValueError:
        raise bad("--implicit", "graphtune", f"a weight such as 4, or {MEAN}", text) from None


def _core(text: str | None) -> int | tuple[int, int]:
    parts = (text or "0").split(",")
    if len(parts) > 2 or not all(part.strip().isdecimal() for part in parts):
        raise bad("--k-core", "graphtune", "a number such as 10, or one for users and one for items", text)
    return int(parts[0]) if len(parts) == 1 else (int(parts[0]), int(parts[1]))
