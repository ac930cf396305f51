"""Samplers: endless-epoch sources of batches, a pure function of (seed, epoch), so that a run can be resumed.

Axes: B batch, K negatives, E edges, N nodes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import torch

from graphtune.batch import Batch, WalkBatch
from graphtune.graph import CSR, Graph
from graphtune.kernels.alias import Alias, alias_rows
from graphtune.kernels.csr import has_parallel
from graphtune.kernels.negatives import unknown_targets
from graphtune.kernels.walks import random_walks, windows

NOISE_POWER = 0.75


class Sampler(Protocol):
    """What `fit` needs of a sampler."""

    @property
    def num_batches(self) -> int:
        """Batches in an epoch."""
        ...

    def batches(self, epoch: int) -> Iterator[Batch | WalkBatch]:
        """The batches of an epoch, the same for the same sampler and epoch."""
        ...


def noise_weights(graph: Graph, direction: str = "both") -> np.ndarray:
    """[N] degree^0.75 (Mikolov et al., 2013), weighted where the graph is; uniform for a graph without edges."""
    weights = graph.strength(direction) ** NOISE_POWER
    return weights if weights.sum() > 0 else np.ones(graph.num_nodes)


def weight_tables(csr: CSR) -> tuple[np.ndarray, np.ndarray] | None:
    """(accept, other), each [M]: the alias tables of the rows, from disk where they lie there; None unweighted."""
    if csr.weight is None or csr.alias is not None:
        return csr.alias
    return alias_rows(csr.indptr, csr.weight)


@dataclass(frozen=True)
class WalkSampler:
    """Truncated random walks with the windows and negatives of skip-gram; one epoch is `walks_per_node` passes.

    Attributes:
        graph: walked along its edges (both ways if undirected), by weight if weighted.
        walks_per_node: walks that start at each node with a neighbour.
        walk_length: nodes a walk.
        window: largest distance of a pair in a walk.
        negatives: K, noise nodes per centre.
        p, q: node2vec's return and in-out parameters.
        subsample: word2vec's threshold for frequent nodes; 0 keeps all.
        batch_size: walks a batch.
        seed: of all choices.
    """

    graph: Graph
    walks_per_node: int
    walk_length: int
    window: int
    negatives: int
    p: float = 1.0
    q: float = 1.0
    subsample: float = 0.0
    batch_size: int = 4096
    seed: int = 0

    @property
    def num_batches(self) -> int:
        return self.walks_per_node * -(-len(self._starts) // self.batch_size)

    def batches(self, epoch: int) -> Iterator[WalkBatch]:
        csr = self.graph.adjacency("out")
        for number in range(self.walks_per_node):
            run = epoch * self.walks_per_node + number
            order = np.random.default_rng([self.seed, run]).permutation(self._starts)
            for begin in range(0, len(order), self.batch_size):
                first = run * self.graph.num_nodes + begin
                starts = order[begin : begin + self.batch_size]
                walks = random_walks(
                    csr.indptr,
                    csr.indices,
                    self._alias,
                    starts,
                    self.walk_length,
                    self.p,
                    self.q,
                    self.seed,
                    first,
                    simple=self._simple,
                )
                noise = (self._noise.accept, self._noise.other)
                reach, negative = windows(walks, self.window, self.negatives, noise, self._keep, self.seed + 1, first)
                yield WalkBatch(walks, reach, negative)

    @cached_property
    def _starts(self) -> np.ndarray:
        """The nodes that a walk can leave."""
        return np.flatnonzero(self.graph.adjacency("out").degree)

    @cached_property
    def _simple(self) -> bool:
        """Whether every edge leads back and none is parallel to another."""
        csr = self.graph.adjacency("out")
        return not self.graph.directed and not has_parallel(csr.indptr, csr.indices)

    @cached_property
    def _alias(self) -> tuple[np.ndarray, np.ndarray] | None:
        return weight_tables(self.graph.adjacency("out"))

    @cached_property
    def _noise(self) -> Alias:
        return Alias(noise_weights(self.graph))

    @cached_property
    def _keep(self) -> np.ndarray | None:
        """word2vec's keep chance, with the stationary share of a node (its degree) for its frequency."""
        if self.subsample <= 0:
            return None
        degree = self.graph.strength()
        share = np.maximum(degree / degree.sum(), 1e-12) / self.subsample
        return np.minimum(1.0, (np.sqrt(share) + 1) / share)


