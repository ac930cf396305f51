"""DistMult (Yang et al., 2015): a diagonal bilinear score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from graphtune.config import TrainConfig
from graphtune.graph import Graph
from graphtune.models.base import Model, check_recipe
from graphtune.models.fullsoftmax import Full
from graphtune.models.knowledge import bilinear_training, check_loss, relation_rows, triple_model, triple_pretraining
from graphtune.models.scorer import Scorer
from graphtune.objectives.queries import ROUNDING
from graphtune.sampling import Negatives, Sampler


class DistMultScorer(Scorer):
    """<h, r, t> = sum_d h_d r_d t_d (equation 3).

    Args:
        num_relations: R; relation r + R is r read backwards.
        dim: D.
        scale: standard deviation of the starting rows.
        seed: of the start.
    """

    reads_relations = True

    def __init__(self, num_relations: int, dim: int, scale: float = 1e-3, seed: int = 0):
        super().__init__()
        self.relation = relation_rows(num_relations, dim, scale, seed)

    def query(self, z: Tensor, relation: Tensor | None = None) -> Tensor:
        assert relation is not None
        return z * F.embedding(relation, self.relation)

    def relation_query(self, source: Tensor, key: Tensor) -> Tensor:
        return source * key

    @property
    def relation_names(self) -> tuple[str, ...]:
        return ("relation",)


@dataclass(frozen=True)
class DistMult:
    """DistMult with reciprocal relations.

    Attributes:
        dim: D.
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
        check_recipe(self, dim=1, negatives=1)
        check_loss(self)
        self._full.check("DistMult", self.loss)

    def build(self, graph: Graph, seed: int = 0) -> Model:
        return triple_model(self, DistMultScorer(graph.num_relations, self.dim, seed=seed), graph, 1e-3, seed)

    def training(self) -> TrainConfig:
        return bilinear_training()

    def pretraining(self, graph: Graph, config: TrainConfig) -> tuple[Sampler, Any]:
        negatives = Negatives(self.negatives)
        return triple_pretraining(graph, config, self.loss, negatives, margin=0.0, full=self._full)

    @property
    def _full(self) -> Full:
        return Full(self.relation_weight, self.rounding)
