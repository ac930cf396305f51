"""New edges with some of the old ones. E edges."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from graphtune.batch import Batch
from graphtune.check import bad, number
from graphtune.sampling.edges import EdgeSampler


@dataclass(frozen=True)
class Replay:
    """Every new edge once an epoch, and others beside them, drawn anew each epoch, so that what was learned stays.

    Attributes:
        edges: of all edges, from which the examples and their negatives come; directed, in memory, not by weight.
        first: the number of the first new edge; those before it are old.
        replay: old edges for each new one, as far as there are so many.
    """

    edges: EdgeSampler
    first: int
    replay: float

    def __post_init__(self) -> None:
        number("replay", "Replay", self.replay, 0)
        graph = self.edges.graph
        if not graph.directed or graph.on_disk or graph.relation is not None or self.edges.by_weight:
            raise bad("edges", "Replay", "a sampler of directed edges without relations, each once, in memory", graph)

    @property
    def num_batches(self) -> int:
        return -(-(self._new + self._old) // self.edges.batch_size)

    def batches(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        stream = np.random.PCG64([self.edges.seed, epoch])
        rng = np.random.Generator(stream)
        old = rng.choice(self.first, self._old, replace=False)
        order = rng.permutation(np.concatenate([old, np.arange(self.first, self.edges.graph.num_edges)]))
        start, size = stream.state, self.edges.batch_size
        for at in range(first, self.num_batches):
            stream.state = start
            stream.advance((at + 1) << 64)  # as in EdgeSampler
            yield self.edges.take(order[at * size : (at + 1) * size], rng)

    @property
    def _new(self) -> int:
        return self.edges.graph.num_edges - self.first

    @property
    def _old(self) -> int:
        """How many old edges are examples of an epoch."""
        return min(self.first, round(self.replay * self._new))
