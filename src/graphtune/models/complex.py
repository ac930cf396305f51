"""ComplEx (Trouillon et al., 2016): a bilinear score over complex vectors, so relations need not be symmetric."""

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
from graphtune.models.fullsoftmax import Full
from graphtune.models.knowledge import bilinear_training, check_loss, relation_rows, triple_model, triple_pretraining
from graphtune.models.scorer import Scorer
from graphtune.objectives.penalties import modulus
from graphtune.objectives.queries import ROUNDING
from graphtune.sampling import Negatives, Sampler


class ComplExScorer(Scorer):
    """Re <h, r, conj(t)> (equation 9). Vectors hold D/2 real parts, then D/2 imaginary ones.

    Args:
        num_relations: R; relation r + R is r read backwards.
        dim: D, reals per entity.
        scale: standard deviation of the starting rows.
        seed: of the start.
    """

    reads_relations = True

    def __init__(self, num_relations: int, dim: int, scale: float = 1e-3, seed: int = 0):
        super().__init__()
        self.relation = relation_rows(num_relations, dim, scale, seed)

    def query(self, z: Tensor, relation: Tensor | None = None) -> Tensor:
        assert relation is not None
        (a, b), (c, d) = z.chunk(2, -1), F.embedding(relation, self.relation).chunk(2, -1)
        return torch.cat([a * c - b * d, a * d + b * c], dim=-1)

    def relation_query(self, source: Tensor, key: Tensor) -> Tensor:
        (a, b), (c, d) = source.chunk(2, -1), key.chunk(2, -1)
        return torch.cat([a * c + b * d, a * d - b * c], dim=-1)

    def modulus(self, rows: Tensor) -> Tensor:
        return modulus(rows)

    def backwards(self, rows: Tensor) -> Tensor:
        real, imaginary = rows.chunk(2, -1)
        return torch.cat([real, -imaginary], dim=-1)

    @property
    def relation_names(self) -> tuple[str, ...]:
        return ("relation",)


@dataclass(frozen=True)
class ComplEx:
    """ComplEx with reciprocal relations, as Lacroix et al. (2018) train it.

    Attributes:
        dim: D, reals per entity (D/2 complex numbers).
        loss: "k-vs-all" (`KvsAll`), "k-vs-all-bce" (`KvsAllBCE`), "one-vs-all" or "self-adversarial". With the first
            two the batch size counts queries.
        negatives: shared by the batch, for "self-adversarial".
        relation_weight: of relation prediction, for all but "self-adversarial".
        rounding: of the gradient, for "k-vs-all".
    """

    dim: int = 200
    loss: str = "k-vs-all"
    negatives: int = 256
    relation_weight: float = 0.0
    rounding: float = ROUNDING

    def __post_init__(self) -> None:
        check_recipe(self, dim=2, negatives=1)
        check_loss(self)
        self._full.check("ComplEx", self.loss)
        if self.dim % 2:
            raise bad("dim", "ComplEx", "even: half real, half imaginary parts", self.dim)

    def build(self, graph: Graph, seed: int = 0) -> Model:
        return triple_model(self, ComplExScorer(graph.num_relations, self.dim, seed=seed), graph, 1e-3, seed)

    def training(self) -> TrainConfig:
        return bilinear_training()

    def pretraining(self, graph: Graph, config: TrainConfig) -> tuple[Sampler, Any]:
        negatives = Negatives(self.negatives)
        return triple_pretraining(graph, config, self.loss, negatives, margin=0.0, full=self._full)

    @property
    def _full(self) -> Full:
        return Full(self.relation_weight, self.rounding)
