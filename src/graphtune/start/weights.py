"""Weights by name: those of relations row by row, others as a whole.

Axes: R relations of the model, r those that come.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from graphtune.check import bad
from graphtune.models.base import Model
from graphtune.start.rows import How


@dataclass(frozen=True)
class Copy:
    """One weight that has a place.

    Attributes:
        to: the model's parameter, or its running mean.
        weight: of the same shape; for relations [2r, ...] to [2R, ...], forwards and then backwards.
        relations: [r] the model's number of each relation, -1 for one it does not know; None for other weights.
    """

    to: Tensor
    weight: Tensor
    relations: np.ndarray | None

    @torch.no_grad()
    def make(self) -> None:
        """Change the parameter."""
        if self.relations is None:
            self.to.copy_(self.weight)
            return
        known = torch.from_numpy(np.flatnonzero(self.relations >= 0))
        to = torch.from_numpy(self.relations[self.relations >= 0]).to(self.to.device)
        for ahead in (0, 1):
            rows = self.weight[(known + ahead * len(self.relations)).to(self.weight.device)]
            self.to[to + ahead * (len(self.to) // 2)] = rows.to(self.to)


def find_copies(
    model: Model, weights: Mapping[str, Tensor], relations: np.ndarray | None, how: How
) -> tuple[list[Copy], tuple[str, ...]]:
    """What has a place among the weights of a model that are not tables of nodes; nothing is changed yet.

    Args:
        model: to be started. Where its scorer does not say which rows are of relations (`Scorer.relation_names`), its
            weights are taken only if all relations have the same numbers.
        weights: by the names of the model's parameters.
        relations: see `Copy`; None where there are none.
        how: whether another shape is an error.

    Returns:
        What can be copied, and the names of the others.

    Raises:
        ArgumentError: a shape is another, and that is to be refused.
    """
    parameters = model.state_dict(keep_vars=True)
    of_relations = {f"scorer.{name}" for name in model.scorer.relation_names}
    unnamed = model.scorer.reads_relations and not of_relations and not _same_numbers(model, relations)
    of_relations |= {f"encoder.{name}" for name in model.encoder.relation_names}
    copies, skipped = [], []
    for name, weight in weights.items():
        ours = None if unnamed and name.startswith("scorer.") else parameters.get(name)
        numbers = relations if name in of_relations else None
        by_row = numbers is not None
        if ours is not None and ours.shape[by_row:] == weight.shape[by_row:]:
            copies.append(Copy(ours, weight, numbers))
            continue
        if ours is not None and how.resize == "refuse":
            raise bad(name, how.who, f"of shape {list(ours.shape)}, as in the model", list(weight.shape))
        skipped.append(name)
    return copies, tuple(skipped)


def _same_numbers(model: Model, relations: np.ndarray | None) -> bool:
    return relations is None or np.array_equal(relations, np.arange(model.graph.num_relations))
