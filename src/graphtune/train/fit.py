"""The engine: one loop that trains every model on every task."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from graphtune.check import DataError, GraphtuneError, bad
from graphtune.config import TrainConfig
from graphtune.models.base import Model
from graphtune.sampling import Sampler
from graphtune.train.checkpoint import Checkpoints
from graphtune.train.loggers import Logger
from graphtune.train.numeric import numeric_mode
from graphtune.train.progress import Reporter
from graphtune.train.schedule import rate
from graphtune.train.steps import Step, make_step


class TrainingError(GraphtuneError, RuntimeError):
    """Training cannot go on."""


@dataclass(frozen=True)
class Training:
    """What to train on: a task as the engine sees it.

    Attributes:
        name: shown in the progress.
        sampler: gives the batches.
        objective: gives the loss of a batch.
        validate: scores the model on the validation part, or None.
        monitor: the validation metric that decides; larger is better.
    """

    name: str
    sampler: Sampler
    objective: Any
    validate: Callable[[Model], dict[str, float]] | None = None
    monitor: str | None = None


@dataclass(frozen=True)
class Run:
    """What goes on around the training.

    Attributes:
        checkpoints: directory to save the state in at each validation.
        resume: go on from the newest checkpoint there, if any.
        loggers: take each row of the history.
        quiet: show no progress.
    """

    checkpoints: str | Path | None = None
    resume: bool = False
    loggers: tuple[Logger, ...] = ()
    quiet: bool = False


@dataclass
class _State:
    """Where a run is."""

    epoch: int = 0
    step: int = 0
    best: float = float("-inf")
    best_epoch: int = 0
    waited: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Result:
    """A trained model and how it came about.

    Attributes:
        model: with the weights of the best validation, or the last where nothing was monitored.
        history: one row an epoch: epoch, step, loss, lr, seconds, and metrics where validated.
        config: the resolved configuration.
        best_epoch: whose weights the model has.
        stopped_early: whether patience ran out.
    """

    model: Model
    history: list[dict[str, Any]]
    config: TrainConfig
    best_epoch: int
    stopped_early: bool


def fit(model: Model, training: Training, config: TrainConfig, run: Run = Run()) -> Result:
    """Train `model` from the weights it has.

    Args:
        model: changed in place; the result holds the same object.
        training: what to train on.
        config: how.
        run: checkpoints, loggers and progress.

    Raises:
        TrainingError: the loss is no longer finite; the last checkpoint stays.
        ArgumentError: there is nothing to learn from, or every rate is 0.
        DataError: the checkpoint belongs to another run.
    """
    torch.manual_seed(config.seed)
    model.to(_device(config.device))
    step = make_step(model, training.objective, config)
    store = None if run.checkpoints is None else Checkpoints(run.checkpoints)
    state, best = _restore(store, model, step, config) if store and run.resume else (_State(), {})
    if training.sampler.num_batches == 0:
        raise bad("training", "fit", "something to learn from: edges or labelled nodes", "none")
    total = config.epochs * training.sampler.num_batches
    stopped = _out_of_patience(state, config)
    reporter = Reporter(training.name, total, state.step, run.quiet)
    with numeric_mode(config.deterministic), reporter:
        while state.epoch < config.epochs and not stopped:
            begin, losses = time.monotonic(), 0.0
            model.train()
            for batch in training.sampler.batches(state.epoch):
                loss = step(batch.to(model.device), rate(config, state.step, total))
                _check_finite(loss, state, training, config)
                losses += loss
                state.step += 1
                reporter.advance(loss, len(batch))
            state.epoch += 1
            row = _row(state, losses / training.sampler.num_batches, rate(config, state.step, total), config)
            due = state.epoch % config.eval_every == 0 or state.epoch == config.epochs
            if due and training.validate is not None:
                _check_weights(model, state, training, config)
                row |= training.validate(model)
                stopped, best = _keep_best(state, row, training.monitor, config, model, best)
            row["seconds"] = time.monotonic() - begin
            state.history.append(row)
            reporter.metrics(row, training.monitor)
            for logger in run.loggers:
                logger.log(row)
            if store is not None and due:
                _save(store, state, model, best, step, config)
    if best:
        model.load_state_dict(best)
    model.eval()
    return Result(model, state.history, config, state.best_epoch or state.epoch, stopped)


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(name)


def _row(state: _State, loss: float, share: float, config: TrainConfig) -> dict[str, Any]:
    return {"epoch": state.epoch, "step": state.step, "loss": loss, "lr": config.lr * share, "seconds": 0.0}


def _check_finite(loss: float, state: _State, training: Training, config: TrainConfig) -> None:
    if loss - loss != 0:
        raise TrainingError(
            f"The loss of {training.name} must stay finite. Got {loss} in epoch {state.epoch + 1}, "
            f"step {state.step + 1}. Try a smaller `lr` (now {config.lr:g}) or set `clip_norm`."
        )


def _check_weights(model: Model, state: _State, training: Training, config: TrainConfig) -> None:
    if not all(bool(p.isfinite().all()) for p in model.parameters()):
        raise TrainingError(
            f"The weights of {training.name} must stay finite. Got some that are not in epoch {state.epoch}. "
            f"Try a smaller `lr` (now {config.lr:g}) or set `clip_norm`."
        )


def _keep_best(
    state: _State,
    row: dict[str, Any],
    monitor: str | None,
    config: TrainConfig,
    model: Model,
    best: dict[str, Tensor],
) -> tuple[bool, dict[str, Tensor]]:
    """Whether patience has run out, and the best weights so far: the last of equals, which learned the longest."""
    if monitor is None:
        return False, best
    state.waited = 0 if row[monitor] > state.best else state.waited + 1
    if row[monitor] >= state.best:
        state.best, state.best_epoch = row[monitor], state.epoch
        best = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
    return _out_of_patience(state, config), best


def _out_of_patience(state: _State, config: TrainConfig) -> bool:
    return 0 < config.patience <= state.waited


def _save(
    store: Checkpoints, state: _State, model: Model, best: dict[str, Tensor], step: Step, config: TrainConfig
) -> None:
    tensors = {f"model.{k}": v for k, v in model.state_dict().items()}
    tensors |= {f"best.{k}": v for k, v in best.items()}
    tensors["rng"] = torch.get_rng_state()
    if model.device.type == "cuda":
        tensors["rng_cuda"] = torch.cuda.get_rng_state(model.device)
    store.save(state.step, tensors, step.state_dict(), {"run": asdict(state), "config": asdict(config)})


def _restore(store: Checkpoints, model: Model, step: Step, config: TrainConfig) -> tuple[_State, dict[str, Tensor]]:
    found = store.latest()
    if found is None:
        return _State(), {}
    tensors, optimizer, rest = found
    if rest["config"] != asdict(config):
        changed = [k for k, v in asdict(config).items() if rest["config"].get(k) != v]
        raise DataError(
            f"The checkpoint in {store.directory} must be of this run. Found another value of "
            f"{', '.join(changed)}. Resume with the same options, or start anew without resume."
        )
    weights = {k[len("model.") :]: v for k, v in tensors.items() if k.startswith("model.")}
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise DataError(f"The checkpoint in {store.directory} must fit this model. Found: {reason}") from None
    step.load_state_dict(optimizer)
    torch.set_rng_state(tensors["rng"])
    if model.device.type == "cuda" and "rng_cuda" in tensors:
        torch.cuda.set_rng_state(tensors["rng_cuda"], model.device)
    best = {k[len("best.") :]: v for k, v in tensors.items() if k.startswith("best.")}
    return _State(**rest["run"]), best
