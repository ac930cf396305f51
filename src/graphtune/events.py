"""Logs of events: an account of what is in one, and its users' sessions.

Axes: E events, N nodes, U users, I items.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from graphtune.check import bad, integer, number
from graphtune.graph import Graph
from graphtune.ids import NodeIds

QUANTILES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
COLD = 5  # events below which a user or an item is called cold


@dataclass(frozen=True)
class EventSummary:
    """What a recommender has to learn from.

    Attributes:
        users: with or without events.
        items: the same.
        events: E.
        pairs: of a user and an item, once each.
        density: pairs as a share of all U x I.
        cold_below: events below which a user or an item is cold.
        cold_users, cold_items: how many.
        of_user, of_item: quantiles of the events of each: the least, 10, 25, 50, 75, 90 % and the most.
        gini: of the popularity of items: 0 where all have the same number of events, towards 1 where one has them all.
        top_share: of the events with the most popular hundredth of the items.
        time: (first, last) or None.
    """

    users: int
    items: int
    events: int
    pairs: int
    density: float
    cold_below: int
    cold_users: int
    cold_items: int
    of_user: tuple[float, ...]
    of_item: tuple[float, ...]
    gini: float
    top_share: float
    time: tuple[float, float] | None

    @property
    def repeats(self) -> int:
        """Events of a user with an item that the user met before."""
        return self.events - self.pairs

    def lines(self) -> Iterator[str]:
        """The account in sentences."""
        repeats = f"; {self.repeats:,} of {self.events:,} events repeat a pair" if self.repeats else ""
        yield f"{self.users:,} users x {self.items:,} items: {100 * self.density:.3g} % of all pairs are met{repeats}"
        for name, found in (("user", self.of_user), ("item", self.of_item)):
            least, *middle, most = found
            shown = ", ".join(f"{value:g}" for value in middle)
            yield f"Events per {name}: {least:g} to {most:g}; 10, 25, 50, 75, 90 % have up to {shown}"
        yield (f"Fewer than {self.cold_below} events: {self.cold_users:,} users "
               f"({self.cold_users / max(1, self.users):.0%}), {self.cold_items:,} items "
               f"({self.cold_items / max(1, self.items):.0%})")  # fmt: skip
        yield f"Popularity: Gini {self.gini:.2f}; the top hundredth of the items has {self.top_share:.0%} of the events"
        if self.time is not None:
            yield f"Time: {self.time[0]:.10g} to {self.time[1]:.10g}"


def describe_events(graph: Graph, cold_below: int = COLD) -> EventSummary:
    """An account of a log of events.

    Args:
        graph: of events.
        cold_below: events below which a user or an item is cold.

    Raises:
        ArgumentError: the graph is no log of events.
    """
    who = "describe_events"
    integer("cold_below", who, cold_below, 1)
    _check(graph, who)
    users, items = graph.ids.rows("user"), graph.ids.rows("item")
    count = np.bincount(graph.edges.ravel(), minlength=graph.num_nodes)
    of_user, of_item = count[users.start : users.stop], count[items.start : items.stop]
    pairs = len(np.unique(graph.edges[0] * graph.num_nodes + graph.edges[1]))
    top = np.sort(of_item)[::-1][: max(1, len(items) // 100)].sum()
    return EventSummary(
        len(users), len(items), graph.num_edges, pairs, pairs / max(1, len(users) * len(items)), cold_below,
        int((of_user < cold_below).sum()), int((of_item < cold_below).sum()),
        _quantiles(of_user), _quantiles(of_item), gini(of_item), float(top / max(1, graph.num_edges)),
        None if graph.time is None or not graph.num_edges else (float(graph.time.min()), float(graph.time.max())),
    )  # fmt: skip


def gini(values: np.ndarray) -> float:
    """The Gini coefficient of numbers >= 0: half their mean absolute difference as a share of their mean."""
    n, total = len(values), float(np.sum(values))
    if n == 0 or total == 0:
        return 0.0
    place = 2 * np.arange(1, n + 1) - n - 1
    return float((place * np.sort(values)).sum() / (n * total))


def cut_sessions(graph: Graph, gap: float) -> Graph:
    """The log with sessions in the place of users: a user's events in order of time, cut where more than `gap` passes.

    The sessions of user u are called "u/1", "u/2", ... and are the nodes of the kind "user"; whoever has a column of
    session ids reads that column as the user. What a split makes of users then holds for sessions: `split_cold` keeps
    each whole, in training or, its first part given, in a part to be judged.

    Args:
        graph: of events with times; a node's own features and the like are read afterwards.
        gap: in the unit of the times, such as 1800 for half an hour in seconds.

    Raises:
        ArgumentError: no log of events, no times, or users with features, labels, texts or side edges.
    """
    number("gap", "cut_sessions", gap, 0)
    _check(graph, "cut_sessions")
    if graph.time is None:
        raise bad("graph", "cut_sessions", "a graph whose events have times", "no times", "Read the time column.")
    given = [n for n in ("features", "labels", "targets", "texts", "side") if getattr(graph, n) is not None]
    if given or len(graph.ids.kinds) > 2:
        raise bad(
            "graph", "cut_sessions", "without what belongs to users", given, "Read it after the sessions are cut."
        )
    user, time = graph.edges[0], graph.time
    order = np.lexsort((time, user))
    new_user = np.ones(len(order), dtype=bool)
    new_user[1:] = user[order[1:]] != user[order[:-1]]
    new = new_user.copy()
    new[1:] |= np.diff(time[order]) > gap
    number_in_all = np.cumsum(new) - 1  # of sessions, a user's one after another
    session = np.empty(len(order), dtype=np.int64)
    session[order] = number_in_all
    first = order[new]
    place = np.arange(len(first)) - np.maximum.accumulate(np.where(new_user[new], np.arange(len(first)), 0))
    names = [f"{u}/{k + 1}" for u, k in zip(graph.ids.values(user[first]), place.tolist())]
    ids = NodeIds((pa.array(names, pa.string()), graph.ids.blocks[1]), graph.ids.kinds)
    item = graph.edges[1] - graph.ids.starts[1] + len(names)
    return graph.replace(edges=np.stack([session, item]), ids=ids)


def _quantiles(values: np.ndarray) -> tuple[float, ...]:
    return tuple(np.quantile(values, QUANTILES).tolist()) if len(values) else (0.0,) * len(QUANTILES)


def _check(graph: Graph, who: str) -> None:
    if not graph.is_bipartite_events:
        raise bad("graph", who, "of events of users and items", graph.ids.kinds, "Read it with read_events.")
