"""Community detection."""

from __future__ import annotations

from dataclasses import dataclass

from graphtune.check import bad, integer
from graphtune.config import TrainConfig
from graphtune.evaluate import Evaluation, evaluate_communities
from graphtune.graph import Graph
from graphtune.models.base import Model
from graphtune.split import TEST, Split
from graphtune.train.fit import Training


@dataclass(frozen=True)
class CommunityDetection:
    """Which nodes belong together: KMeans on the embeddings, Leiden on the graph, and both together. Nothing learns.

    Attributes:
        data: the graph to cluster, or a split, whose whole graph is: communities are not predicted but found.
        k: communities for KMeans and the combination; the number of classes where None, else as many as Leiden finds.
        seed: of all three.
    """

    data: Graph | Split
    k: int | None = None
    seed: int = 0
    name = "community-detection"
    monitor = "modularity_combined"

    def __post_init__(self) -> None:
        if self.k is not None:
            integer("k", "CommunityDetection", self.k, 1, self.graph.num_nodes)

    @property
    def graph(self) -> Graph:
        return self.data.graph if isinstance(self.data, Split) else self.data

    def training(self, model: Model, config: TrainConfig) -> Training:
        fix = "Fine-tune on link-prediction and evaluate on community-detection."
        raise bad("task", "finetune", "one with something to learn from", self.name, fix)

    def evaluate(self, model: Model, part: int = TEST) -> Evaluation:
        return evaluate_communities(model, self.graph, self.k, self.seed)

    def defaults(self) -> TrainConfig:
        return TrainConfig()

    def validate(self, model: Model) -> dict[str, float]:
        return self.evaluate(model).means()
