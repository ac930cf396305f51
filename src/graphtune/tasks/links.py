"""Link prediction."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from graphtune.check import integer, one_of
from graphtune.config import TrainConfig
from graphtune.evaluate import Evaluation, evaluate_links
from graphtune.evaluate.seen import refuse_seen
from graphtune.graph import Graph
from graphtune.models.base import Model
from graphtune.objectives import BPR, EdgeProximity, SampledSoftmax
from graphtune.sampling import EdgeSampler
from graphtune.split import TEST, VALID, Split
from graphtune.tasks.base import check_focal, check_smoothing, describe, is_of, need, watching
from graphtune.tasks.samples import EdgeSamples
from graphtune.train.fit import Training

WATCHED = 5000  # validation edges scored during training
LOSSES = {"logistic": EdgeProximity, "bpr": BPR, "softmax": SampledSoftmax}


@dataclass(frozen=True)
class LinkPrediction(EdgeSamples):
    """Which of two nodes without an edge will have one. Options of `EdgeSamples` are keywords.

    Attributes:
        split: of the edges of a graph without relations.
        loss: "logistic", "bpr" or "softmax".
        negatives: targets each edge is held against in training; one set for the whole batch.
        seed: of the non-edges in evaluation.
        label_smoothing: s; an edge counts as one by 1 - s / 2 and a non-edge by s / 2, for "logistic".
        focal: gamma of the focal loss, by which edges that are told apart already count less, for "logistic".
    """

    split: Split
    loss: str = "softmax"
    negatives: int = 256
    seed: int = 0
    label_smoothing: float = 0.0
    focal: float = 0.0
    name = "link-prediction"
    monitor = "auc"

    def __post_init__(self) -> None:
        one_of("loss", "LinkPrediction", self.loss, LOSSES)
        check_smoothing("LinkPrediction", self.label_smoothing, self.loss, "logistic")
        check_focal("LinkPrediction", self.focal, self.loss, "logistic")
        integer("negatives", "LinkPrediction", self.negatives, 1)
        fits = is_of(self.split, "edge") and self.split.graph.relation is None
        need(fits, "LinkPrediction", "a split of edges without relations", describe(self.split))
        self._check_samples(self.split.graph, self.loss, sampled=True, corrected=self.loss == "softmax")
        self.split.audit()

    @property
    def graph(self) -> Graph:
        return self.split.graph

    def training(self, model: Model, config: TrainConfig) -> Training:
        refuse_seen(model, self.split)
        how = replace(self._negatives(self.negatives), shared=True)
        sampler = self._weighed(EdgeSampler(self.split.train, config.batch_size, how, seed=config.seed))
        objective = self._hardened(self._objective)
        return Training(self.name, sampler, objective, *watching(self, self.split))

    @property
    def _objective(self) -> Any:
        if self.loss != "logistic":
            return LOSSES[self.loss]()
        in_kernels = not self.unknown and self.sample_weight == "none"
        return EdgeProximity(self.label_smoothing, self.focal, in_kernels)

    def evaluate(self, model: Model, part: int = TEST) -> Evaluation:
        refuse_seen(model, self.split)
        return evaluate_links(model, self.split, part, self.seed)

    def defaults(self) -> TrainConfig:
        return TrainConfig(epochs=30, batch_size=4096, lr=0.003, schedule="cosine", weight_decay_table=0.01, patience=5)

    def validate(self, model: Model) -> dict[str, float]:
        return evaluate_links(model, self.split, VALID, self.seed, WATCHED).means()
