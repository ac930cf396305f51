"""Edges in visits to their sources, for steps that go example by example. M list entries, V visits, B examples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from graphtune.batch import Batch
from graphtune.check import bad
from graphtune.graph import CSR, Graph
from graphtune.kernels.visits import entries
from graphtune.sampling.noise import NOISES, Negatives
from graphtune.sampling.targets import Targets

VISIT = 16


@dataclass(frozen=True)
class VisitSampler:
    """Each edge once an epoch, with negative targets, in shuffled visits: up to 16 edges out of one node in a row.

    The rows and neighbour lists of a visit are read once for all its examples, which a fused step needs to be fast; a
    step by whole batches has fewer different sources in each. Undirected edges come once in each direction. Of the
    edges nothing is held but the neighbour lists, which may lie on disk.

    Attributes:
        graph: the edges to learn, without relations.
        batch_size: examples a batch, on average.
        negatives: how negatives are drawn.
        seed: of all choices.
    """

    graph: Graph
    batch_size: int
    negatives: Negatives
    seed: int = 0

    def __post_init__(self) -> None:
        if self.graph.relation is not None:
            raise bad("graph", "VisitSampler", "without relations", f"{self.graph.num_relations} of them")
        if self.negatives.noise not in NOISES:
            raise bad("negatives", "VisitSampler", f"of noise {', '.join(NOISES)}", self.negatives.noise)

    @property
    def num_batches(self) -> int:
        return -(-len(self._row) // self._visits_a_batch)

    def batches(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        stream = np.random.PCG64([self.seed, epoch])
        rng = np.random.Generator(stream)
        order = rng.permutation(len(self._row))
        start = stream.state
        for number in range(first, self.num_batches):
            stream.state = start
            stream.advance((number + 1) << 64)  # a stretch of the stream for each batch, far longer than it needs
            begin = number * self._visits_a_batch
            yield self._batch(order[begin : begin + self._visits_a_batch], rng)

    def _batch(self, visits: np.ndarray, rng: np.random.Generator) -> Batch:
        row, indptr = self._row[visits], self._lists.indptr
        place, count = visits - self._first[row], self._first[row + 1] - self._first[row]
        degree = indptr[row + 1] - indptr[row]
        begin, end = place * degree // count, (place + 1) * degree // count
        source, target = entries(self._lists.indices, row, indptr[row] + begin, end - begin)
        found = {"source": source, "target": target, **self._targets.draw(source, target, None, rng)}
        return Batch(**{name: torch.from_numpy(array) for name, array in found.items()})

    @property
    def _visits_a_batch(self) -> int:
        return max(1, round(self.batch_size * len(self._row) / max(1, len(self._lists.indices))))

    @cached_property
    def _lists(self) -> CSR:
        return self.graph.adjacency("out")

    @cached_property
    def _first(self) -> np.ndarray:
        """[N + 1] the first visit to each node."""
        return np.append(0, np.cumsum(-(-self._lists.degree // VISIT)))

    @cached_property
    def _row(self) -> np.ndarray:
        """[V] the node of each visit."""
        return np.repeat(np.arange(self.graph.num_nodes, dtype=np.int32), np.diff(self._first))

    @cached_property
    def _targets(self) -> Targets:
        direction = "in" if self.graph.directed else "both"
        return Targets(self.graph, self.negatives, direction, self._frequency)

    def _frequency(self) -> np.ndarray:
        """[N] how often each node is the target of an example."""
        return self.graph.adjacency("in").degree.astype(np.float64)
