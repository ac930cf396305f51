"""BPR-MF (Rendle et al., 2009): matrix factorisation trained to rank."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from graphtune.check import number, one_of
from graphtune.config import TrainConfig
from graphtune.graph import Graph
from graphtune.models.base import Model, check_recipe
from graphtune.models.lookup import Cosine, Dot, Lookup
from graphtune.models.scorer import Scorer
from graphtune.objectives import BPR, CosineContrast, OneVsAll, SampledSoftmax
from graphtune.sampling import EdgeSampler, Negatives, Sampler, VisitSampler

LOSSES = ("bpr", "softmax", "full-softmax")
RANKING_LOSSES = (*LOSSES, "ccl")  # the last is of cosines, which the scorer of a recipe must then be


@dataclass(frozen=True)
class BPRMF:
    """Factors of users and items whose product ranks what a user took above what it did not.

    "bpr" trains by plain SGD, example by example in a fused step on the CPU. On another device, or with an option that
    the step does not know (see `optimizer` of `TrainConfig`), Adam serves: optimizer="adamw", lr=0.005,
    batch_size=2048.

    On LastFM (dim 64, validation) NDCG@20 came to .150 in 15 CPU-seconds by "softmax" of 512 negatives at temperature
    0.2 from `start_from_svd`, to .152 in 33 by 1024 from random rows, .141 by "ccl", and .143 in 2 by "bpr".

    Attributes:
        dim: D.
        loss: "bpr", "softmax" (sampled, negatives shared by the batch), "full-softmax", or "ccl", the contrast of
            cosines of SimpleX (Mao et al., 2021).
        negatives: per example for "bpr", per batch for "softmax" and "ccl".
        temperature: score cosines divided by it (Wu et al., 2024, with "softmax"); None for products, but for "ccl".
        margin, negative_weight: of "ccl": see `CosineContrast`.
    """

    dim: int = 64
    loss: str = "bpr"
    negatives: int = 1
    temperature: float | None = None
    margin: float = 0.4
    negative_weight: float = 1.0

    def __post_init__(self) -> None:
        check_recipe(self, dim=1, negatives=1)
        check_ranking(self)

    def build(self, graph: Graph, seed: int = 0) -> Model:
        return Model(self, Lookup(graph.num_nodes, self.dim, scale=0.1, seed=seed), ranking_scorer(self), graph)

    def training(self) -> TrainConfig:
        if self.loss == "bpr" and self.temperature is None:
            return TrainConfig(
                epochs=200, batch_size=32768, lr=0.2, optimizer="sgd", l2=0.005, schedule="linear", eval_every=20,
                patience=0,
            )  # fmt: skip
        l2 = 0.0 if of_cosines(self) else 1e-3
        return TrainConfig(epochs=200, batch_size=2048, lr=0.005, l2=l2, eval_every=5, patience=8)

    def pretraining(self, graph: Graph, config: TrainConfig) -> tuple[Sampler, Any]:
        return ranking_pretraining(self, graph, config)


def check_ranking(recipe: Any, *more: str) -> None:
    """Check the options of a recipe that say how it learns to rank: those of `BPRMF` but `dim`; `more` are losses.

    Raises:
        ArgumentError: one of them is not what it must be.
    """
    who = type(recipe).__name__
    one_of("loss", who, recipe.loss, (*RANKING_LOSSES, *more))
    if recipe.temperature is not None:
        number("temperature", who, recipe.temperature, 0, open_low=True)
    number("margin", who, recipe.margin, -1, 1)
    number("negative_weight", who, recipe.negative_weight, 0)


def ranking_scorer(recipe: Any) -> Scorer:
    """Cosines where the recipe has a temperature or a loss of cosines, else products."""
    return Cosine(recipe.temperature or 1.0) if of_cosines(recipe) else Dot()


def of_cosines(recipe: Any) -> bool:
    """Whether a recipe scores cosines, to which the lengths of rows, and a penalty on them, say nothing."""
    return recipe.temperature is not None or recipe.loss == "ccl"


def ranking_pretraining(recipe: Any, graph: Graph, config: TrainConfig) -> tuple[Sampler, Any]:
    """Sampler and objective of a recipe with the options that `check_ranking` checks."""
    if recipe.loss != "ccl":
        return pair_pretraining(graph, config, recipe.loss, Negatives(recipe.negatives))
    how = Negatives(recipe.negatives, shared=True)
    sampler = EdgeSampler(graph, config.batch_size, how, seed=config.seed)
    return sampler, CosineContrast(recipe.margin, recipe.negative_weight)


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
        return EdgeSampler(graph, config.batch_size, how, weight=weight, seed=config.seed), BPR()
    if loss == "softmax":
        how = replace(negatives, shared=True)
        return EdgeSampler(graph, config.batch_size, how, weight=weight, seed=config.seed), SampledSoftmax()
    items = graph.ids.rows("item") if graph.is_bipartite_events else range(graph.num_nodes)
    sampler = EdgeSampler(graph, config.batch_size, weight=weight, seed=config.seed)
    return sampler, OneVsAll(label_smoothing, first=items.start, last=items.stop)
