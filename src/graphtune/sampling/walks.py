"""Batches of random walks. K negatives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from graphtune.batch import WalkBatch
from graphtune.graph import Graph
from graphtune.kernels.alias import Alias
from graphtune.kernels.csr import has_parallel
from graphtune.kernels.walks import add_visits, random_walks, windows
from graphtune.sampling.noise import flattened, weight_tables

COUNTED = 1 << 21  # steps
COUNTED_AT_ONCE = 1 << 13  # walks


@dataclass(frozen=True)
class WalkSampler:
    """Truncated random walks with the windows and negatives of skip-gram; one epoch is `walks_per_node` passes.

    Attributes:
        graph: walked along its edges (both ways if undirected), by weight if weighted.
        walks_per_node: walks that start at each node with a neighbour.
        walk_length: nodes a walk.
        window: largest distance of a pair in a walk.
        negatives: K, noise nodes that two centres in a row share.
        p, q: node2vec's return and in-out parameters.
        restart: chance to jump back to the start instead of a step.
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
    restart: float = 0.0
    subsample: float = 0.0
    batch_size: int = 4096
    seed: int = 0

    @property
    def num_batches(self) -> int:
        return self.walks_per_node * self._batches_a_pass

    def batches(self, epoch: int, first: int = 0) -> Iterator[WalkBatch]:
        for number in range(self.walks_per_node):
            done = max(0, first - number * self._batches_a_pass) * self.batch_size
            if done >= len(self._starts):
                continue
            run = epoch * self.walks_per_node + number
            order = np.random.default_rng([self.seed, run]).permutation(self._starts)
            for begin in range(done, len(order), self.batch_size):
                walk = run * self.graph.num_nodes + begin
                walks = self._walks(order[begin : begin + self.batch_size], self.seed, walk)
                choices = self.window, self.negatives, self._noise.table, self._keep, self.seed + 1, walk
                reach, negative = windows(walks, *choices)
                yield WalkBatch(walks, reach, negative)

    def _walks(self, starts: np.ndarray, seed: int, first: int) -> np.ndarray:
        csr = self.graph.adjacency("out")
        return random_walks(
            csr.indptr,
            csr.indices,
            self._alias,
            starts,
            self.walk_length,
            self.p,
            self.q,
            seed,
            first,
            self.restart,
            self._simple,
        )

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
        return not self.graph.directed and not has_parallel(csr.indptr, csr.indices)

    @cached_property
    def _alias(self) -> np.ndarray | None:
        return weight_tables(self.graph.adjacency("out"))

    @cached_property
    def _visits(self) -> np.ndarray:
        """[N] how often walks meet each node, on average a pass: the frequencies that word2vec takes from its corpus.

        They are not the degrees, as walks start at every node alike and soon end. One pass is counted, of a small graph
        as many as make `COUNTED` steps.
        """
        visits, starts = np.zeros(self.graph.num_nodes), self._starts
        passes = -(-COUNTED // max(1, len(starts) * self.walk_length))
        for begin in range(0, passes * len(starts), COUNTED_AT_ONCE):
            some = starts[np.arange(begin, min(begin + COUNTED_AT_ONCE, passes * len(starts))) % len(starts)]
            add_visits(self._walks(some, self.seed + 2, begin), visits)
        return visits / passes

    @cached_property
    def _noise(self) -> Alias:
        return Alias(flattened(self._visits))

    @cached_property
    def _keep(self) -> np.ndarray | None:
        """word2vec's keep chance of each node."""
        if self.subsample <= 0:
            return None
        share = np.maximum(self._visits / self._visits.sum(), 1e-12) / self.subsample
        return np.minimum(1.0, (np.sqrt(share) + 1) / share)
