"""Knowledge-graph completion: the missing tail and the missing head of each triple, ranked among all entities.

Axes: T triples, Q = 2T queries (tails, then heads), N entities, R relations.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from graphtune.evaluate.result import PARTS, Evaluation, Pooled
from graphtune.graph import Graph
from graphtune.kernels.ranking import realistic_ranks
from graphtune.metrics import amri, hits_at, mrr
from graphtune.models.base import Model
from graphtune.split import TEST, VALID, Split

BATCH = 512


def evaluate_triples(model: Model, split: Split, part: int = TEST) -> Evaluation:
    """MRR, Hits@1/3/10, mean rank and AMRI; filtered, realistic ranks, heads and tails together.

    Known answers other than the asked one are left out: those of train and validation when validation is evaluated, of
    all three parts when test is. Ties count as the mean of their places. Triples whose entities no training triple
    holds stay in and are counted.

    Args:
        model: scores triples; relation r + R reads r backwards.
        split: of triples.
        part: VALID or TEST.
    """
    asked = split.valid if part == VALID else split.test
    ranks, candidates = triple_ranks(model, asked, split.through(part))
    per_query = {
        "mrr": mrr(ranks),
        "hits_1": hits_at(ranks, 1),
        "hits_3": hits_at(ranks, 3),
        "hits_10": hits_at(ranks, 10),
        "mean_rank": ranks,
    }
    seen = np.zeros(split.graph.num_nodes, dtype=bool)
    seen[split.train.edges] = True
    unseen = int((~seen[asked.edges]).any(axis=0).sum())
    counts = {"triples": asked.num_edges, "triples with an entity unseen in train (kept)": unseen}
    pooled = {"amri": Pooled(_amri, (ranks, candidates))}
    return Evaluation("knowledge-graph completion", PARTS[part], per_query, pooled, counts)


def triple_ranks(model: Model, asked: Graph, known: Graph) -> tuple[np.ndarray, np.ndarray]:
    """Filtered realistic ranks of the tails, then of the heads, of all triples in `asked`.

    Returns:
        [Q] float64 ranks and [Q] numbers of candidates.
    """
    source, relation, answer = both_directions(asked)
    keys, answers = _known_answers(known)
    frozen, everyone = model.frozen(), range(asked.num_nodes)
    ranks, candidates = np.empty(len(source)), np.empty(len(source))
    for begin in range(0, len(source), BATCH):
        at = slice(begin, begin + BATCH)
        scores = frozen.cross(source[at], everyone, relation[at])
        indptr, indices = _select(keys, answers, source[at] * 2 * asked.num_relations + relation[at])
        ranks[at], candidates[at] = realistic_ranks(scores, answer[at], indptr, indices)
    return ranks, candidates


def both_directions(graph: Graph) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(source, relation, target) of every triple forwards, then backwards with relation r + R; each [2E]."""
    (head, tail), r = graph.edges, graph.relation
    assert r is not None
    return np.concatenate([head, tail]), np.concatenate([r, r + graph.num_relations]), np.concatenate([tail, head])


@lru_cache(maxsize=2)
def _known_answers(known: Graph) -> tuple[np.ndarray, np.ndarray]:
    """Sorted query keys (source * 2R + relation) and the answer beside each, each pair once."""
    source, relation, target = both_directions(known)
    query = source * 2 * known.num_relations + relation
    pairs = np.unique(query * known.num_nodes + target)
    return pairs // known.num_nodes, pairs % known.num_nodes


def _select(keys: np.ndarray, answers: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(indptr, indices): the known answers of each wanted query."""
    low, high = np.searchsorted(keys, wanted, "left"), np.searchsorted(keys, wanted, "right")
    indptr = np.concatenate([[0], np.cumsum(high - low)])
    position = np.arange(indptr[-1]) - np.repeat(indptr[:-1] - low, high - low)
    return indptr, answers[position]


def _amri(ranks: np.ndarray, candidates: np.ndarray) -> float:
    return float(np.nanmean(amri(ranks, candidates)))
