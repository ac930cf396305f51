"""Makers of splits that divide edges, triples or events. Axes: E edges, G groups that stay together."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import minimum_spanning_tree

from graphtune.check import bad, integer, one_of
from graphtune.graph import Graph
from graphtune.split.deal import Ratios, counts, deal, deal_within
from graphtune.split.keys import (
    TEST,
    TRAIN,
    VALID,
    edge_key,
    fact_key,
    group_by,
    rank_within,
    row_key,
    sort_within,
)
from graphtune.split.parts import RATIOS, Split


def split_edges(graph: Graph, ratios: Ratios = RATIOS, seed: int = 0, keep_connected: bool = False) -> Split:
    """Edges at random, for link prediction.

    Edges between the same two nodes (in a directed graph: in the same direction) share a part, and the ratios
    count them once.

    Args:
        graph: with edges; a directed graph with relations is for `split_triples`.
        ratios: of train, validation and test.
        seed: the same seed gives the same split.
        keep_connected: put a random spanning forest into train, so that training sees every node and every
            component whole (the protocol of node2vec, Grover and Leskovec, KDD 2016).

    Raises:
        ArgumentError: too few edges for the ratios, or a train ratio too small for the spanning forest.
    """
    who = "split_edges"
    rng = _generator(seed, who)
    if graph.relation is not None and graph.directed:
        raise bad("graph", who, "undirected or without relations", "triples", "Use split_triples.")
    group, member = group_by(edge_key(graph))
    order = rng.permutation(len(member))
    if keep_connected:
        order = _forest_first(graph, member, order, counts(len(member), ratios, who, "edges")[TRAIN])
    part = deal(order, ratios, who, "edges")[group]
    return Split(graph, "edge", "edges", part, seed=seed, ratios=ratios)


def split_triples(
    graph: Graph,
    ratios: Ratios = RATIOS,
    seed: int = 0,
    cover: bool = True,
    together: bool = True,
) -> Split:
    """Triples (head, relation, tail) at random, for knowledge-graph completion.

    Args:
        graph: directed, with relations.
        ratios: of train, validation and test; triples that stay together count once.
        seed: the same seed gives the same split.
        cover: put the first triple of each entity and relation, in random order, into train as far as the
            ratio allows, so that as few as possible are unseen in training. Later triples are never dropped
            for it.
        together: keep triples that say the same thing in one part: those between the same two entities by
            relations that are near-inverse or near-duplicate of one another, or turned round by a symmetric
            one (see `linked_relations`). Without it `audit` finds the leaks of FB15k and WN18.

    Raises:
        ArgumentError: no relations, an undirected graph, or too few triples for the ratios.
    """
    who = "split_triples"
    rng = _generator(seed, who)
    if graph.relation is None or not graph.directed:
        raise bad("graph", who, "directed, with relations", "another graph", "Use split_edges.")
    group, member = group_by(fact_key(graph) if together else edge_key(graph))
    order = rng.permutation(len(member))
    if cover:
        order = _cover_first(graph, group, order)
    part = deal(order, ratios, who, "triples")[group]
    return Split(graph, "edge", "triples", part, seed=seed, ratios=ratios)


def split_interactions(graph: Graph, by: str = "user", ratios: Ratios = RATIOS, seed: int = 0) -> Split:
    """User-item events, for recommendation; a user is the source of an edge.

    Args:
        graph: directed, or for `by="time"` any graph with times.
        by: "user": of each user's items a random share to each part, always one to train; repeated events
            with one item share a part.
            "time": one cut in time for all, so that nothing is learned from the future; events of the same
            time share a part. A repeat of an earlier event may fall in a later part.
            "last": of each user with three events or more the last to test and the one before to validation,
            all else to train. Each user's test comes last for that user only: other users' later events are
            in train, and `audit` notes it. Prefer "time" for a figure that is to hold in production.
        ratios: of train, validation and test; "last" does not use them.
        seed: the same seed gives the same split; only "user" draws at random.

    Raises:
        ArgumentError: no times where they are needed, or a part that would be empty.
    """
    one_of("by", "split_interactions", by, ("user", "time", "last"))
    who = f"split_interactions(by={by!r})"
    rng = _generator(seed, who)
    if by == "time":
        part = _by_time(times_of(graph, who), ratios, who)
        return Split(graph, "edge", "by-time", part, seed=seed, ratios=ratios)
    if not graph.directed:
        fix = "Use split_edges or by='time'."
        raise bad("graph", who, "directed, from users to items", "an undirected graph", fix)
    if by == "user":
        group, member = group_by(row_key(*graph.edges))
        part = deal_within(graph.edges[0, member], ratios, rng, who)[group]
        return Split(graph, "edge", "by-user", part, seed=seed, ratios=ratios)
    return Split(graph, "edge", "leave-last-out", _leave_last_out(graph, who), seed=seed)


def _generator(seed: int, who: str) -> np.random.Generator:
    return np.random.default_rng(integer("seed", who, seed, 0))


def _forest_first(graph: Graph, member: np.ndarray, order: np.ndarray, room: int) -> np.ndarray:
    """`order` with the groups of a random spanning forest moved to the front."""
    u, v = np.sort(graph.edges[:, member], axis=0)
    _, one = np.unique(row_key(u, v), return_index=True)
    height = np.empty(len(order))
    height[order] = np.arange(1, len(order) + 1)  # a minimum forest under random weights is a random forest
    n = graph.num_nodes
    forest = minimum_spanning_tree(sp.csr_array((height[one], (u[one], v[one])), shape=(n, n)))
    in_forest = np.zeros(len(order), dtype=bool)
    in_forest[order[forest.data.astype(np.int64) - 1]] = True
    if in_forest.sum() > room:
        what = f"enough train for the {in_forest.sum()} edges that keep the graph connected"
        fix = "Give train a larger ratio, or set keep_connected=False."
        raise bad("ratios", "split_edges", what, f"{room} training edges", fix)
    return np.concatenate([order[in_forest[order]], order[~in_forest[order]]])


def _cover_first(graph: Graph, group: np.ndarray, order: np.ndarray) -> np.ndarray:
    """`order` with the first group of every entity and of every relation moved to the front."""
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    needed = np.zeros(len(order), dtype=bool)
    node = np.concatenate(graph.edges)
    needed[order[_first_places(node, np.tile(place[group], 2))]] = True
    needed[order[_first_places(np.asarray(graph.relation), place[group])]] = True
    return np.concatenate([order[needed[order]], order[~needed[order]]])


def _first_places(owner: np.ndarray, place: np.ndarray) -> np.ndarray:
    """The lowest place of each owner that has one."""
    first = np.full(int(owner.max(initial=0)) + 1, len(place))
    np.minimum.at(first, owner, place)
    return first[first < len(place)]


def times_of(graph: Graph, who: str) -> np.ndarray:
    """[E] the times of the edges, refused where any is missing."""
    if graph.time is None:
        fix = "Read the time column, or split by='user'."
        raise bad("graph", who, "a graph whose edges have times", "no times", fix)
    missing = int((~np.isfinite(graph.time)).sum())
    if missing:
        raise bad("graph.time", who, "finite", f"{missing} missing times", "Drop those edges first.")
    return graph.time


def _by_time(time: np.ndarray, ratios: Ratios, who: str) -> np.ndarray:
    """[E] parts, in time order."""
    in_order = np.sort(time)
    size = counts(len(time), ratios, who, "events")
    to_valid = _cut(in_order, int(size[TRAIN]))
    to_test = max(to_valid, _cut(in_order, int(size[TRAIN] + size[VALID])))
    got = np.diff([0, to_valid, to_test, len(time)])
    if ((got == 0) & (size > 0)).any():
        fix = "Give finer times, other ratios, or a ratio of 0 to validation."
        what = "fine enough to cut by the ratios"
        raise bad("graph.time", who, what, f"parts of {got.tolist()} events", fix)
    part = np.zeros(len(time), dtype=np.uint8)
    for start, number in ((to_valid, VALID), (to_test, TEST)):
        if start < len(time):
            part[time >= in_order[start]] = number
    return part


def _cut(in_order: np.ndarray, n: int) -> int:
    """The place nearest to `n` that does not lie between events of the same time."""
    if n in (0, len(in_order)):
        return n
    before, after = (int(np.searchsorted(in_order, in_order[n], side)) for side in ("left", "right"))
    return before if before > 0 and n - before <= after - n else after


def _leave_last_out(graph: Graph, who: str) -> np.ndarray:
    """[E] parts: of each user with three events or more the last is test, the one before validation."""
    group, member = group_by(edge_key(graph, timed=True))
    user = graph.edges[0, member]
    order = sort_within(user, np.argsort(times_of(graph, who)[member], kind="stable"))
    place, size = rank_within(user[order])
    if not (size >= 3).any():
        got = f"{size.max(initial=0)} at most"
        raise bad("graph", who, "a graph with a user of 3 events or more", got, "Split by time or by user.")
    part = np.empty(len(member), dtype=np.uint8)
    part[order] = np.select([size < 3, place == size - 1, place == size - 2], [TRAIN, TEST, VALID], TRAIN)
    return part[group]
