"""Edges left out of a training step, both directions of an edge together. N nodes, M entries of an edge list."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


class EdgeDropout:
    """Which entries of an edge list with both directions of its edges stay in a step.

    Args:
        source: [M] int64.
        target: [M] int64.
        num_nodes: N.
    """

    def __init__(self, source: Tensor, target: Tensor, num_nodes: int):
        pair = torch.minimum(source, target) * num_nodes + torch.maximum(source, target)
        names, self.edge = torch.unique(pair, return_inverse=True)
        self.num_edges = len(names)

    def keep(self, share: float, seed: int, step: int, *stream: int) -> Tensor:
        """[M] bool: each edge stays with chance 1 - share, drawn from the seed, the step and the stream alone."""
        return stays(self.num_edges, share, self.edge.device, seed, step, *stream)[self.edge]


def stays(count: int, share: float, device: torch.device, *numbers: int) -> Tensor:
    """[count] bool: each is true with chance 1 - share, drawn from the numbers alone."""
    return torch.rand(count, generator=drawn_from(device, *numbers), device=device) >= share


def drawn_from(device: torch.device, *numbers: int) -> torch.Generator:
    """A generator on the device that is up to the numbers alone."""
    mixed = np.random.SeedSequence(list(numbers)).generate_state(1, np.uint64)[0]
    return torch.Generator(device).manual_seed(int(mixed))
