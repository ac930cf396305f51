"""What the knowledge-graph models share: how they are built and trained."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from graphtune.check import bad, one_of
from graphtune.config import TrainConfig
from graphtune.graph import Graph
from graphtune.models.base import Model, Recipe
from graphtune.models.chance import generator
from graphtune.models.fullsoftmax import FULL_LOSSES, PLAIN, QUERY_LOSSES, Full, query_pretraining
from graphtune.models.lookup import Lookup
from graphtune.models.scorer import Scorer
from graphtune.objectives import OneVsAll, SelfAdversarial
from graphtune.sampling import EdgeSampler, Negatives, QuerySampler

LOSSES = (*FULL_LOSSES, "self-adversarial")
DISTANCES = ("transe", "rotate")  # scorers of encoders that have a margin


def triple_model(recipe: Recipe, scorer: Scorer, graph: Graph, scale: float, seed: int) -> Model:
    """A table of entities and a scorer of triples."""
    if graph.relation_ids is None:
        raise bad("graph", type(recipe).__name__, "a knowledge graph: edges with relations", "edges without")
    return Model(recipe, Lookup(graph.num_nodes, recipe.dim, scale, seed), scorer, graph)


def check_loss(recipe: Any) -> None:
    """Refuse a recipe whose loss is none of those for triples.

    Raises:
        ArgumentError: it is so.
    """
    one_of("loss", type(recipe).__name__, recipe.loss, LOSSES)


def relation_rows(num_relations: int, dim: int, scale: float, seed: int) -> nn.Parameter:
    """[2R, D] normal rows: R relations, then the same read backwards."""
    rows = torch.empty(2 * num_relations, dim)
    return nn.Parameter(rows.normal_(0.0, scale, generator=generator(seed + 1)))


def triple_pretraining(
    graph: Graph,
    config: TrainConfig,
    loss: str,
    negatives: Negatives,
    margin: float,
    label_smoothing: float = 0.0,
    sharing: str = "batch",
    temperature: float = 1.0,
    full: Full = PLAIN,
) -> tuple[EdgeSampler | QuerySampler, Any]:
    """Triples in both directions with the loss by name: against every entity, triple by triple or query by query, or
    against negatives.

    Args:
        graph: the triples; config: batch size and seed.
        loss: one of `LOSSES`.
        negatives, sharing: how they are drawn and by whom shared, for "self-adversarial".
        margin, temperature: for "self-adversarial".
        label_smoothing: for the other losses.
        full: for those against every entity.
    """
    one_of("loss", "triple_pretraining", loss, LOSSES)
    if loss in QUERY_LOSSES:
        return query_pretraining(graph, config, loss, label_smoothing, full)
    if loss == "one-vs-all":
        sampler = EdgeSampler(graph, config.batch_size, None, reciprocal=True, seed=config.seed)
        return sampler, OneVsAll(label_smoothing, full.relation_weight)
    drawn = negatives.shared_by(sharing)
    sampler = EdgeSampler(graph, config.batch_size, drawn, reciprocal=True, seed=config.seed)
    return sampler, SelfAdversarial(margin, temperature)


def margin_of(recipe: Any) -> float:
    """The margin of a recipe's distances; products have none."""
    is_distance = getattr(recipe, "scorer", DISTANCES[0]) in DISTANCES
    return getattr(recipe, "margin", 0.0) if is_distance else 0.0


def bilinear_training() -> TrainConfig:
    """Adagrad with the N3 penalty (Lacroix et al., 2018)."""
    return TrainConfig(epochs=100, batch_size=256, lr=0.1, optimizer="adagrad", n3=0.02, eval_every=5, patience=6)


def distance_training(loss: str = "self-adversarial") -> TrainConfig:
    """Adam as RotatE uses it, with a falling rate; against negatives only the rows of a batch take a step.

    Batches are small, as a batch shares its negatives: on CoDEx-S 256 triples learn more from 256 negatives than 1024.
    """
    return TrainConfig(
        epochs=30,
        batch_size=256,
        lr=0.003,
        optimizer="adamw",
        table_updates="rows" if loss == "self-adversarial" else "auto",
        schedule="cosine",
        eval_every=5,
        patience=6,
    )
