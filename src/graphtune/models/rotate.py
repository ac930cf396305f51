"""RotatE (Sun et al., 2019): a relation turns the head's complex coordinates into the tail's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graphtune.check import bad
from graphtune.config import TrainConfig
from graphtune.graph import Graph
from graphtune.kernels.own import MODULUS, Own
from graphtune.models.base import Model, check_recipe
from graphtune.models.chance import generator
from graphtune.models.distance import modulus_cross
from graphtune.models.knowledge import check_loss, distance_training, triple_model, triple_pretraining
from graphtune.models.own import scores_by_kernel
from graphtune.models.scorer import Scorer
from graphtune.sampling import Negatives, Sampler


class RotatEScorer(Scorer):
    """-sum_d |h_d e^(i r_d) - t_d| (equation 4). Vectors hold D/2 real parts, then D/2 imaginary ones.

    Args:
        num_relations: R; relation r + R is r read backwards.
        dim: D, reals per entity; a relation is D/2 phases.
        seed: of the start.
    """

    reads_relations = True

    def __init__(self, num_relations: int, dim: int, seed: int = 0):
        super().__init__()
        phase = torch.empty(2 * num_relations, dim // 2)
        self.phase = nn.Parameter(phase.uniform_(-torch.pi, torch.pi, generator=generator(seed + 1)))

    def query(self, z: Tensor, relation: Tensor | None = None) -> Tensor:
        assert relation is not None
        (a, b), phase = z.chunk(2, -1), F.embedding(relation, self.phase)
        cos, sin = phase.cos(), phase.sin()
        return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)

    def pair(self, query: Tensor, key: Tensor) -> Tensor:
        real, imaginary = (query - key).chunk(2, -1)
        return -torch.sqrt(real.square() + imaginary.square() + 1e-12).sum(-1)

    def cross(self, query: Tensor, key: Tensor) -> Tensor:
        return -modulus_cross(query, key)

    def own(self, query: Tensor, key: Tensor, own: Own) -> Tensor:
        if query.device.type != "cpu":
            return super().own(query, key, own)
        return -scores_by_kernel(MODULUS, query, key, own)

    def backwards(self, rows: Tensor) -> Tensor:
        return -rows

    @property
    def relation_names(self) -> tuple[str, ...]:
        return ("phase",)


@dataclass(frozen=True)
class RotatE:
    """RotatE with reciprocal relations.

    Attributes:
        dim: D, reals per entity (D/2 complex numbers).
        loss: "self-adversarial", "one-vs-all", "k-vs-all" or "k-vs-all-bce".
        negatives: shared by the batch, less those known to be true, for "self-adversarial".
        margin: distance at which a triple is as likely as not, for "self-adversarial".
    """

    dim: int = 200
    loss: str = "self-adversarial"
    negatives: int = 256
    margin: float = 5.0

    def __post_init__(self) -> None:
        check_recipe(self, dim=2, negatives=1, margin=0.0)
        check_loss(self)
        if self.dim % 2:
            raise bad("dim", "RotatE", "even: half real, half imaginary parts", self.dim)

    def build(self, graph: Graph, seed: int = 0) -> Model:
        return triple_model(self, RotatEScorer(graph.num_relations, self.dim, seed=seed), graph, 0.1, seed)

    def training(self) -> TrainConfig:
        return distance_training(self.loss)

    def pretraining(self, graph: Graph, config: TrainConfig) -> tuple[Sampler, Any]:
        return triple_pretraining(graph, config, self.loss, Negatives(self.negatives, unknown=True), self.margin)
