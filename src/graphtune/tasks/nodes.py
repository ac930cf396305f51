"""Node classification and node regression."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from graphtune.check import chance, number, one_of
from graphtune.config import TrainConfig
from graphtune.evaluate import Evaluation, evaluate_classes, evaluate_values
from graphtune.graph import Graph
from graphtune.models.base import Model
from graphtune.models.heads import HeadSpec
from graphtune.objectives import Classify, Regress
from graphtune.sampling import CLASS_WEIGHTS, NodeSampler, class_weights
from graphtune.split import TEST, TRAIN, VALID, Split
from graphtune.tasks.base import describe, is_of, need
from graphtune.train.fit import Training


@dataclass(frozen=True)
class NodeClassification:
    """Which class, or which classes, a node belongs to.

    A model without a head for it is judged by logistic regression on its embeddings.

    Attributes:
        split: of the nodes of a graph with labels.
        hidden: width of the head's hidden layer, 0 for a linear head.
        dropout: on the embeddings.
        label_smoothing: share of a class's weight spread over all classes; of several classes a node, what each
            indicator is drawn towards a half by.
        class_weight: of each node's loss: "none"; "balanced", the inverse of its class's size; or "effective", that of
            its effective number (Cui et al., 2019).
        class_beta: of "effective": 0 for equal weights, towards 1 for "balanced".
        focal: gamma of the focal loss (Lin et al., 2017), by which nodes that are classified well count less.
    """

    split: Split
    hidden: int = 0
    dropout: float = 0.5
    label_smoothing: float = 0.0
    class_weight: str = "none"
    class_beta: float = 0.999
    focal: float = 0.0
    name = "node-classification"
    monitor = "f1_micro"

    def __post_init__(self) -> None:
        for name in ("label_smoothing", "class_beta"):
            chance(name, "NodeClassification", getattr(self, name))
        one_of("class_weight", "NodeClassification", self.class_weight, CLASS_WEIGHTS)
        number("focal", "NodeClassification", self.focal, 0)
        fits = is_of(self.split, "node") and self.split.graph.labels is not None
        need(fits, "NodeClassification", "a split of labelled nodes", describe(self.split), "Give labels (--labels).")
        self.split.audit()

    @property
    def graph(self) -> Graph:
        return self.split.graph

    def training(self, model: Model, config: TrainConfig) -> Training:
        labels = self.split.graph.labels
        assert labels is not None
        classes = labels.shape[1] if labels.ndim == 2 else int(labels.max()) + 1
        model.add_head(self.name, HeadSpec(model.dim, classes, self.hidden, self.dropout), config.seed)
        model.outputs[self.name] = {"classes": list(self.split.graph.label_names or map(str, range(classes)))}
        nodes = np.flatnonzero(self.split.part == TRAIN)
        weight = class_weights(labels[nodes], self.class_weight, self.class_beta)
        sampler = NodeSampler(nodes, labels[nodes], config.batch_size, weight, seed=config.seed)
        objective = Classify(self.name, self.label_smoothing, self.focal)
        return Training(self.name, sampler, objective, self.validate, self.monitor)

    def evaluate(self, model: Model, part: int = TEST) -> Evaluation:
        return evaluate_classes(model, self.split, part, self.name if self.name in model.heads else None)

    def defaults(self) -> TrainConfig:
        return TrainConfig(epochs=200, batch_size=4096, lr=0.01, weight_decay=1.0, patience=100)

    def validate(self, model: Model) -> dict[str, float]:
        return self.evaluate(model, VALID).means()


@dataclass(frozen=True)
class NodeRegression:
    """What value a node has.

    Targets are scaled to mean 0 and variance 1 for training and back for scores. A model without a head for it is
    judged by ridge regression on its embeddings.

    Attributes:
        split: of the nodes of a graph with targets.
        hidden: width of the head's hidden layer, 0 for a linear head.
        dropout: on the embeddings.
        huber: where the loss turns from squared to linear, in standard deviations; 0 for squared throughout.
    """

    split: Split
    hidden: int = 0
    dropout: float = 0.0
    huber: float = 0.0
    name = "node-regression"
    monitor = "r2"

    def __post_init__(self) -> None:
        fits = is_of(self.split, "node") and self.split.graph.targets is not None
        need(fits, "NodeRegression", "a split of nodes with values", describe(self.split), "Give values (--labels).")
        self.split.audit()

    @property
    def graph(self) -> Graph:
        return self.split.graph

    def training(self, model: Model, config: TrainConfig) -> Training:
        targets = self.split.graph.targets
        assert targets is not None
        nodes = np.flatnonzero(self.split.part == TRAIN)
        mean, spread = float(targets[nodes].mean()), float(targets[nodes].std()) or 1.0
        model.add_head(self.name, HeadSpec(model.dim, 1, self.hidden, self.dropout), config.seed)
        model.outputs[self.name] = {"mean": mean, "spread": spread}
        sampler = NodeSampler(nodes, (targets[nodes] - mean) / spread, config.batch_size, seed=config.seed)
        return Training(self.name, sampler, Regress(self.name, self.huber), self.validate, self.monitor)

    def evaluate(self, model: Model, part: int = TEST) -> Evaluation:
        return evaluate_values(model, self.split, part, self.name if self.name in model.heads else None)

    def defaults(self) -> TrainConfig:
        return TrainConfig(epochs=300, batch_size=4096, lr=0.01, weight_decay=0.05, patience=50)

    def validate(self, model: Model) -> dict[str, float]:
        return self.evaluate(model, VALID).means()
