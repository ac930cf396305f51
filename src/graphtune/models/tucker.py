"""TuckER (Balazevic et al., 2019): one core tensor, of which a relation's vector makes the matrix between two nodes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graphtune.check import chance
from graphtune.config import TrainConfig
from graphtune.graph import Graph
from graphtune.models.base import Model, check_recipe
from graphtune.models.chance import generator
from graphtune.models.knowledge import check_loss, relation_rows, triple_model, triple_pretraining
from graphtune.models.norm import BatchNorm
from graphtune.models.rescal import times_matrices
from graphtune.models.scorer import Scorer
from graphtune.sampling import Negatives, Sampler


class TuckERScorer(Scorer):
    """W x_1 h x_2 r x_3 t = sum_ijk W_jik h_i r_j t_k (equation 2), the core W held as [P, D, D].

    Batch norm and dropout are where the authors' code has them; the middle dropout acts on the matrices r W, one a
    relation of the batch. No vector of a relation reads another one backwards, as the core is not symmetric.

    Args:
        num_relations: R; relation r + R is r read backwards.
        recipe: dim is D, relation_dim P.
        seed: of the start.
    """

    reads_relations = True

    def __init__(self, num_relations: int, recipe: TuckER, seed: int = 0):
        super().__init__()
        self.recipe = recipe
        self.relation = relation_rows(num_relations, recipe.relation_dim, 0.1, seed)
        core = torch.empty(recipe.relation_dim, recipe.dim, recipe.dim)
        self.core = nn.Parameter(core.uniform_(-1.0, 1.0, generator=generator(seed + 2)))
        self.before = BatchNorm(recipe.dim) if recipe.batch_norm else nn.Identity()
        self.after = BatchNorm(recipe.dim) if recipe.batch_norm else nn.Identity()

    def query(self, z: Tensor, relation: Tensor | None = None) -> Tensor:
        assert relation is not None
        head = F.dropout(self.before(z), self.recipe.input_dropout, self.training)
        product = times_matrices(head, relation, self._matrices)
        return F.dropout(self.after(product), self.recipe.hidden_dropout, self.training)

    def backwards(self, rows: Tensor) -> None:
        return None

    @property
    def relation_names(self) -> tuple[str, ...]:
        return ("relation",)

    def _matrices(self, relation: Tensor) -> Tensor:
        """[U] -> [U, D, D]."""
        matrices = F.embedding(relation, self.relation) @ self.core.flatten(1)
        dropped = F.dropout(matrices, self.recipe.relation_dropout, self.training)
        return dropped.unflatten(-1, self.core.shape[1:])


@dataclass(frozen=True)
class TuckER:
    """TuckER with reciprocal relations. The paper has `dim=200`, and `relation_dim=200` on FB15k-237, 30 on WN18RR.

    Attributes:
        dim: D, of entities.
        relation_dim: P, of relations; the core has P x D x D numbers.
        input_dropout, relation_dropout, hidden_dropout: on heads, on the matrices of relations, on their products.
        batch_norm: of heads and of products. Where a step is made in parts, of each part.
        loss: "k-vs-all", "k-vs-all-bce", "one-vs-all" or "self-adversarial"; with the first two batches count queries.
        label_smoothing: share of the right entity's weight spread over all, not for "self-adversarial".
        negatives: shared by the batch, for "self-adversarial".
    """

    dim: int = 100
    relation_dim: int = 30
    input_dropout: float = 0.3
    relation_dropout: float = 0.4
    hidden_dropout: float = 0.5
    batch_norm: bool = True
    loss: str = "one-vs-all"
    label_smoothing: float = 0.1
    negatives: int = 256

    def __post_init__(self) -> None:
        check_recipe(self, dim=1, relation_dim=1, negatives=1)
        check_loss(self)
        for name in ("input_dropout", "relation_dropout", "hidden_dropout", "label_smoothing"):
            chance(name, "TuckER", getattr(self, name))

    def build(self, graph: Graph, seed: int = 0) -> Model:
        return triple_model(self, TuckERScorer(graph.num_relations, self, seed), graph, 0.1, seed)

    def training(self) -> TrainConfig:
        return TrainConfig(epochs=50, batch_size=512, lr=0.01, schedule="cosine", eval_every=5, patience=6)

    def pretraining(self, graph: Graph, config: TrainConfig) -> tuple[Sampler, Any]:
        options = Negatives(self.negatives), 0.0, self.label_smoothing
        return triple_pretraining(graph, config, self.loss, *options)
