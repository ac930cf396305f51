"""Batches of several tasks, mixed by rule. T tasks, S steps of an epoch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphtune.batch import MixedBatch
from graphtune.check import bad, number, one_of
from graphtune.sampling.base import Sampler

MIXES = ("together", "in-turn", "by-size")


@dataclass(frozen=True)
class MixedSampler:
    """The batches of several samplers. Each goes through its own epochs at its own pace, whatever the rule.

    Attributes:
        samplers: one for each task.
        mix: "together": a step has a batch of each, and an epoch ends with the longest sampler. "in-turn": a step has
            a batch of one, each in turn; an epoch ends with the longest sampler. "by-size": a step has a batch of one;
            an epoch has as many steps as all have batches, dealt out by share and shuffled.
        temperature: for "by-size", the share of a sampler with n batches goes by n^(1 / temperature): 1 is by size,
            infinity the same for all (Raffel et al., 2020).
        shares: for "by-size", what each gets instead, in proportion; at least one step an epoch.
        seed: of the order.
    """

    samplers: tuple[Sampler, ...]
    mix: str = "together"
    temperature: float = 1.0
    shares: tuple[float, ...] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        check_mix("MixedSampler", len(self.samplers), self.mix, self.temperature, self.shares)
        sizes = [sampler.num_batches for sampler in self.samplers]
        if not sizes or min(sizes) == 0:
            raise bad("samplers", "MixedSampler", "one or more, each with a batch or more", sizes)

    @property
    def num_batches(self) -> int:
        sizes = [sampler.num_batches for sampler in self.samplers]
        if self.mix == "together":
            return max(sizes)
        return max(sizes) * len(sizes) if self.mix == "in-turn" else int(sum(self._dealt()))

    def batches(self, epoch: int, first: int = 0) -> Iterator[MixedBatch]:
        """The steps of an epoch from number `first` on; a pure function of the seed, the epoch and the number."""
        present = self.present(epoch)
        done = epoch * present.sum(axis=0) + present[:first].sum(axis=0)  # every epoch has as many of each
        streams = [_endless(sampler, int(start)) for sampler, start in zip(self.samplers, done)]
        for row in present[first:]:
            yield MixedBatch(tuple(next(stream) if there else None for stream, there in zip(streams, row)))

    def present(self, epoch: int) -> np.ndarray:
        """[S, T] bool: which tasks have a batch in each step of an epoch."""
        count = len(self.samplers)
        if self.mix == "together":
            return np.ones((self.num_batches, count), dtype=bool)
        if self.mix == "in-turn":
            return np.tile(np.eye(count, dtype=bool), (self.num_batches // count, 1))
        turns = np.repeat(np.arange(count), self._dealt())
        return np.random.default_rng([self.seed, epoch, len(turns)]).permutation(turns)[:, None] == np.arange(count)

    def _dealt(self) -> np.ndarray:
        """[T] steps of each task in an epoch "by-size": shares of the sum of all sizes, the largest remainders up."""
        sizes = np.array([sampler.num_batches for sampler in self.samplers])
        wanted = sizes ** (1 / self.temperature) if self.shares is None else np.asarray(self.shares, dtype=np.float64)
        exact = wanted / wanted.sum() * sizes.sum()
        dealt = np.floor(exact + 1e-9).astype(np.int64)
        dealt[np.argsort(dealt - exact, kind="stable")[: sizes.sum() - dealt.sum()]] += 1
        return np.maximum(dealt, 1)


def check_mix(who: str, count: int, mix: str, temperature: float, shares: tuple[float, ...] | None) -> None:
    """Refuse a rule that is none, or does not fit `count` tasks.

    Raises:
        ArgumentError: it is so.
    """
    one_of("mix", who, mix, MIXES)
    number("temperature", who, temperature, 1)
    check_each("shares", who, count, shares)
    for name, value, usual in (("temperature", temperature, 1.0), ("shares", shares, None)):
        if mix != "by-size" and value != usual:
            raise bad(name, who, f"left out for mix={mix!r}", value, "It is for mix='by-size'.")
    if shares is not None and temperature != 1:
        raise bad("temperature", who, "left out where shares are given", temperature)


def check_each(argument: str, who: str, count: int, values: tuple[float, ...] | None) -> None:
    """Refuse values that are not one positive number for each of `count` tasks; None is fine.

    Raises:
        ArgumentError: it is so.
    """
    if values is None:
        return
    if len(values) != count:
        raise bad(argument, who, f"{count} numbers, one for each task", values)
    for value in values:
        number(argument, who, value, 0, open_low=True)


def _endless(sampler: Sampler, start: int) -> Iterator[Any]:
    """The batches of a sampler, epoch after epoch, from number `start` of them all on."""
    epoch, first = divmod(start, sampler.num_batches)
    while True:
        yield from sampler.batches(epoch, first)
        epoch, first = epoch + 1, 0
