"""Random starts."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from graphtune.check import one_of
from graphtune.models.base import Model
from graphtune.models.chance import generator
from graphtune.models.conve import ConvEScorer
from graphtune.models.rotate import RotatEScorer
from graphtune.start.report import StartReport


def _xavier(matrix: Tensor, random: torch.Generator) -> Tensor:
    return nn.init.xavier_uniform_(matrix, generator=random)


def _normal(matrix: Tensor, random: torch.Generator) -> Tensor:
    return matrix.normal_(std=1 / sqrt(matrix.shape[1]), generator=random)


def _orthogonal(matrix: Tensor, random: torch.Generator) -> Tensor:
    """Q of a normal matrix, on one thread: the same bits on any number of processors."""
    high = matrix.shape[0] >= matrix.shape[1]
    normal = matrix.normal_(generator=random).numpy()
    with threadpool_limits(1):
        q, r = np.linalg.qr(normal if high else normal.T)
    q *= np.sign(np.diagonal(r))
    return torch.from_numpy(q if high else q.T)


DRAWS: dict[str, Callable[[Tensor, torch.Generator], Tensor]] = {
    "xavier": _xavier,
    "normal": _normal,
    "orthogonal": _orthogonal,
}
KEPT = {RotatEScorer: "scorer.phase", ConvEScorer: "scorer.bias.weight"}


@torch.no_grad()
def randomise(model: Model, how: str, seed: int = 0) -> StartReport:
    """Draw the tables and matrices of a model's encoder and scorer anew.

    Biases (also ConvE's, one an entity), scales and heads stay as they are, and so do RotatE's relations, which are
    angles.

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
    kept = KEPT.get(type(model.scorer))
    for name, parameter in model.named_parameters():
        if name.startswith(("encoder.", "scorer.")) and parameter.ndim > 1 and name != kept:
            matrix = torch.empty(parameter.numel() // parameter.shape[-1], parameter.shape[-1])
            parameter.copy_(DRAWS[how](matrix, random).reshape(parameter.shape))
    return StartReport(0, new=model.graph.num_nodes if model.table_parameters() else 0)
