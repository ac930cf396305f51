"""Dealing groups of edges or nodes into parts, in given ratios, by a seeded generator."""

from __future__ import annotations

import numpy as np

from graphtune.check import ArgumentError, bad
from graphtune.split.keys import PARTS, TEST, TRAIN, rank_within, sort_within

Ratios = tuple[float, float, float]


def shares(ratios: Ratios, who: str) -> np.ndarray:
    """The ratios of train, validation and test as shares that sum to one."""
    numbers = np.array(ratios, dtype=np.float64) if np.size(ratios) == 3 else np.zeros(3)
    if not np.isfinite(numbers).all() or (numbers < 0).any() or numbers[TRAIN] == 0 or not numbers[1:].any():
        what = "three numbers >= 0 (train, validation, test), the first and one of the others above 0"
        raise bad("ratios", who, what, ratios, "The default is (7, 2, 1).")
    return numbers / numbers.sum()


def counts(n: int, ratios: Ratios, who: str, what: str) -> np.ndarray:
    """How many of `n` go to each part: rounded by largest remainder, at least one for a ratio above 0."""
    share = shares(ratios, who)
    asked = share > 0
    if n < asked.sum():
        raise too_few(who, what, n, int(asked.sum()))
    result = np.floor(n * share).astype(np.int64)
    for part in np.argsort(result - n * share, kind="stable")[: n - result.sum()]:
        result[part] += 1
    for part in np.flatnonzero(asked & (result == 0)):
        result[result.argmax()] -= 1
        result[part] = 1
    return result


def deal(order: np.ndarray, ratios: Ratios, who: str, what: str) -> np.ndarray:
    """[G] parts: the first of `order` to train, the next to validation, the last to test."""
    part = np.empty(len(order), dtype=np.uint8)
    part[order] = np.repeat(np.arange(3, dtype=np.uint8), counts(len(order), ratios, who, what))
    return part


def too_few(who: str, what: str, n: int, needed: int) -> ArgumentError:
    """The error for data that cannot fill every part."""
    fix = "Label more nodes." if what == "nodes" else f"Give more {what}, or a ratio of 0 to validation or test."
    return bad("graph", who, f"a graph with at least {needed} {what} to divide", n, fix)


def deal_within(stratum: np.ndarray, ratios: Ratios, rng: np.random.Generator, who: str) -> np.ndarray:
    """[n] parts dealt at random within each stratum, which gets its share of each part to within one entry.

    Entry k of a shuffled stratum of n goes to the part that holds the quantile (k + u) / n, with one random u
    in [0, 1) a stratum; so small strata get their share on average. The first entry always goes to train.
    """
    order = sort_within(stratum, rng.permutation(len(stratum)))
    place, size = rank_within(stratum[order])
    u = rng.random(int(stratum.max(initial=0)) + 1)[stratum[order]]
    bounds = _bounds(shares(ratios, who))
    part = np.empty(len(stratum), dtype=np.uint8)
    part[order] = np.where(place == 0, TRAIN, np.searchsorted(bounds, (place + u) / size, side="right"))
    first = np.zeros(len(stratum), dtype=bool)
    first[order] = place == 0
    _fill_empty(part, first, ratios, rng, who)
    return part


def _fill_empty(part: np.ndarray, fixed: np.ndarray, ratios: Ratios, rng: np.random.Generator, who: str) -> None:
    """Give a part that was asked for but stayed empty one training entry that is not `fixed`, in place."""
    for number in np.flatnonzero(shares(ratios, who)):
        if not (part == number).any():
            movable = np.flatnonzero((part == TRAIN) & ~fixed)
            if len(movable) == 0:
                fix = "Give more data, or a ratio of 0 to a part that may stay empty."
                raise ArgumentError(f"The {PARTS[number]} part of {who} would be empty. {fix}")
            part[rng.choice(movable)] = number


def _bounds(share: np.ndarray) -> np.ndarray:
    """The quantiles at which validation and test begin; infinite for a test part of no share."""
    return np.array([share[0], share[0] + share[1] if share[TEST] else np.inf])
