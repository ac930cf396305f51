"""Relation prediction as an auxiliary task (ComplEx-N3-RP: Chen et al., 2021).

Axes: B examples, R relations, D dim, Q query.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from graphtune.objectives.entropy import can_form
from graphtune.objectives.grouped import rounded_entropy


def relation_entropy(
    scorer: Any, source: Tensor, relation: Tensor, key: Tensor, phase: Tensor | None = None, rounding: float = 0.0
) -> Tensor:
    """-log [B] of the share of each relation in exp(score) over all 2R of them, the nodes given.

    Args:
        scorer: one with `relation_query` costs a product; others score all relations one by one.
        source: [B, D] embeddings; key: [B, Q] of the targets.
        relation: [B].
        phase, rounding: as in `rounded_entropy`; 0 for the exact gradient.
    """
    query, rows = scorer.relation_query(source, key), scorer.get_parameter(scorer.relation_names[0])
    if query is None:
        every = (torch.full_like(relation, r) for r in range(len(rows)))
        scores = torch.stack([scorer.pair(scorer.query(source, r), key) for r in every], 1)
        return F.cross_entropy(scores, relation, reduction="none")
    if rounding and phase is not None and can_round(scorer, query, rows):
        return rounded_entropy(query, rows, torch.arange(len(relation) + 1), relation, phase, rounding)
    return F.cross_entropy(query @ rows.T, relation, reduction="none")


def can_round(scorer: Any, query: Tensor, key: Tensor) -> bool:
    """Whether `rounded_entropy` takes scores of this scorer as they are computed now."""
    return can_form(scorer, query, key) and not torch.is_autocast_enabled("cpu")
