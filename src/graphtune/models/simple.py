"""SimplE (Kazemi & Poole, 2018): CP read forwards and backwards, so a node's vector as a head knows that as a tail."""

from __future__ import annotations

from dataclasses import dataclass, replace
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


class SimplEScorer(Scorer):
    """(<h_u, v_r, t_v> + <h_v, v'_r, t_u>) / 2 (section 4). A node's vector is h, then t; a relation's v, then v'.

    Args:
        num_relations: R; relation r + R is r read backwards.
        dim: D, of both halves together.
        scale: standard deviation of the starting rows.
        seed: of the start.
    """

    reads_relations = True

    def __init__(self, num_relations: int, dim: int, scale: float = 1e-3, seed: int = 0):
        super().__init__()
        self.relation = relation_rows(num_relations, dim, scale, seed)

    def query(self, z: Tensor, relation: Tensor | None = None) -> Tensor:
        assert relation is not None
        return 0.5 * z * F.embedding(relation, self.relation)

    def key(self, z: Tensor, nodes: Tensor | None = None) -> Tensor:
        return swap_halves(z)

    def backwards(self, rows: Tensor) -> Tensor:
        return swap_halves(rows)

    @property
    def relation_names(self) -> tuple[str, ...]:
        return ("relation",)


def swap_halves(rows: Tensor) -> Tensor:
    """[..., D] with the last D/2 numbers before the first."""
    first, second = rows.chunk(2, -1)
    return torch.cat([second, first], dim=-1)


@dataclass(frozen=True)
class SimplE:
    """SimplE with reciprocal relations.

    Attributes:
        dim: D, numbers an entity: D/2 as a head, D/2 as a tail.
        loss: "k-vs-all", "k-vs-all-bce", "one-vs-all" or "self-adversarial"; with the first two batches count queries.
        negatives: shared by the batch, for "self-adversarial".
    """

    dim: int = 200
    loss: str = "k-vs-all"
    negatives: int = 256

    def __post_init__(self) -> None:
        check_recipe(self, dim=2, negatives=1)
        check_loss(self)
        if self.dim % 2:
            raise bad("dim", "SimplE", "even: half for heads, half for tails", self.dim)

    def build(self, graph: Graph, seed: int = 0) -> Model:
        return triple_model(self, SimplEScorer(graph.num_relations, self.dim, seed=seed), graph, 1e-3, seed)

    def training(self) -> TrainConfig:
        return replace(bilinear_training(), n3=0.005)  # a score is half as large as its rows make it in ComplEx

    def pretraining(self, graph: Graph, config: TrainConfig) -> tuple[Sampler, Any]:
        return triple_pretraining(graph, config, self.loss, Negatives(self.negatives), margin=0.0)
