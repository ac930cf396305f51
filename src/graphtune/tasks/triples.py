"""Knowledge-graph completion."""

from __future__ import annotations

from dataclasses import dataclass

from graphtune.check import bad, number
from graphtune.config import TrainConfig
from graphtune.evaluate import Evaluation, evaluate_triples
from graphtune.evaluate.seen import refuse_seen
from graphtune.graph import Graph
from graphtune.models.base import Model
from graphtune.models.knowledge import triple_pretraining
from graphtune.split import TEST, VALID, Split, inverse_rules, with_inverses
from graphtune.tasks.base import check_smoothing, describe, need
from graphtune.tasks.samples import EdgeSamples
from graphtune.train.fit import Training


@dataclass(frozen=True)
class TripleCompletion(EdgeSamples):
    """The missing tail of (h, r, ?) and head of (?, r, t). Options of `EdgeSamples` are keywords.

    Attributes:
        split: of triples.
        loss: "one-vs-all" or "self-adversarial".
        negatives: shared by the batch, for "self-adversarial".
        margin: for "self-adversarial".
        label_smoothing: share of the right entity's weight spread over all, for "one-vs-all".
        invert: also train (t, s, h) for each (h, r, t) wherever that holds for this share of the train part's triples
            of r, or more: symmetric relations, where s is r, and inverse ones; 0 for none. Every triple is read
            backwards in any case, but by rows of the relations made for that, which tell nothing of s.
    """

    split: Split
    loss: str = "one-vs-all"
    negatives: int = 256
    margin: float = 9.0
    label_smoothing: float = 0.0
    invert: float = 0.0
    name = "triple-completion"
    monitor = "mrr"

    def __post_init__(self) -> None:
        fits = self.split.unit == "edge" and self.split.graph.relation is not None
        check_smoothing("TripleCompletion", self.label_smoothing, self.loss, "one-vs-all")
        number("invert", "TripleCompletion", self.invert, 0, 1)
        need(fits, "TripleCompletion", "a split of triples", describe(self.split))
        self._check_samples(self.split.graph, self.loss, self.loss == "self-adversarial", corrected=False)
        self.split.audit()

    @property
    def graph(self) -> Graph:
        return self.split.graph

    def training(self, model: Model, config: TrainConfig) -> Training:
        refuse_seen(model, self.split)
        if not model.scorer.reads_relations:
            raise bad("model", "TripleCompletion", "one that scores relations, such as ComplEx", model.recipe)
        options = self.loss, self._negatives(self.negatives), self.margin, self.label_smoothing
        train = self.split.train
        if self.invert:
            train = with_inverses(train, inverse_rules(train, self.invert))
        sampler, objective = triple_pretraining(train, config, *options)
        sampler, objective = self._weighed(sampler), self._hardened(objective)
        return Training(self.name, sampler, objective, self.validate, self.monitor)

    def evaluate(self, model: Model, part: int = TEST, side: str = "both") -> Evaluation:
        """Ranks of the missing tails, of the missing heads, or of both; see `evaluate_triples`."""
        refuse_seen(model, self.split)
        return evaluate_triples(model, self.split, part, side)

    def defaults(self) -> TrainConfig:
        return TrainConfig(
            epochs=50,
            batch_size=512,
            lr=0.05,
            optimizer="adagrad",
            schedule="cosine",
            n3=0.01,
            eval_every=2,
            patience=5,
        )

    def validate(self, model: Model) -> dict[str, float]:
        return self.evaluate(model, VALID).means()
