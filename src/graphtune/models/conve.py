"""ConvE (Dettmers et al., 2018): head and relation are an image of two halves, which a convolution reads."""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graphtune.check import bad, chance
from graphtune.config import TrainConfig
from graphtune.graph import Graph
from graphtune.models.base import Model, check_recipe
from graphtune.models.chance import generator
from graphtune.models.knowledge import check_loss, relation_rows, triple_model, triple_pretraining
from graphtune.models.lookup import Context
from graphtune.models.norm import BatchNorm
from graphtune.models.scorer import Scorer
from graphtune.sampling import Negatives, Sampler


class ConvEScorer(Scorer):
    """f(vec(f([h; r] * w)) W) . t + b_t with f = max(0, .) (equation 1); h over r is an image, w its C kernels.

    Batch norm and dropout are where the authors' code has them, which makes biases of convolution and projection idle,
    so there are none. Q is D + 1: a key ends with the bias of its entity, which a query has 1 for. No row of a relation
    reads another one backwards.

    Args:
        num_nodes: N.
        num_relations: R; relation r + R is r read backwards.
        recipe: dim is D, channels C.
        seed: of the start.
    """

    reads_relations = True

    def __init__(self, num_nodes: int, num_relations: int, recipe: ConvE, seed: int = 0):
        super().__init__()
        self.recipe = recipe
        side, channels, dim, random = recipe.kernel, recipe.channels, recipe.dim, generator(seed + 2)
        self.relation = relation_rows(num_relations, dim, 0.1, seed)
        self.kernels = nn.Parameter(torch.empty(channels, side * side).normal_(std=1 / side, generator=random))
        inputs = channels * recipe.map_size
        self.project = nn.Parameter(torch.empty(inputs, dim).normal_(std=inputs**-0.5, generator=random))
        self.bias = Context(num_nodes, 1)
        self.query_cost = 2 * inputs
        widths = (1, channels, dim)
        self.norms = nn.ModuleList(BatchNorm(width) if recipe.batch_norm else nn.Identity() for width in widths)

    def query(self, z: Tensor, relation: Tensor | None = None) -> Tensor:
        assert relation is not None
        of_image, of_maps, of_hidden = self.norms
        image = torch.stack([z, F.embedding(relation, self.relation)], 1).view(len(z), 1, -1)  # [n, 1, 2D]
        image = F.dropout(of_image(image), self.recipe.input_dropout, self.training)
        maps = F.relu(of_maps(self._convolve(image)))  # [n, C, map]
        maps = F.dropout1d(maps, self.recipe.map_dropout, self.training)
        hidden = F.dropout(maps.flatten(1) @ self.project, self.recipe.hidden_dropout, self.training)
        hidden = F.relu(of_hidden(hidden))  # [n, D]
        return torch.cat([hidden, hidden.new_ones(len(z), 1)], dim=-1)

    def key(self, z: Tensor, nodes: Tensor | None = None) -> Tensor:
        return torch.cat([z, self.bias.key(z, nodes)], dim=-1)

    def backwards(self, rows: Tensor) -> None:
        return None

    @property
    def table_names(self) -> tuple[str, ...]:
        return ("bias.weight",)

    @property
    def relation_names(self) -> tuple[str, ...]:
        return ("relation",)

    def _convolve(self, image: Tensor) -> Tensor:
        """[n, 1, 2D] -> [n, C, map], the kernels at all places where they lie within the image."""
        side = self.recipe.kernel
        kernels = self.kernels.view(-1, 1, side, side)
        return F.conv2d(image.unflatten(-1, (2 * self.recipe.height, -1)), kernels).flatten(2)


@dataclass(frozen=True)
class ConvE:
    """ConvE with reciprocal relations. The paper's size is `dim=200, channels=32`, six times the work of a step.

    Attributes:
        dim: D; a vector is laid out in rows, as many as D's largest divisor up to its root.
        channels: C, kernels.
        kernel: their side.
        input_dropout, map_dropout, hidden_dropout: on the image, on whole maps, on what is projected.
        batch_norm: of image, maps and projection. Where a step is made in parts, of each part.
        loss: "k-vs-all", "k-vs-all-bce", "one-vs-all" or "self-adversarial"; with the first two batches count queries.
        label_smoothing: share of the right entity's weight spread over all, not for "self-adversarial".
        negatives: shared by the batch, for "self-adversarial".
    """

    dim: int = 100
    channels: int = 16
    kernel: int = 3
    input_dropout: float = 0.2
    map_dropout: float = 0.2
    hidden_dropout: float = 0.3
    batch_norm: bool = True
    loss: str = "one-vs-all"
    label_smoothing: float = 0.1
    negatives: int = 256

    def __post_init__(self) -> None:
        check_recipe(self, dim=1, channels=1, kernel=1, negatives=1)
        check_loss(self)
        for name in ("input_dropout", "map_dropout", "hidden_dropout", "label_smoothing"):
            chance(name, "ConvE", getattr(self, name))
        if min(2 * self.height, self.width) < self.kernel:
            image = f"{2 * self.height} x {self.width}"
            raise bad("dim", "ConvE", f"such that its image, {image}, holds kernels of side {self.kernel}", self.dim)

    @property
    def height(self) -> int:
        """Rows of a vector in the image."""
        return next(rows for rows in range(isqrt(self.dim), 0, -1) if self.dim % rows == 0)

    @property
    def width(self) -> int:
        return self.dim // self.height

    @property
    def map_size(self) -> int:
        """Places where a kernel lies within the image."""
        return (2 * self.height - self.kernel + 1) * (self.width - self.kernel + 1)

    def build(self, graph: Graph, seed: int = 0) -> Model:
        scorer = ConvEScorer(graph.num_nodes, graph.num_relations, self, seed)
        return triple_model(self, scorer, graph, 0.1, seed)

    def training(self) -> TrainConfig:
        return TrainConfig(epochs=50, batch_size=512, lr=0.003, schedule="cosine", eval_every=5, patience=6)

    def pretraining(self, graph: Graph, config: TrainConfig) -> tuple[Sampler, Any]:
        options = Negatives(self.negatives), 0.0, self.label_smoothing
        return triple_pretraining(graph, config, self.loss, *options)
