"""R-GCN (Schlichtkrull et al., 2018): a graph convolution with a matrix a relation.

Axes: N nodes, R relations, M messages, B bases, I and O width of inputs and outputs, D dim.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graphtune.check import one_of
from graphtune.config import TrainConfig
from graphtune.graph import Graph
from graphtune.models.base import Model, check_recipe
from graphtune.models.knowledge import margin_of, triple_pretraining
from graphtune.models.messages import Messages, basis_product
from graphtune.models.relational import (
    SCORERS,
    Inputs,
    RelationalEncoder,
    check_relational,
    check_relations,
    relational_training,
)
from graphtune.sampling import Negatives, Sampler


class RGCNLayer(nn.Module):
    """W_0 x_i + sum over r and j in N_i^r of W_r x_j / c_ir, W_r = sum_b a_rb V_b (equations 2 and 3), then ReLU unless
    it is the last layer.

    Args:
        num_relations: R; inverse relations have coefficients a_rb of their own.
        inputs: I; outputs: O.
        bases: B.
        is_last: whether it is the last layer.
    """

    def __init__(self, num_relations: int, inputs: int, outputs: int, bases: int, is_last: bool):
        super().__init__()
        self.is_last = is_last
        self.root = nn.Linear(inputs, outputs)
        self.mix = nn.Parameter(torch.empty(2 * num_relations, bases))
        self.bases = nn.Parameter(torch.empty(bases, inputs, outputs))
        nn.init.normal_(self.mix, std=bases**-0.5)
        for basis in self.bases:
            nn.init.xavier_uniform_(basis)

    def forward(self, x: Tensor, messages: Messages, weight: Tensor) -> Tensor:
        """[N, I] embeddings and what each message counts, [M] -> [N, O]."""
        x = self.root(x) + basis_product(x, self.mix, self.bases, messages, weight)
        return x if self.is_last else F.relu(x)


class RGCNEncoder(RelationalEncoder):
    """Layers of `RGCNLayer` over a table of nodes, or over the graph's features.

    Args:
        graph: edges with relations.
        dim: D.
        layers: the number of them.
        bases: B.
        norm: c_ir, "relation" or "node"; see `Messages`.
        dropout: before each layer.
        seed: of the start.
    """

    def __init__(
        self,
        graph: Graph,
        dim: int,
        layers: int = 1,
        bases: int = 4,
        norm: str = "relation",
        dropout: float = 0.0,
        seed: int = 0,
    ):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            made = [RGCNLayer(graph.num_relations, dim, dim, bases, i == layers - 1) for i in range(layers)]
        super().__init__(graph, Messages(graph, norm), Inputs(graph, dim, seed), [*made], dim, dropout)

    def layer_inputs(self) -> list[tuple[Tensor, ...]]:
        return [()] * len(self.layers)

    @property
    def relation_names(self) -> tuple[str, ...]:
        return tuple(f"layers.{number}.mix" for number in range(len(self.layers)))


@dataclass(frozen=True)
class RGCN:
    """R-GCN with basis decomposition as an encoder under a scorer of triples, which has reciprocal relations.

    Messages pass over all edges of the train part in both directions, those that are scored among them, as in the
    paper; `edge_dropout` of the training leaves a share of them out of each step.

    Attributes:
        dim: D, of all layers.
        scorer: "distmult", "complex", "transe" or "rotate".
        layers: the number of them.
        bases: B, matrices that those of the relations are sums of.
        norm: what the messages of a relation to a node are divided by: "relation", how many of it there are; or
            "node", how many of all relations, which the paper takes for link prediction.
        dropout: before each layer.
        loss: "one-vs-all", "k-vs-all", "k-vs-all-bce" or "self-adversarial".
        negatives: shared by the batch, for "self-adversarial".
        margin: distance at which a triple is as likely as not, for "self-adversarial" with "transe" or "rotate".
    """

    dim: int = 200
    scorer: str = "distmult"
    layers: int = 1
    bases: int = 4
    norm: str = "relation"
    dropout: float = 0.2
    loss: str = "one-vs-all"
    negatives: int = 256
    margin: float = 9.0

    def __post_init__(self) -> None:
        check_relational(self)
        check_recipe(self, bases=1)
        one_of("norm", "RGCN", self.norm, ("relation", "node"))

    def build(self, graph: Graph, seed: int = 0) -> Model:
        check_relations(self, graph)
        encoder = RGCNEncoder(graph, self.dim, self.layers, self.bases, self.norm, self.dropout, seed)
        return Model(self, encoder, SCORERS[self.scorer](graph.num_relations, self.dim, seed), graph)

    def training(self) -> TrainConfig:
        return relational_training()

    def pretraining(self, graph: Graph, config: TrainConfig) -> tuple[Sampler, Any]:
        return triple_pretraining(graph, config, self.loss, Negatives(self.negatives), margin_of(self))
