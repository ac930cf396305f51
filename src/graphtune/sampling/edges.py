"""Batches of edges, events and triples, with negative targets. E edges."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from graphtune.batch import Batch
from graphtune.graph import Graph
from graphtune.kernels.alias import Alias
from graphtune.kernels.negatives import unknown_targets
from graphtune.sampling.noise import Negatives, noise_weights


@dataclass(frozen=True)
class EdgeSampler:
    """Edges in shuffled batches with negative targets.

    Undirected edges come once in each direction; edges with relations come forwards (relation r) and backwards
    (relation r + R) when `reciprocal`. Targets are drawn from the kind of node that the edges point to.

    Attributes:
        graph: the edges to learn.
        batch_size: examples a batch.
        negatives: how negatives are drawn, or None for an objective that needs none.
        reciprocal: also read edges with relations backwards.
        by_weight: draw edges in proportion to their weight, E of them an epoch (LINE); else each once.
        seed: of all choices.
    """

    graph: Graph
    batch_size: int
    negatives: Negatives | None = None
    reciprocal: bool = False
    by_weight: bool = False
    seed: int = 0

    @property
    def num_batches(self) -> int:
        return -(-len(self._source) // self.batch_size)

    def batches(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        stream = np.random.PCG64([self.seed, epoch])
        rng = np.random.Generator(stream)
        order = rng.permutation(len(self._source)) if self._weighted is None else None
        start = stream.state
        for number in range(first, self.num_batches):
            stream.state = start
            stream.advance((number + 1) << 64)  # a stretch of the stream for each batch, far longer than it needs
            yield self._batch(self._examples(number, order, rng), rng)

    def _examples(self, number: int, order: np.ndarray | None, rng: np.random.Generator) -> np.ndarray:
        """Which edges stand in a batch: the next of the order, or drawn by weight."""
        begin = number * self.batch_size
        if self._weighted is None:
            assert order is not None
            return order[begin : begin + self.batch_size]
        return self._weighted.draw(min(self.batch_size, len(self._source) - begin), int(rng.integers(2**62)))

    def _batch(self, which: np.ndarray, rng: np.random.Generator) -> Batch:
        source, target = self._source[which], self._target[which]
        relation = None if self._relation is None else torch.from_numpy(self._relation[which])
        negative = self._draw(source, rng)
        return Batch(
            source=torch.from_numpy(source),
            target=torch.from_numpy(target),
            negative=None if negative is None else torch.from_numpy(negative),
            relation=relation,
        )

    def _draw(self, source: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
        how = self.negatives
        if how is None:
            return None
        seed = int(rng.integers(2**62))
        low, high = self._target_range
        if how.unknown:
            csr = self.graph.adjacency("out")
            return unknown_targets(csr.indptr, csr.indices, source, how.count, low, high, seed)
        sets = -(-len(source) // 2) if how.pairs else len(source)
        shape = (how.count,) if how.shared else (sets, how.count)
        if how.noise == "degree":
            drawn = self._noise.draw(int(np.prod(shape)), seed).reshape(shape)
            return drawn + low if low else drawn
        return rng.integers(low, high, shape)

    @cached_property
    def _source(self) -> np.ndarray:
        u, v = self.graph.edges
        return np.concatenate([u, v]) if self._both_ways else np.array(u)

    @cached_property
    def _target(self) -> np.ndarray:
        u, v = self.graph.edges
        return np.concatenate([v, u]) if self._both_ways else np.array(v)

    @cached_property
    def _relation(self) -> np.ndarray | None:
        r = self.graph.relation
        if r is None:
            return None
        return np.concatenate([r, r + self.graph.num_relations]) if self._both_ways else np.array(r)

    @property
    def _both_ways(self) -> bool:
        return self.reciprocal if self.graph.relation is not None else not self.graph.directed

    @property
    def _target_range(self) -> tuple[int, int]:
        if self.graph.is_bipartite_events:
            items = self.graph.ids.rows("item")
            return items.start, items.stop
        return 0, self.graph.num_nodes

    @cached_property
    def _noise(self) -> Alias:
        low, high = self._target_range
        return Alias(noise_weights(self.graph, "in" if self.graph.directed else "both")[low:high])

    @cached_property
    def _weighted(self) -> Alias | None:
        if not self.by_weight or self.graph.weight is None:
            return None
        return Alias(np.concatenate([self.graph.weight] * (2 if self._both_ways else 1)))
