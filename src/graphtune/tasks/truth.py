"""Triple classification."""

from __future__ import annotations

from dataclasses import dataclass

from graphtune.check import bad, one_of
from graphtune.config import TrainConfig
from graphtune.evaluate import Evaluation, evaluate_truth
from graphtune.evaluate.seen import refuse_seen
from graphtune.graph import Graph
from graphtune.models.base import Model
from graphtune.split import TEST, VALID, Split
from graphtune.tasks.base import describe, is_of, need
from graphtune.train.fit import Training

NEGATIVES = ("auto", "hard", "drawn")


@dataclass(frozen=True)
class TripleClassification:
    """Is a triple true? By a threshold of its score, chosen for its relation on validation. Nothing learns.

    Attributes:
        split: of triples.
        negatives: the false triples: "hard", those that come with the split; "drawn", a true one each with an end
            replaced within the type of its relation; "auto" for hard ones where there are some, else drawn ones.
        seed: of what is drawn.
    """

    split: Split
    negatives: str = "auto"
    seed: int = 0
    name = "triple-classification"
    monitor = "accuracy"

    def __post_init__(self) -> None:
        one_of("negatives", "TripleClassification", self.negatives, NEGATIVES)
        fits = is_of(self.split, "edge") and self.split.graph.relation is not None
        need(fits, "TripleClassification", "a split of triples", describe(self.split))
        if self.negatives == "hard" and not self._has_hard:
            fix = "negatives='drawn' replaces ends of true ones."
            raise bad("negatives", "TripleClassification", "of a split with false triples", self.negatives, fix)

    @property
    def graph(self) -> Graph:
        return self.split.graph

    @property
    def _has_hard(self) -> bool:
        return self.split.false_valid is not None and self.split.false_test is not None

    def training(self, model: Model, config: TrainConfig) -> Training:
        fix = "Fine-tune on triple-completion and evaluate on triple-classification."
        raise bad("task", "finetune", "one with something to learn from", self.name, fix)

    def evaluate(self, model: Model, part: int = TEST) -> Evaluation:
        refuse_seen(model, self.split)
        valid, test = self.split.false_valid, self.split.false_test
        hard = None if valid is None or test is None or self.negatives == "drawn" else (valid, test)
        return evaluate_truth(model, self.split, part, hard, self.seed)

    def defaults(self) -> TrainConfig:
        return TrainConfig()

    def validate(self, model: Model) -> dict[str, float]:
        return self.evaluate(model, VALID).means()
