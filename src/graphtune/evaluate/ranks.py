"""Ranks of the answers to questions of a knowledge graph: the missing tail of (h, r, ?), the missing head of (?, r, t).

Axes: T triples, Q queries (of both sides: 2T, tails, then heads), N entities, R relations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from graphtune.check import one_of
from graphtune.evaluate.groups import distinct
from graphtune.graph import Graph
from graphtune.kernels import products
from graphtune.kernels.ranking import realistic_ranks
from graphtune.metrics import hits_at, mrr
from graphtune.models.base import Model
from graphtune.models.scorer import Frozen

SIDES = ("both", "head", "tail")
QUERIES = 384  # scored at once against every entity, of long rows fewer
SCORES = 1 << 25  # numbers held at once


@dataclass(frozen=True, eq=False)
class TripleRanks:
    """The rank of the missing end in each query.

    Attributes:
        asked: the graph whose triples were asked.
        triple: [Q] the triple of `asked` that each query is about.
        is_head: [Q] whether its head was missing, else its tail.
        rank: [Q] float64, filtered and realistic.
        candidates: [Q] float64, how many were ranked, the answer included.
    """

    asked: Graph
    triple: np.ndarray
    is_head: np.ndarray
    rank: np.ndarray
    candidates: np.ndarray


def rank_triples(model: Model, asked: Graph, known: Graph, side: str = "both") -> TripleRanks:
    """Filtered realistic ranks of the missing ends of all triples in `asked`.

    Triples that ask the same are scored once, a block of queries against every entity at a time.

    Args:
        model: scores triples; relation r + R reads r backwards.
        asked: the triples.
        known: whose triples are left out of the candidates, but for the one that is asked.
        side: "tail", "head", or "both", which gives the tails, then the heads.

    Raises:
        ArgumentError: `side` is none of these, or the model scores NaN.
    """
    one_of("side", "rank_triples", side, SIDES)
    triple, is_head = _queries(asked.num_edges, side)
    source, relation, answer = (column[triple + is_head * asked.num_edges] for column in both_directions(asked))
    both = 2 * asked.num_relations
    query, row = np.unique(source * both + relation, return_inverse=True)
    by_query = np.argsort(row, kind="stable")
    begins = np.searchsorted(row[by_query], np.arange(len(query) + 1))
    scored = _against_all(model.frozen(), asked.num_nodes)
    rank, candidates = np.empty(len(row)), np.empty(len(row))
    size = _block(asked.num_nodes)
    for begin in range(0, len(query), size):
        block = query[begin : begin + size]
        at = by_query[begins[begin] : begins[begin + len(block)]]
        scores, known_ones = scored(block // both, block % both), answers_of(known, block)
        rank[at], candidates[at] = realistic_ranks(scores, answer[at], *known_ones, row[at] - begin)
    return TripleRanks(asked, triple, is_head, rank, candidates)


def rank_scores(rank: np.ndarray) -> dict[str, np.ndarray]:
    """[Q] scores whose means are MRR, Hits@1, 3 and 10, and the mean rank."""
    hits = {f"hits_{k}": hits_at(rank, k) for k in (1, 3, 10)}
    return {"mrr": mrr(rank), **hits, "mean_rank": rank}


def both_directions(graph: Graph) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(source, relation, target) of every triple forwards, then backwards with relation r + R; each [2E]."""
    (head, tail), r = graph.edges, graph.relation
    assert r is not None
    return np.concatenate([head, tail]), np.concatenate([r, r + graph.num_relations]), np.concatenate([tail, head])


def answers_of(known: Graph, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The known answers of each query, as CSR (indptr, indices). `queries`: [n] source * 2R + relation."""
    keys, answers = _known_answers(known)
    low, high = np.searchsorted(keys, queries, "left"), np.searchsorted(keys, queries, "right")
    indptr = np.concatenate([[0], np.cumsum(high - low)])
    position = np.arange(indptr[-1]) - np.repeat(indptr[:-1] - low, high - low)
    return indptr, answers[position]


@lru_cache(maxsize=2)
def _known_answers(known: Graph) -> tuple[np.ndarray, np.ndarray]:
    """Sorted query keys (source * 2R + relation) and the answer beside each, each pair once."""
    source, relation, target = both_directions(known)
    query = source * 2 * known.num_relations + relation
    pairs = distinct(query * known.num_nodes + target)
    return pairs // known.num_nodes, pairs % known.num_nodes


def _against_all(frozen: Frozen, nodes: int) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """What gives the [n, N] scores of [n] sources and [n] relations with all entities, good until the next call.

    Products on the CPU are made by a kernel whose scores tie to the bit where entities are equal.
    """
    plain = isinstance(frozen, Frozen) and frozen.directed and frozen.scorer.is_product
    if not plain or frozen.key.device.type != "cpu" or frozen.key.dtype != torch.float32:
        return lambda source, relation: frozen.cross(source, range(nodes), relation)
    keys = products.pack_keys(frozen.key.numpy())
    size = _block(nodes)
    held = np.empty((size + products.QUERIES, nodes), dtype=np.float32)

    @torch.no_grad()
    def scored(source: np.ndarray, relation: np.ndarray) -> np.ndarray:
        with _one_thread():
            query = frozen.queries(torch.from_numpy(source), torch.from_numpy(relation))
        return products.products(query.float().numpy(), keys, nodes, held)

    return scored


@contextmanager
def _one_thread() -> Iterator[None]:
    """For small steps of torch between kernels: its other threads would spin while the kernels work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _block(nodes: int) -> int:
    """How many queries are scored at once."""
    return max(1, min(QUERIES, SCORES // max(1, nodes)))


def _queries(triples: int, side: str) -> tuple[np.ndarray, np.ndarray]:
    """[Q] the triple of each query, and [Q] whether its head is missing."""
    asked = {"both": (False, True), "tail": (False,), "head": (True,)}[side]
    return np.tile(np.arange(triples), len(asked)), np.repeat(asked, triples)
