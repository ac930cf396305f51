"""The two ways to make one step: autograd for any objective, fused for those that bring their own update."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from graphtune.check import bad
from graphtune.config import TrainConfig
from graphtune.models.base import Model
from graphtune.models.views import View
from graphtune.objectives import Fused, Losses, Objective
from graphtune.objectives.penalties import sums_of_cubes
from graphtune.train.accumulate import Parts
from graphtune.train.balance import make_balance
from graphtune.train.clip import Clip, gradients_of
from graphtune.train.difficulty import easiest
from graphtune.train.distributed import workers
from graphtune.train.groups import parameter_groups, unfreeze, weights_of
from graphtune.train.hold import Anchor, FixedRows
from graphtune.train.optim import make_optimizer
from graphtune.train.precision import make_precision
from graphtune.train.progress import say
from graphtune.train.rowwise import tables_by_rows
from graphtune.train.schedule import Clock
from graphtune.train.shares import WHOLE, Share, Whole

_STEPPING = ("epochs", "batch_size", "lr", "optimizer", "eval_every", "patience")
_RATES = ("schedule", "lr_end", "warmup", "cycles", "cycle_growth")
_FALLS = ("step_every", "step_factor", "plateau_patience", "plateau_factor")
_MEANS = ("average", "ema_decay", "swa_start")  # taken between two steps, of the tables that the step changed
_TABLES = ("table_updates",)  # the kernels change touched rows, and of a mean all
_WHOLE = ("deterministic", "device", "seed")
_OTHER_WEIGHTS = ("lr_encoder", "lr_head", "weight_decay")  # a model that a fused step knows has tables only
_OF_LORA = ("lora_alpha", "lora_targets")  # they say nothing without lora_rank
_OF_BATCHES = ("swap", "swap_nearest")  # which are changed before the step
_WITHOUT_PART = (*_WHOLE, *_OTHER_WEIGHTS, *_OF_LORA, *_OF_BATCHES)
FUSED = frozenset((*_STEPPING, *_RATES, *_FALLS, *_MEANS, *_TABLES, *_WITHOUT_PART))
"""The options that every fused step obeys, or that cannot concern it; an objective may name more in `obeys`."""
Tell = Callable[[str], None]
"""What to do with a line for the user."""


class Step(Protocol):
    """One update of a model's weights."""

    def __call__(self, batch: Any, clock: Clock) -> float:
        """Take the step at the rate of the clock; the loss before it."""
        ...

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class AutogradStep:
    """Loss, gradient, clipping, optimiser: the reference for every objective."""

    def __init__(
        self, model: Model, objective: Any, config: TrainConfig, fixed: np.ndarray | None = None, tell: Tell = say
    ):
        self.model, self.config = model, config
        groups = parameter_groups(model, config, tables_by_rows(model, objective, config))
        self.balance = make_balance(objective, config, weights_of(groups), model.device)
        self.groups = [*groups, *self.balance.groups]
        self.parameters = weights_of(self.groups)
        self.optimizer = make_optimizer(self.groups, config)
        self.precision = make_precision(config.precision, model.device, tell)
        self.parts = Parts(config.accumulate, tell)
        self.clip = Clip(model.table_parameters().values(), config)
        self.fixed, self.anchor = FixedRows(model, fixed), Anchor(groups, config.l2_sp)
        self.workers = workers()
        model.row_dropout = config.row_dropout
        view = View.of(config)
        self.sees_views = bool(view)
        model.encoder.begin_view(view, model.graph)

    def __call__(self, batch: Any, clock: Clock) -> float:
        if self.sees_views:
            self.model.encoder.see(clock.step, batch)
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * clock.rate
        if self.config.unfreeze:
            unfreeze(self.groups, self.config.unfreeze, clock)
        part, share = self.workers.part(batch, self.config.seed, clock.step)
        loss = self.workers.total(self.parts.gradient(part, self._clear, partial(self._gradient, clock, share)))
        if loss - loss == 0:  # else infinite or NaN: leave the weights as they are
            self._update(clock)
        return loss

    def loss(self, batch: Any, clock: Clock, share: Share | Whole = WHOLE) -> Tensor:
        """What the step descends: the loss of the objective, or those of several tasks in balance."""
        return self.balance.total(partial(self._loss_of, clock), batch, share)

    def _loss_of(self, clock: Clock, objective: Objective, batch: Any, share: Share | Whole) -> Tensor:
        """Weighted mean of an objective plus the penalties on the rows it used."""
        with self.precision.computing:
            losses = objective(self.model, batch)
        weight = easiest(losses.values, getattr(batch, "weight", None), self.config.curriculum, clock)
        return share.of(reduce(losses, weight), penalty(losses.factors, self.config, losses.times))

    def _clear(self) -> None:
        for parameter in self.parameters:
            parameter.grad = None
        self.balance.begin()

    def _gradient(self, clock: Clock, outer: Share | Whole, batch: Any, share: Share | Whole) -> float:
        loss = self.loss(batch, clock, outer.times(share))
        value = loss.item()
        if value - value == 0:
            self._backward(loss)
        return value

    def _backward(self, loss: Tensor) -> None:
        if loss.requires_grad:
            self.balance.backward(self.precision.scaled(loss))
        elif not self.config.unfreeze:  # which may begin with layers that this loss does not read
            fix = "The weights that are not frozen do not enter the loss."
            raise bad("freeze", "TrainConfig", "such that the loss has something to train", self.config.freeze, fix)

    def _update(self, clock: Clock) -> None:
        self.balance.settle(clock.step)
        self.workers.add_gradients(self.parameters)
        self.fixed.clear_gradients()
        if not self._bounded(clock):
            return
        self.anchor.pull(self.optimizer.param_groups)
        self.optimizer.step()
        self.fixed.put_back()

    def _bounded(self, clock: Clock) -> bool:
        """Clip the gradient where that is asked; whether to step by it."""
        if not self.clip.acts and not self.precision.scales:
            return True
        gradients = gradients_of(self.parameters, once=self.clip.acts)
        if not gradients:
            return True
        self.precision.unscale(self.optimizer)
        return self.precision.admits(self.clip(gradients), clock)

    def state_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name).state_dict() for name in ("balance", "optimizer", "precision", "parts")}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            getattr(self, name).load_state_dict(value)


