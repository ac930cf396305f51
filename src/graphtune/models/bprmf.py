"""BPR-MF (Rendle et al., 2009): matrix factorisation trained to rank."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from graphtune.check import one_of
from graphtune.config import TrainConfig
from graphtune.graph import Graph
from graphtune.models.base import Model, check_recipe
from graphtune.models.lookup import Dot, Lookup
from graphtune.objectives import BPR, OneVsAll, SampledSoftmax
from graphtune.sampling import EdgeSampler, Negatives

LOSSES = ("bpr", "softmax", "full-softmax")


@dataclass(frozen=True)
class BPRMF:
    """Factors of users and items whose product ranks what a user took above what it did not.

    Attributes:
        dim: D.
        loss: "bpr", "softmax" (sampled, negatives shared by the batch) or "full-softmax".
        negatives: per example for "bpr", per batch for "softmax".
    """

    dim: int = 64
    loss: str = "bpr"
    negatives: int = 1

    def __post_init__(self) -> None:
        check_recipe(self, dim=1, negatives=1)
        one_of("loss", "BPRMF", self.loss, LOSSES)

    def build(self, graph: Graph, seed: int = 0) -> Model:
        return Model(self, Lookup(graph.num_nodes, self.dim, scale=0.1, seed=seed), Dot(), graph)

    def training(self) -> TrainConfig:
        return TrainConfig(epochs=200, batch_size=2048, lr=0.005, l2=1e-3, eval_every=5, patience=8)

    def pretraining(self, graph: Graph, config: TrainConfig) -> tuple[EdgeSampler, Any]:
        return pair_pretraining(graph, config, self.loss, Negatives(self.negatives))


def pair_pretraining(
    graph: Graph, config: TrainConfig, loss: str, negatives: Negatives, label_smoothing: float = 0.0
) -> tuple[EdgeSampler, Any]:
    """Edges with the ranking loss by name: "bpr" with unknown negatives for each edge, "softmax" with those of a batch;
    `label_smoothing` is for "full-softmax"."""
    if loss == "bpr":
        how = replace(negatives, unknown=True)
        return EdgeSampler(graph, config.batch_size, how, seed=config.seed), BPR()
    if loss == "softmax":
        how = replace(negatives, shared=True)
        return EdgeSampler(graph, config.batch_size, how, seed=config.seed), SampledSoftmax()
    items = graph.ids.rows("item") if graph.is_bipartite_events else range(graph.num_nodes)
    sampler = EdgeSampler(graph, config.batch_size, seed=config.seed)
    return sampler, OneVsAll(label_smoothing, items.start, items.stop)
