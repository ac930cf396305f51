"""How much alike nodes are: the cosine of their embeddings, or of their neighbours where there are no embeddings.

Axes: N nodes, D dim, P nodes compared, U lists of them.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import scipy.sparse as sp
from torch import Tensor

from graphtune.check import ArgumentError, integer
from graphtune.graph import Graph
from graphtune.models.ranked import Scores

Units: TypeAlias = np.ndarray | sp.csr_array
"""[N, D] float32 rows of length 1 (or 0), whose products are cosines."""


def unit_rows(graph: Graph, scores: Scores) -> Units:
    """The rows whose products say how much alike two nodes of one kind are.

    They are embeddings, as sources of edges, where `scores` has them; else the rows of the adjacency matrix, repeated
    edges counted once: two items are then as alike as the share of their users that they have in common,
    |A and B| / sqrt(|A| |B|), and two users by their items likewise.
    """
    z = _embeddings(scores)
    if z is not None:
        rows = z.detach().float().cpu().numpy()
        return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    matrix = graph.sparse("both", weighted=False)
    matrix.data = np.repeat(1 / np.sqrt(np.maximum(np.diff(matrix.indptr), 1)), np.diff(matrix.indptr))
    return sp.csr_array(matrix, dtype=np.float32)


def _embeddings(scores: Scores) -> Tensor | None:
    """[N, D], where the scores have them; those of filters in closed form may refuse."""
    try:
        return getattr(scores, "z", None)
    except ArgumentError:
        return None


def cosines(units: Units, rows: np.ndarray) -> np.ndarray:
    """[U, P, P] float32, how much alike the nodes of each list in `rows` [U, P] are; a row of -1 stands for any."""
    if isinstance(units, np.ndarray):
        z = units[rows]
        return z @ z.transpose(0, 2, 1)
    lists = [units[row] for row in rows]
    return np.stack([(part @ part.T).toarray() for part in lists])


def most_similar(
    graph: Graph, scores: Scores, node: Any, k: int, kind: str | None, units: Units | None = None
) -> list[tuple[Any, float]]:
    """`Model.most_similar`; `units` are those of `unit_rows`, made where None."""
    k = integer("k", "Model.most_similar", k, 1)
    ids = graph.ids
    row = int(ids.index([node], kind)[0])
    span = ids.rows(ids.kinds[int(ids.kinds_of(np.array([row]))[0])])
    units = unit_rows(graph, scores) if units is None else units
    own = units[[row]]
    found = units[span.start : span.stop] @ (own if isinstance(own, np.ndarray) else own.toarray())[0]
    found[row - span.start] = -np.inf
    best = np.argsort(-found, kind="stable")[: min(k, len(span) - 1)]
    return list(zip(ids.values(best + span.start), found[best].tolist()))
