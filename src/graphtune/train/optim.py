"""Optimisers over groups of weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from graphtune.check import bad
from graphtune.config import TrainConfig
from graphtune.train import light
from graphtune.train.groups import Group
from graphtune.train.rowwise import RowAdagrad, RowAdam, RowSGD

Groups = list[dict[str, Any]]


def make_optimizer(groups: Sequence[Group], config: TrainConfig) -> torch.optim.Optimizer | Mixed:
    """The optimiser that the configuration names; fused implementations throughout, groups in the given order.

    Raises:
        ArgumentError: there is nothing to train.
    """
    if not groups:
        options = ("freeze", "lr_table", "lr_encoder", "lr_head")
        told = ", ".join(f"{name}={getattr(config, name)!r}" for name in options)
        argument = "freeze" if config.freeze else "lr_table"
        raise bad(argument, "TrainConfig", "such that some weight of the model is trained", told)
    learning = [_rated(group) for group in groups]
    if not any(group.by_rows for group in groups):
        return _dense(learning, config)
    dense = [own for own, group in zip(learning, groups) if not group.by_rows]
    by_rows = [own for own, group in zip(learning, groups) if group.by_rows]
    optimizers = {"rows": _by_rows(by_rows, config)} | ({"dense": _dense(dense, config)} if dense else {})
    return Mixed(optimizers, ["rows" if group.by_rows else "dense" for group in groups])


class Mixed:
    """Optimisers of different groups as one.

    Args:
        optimizers: by name.
        names: of the optimiser of each group, in the order of the groups; those of one optimiser are in its own order.
    """

    def __init__(self, optimizers: dict[str, torch.optim.Optimizer], names: Sequence[str]):
        self.optimizers = optimizers
        self.places = [(name, names[:at].count(name)) for at, name in enumerate(names)]

    @property
    def param_groups(self) -> Groups:
        return [self.optimizers[name].param_groups[at] for name, at in self.places]

    def step(self) -> None:
        for optimizer in self.optimizers.values():
            optimizer.step()

    def state_dict(self) -> dict[str, Any]:
        return {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state[name])


def _dense(groups: Groups, config: TrainConfig) -> torch.optim.Optimizer:
    if config.optimizer == "adamw":
        return light.AdamW(groups, fused=True)
    if config.optimizer == "adagrad":
        return light.Adagrad(groups, fused=True)
    return light.SGD(groups, fused=True)


def _by_rows(groups: Groups, config: TrainConfig) -> torch.optim.Optimizer:
    if config.optimizer == "adamw":
        return RowAdam(groups)
    if config.optimizer == "adagrad":
        return RowAdagrad(groups)
    return RowSGD(groups)


def _rated(group: Group) -> dict[str, Any]:
    """A group as optimisers take it, with its peak rate."""
    weights = list(group.parameters.values())
    return {"params": weights, "lr": group.peak, "peak": group.peak, "weight_decay": group.decay}
