"""LightGCN (He et al., 2020): embeddings averaged over layers of plain neighbourhood propagation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from graphtune.check import integer, one_of
from graphtune.config import TrainConfig
from graphtune.graph import Graph
from graphtune.models.base import Encoder, Model, check_recipe
from graphtune.models.bprmf import pair_pretraining
from graphtune.models.edgedrop import EdgeDropout
from graphtune.models.lookup import Dot, Lookup
from graphtune.models.propagation import SymmetricProduct, normalised_adjacency, to_torch_csr, with_values
from graphtune.sampling import EdgeSampler, Negatives


class Propagation(Encoder):
    """Mean over k = 0..layers of A^k x with A = D^-1/2 A D^-1/2 (equations 3 and 4); x is a table.

    Args:
        graph: propagated over in both directions.
        dim: D.
        layers: the number of products.
        seed: of the start.
    """

    matrix: Tensor

    def __init__(self, graph: Graph, dim: int, layers: int, seed: int = 0):
        super().__init__()
        self.num_nodes, self.dim, self.layers = graph.num_nodes, dim, layers
        self.table = Lookup(graph.num_nodes, dim, scale=0.1, seed=seed)
        self.register_buffer("matrix", to_torch_csr(normalised_adjacency(graph)), persistent=False)
        self.dropout: EdgeDropout | None = None
        self.thinned: Tensor | None = None

    def forward(self, nodes: Tensor | None = None) -> Tensor:
        matrix = self.matrix if self.thinned is None or not self.training else self.thinned
        x = total = self.table()
        for _ in range(self.layers):
            x = SymmetricProduct.apply(matrix, x)
            total = total + x
        total = total / (self.layers + 1)
        return total if nodes is None else F.embedding(nodes, total)

    def drop_edges(self, share: float, seed: int, step: int) -> None:
        """The entries of edges that stay are scaled by 1 / (1 - share), so that products keep their mean."""
        if not share:
            self.thinned = None
            return
        if self.dropout is None or self.dropout.edge.device != self.matrix.device:
            row = torch.repeat_interleave(self.matrix.crow_indices().diff())
            self.dropout = EdgeDropout(row, self.matrix.col_indices(), self.num_nodes)
        stays = self.dropout.keep(share, seed, step)
        self.thinned = with_values(self.matrix, self.matrix.values() * stays / (1 - share))

    @property
    def table_names(self) -> tuple[str, ...]:
        return ("table.weight",)


@dataclass(frozen=True)
class LightGCN:
    """LightGCN on user-item events, or on any graph without relations.

    Attributes:
        dim: D.
        layers: propagation layers.
        loss: "bpr", "softmax" (sampled, negatives shared by the batch) or "full-softmax".
        negatives: per example for "bpr", per batch for "softmax".
    """

    dim: int = 64
    layers: int = 3
    loss: str = "bpr"
    negatives: int = 1

    def __post_init__(self) -> None:
        check_recipe(self, dim=1, layers=0, negatives=1)
        one_of("loss", "LightGCN", self.loss, ("bpr", "softmax", "full-softmax"))

    def build(self, graph: Graph, seed: int = 0) -> Model:
        integer("num_edges", "LightGCN.build", graph.num_edges, 1)
        return Model(self, Propagation(graph, self.dim, self.layers, seed), Dot(), graph)

    def training(self) -> TrainConfig:
        return TrainConfig(epochs=200, batch_size=2048, lr=0.005, l2=1e-4, eval_every=5, patience=8)

    def pretraining(self, graph: Graph, config: TrainConfig) -> tuple[EdgeSampler, Any]:
        return pair_pretraining(graph, config, self.loss, Negatives(self.negatives))
