"""CompGCN (Vashishth et al., 2020): messages composed of a node and a relation, whose rows the layers change too.

Axes: N nodes, R relations, M messages, D dim, W width of a scorer's rows of relations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from graphtune.check import one_of
from graphtune.config import TrainConfig
from graphtune.graph import Graph
from graphtune.models.base import Model
from graphtune.models.chance import generator
from graphtune.models.knowledge import margin_of, relation_rows, triple_pretraining
from graphtune.models.messages import COMPOSITIONS, Messages, compose, composed_sum
from graphtune.models.relational import (
    SCORERS,
    Inputs,
    RelationalEncoder,
    check_relational,
    check_relations,
    relational_training,
)
from graphtune.models.scorer import Scorer
from graphtune.sampling import Negatives, Sampler


class CompGCNLayer(nn.Module):
    """tanh of the batch-normed sum of W_dir phi(x_j, z_r) over the messages to a node (equation 3), dir one of
    relation, inverse and self-loop; and W_rel z_r for the rows of relations (equation 4).

    Messages count (d_u d_v)^-1/2 as in GCN. What is normed are all nodes, in evaluation as in training, so that no
    running mean is kept. The paper's factor of 1/3 would be normed away.

    Args:
        dim: D.
        composition: phi, "sub", "mult" or "corr".
        is_last: whether it is the last layer, whose W_rel is the scorer's; see `UpdatedRows`.
    """

    def __init__(self, dim: int, composition: str, is_last: bool):
        super().__init__()
        self.composition = composition
        self.directions = nn.Linear(2 * dim, dim, bias=False)
        self.own = nn.Linear(dim, dim, bias=False)
        self.loop = nn.Parameter(torch.empty(1, dim).normal_(std=0.1))
        self.norm = nn.BatchNorm1d(dim, track_running_stats=False)
        self.relate = None if is_last else nn.Linear(dim, dim, bias=False)
        for linear in (self.directions, self.own, self.relate):
            if linear is not None:
                nn.init.xavier_uniform_(linear.weight)

    def forward(self, x: Tensor, rows: Tensor, messages: Messages, weight: Tensor) -> Tensor:
        """[N, D] embeddings, [2R, D] relations and what each message counts, [M] -> [N, D]."""
        sums = composed_sum(x, rows, self.composition, messages, weight).view(len(x), -1)  # [N, 2D]
        own = compose(x, self.loop, self.composition)
        return torch.tanh(self.norm(self.directions(sums) + self.own(own)))


class CompGCNEncoder(RelationalEncoder):
    """Layers of `CompGCNLayer` over a table of nodes, or over the graph's features, and a table of relations.

    Args:
        graph: edges with relations.
        dim: D.
        layers: the number of them.
        composition: "sub", "mult" or "corr".
        dropout: before each layer.
        seed: of the start.
    """

    def __init__(
        self,
        graph: Graph,
        dim: int,
        layers: int = 1,
        composition: str = "mult",
        dropout: float = 0.0,
        seed: int = 0,
    ):
        inputs = Inputs(graph, dim, seed)
        inputs.register_parameter("relation", relation_rows(graph.num_relations, dim, 0.1, seed))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            made = [CompGCNLayer(dim, composition, i == layers - 1) for i in range(layers)]
        super().__init__(graph, Messages(graph, "symmetric", by_direction=True), inputs, [*made], dim, dropout)

    def layer_inputs(self) -> list[tuple[Tensor, ...]]:
        """The rows of relations that each layer reads, [2R, D]: no function of nodes or views."""
        rows: Tensor = self.inputs.get_parameter("relation")
        read = [(rows,)]
        for layer in self.layers[:-1]:
            rows = layer.relate(rows)  # type: ignore[operator]
            read.append((rows,))
        return [*read]

    @property
    def relation_names(self) -> tuple[str, ...]:
        return ("inputs.relation",)


class UpdatedRows(nn.Module):
    """A parametrisation of a scorer's table of relations: the rows that the encoder's last layer reads, times W_rel of
    that layer, a matrix [D, W] that the scorer has in place of the table.

    Args:
        encoder: has the rows.
        seed: of the matrix.
    """

    def __init__(self, encoder: CompGCNEncoder, seed: int):
        super().__init__()
        self.beside = (encoder,)  # a tuple, so that its weights are not the scorer's too
        self.seed = seed

    def forward(self, matrix: Tensor) -> Tensor:
        """[D, W] -> [2R, W]."""
        return self.beside[0].layer_inputs()[-1][0] @ matrix

    def right_inverse(self, rows: Tensor) -> Tensor:
        """What the table [2R, W] is replaced with: a matrix drawn anew."""
        matrix = torch.empty(self.beside[0].dim, rows.shape[1])
        return nn.init.xavier_uniform_(matrix, generator=generator(self.seed))


def with_updated_rows(scorer: Scorer, encoder: CompGCNEncoder, seed: int = 0) -> Scorer:
    """The scorer, its rows of relations now those that the encoder's layers have changed."""
    (name,) = scorer.relation_names
    parametrize.register_parametrization(scorer, name, UpdatedRows(encoder, seed + 2), unsafe=True)
    return scorer


@dataclass(frozen=True)
class CompGCN:
    """CompGCN as an encoder under a scorer of triples, which has reciprocal relations.

    Messages pass over all edges of the train part in both directions, those that are scored among them, as in the
    paper; `edge_dropout` of the training leaves a share of them out of each step.

    Attributes:
        dim: D, of all layers.
        scorer: "distmult", "complex", "transe" or "rotate"; it reads the rows of relations that the last layer gives.
        layers: the number of them.
        composition: how a message is made of a node and a relation: "sub" (difference), "mult" (product) or "corr"
            (circular correlation).
        dropout: before each layer.
        loss: "one-vs-all", "k-vs-all", "k-vs-all-bce" or "self-adversarial".
        negatives: shared by the batch, for "self-adversarial".
        margin: distance at which a triple is as likely as not, for "self-adversarial" with "transe" or "rotate".
    """

    dim: int = 200
    scorer: str = "distmult"
    layers: int = 1
    composition: str = "mult"
    dropout: float = 0.2
    loss: str = "one-vs-all"
    negatives: int = 256
    margin: float = 9.0

    def __post_init__(self) -> None:
        check_relational(self)
        one_of("composition", "CompGCN", self.composition, COMPOSITIONS)

    def build(self, graph: Graph, seed: int = 0) -> Model:
        check_relations(self, graph)
        encoder = CompGCNEncoder(graph, self.dim, self.layers, self.composition, self.dropout, seed)
        scorer = SCORERS[self.scorer](graph.num_relations, self.dim, seed)
        return Model(self, encoder, with_updated_rows(scorer, encoder, seed), graph)

    def training(self) -> TrainConfig:
        return relational_training()

    def pretraining(self, graph: Graph, config: TrainConfig) -> tuple[Sampler, Any]:
        return triple_pretraining(graph, config, self.loss, Negatives(self.negatives), margin_of(self))