class FusedStep:
    """An objective's own in-place SGD. It has no state beyond the weights.

    Fixed rows move within a batch, as it steps example by example, and are put back after it.
    """

    def __init__(self, model: Model, objective: Fused, config: TrainConfig, fixed: np.ndarray | None = None):
        self.model, self.objective, self.config = model, objective, config
        self.fixed = FixedRows(model, fixed)
        self.options = [getattr(config, name) for name in obeyed(objective)]

    def __call__(self, batch: Any, clock: Clock) -> float:
        threads = 1 if self.config.deterministic else None
        loss = self.objective.update(self.model, batch, self.config.lr * clock.rate, threads, *self.options)
        self.fixed.put_back()
        return loss

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        pass


def make_step(
    model: Model, objective: Any, config: TrainConfig, fixed: np.ndarray | None = None, tell: Tell = say
) -> Step:
    """The fused step where it does all that the configuration asks, else autograd; `fixed` rows of tables stay.

    Autograd gives `tell` a line where the device is slow in a precision, and where memory runs out.
    """
    known = hasattr(objective, "update") and objective.can_update(model)
    if known and is_plain(config, obeyed(objective)) and model.device.type == "cpu":
        _check_alone(model, config)
        return FusedStep(model, objective, config, fixed)
    if any(p.dtype == torch.bfloat16 for p in model.parameters()):
        fix = "Optimisers would lose their small steps in bfloat16."
        what = "float32 unless it trains by plain SGD on the CPU, without penalties or dropout"
        raise bad("table_dtype", type(model.recipe).__name__, what, "bfloat16", fix)
    if getattr(objective, "balance", None) == "pcgrad" and workers().count > 1:
        raise bad("balance", "Shared", "'fixed' or 'uncertainty' in several processes", "pcgrad")
    return AutogradStep(model, objective, config, fixed, tell)


def _check_alone(model: Model, config: TrainConfig) -> None:
    count = workers().count
    if count > 1:
        fix = "Its fused step keeps all cores busy from one process: run it without torchrun."
        what = f"'adagrad' or 'adamw' for {type(model.recipe).__name__} in {count} processes"
        raise bad("optimizer", "TrainConfig", what, config.optimizer, fix)


def is_plain(config: TrainConfig, also: tuple[str, ...] = ()) -> bool:
    """Whether a fused step does what the configuration asks: SGD, and the default of whatever it knows nothing of.

    Args:
        also: options that it knows beyond `FUSED`.
    """
    asked = {f.name for f in fields(TrainConfig) if getattr(config, f.name) != f.default}
    return config.optimizer == "sgd" and asked <= FUSED.union(also)


def obeyed(objective: Any) -> tuple[str, ...]:
    """The options beyond `FUSED` that the `update` of an objective takes, in its order."""
    return getattr(objective, "obeys", ())


def reduce(losses: Losses, weight: Tensor | None) -> Tensor:
    """The mean of the losses, [B] -> [], weighted where the batch has weights."""
    values = losses.values.float()
    if weight is None:
        return values.mean()
    return (values * weight).sum() / weight.sum().clamp_min(1e-12)


def penalty(
    factors: tuple[Tensor, ...], config: TrainConfig, times: tuple[Tensor | None, ...] | None = None
) -> Tensor | float:
    """l1 |z|_1 + l2 |z|_2^2 + n3 |z|_3^3, the mean over uses of the rows of a factor and the sum over factors."""
    total: Tensor | float = 0.0
    for z, uses in zip(factors, times or [None] * len(factors)):
        if config.l1:
            total = total + config.l1 * _mean(z.float().abs().sum(-1), uses)
        if config.l2:
            total = total + config.l2 * _mean(z.float().square().sum(-1), uses)
        if config.n3:
            total = total + config.n3 * _mean(sums_of_cubes(z.float()), uses)
    return total


def _mean(values: Tensor, uses: Tensor | None) -> Tensor:
    return values.mean() if uses is None else (values * uses).sum() / uses.sum()
