"""The best targets of many sources: by scoring all of them, or through an index of faiss.

Axes: U sources, T targets, Q numbers a vector, k places.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any, TypeAlias

import numpy as np

from graphtune.answers.sides import sides_of
from graphtune.check import bad
from graphtune.graph import Graph
from graphtune.kernels.csr import take_rows
from graphtune.models.best import Targets
from graphtune.models.ranked import Scores, Sets, left_out, sources_of, targets_of

SEARCHES = ("auto", "exact", "faiss")
FAISS_FROM = 100_000, 10**11  # targets, and sources times targets, from which "auto" takes an index
RECALL = 0.98  # of an index beside exact search, at least
TRIED = 256  # sources that this is measured on
Found: TypeAlias = tuple[np.ndarray, np.ndarray]
"""[U, k] rows of targets and their scores, best first; -1 and -inf where there are no more."""


class Exact:
    """Every target is scored for every source.

    Args:
        graph: what the scores are about.
        scores: of rows.
        allowed: [T] bool, the targets that may be given at all; all where None.
    """

    told = "exact"

    def __init__(self, graph: Graph, scores: Scores, allowed: np.ndarray | None = None):
        self.span, self.allowed = targets_of(graph), allowed
        self.targets = Targets(scores, self.span, allowed)

    def best(self, rows: np.ndarray, k: int, out: Sets) -> Found:
        """The k best of each source but those in `out`."""
        return self.targets.best(rows, k, out)


class Cells:
    """Targets in the cells of a k-means of faiss; a source is compared with those of the cells nearest to it.

    Args:
        graph: what the scores are about.
        scores: products of vectors.

    Attributes:
        places: up to so many are found as `try_places` has it.
        looked_into: how many cells.
        recall: the share of the exact best that is found.
        told: a line on all this.
    """

    def __init__(self, graph: Graph, scores: Scores):
        sides = sides_of(scores)
        assert sides is not None
        self.graph, self.sides, self.span, self.faiss = graph, sides, targets_of(graph), _faiss()
        targets = sides.target(slice(self.span.start, self.span.stop))
        self.cells, self.looked_into, self.places = max(1, round(len(targets) ** 0.5)), 1, 0
        kind = f"IVF{self.cells},Flat"
        self.index = self.faiss.index_factory(targets.shape[1], kind, self.faiss.METRIC_INNER_PRODUCT)
        self.index.cp.min_points_per_centroid = 1  # of few targets it would warn
        self.index.train(targets)
        self.index.add(targets)

    def try_places(self, exact: Exact, k: int) -> None:
        """Look into as many cells as give a recall of `RECALL` beside exact search of k places on `TRIED` sources:
        twice as many until then. More places need more cells."""
        sources = np.array(sources_of(self.graph))
        tried = sources[np.linspace(0, len(sources) - 1, min(TRIED, len(sources))).astype(np.int64)]
        out = left_out(self.graph, self.graph, tried)
        wanted, self.places = exact.best(tried, k, out)[0], k
        while True:
            self.recall = recall(self.best(tried, k, out, None)[0], wanted)
            if self.recall >= RECALL or self.looked_into == self.cells:
                break
            self.looked_into = min(2 * self.looked_into, self.cells)
        self.told = (
            f"faiss, {self.looked_into:,} of {self.cells:,} cells; recall@{k} beside exact search {self.recall:.3f} on "
            f"{len(tried):,} sources"
        )

    def best(self, rows: np.ndarray, k: int, out: Sets, allowed: np.ndarray | None) -> Found:
        """What the cells hold, less what is left out; sources that have much fetch more, so they go together."""
        found = np.full((len(rows), k), -1, dtype=np.int64)
        scores = np.full((len(rows), k), -np.inf, dtype=np.float32)
        how_many = np.ceil(np.log2(k + np.diff(out[0])))
        for size in np.unique(how_many):
            some = np.flatnonzero(how_many == size)
            fetched = min(len(self.span), int(2**size))
            found[some], scores[some] = self._fetch(rows[some], k, fetched, take_rows(*out, some), allowed)
        return found, scores

    def _fetch(self, rows: np.ndarray, k: int, fetched: int, out: Sets, allowed: np.ndarray | None) -> Found:
        how = {"nprobe": self.looked_into}
        if allowed is not None:
            how["sel"] = self.faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))
        asked = self.faiss.SearchParametersIVF(**how)
        scores, columns = self.index.search(self.sides.source(rows), fetched, params=asked)
        owner = np.arange(len(rows)) * len(self.span)
        taken = np.isin(columns + owner[:, None], out[1] + np.repeat(owner, np.diff(out[0])))
        scores = np.where(taken | (columns < 0), np.float32(-np.inf), scores)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        scores, columns = (np.take_along_axis(part, order, axis=1) for part in (scores, columns))
        return np.where(scores > -np.inf, columns + self.span.start, -1), scores


class Indexed:
    """Cells first; a source for which these have too little is searched for exactly.

    Args:
        cells: of all targets.
        exact: knows which of them may be given.
    """

    def __init__(self, cells: Cells, exact: Exact):
        self.cells, self.exact, self.told = cells, exact, cells.told

    def best(self, rows: np.ndarray, k: int, out: Sets) -> Found:
        """As `Exact.best`, but for what the cells miss."""
        found, scores = self.cells.best(rows, k, out, self.exact.allowed)
        short = np.flatnonzero((found >= 0).sum(axis=1) < np.minimum(k, self._room(out)))
        if len(short):
            found[short], scores[short] = self.exact.best(rows[short], k, take_rows(*out, short))
        return found, scores

    def _room(self, out: Sets) -> np.ndarray:
        """[U] how many targets each source may be given."""
        width, allowed = len(self.exact.span), self.exact.allowed
        owner = np.repeat(np.arange(len(out[0]) - 1), np.diff(out[0]))
        barred = np.unique(owner * width + out[1])  # what stands twice counts once
        if allowed is not None:
            barred = barred[allowed[barred % width]]
        every = width if allowed is None else int(allowed.sum())
        return every - np.bincount(barred // width, minlength=len(out[0]) - 1)


def wants_index(search: str, graph: Graph, scores: Scores, sources: int) -> bool:
    """Whether this many sources are answered through an index.

    "auto" does so from `FAISS_FROM` on, where faiss is installed and scores are products of vectors.

    Raises:
        ArgumentError: "faiss" is asked for and is not installed, or scores are no products.
    """
    sides = sides_of(scores)
    if search == "faiss":
        _faiss()
        if sides is None:
            raise bad("search", "recommend", "exact for scores that are no products of embeddings", search)
        return True
    targets = len(targets_of(graph))
    large = targets >= FAISS_FROM[0] and sources * targets >= FAISS_FROM[1]
    return search == "auto" and large and sides is not None and find_spec("faiss") is not None


def recall(found: np.ndarray, wanted: np.ndarray) -> float:
    """The share of the rows `wanted` [U, k] that are among those `found` [U, k]; -1 stands for none."""
    hits = (wanted[:, :, None] == found[:, None, :]).any(axis=2) & (wanted >= 0)
    return float(hits.sum() / max(1, (wanted >= 0).sum()))


def _faiss() -> Any:
    if find_spec("faiss") is None:
        raise bad("search", "recommend", "one that is installed", "faiss", "pip install 'graphtune[faiss]'")
    return import_module("faiss")
