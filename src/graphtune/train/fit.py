"""The engine: one loop that trains every model on every task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from graphtune.check import bad, integer, number
from graphtune.config import SAVE_EVERY, TrainConfig
from graphtune.models.base import Model
from graphtune.sampling import Sampler
from graphtune.train.augment import augment
from graphtune.train.average import Average, make_average
from graphtune.train.checkpoint import Checkpoints
from graphtune.train.distributed import workers
from graphtune.train.failure import TrainingError
from graphtune.train.groups import learning
from graphtune.train.hold import fingerprint
from graphtune.train.loggers import Logger
from graphtune.train.numeric import numeric_mode
from graphtune.train.profile import Profile, profiled
from graphtune.train.progress import Reporter, say
from graphtune.train.schedule import Clock, clock, count_reductions
from graphtune.train.state import Best, Chance, Keeper, Machine, Part, Place, Plan, Sound, Start
from graphtune.train.steps import Step, make_step


@dataclass(frozen=True)
class Training:
    """What to train on: a task as the engine sees it.

    Attributes:
        name: shown in the progress.
        sampler: gives the batches.
        objective: gives the loss of a batch.
        validate: scores the model on the validation part, or None.
        monitor: the validation metric that decides; larger is better.
        fixed: rows of every table that stay as they are, or None.
    """

    name: str
    sampler: Sampler
    objective: Any
    validate: Callable[[Model], dict[str, float]] | None = None
    monitor: str | None = None
    fixed: np.ndarray | None = None


@dataclass(frozen=True)
class Run:
    """What goes on around the training.

    Attributes:
        checkpoints: directory to save the state in at each validation, or such a directory already entered.
        resume: go on from the newest checkpoint there, if any; else earlier ones are removed.
        save_every: seconds after which the state is saved within an epoch too; 0 for never.
        save_steps: also save it after every so many steps; 0 for never.
        plan: what else, by name, must be the same when the run goes on; anything JSON can say.
        loggers: take each row of the history.
        quiet: show no progress.
        profile: measures where the time goes.
    """

    checkpoints: str | Path | Checkpoints | None = None
    resume: bool = False
    save_every: float = SAVE_EVERY
    save_steps: int = 0
    plan: dict[str, Any] = field(default_factory=dict)
    loggers: tuple[Logger, ...] = ()
    quiet: bool = False
    profile: Profile | None = None

    def __post_init__(self) -> None:
        number("save_every", "Run", self.save_every, 0)
        integer("save_steps", "Run", self.save_steps, 0)


@dataclass(frozen=True)
class Result:
    """A trained model and how it came about.

    Attributes:
        model: with the weights of the best validation, or the last where nothing was monitored; with their means where
            the configuration averages.
        history: one row an epoch: epoch, step, loss, lr, seconds, and metrics where validated.
        config: the resolved configuration.
        best_epoch: whose weights the model has.
        stopped_early: whether patience ran out.
        monitor: the validation metric that decided, if any.
    """

    model: Model
    history: list[dict[str, Any]]
    config: TrainConfig
    best_epoch: int
    stopped_early: bool
    monitor: str | None = None


def fit(model: Model, training: Training, config: TrainConfig, run: Run = Run()) -> Result:
    """Train `model` from the weights it has.

    Args:
        model: changed in place; the result holds the same object.
        training: what to train on.
        config: how.
        run: checkpoints, loggers and progress.

    Raises:
        TrainingError: the loss or the weights are no longer finite, or memory does not hold the smallest part of a
            step; the last checkpoint stays.
        ArgumentError: there is nothing to learn from, every weight is frozen, or an option does not fit the model or
            the task.
        DataError: the checkpoint belongs to another run, all are damaged, another process is at work in their
            directory, or it cannot be written.
    """
    if training.sampler.num_batches == 0:
        raise bad("training", "fit", "something to learn from: edges or labelled nodes", "none")
    crew = workers()
    run = crew.own(run)
    torch.manual_seed(config.seed)
    device = crew.device(_device(config.device))
    model.to(device)
    crew.same_weights(model)
    training = replace(training, sampler=augment(training.sampler, training.objective, model, config))
    training, run = profiled(training, run)
    place, best = Place(), Best(training.monitor, config.patience)
    sound = Sound(model, place, training.name, config.lr)
    count_reductions(config, [], training.monitor)  # which refuses before anything is cleared away
    total = config.epochs * training.sampler.num_batches
    tell = partial(say, quiet=run.quiet)
    keeper = Keeper(run.checkpoints, run.save_every, run.save_steps)
    reporter = Reporter(training.name, total, run.quiet)
    with numeric_mode(config.deterministic), learning(model, config), keeper, reporter:
        step = make_step(model, training.objective, config, training.fixed, tell)
        average = make_average(model, config)
        parts = _parts(model, sound, step, place, best, average, training, config, run)
        keeper.begin(parts, run.resume, tell)
        for logger in run.loggers:
            logger.begin(place.history)
        reporter.begin(place.step)
        while place.epoch < config.epochs and not best.out_of_patience:
            place.begin_epoch()
            lowered = count_reductions(config, place.history, training.monitor)
            model.train()
            for batch in training.sampler.batches(place.epoch, place.batch):
                keeper.between_steps(place.step)
                now = clock(config, place.step, total, place.epoch, lowered)
                loss = step(batch.to(device), now)
                _check_finite(loss, now, training, config)
                place.advance(loss)
                average.after_step()
                reporter.advance(loss, batch)
            place.end_epoch(config.lr * clock(config, place.step, total, place.epoch, lowered).rate)
            average.after_epoch(place.step / total)
            due = place.epoch % config.eval_every == 0 or place.epoch == config.epochs
            if due:
                sound.check()
                _validate(model, training, place, best, average)
            _tell(place, training.monitor, reporter, run.loggers)
            if due:
                keeper.save(place.step)
        average.put_into()
        best.put_into(model)
    model.eval()
    return Result(model, place.history, config, best.epoch or place.epoch, best.out_of_patience, training.monitor)


def _validate(model: Model, training: Training, place: Place, best: Best, average: Average) -> None:
    """Score the weights, or their mean, into the last row of the history, and keep them if they are the best."""
    if training.validate is None:
        return
    row = place.history[-1]
    with average.shown():
        row |= workers().from_first(partial(training.validate, model))
        best.update(row, model)


def _tell(place: Place, monitor: str | None, reporter: Reporter, loggers: tuple[Logger, ...]) -> None:
    """Show and log the epoch that has ended."""
    row = place.history[-1]
    row["seconds"] = place.seconds()
    reporter.metrics(row, monitor)
    for logger in loggers:
        logger.log(row)


def _parts(
    model: Model,
    sound: Sound,
    step: Step,
    place: Place,
    best: Best,
    average: Average,
    training: Training,
    config: TrainConfig,
    run: Run,
) -> dict[str, Part]:
    """All that a run consists of, checks first: what is not named here does not survive a break."""
    return {
        "plan": Plan({**asdict(config), "monitor": training.monitor, "fixed": fingerprint(training.fixed), **run.plan}),
        "machine": Machine(model.device, config.deterministic),
        **({} if run.checkpoints is None else {"start": Start(model)}),  # which reads every weight
        "sound": sound,
        "model": model,
        "step": step,
        "place": place,
        "best": best,
        "average": average,
        "chance": Chance(model.device),
    }


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(name)


def _check_finite(loss: float, now: Clock, training: Training, config: TrainConfig) -> None:
    if loss - loss != 0:
        raise TrainingError(
            f"The loss of {training.name} must stay finite. Got {loss} in epoch {now.epoch + 1}, "
            f"step {now.step + 1}. Try a smaller `lr` (now {config.lr:g}) or set `clip_norm`."
        )
