"""TransE (Bordes et al., 2013): a relation is a step from head to tail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from graphtune.check import one_of
from graphtune.config import TrainConfig
from graphtune.graph import Graph
from graphtune.kernels.own import EUCLID, TAXICAB, Own
from graphtune.models.base import Model, check_recipe
from graphtune.models.distance import euclid_cross, taxicab_cross
from graphtune.models.knowledge import check_loss, distance_training, relation_rows, triple_model, triple_pretraining
from graphtune.models.own import scores_by_kernel
from graphtune.models.scorer import Scorer
from graphtune.sampling import Negatives, Sampler


class TransEScorer(Scorer):
    """-|h + r - t| in the 1- or 2-norm.

    Args:
        num_relations: R; relation r + R is r read backwards.
        dim: D.
        norm: 1 or 2.
        scale: standard deviation of the starting rows.
        seed: of the start.
    """

    reads_relations = True

    def __init__(self, num_relations: int, dim: int, norm: int = 1, scale: float = 0.1, seed: int = 0):
        super().__init__()
        self.norm = norm
        self.relation = relation_rows(num_relations, dim, scale, seed)

    def query(self, z: Tensor, relation: Tensor | None = None) -> Tensor:
        assert relation is not None
        return z + F.embedding(relation, self.relation)

    def pair(self, query: Tensor, key: Tensor) -> Tensor:
        return -torch.linalg.vector_norm(query - key, ord=self.norm, dim=-1)

    def cross(self, query: Tensor, key: Tensor) -> Tensor:
        return -(taxicab_cross if self.norm == 1 else euclid_cross)(query, key)

    def own(self, query: Tensor, key: Tensor, own: Own) -> Tensor:
        if query.device.type != "cpu":
            return super().own(query, key, own)
        return -scores_by_kernel(TAXICAB if self.norm == 1 else EUCLID, query, key, own)

    def backwards(self, rows: Tensor) -> Tensor:
        return -rows

    @property
    def relation_names(self) -> tuple[str, ...]:
        return ("relation",)


@dataclass(frozen=True)
class TransE:
    """TransE with reciprocal relations.

    Attributes:
        dim: D.
        norm: 1 or 2.
        loss: "self-adversarial", "one-vs-all", "k-vs-all" or "k-vs-all-bce".
        negatives: shared by the batch, less those known to be true, for "self-adversarial".
        margin: distance at which a triple is as likely as not, for "self-adversarial".
    """

    dim: int = 200
    norm: int = 1
    loss: str = "self-adversarial"
    negatives: int = 256
    margin: float = 5.0

    def __post_init__(self) -> None:
        check_recipe(self, dim=1, negatives=1, margin=0.0)
        check_loss(self)
        one_of("norm", "TransE", self.norm, (1, 2))

    def build(self, graph: Graph, seed: int = 0) -> Model:
        scorer = TransEScorer(graph.num_relations, self.dim, self.norm, seed=seed)
        return triple_model(self, scorer, graph, 0.1, seed)

    def training(self) -> TrainConfig:
        return distance_training(self.loss)

    def pretraining(self, graph: Graph, config: TrainConfig) -> tuple[Sampler, Any]:
        return triple_pretraining(graph, config, self.loss, Negatives(self.negatives, unknown=True), self.margin)
