"""The clock of a run: where it is, and the learning rate there, a pure function of the step and the validations."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from graphtune.check import bad
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


def clock(config: TrainConfig, step: int, total: int, epoch: int, reductions: int = 0) -> Clock:
    """The clock at `step` of `total`, in epoch number `epoch` from 0, after `reductions` by "plateau"."""
    return Clock(step, total, epoch, rate(config, step, total, reductions))


def rate(config: TrainConfig, step: int, total: int, reductions: int = 0) -> float:
    """The share of the peak rate at `step` of `total` steps, in [0, 1].

    After a linear climb over the first `warmup` share, with t the share of the way from there to the end and e
    `lr_end`: constant 1; linear 1 + t (e - 1); cosine e + (1 - e) (1 + cos(pi t)) / 2 (Loshchilov & Hutter, 2017), t
    the share of a cycle where there are several; exponential e^t; step max(e, step_factor^floor(t / step_every));
    plateau max(e, plateau_factor^reductions), while it climbs too.
    """
    end = config.lr_end
    top = max(end, config.plateau_factor**reductions)  # 1 but for "plateau"
    climb = config.warmup * total
    if step < climb:
        return top * (step + 1) / (climb + 1)
    t = min(1.0, (step - climb) / max(1.0, total - climb))
    if config.schedule == "linear":
        return 1 + t * (end - 1)
    if config.schedule == "cosine":
        t = t if config.cycles == 1 else _share_of_cycle(t, config.cycles, config.cycle_growth)
        return end + (1 - end) * (1 + math.cos(math.pi * t)) / 2
    if config.schedule == "exponential":
        return end**t
    if config.schedule == "step":
        return max(end, config.step_factor ** math.floor(t / config.step_every + 1e-9))  # .3 holds .1 three times
    return top


def count_reductions(config: TrainConfig, history: Sequence[dict[str, Any]], monitor: str | None) -> int:
    """How often "plateau" has lowered the rate after the validations in `history`; 0 for any other schedule.

    Once when `plateau_patience` of them in a row brought no gain over the best before, and again after as many more.

    Raises:
        ArgumentError: the schedule is "plateau", and no metric is watched.
    """
    if config.schedule != "plateau":
        return 0
    if monitor is None:
        raise bad("schedule", "TrainConfig", "another one where no validation metric is watched", "plateau")
    best, waited, reductions = float("-inf"), 0, 0
    for score in (row[monitor] for row in history if monitor in row):
        waited = 0 if score > best else waited + 1
        best = score if score > best else best
        if waited == config.plateau_patience:
            waited, reductions = 0, reductions + 1
    return reductions


def _share_of_cycle(t: float, cycles: int, growth: float) -> float:
    """The share of the cycle done that `t`, the share of all of them done, lies in; 1 at the end of the last."""
    starts = _cycle_starts(cycles, growth)
    number = min(bisect_right(starts, t), cycles) - 1
    return (t - starts[number]) / (starts[number + 1] - starts[number])


@lru_cache(maxsize=16)
def _cycle_starts(cycles: int, growth: float) -> tuple[float, ...]:
    """Where each cycle begins, from 0, and the end, 1: quotients, as the steps they are held against."""
    lengths = [growth**number for number in range(cycles)]
    return tuple(sum(lengths[:number]) / sum(lengths) for number in range(cycles + 1))
