"""Adapters (Houlsby et al., 2019): small layers put behind those of a pretrained encoder, which is frozen."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Adapter(nn.Module):
    """x -> x + U relu(V x + b) + c, a bottleneck of `width`. U and c start at zero, so that the start changes nothing.

    Args:
        dim: of x.
        width: rows of V.
        seed: of V's start.
    """

    def __init__(self, dim: int, width: int, seed: int = 0):
        super().__init__()
        self.width = width
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.down = nn.Linear(dim, width)
            self.up = nn.Linear(width, dim)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, x: Tensor) -> Tensor:
        """[n, dim] -> [n, dim]."""
        return x + self.up(F.relu(self.down(x)))


def freeze_all_but_adapters(module: nn.Module) -> None:
    """Let the weights of a module ask for no gradient, but for those of its adapters."""
    module.requires_grad_(False)
    for part in module.modules():
        if isinstance(part, Adapter):
            part.requires_grad_(True)
