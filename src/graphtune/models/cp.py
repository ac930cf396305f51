"""CP (Hitchcock, 1927; with reciprocal relations Lacroix et al., 2018): heads and tails have vectors of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from graphtune.config import TrainConfig
from graphtune.graph import Graph
from graphtune.models.base import Model, check_recipe
from graphtune.models.knowledge import bilinear_training, check_loss, relation_rows, triple_model, triple_pretraining
from graphtune.models.lookup import Context
from graphtune.models.scorer import Scorer
from graphtune.sampling import Negatives, Sampler


class CPScorer(Scorer):
    """<h, r, t'> = sum_d h_d r_d t'_d, with t' from a table of its own (Lacroix et al., equation 1).

    No row of a relation reads another one backwards, as heads and tails would change tables.

    Args:
        num_nodes: N.
        num_relations: R; relation r + R is r read backwards.
        dim: D.
        scale: of the start: rows of tails uniform in +-scale, the standard deviation of relations.
        seed: of the start.
    """

    reads_relations = True

    def __init__(self, num_nodes: int, num_relations: int, dim: int, scale: float = 1e-3, seed: int = 0):
        super().__init__()
        self.tail = Context(num_nodes, dim, scale, seed + 2)
        self.relation = relation_rows(num_relations, dim, scale, seed)

    def query(self, z: Tensor, relation: Tensor | None = None) -> Tensor:
        assert relation is not None
        return z * F.embedding(relation, self.relation)

    def key(self, z: Tensor, nodes: Tensor | None = None) -> Tensor:
        return self.tail.key(z, nodes)

    def backwards(self, rows: Tensor) -> None:
        return None

    @property
    def table_names(self) -> tuple[str, ...]:
        return ("tail.weight",)

    @property
    def relation_names(self) -> tuple[str, ...]:
        return ("relation",)


@dataclass(frozen=True)
class CP:
    """CP with reciprocal relations, without which it learns little: a node's two vectors would hardly know each other.

    Attributes:
        dim: D, of a node as a head and as a tail.
        loss: "k-vs-all", "k-vs-all-bce", "one-vs-all" or "self-adversarial"; with the first two batches count queries.
        negatives: shared by the batch, for "self-adversarial".
    """

    dim: int = 200
    loss: str = "k-vs-all"
    negatives: int = 256

    def __post_init__(self) -> None:
        check_recipe(self, dim=1, negatives=1)
        check_loss(self)

    def build(self, graph: Graph, seed: int = 0) -> Model:
        scorer = CPScorer(graph.num_nodes, graph.num_relations, self.dim, seed=seed)
        return triple_model(self, scorer, graph, 1e-3, seed)

    def training(self) -> TrainConfig:
        return bilinear_training()

    def pretraining(self, graph: Graph, config: TrainConfig) -> tuple[Sampler, Any]:
        return triple_pretraining(graph, config, self.loss, Negatives(self.negatives), margin=0.0)
