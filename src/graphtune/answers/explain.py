"""Which of a user's own items carried a score.

Axes: H items that a user has, Q numbers a vector.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from graphtune.answers.sides import Sides, sides_of
from graphtune.check import bad
from graphtune.graph import Graph
from graphtune.models.ranked import Scores

RIDGE = 0.1  # of the mean squared length of the vectors of a user's items


@runtime_checkable
class Summed(Protocol):
    """Scores that are sums over what a user has, as those of filters in closed form."""

    def summands(self, source: int, target: int) -> tuple[np.ndarray, np.ndarray]:
        """[H] rows of what the source has, and [H] what each adds to the score of the target."""


@dataclass(frozen=True)
class Explanation:
    """A score as a sum over the user's own items, and the rest of it.

    Attributes:
        user, item: ids.
        score: what the model gives.
        parts: the items that the user has, in what the model learned from, and what each adds to the score; the most
            first.
        rest: the score less all parts.
        how: "weights", where the score is such a sum; "fitted", where the user's vector was written as one.
    """

    user: Any
    item: Any
    score: float
    parts: tuple[tuple[Any, float], ...]
    rest: float
    how: str


def explain(graph: Graph, scores: Scores, source: int, target: int) -> Explanation:
    """What each item of a user adds to the score of a target.

    Of filters in closed form these are the very summands, item-item weights times what the user did. A product of
    vectors s_u . t_v has none; there s_u is written as a sum over the user's items, sum_i a_i t_i + e, by ridge
    regression (least squares with a penalty of `RIDGE` times the mean of |t_i|^2 on the squares of a). Item i then adds
    a_i t_i . t_v, and the rest, e . t_v, is what its items do not tell of the user.

    Raises:
        ArgumentError: the scores are neither.
    """
    score = float(scores.pairs(np.array([source]), np.array([target]))[0])
    sides = sides_of(scores)
    if isinstance(scores, Summed):
        how, (rows, parts) = "weights", scores.summands(source, target)
    elif sides is not None:
        how, rows = "fitted", _history(graph, source)
        parts = fitted_parts(sides, source, rows, target)
    else:
        what = "one whose scores are products of embeddings, or sums over items"
        raise bad("model", "explain", what, type(scores).__name__)
    order = np.argsort(-parts, kind="stable")
    (user, item), values = graph.ids.values([source, target]), parts[order].tolist()
    rest = math.fsum([score, *(-value for value in values)])
    return Explanation(user, item, score, tuple(zip(graph.ids.values(rows[order]), values)), rest, how)


def fitted_parts(sides: Sides, source: int, rows: np.ndarray, target: int) -> np.ndarray:
    """[H] float64 a_i t_i . t_v of the items in `rows`, as `explain` has it."""
    s = sides.source(np.array([source]))[0].astype(np.float64)
    t = sides.target(rows).astype(np.float64)
    penalty = RIDGE * (t**2).sum() / max(len(rows), 1)
    if penalty == 0:
        return np.zeros(len(rows))
    share = t @ np.linalg.solve(t.T @ t + penalty * np.eye(len(s)), s)
    return share * (t @ sides.target(np.array([target]))[0].astype(np.float64))


def _history(graph: Graph, source: int) -> np.ndarray:
    """[H] rows of the targets that a source has, each once."""
    csr = graph.adjacency("out")
    return np.setdiff1d(csr.indices[csr.indptr[source] : csr.indptr[source + 1]], [source])
