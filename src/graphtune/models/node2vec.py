"""node2vec (Grover & Leskovec, 2016): skip-gram over second-order random walks."""

from __future__ import annotations

from dataclasses import dataclass

from graphtune.config import TrainConfig
from graphtune.graph import Graph
from graphtune.models.base import Model, check_recipe
from graphtune.models.deepwalk import check_walks, walk_model, walk_sampler, walk_training
from graphtune.objectives import SkipGram
from graphtune.sampling import WalkSampler


@dataclass(frozen=True)
class Node2Vec:
    """DeepWalk whose walks lean back or outwards.

    Attributes:
        dim: D.
        walks_per_node: walks that start at each node in an epoch.
        walk_length: nodes a walk.
        window: largest distance of a pair in a walk.
        negatives: noise nodes of a pair; pairs near one another in a walk share them, see `DeepWalk`.
        p: return parameter; below 1 walks stay near where they came from.
        q: in-out parameter; below 1 walks move away, above 1 they stay around the last node.
        restart: chance of a walk to jump back to its start instead of a step; the step after a jump is by weight alone.
        subsample: word2vec's threshold for frequent nodes; 0 keeps all.
        table_dtype: "float32", or "bfloat16" for tables of half the size, whose small steps are rounded by chance.
    """

    dim: int = 128
    walks_per_node: int = 10
    walk_length: int = 40
    window: int = 10
    negatives: int = 5
    p: float = 1.0
    q: float = 0.5
    restart: float = 0.0
    subsample: float = 0.0
    table_dtype: str = "float32"

    def __post_init__(self) -> None:
        check_walks(self)
        check_recipe(self, p=1e-6, q=1e-6)

    def build(self, graph: Graph, seed: int = 0) -> Model:
        return walk_model(self, graph, seed)

    def training(self) -> TrainConfig:
        return walk_training()

    def pretraining(self, graph: Graph, config: TrainConfig) -> tuple[WalkSampler, SkipGram]:
        return walk_sampler(self, graph, config, self.p, self.q), SkipGram()
