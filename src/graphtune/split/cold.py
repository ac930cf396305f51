"""Users or items held out whole, as those who come after training are.

Axes: N nodes, E events, G pairs of a user and an item.
"""

from __future__ import annotations

import numpy as np

from graphtune.check import bad, chance, integer, one_of
from graphtune.graph import Graph
from graphtune.split.deal import Ratios, deal
from graphtune.split.edges import times_of
from graphtune.split.entities import EntitySplit
from graphtune.split.keys import TEST, TRAIN, UNUSED, VALID, group_by, rank_within, row_key, sort_within
from graphtune.split.parts import RATIOS, Split

SIDES = {"user": 0, "item": 1}


def split_cold(
    graph: Graph, of: str = "user", ratios: Ratios = RATIOS, history: float = 0.5, seed: int = 0, by: str = "random"
) -> EntitySplit:
    """Users (or items) of whom those of validation and test are cold: seen in training with no event of theirs.

    Of each cold user a share of the items is given as a history, from which a row can be made when the user comes; the
    others are to be found, in validation or test as the user is. With times the history comes first, and what is to be
    found later; without them both are drawn at random. Repeated events with an item stay together, and later repeats of
    what was given are in no part. It is the strong generalisation of Marlin (2004), the setting of Mult-VAE (Liang et
    al., WWW 2018). Cold items likewise, with users for items.

    Args:
        graph: of events.
        of: "user" or "item".
        ratios: of the users seen in training, cold ones for validation and cold ones for test. Users with fewer than
            two items are seen.
        history: the share that is given, one item at least and never all; 0 gives nothing, for models that know
            features.
        seed: the same seed gives the same split.
        by: who is cold: "random", or those who came last in "time", by their first event. Then what the others did from
            the first cold one's coming on is in no part, nor what those of validation did from the first of test on, so
            that nothing is learned, or chosen, from the future. A cold user may have nothing left, and is in no part.

    Raises:
        ArgumentError: no graph of events, times that are missing, or too few users for the ratios.
    """
    who = "split_cold"
    side = SIDES[one_of("of", who, of, SIDES)]
    chance("history", who, history)
    rng = np.random.default_rng(integer("seed", who, seed, 0))
    if not graph.is_bipartite_events:
        raise bad("graph", who, "of events of users and items", graph.ids.kinds, "Use split_entities.")
    one_of("by", who, by, ("random", "time"))
    time = times_of(graph, who) if by == "time" or graph.time is not None else None
    pair, member = group_by(row_key(*graph.edges))
    mine = graph.edges[side]
    enough = np.flatnonzero(np.bincount(mine[member], minlength=graph.num_nodes) >= (2 if history else 1))
    order = rng.permutation(len(enough))
    if by == "time" and time is not None:
        order = order[np.argsort(first_times(mine, time, graph.num_nodes)[enough[order]], kind="stable")]
    node_part = np.zeros(graph.num_nodes, dtype=np.uint8)
    node_part[enough] = deal(order, ratios, who, f"{of}s with two pairs or more")
    met = None if time is None else first_times(pair, time, len(member))
    asked = _behind_history(mine[member], met, history, rng)[pair]
    part = _parts(node_part[mine], asked, mine, time, by == "time")
    rows = np.lexsort((node_part != TRAIN, graph.ids.kinds_of(np.arange(graph.num_nodes))))
    kind = f"cold-{of}s" if by == "random" else f"new-{of}s"
    split = Split(graph.take_nodes(rows), "edge", kind, part, seed=seed, ratios=ratios)
    found = EntitySplit(split, node_part[rows] != TRAIN)
    if not found.seen.num_edges or not np.isin(part, (VALID, TEST)).any():
        raise bad("ratios", who, "such that events remain to learn from and to find", ratios, "Give other ratios.")
    return found


def _parts(
    of_owner: np.ndarray, asked: np.ndarray, owner: np.ndarray, time: np.ndarray | None, in_time: bool
) -> np.ndarray:
    """[E] the part of each event, by that of its owner and whether it is asked for."""
    part = np.where(asked, of_owner, TRAIN)
    if time is None:
        return part
    part[_late(owner, time, asked) & ~asked & (of_owner != TRAIN)] = UNUSED  # repeats of what was given
    if in_time:
        part[_from_the_future(time, part, of_owner, owner)] = UNUSED
    return part


def first_times(owner: np.ndarray, time: np.ndarray, count: int) -> np.ndarray:
    """[count] when each owner first has an event; infinite, or the last time there is, for one that has none."""
    none = np.inf if time.dtype.kind == "f" else np.iinfo(time.dtype).max
    first = np.full(count, none, dtype=time.dtype)
    np.minimum.at(first, owner, time)
    return first


def _from_the_future(time: np.ndarray, part: np.ndarray, of_owner: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """[E] which events are later than the coming of the first owner of a later part, or of one who keeps nothing."""
    out = np.zeros(len(time), dtype=bool)
    for now in (TRAIN, VALID):
        later = of_owner > now
        if later.any():
            out |= (of_owner == now) & (time > time[later].min())
    asked = np.bincount(owner, weights=~out & ((part == VALID) | (part == TEST)))
    return out | ((of_owner != TRAIN) & (asked[owner] == 0))


def _behind_history(
    owner: np.ndarray, first: np.ndarray | None, history: float, rng: np.random.Generator
) -> np.ndarray:
    """[G] which pairs are behind the history of their owner, in the order of their times or else in random order."""
    order = rng.permutation(len(owner))
    if first is not None:
        order = order[np.argsort(first[order], kind="stable")]  # those of the same time stay in random order
    order = sort_within(owner, order)
    place, size = rank_within(owner[order])
    given = np.clip(np.floor(history * size + 0.5), 1, size - 1) if history else np.zeros(len(size))
    behind = np.zeros(len(owner), dtype=bool)
    behind[order] = place >= given
    return behind


def _late(owner: np.ndarray, time: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """[E] whether an event is later than the first of its owner that is asked for."""
    first = np.full(int(owner.max(initial=0)) + 1, np.inf)
    np.minimum.at(first, owner[asked], time[asked])
    return np.asarray(time > first[owner])
