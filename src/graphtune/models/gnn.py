"""Graph neural network encoders over PyG's convolutions: GCN, GraphSAGE, GAT.

Axes: N nodes, E edges, F features, D dim.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graphtune.check import bad, chance
from graphtune.config import TrainConfig
from graphtune.graph import Graph
from graphtune.models.adapters import Adapter
from graphtune.models.arrivals import Size, days
from graphtune.models.base import Model, check_recipe
from graphtune.models.encoder import Encoder
from graphtune.models.lookup import Dot, Lookup, Projected
from graphtune.models.propagation import (
    sparse_in_float32,
    symmetric_weights,
    to_torch_csr,
    with_self_loops,
    with_values,
)
from graphtune.models.scorer import Scorer
from graphtune.models.views import EdgeView, View, masked_columns, with_similar
from graphtune.objectives import EdgeProximity
from graphtune.sampling import EdgeSampler, Negatives

Convolution = Callable[[int, int, bool], nn.Module]


class GNN(Encoder):
    """Layers of convolutions with ReLU and dropout between them, over the edges in both directions.

    Inputs are the graph's node features (sparse ones stay sparse), or a learned table where it has none.

    Args:
        graph: edges and features.
        convolution: (inputs, outputs, is_last) -> a PyG convolution.
        hidden: width between layers.
        dim: D, the width of the last layer.
        layers: the number of convolutions.
        dropout: before each convolution.
        sparse_input: whether the convolution takes sparse features.
        seed: of the start.
        normalise: give the convolution the symmetric weights of GCN too, with the self-loops they are for.
    """

    edge_index: Tensor
    edge_weight: Tensor
    features: Tensor
    came: Tensor

    def __init__(
        self,
        graph: Graph,
        convolution: Convolution,
        hidden: int,
        dim: int,
        layers: int,
        dropout: float,
        sparse_input: bool,
        seed: int = 0,
        normalise: bool = False,
    ):
        super().__init__()
        self.num_nodes, self.dim, self.dropout, self.normalise = graph.num_nodes, dim, dropout, normalise
        for name, value in self._paths(graph).items():
            self.register_buffer(name, value, persistent=False)
        self.view = View()
        self.paths: EdgeView | None = None
        self.seen: tuple[Tensor, ...] | None = None
        self.seen_features: Tensor | None = None
        features = prepare_features(graph.features)
        self.table = None if features is not None else Lookup(graph.num_nodes, hidden, scale=0.1, seed=seed)
        if features is not None:
            self.register_buffer("features", _to_tensor(features, sparse_input), persistent=False)
        self.widths = [hidden if features is None else features.shape[1], *[hidden] * (layers - 1), dim]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.convolutions = nn.ModuleList(
                convolution(a, b, i == layers - 1) for i, (a, b) in enumerate(pairwise(self.widths))
            )

    def forward(self, nodes: Tensor | None = None) -> Tensor:
        seen, features = (self.seen, self.seen_features) if self.training else (None, None)
        x = self.table() if self.table is not None else self.features if features is None else features
        z = self._layers(x, self.edges if seen is None else seen)
        for day in range(len(self.grown)):
            names = ("edge_index", "edge_weight") if self.normalise else ("edge_index",)
            edges = tuple(self.get_buffer(f"{name}_{day}") for name in names)
            z = torch.where((self.came == day)[:, None], self._layers(x, edges), z)
        return z if nodes is None else F.embedding(nodes, z)

    def _layers(self, x: Tensor, edges: tuple[Tensor, ...]) -> Tensor:
        """[N, D] of inputs of all nodes, with messages over these edges."""
        for number, convolution in enumerate(self.convolutions):
            if number:
                x = F.relu(x)
            x = _dropout(x, self.dropout, self.training)
            with sparse_in_float32(x):
                x = convolution(x, *edges)
            if self.adapter_width:
                x = convolution.get_submodule("adapter")(x)
        return x

    @property
    def edges(self) -> tuple[Tensor, ...]:
        """What a convolution takes beside x: edge_index [2, E], and its weights [E] where they are normalised."""
        return (self.edge_index, self.edge_weight) if self.normalise else (self.edge_index,)

    def hold(self, graph: Graph, before: Sequence[Size]) -> None:
        """Features are on the scale that they had first."""
        came, graphs = days(graph, before)
        self.grown, device = tuple(before), self.edge_index.device
        self.register_buffer("came", torch.from_numpy(came).to(device), persistent=False)
        for day, then in enumerate(graphs):
            for name, value in self._paths(then).items():
                self.register_buffer(f"{name}_{day}", value.to(device), persistent=False)
        if self.table is None:
            sparse = self.features.layout == torch.sparse_csr
            self.features = _to_tensor(prepare_features(graph.features, came == 0), sparse).to(device)

    def _paths(self, graph: Graph) -> dict[str, Tensor]:
        """What messages pass over: edge_index, and its weights where they are normalised."""
        edge_index = _both_directions(graph)
        if not self.normalise:
            return {"edge_index": edge_index}
        edge_index = with_self_loops(edge_index, self.num_nodes)
        return {"edge_weight": symmetric_weights(edge_index, self.num_nodes), "edge_index": edge_index}

    def begin_view(self, view: View, graph: Graph) -> None:
        """Self-loops that normalisation brought stay in every view, and the weights are those of the view's own edges.

        Similar nodes are those of similar features, or without features of similar embeddings.
        """
        if self.table is not None:
            view.refuse(("feature_dropout",), "GNN", "has no features on this graph")
        self.seen, self.seen_features, self.paths, self.view = None, None, None, view
        if not view.on_edges:
            return
        edges, added = self.edge_index[:, : self._num_own], None
        if view.edge_add:
            rows = self.judged() if self.table is not None else prepare_features(graph.features)
            edges, added = with_similar(view, edges, rows, graph)
        self.paths = EdgeView(view, edges[0], edges[1], self.num_nodes, added)

    def see(self, step: int, batch: Any) -> None:
        if self.view.feature_dropout:
            self.seen_features = masked_columns(self.features, self.view, step)
        if self.paths is None:
            return
        kept = self.paths.keep(step, batch)
        edges = torch.stack([self.paths.source[kept], self.paths.target[kept]])
        if self.normalise:
            edges = torch.cat([edges, self.edge_index[:, self._num_own :]], dim=1)
            self.seen = edges, symmetric_weights(edges, self.num_nodes)
        else:
            self.seen = (edges,)

    @property
    def _num_own(self) -> int:
        """The entries of `edge_index` that are the graph's; self-loops for normalisation follow."""
        return self.edge_index.shape[1] - (self.num_nodes if self.normalise else 0)

    @property
    def table_names(self) -> tuple[str, ...]:
        return () if self.table is None else ("table.weight",)

    @property
    def layer_names(self) -> tuple[str, ...]:
        convolutions = (f"convolutions.{number}" for number in range(len(self.convolutions)))
        return (*(() if self.table is None else ("table",)), *convolutions)

    def add_adapters(self, width: int, seed: int = 0) -> None:
        if self.adapter_width not in (0, width):
            raise bad("adapter", "TrainConfig", f"{self.adapter_width}, the width of those that are there", width)
        if self.adapter_width:
            return
        for number, convolution in enumerate(self.convolutions):
            adapter = Adapter(self.widths[number + 1], width, seed + number)
            convolution.add_module("adapter", adapter.to(self.edge_index.device))
        self.adapter_width = width


