"""Relations that are read backwards by another, or by themselves: found in the triples, and made whole.

Axes: R relations, E triples, M pairs of relations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from graphtune.graph import Graph
from graphtune.split.keys import incidence, pair_numbers, row_key

SUPPORT = 5  # triples that must speak for a rule


class InverseRule(NamedTuple):
    """(h, relation, t) implies (t, inverse, h); a symmetric relation is its own inverse.

    Attributes:
        relation: r.
        inverse: s.
        support: triples of r whose inverse is known.
        confidence: their share of the triples of r.
    """

    relation: int
    inverse: int
    support: int
    confidence: float


def inverse_rules(graph: Graph, confidence: float, support: int = SUPPORT) -> list[InverseRule]:
    """The rules of one triple on each side that hold for enough of the triples of `graph`.

    Confidence is the plain one of AMIE (Galarraga et al., 2013), so r may imply s and s not r.

    Args:
        graph: triples, those of the train part alone; repeats count once, self-loops not at all.
        confidence: the least share of a relation's triples, in (0, 1].
        support: the least number of triples.
    """
    shared = SharedPairs.of(graph, backward=True)
    share = shared.common / shared.size[shared.relation]
    kept = (shared.common >= support) & (share >= confidence)
    columns = (shared.relation, shared.other, shared.common, share)
    return sorted(InverseRule(*row) for row in zip(*(column[kept].tolist() for column in columns)))


@dataclass(frozen=True)
class SharedPairs:
    """The pairs (head, tail) that two relations have in common, self-loops left out and repeats counted once.

    Attributes:
        relation, other: [M] relations r and s that have some.
        common: [M] pairs of r that are pairs of s, or with `backward` of s turned round.
        size: [R] pairs of each relation.
    """

    relation: np.ndarray
    other: np.ndarray
    common: np.ndarray
    size: np.ndarray

    @classmethod
    def of(cls, graph: Graph, backward: bool) -> SharedPairs:
        pairs, every = pair_numbers(graph), np.ones(graph.num_edges, dtype=bool)
        forward = incidence(graph, pairs, every)
        other = incidence(graph, pairs, every, backward=True) if backward else forward
        common = sp.coo_array(forward @ other.T)
        relation, other = (at.astype(np.int64) for at in common.coords)
        return cls(relation, other, common.data, forward.sum(axis=1))


def with_inverses(graph: Graph, rules: list[InverseRule]) -> Graph:
    """The graph and behind its triples those that the rules imply, each once and none that is there already.

    An implied triple has the weight and the time of the one that implies it.
    """
    assert graph.relation is not None
    which = [np.flatnonzero(graph.relation == rule.relation) for rule in rules]
    implying = np.concatenate([np.empty(0, np.int64), *which])
    inverse = np.repeat(np.array([rule.inverse for rule in rules], dtype=np.int64), [len(w) for w in which])
    edges = np.concatenate([graph.edges, graph.edges[::-1, implying]], axis=1)
    relation = np.concatenate([graph.relation, inverse])
    key = row_key(relation, *edges)
    known, there = key[graph.num_edges :], key[: graph.num_edges]
    new = np.unique(known, return_index=True)[1]
    new = np.sort(new[~np.isin(known[new], there)])
    taken = np.concatenate([np.arange(graph.num_edges), graph.num_edges + new])
    times = {name: _with(getattr(graph, name), implying[new]) for name in ("weight", "time")}
    return graph.replace(edges=edges[:, taken], relation=relation[taken], **times)


def _with(values: np.ndarray | None, more: np.ndarray) -> np.ndarray | None:
    return None if values is None else np.concatenate([values, values[more]])
