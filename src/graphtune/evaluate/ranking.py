"""Recommendation: every target ranked for every user, those already taken left out.

Axes: U users with something to find, k places.
"""

from __future__ import annotations

import numpy as np

from graphtune.evaluate.result import PARTS, Evaluation
from graphtune.graph import CSR, Graph
from graphtune.kernels.ranking import top_k
from graphtune.metrics import average_precision_at_k, hit_rate_at_k, mrr_at_k, ndcg_at_k, precision_at_k, recall_at_k
from graphtune.models.base import Model
from graphtune.split import TEST, VALID, Split

BATCH = 1024


def evaluate_recommendations(model: Model, split: Split, part: int = TEST, k: int = 20) -> Evaluation:
    """Recall, precision, NDCG, MRR, MAP and hit rate at k over the full ranking.

    NDCG has binary gains and the ideal over min(k, relevant); MRR is of the first hit. A target counts once however
    often a user took it, and not at all if it was seen before, as it is then left out of the ranking. Users without
    anything to find in the part are skipped and counted. In a graph that is no log of events every node is a user and
    every other node a target.

    Args:
        model: scores pairs.
        split: of edges without relations.
        part: VALID or TEST; what was seen before it is left out of the ranking.
        k: places.
    """
    graph = split.graph
    targets = graph.ids.rows("item") if graph.is_bipartite_events else range(graph.num_nodes)
    users = np.arange(graph.num_nodes) if not graph.is_bipartite_events else np.array(graph.ids.rows("user"))
    n, seen = graph.num_nodes, split.train if part == VALID else split.through(VALID)
    to_find = _to_find(split.valid if part == VALID else split.test, seen)
    relevant = np.bincount(to_find // n, minlength=n)
    asked = users[relevant[users] > 0]
    hits = np.zeros((len(asked), k), dtype=bool)
    frozen = model.frozen()
    for begin in range(0, len(asked), BATCH):
        batch = asked[begin : begin + BATCH]
        scores = frozen.cross(batch, targets)
        indptr, indices = _rows(seen.adjacency("out"), batch, targets.start, own=not graph.is_bipartite_events)
        found, _ = top_k(scores, min(k, scores.shape[1]), indptr, indices)
        pairs = batch[:, None] * n + found + targets.start
        hits[begin : begin + BATCH, : found.shape[1]] = _is_in(pairs, to_find) & (found >= 0)
    scores_of = {
        f"recall_{k}": recall_at_k,
        f"precision_{k}": precision_at_k,
        f"ndcg_{k}": ndcg_at_k,
        f"mrr_{k}": mrr_at_k,
        f"map_{k}": average_precision_at_k,
        f"hit_rate_{k}": hit_rate_at_k,
    }
    per_query = {name: score(hits, relevant[asked], k) for name, score in scores_of.items()}
    counts = {"users": len(asked), "users without anything to find (skipped)": len(users) - len(asked)}
    return Evaluation("recommendation", PARTS[part], per_query, counts=counts)


def _rows(csr: CSR, rows: np.ndarray, first: int, own: bool) -> tuple[np.ndarray, np.ndarray]:
    """(indptr, indices) of the chosen rows, columns counted from `first`; with `own`, each row's own column too."""
    parts = [csr.indices[csr.indptr[r] : csr.indptr[r + 1]] for r in rows]
    if own:
        parts = [np.union1d(part, [r]) for part, r in zip(parts, rows)]
    indptr = np.zeros(len(rows) + 1, dtype=np.int64)
    np.cumsum([len(part) for part in parts], out=indptr[1:])
    return indptr, np.concatenate([*parts, np.empty(0, np.int64)]).astype(np.int64) - first


def _to_find(hidden: Graph, seen: Graph) -> np.ndarray:
    """Each pair (source * N + target) that is hidden and not seen, once, ascending; without self-loops."""
    n = hidden.num_nodes
    pairs = np.setdiff1d(_pairs(hidden), _pairs(seen), assume_unique=True)
    return pairs[pairs // n != pairs % n]


def _is_in(values: np.ndarray, ascending: np.ndarray) -> np.ndarray:
    return ascending[np.minimum(np.searchsorted(ascending, values), len(ascending) - 1)] == values


def _pairs(graph: Graph) -> np.ndarray:
    csr = graph.adjacency("out")
    return np.unique(np.repeat(np.arange(graph.num_nodes), csr.degree) * graph.num_nodes + csr.indices)
