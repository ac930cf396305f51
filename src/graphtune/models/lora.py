"""LoRA (Hu et al., 2021): matrices that learn through two thin factors, W + (alpha / rank) B A."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from graphtune.check import bad, matching


class LowRank(nn.Module):
    """W -> W + (alpha / rank) B A. B starts at zero, so that the start is W.

    Args:
        weight: W, [O, I].
        rank: of the product.
        alpha: scales it.
        generator: draws A, uniform in +-1 / sqrt(I) as Hu et al. do.
    """

    def __init__(self, weight: Tensor, rank: int, alpha: float, generator: torch.Generator):
        super().__init__()
        outputs, inputs = weight.shape
        bound = 1 / math.sqrt(inputs)
        down = torch.empty(rank, inputs).uniform_(-bound, bound, generator=generator)
        self.down = nn.Parameter(down.to(weight.device))  # A
        self.up = nn.Parameter(torch.zeros(outputs, rank, device=weight.device))  # B
        self.scale = alpha / rank

    def forward(self, weight: Tensor) -> Tensor:
        with torch.autocast(weight.device.type, enabled=False):  # the sum is float32 when merged, so here too
            return weight + self.scale * (self.up @ self.down)


def linear_layers(module: nn.Module) -> dict[str, Any]:
    """The linear layers in a module, torch's and PyG's, by name."""
    from torch_geometric.nn import Linear

    return {name: layer for name, layer in module.named_modules() if isinstance(layer, nn.Linear | Linear)}


def attach(module: nn.Module, rank: int, alpha: float, targets: str, seed: int = 0) -> None:
    """Freeze a module, and put new factors on those of its linear layers whose names match; `merge` takes them off.

    Args:
        module: such as an encoder.
        rank: of the factors.
        alpha: the product counts alpha / rank times.
        targets: patterns of names, separated by commas.
        seed: of the factors' start.

    Raises:
        ArgumentError: the module has no linear layers, or a pattern matches none.
    """
    layers = linear_layers(module)
    if not layers:
        fix = "A table of embeddings learns row by row already."
        raise bad("lora_rank", "TrainConfig", "0 for an encoder without linear layers", rank, fix)
    chosen = matching("lora_targets", "TrainConfig", targets, layers)
    draws = torch.Generator().manual_seed(seed)
    module.requires_grad_(False)
    for name in sorted(chosen):
        layer = layers[name]
        factors = LowRank(layer.weight, rank, alpha, draws)
        parametrize.register_parametrization(layer, "weight", factors)
        layer.register_state_dict_post_hook(_leave_sum_out)


def merge(module: nn.Module) -> None:
    """Add every product to its matrix and take the factors off: the module computes what it did, bit for bit."""
    for layer in list(module.modules()):
        if parametrize.is_parametrized(layer, "weight"):
            parametrize.remove_parametrizations(layer, "weight")


def _leave_sum_out(layer: nn.Module, state: dict[str, Tensor], prefix: str, metadata: object) -> None:
    """PyG's linear layers save `weight` whatever it is; the sum is no weight of its own while factors are on."""
    if parametrize.is_parametrized(layer, "weight"):
        state.pop(f"{prefix}weight", None)
