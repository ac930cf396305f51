"""Argument checks, all in one message form: `<argument> of <who> must be <what>. Got <value>.`"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from fnmatch import fnmatchcase
from typing import Any


class GraphtuneError(Exception):
    """Base of every error that graphtune raises on purpose; its text is one line a user can act on."""


class ArgumentError(GraphtuneError, ValueError):
    """An argument is not what the function takes."""


class DataError(GraphtuneError, ValueError):
    """A file or a graph does not hold what it should."""


class LeakError(DataError):
    """A split lets information of one part into another."""


def bad(argument: str, who: str, what: str, value: object, fix: str = "") -> ArgumentError:
    """The error to raise for `argument`; `fix`, where one is known, is a sentence put behind it."""
    shown = repr(value)
    if len(shown) > 200:
        shown = shown[:197] + "..."
    text = f"`{argument}` of {who} must be {what}. Got {shown}."
    return ArgumentError(f"{text} {fix}".rstrip())


def integer(argument: str, who: str, value: Any, low: int | None = None, high: int | None = None) -> int:
    """`value` as an int within [low, high]."""
    is_whole = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_whole and hasattr(value, "__index__") and not isinstance(value, bool):
        value, is_whole = int(value), True
    if not is_whole or not math.isfinite(value) or int(value) != value or not _within(value, low, high):
        raise bad(argument, who, "an integer" + _range(low, high), value)
    return int(value)


def number(
    argument: str,
    who: str,
    value: Any,
    low: float | None = None,
    high: float | None = None,
    *,
    open_low: bool = False,
) -> float:
    """`value` as a finite float within [low, high], or (low, high] with `open_low`."""
    ok = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not ok or not _within(value, low, high) or (open_low and value == low):
        raise bad(argument, who, "a finite number" + _range(low, high, open_low), value)
    return float(value)


def chance(argument: str, who: str, value: Any) -> float:
    """`value` as a float within [0, 1): a chance that must leave something."""
    value = number(argument, who, value, 0)
    if value >= 1:
        raise bad(argument, who, "a number in [0, 1)", value)
    return value


def one_of(argument: str, who: str, value: Any, choices: Iterable[Any]) -> Any:
    """`value` if it is one of `choices`."""
    choices = list(choices)
    if value not in choices:
        raise bad(argument, who, "one of " + ", ".join(map(repr, choices)), value)
    return value


def matching(argument: str, who: str, patterns: str, names: Collection[str]) -> set[str]:
    """The dotted names that match one of `patterns`, which are separated by commas: "*" is any text, and the name of a
    module stands for all in it.

    Raises:
        ArgumentError: a pattern matches no name.
    """
    found: set[str] = set()
    for pattern in filter(None, map(str.strip, patterns.split(","))):
        own = {name for name in names if fnmatchcase(name, pattern) or fnmatchcase(name, f"{pattern}.*")}
        if not own:
            raise bad(argument, who, f"patterns that match some of {', '.join(names)}", pattern)
        found |= own
    return found


def _within(value: float, low: float | None, high: float | None) -> bool:
    return (low is None or value >= low) and (high is None or value <= high)


def _range(low: float | None, high: float | None, open_low: bool = False) -> str:
    if low is not None and high is not None:
        return f" in {'(' if open_low else '['}{low}, {high}]"
    if low is not None:
        return f" {'>' if open_low else '>='} {low}"
    if high is not None:
        return f" <= {high}"
    return ""
