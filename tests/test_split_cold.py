"""Splits that hold users or items out whole."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphtune as gt
from graphtune.adapt.enlarge import enlarge
from graphtune.split import TEST, TRAIN, UNUSED, VALID, EntitySplit, split_cold

SIDE = {"user": 0, "item": 1}


def log(users=30, items=20, rows=250, seed=0, timed=True, repeats=True):
    """Events at random, some of them of the same time, of pairs that are met again or not."""
    rng = np.random.default_rng(seed)
    edges = rng.integers(0, [users, items], (rows, 2))
    edges = edges if repeats else np.unique(edges, axis=0)
    ids = gt.NodeIds.of([f"u{i}" for i in range(users)], [f"i{i}" for i in range(items)], kinds=("user", "item"))
    time = rng.integers(0, 80, len(edges)) if timed else None
    return gt.Graph(edges.T + [[0], [users]], ids, directed=True, time=time)


def named(graph):
    """The events as the user knows them, as often as they are there."""
    time = [0] * graph.num_edges if graph.time is None else graph.time.tolist()
    return sorted(zip(*(graph.ids.values(side) for side in graph.edges), time))


def pairs(graph, which):
    return set(zip(*graph.edges[:, which].tolist()))


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10**6),
    st.sampled_from(["user", "item"]),
    st.sampled_from([0.1, 0.5, 0.9]),
    st.booleans(),
    st.booleans(),
)
def test_every_event_has_its_place(seed, of, history, timed, repeats):
    graph = log(seed=seed, timed=timed, repeats=repeats)
    found = split_cold(graph, of, (6, 2, 2), history, seed)
    whole, part, side = found.split.graph, found.split.part, SIDE[of]
    assert named(whole) == named(graph)
    cold = found.new[whole.edges[side]]
    owner, asked = whole.edges[side], (part == VALID) | (part == TEST)
    assert not found.new[whole.edges[1 - side]].any()
    assert not asked[~cold].any() and not (part[~cold] != TRAIN).any()
    assert set(found.seen.ids.values(found.seen.edges[side])).isdisjoint(whole.ids.values(np.flatnonzero(found.new)))
    assert found.seen.num_edges == (~cold).sum()
    assert not pairs(whole, asked) & pairs(whole, (part == TRAIN) | (part == UNUSED)), "given and to find"
    for node in np.flatnonzero(found.new):
        mine = owner == node
        given_pairs, sought = pairs(whole, mine & ~asked), pairs(whole, mine & asked)
        total = len(given_pairs) + len(sought)
        assert len(given_pairs) == min(max(int(history * total + 0.5), 1), total - 1), "at least one of each"
        assert (part[mine] == TRAIN).any() and len(set(part[mine & asked])) == 1
        if timed:
            assert whole.time[mine & (part == TRAIN)].max() <= whole.time[mine & asked].min()
    assert timed or not (part == UNUSED).any()
    found.audit()


@pytest.mark.parametrize("of", ["user", "item"])
def test_who_came_in_grows_the_seen_graph_into_the_whole(of):
    found = split_cold(log(repeats=False), of, seed=3)
    grown = enlarge(found.seen, found.support).graph
    assert grown.ids == found.split.graph.ids
    assert named(grown) == named(found.split.train)


def test_shares_and_users_of_one_item():
    graph = log(100, 50, 2000)
    lonely = np.array([[0] * 3, [100] * 3])  # repeats of one item: nothing would be left to find
    edges = np.concatenate([graph.edges[:, graph.edges[0] != 0], lonely], axis=1)
    time = np.concatenate([graph.time[graph.edges[0] != 0], [1, 2, 3]])
    graph = graph.replace(edges=edges, time=time)
    for seed in range(20):
        found = split_cold(graph, "user", (8, 1, 1), seed=seed)
        assert "u0" not in found.split.graph.ids.values(np.flatnonzero(found.new))
        assert found.new.sum() == 20  # of 99
        counts = found.summary()
        assert (counts["users seen"], counts["new users"]) == (80, 20)
        assert counts["new users of which nothing is told"] == counts["new users of which nothing is asked"] == 0


def test_nothing_given():
    found = split_cold(log(), "item", history=0, seed=1)
    assert found.support.num_edges == 0
    assert found.summary()["new items of which nothing is told"] == found.new.sum() > 0
    found.audit()


def test_the_history_is_drawn_at_random_without_times():
    graph = log(10, 12, 1000, timed=False, repeats=False)
    given_first = 0
    for seed in range(40):
        found = split_cold(graph, seed=seed)
        user = found.split.graph.edges[0] == np.flatnonzero(found.new)[0]
        given_first += int(found.split.part[user][0] == TRAIN)
    assert 8 <= given_first <= 32


def test_features_go_along():
    graph = log(10, 5, 60)
    graph = graph.replace(features=np.arange(15, dtype=np.float32)[:, None], texts=tuple(f"t{i}" for i in range(15)))
    found = split_cold(graph, seed=2)
    for part in (found.split.graph, found.seen):
        names = part.ids.values(np.arange(part.num_nodes))
        want = [int(name[1:]) + 10 * (name[0] == "i") for name in names]
        np.testing.assert_array_equal(part.features[:, 0], want)
        assert part.texts == tuple(f"t{i}" for i in want)


def planted_leak(found, change):
    part = found.split.part.copy()
    change(found.split.graph, part)
    return EntitySplit(gt.given_split(found.split.graph, part, "edge", found.split.kind), found.new)


@pytest.mark.parametrize("of", ["user", "item"])
def test_the_audit_finds_planted_leaks(of):
    found = split_cold(log(seed=4), of, seed=4)
    owner = found.split.graph.edges[SIDE[of]]

    def both_parts(graph, part):
        mine = np.flatnonzero((part == VALID) & (owner == owner[part == VALID][0]))
        part[mine[0]] = TEST

    def of_the_seen(graph, part):
        part[np.flatnonzero(~found.new[owner])[0]] = TEST

    def from_the_future(graph, part):
        asked = np.flatnonzero(part == TEST)
        last = asked[graph.time[asked].argmax()]
        part[last] = TRAIN
        assert (graph.time[(owner == owner[last]) & (part == TEST)] < graph.time[last]).any()

    def told_again(graph, part):
        given_of = {pair: i for i, pair in enumerate(zip(*graph.edges.tolist())) if part[i] == TRAIN}
        again = next(i for i in np.flatnonzero(part == UNUSED) if tuple(graph.edges[:, i].tolist()) in given_of)
        part[again] = part[np.flatnonzero((owner == owner[again]) & ((part == VALID) | (part == TEST)))[0]]

    for change, message in (
        (both_parts, "of one new entity each"),
        (of_the_seen, "of one new entity each"),
        (from_the_future, "future events"),
        (told_again, "parallel edges across parts"),
    ):
        with pytest.raises(gt.LeakError, match=message):
            planted_leak(found, change).audit()


def test_the_same_seed_gives_the_same_split():
    first, second, other = (split_cold(log(), seed=seed) for seed in (3, 3, 4))
    assert first.split.graph.ids == second.split.graph.ids != other.split.graph.ids
    np.testing.assert_array_equal(first.split.part, second.split.part)


def test_refusals():
    graph = log()
    with pytest.raises(gt.ArgumentError, match="of events of users and items"):
        split_cold(gt.Graph(np.array([[0], [1]]), gt.NodeIds.range(2)))
    with pytest.raises(gt.ArgumentError, match="`of` of split_cold must be one of 'user', 'item'"):
        split_cold(graph, "users")
    with pytest.raises(gt.ArgumentError, match="`history` of split_cold"):
        split_cold(graph, history=1)
    with pytest.raises(gt.ArgumentError, match="missing times"):
        split_cold(graph.replace(time=np.full(graph.num_edges, np.nan)))
    with pytest.raises(gt.ArgumentError, match="2 users with two pairs or more to divide|at least 3 users"):
        split_cold(graph.take_edges(graph.edges[0] < 2))
    with pytest.raises(gt.ArgumentError, match="of one kind of node"):
        gt.split_entities(graph)
