"""What recommended lists are like as a whole: how many items they reach, how new and how popular these are.

Axes: Q queries, k places, T items.
"""

from __future__ import annotations

import numpy as np


def coverage(lists: np.ndarray, items: int) -> float:
    """Share of all items that stand in some list (catalogue coverage, Herlocker et al., 2004).

    Args:
        lists: [Q, k] items as 0..T-1, -1 where a list has no more.
        items: T.
    """
    return np.count_nonzero(_times(lists, items)) / items


def gini(lists: np.ndarray, items: int) -> float:
    """How unequally often items are recommended: 0 where all equally often, near 1 where always the same few.

    sum over i of (2 i - T - 1) x_i / (T sum x), x ascending, how often each of the T items stands in a list (Fleder and
    Hosanagar, 2009). NaN where nothing is recommended.

    Args:
        lists: [Q, k] items as 0..T-1, -1 where a list has no more.
        items: T.
    """
    times = np.sort(_times(lists, items)).astype(np.float64)
    if times.sum() == 0:
        return float("nan")
    return float((2 * np.arange(1, items + 1) - items - 1) @ times / (items * times.sum()))


def list_means(lists: np.ndarray, value: np.ndarray) -> np.ndarray:
    """[Q] float64 mean of `value` [T] over the items of each list; NaN for an empty one."""
    there = lists >= 0
    total = np.where(there, value[lists], 0.0).sum(axis=1, dtype=np.float64)
    return np.divide(total, there.sum(axis=1), out=np.full(len(lists), np.nan), where=there.any(axis=1))


def self_information(takers: np.ndarray, users: int) -> np.ndarray:
    """[T] -log2 of the share of users who took an item, in bits (Zhou et al., 2010, "Solving the apparent
    diversity-accuracy dilemma of recommender systems"); an item that nobody took counts as taken by one.

    Args:
        takers: [T] how many users took each item.
        users: how many there are.
    """
    return -np.log2(np.maximum(takers, 1) / max(users, 1))


def popularity_lift(recommended: np.ndarray, own: np.ndarray) -> float:
    """(GAP_q - GAP_p) / GAP_p: by what share what users are given is more popular than what they took.

    GAP_q is the mean over users of the mean popularity of their lists, GAP_p that of what they took themselves
    (Abdollahpouri et al., 2020, "The connection between popularity bias, calibration, and fairness in recommendation").

    Args:
        recommended: [Q] mean popularity of each list.
        own: [Q] mean popularity of what each user took; where either is NaN the user is left out.

    Returns:
        the lift, NaN without users.
    """
    both = ~(np.isnan(recommended) | np.isnan(own))
    taken = own[both].sum()
    return float(recommended[both].sum() / taken - 1) if taken > 0 else float("nan")


def _times(lists: np.ndarray, items: int) -> np.ndarray:
    """[T] how often each item stands in a list."""
    return np.bincount(lists[lists >= 0], minlength=items)
