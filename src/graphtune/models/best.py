"""The best targets of many sources, for evaluation and for recommendations.

Axes: U sources, T targets, k places.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from graphtune.check import integer
from graphtune.graph import Graph
from graphtune.kernels.best import Keys
from graphtune.kernels.ranking import top_k
from graphtune.models.ranked import Ranks, Scores, Sets, check_rankable, kinds_asked, left_out, targets_of

SCORES = 1 << 25  # held at once where all are computed
SOURCES = 1 << 14  # whose queries are held at once


class Targets:
    """Targets that are ready to be ranked for many sources.

    Products of embeddings in memory go through `kernels.best`, which finds the same without an array of scores; all
    other scores are computed, a block of sources at a time.

    Args:
        scores: of rows.
        span: the rows of the T targets.
        allowed: [T] bool, the columns that may be given at all; all where None.
    """

    def __init__(self, scores: Scores, span: range, allowed: np.ndarray | None = None):
        self.scores, self.span = scores, span
        self.columns = None if allowed is None else np.flatnonzero(allowed)
        self.keys = self._keys()

    def best(self, rows: np.ndarray, k: int, out: Sets) -> tuple[np.ndarray, np.ndarray]:
        """The k best targets of each source, best first; of equal scores the smaller row goes first.

        Args:
            rows: [U] sources.
            k: places.
            out: the columns of the span that each source is not given.

        Returns:
            [U, k] int64 rows and [U, k] float32 scores; -1 and -inf where there are no more.

        Raises:
            ArgumentError: a score is NaN, or wrong types or shapes.
        """
        found, best = np.full((len(rows), k), -1, dtype=np.int64), np.full((len(rows), k), -np.inf, dtype=np.float32)
        if self.columns is None or len(self.columns):
            size = SOURCES if self.keys is not None else max(1, SCORES // max(1, len(self.span)))
            for begin in range(0, len(rows), size):
                some = slice(begin, min(begin + size, len(rows)))
                sets = self._renumbered(np.asarray(out[0])[some.start : some.stop + 1], np.asarray(out[1]))
                columns, best[some] = self._ranked(rows[some], k, sets)
                if self.columns is not None:
                    columns = np.where(columns < 0, -1, self.columns[columns])
                found[some] = np.where(columns < 0, -1, columns + self.span.start)
        return found, best

    def _ranked(self, rows: np.ndarray, k: int, out: Sets) -> tuple[np.ndarray, np.ndarray]:
        """Columns among those that are allowed, and their scores."""
        if self.keys is None:
            scores = self.scores.cross(rows, self.span)
            return top_k(scores if self.columns is None else scores[:, self.columns], k, *out)
        frozen: Any = self.scores
        with torch.no_grad():
            query = frozen.queries(torch.from_numpy(np.asarray(rows, dtype=np.int64)), None)
        return self.keys.best(np.ascontiguousarray(query.float().numpy()), k, *out)

    def _keys(self) -> Keys | None:
        """The allowed targets' keys where scores are products of these, in memory and one way only."""
        scores: Any = self.scores
        if not getattr(scores, "directed", False) or not scores.scorer.is_product or scores.key.device.type != "cpu":
            return None
        keys = scores.key[self.span.start : self.span.stop].float().numpy()
        return Keys(keys if self.columns is None else keys[self.columns])

    def _renumbered(self, indptr: np.ndarray, columns: np.ndarray) -> Sets:
        """The sets among the columns that are allowed."""
        if self.columns is None:
            return indptr, columns
        columns, place = columns[indptr[0] : indptr[-1]], np.full(len(self.span), -1)
        place[self.columns] = np.arange(len(self.columns))
        kept = place[columns] >= 0
        before = np.concatenate([[0], np.cumsum(kept)])
        return before[indptr - indptr[0]], place[columns][kept]


def best_targets(
    scores: Scores, rows: np.ndarray, span: range, k: int, out: Sets, allowed: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The k best targets of each source: `Targets(scores, span, allowed).best(rows, k, out)`."""
    return Targets(scores, span, allowed).best(rows, k, out)


def recommend_one(model: Ranks, user: Any, k: int, known: Graph | None) -> list[tuple[Any, float]]:
    """`Model.recommend`."""
    graph, who = model.graph, "Model.recommend"
    k = integer("k", who, k, 1)
    check_rankable(graph, known, who, user)
    row, span = graph.ids.index([user], kinds_asked(graph)[0]), targets_of(graph)
    out = left_out(graph, known or graph, row)
    (rows,), (scores,) = best_targets(model.frozen(), row, span, min(k, len(span)), out)
    return list(zip(graph.ids.values(rows[rows >= 0]), scores[rows >= 0].tolist()))
