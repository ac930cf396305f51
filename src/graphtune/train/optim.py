"""Optimisers over three groups of weights: embedding tables, encoder and scorer, task heads."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from graphtune.check import bad
from graphtune.config import TrainConfig
from graphtune.models.base import Model


def parameter_groups(model: Model, config: TrainConfig) -> list[dict[str, Any]]:
    """The weights to train, grouped by rate and decay; a group whose rate is 0 is left out, which freezes it.

    Biases and other vectors are not decayed.
    """
    tables = set(model.table_parameters())
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        lr, decay = _rate_and_decay(name, parameter, tables, config)
        if lr > 0:
            groups.setdefault((lr, decay), []).append(parameter)
    return [{"params": p, "lr": lr, "peak": lr, "weight_decay": decay} for (lr, decay), p in groups.items()]


def make_optimizer(model: Model, config: TrainConfig) -> torch.optim.Optimizer:
    """The optimiser that the configuration names; fused implementations throughout."""
    groups = parameter_groups(model, config)
    if not groups:
        rates = f"lr_table={config.lr_table}, lr_encoder={config.lr_encoder}, lr_head={config.lr_head}"
        raise bad("lr_table", "TrainConfig", "such that some weight of the model is trained", rates)
    if config.optimizer == "adamw":
        return torch.optim.AdamW(groups, fused=True)
    if config.optimizer == "adagrad":
        return torch.optim.Adagrad(groups, fused=True)
    return torch.optim.SGD(groups, fused=True)


def _rate_and_decay(name: str, parameter: nn.Parameter, tables: set[str], config: TrainConfig) -> tuple[float, float]:
    if name in tables:
        own, decay = config.lr_table, config.weight_decay_table
    elif name.startswith("heads."):
        own, decay = config.lr_head, config.weight_decay
    else:
        own, decay = config.lr_encoder, config.weight_decay
    return (config.lr if own is None else own), (decay if parameter.ndim > 1 else 0.0)
