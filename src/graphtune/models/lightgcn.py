"""LightGCN (He et al., 2020): embeddings averaged over layers of plain neighbourhood propagation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from graphtune.check import bad, integer, number
from graphtune.config import TrainConfig
from graphtune.graph import Graph
from graphtune.kernels.propagate import Part
from graphtune.models.arrivals import Size, days
from graphtune.models.base import Model, check_recipe
from graphtune.models.bprmf import check_ranking, of_cosines, ranking_pretraining, ranking_scorer
from graphtune.models.contrast import Contrasted
from graphtune.models.encoder import Encoder
from graphtune.models.layers import Spare, by_kernel, entries, mean_of_layers
from graphtune.models.lookup import Lookup
from graphtune.models.propagation import (
    SymmetricProduct,
    joined_adjacency,
    normalised,
    normalised_adjacency,
    to_torch_csr,
    torch_csr,
    with_values,
)
from graphtune.models.views import EdgeView, View, with_similar
from graphtune.objectives import KvsAll
from graphtune.objectives.queries import ROUNDING
from graphtune.sampling import QuerySampler, Sampler


class Propagation(Encoder):
    """Mean over k = 0..layers of A^k x with A = D^-1/2 A D^-1/2 (equations 3 and 4); x is a table.

    Args:
        graph: propagated over in both directions.
        dim: D.
        layers: the number of products.
        seed: of the start.
        side_weight: of each pair of nodes that side edges join, beside edges of 1 or of their own weights.
    """

    matrix: Tensor
    came: Tensor

    def __init__(self, graph: Graph, dim: int, layers: int, seed: int = 0, side_weight: float = 0.0):
        super().__init__()
        self.side_weight = side_weight
        self.num_nodes, self.dim, self.layers = graph.num_nodes, dim, layers
        self.table = Lookup(graph.num_nodes, dim, scale=0.1, seed=seed)
        self.register_buffer("matrix", to_torch_csr(normalised_adjacency(graph, side_weight)), persistent=False)
        self.view, self.frame = View(), self.matrix
        self.paths: EdgeView | None = None
        self.seen: Tensor | None = None
        self.whole: tuple[Tensor, Part] | None = None
        self.spare = Spare()

    def forward(self, nodes: Tensor | None = None) -> Tensor:
        matrix = self.matrix if self.seen is None or not self.training else self.seen
        if not self.grown:
            return self._mean(matrix, nodes)
        total = self._mean(matrix)
        for day in range(len(self.grown)):
            came = (self.came == day)[:, None]
            total = torch.where(came, self._mean(self.get_buffer(f"matrix_{day}")), total)
        return total if nodes is None else F.embedding(nodes, total)

    def _mean(self, matrix: Tensor, nodes: Tensor | None = None) -> Tensor:
        """[n, D] of `nodes`, or of all, the mean of all layers over a matrix."""
        x = total = self.table()
        if self.layers and by_kernel(matrix, x):
            return mean_of_layers(self._entries(matrix), x, self.layers, nodes, self.spare)
        for _ in range(self.layers):
            x = SymmetricProduct.apply(matrix, x)
            total = total + x
        total = total / (self.layers + 1)
        return total if nodes is None else F.embedding(nodes, total)

    def hold(self, graph: Graph, before: Sequence[Size]) -> None:
        came, graphs = days(graph, before)
        self.grown = tuple(before)
        self.register_buffer("came", torch.from_numpy(came).to(self.matrix.device), persistent=False)
        for day, then in enumerate(graphs):
            matrix = to_torch_csr(normalised_adjacency(then, self.side_weight)).to(self.matrix.device)
            self.register_buffer(f"matrix_{day}", matrix, persistent=False)

    def _entries(self, matrix: Tensor) -> Part:
        """The matrix as kernels read it; what is not its values is looked up once, as views change these alone."""
        frame = self.frame if matrix is self.seen else matrix
        if self.whole is None or self.whole[0] is not frame:
            self.whole = frame, entries(frame)
        return self.whole[1]._replace(values=matrix.values().numpy())

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
            self.frame = to_torch_csr(joined_adjacency(graph, self.side_weight)).to(self.matrix.device)
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
        loss, negatives, temperature, margin, negative_weight: as of `BPRMF`; "softmax" with a temperature is that of Wu
            et al. (2024). Also "k-vs-all": full softmax with one for all items of a user, by `KvsAll`; `batch_size`
            then counts users.
        contrast: weight of the contrast between the embeddings and those after one layer, both of a propagation with
            noise (XSimGCL: Yu et al., 2023); 0 for none.
        contrast_temperature: cosines are divided by it in the contrast.
        noise: length of what is added to each row after each layer, in training with a contrast.
        rounding: of the gradient of "k-vs-all"; 0 for the exact one.
        side_weight: of side edges, such as social links, in the propagation, beside edges of 1 or of their own weights;
            0 leaves them out.
    """

    dim: int = 64
    layers: int = 3
    loss: str = "bpr"
    negatives: int = 1
    temperature: float | None = None
    margin: float = 0.4
    negative_weight: float = 1.0
    contrast: float = 0.0
    contrast_temperature: float = 0.2
    noise: float = 0.1
    rounding: float = ROUNDING
    side_weight: float = 0.0

    def __post_init__(self) -> None:
        check_recipe(self, dim=1, layers=0 if self.contrast == 0 else 1, negatives=1, contrast=0.0, noise=0.0)
        check_ranking(self, "k-vs-all")
        number("contrast_temperature", "LightGCN", self.contrast_temperature, 0, open_low=True)
        number("rounding", "LightGCN", self.rounding, 0, 1)
        number("side_weight", "LightGCN", self.side_weight, 0)
        if self.contrast and self.loss == "k-vs-all":
            raise bad("contrast", "LightGCN", "0 with loss='k-vs-all'", self.contrast)

    def build(self, graph: Graph, seed: int = 0) -> Model:
        integer("num_edges", "LightGCN.build", graph.num_edges, 1)
        if self.side_weight and graph.side is None:
            raise bad("side_weight", "LightGCN", "0 for a graph without side edges", self.side_weight)
        encoder = Propagation(graph, self.dim, self.layers, seed, self.side_weight)
        return Model(self, encoder, ranking_scorer(self), graph)

    def training(self) -> TrainConfig:
        l2 = 0.0 if of_cosines(self) else 1e-4
        return TrainConfig(epochs=200, batch_size=2048, lr=0.005, l2=l2, eval_every=5, patience=8)

    def pretraining(self, graph: Graph, config: TrainConfig) -> tuple[Sampler, Any]:
        if self.loss == "k-vs-all":
            items = graph.ids.rows("item") if graph.is_bipartite_events else range(graph.num_nodes)
            answers = KvsAll(rounding=self.rounding, first=items.start, last=items.stop)
            return QuerySampler(graph, config.batch_size, seed=config.seed), answers
        sampler, objective = ranking_pretraining(self, graph, config)
        if self.contrast:
            objective = Contrasted(objective, self.contrast, self.contrast_temperature, self.noise)
        return sampler, objective