@dataclass(frozen=True)
class GCN:
    """Graph convolutional network (Kipf & Welling, 2017).

    Attributes:
        dim: D, the width of the last layer.
        hidden: width between layers.
        layers: convolutions.
        dropout: before each convolution.
        negatives: non-edges per edge in pretraining by link reconstruction.
    """

    dim: int = 64
    hidden: int = 64
    layers: int = 2
    dropout: float = 0.5
    negatives: int = 1

    def __post_init__(self) -> None:
        _check(self)

    def build(self, graph: Graph, seed: int = 0) -> Model:
        from torch_geometric.nn import GCNConv

        def convolution(inputs: int, outputs: int, is_last: bool) -> nn.Module:
            return GCNConv(inputs, outputs, normalize=False)

        return _model(self, graph, convolution, True, seed, normalise=True)

    def training(self) -> TrainConfig:
        return gnn_training()

    def pretraining(self, graph: Graph, config: TrainConfig) -> tuple[EdgeSampler, Any]:
        return gnn_pretraining(graph, config, self.negatives)


@dataclass(frozen=True)
class GraphSAGE:
    """GraphSAGE with mean aggregation (Hamilton et al., 2017).

    Attributes:
        dim: D, the width of the last layer.
        hidden: width between layers.
        layers: convolutions.
        dropout: before each convolution.
        negatives: non-edges per edge in pretraining by link reconstruction.
    """

    dim: int = 64
    hidden: int = 64
    layers: int = 2
    dropout: float = 0.5
    negatives: int = 1

    def __post_init__(self) -> None:
        _check(self)

    def build(self, graph: Graph, seed: int = 0) -> Model:
        from torch_geometric.nn import SAGEConv

        def convolution(inputs: int, outputs: int, is_last: bool) -> nn.Module:
            return SAGEConv(inputs, outputs)

        return _model(self, graph, convolution, False, seed)

    def training(self) -> TrainConfig:
        return gnn_training()

    def pretraining(self, graph: Graph, config: TrainConfig) -> tuple[EdgeSampler, Any]:
        return gnn_pretraining(graph, config, self.negatives)


