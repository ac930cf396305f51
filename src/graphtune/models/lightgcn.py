"""LightGCN (He et al., 2020): embeddings averaged over layers of plain neighbourhood propagation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from graphtune.check import integer, one_of
from graphtune.config import TrainConfig
from graphtune.graph import Graph
from graphtune.models.arrivals import Size, days
from graphtune.models.base import Encoder, Model, check_recipe
from graphtune.models.bprmf import pair_pretraining
from graphtune.models.lookup import Dot, Lookup
from graphtune.models.propagation import (
    SymmetricProduct,
    normalised,
    normalised_adjacency,
    to_torch_csr,
    torch_csr,
    with_values,
)
from graphtune.models.views import EdgeView, View, with_similar
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
    came: Tensor

    def __init__(self, graph: Graph, dim: int, layers: int, seed: int = 0):
        super().__init__()
        self.num_nodes, self.dim, self.layers = graph.num_nodes, dim, layers
        self.table = Lookup(graph.num_nodes, dim, scale=0.1, seed=seed)
        self.register_buffer("matrix", to_torch_csr(normalised_adjacency(graph)), persistent=False)
        self.view, self.frame = View(), self.matrix
        self.paths: EdgeView | None = None
        self.seen: Tensor | None = None

    def forward(self, nodes: Tensor | None = None) -> Tensor:
        matrix = self.matrix if self.seen is None or not self.training else self.seen
        total = self._mean(matrix)
        for day in range(len(self.grown)):
            came = (self.came == day)[:, None]
            total = torch.where(came, self._mean(self.get_buffer(f"matrix_{day}")), total)
        return total if nodes is None else F.embedding(nodes, total)

    def _mean(self, matrix: Tensor) -> Tensor:
        """[N, D] the mean of all layers over a matrix."""
        x = total = self.table()
        for _ in range(self.layers):
            x = SymmetricProduct.apply(matrix, x)
            total = total + x
        return total / (self.layers + 1)

    def hold(self, graph: Graph, before: Sequence[Size]) -> None:
        came, graphs = days(graph, before)
        self.grown = tuple(before)
        self.register_buffer("came", torch.from_numpy(came).to(self.matrix.device), persistent=False)
        for day, then in enumerate(graphs):
            matrix = to_torch_csr(normalised_adjacency(then)).to(self.matrix.device)
            self.register_buffer(f"matrix_{day}", matrix, persistent=False)

    def begin_view(self, view: View, graph: Graph) -> None:
        """Of a view that only drops edges, the entries that stay are scaled by 1 / (1 - share), so that products keep
        their mean; of any other the matrix is normalised anew (SGL: Wu et al., 2021).

        Similar nodes are those of similar embeddings, which a start at random has from the layers. Their edges weigh as
        much as the mean edge.
        """
        view.refuse(("feature_dropout",), "Propagation", "reads no features")
        self.seen, self.paths, self.view, self.frame = None, None, view, self.matrix
        if not view:
            return
        if view.asked != ["edge_dropout"]:
            self.frame = to_torch_csr(graph.sparse("both")).to(self.matrix.device)
        row = torch.repeat_interleave(self.frame.crow_indices().diff())
        edges, added = torch.stack([row, self.frame.col_indices()]), None
        if view.edge_add:
            edges, added = with_similar(view, edges, self.judged(), graph)
            weight = self.frame.values()
            weight = torch.cat([weight, weight.mean().expand(int(added.sum()))])
            order = torch.argsort(edges[0], stable=True)
            edges, added = edges[:, order], added[order]
            begin = F.pad(torch.bincount(edges[0], minlength=self.num_nodes).cumsum(0), (1, 0))
            self.frame = torch_csr(begin, edges[1], weight[order], self.matrix.shape)
        self.paths = EdgeView(view, edges[0], edges[1], self.num_nodes, added)

    def see(self, step: int, batch: Any) -> None:
        if self.paths is None:
            return
        values = self.frame.values() * self.paths.keep(step, batch)
        if self.view.asked == ["edge_dropout"]:
            values = values / (1 - self.view.edge_dropout)
        else:
            values = normalised(values, self.paths.source, self.paths.target, self.num_nodes)
        self.seen = with_values(self.frame, values)

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
