"""Optimisers over groups of weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from graphtune.check import bad
from graphtune.config import TrainConfig
from graphtune.train.groups import Group


def make_optimizer(groups: Sequence[Group], config: TrainConfig) -> torch.optim.Optimizer:
    """The optimiser that the configuration names; fused implementations throughout.

    Raises:
        ArgumentError: there is nothing to train.
    """
    if not groups:
        options = ("freeze", "lr_table", "lr_encoder", "lr_head")
        told = ", ".join(f"{name}={getattr(config, name)!r}" for name in options)
        argument = "freeze" if config.freeze else "lr_table"
        raise bad(argument, "TrainConfig", "such that some weight of the model is trained", told)
    learning = [rated(group) for group in groups]
    if config.optimizer == "adamw":
        return torch.optim.AdamW(learning, fused=True)
    if config.optimizer == "adagrad":
        return torch.optim.Adagrad(learning, fused=True)
    return torch.optim.SGD(learning, fused=True)


def rated(group: Group) -> dict[str, Any]:
    """A group as optimisers take it, with its peak rate."""
    weights = list(group.parameters.values())
    return {"params": weights, "lr": group.peak, "peak": group.peak, "weight_decay": group.decay}
