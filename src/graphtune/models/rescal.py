"""RESCAL (Nickel et al., 2011): a matrix a relation, so that any two coordinates of head and tail meet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from graphtune.config import TrainConfig
from graphtune.graph import Graph
from graphtune.models.base import Model, check_recipe
from graphtune.models.knowledge import bilinear_training, check_loss, relation_rows, triple_model, triple_pretraining
from graphtune.models.scorer import Scorer
from graphtune.sampling import Negatives, Sampler


def times_matrices(z: Tensor, relation: Tensor, matrices: Callable[[Tensor], Tensor]) -> Tensor:
    """[n, D] rows z_i M_i, where M_i is the matrix of relation i.

    Rows of a relation are multiplied together: a matrix is made once, not once a row.

    Args:
        z: [n, D].
        relation: [n].
        matrices: [U] different relations -> [U, D, D].
    """
    present, group = relation.unique(return_inverse=True)
    order = group.argsort(stable=True)
    blocks = z.index_select(0, order).split(group.bincount(minlength=len(present)).tolist())
    products = [block @ matrix for block, matrix in zip(blocks, matrices(present).unbind())]
    return torch.cat([z[:0], *products]).index_select(0, order.argsort())


class RESCALScorer(Scorer):
    """h^T M_r t (equation 1, entry by entry).

    Penalties act on entities alone, as they would need a matrix for each triple of a batch; `weight_decay` acts on the
    matrices.

    Args:
        num_relations: R; relation r + R is r read backwards.
        dim: D; a relation is the D x D numbers of M_r, row by row.
        scale: standard deviation of the starting matrices.
        seed: of the start.
    """

    reads_relations = True

    def __init__(self, num_relations: int, dim: int, scale: float = 1e-3, seed: int = 0):
        super().__init__()
        self.dim = dim
        self.matrix = relation_rows(num_relations, dim * dim, scale, seed)

    def query(self, z: Tensor, relation: Tensor | None = None) -> Tensor:
        assert relation is not None
        return times_matrices(z, relation, self._matrices)

    def backwards(self, rows: Tensor) -> Tensor:
        return rows.unflatten(-1, (self.dim, self.dim)).mT.flatten(-2)

    @property
    def relation_names(self) -> tuple[str, ...]:
        return ("matrix",)

    def _matrices(self, relation: Tensor) -> Tensor:
        """[U] -> [U, D, D]."""
        return F.embedding(relation, self.matrix).unflatten(-1, (self.dim, self.dim))


@dataclass(frozen=True)
class RESCAL:
    """RESCAL with reciprocal relations.

    Attributes:
        dim: D; a relation has D x D numbers.
        loss: "k-vs-all", "k-vs-all-bce", "one-vs-all" or "self-adversarial"; with the first two batches count queries.
        negatives: shared by the batch, for "self-adversarial".
    """

    dim: int = 100
    loss: str = "k-vs-all"
    negatives: int = 256

    def __post_init__(self) -> None:
        check_recipe(self, dim=1, negatives=1)
        check_loss(self)

    def build(self, graph: Graph, seed: int = 0) -> Model:
        return triple_model(self, RESCALScorer(graph.num_relations, self.dim, seed=seed), graph, 1e-3, seed)

    def training(self) -> TrainConfig:
        return bilinear_training()

    def pretraining(self, graph: Graph, config: TrainConfig) -> tuple[Sampler, Any]:
        return triple_pretraining(graph, config, self.loss, Negatives(self.negatives), margin=0.0)
