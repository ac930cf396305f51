"""What contract tests compare of models: weights, scores, widths.

Axes: U users, I items, N nodes, R relations, Q dim of a query or key.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from graphtune.models.base import Model
from graphtune.models.chance import judging


def query_width(model: Model) -> int:
    """Q, which keys must be as wide as."""
    relation = torch.zeros(1, dtype=torch.int64) if model.scorer.reads_relations else None
    with judging(model.scorer):
        return model.scorer.query(model.embeddings()[:1], relation).shape[1]


def all_scores(model: Model) -> np.ndarray:
    """[U, I] of all users with all items; of triples [N 2R, N], of all nodes by all relations with all nodes."""
    nodes, both = model.graph.num_nodes, 2 * model.graph.num_relations
    if both:
        source, relation = np.divmod(np.arange(nodes * both), both)
        return model.frozen().cross(source, range(nodes), relation)
    return model.frozen().cross(np.array(model.ids.rows("user")), model.ids.rows("item"))


def snapshot(model: Model) -> dict[str, Tensor]:
    """A copy of all weights."""
    return {name: value.clone() for name, value in model.state_dict().items()}


def equal(a: Model, b: Model) -> bool:
    """Whether two models have the same weights, bit for bit."""
    return all(torch.equal(value, b.state_dict()[name]) for name, value in a.state_dict().items())
