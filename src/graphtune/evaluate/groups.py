"""Queries in groups: by relation, by its category, by the missing end, by whether training saw the entities.

Axes: Q queries, E edges, R relations.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from graphtune.graph import Graph

CATEGORIES = ("1-1", "1-N", "N-1", "N-N", "not in train")
MANY = 1.5  # ends of a relation for each other end, from which on there are several


@dataclass(frozen=True, eq=False)
class Groups:
    """A group for each query.

    Attributes:
        names: of the groups, some of which may have no query.
        of: [Q] the group of each query, as its place in `names`.
    """

    names: tuple[Any, ...]
    of: np.ndarray

    def take(self, which: np.ndarray) -> Groups:
        """The groups of some queries."""
        return Groups(self.names, self.of[which])

    def sizes(self) -> dict[Any, int]:
        """Queries of each group that has some, the largest first."""
        counts = np.bincount(self.of, minlength=len(self.names))
        return {self.names[g]: int(counts[g]) for g in np.argsort(-counts, kind="stable") if counts[g]}


def by_relation(graph: Graph, relation: np.ndarray, train: Graph) -> dict[str, Groups]:
    """Queries by their relation and by its category.

    Args:
        graph: whose relations have names.
        relation: [Q] of each query.
        train: whose triples say what category a relation is of.
    """
    assert graph.relation_ids is not None
    names = tuple(graph.relation_ids.values(np.arange(graph.num_relations)))
    return {
        "relation": Groups(names, relation),
        "category": Groups(CATEGORIES, relation_categories(train)[relation]),
    }


def by_entities(edges: np.ndarray, train: Graph) -> Groups:
    """Whether some triple of `train` holds both entities of each query; `edges`: [2, Q]."""
    seen = np.zeros(train.num_nodes, dtype=bool)
    seen[train.edges] = True
    return Groups(("seen in train", "unseen in train"), (~seen[edges].all(axis=0)).astype(np.int64))


@lru_cache(maxsize=2)
def relation_categories(train: Graph) -> np.ndarray:
    """[R] the category of each relation, as its place in `CATEGORIES`.

    N stands for the tails where a head of the relation has 1.5 of them or more on average, and for the heads where a
    tail has as many (Bordes et al., 2013, "Translating embeddings for modeling multi-relational data", section 4.3).
    Each triple counts once, and only those of `train`: a relation without any is of no category.
    """
    (head, tail), relation = train.edges, train.relation
    assert relation is not None
    n, count = train.num_nodes, train.num_relations
    triples = np.bincount(distinct((relation * n + head) * n + tail) // (n * n), minlength=count)
    heads = np.bincount(distinct(relation * n + head) // n, minlength=count)
    tails = np.bincount(distinct(relation * n + tail) // n, minlength=count)
    many_tails, many_heads = triples >= MANY * heads, triples >= MANY * tails
    return np.where(triples > 0, many_tails + 2 * many_heads, len(CATEGORIES) - 1)


def distinct(values: np.ndarray) -> np.ndarray:
    """Each of `values` once, ascending: `np.unique`, which hashes whole numbers, takes up to 60 times as long."""
    ascending = np.sort(values)
    return ascending[np.append(ascending[1:] != ascending[:-1], True)[: len(values)]]
