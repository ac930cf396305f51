"""What is trained, and how fast: the weights of a model in groups by rate, decay and layer."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from torch import nn

from graphtune.check import bad, matching
from graphtune.config import TrainConfig
from graphtune.models.adapters import freeze_all_but_adapters
from graphtune.models.base import Model
from graphtune.models.lora import attach, merge
from graphtune.train.schedule import Clock


@dataclass(frozen=True)
class Group:
    """Weights that learn alike.

    Attributes:
        peak: their learning rate at the peak of the schedule.
        decay: their weight decay.
        depth: layers above theirs, where layers are unfrozen one by one; else 0.
        by_rows: whether they are tables of which only touched rows are updated.
        parameters: by name.
    """

    peak: float
    decay: float
    depth: int = 0
    by_rows: bool = False
    parameters: dict[str, nn.Parameter] = field(default_factory=dict)


def parameter_groups(model: Model, config: TrainConfig, by_rows: Collection[str] = ()) -> list[Group]:
    """The weights to train, the tables named in `by_rows` apart. Left out, and so frozen: a rate of 0, a name that
    `config.freeze` matches, weights that ask for no gradient.

    The rate falls by `config.layer_decay` with each layer below the top (Howard & Ruder, 2018). Biases and other
    vectors are not decayed.

    Raises:
        ArgumentError: a pattern matches nothing, or the lowest layer would never be unfrozen.
    """
    named = dict(model.named_parameters())
    frozen = matching("freeze", "TrainConfig", config.freeze, named)
    tables, depths = set(model.table_parameters()), layer_depths(model)
    _check_unfreezing(config, max(depths.values()))
    groups: dict[tuple[float, float, int, bool], Group] = {}
    for name, parameter in named.items():
        lr, decay = _rate_and_decay(name, parameter, tables, config)
        peak = lr * config.layer_decay ** depths[name]
        if peak > 0 and parameter.requires_grad and name not in frozen:
            key = (peak, decay, depths[name] if config.unfreeze else 0, name in by_rows)
            groups.setdefault(key, Group(*key)).parameters[name] = parameter
    return list(groups.values())


def weights_of(groups: Sequence[Group]) -> list[nn.Parameter]:
    """All of them."""
    return [parameter for group in groups for parameter in group.parameters.values()]


def layer_depths(model: Model) -> dict[str, int]:
    """How many layers lie above each weight, by name: heads and scorer are the top where they have weights, under them
    come the layers of the encoder."""
    layers = [f"encoder.{name}" for name in model.encoder.layer_names]
    names = [name for name, _ in model.named_parameters()]
    top = int(any(not name.startswith("encoder.") for name in names))

    def depth(name: str) -> int:
        if not name.startswith("encoder."):
            return 0
        own = (number for number, layer in enumerate(layers) if f"{name}.".startswith(f"{layer}."))
        return top + max(0, len(layers) - 1 - next(own, 0))

    return {name: depth(name) for name in names}


@contextmanager
def learning(model: Model, config: TrainConfig) -> Iterator[None]:
    """While a model trains: adapters or low-rank factors are in their places, and what is frozen asks for no gradient.
    Afterwards the factors are merged, and every weight asks for gradients as it did before."""
    asked = {name: parameter.requires_grad for name, parameter in model.named_parameters()}
    try:
        if config.adapter:
            model.encoder.add_adapters(config.adapter, config.seed)
            freeze_all_but_adapters(model.encoder)
        if config.lora_rank:
            attach(model.encoder, config.lora_rank, config.lora_alpha, config.lora_targets, config.seed)
        learns = {name for group in parameter_groups(model, config) for name in group.parameters}
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name in learns)
        yield
    finally:
        merge(model.encoder)
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(asked.get(name, True))


def unfreeze(groups: Sequence[Group], share: float, now: Clock) -> None:
    """Let a layer with `depth` layers above it learn from `depth * share` of all steps on (Howard & Ruder, 2018)."""
    for group in groups:
        begins = math.ceil(group.depth * share * now.total - 1e-9)
        for parameter in group.parameters.values():
            parameter.requires_grad_(now.step >= begins)


def _rate_and_decay(name: str, parameter: nn.Parameter, tables: set[str], config: TrainConfig) -> tuple[float, float]:
    if name in tables:
        own, decay = config.lr_table, config.weight_decay_table
    elif name.startswith("heads."):
        own, decay = config.lr_head, config.weight_decay
    else:
        own, decay = config.lr_encoder, config.weight_decay
    return (config.lr if own is None else own), (decay if parameter.ndim > 1 else 0.0)


def _check_unfreezing(config: TrainConfig, deepest: int) -> None:
    if config.unfreeze * deepest >= 1:
        fix = "The lowest layer would never learn."
        raise bad("unfreeze", "TrainConfig", f"below 1/{deepest} for {deepest + 1} layers", config.unfreeze, fix)
