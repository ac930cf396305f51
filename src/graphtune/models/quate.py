"""QuatE (Zhang et al., 2019): a relation turns the head's quaternions, of four reals each, towards the tail's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from graphtune.check import bad
from graphtune.config import TrainConfig
from graphtune.graph import Graph
from graphtune.models.base import Model, check_recipe
from graphtune.models.knowledge import bilinear_training, check_loss, relation_rows, triple_model, triple_pretraining
from graphtune.models.scorer import Scorer
from graphtune.sampling import Negatives, Sampler


class QuatEScorer(Scorer):
    """(h x r / |r|) . t with Hamilton's product x of quaternions (equations 6 to 8).

    Vectors hold D/4 real parts, then as many of i, of j and of k. As each quaternion of a relation is divided by its
    length, penalties leave relations alone.

    Args:
        num_relations: R; relation r + R is r read backwards.
        dim: D, reals per entity.
        seed: of the start.
    """

    reads_relations = True

    def __init__(self, num_relations: int, dim: int, seed: int = 0):
        super().__init__()
        self.rotation = relation_rows(num_relations, dim, 1.0, seed)

    def query(self, z: Tensor, relation: Tensor | None = None) -> Tensor:
        assert relation is not None
        r = F.normalize(F.embedding(relation, self.rotation).unflatten(-1, (4, -1)), dim=-2)
        (a, b, c, d), (e, f, g, h) = z.chunk(4, -1), r.unbind(-2)
        real, i = a * e - b * f - c * g - d * h, a * f + b * e + c * h - d * g
        j, k = a * g - b * h + c * e + d * f, a * h + b * g - c * f + d * e
        return torch.cat([real, i, j, k], dim=-1)

    def modulus(self, rows: Tensor) -> Tensor:
        return torch.sqrt(rows.unflatten(-1, (4, -1)).square().sum(-2) + 1e-30)

    def backwards(self, rows: Tensor) -> Tensor:
        real, imaginary = rows.tensor_split((rows.shape[-1] // 4,), -1)
        return torch.cat([real, -imaginary], dim=-1)

    @property
    def relation_names(self) -> tuple[str, ...]:
        return ("rotation",)


@dataclass(frozen=True)
class QuatE:
    """QuatE with reciprocal relations.

    Attributes:
        dim: D, reals per entity (D/4 quaternions).
        loss: "k-vs-all", "k-vs-all-bce", "one-vs-all" or "self-adversarial"; with the first two batches count queries.
        negatives: shared by the batch, for "self-adversarial".
    """

    dim: int = 200
    loss: str = "k-vs-all"
    negatives: int = 256

    def __post_init__(self) -> None:
        check_recipe(self, dim=4, negatives=1)
        check_loss(self)
        if self.dim % 4:
            raise bad("dim", "QuatE", "divisible by 4, the reals of a quaternion", self.dim)

    def build(self, graph: Graph, seed: int = 0) -> Model:
        return triple_model(self, QuatEScorer(graph.num_relations, self.dim, seed=seed), graph, 1e-3, seed)

    def training(self) -> TrainConfig:
        return bilinear_training()

    def pretraining(self, graph: Graph, config: TrainConfig) -> tuple[Sampler, Any]:
        return triple_pretraining(graph, config, self.loss, Negatives(self.negatives), margin=0.0)
