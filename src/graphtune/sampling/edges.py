"""Batches of edges, events and triples, with negative targets. E edges."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from graphtune.batch import Batch
from graphtune.check import bad
from graphtune.graph import CSR, Graph
from graphtune.kernels.alias import Alias
from graphtune.kernels.random import shuffle
from graphtune.kernels.visits import ends
from graphtune.kernels.walks import random_walks
from graphtune.sampling.noise import NOISES, Negatives, weight_tables
from graphtune.sampling.targets import Targets
from graphtune.sampling.weights import corruption_weights

Edges = tuple[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray | None]  # source, target, relation, weight: [B]


@dataclass(frozen=True)
class EdgeSampler:
    """Edges in shuffled batches with negative targets.

    Undirected edges come once in each direction; edges with relations come forwards (relation r) and backwards
    (relation r + R) when `reciprocal`. Targets are drawn from the kind of node that the edges point to.

    Of a graph on disk no array [E] is read into memory: a source is drawn by the weight of its edges and a neighbour by
    the weight of theirs, which together draws edges by weight, with replacement, as many as there are.

    Attributes:
        graph: the edges to learn.
        batch_size: examples a batch.
        negatives: how negatives are drawn, or None for an objective that needs none.
        reciprocal: also read edges with relations backwards.
        by_weight: draw edges in proportion to their weight, E of them an epoch (LINE); else each once.
        weight: [E] weight of each edge's loss, in every direction; None for equal ones. Not of a graph on disk, whose
            edges are drawn without their numbers.
        seed: of all choices.
    """

    graph: Graph
    batch_size: int
    negatives: Negatives | None = None
    reciprocal: bool = False
    by_weight: bool = False
    weight: np.ndarray | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        noise = self.negatives.noise if self.negatives else "uniform"
        if noise not in NOISES and not (self.reciprocal and self.graph.relation is not None):
            raise bad("negatives", "EdgeSampler", f"of noise {', '.join(NOISES)} but for reciprocal triples", noise)
        if self.weight is None:
            return
        if self._is_drawn:
            raise bad("weight", "EdgeSampler", "None for a graph on disk", f"{len(self.weight)} weights")
        if self.weight.shape != (self.graph.num_edges,):
            what = f"one number per edge, {self.graph.num_edges} in all"
            raise bad("weight", "EdgeSampler", what, f"shape {self.weight.shape}")

    @property
    def num_batches(self) -> int:
        return -(-self._count // self.batch_size)

    def batches(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        stream = np.random.PCG64([self.seed, epoch])
        rng = np.random.Generator(stream)
        order = None if self._is_drawn or self._weighted is not None else self._shuffled(rng)
        start = stream.state
        for number in range(first, self.num_batches):
            stream.state = start
            stream.advance((number + 1) << 64)  # a stretch of the stream for each batch, far longer than it needs
            yield self._batch(self._edges(epoch, number, order, rng), rng)

    def _shuffled(self, rng: np.random.Generator) -> np.ndarray:
        """The order of an epoch."""
        order = np.arange(self._count, dtype=np.int32 if self._count < 2**31 else np.int64)
        shuffle(order, np.uint64(rng.integers(2**62)))
        return order

    def _edges(self, epoch: int, number: int, order: np.ndarray | None, rng: np.random.Generator) -> Edges:
        """The edges of a batch: the next of the order, or drawn by weight."""
        begin = number * self.batch_size
        size = min(self.batch_size, self._count - begin)
        if self._is_drawn:
            csr = self._drawn_from
            source = self._strength.draw(size, int(rng.integers(2**62)))
            lists = csr.indptr, csr.indices, self._tables
            steps = random_walks(*lists, source, 2, seed=self.seed, first_walk=epoch * self._count + begin)
            return source, steps[:, 1].astype(np.int64), None, None
        if order is None:
            assert self._weighted is not None
            which = self._weighted.draw(size, int(rng.integers(2**62)))
        else:
            which = order[begin : begin + size]
        return self._at(which)

    def take(self, which: np.ndarray, rng: np.random.Generator) -> Batch:
        """The batch of chosen examples: the edges as they stand, then those read the other way round, if any are."""
        return self._batch(self._at(which), rng)

    def _at(self, which: np.ndarray) -> Edges:
        relation, weight = (None if x is None else x.take(which) for x in (self._relation, self._loss_weight))
        return *ends(which, self._source, self._target), relation, weight

    def _batch(self, edges: Edges, rng: np.random.Generator) -> Batch:
        source, target, relation, weight = edges
        found = {"source": source, "target": target, "relation": relation, "weight": weight}
        if self.negatives is not None:
            found |= self._targets.draw(source, target, relation, rng)
        return Batch(**{name: torch.from_numpy(array) for name, array in found.items() if array is not None})

    @property
    def _count(self) -> int:
        """Examples in an epoch."""
        return len(self._drawn_from.indices) if self._is_drawn else len(self._source)

    @property
    def _is_drawn(self) -> bool:
        return self.graph.on_disk and self.graph.relation is None

    @property
    def _drawn_from(self) -> CSR:
        return self.graph.adjacency("out")

    @cached_property
    def _strength(self) -> Alias:
        csr = self._drawn_from
        return Alias(csr.degree if csr.weight is None else self.graph.strength("out"))

    @cached_property
    def _tables(self) -> np.ndarray | None:
        return weight_tables(self._drawn_from)

    @cached_property
    def _source(self) -> np.ndarray:
        return self._side(0)

    @cached_property
    def _target(self) -> np.ndarray:
        return self._side(1)

    def _side(self, side: int) -> np.ndarray:
        """[E or 2E] a side of the edges, in 32 bits where they do: they are read in a random order."""
        rows = np.int32 if self.graph.num_nodes < 2**31 else np.int64
        u, v = (np.asarray(end, dtype=rows) for end in self.graph.edges)
        one, other = (u, v) if side == 0 else (v, u)
        return np.concatenate([one, other]) if self._both_ways else one

    @cached_property
    def _relation(self) -> np.ndarray | None:
        r = self.graph.relation
        if r is None:
            return None
        return np.concatenate([r, r + self.graph.num_relations]) if self._both_ways else np.array(r)

    @property
    def _both_ways(self) -> bool:
        return self.reciprocal if self.graph.relation is not None else not self.graph.directed

    @cached_property
    def _loss_weight(self) -> np.ndarray | None:
        weight = None if self.weight is None else self.weight.astype(np.float32)
        if weight is not None and self._both_ways:
            weight = np.tile(weight, 2)
        if self.negatives is None or self.negatives.noise != "bernoulli":
            return weight
        sides = corruption_weights(self.graph).astype(np.float32)
        return sides if weight is None else weight * sides

    @cached_property
    def _targets(self) -> Targets:
        assert self.negatives is not None
        return Targets(self.graph, self.negatives, "both" if self._both_ways else "in", self._frequency)

    def _frequency(self) -> np.ndarray:
        """[N] how often each node is the target of an example, up to a factor."""
        if self._is_drawn:
            csr = self.graph.adjacency("in")
            return self.graph.strength("in") if csr.weight is not None else csr.degree.astype(np.float64)
        ways = 2 if self._both_ways else 1
        weight = np.tile(self.graph.weight, ways) if self.by_weight and self.graph.weight is not None else None
        return np.bincount(self._target, weight, self.graph.num_nodes).astype(np.float64)

    @cached_property
    def _weighted(self) -> Alias | None:
        if not self.by_weight or self.graph.weight is None:
            return None
        return Alias(np.concatenate([self.graph.weight] * (2 if self._both_ways else 1)))
