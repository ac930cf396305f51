"""Examples by difficulty: easy ones first. B examples."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from graphtune.train.schedule import Clock

RISE = 0.5
"""Share of the run after which every example counts."""


def easiest(values: Tensor, weight: Tensor | None, first: float, clock: Clock) -> Tensor | None:
    """Weights [B] of a batch in which its hardest examples, those of the largest losses, count nothing.

    The share that counts rises linearly from `first` to 1 over the first half of the run: self-paced learning (Kumar et
    al., 2010) with the pace fixed by the clock, so it has no state.

    Args:
        values: [B] losses.
        weight: [B] weights of the batch, None for equal ones.
        first: share that counts in the first step; 0 leaves the weights as they are.
        clock: when.
    """
    if not first:
        return weight
    share = first + (1 - first) * clock.step / (RISE * clock.total)
    if share >= 1:
        return weight
    least = values.detach().topk(math.ceil(share * len(values)), largest=False).indices
    counts = torch.zeros_like(values, dtype=torch.float32).index_fill_(0, least, 1.0)
    return counts if weight is None else counts * weight
