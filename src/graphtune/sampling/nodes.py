"""Batches of labelled nodes. n nodes, C classes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from graphtune.batch import Batch


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

    def batches(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.nodes))
        single = self.label.ndim == 1 and self.label.dtype.kind == "i"
        label = torch.as_tensor(self.label.astype(np.int64 if single else np.float32))
        weight = None if self.weight is None else torch.as_tensor(self.weight, dtype=torch.float32)
        for begin in range(first * self.batch_size, len(order), self.batch_size):
            which = torch.from_numpy(order[begin : begin + self.batch_size])
            yield Batch(
                source=torch.as_tensor(self.nodes)[which],
                label=label[which],
                weight=None if weight is None else weight[which],
            )
