"""Batches of random walks. K negatives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from graphtune.batch import WalkBatch
from graphtune.graph import Graph
from graphtune.kernels.alias import Alias, alias_rows
from graphtune.kernels.walks import random_walks, windows
from graphtune.sampling.noise import noise_weights


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
        return self.walks_per_node * self._batches_a_pass

    def batches(self, epoch: int, first: int = 0) -> Iterator[WalkBatch]:
        csr = self.graph.adjacency("out")
        for number in range(self.walks_per_node):
            done = max(0, first - number * self._batches_a_pass) * self.batch_size
            if done >= len(self._starts):
                continue
            run = epoch * self.walks_per_node + number
            order = np.random.default_rng([self.seed, run]).permutation(self._starts)
            for begin in range(done, len(order), self.batch_size):
                walk = run * self.graph.num_nodes + begin
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
                    walk,
                    simple=self._simple,
                )
                noise = (self._noise.accept, self._noise.other)
                reach, negative = windows(walks, self.window, self.negatives, noise, self._keep, self.seed + 1, walk)
                yield WalkBatch(walks, reach, negative)

    @property
    def _batches_a_pass(self) -> int:
        return -(-len(self._starts) // self.batch_size)

    @cached_property
    def _starts(self) -> np.ndarray:
        """The nodes that a walk can leave."""
        return np.flatnonzero(self.graph.adjacency("out").degree)

    @cached_property
    def _simple(self) -> bool:
        """Whether every edge leads back and none is parallel to another."""
        csr = self.graph.adjacency("out")
        same = np.diff(csr.indices, prepend=-1) == 0
        same[csr.indptr[:-1][csr.indptr[:-1] < len(same)]] = False
        return not self.graph.directed and not same.any()

    @cached_property
    def _alias(self) -> tuple[np.ndarray, np.ndarray] | None:
        csr = self.graph.adjacency("out")
        return None if csr.weight is None else alias_rows(csr.indptr, csr.weight)

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
