"""BPR-MF (Rendle et al., 2009): matrix factorisation trained to rank."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from graphtune.check import one_of
from graphtune.config import TrainConfig
from graphtune.graph import Graph
from graphtune.models.base import Model, check_recipe
from graphtune.models.lookup import Dot, Lookup
from graphtune.objectives import BPR, OneVsAll, SampledSoftmax
from graphtune.sampling import EdgeSampler, Negatives, Sampler, VisitSampler

LOSSES = ("bpr", "softmax", "full-softmax")


@dataclass(frozen=True)
class BPRMF:
    """Factors of users and items whose product ranks what a user took above what it did not.

    "bpr" trains by plain SGD, example by example in a fused step on the CPU. On another device, or with an option that
    the step does not know (see `optimizer` of `TrainConfig`), Adam serves: optimizer="adamw", lr=0.005,
    batch_size=2048.

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
        if self.loss == "bpr":
            return TrainConfig(
                epochs=200, batch_size=32768, lr=0.2, optimizer="sgd", l2=0.005, schedule="linear", eval_every=20,
                patience=0,
            )  # fmt: skip
        return TrainConfig(epochs=200, batch_size=2048, lr=0.005, l2=1e-3, eval_every=5, patience=8)

    def pretraining(self, graph: Graph, config: TrainConfig) -> tuple[Sampler, Any]:
        return pair_pretraining(graph, config, self.loss, Negatives(self.negatives))


def pair_pretraining(
    graph: Graph,
    config: TrainConfig,
    loss: str,
    negatives: Negatives,
    label_smoothing: float = 0.0,
    weight: np.ndarray | None = None,
) -> tuple[Sampler, Any]:
    """Edges with the ranking loss by name: "bpr" with unknown negatives for each edge, "softmax" with those of a batch.

    SGD on "bpr", whose fused step goes example by example, gets its edges in visits.

    Args:
        label_smoothing: for "full-softmax".
        weight: [E] of each edge's loss.
    """
    if loss == "bpr":
        how = replace(negatives, unknown=True)
        if config.optimizer == "sgd" and weight is None and graph.relation is None:
            return VisitSampler(graph, config.batch_size, how, config.seed), BPR()
        sampler = EdgeSampler(graph, config.batch_size, how, weight=weight, seed=config.seed)
        return sampler, BPR(in_kernels=weight is None)
    if loss == "softmax":
        how = replace(negatives, shared=True)
        return EdgeSampler(graph, config.batch_size, how, weight=weight, seed=config.seed), SampledSoftmax()
    items = graph.ids.rows("item") if graph.is_bipartite_events else range(graph.num_nodes)
    sampler = EdgeSampler(graph, config.batch_size, weight=weight, seed=config.seed)
    return sampler, OneVsAll(label_smoothing, items.start, items.stop)
