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

    def keep(self, share: float, seed: int, step: int) -> Tensor:
        """[M] bool: each edge stays with chance 1 - share, drawn from the seed and the step alone."""
        mixed = np.random.SeedSequence([seed, step]).generate_state(1, np.uint64)[0]
        generator = torch.Generator(self.edge.device).manual_seed(int(mixed))
        stays = torch.rand(self.num_edges, generator=generator, device=self.edge.device) >= share
        return stays[self.edge]