@dataclass(frozen=True)
class GAT:
    """Graph attention network (Velickovic et al., 2018); heads are concatenated, those of the last layer averaged.

    Attributes:
        dim: D, the width of the last layer.
        hidden: width between layers, of all heads together.
        layers: convolutions.
        heads: attention heads; divides `hidden`.
        dropout: before each convolution.
        negatives: non-edges per edge in pretraining by link reconstruction.
    """

    dim: int = 64
    hidden: int = 64
    layers: int = 2
    heads: int = 8
    dropout: float = 0.5
    negatives: int = 1

    def __post_init__(self) -> None:
        _check(self)
        check_recipe(self, heads=1)
        if self.hidden % self.heads:
            raise bad("hidden", "GAT", f"a multiple of heads={self.heads}", self.hidden)

    def build(self, graph: Graph, seed: int = 0) -> Model:
        from torch_geometric.nn import GATConv

        def convolution(inputs: int, outputs: int, is_last: bool) -> nn.Module:
            if is_last:
                return GATConv(inputs, outputs, heads=1, dropout=self.dropout)
            return GATConv(inputs, outputs // self.heads, heads=self.heads, dropout=self.dropout)

        return _model(self, graph, convolution, True, seed)

    def training(self) -> TrainConfig:
        return gnn_training()

    def pretraining(self, graph: Graph, config: TrainConfig) -> tuple[EdgeSampler, Any]:
        return gnn_pretraining(graph, config, self.negatives)


def gnn_training() -> TrainConfig:
    return TrainConfig(epochs=200, batch_size=65536, lr=0.01, weight_decay=0.05, eval_every=1, patience=30)


def gnn_pretraining(graph: Graph, config: TrainConfig, negatives: int) -> tuple[EdgeSampler, Any]:
    """Link reconstruction with sampled non-edges: the graph autoencoder (Kipf & Welling, 2016)."""
    how = Negatives(negatives, unknown=True)
    return EdgeSampler(graph, config.batch_size, how, seed=config.seed), EdgeProximity()


def prepare_features(features: Any, known: np.ndarray | None = None) -> Any:
    """[N, F] features, dense or sparse, on one scale.

    Rows sum to 1 where no feature is negative (bags of words); else columns get mean 0 and variance 1.

    Args:
        features: of all nodes.
        known: [N] bool, whose features set the scale; all where None.
    """
    if features is None:
        return None
    some = features if known is None else features[known]
    values = some.data if sp.issparse(some) else some
    if values.size == 0 or values.min() >= 0:
        total = np.asarray(features.sum(axis=1), dtype=np.float32).ravel()
        scale = np.divide(1.0, total, out=np.zeros_like(total), where=total > 0)
        if sp.issparse(features):
            return sp.csr_array(sp.diags_array(scale) @ features, dtype=np.float32)
        return (features * scale[:, None]).astype(np.float32)
    dense, some = (f.toarray() if sp.issparse(f) else f for f in (features, some))
    spread = some.std(axis=0)
    return ((dense - some.mean(axis=0)) / np.where(spread > 0, spread, 1.0)).astype(np.float32)


def _check(recipe: Any) -> None:
    check_recipe(recipe, dim=1, hidden=1, layers=1, negatives=1)
    chance("dropout", type(recipe).__name__, recipe.dropout)


def _both_directions(graph: Graph) -> Tensor:
    """[2, M] int64 edges into each node, node after node."""
    csr = graph.adjacency("both")
    target = np.repeat(np.arange(graph.num_nodes), csr.degree)
    return torch.from_numpy(np.stack([csr.indices, target]).astype(np.int64))


def _model(
    recipe: Any, graph: Graph, convolution: Convolution, sparse_input: bool, seed: int, normalise: bool = False
) -> Model:
    widths = recipe.hidden, recipe.dim, recipe.layers
    encoder = GNN(graph, convolution, *widths, recipe.dropout, sparse_input, seed, normalise)
    scorer: Scorer = Projected(recipe.dim, seed) if graph.directed else Dot()
    return Model(recipe, encoder, scorer, graph)


def _to_tensor(features: Any, keep_sparse: bool) -> Tensor:
    if not sp.issparse(features):
        return torch.from_numpy(np.ascontiguousarray(features))
    return to_torch_csr(features) if keep_sparse else torch.from_numpy(features.toarray())


def _dropout(x: Tensor, share: float, training: bool) -> Tensor:
    if x.layout != torch.sparse_csr:
        return F.dropout(x, share, training)
    if not training or share == 0:
        return x
    return with_values(x, F.dropout(x.values(), share))
