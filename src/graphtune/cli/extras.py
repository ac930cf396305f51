"""What goes with a graph on the command line: how it is cleaned, and files about its nodes and beside its edges."""

from __future__ import annotations

from dataclasses import dataclass, fields

from graphtune.check import bad
from graphtune.cleaning import MEAN, STANDARD, Cleaning
from graphtune.findings import Report
from graphtune.graph import Graph
from graphtune.io import read_features, read_item_graph, read_social

OF_LOGS = ("session_gap", "user_features", "item_features", "social", "item_graph")


@dataclass(frozen=True)
class ExtraOptions:
    """Rules of cleaning, and what belongs to users and items.

    Attributes:
        implicit: the weight from which on an event counts, or "mean" for the mean of its user.
        keep_weight: keep the weights of such events.
        k_core: the least edges a node, or those of a user and of an item as "5,10".
        duplicates: what becomes of repeated edges: "first", "sum", "max" or "keep".
        session_gap: sessions take the place of users, cut where more time than this passes.
        user_features, item_features: files of an id and its features.
        categories: columns of numbers in these files that stand for categories, as "user.job,item.genre".
        social: a file of links between users.
        item_graph: a file of triples about items.
    """

    implicit: str | None = None
    keep_weight: bool = False
    k_core: str | None = None
    duplicates: str | None = None
    session_gap: float | None = None
    user_features: str | None = None
    item_features: str | None = None
    categories: str | None = None
    social: str | None = None
    item_graph: str | None = None

    def refuse(self, what: str, *only: str) -> None:
        """Refuse these options, or all, where they mean nothing.

        Raises:
            ArgumentError: one of them is given.
        """
        for name in only or tuple(f.name for f in fields(self)):
            if getattr(self, name) not in (None, False):
                raise bad(f"--{name.replace('_', '-')}", "graphtune", what, getattr(self, name))

    def cleaning(self) -> Cleaning:
        """The rules of cleaning.

        Raises:
            ArgumentError: an option is none.
        """
        return Cleaning(
            duplicates=STANDARD.duplicates if self.duplicates is None else self.duplicates,
            k_core=self._core(),
            implicit=self._implicit(),
            keep_weight=self.keep_weight,
        )

    def add_to(self, graph: Graph, strict: bool) -> tuple[Graph, tuple[Report, ...]]:
        """The graph of events with links, item graph and features."""
        reports: list[Report] = []
        if self.item_graph is not None:
            graph, report = read_item_graph(self.item_graph, graph, strict=strict)
            reports.append(report)
        if self.social is not None:
            graph, report = read_social(self.social, graph, strict=strict)
            reports.append(report)
        categories = self._categories()
        for kind, path in (("user", self.user_features), ("item", self.item_features)):
            if path is not None:
                graph, report = read_features(path, graph, categories=categories[kind], node_kind=kind, strict=strict)
                reports.append(report)
        return graph, tuple(reports)

    def _categories(self) -> dict[str, list[str]]:
        """The columns of categories of each kind."""
        found: dict[str, list[str]] = {"user": [], "item": []}
        for name in filter(None, (self.categories or "").split(",")):
            kind, _, column = name.partition(".")
            if kind not in found or not column or getattr(self, f"{kind}_features") is None:
                what = "user.COLUMN or item.COLUMN of --user-features and --item-features, with commas between"
                raise bad("--categories", "graphtune", what, name)
            found[kind].append(column)
        return found

    def _implicit(self) -> float | str | None:
        try:
            return self.implicit if self.implicit in (None, MEAN) else float(self.implicit)
        except ValueError:
            raise bad("--implicit", "graphtune", f"a weight such as 4, or {MEAN}", self.implicit) from None

    def _core(self) -> int | tuple[int, int]:
        parts = (self.k_core or "0").split(",")
        if len(parts) > 2 or not all(part.strip().isdigit() for part in parts):
            raise bad("--k-core", "graphtune", "a number such as 10, or one for users and one for items", self.k_core)
        return int(parts[0]) if len(parts) == 1 else (int(parts[0]), int(parts[1]))
