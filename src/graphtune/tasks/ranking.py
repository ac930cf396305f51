"""Recommendation."""

from __future__ import annotations

from dataclasses import dataclass

from graphtune.check import integer, one_of
from graphtune.config import TrainConfig
from graphtune.evaluate import Evaluation, evaluate_recommendations
from graphtune.evaluate.seen import refuse_seen
from graphtune.graph import Graph
from graphtune.models.base import Model
from graphtune.models.bprmf import LOSSES, pair_pretraining
from graphtune.split import TEST, VALID, Split
from graphtune.tasks.base import check_smoothing, describe, is_of, need, watching
from graphtune.tasks.samples import EdgeSamples
from graphtune.train.fit import Training


@dataclass(frozen=True)
class Recommendation(EdgeSamples):
    """Which items a user takes next; in a graph that is no log of events, which neighbours a node gets.

    Options of `EdgeSamples` are keywords; negatives of "bpr" are always unknown.

    Attributes:
        split: of edges without relations.
        k: places of the list that is judged.
        loss: "bpr", "softmax" (sampled, negatives shared by the batch) or "full-softmax".
        negatives: per example for "bpr", per batch for "softmax".
        label_smoothing: share of the right item's weight spread over all, for "full-softmax".
    """

    split: Split
    k: int = 20
    loss: str = "softmax"
    negatives: int = 1024
    label_smoothing: float = 0.0
    name = "recommendation"

    def __post_init__(self) -> None:
        integer("k", "Recommendation", self.k, 1)
        integer("negatives", "Recommendation", self.negatives, 1)
        one_of("loss", "Recommendation", self.loss, LOSSES)
        check_smoothing("Recommendation", self.label_smoothing, self.loss, "full-softmax")
        fits = is_of(self.split, "edge") and self.split.graph.relation is None
        need(fits, "Recommendation", "a split of events, or of edges without relations", describe(self.split))
        sampled = self.loss != "full-softmax"
        self._check_samples(self.split.graph, self.loss, sampled, corrected=self.loss == "softmax")
        self.split.audit()

    @property
    def monitor(self) -> str:
        return f"ndcg_{self.k}"

    @property
    def graph(self) -> Graph:
        return self.split.graph

    def training(self, model: Model, config: TrainConfig) -> Training:
        refuse_seen(model, self.split)
        train = self.split.train
        options = self.loss, self._negatives(self.negatives), self.label_smoothing, self._edge_weight(train)
        sampler, objective = pair_pretraining(train, config, *options)
        return Training(self.name, sampler, self._hardened(objective), *watching(self, self.split))

    def evaluate(self, model: Model, part: int = TEST) -> Evaluation:
        refuse_seen(model, self.split)
        return evaluate_recommendations(model, self.split, part, self.k)

    def defaults(self) -> TrainConfig:
        return TrainConfig(epochs=50, batch_size=2048, lr=0.003, schedule="cosine", l2=1e-4, patience=5)

    def validate(self, model: Model) -> dict[str, float]:
        refuse_seen(model, self.split)
        return evaluate_recommendations(model, self.split, VALID, self.k, beyond=False).means()
