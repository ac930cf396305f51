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
from graphtune.split.keys import TRAIN, UNUSED, group_by, rank_within, row_key, sort_within
from graphtune.split.parts import RATIOS, Split

SIDES = {"user": 0, "item": 1}


def split_cold(
    graph: Graph, of: str = "user", ratios: Ratios = RATIOS, history: float = 0.5, seed: int = 0
) -> EntitySplit:
    """Users (or items) at random, those of validation and test cold: seen in training with no event of theirs.

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

    Raises:
        ArgumentError: no graph of events, times that are missing, or too few users for the ratios.
    """
    who = "split_cold"
    side = SIDES[one_of("of", who, of, SIDES)]
    chance("history", who, history)
    rng = np.random.default_rng(integer("seed", who, seed, 0))
    if not graph.is_bipartite_events:
        raise bad("graph", who, "of events of users and items", graph.ids.kinds, "Use split_entities.")
    time = None if graph.time is None else times_of(graph, who)
    pair, member = group_by(row_key(*graph.edges))
    owner = graph.edges[side, member]  # [G]
    enough = np.flatnonzero(np.bincount(owner, minlength=graph.num_nodes) >= (2 if history else 1))
    node_part = np.zeros(graph.num_nodes, dtype=np.uint8)
    node_part[enough] = deal(rng.permutation(len(enough)), ratios, who, f"{of}s with two pairs or more")
    asked = _behind_history(owner, _first_times(pair, time), history, rng)[pair]  # [E]
    mine = graph.edges[side]
    part = np.where(asked, node_part[mine], TRAIN)
    if time is not None:
        part[_late(mine, time, asked) & ~asked & (node_part[mine] != TRAIN)] = UNUSED
    order = np.lexsort((node_part != TRAIN, graph.ids.kinds_of(np.arange(graph.num_nodes))))
    moved = graph.take_nodes(order)
    split = Split(moved, "edge", f"cold-{of}s", part, seed=seed, ratios=ratios)
    found = EntitySplit(split, node_part[order] != TRAIN)
    if not found.seen.num_edges:
        raise bad("ratios", who, "such that events remain to learn from", ratios, "Give train a larger ratio.")
    return found


def _first_times(pair: np.ndarray, time: np.ndarray | None) -> np.ndarray | None:
    """[G] when each pair was first met."""
    if time is None:
        return None
    first = np.full(int(pair.max(initial=-1)) + 1, np.inf if time.dtype.kind == "f" else np.iinfo(time.dtype).max)
    first = first.astype(time.dtype)
    np.minimum.at(first, pair, time)
    return first


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
