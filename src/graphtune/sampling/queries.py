"""Batches of queries, a source with a relation each, with all their targets. E triples, Q queries, T targets of all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch

from graphtune.batch import QueryBatch
from graphtune.check import bad
from graphtune.graph import Graph


class Grouped(NamedTuple):
    """Triples read both ways, or edges without relations, by query.

    Attributes:
        source, relation: [Q] int64 of each query.
        bounds: [Q + 1] int64 of its targets.
        target: [T] int64, ascending and each once a query.
        weight: [T] float32, the sum over the triples that are one; None where all are 1.
    """

    source: np.ndarray
    relation: np.ndarray
    bounds: np.ndarray
    target: np.ndarray
    weight: np.ndarray | None


@dataclass(frozen=True)
class QuerySampler:
    """The queries of all triples, forwards (relation r) and backwards (relation r + R), in shuffled batches.

    Of a graph without relations a query is a node with all that its edges point to, under relation 0; undirected edges
    point both ways.

    Attributes:
        graph: the triples or edges to learn.
        batch_size: queries a batch.
        weight: [E] weight of each edge's loss, in both directions; None for equal ones.
        seed: of all choices.
    """

    graph: Graph
    batch_size: int
    weight: np.ndarray | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.weight is not None and self.weight.shape != (self.graph.num_edges,):
            what = f"one number per edge, {self.graph.num_edges} in all"
            raise bad("weight", "QuerySampler", what, f"shape {self.weight.shape}")

    @property
    def num_batches(self) -> int:
        return -(-len(self._grouped.source) // self.batch_size)

    def batches(self, epoch: int, first: int = 0) -> Iterator[QueryBatch]:
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self._grouped.source))
        for number in range(first, self.num_batches):
            rows = order[number * self.batch_size : (number + 1) * self.batch_size]
            yield self._batch(rows, np.random.default_rng([self.seed, epoch, number]))

    def _batch(self, rows: np.ndarray, rng: np.random.Generator) -> QueryBatch:
        source, relation, bounds, target, weight = self._grouped
        count = bounds[rows + 1] - bounds[rows]
        ends = np.cumsum(count)
        place = np.arange(ends[-1]) + np.repeat(bounds[rows] - (ends - count), count)
        found = {"source": source[rows], "relation": relation[rows], "count": count, "target": target[place]}
        found["phase"] = rng.random(len(rows), dtype=np.float32)
        if weight is not None:
            found["weight"] = weight[place]
        return QueryBatch(**{name: torch.from_numpy(array) for name, array in found.items()})

    @cached_property
    def _grouped(self) -> Grouped:
        return grouped(self.graph, self.weight)


def grouped(graph: Graph, weight: np.ndarray | None = None) -> Grouped:
    """The edges of a graph by query; those that are there several times become one that weighs as much."""
    (u, v), r, relations = graph.edges, graph.relation, max(1, 2 * graph.num_relations)
    ways = 1 if r is None and graph.directed else 2
    source, target = np.concatenate([u, v][:ways]), np.concatenate([v, u][:ways])
    asked = source * relations
    if r is not None:
        asked += np.concatenate([r, r + graph.num_relations])
    pairs, place = np.unique(asked * graph.num_nodes + target, return_inverse=True)
    each = np.bincount(place, None if weight is None else np.tile(weight, ways), len(pairs)).astype(np.float32)
    query, begin = np.unique(pairs // graph.num_nodes, return_index=True)
    bounds = np.append(begin, len(pairs)).astype(np.int64)
    own = None if (each == 1).all() else each
    return Grouped(query // relations, query % relations, bounds, pairs % graph.num_nodes, own)
