"""LINE (Tang et al., 2015): first- and second-order proximity by edge sampling."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graphtune.batch import Batch
from graphtune.check import bad, one_of
from graphtune.config import TrainConfig
from graphtune.graph import Graph
from graphtune.kernels.secondorder import second_order_edges
from graphtune.models.base import Model, check_recipe
from graphtune.models.encoder import Encoder
from graphtune.models.lookup import TABLE_DTYPES, Context, Dot, Lookup
from graphtune.models.scorer import Scorer
from graphtune.objectives import EdgeProximity, Losses
from graphtune.sampling import EdgeSampler, Negatives


@dataclass(frozen=True)
class LINE:
    """Neighbours get close embeddings (first order); nodes with the same neighbours do (second order).

    Attributes:
        dim: D, of both halves together for `order="both"`.
        order: "first", "second", or "both": each half of its own order, L2-normalised and concatenated.
        negatives: noise nodes per edge.
        extend_to: nodes with fewer neighbours than this gain their nearest second-order neighbours up to it, by weight
            (the paper's section 4.3, for low degrees); 0 leaves the graph as it is.
        table_dtype: "float32", or "bfloat16" for tables of half the size, whose small steps are rounded by chance.
    """

    dim: int = 128
    order: str = "both"
    negatives: int = 5
    extend_to: int = 0
    table_dtype: str = "float32"

    def __post_init__(self) -> None:
        check_recipe(self, dim=1, negatives=1, extend_to=0)
        one_of("table_dtype", "LINE", self.table_dtype, TABLE_DTYPES)
        one_of("order", "LINE", self.order, ("first", "second", "both"))
        if self.order == "both" and self.dim % 2:
            raise bad("dim", "LINE", "even for order='both', which halves it", self.dim)

    def build(self, graph: Graph, seed: int = 0) -> Model:
        n, dim, dtype = graph.num_nodes, self.dim, self.table_dtype
        if self.order == "both":
            return Model(self, Halves(n, dim, seed, dtype), HalvesScorer(n, dim, dtype), graph)
        scorer = Dot() if self.order == "first" else Context(n, dim, dtype=dtype)
        return Model(self, Lookup(n, dim, seed=seed, dtype=dtype), scorer, graph)

    def training(self) -> TrainConfig:
        return TrainConfig(
            epochs=30, batch_size=65536, lr=0.025, optimizer="sgd", schedule="linear", lr_end=0.004, patience=0,
            eval_every=10,
        )  # fmt: skip

    def pretraining(self, graph: Graph, config: TrainConfig) -> tuple[EdgeSampler, Any]:
        graph = extended(graph, self.extend_to) if self.extend_to else graph
        negatives = Negatives(self.negatives, noise="degree", pairs=True)
        sampler = EdgeSampler(graph, config.batch_size, negatives, by_weight=True, seed=config.seed)
        return sampler, BothOrders() if self.order == "both" else EdgeProximity()


def extended(graph: Graph, most: int) -> Graph:
    """The graph as a directed one, each edge in the directions it has, with the second-order edges of nodes that have
    fewer than `most` neighbours."""
    csr = graph.adjacency("out")
    rows = np.repeat(np.arange(graph.num_nodes), csr.degree)
    weight = np.ones(len(rows), np.float32) if csr.weight is None else csr.weight
    head, tail, gained = second_order_edges(csr.indptr, csr.indices, csr.weight, most)
    edges = np.stack([np.concatenate([rows, head]), np.concatenate([csr.indices, tail])])
    return Graph(edges, graph.ids, directed=True, weight=np.concatenate([weight, gained]))


class Halves(Encoder):
    """A first-order and a second-order table; an embedding is both rows, each of length 1, side by side."""

    reads_rows = True

    def __init__(self, num_nodes: int, dim: int, seed: int = 0, dtype: str = "float32"):
        super().__init__()
        self.num_nodes, self.dim = num_nodes, dim
        self.first = Lookup(num_nodes, dim // 2, seed=seed, dtype=dtype)
        self.second = Lookup(num_nodes, dim // 2, seed=seed + 1, dtype=dtype)

    def forward(self, nodes: Tensor | None = None) -> Tensor:
        halves = self.first(nodes), self.second(nodes)
        return torch.cat([F.normalize(half, dim=-1) for half in halves], dim=-1)

    @property
    def table_names(self) -> tuple[str, ...]:
        return ("first.weight", "second.weight")


class HalvesScorer(Scorer):
    """First-order cosine plus second-order cosine with the target-side vectors, each with a learned scale."""

    def __init__(self, num_nodes: int, dim: int, dtype: str = "float32"):
        super().__init__()
        self.context = Context(num_nodes, dim // 2, dtype=dtype)
        self.log_scale = nn.Parameter(torch.zeros(2))

    def query(self, z: Tensor, relation: Tensor | None = None) -> Tensor:
        first, second = z.chunk(2, dim=-1)
        scale = self.log_scale.exp()
        return torch.cat([scale[0] * first, scale[1] * second], dim=-1)

    def key(self, z: Tensor, nodes: Tensor | None = None) -> Tensor:
        first = z.chunk(2, dim=-1)[0]
        return torch.cat([first, F.normalize(self.context.key(z, nodes), dim=-1)], dim=-1)

    @property
    def table_names(self) -> tuple[str, ...]:
        return ("context.weight",)


@dataclass(frozen=True)
class BothOrders:
    """The sum of `EdgeProximity` on the two halves of `order="both"`, each unaware of the other."""

    def __call__(self, model: Model, batch: Batch) -> Losses:
        first, second = (EdgeProximity()(half, batch) for half in _orders(model))
        return Losses(first.values + second.values, (*first.factors, *second.factors))

    def can_update(self, model: Model) -> bool:
        return isinstance(model.encoder, Halves)

    def update(self, model: Model, batch: Batch, lr: float, threads: int | None = None) -> float:
        return sum(EdgeProximity().update(half, batch, lr, threads) for half in _orders(model))


def _orders(model: Any) -> tuple[SimpleNamespace, SimpleNamespace]:
    """The halves as two models of one order each, over the same parameters."""
    encoder, context = model.encoder, model.scorer.context
    return _as_model(model, encoder.first, Dot()), _as_model(model, encoder.second, context)


def _as_model(whole: Model, encoder: Lookup, scorer: Scorer) -> SimpleNamespace:
    def rows(*nodes: Tensor) -> list[Tensor]:
        return [whole.drop(encoder(n)) for n in nodes]

    return SimpleNamespace(encoder=encoder, scorer=scorer, rows=rows)
