"""Means of the weights that a run goes through, which its validations and its result have in place of the weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from graphtune.config import TrainConfig
from graphtune.models.base import Model


class Average:
    """No mean: the weights themselves. A part of a run."""

    def after_step(self) -> None:
        """A step has been made."""

    def after_epoch(self, done: float) -> None:
        """An epoch has ended, and with it the share `done` of the run."""

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Within, the model has the mean."""
        yield

    def put_into(self) -> None:
        """Give the model the mean for good."""

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        pass


class RunningMean(Average):
    """A mean of float32, held once it has begun.

    Args:
        model: whose parameters are averaged.

    Attributes:
        count: weights taken in.
        means: by the name of the parameter; empty at first.
    """

    def __init__(self, model: Model):
        self.parameters = dict(model.named_parameters())
        self.count = 0
        self.means: dict[str, Tensor] = {}

    @torch.no_grad()
    def take(self, share: float) -> None:
        """mean += share * (weights - mean); the first weights are the mean."""
        for name, parameter in self.parameters.items():
            if self.count:
                self.means[name].lerp_(parameter.float(), share)
            else:
                self.means[name] = parameter.detach().to(torch.float32, copy=True)
        self.count += 1

    @contextmanager
    def shown(self) -> Iterator[None]:
        held = {name: self.parameters[name].detach().clone() for name in self.means}
        self.put_into()
        try:
            yield
        finally:
            self._set(held)

    def put_into(self) -> None:
        self._set(self.means)

    def state_dict(self) -> dict[str, Any]:
        return {"count": self.count, "means": self.means}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.count = state["count"]
        self.means = {name: mean.to(self.parameters[name].device) for name, mean in state["means"].items()}

    @torch.no_grad()
    def _set(self, values: dict[str, Tensor]) -> None:
        for name, value in values.items():
            self.parameters[name].copy_(value)


class ExponentialMean(RunningMean):
    """After every step, mean <- d mean + (1 - d) weights, with d = min(decay, (1 + n) / (10 + n)) after n of them, so
    that a short run is not held by where it began.

    Args:
        model: whose parameters are averaged.
        decay: d in the long run.
    """

    def __init__(self, model: Model, decay: float):
        super().__init__(model)
        self.decay = decay

    def after_step(self) -> None:
        self.take(1 - min(self.decay, (1 + self.count) / (10 + self.count)))


class EpochMean(RunningMean):
    """The mean of the weights at the ends of the epochs that lie past a share of the run (SWA: Izmailov et al., 2018).

    Args:
        model: whose parameters are averaged.
        start: the share.
    """

    def __init__(self, model: Model, start: float):
        super().__init__(model)
        self.start = start

    def after_epoch(self, done: float) -> None:
        if done >= self.start:
            self.take(1 / (self.count + 1))


def make_average(model: Model, config: TrainConfig) -> Average:
    """The mean that the configuration asks for."""
    if config.average == "ema":
        return ExponentialMean(model, config.ema_decay)
    if config.average == "swa":
        return EpochMean(model, config.swa_start)
    return Average()
