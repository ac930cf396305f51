"""Small graphs with something in them that every model of their kind must learn."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import numpy as np
import torch

from graphtune.graph import Graph
from graphtune.ids import NodeIds
from graphtune.models.base import Model

COMMUNITY = 6  # nodes a clique
BOARD = 16  # users, and as many items
CITIES, RESIDENTS = 3, 5


def two_cliques(directed: bool = False, features: bool = False) -> Graph:
    """Two cliques of 6 nodes, "a0".."a5" and "b0".."b5", joined by the one edge a0 -> b0.

    Args:
        directed: the edges of a clique then run from the smaller number to the larger.
        features: one column a node, 1 for itself.
    """
    i, j = np.triu_indices(COMMUNITY, k=1)
    edges = np.concatenate([[i, j], [i + COMMUNITY, j + COMMUNITY], [[0], [COMMUNITY]]], axis=1)
    ids = NodeIds.of([f"{side}{number}" for side in "ab" for number in range(COMMUNITY)])
    one_hot = np.eye(len(ids), dtype=np.float32) if features else None
    return Graph(edges, ids, directed=directed, features=one_hot)


def checkerboard() -> Graph:
    """Users 0..15 who took the items 0..15 of their own parity, all but the one of their own number."""
    user, item = np.divmod(np.arange(BOARD * BOARD), BOARD)
    took = ((user - item) % 2 == 0) & (user != item)
    edges = np.stack([user[took], BOARD + item[took]])
    return Graph(edges, NodeIds.of(range(BOARD), range(BOARD), kinds=("user", "item")), directed=True)


def inverse_relations() -> Graph:
    """People and cities: (city, has, person) for all, (person, in, city), its inverse, for all but one a city."""
    person = np.arange(CITIES * RESIDENTS)
    city = len(person) + person // RESIDENTS
    told = person % RESIDENTS > 0
    edges = np.concatenate([[city, person], [person[told], city[told]]], axis=1)
    relation = np.repeat([0, 1], [len(person), told.sum()])
    names = [f"person{p}" for p in person] + [f"city{c}" for c in range(CITIES)]
    return Graph(edges, NodeIds.of(names), directed=True, relation=relation, relation_ids=NodeIds.of(["has", "in"]))


class Pattern(ABC):
    """A graph with something in it that every model of its kind must learn."""

    graph: Graph

    @abstractmethod
    def score(self, model: Model) -> float:
        """The share of questions about the pattern that the model answers right."""


@dataclass(frozen=True, eq=False)
class Communities(Pattern):
    """Nodes of a clique are closer, by their mean cosine, to their own clique than to the other."""

    graph: Graph = field(default_factory=two_cliques)

    def score(self, model: Model) -> float:
        z = torch.nn.functional.normalize(model.embeddings(), dim=-1)
        side = torch.arange(len(z)) // COMMUNITY
        cosine = z @ z.T
        cosine.fill_diagonal_(0.0)
        own = (cosine * (side[:, None] == side)).sum(1) / (COMMUNITY - 1)
        other = (cosine * (side[:, None] != side)).sum(1) / COMMUNITY
        return float((own > other).float().mean())


@dataclass(frozen=True, eq=False)
class Checkerboard(Pattern):
    """The one item of its parity that a user has not taken is recommended first."""

    graph: Graph = field(default_factory=checkerboard)

    def score(self, model: Model) -> float:
        return float(np.mean([model.recommend(user, 1)[0][0] == user for user in range(BOARD)]))


@dataclass(frozen=True, eq=False)
class InverseRelations(Pattern):
    """Where a person lives follows from whom a city has."""

    graph: Graph = field(default_factory=inverse_relations)

    def score(self, model: Model) -> float:
        cities = [f"city{c}" for c in range(CITIES)]
        people = [f"person{c * RESIDENTS}" for c in range(CITIES) for _ in cities]
        scores = model.score(people, cities * CITIES, ["in"] * CITIES**2).reshape(CITIES, CITIES)
        return float((scores.argmax(1) == np.arange(CITIES)).mean())
