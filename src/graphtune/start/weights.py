"""Weights by name: those of relations row by row, others as a whole.

Axes: R relations of the model, r those that come.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from graphtune.check import bad
from graphtune.models.base import Model
from graphtune.start.rows import How


@torch.no_grad()
def copy_weights(
    model: Model, weights: Mapping[str, Tensor], relations: np.ndarray | None, how: How
) -> tuple[int, tuple[str, ...]]:
    """Copy what has a place among the weights of a model that are not tables of nodes.

    Args:
        model: changed in place.
        weights: by the names of the model's parameters.
        relations: [r] the model's number of each relation, -1 for one it does not know; None where there are none.
        how: whether another shape is an error.

    Returns:
        How many were copied, and the names of the others.

    Raises:
        ArgumentError: a shape is another, and that is to be refused.
    """
    parameters = dict(model.named_parameters())
    of_relations = {f"scorer.{name}" for name in model.scorer.relation_names}
    skipped = []
    for name, weight in weights.items():
        ours = parameters.get(name)
        by_row = relations is not None and name in of_relations
        if ours is None:
            skipped.append(name)
        elif ours.shape[by_row:] != weight.shape[by_row:]:
            if how.resize == "refuse":
                raise bad(name, how.who, f"of shape {list(ours.shape)}, as in the model", list(weight.shape))
            skipped.append(name)
        elif relations is not None and name in of_relations:
            _copy_relations(ours, weight, relations)
        else:
            ours.copy_(weight)
    return len(weights) - len(skipped), tuple(skipped)


def _copy_relations(ours: nn.Parameter, weight: Tensor, relations: np.ndarray) -> None:
    """[2r, ...] to [2R, ...]: forwards and backwards."""
    known = torch.from_numpy(np.flatnonzero(relations >= 0))
    to = torch.from_numpy(relations[relations >= 0]).to(ours.device)
    for ahead in (0, 1):
        rows = weight[(known + ahead * len(relations)).to(weight.device)]
        ours[to + ahead * (len(ours) // 2)] = rows.to(ours)
