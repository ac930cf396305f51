"""Random starts."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt

import torch
from torch import Tensor, nn

from graphtune.check import one_of
from graphtune.models.base import Model, generator
from graphtune.models.rotate import RotatEScorer
from graphtune.start.report import StartReport

Draw = Callable[[Tensor, torch.Generator], Tensor]
DRAWS: dict[str, Draw] = {
    "xavier": lambda matrix, random: nn.init.xavier_uniform_(matrix, generator=random),
    "normal": lambda matrix, random: nn.init.normal_(matrix, std=1 / sqrt(matrix.shape[1]), generator=random),
    "orthogonal": lambda matrix, random: nn.init.orthogonal_(matrix, generator=random),
}


@torch.no_grad()
def randomise(model: Model, how: str, seed: int = 0) -> StartReport:
    """Draw the tables and matrices of a model's encoder and scorer anew.

    Biases, scales and heads stay as they are, and so do RotatE's relations, which are angles.

    Args:
        model: changed in place.
        how: "xavier" (uniform: Glorot & Bengio, 2010), "normal" (rows of length 1 on average) or "orthogonal"
            (orthonormal columns: Saxe et al., 2014).
        seed: of the draws; the generator is this call's own.

    Raises:
        ArgumentError: `how` is none of the three.
    """
    one_of("how", "randomise", how, DRAWS)
    random = generator(seed)
    angles = {"scorer.phase"} if isinstance(model.scorer, RotatEScorer) else set()
    for name, parameter in model.named_parameters():
        if name.startswith(("encoder.", "scorer.")) and parameter.ndim > 1 and name not in angles:
            matrix = torch.empty(parameter.numel() // parameter.shape[-1], parameter.shape[-1])
            parameter.copy_(DRAWS[how](matrix, random).view_as(parameter))
    return StartReport(0, new=model.graph.num_nodes if model.table_parameters() else 0)
