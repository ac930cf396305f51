"""Encoders whose messages depend on the relation that they pass over, and the scorers that read what they give.

Axes: N nodes, R relations, M messages (two an edge), F features, D dim.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graphtune.check import bad, chance, one_of
from graphtune.config import TrainConfig
from graphtune.graph import Graph
from graphtune.models.adapters import Adapter
from graphtune.models.base import check_recipe
from graphtune.models.complex import ComplExScorer
from graphtune.models.distmult import DistMultScorer
from graphtune.models.encoder import Encoder
from graphtune.models.gnn import prepare_features
from graphtune.models.knowledge import LOSSES
from graphtune.models.lookup import Lookup
from graphtune.models.messages import Messages
from graphtune.models.propagation import sparse_in_float32, to_torch_csr
from graphtune.models.rotate import RotatEScorer
from graphtune.models.scorer import Scorer
from graphtune.models.transe import TransEScorer
from graphtune.models.views import EdgeView, View, masked_columns

SCORERS: dict[str, Callable[[int, int, int], Scorer]] = {
    "distmult": lambda relations, dim, seed: DistMultScorer(relations, dim, 0.1, seed),
    "complex": lambda relations, dim, seed: ComplExScorer(relations, dim, 0.1, seed),
    "transe": lambda relations, dim, seed: TransEScorer(relations, dim, seed=seed),
    "rotate": lambda relations, dim, seed: RotatEScorer(relations, dim, seed),
}
"""By name, (R, D, seed) -> a scorer with one table of relations, for embeddings that an encoder makes."""


class Inputs(nn.Module):
    """What the first layer reads: a table, or the graph's features times a matrix that is learned, [N, D]."""

    features: Tensor

    def __init__(self, graph: Graph, dim: int, seed: int):
        super().__init__()
        features = prepare_features(graph.features)
        self.table = Lookup(graph.num_nodes, dim, scale=0.1, seed=seed) if features is None else None
        if features is not None:
            kept = to_torch_csr(features) if sp.issparse(features) else torch.from_numpy(np.ascontiguousarray(features))
            self.register_buffer("features", kept, persistent=False)
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                self.project = nn.Linear(features.shape[1], dim, bias=False)

    def forward(self, features: Tensor | None = None) -> Tensor:
        """[N, D], of other features [N, F] where they are given."""
        if self.table is not None:
            return self.table()
        x = self.features if features is None else features
        with sparse_in_float32(x):
            return x @ self.project.weight.T


class RelationalEncoder(Encoder):
    """Layers over the messages of a graph with relations, each node's own beside those of its neighbours.

    A subclass says what a layer takes beside what the layer below gave: `layer_inputs`.

    Args:
        graph: edges with relations, and features.
        messages: of the graph.
        inputs: of the first layer.
        layers: (x [N, D], *inputs, messages, weight [M]) -> [N, D].
        dim: D, of all layers.
        dropout: before each layer.
    """

    def __init__(
        self, graph: Graph, messages: Messages, inputs: Inputs, layers: list[nn.Module], dim: int, dropout: float
    ):
        super().__init__()
        self.num_nodes, self.dim, self.dropout = graph.num_nodes, dim, dropout
        self.messages, self.inputs, self.layers = messages, inputs, nn.ModuleList(layers)
        self.register_buffer("weight", messages.weights(), persistent=False)
        self.view = View()
        self.paths: EdgeView | None = None
        self.seen: Tensor | None = None
        self.seen_features: Tensor | None = None

    weight: Tensor

    @abstractmethod
    def layer_inputs(self) -> list[tuple[Tensor, ...]]:
        """For each layer, what it takes beside the output of the layer below."""

    def forward(self, nodes: Tensor | None = None) -> Tensor:
        seen, features = (self.seen, self.seen_features) if self.training else (None, None)
        weight, x = self.weight if seen is None else seen, self.inputs(features)
        for layer, given in zip(self.layers, self.layer_inputs()):
            x = F.dropout(x, self.dropout, self.training)
            x = layer(x, *given, self.messages, weight)
            if self.adapter_width:
                x = layer.get_submodule("adapter")(x)
        return x if nodes is None else F.embedding(nodes, x)

    def begin_view(self, view: View, graph: Graph) -> None:
        """What messages count is that among those of the view. All edges between two nodes stay or go together, under
        whatever relation, so that one does not give away another."""
        who = type(self).__name__
        view.refuse(("edge_add",), who, "would not know the relation of an added edge")
        if self.inputs.table is not None:
            view.refuse(("feature_dropout",), who, "has no features on this graph")
        ends = self.messages.source, self.messages.target
        self.paths = EdgeView(view, *ends, self.num_nodes) if view.on_edges else None
        self.seen, self.seen_features, self.view = None, None, view

    def see(self, step: int, batch: Any) -> None:
        if self.view.feature_dropout:
            self.seen_features = masked_columns(self.inputs.features, self.view, step)
        if self.paths is not None:
            self.seen = self.messages.weights(self.paths.keep(step, batch))

    @property
    def table_names(self) -> tuple[str, ...]:
        return () if self.inputs.table is None else ("inputs.table.weight",)

    @property
    def layer_names(self) -> tuple[str, ...]:
        return ("inputs", *(f"layers.{number}" for number in range(len(self.layers))))

    def add_adapters(self, width: int, seed: int = 0) -> None:
        if self.adapter_width not in (0, width):
            raise bad("adapter", "TrainConfig", f"{self.adapter_width}, the width of those that are there", width)
        if self.adapter_width:
            return
        for number, layer in enumerate(self.layers):
            layer.add_module("adapter", Adapter(self.dim, width, seed + number).to(self.weight.device))
        self.adapter_width = width


def check_relational(recipe: Any) -> None:
    """Check the options that these recipes share."""
    who = type(recipe).__name__
    check_recipe(recipe, dim=1, layers=1, negatives=1, margin=0.0)
    chance("dropout", who, recipe.dropout)
    one_of("scorer", who, recipe.scorer, SCORERS)
    one_of("loss", who, recipe.loss, LOSSES)
    if recipe.dim % 2 and recipe.scorer in ("complex", "rotate"):
        raise bad("dim", who, f"even for {recipe.scorer!r}: half real, half imaginary parts", recipe.dim)


def check_relations(recipe: Any, graph: Graph) -> None:
    """Refuse a graph without relations."""
    if graph.relation_ids is None:
        raise bad("graph", type(recipe).__name__, "a knowledge graph: edges with relations", "edges without")


def relational_training() -> TrainConfig:
    """Adam with few large batches, as every step passes over the whole graph."""
    return TrainConfig(
        epochs=100, batch_size=2048, lr=0.01, edge_dropout=0.2, schedule="cosine", eval_every=5, patience=6
    )
