"""What edges say of their ends: for each node the mean of the queries that it should answer.

Axes: N nodes, E edges, H hints (two an edge, or one), Q of a query or key, K numbers a node (Q or 2 Q).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch

from graphtune.graph import Graph
from graphtune.models.scorer import Frozen, Scorer

AT_ONCE = 1 << 15  # hints whose vectors are held together


@dataclass(frozen=True)
class Hints:
    """Edges as their ends see them.

    Attributes:
        owner: [H] the node that is told something.
        other: [H] the node at the other end.
        relation: [H] by which the other end asks for the owner, r + R for r read backwards; None without relations.
        weight: [H] float32.
        as_source: [H] bool, whether the owner is told what it is as the source of an edge, and not as the target.
    """

    owner: np.ndarray
    other: np.ndarray
    relation: np.ndarray | None
    weight: np.ndarray
    as_source: np.ndarray

    def take(self, which: np.ndarray) -> Hints:
        relation = None if self.relation is None else self.relation[which]
        return Hints(self.owner[which], self.other[which], relation, self.weight[which], self.as_source[which])

    def twice(self) -> Hints:
        """The same once more, as sources."""
        owner, other, weight = (np.tile(array, 2) for array in (self.owner, self.other, self.weight))
        return Hints(owner, other, None, weight, np.arange(len(owner)) >= len(self.owner))


def hints_of(graph: Graph, scorer: Scorer) -> Hints:
    """The hints that the edges of a graph give.

    With relations an edge h, r, t asks for t by r and for h by r + R. Without, it says what its target is by the query
    of the source, and what its source is by the key of the target; an undirected edge says both of both, which is one
    where queries and keys are the embeddings themselves.
    """
    source, target = graph.edges
    owner, other = np.concatenate([target, source]), np.concatenate([source, target])
    weight = np.tile(np.ones(graph.num_edges, np.float32) if graph.weight is None else graph.weight, 2)
    backwards = np.arange(len(owner)) >= graph.num_edges
    if graph.relation is not None:
        relation = np.concatenate([graph.relation, graph.relation + graph.num_relations])
        return Hints(owner, other, relation, weight, np.zeros_like(backwards))
    if graph.directed:
        return Hints(owner, other, None, weight, backwards)
    once = Hints(owner, other, None, weight, np.zeros_like(backwards))
    return once.twice() if two_sided(graph, scorer) else once


def two_sided(graph: Graph, scorer: Scorer) -> bool:
    """Whether a node is told apart what it is as a target and as a source: where there are no relations, and edges have
    directions or queries and keys are not just the embeddings."""
    tied = type(scorer).query is Scorer.query and type(scorer).key is Scorer.key
    return graph.relation is None and (graph.directed or not tied)


def mean_hints(frozen: Frozen, hints: Hints, count: int, apart: bool) -> np.ndarray:
    """[N, K] float64 weighted mean of the hints of each node, 0 where there are none.

    Args:
        frozen: queries and keys of the other ends.
        hints: what is told.
        count: N.
        apart: whether hints as targets and as sources have columns of their own; see `two_sided`.
    """
    targets = _mean(frozen, hints.take(~hints.as_source), count, False)
    if not apart:
        return targets
    return np.concatenate([targets, _mean(frozen, hints.take(hints.as_source), count, True)], axis=1)


def _mean(frozen: Frozen, hints: Hints, count: int, of_keys: bool) -> np.ndarray:
    total = 0.0
    for part in _parts(hints):
        values = _keys(frozen, part) if of_keys else _queries(frozen, part)
        places = part.owner, np.arange(len(part.owner))
        matrix = sp.csr_array((part.weight.astype(np.float64), places), shape=(count, len(part.owner)))
        total = total + matrix @ values
    weight = np.bincount(hints.owner, hints.weight, count)
    return np.asarray(total) / np.where(weight > 0, weight, 1)[:, None]


def _parts(hints: Hints) -> Iterator[Hints]:
    """Some hints at a time, once none where there are none."""
    for begin in range(0, max(1, len(hints.owner)), AT_ONCE):
        yield hints.take(np.arange(begin, min(begin + AT_ONCE, len(hints.owner))))


@torch.no_grad()
def _queries(frozen: Frozen, hints: Hints) -> np.ndarray:
    z = frozen.z[torch.from_numpy(hints.other).to(frozen.z.device)]
    relation = None if hints.relation is None else torch.from_numpy(hints.relation).to(z.device)
    return frozen.scorer.query(z, relation).double().cpu().numpy()


def _keys(frozen: Frozen, hints: Hints) -> np.ndarray:
    return frozen.key[torch.from_numpy(hints.other).to(frozen.key.device)].double().cpu().numpy()
