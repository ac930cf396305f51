"""Scores as plain products of two vectors, where they are such.

Axes: n sources, m targets, Q numbers a vector.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from graphtune.models.ranked import Scores
from graphtune.models.scorer import Frozen


@dataclass(frozen=True)
class Sides:
    """Vectors whose products are the scores of a model: source(u) . target(v).

    In an undirected graph the score is the mean of both directions, so there each side holds two vectors, and Q is
    twice that of the scorer.

    Attributes:
        frozen: embeddings and keys.
    """

    frozen: Frozen

    def source(self, rows: np.ndarray | slice) -> np.ndarray:
        """[n, Q] float32."""
        query, key = self._both(rows)
        return _array(query if self.frozen.directed else torch.cat([query, key], dim=1) / 2)

    def target(self, rows: np.ndarray | slice) -> np.ndarray:
        """[m, Q] float32."""
        query, key = self._both(rows)
        return _array(key if self.frozen.directed else torch.cat([key, query], dim=1))

    @torch.no_grad()
    def _both(self, rows: np.ndarray | slice) -> tuple[Tensor, Tensor]:
        """Each [n, Q'], what the nodes are as sources and as targets."""
        at = (
            rows
            if isinstance(rows, slice)
            else torch.from_numpy(np.array(rows, dtype=np.int64)).to(self.frozen.z.device)
        )
        return self.frozen.queries(at, None), self.frozen.key[at]


def sides_of(scores: Scores) -> Sides | None:
    """The vectors behind the scores; None where these are no plain products."""
    plain = isinstance(scores, Frozen) and scores.scorer.is_product and not scores.scorer.reads_relations
    return Sides(scores) if plain else None  # type: ignore[arg-type]


def _array(rows: Tensor) -> np.ndarray:
    return rows.float().cpu().numpy()