@dataclass(frozen=True)
class Negatives:
    """How negative targets are drawn.

    Attributes:
        count: K per example, or in all when `shared`.
        noise: "uniform", or "degree" for degree^0.75.
        shared: one set for the whole batch.
        pairs: one set for two examples in a row, as the fused step of LINE reads them.
        unknown: never a known positive of the source (uniform, not shared), unless it knows everything.
    """

    count: int
    noise: str = "uniform"
    shared: bool = False
    pairs: bool = False
    unknown: bool = False


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
        count = len(self._drawn_from.indices) if self._is_drawn else len(self._source)
        return -(-count // self.batch_size)

    def batches(self, epoch: int) -> Iterator[Batch]:
        rng = np.random.default_rng([self.seed, epoch])
        if self._is_drawn:
            yield from self._drawn(epoch, rng)
            return
        if self._weighted is not None:
            order = self._weighted.draw(len(self._source), int(rng.integers(2**62)))
        else:
            order = rng.permutation(len(self._source))
        for begin in range(0, len(order), self.batch_size):
            yield self._batch(order[begin : begin + self.batch_size], rng)

    def _drawn(self, epoch: int, rng: np.random.Generator) -> Iterator[Batch]:
        """Batches of edges that are drawn as walks of one step."""
        csr, count = self._drawn_from, len(self._drawn_from.indices)
        for begin in range(0, count, self.batch_size):
            size = min(self.batch_size, count - begin)
            starts = self._strength.draw(size, int(rng.integers(2**62)))
            first = epoch * count + begin
            steps = random_walks(csr.indptr, csr.indices, self._tables, starts, 2, seed=self.seed, first_walk=first)
            yield self._with_negatives(starts, steps[:, 1].astype(np.int64), None, rng)

    def _batch(self, which: np.ndarray, rng: np.random.Generator) -> Batch:
        relation = None if self._relation is None else torch.from_numpy(self._relation[which])
        return self._with_negatives(self._source[which], self._target[which], relation, rng)

    def _with_negatives(
        self, source: np.ndarray, target: np.ndarray, relation: torch.Tensor | None, rng: np.random.Generator
    ) -> Batch:
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
            return self._noise.draw(int(np.prod(shape)), seed).reshape(shape) + low
        return rng.integers(low, high, shape)

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
    def _tables(self) -> tuple[np.ndarray, np.ndarray] | None:
        return weight_tables(self._drawn_from)

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


@dataclass(frozen=True)
class NodeSampler:
    """Labelled nodes in shuffled batches.

    Attributes:
        nodes: [n] rows to learn from.
        label: [n] classes, [n, C] bool or [n] values, in the order of `nodes`.
        batch_size: nodes a batch.
        weight: [n] weight of each node's loss, or None.
        seed: of the order.
    """

    nodes: np.ndarray
    label: np.ndarray
    batch_size: int
    weight: np.ndarray | None = None
    seed: int = 0

    @property
    def num_batches(self) -> int:
        return -(-len(self.nodes) // self.batch_size)

    def batches(self, epoch: int) -> Iterator[Batch]:
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.nodes))
        single = self.label.ndim == 1 and self.label.dtype.kind == "i"
        label = torch.as_tensor(self.label.astype(np.int64 if single else np.float32))
        weight = None if self.weight is None else torch.as_tensor(self.weight, dtype=torch.float32)
        for begin in range(0, len(order), self.batch_size):
            which = torch.from_numpy(order[begin : begin + self.batch_size])
            yield Batch(
                source=torch.as_tensor(self.nodes)[which],
                label=label[which],
                weight=None if weight is None else weight[which],
            )
