"""The clock of a run: where it is, and the learning rate there, a pure function of the step."""

from __future__ import annotations

import math
from dataclasses import dataclass

from graphtune.config import TrainConfig


@dataclass(frozen=True)
class Clock:
    """When a step is taken.

    Attributes:
        step: steps made before it.
        total: steps of the whole run.
        epoch: epochs ended before it.
        rate: share of the peak learning rate, in [0, 1].
    """

    step: int = 0
    total: int = 1
    epoch: int = 0
    rate: float = 1.0


def clock(config: TrainConfig, step: int, total: int, epoch: int) -> Clock:
    """The clock at `step` of `total`, in epoch number `epoch` from 0."""
    return Clock(step, total, epoch, rate(config, step, total))


def rate(config: TrainConfig, step: int, total: int) -> float:
    """The share of the peak rate at `step` of `total` steps, in [0, 1].

    After a linear climb over the first `warmup` share, with t the share of the way from there to the end and e
    `lr_end`: constant 1; linear 1 + t (e - 1); cosine e + (1 - e) (1 + cos(pi t)) / 2 (Loshchilov & Hutter, 2017);
    exponential e^t.
    """
    climb = config.warmup * total
    if step < climb:
        return (step + 1) / (climb + 1)
    t = min(1.0, (step - climb) / max(1.0, total - climb))
    end = config.lr_end
    if config.schedule == "linear":
        return 1 + t * (end - 1)
    if config.schedule == "cosine":
        return end + (1 - end) * (1 + math.cos(math.pi * t)) / 2
    if config.schedule == "exponential":
        return end**t
    return 1.0
