"""XSimGCL (Yu et al., 2023): what noise in the propagation must not change. N nodes, B examples, D dim."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from graphtune.batch import Batch
from graphtune.kernels.perturb import perturbed
from graphtune.models.propagation import SymmetricProduct
from graphtune.objectives import Losses, Objective


class Perturbed(torch.autograd.Function):
    """Rows with noise of a length; the gradient passes as it is."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, length: float, seed: int) -> Tensor:
        held = rows.detach().float().contiguous()
        return torch.from_numpy(perturbed(held.cpu().numpy(), length, seed)).to(rows)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        return grads[0], None, None


@dataclass(frozen=True)
class Contrasted:
    """An objective on embeddings of a noisy propagation, plus a contrast of these with those after one layer.

    The contrast is InfoNCE of cosines among the users of the batch and among its items, each once: the mean over them
    of -log of the share of exp(cos(z_u, x_u) / temperature) in the sum over all of them, for z the embedding and x the
    row after the first layer. It is added to every example. The noise is a function of the batch, so a run that goes on
    draws the same. Needs what `objective` needs, and a `Propagation` encoder.

    Attributes:
        objective: of pairs, such as `BPR`; sees the noisy embeddings.
        weight: of the contrast.
        temperature: of the contrast.
        noise: length of what is added to each row after each layer.
    """

    objective: Objective
    weight: float
    temperature: float
    noise: float
    reads_all = True

    def __call__(self, model: Any, batch: Batch) -> Losses:
        assert batch.target is not None
        layers = noisy_layers(model.encoder, self.noise, chance_of(batch))
        z = sum(layers[1:], layers[0]) / len(layers)
        losses = self.objective(_Seen(model, z), batch)
        sides = (info_nce(z, layers[1], nodes.unique(), self.temperature) for nodes in (batch.source, batch.target))
        return losses._replace(values=losses.values + self.weight * sum(sides))


def noisy_layers(encoder: Any, noise: float, seed: int) -> list[Tensor]:
    """[N, D] of the table and after each layer of a `Propagation`, with noise of this length in each."""
    matrix = encoder.matrix if encoder.seen is None or not encoder.training else encoder.seen
    layers = [encoder.table()]
    for number in range(encoder.layers):
        layers.append(Perturbed.apply(SymmetricProduct.apply(matrix, layers[-1]), noise, seed + number))
    return layers


def info_nce(z: Tensor, other: Tensor, nodes: Tensor, temperature: float) -> Tensor:
    """The mean over `nodes` [n] of -log of the share of the own pair among cosines of z with `other`, both [N, D]."""
    first, second = (F.normalize(F.embedding(nodes, side), dim=-1) for side in (z, other))
    cosines = first @ second.T / temperature
    return F.cross_entropy(cosines, torch.arange(len(nodes), device=z.device))


def chance_of(batch: Batch) -> int:
    """A number of the examples of a batch."""
    assert batch.target is not None
    return int((batch.source * 1_000_003 + batch.target * torch.arange(1, len(batch) + 1).to(batch.source)).sum())


class _Seen:
    """A model whose embeddings are those given."""

    def __init__(self, model: Any, z: Tensor):
        self.model, self.scorer, self.z = model, model.scorer, z

    def rows(self, *nodes: Tensor) -> list[Tensor]:
        return [self.model.drop(F.embedding(n, self.z)) for n in nodes]

    def rows_and_all(self, nodes: Tensor) -> tuple[Tensor, Tensor]:
        return self.model.drop(F.embedding(nodes, self.z)), self.model.drop(self.z)
