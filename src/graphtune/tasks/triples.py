"""Knowledge-graph completion."""

from __future__ import annotations

from dataclasses import dataclass

from graphtune.check import bad, number, one_of
from graphtune.config import TrainConfig
from graphtune.evaluate import Evaluation, evaluate_triples
from graphtune.evaluate.seen import refuse_seen
from graphtune.graph import Graph
from graphtune.models.base import Model
from graphtune.models.fullsoftmax import FULL_LOSSES, Full
from graphtune.models.knowledge import LOSSES, margin_of, triple_pretraining
from graphtune.objectives.queries import ROUNDING
from graphtune.sampling import SHARINGS
from graphtune.split import TEST, VALID, Split, inverse_rules, with_inverses
from graphtune.tasks.base import check_smoothing, describe, is_of, need, watching
from graphtune.tasks.samples import EdgeSamples
from graphtune.train.fit import Training


@dataclass(frozen=True)
class TripleCompletion(EdgeSamples):
    """The missing tail of (h, r, ?) and head of (?, r, t). Options of `EdgeSamples` are keywords.

    Attributes:
        split: of triples.
        loss: "k-vs-all" (`KvsAll`), "k-vs-all-bce" (`KvsAllBCE`), "one-vs-all" or "self-adversarial". With the first
            two the batch size counts queries, each with all its targets.
        negatives: of each example, for "self-adversarial".
        margin: for "self-adversarial"; None is that of the model's recipe, 0 where it has none, as products do.
        label_smoothing: share of the right entity's weight spread over all, not for "self-adversarial".
        relation_weight: of relation prediction, not for "self-adversarial".
        rounding: of the gradient, for "k-vs-all"; see `KvsAll`.
        invert: also train (t, s, h) for each (h, r, t) wherever that holds for this share of the train part's triples
            of r, or more: symmetric relations, where s is r, and inverse ones; 0 for none. Every triple is read
            backwards in any case, but by rows of the relations made for that, which tell nothing of s.
        sharing: of the negatives: "batch", one set for all its examples; "pairs", one for two in a row; "own", each
            example has its own, which takes longer.
        temperature: how much more harder negatives count, for "self-adversarial"; 0 weighs them alike.
    """

    split: Split
    loss: str = "k-vs-all"
    negatives: int = 256
    margin: float | None = None
    label_smoothing: float = 0.0
    relation_weight: float = 0.0
    rounding: float = ROUNDING
    invert: float = 0.0
    sharing: str = "batch"
    temperature: float = 1.0
    name = "triple-completion"
    monitor = "mrr"

    def __post_init__(self) -> None:
        fits = is_of(self.split, "edge") and self.split.graph.relation is not None
        one_of("loss", "TripleCompletion", self.loss, LOSSES)
        check_smoothing("TripleCompletion", self.label_smoothing, self.loss, *FULL_LOSSES)
        self._full.check("TripleCompletion", self.loss)
        number("invert", "TripleCompletion", self.invert, 0, 1)
        one_of("sharing", "TripleCompletion", self.sharing, SHARINGS)
        number("temperature", "TripleCompletion", self.temperature, 0)
        if self.sharing != "batch" and (self.noise == "in-batch" or self.loss in FULL_LOSSES):
            which = f"loss={self.loss!r}" if self.loss in FULL_LOSSES else "noise='in-batch'"
            raise bad("sharing", "TripleCompletion", f"'batch' for {which}", self.sharing)
        need(fits, "TripleCompletion", "a split of triples", describe(self.split))
        self._check_samples(self.split.graph, self.loss, self.loss == "self-adversarial", corrected=False)
        self.split.audit()

    @property
    def _full(self) -> Full:
        return Full(self.relation_weight, self.rounding)

    @property
    def graph(self) -> Graph:
        return self.split.graph

    def training(self, model: Model, config: TrainConfig) -> Training:
        refuse_seen(model, self.split)
        if not model.scorer.reads_relations:
            raise bad("model", "TripleCompletion", "one that scores relations, such as ComplEx", model.recipe)
        drawn, margin = self._negatives(self.negatives), margin_of(model.recipe) if self.margin is None else self.margin
        options = self.loss, drawn, margin, self.label_smoothing, self.sharing, self.temperature, self._full
        train = self.split.train
        if self.invert:
            train = with_inverses(train, inverse_rules(train, self.invert))
        sampler, objective = triple_pretraining(train, config, *options)
        sampler, objective = self._weighed(sampler), self._hardened(objective)
        return Training(self.name, sampler, objective, *watching(self, self.split))

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
