"""Splits: what every maker promises, and an audit that finds each planted leak by its name."""

import re
from itertools import combinations, product

import networkx as nx
import numpy as np
import pytest
import scipy.io
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from graphtune.check import ArgumentError, LeakError
from graphtune.graph import Graph
from graphtune.ids import NodeIds
from graphtune.split import (
    TEST,
    TRAIN,
    UNUSED,
    VALID,
    Split,
    given_split,
    leaks,
    split_edges,
    split_inductive,
    split_interactions,
    split_nodes,
    split_triples,
)
from graphtune.split.keys import linked_relations, pair_numbers, row_key

SEEDS = st.integers(0, 2**32 - 1)
FEW = settings(max_examples=50, deadline=None)


def names(n: int) -> NodeIds:
    return NodeIds.of([f"n{i}" for i in range(n)])


def graph_of(edges: list, n: int = 0, **fields: object) -> Graph:
    edges = np.array(edges, dtype=np.int64).reshape(-1, 2).T
    return Graph(edges, names(n or int(edges.max()) + 1), **fields)


def triples_of(rows: list, relations: list[str]) -> Graph:
    head, relation, tail = np.array(rows).T
    return graph_of(np.stack([head, tail], 1), directed=True, relation=relation, relation_ids=NodeIds.of(relations))


@st.composite
def graphs(draw: st.DrawFn, directed: bool | None = None, relations: int = 0, timed: bool = False) -> Graph:
    """Small graphs with self-loops, reversed and repeated edges."""
    n = draw(st.integers(2, 8))
    rows = draw(st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), min_size=12, max_size=40))
    code = st.integers(0, max(relations - 1, 0))
    fields: dict = {"directed": draw(st.booleans()) if directed is None else directed}
    if relations:
        fields["relation"] = np.array([draw(code) for _ in rows])
        fields["relation_ids"] = NodeIds.of([f"r{i}" for i in range(relations)])
    if timed:
        fields["time"] = np.array([draw(st.integers(0, 50)) for _ in rows])
    return graph_of(rows, n, **fields)


def sizes(split: Split) -> list[int]:
    return np.bincount(split.part, minlength=4).tolist()


def found(split: Split) -> dict[str, int]:
    return {finding.what: finding.count for finding in split.audit(raise_on_leak=False)}


def assert_sound(split: Split) -> None:
    """The parts are graphs over the same nodes that share out the edges, and nothing leaks."""
    parts = [split.train, split.valid, split.test]
    unused = int((split.part == UNUSED).sum())
    assert sum(p.num_edges for p in parts) + unused == split.graph.num_edges
    assert all(p.num_nodes == split.graph.num_nodes for p in parts)
    assert split.train.num_edges and split.valid.num_edges and split.test.num_edges
    split.audit()


def simple(n: int, p: float, seed: int = 0, directed: bool = False) -> Graph:
    g = nx.gnp_random_graph(n, p, seed=seed, directed=directed)
    return graph_of(list(g.edges), n, directed=directed)


# --- edges ---------------------------------------------------------------------------------------


def distinct_pairs(graph: Graph) -> set:
    return {(u, v) if graph.directed else frozenset((u, v)) for u, v in graph.edges.T.tolist()}


@FEW
@given(graphs(), SEEDS)
def test_edges_share_out_the_pairs_by_the_ratios_and_do_not_leak(graph, seed):
    pairs = len(distinct_pairs(graph))
    if pairs < 3:
        with pytest.raises(ArgumentError, match="at least 3 edges"):
            split_edges(graph, seed=seed)
        return
    split = split_edges(graph, seed=seed)
    assert_sound(split)
    shares = [len(distinct_pairs(part)) for part in (split.train, split.valid, split.test)]
    assert sum(shares) == pairs
    assert all(size == 1 or abs(size - pairs * r) <= 2 for size, r in zip(shares, (0.7, 0.2, 0.1)))


@pytest.mark.parametrize(
    ("n", "ratios", "expected"),
    [
        (100, (7, 2, 1), [70, 20, 10]),
        (101, (7, 2, 1), [71, 20, 10]),
        (3, (7, 2, 1), [1, 1, 1]),
        (20, (0.5, 0.25, 0.25), [10, 5, 5]),
        (10, (9, 0, 1), [9, 0, 1]),
        (10, (9, 1, 0), [9, 1, 0]),
    ],
)
def test_ratios_by_hand(n, ratios, expected):
    path = graph_of([(i, i + 1) for i in range(n)])
    assert sizes(split_edges(path, ratios))[:3] == expected


def test_the_seed_alone_decides():
    graph = simple(60, 0.2)
    assert (split_edges(graph, seed=3).part == split_edges(graph, seed=3).part).all()
    assert (split_edges(graph, seed=3).part != split_edges(graph, seed=4).part).any()


@pytest.mark.parametrize("ratios", [(7, 2), (7, -1, 1), (0, 1, 1), (1, 0, 0), (np.nan, 1, 1), "712"])
def test_wrong_ratios_are_refused(ratios):
    with pytest.raises(ArgumentError, match=r"`ratios` of split_edges must be three numbers"):
        split_edges(simple(20, 0.3), ratios)


def test_wrong_seed_is_refused():
    with pytest.raises(ArgumentError, match="`seed` of split_edges"):
        split_edges(simple(20, 0.3), seed=-1)


@FEW
@given(SEEDS, st.booleans())
def test_a_spanning_forest_keeps_train_as_connected_as_the_graph(seed, directed):
    graph = simple(30, 0.2, seed % 7, directed)
    train = split_edges(graph, (6, 2, 2), seed, keep_connected=True).train

    def components(g: Graph) -> set:
        whole = nx.Graph(g.edges.T.tolist())
        whole.add_nodes_from(range(g.num_nodes))
        return {frozenset(c) for c in nx.connected_components(whole)}

    assert components(train) == components(graph)


def test_a_forest_that_does_not_fit_is_refused():
    tree = graph_of([(0, i) for i in range(1, 21)])
    with pytest.raises(ArgumentError, match=r"20 edges that keep the graph connected.*larger ratio"):
        split_edges(tree, keep_connected=True)


def test_triples_are_not_plain_edges():
    with pytest.raises(ArgumentError, match="split_triples"):
        split_edges(triples_of([(0, 0, 1), (1, 0, 2), (2, 0, 3)], ["r"]))


# --- triples -------------------------------------------------------------------------------------


def linked_by_loops(graph: Graph) -> tuple[set, set]:
    """Near-inverse and near-duplicate relations, by sets of pairs."""
    pairs: dict = {r: set() for r in range(graph.num_relations)}
    for (h, t), r in zip(graph.edges.T.tolist(), graph.relation.tolist()):
        if h != t:
            pairs[r].add((h, t))
    inverse, duplicate = set(), set()
    for r, s in product(pairs, pairs):
        enough = 0.8 * max(len(pairs[r]), len(pairs[s]), 1)
        if len({(t, h) for h, t in pairs[r]} & pairs[s]) >= enough:
            inverse.add((r, s))
        if r != s and len(pairs[r] & pairs[s]) >= enough:
            duplicate.add((r, s))
    return inverse, duplicate


@st.composite
def linked_graphs(draw: st.DrawFn) -> Graph:
    """Triples in which r1 is often r0 turned round, r2 often r0 again and r3 often symmetric."""
    rows = []
    for _ in range(draw(st.integers(10, 20))):
        h, t = draw(st.integers(0, 5)), draw(st.integers(0, 5))
        rows.append((h, 0, t))
        rows += [(t, 1, h)] * draw(st.booleans()) + [(h, 2, t)] * draw(st.booleans())
        rows += [(h, 3, t)] + [(t, 3, h)] * draw(st.booleans())
    return triples_of(rows, ["r0", "r1", "r2", "r3"])


@FEW
@given(st.one_of(graphs(directed=True, relations=3), linked_graphs()))
def test_linked_relations_are_those_of_the_definition(graph):
    everything = np.ones(graph.num_edges, dtype=bool)
    inverse, duplicate = linked_relations(graph, pair_numbers(graph), everything)
    expected = linked_by_loops(graph)
    assert {tuple(map(int, at)) for at in np.argwhere(inverse.toarray())} == expected[0]
    assert {tuple(map(int, at)) for at in np.argwhere(duplicate.toarray())} == expected[1]


@FEW
@given(st.one_of(graphs(directed=True, relations=3), linked_graphs()), SEEDS, st.booleans())
def test_triples_do_not_leak(graph, seed, cover):
    try:
        split = split_triples(graph, seed=seed, cover=cover)
    except ArgumentError:
        reject()  # fewer than three triples that may part
    assert_sound(split)


def given_away_by_loops(split: Split) -> dict[str, int]:
    """What the audit should count of linked relations, triple by triple."""
    graph = split.graph
    inverse, duplicate = linked_by_loops(graph)
    rows = list(zip(*graph.edges.tolist(), graph.relation.tolist(), split.part.tolist()))
    counts = dict.fromkeys([leaks.INVERSE_RELATIONS, leaks.SYMMETRIC_RELATIONS, leaks.DUPLICATE_RELATIONS], 0)
    for h, t, r, part in rows:
        earlier = {(a, b, s) for a, b, s, p in rows if p < part and a != b}
        partners = [(t, h, s) in earlier for q, s in inverse if q == r and s != r]
        counts[leaks.INVERSE_RELATIONS] += any(partners)
        counts[leaks.SYMMETRIC_RELATIONS] += (r, r) in inverse and (t, h, r) in earlier
        counts[leaks.DUPLICATE_RELATIONS] += any((h, t, s) in earlier for q, s in duplicate if q == r)
    return {what: count for what, count in counts.items() if count}


@FEW
@given(linked_graphs(), SEEDS)
def test_audit_counts_linked_triples_as_a_loop_does(graph, seed):
    part = np.random.default_rng(seed).choice(3, graph.num_edges, p=(0.6, 0.2, 0.2))
    part[:3] = (0, 1, 2)
    counted = found(given_split(graph, part, "edge", "triples"))
    expected = given_away_by_loops(given_split(graph, part, "edge"))
    assert {what: n for what, n in counted.items() if "relation" in what} == expected


def family() -> Graph:
    """40 parents and, turned round, 40 children; 40 neighbours."""
    rows = [(i, 0, i + 40) for i in range(40)] + [(i + 40, 1, i) for i in range(40)]
    return triples_of(rows + [(i, 2, (i + 7) % 80) for i in range(40)], ["parent", "child", "near"])


def test_a_random_split_of_inverse_relations_leaks_and_says_which():
    split = split_triples(family(), together=False)
    with pytest.raises(LeakError, match=leaks.INVERSE_RELATIONS) as error:
        split.audit()
    assert re.search(r"\(n\d+, parent, n\d+\) in (valid|test), by child", str(error.value))
    assert found(split_triples(family())) == {}


def test_cover_puts_the_first_triple_of_all_into_train():
    rows = [(i, i % 3, (i + step) % 30) for i in range(30) for step in (1, 2)]
    graph = triples_of(rows, ["a", "b", "c"])
    for seed in range(20):
        split = split_triples(graph, seed=seed)
        assert split.summary()["nodes unseen in train"] == 0
        assert set(split.train.relation) == {0, 1, 2}
    star = triples_of([(0, 0, i) for i in range(1, 31)], ["r"])
    split = split_triples(star, cover=True)
    assert sizes(split) == [21, 6, 3, 0]
    assert split.summary()["nodes unseen in train"] == 9  # kept, not dropped


# --- events --------------------------------------------------------------------------------------


def events(rows: list, time: list | None = None) -> Graph:
    """Rows of (user, item) as a bipartite graph."""
    user, item = np.array(rows).T
    ids = NodeIds.of(
        [f"u{i}" for i in range(user.max() + 1)],
        [f"i{i}" for i in range(item.max() + 1)],
        kinds=("user", "item"),
    )
    edges = np.stack([user, item + user.max() + 1])
    return Graph(edges, ids, directed=True, time=None if time is None else np.array(time))


@st.composite
def logs(draw: st.DrawFn) -> Graph:
    user, item = st.integers(0, 9), st.integers(0, 14)
    rows = [(0, i) for i in range(5)] + draw(st.lists(st.tuples(user, item), min_size=40, max_size=120))
    return events(rows, [draw(st.integers(0, 60)) for _ in rows])


@FEW
@given(logs(), SEEDS)
def test_by_user_every_user_trains_and_no_pair_is_in_two_parts(graph, seed):
    split = split_interactions(graph, "user", seed=seed)
    assert_sound(split)
    assert set(graph.edges[0]) == set(split.train.edges[0])
    for user in set(graph.edges[0].tolist()):
        total = len(set(graph.edges[1, graph.edges[0] == user].tolist()))
        for part, share in ((split.train, 0.7), (split.valid, 0.2), (split.test, 0.1)):
            got = len(set(part.edges[1, part.edges[0] == user].tolist()))
            assert abs(got - total * share) < 1.01 + (part is split.train)


def test_by_user_gives_the_ratios_on_average_even_to_short_histories():
    rows = [(u, i) for u in range(4000) for i in range(2 + u % 4)]
    share = np.bincount(split_interactions(events(rows), "user").part) / len(rows)
    assert share == pytest.approx((0.7, 0.2, 0.1), abs=0.01)


@FEW
@given(logs())
def test_by_time_learns_nothing_from_the_future(graph):
    try:
        split = split_interactions(graph, "time")
    except ArgumentError:
        reject()  # too few distinct times
    assert_sound(split)
    assert split.train.time.max() < split.valid.time.min()
    assert split.valid.time.max() < split.test.time.min()


def test_by_time_cuts_at_the_nearest_change_of_time():
    graph = events([(0, i) for i in range(10)], [1] * 6 + [2] * 2 + [3] * 2)
    assert split_interactions(graph, "time").part.tolist() == [TRAIN] * 6 + [VALID] * 2 + [TEST] * 2
    tied = events([(0, i) for i in range(10)], [1] * 3 + [2] * 6 + [3])
    assert sizes(split_interactions(tied, "time", (1, 8, 1))) == [3, 6, 1, 0]  # train is never empty
    shuffled = events([(0, i) for i in range(4)], [9, 1, 5, 2])
    assert split_interactions(shuffled, "time", (2, 1, 1)).part.tolist() == [TEST, TRAIN, VALID, TRAIN]


def test_by_time_needs_times_that_can_be_cut():
    rows = [(0, i) for i in range(10)]
    with pytest.raises(ArgumentError, match="have times"):
        split_interactions(events(rows), "time")
    with pytest.raises(ArgumentError, match="fine enough to cut"):
        split_interactions(events(rows, [5] * 10), "time")
    with pytest.raises(ArgumentError, match="1 missing times"):
        split_interactions(events(rows, [np.nan] + [1.0] * 9), "time")


@FEW
@given(logs())
def test_last_is_last_for_each_user(graph):
    by_user: dict = {}
    for edge, user in enumerate(graph.edges[0].tolist()):
        by_user.setdefault(user, []).append(edge)
    split = split_interactions(graph, "last")
    split.audit()
    for edges in by_user.values():
        moments = {(int(graph.edges[1, e]), int(graph.time[e])) for e in edges}
        parts = split.part[edges]
        if len(moments) < 3:
            assert (parts == TRAIN).all()
            continue
        time = graph.time[edges]
        assert time[parts == TRAIN].max() <= time[parts == VALID].min()
        assert time[parts == VALID].max() <= time[parts == TEST].min()
        assert time[parts == TEST].min() == time.max()


def test_last_notes_that_other_users_train_later():
    graph = events([(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)], [1, 2, 3, 7, 8, 9])
    split = split_interactions(graph, "last")
    assert split.part.tolist() == [TRAIN, VALID, TEST] * 2
    (note,) = split.audit()
    assert (note.what, note.count, note.examples) == (leaks.LATER_EVENTS, 1, ("u1 -> i0 in train",))


def test_events_need_users():
    with pytest.raises(ArgumentError, match="directed, from users to items"):
        split_interactions(simple(20, 0.3), "user")
    with pytest.raises(ArgumentError, match="`by`"):
        split_interactions(simple(20, 0.3), "week")
    with pytest.raises(ArgumentError, match="with a user of 3 events"):
        split_interactions(events([(0, 0), (0, 1), (1, 0)], [1, 2, 3]), "last")


# --- nodes ---------------------------------------------------------------------------------------


@FEW
@given(st.lists(st.integers(-1, 4), min_size=30, max_size=80), SEEDS)
def test_nodes_are_stratified_to_within_one(labels, seed):
    labels = np.array([*labels, 0, 0, 0])
    graph = graph_of([(0, 1)], len(labels), labels=labels)
    split = split_nodes(graph, seed=seed)
    rows = np.concatenate([split.train_nodes, split.valid_nodes, split.test_nodes])
    assert sorted(rows) == np.flatnonzero(labels >= 0).tolist()
    assert min(len(split.valid_nodes), len(split.test_nodes)) > 0
    for label in set(labels[labels >= 0].tolist()):
        got = np.bincount(split.part[labels == label], minlength=3)[:3]
        assert got[TRAIN] > 0
        assert (abs(got - (labels == label).sum() * np.array([0.7, 0.2, 0.1])) < 2.01).all()
    assert split.audit() == ()


def test_nodes_with_many_labels_keep_each_labels_share(data):
    groups = scipy.io.loadmat(data / "node/blogcatalog.mat")["group"].toarray().astype(bool)
    graph = graph_of([(0, 1)], len(groups), labels=groups)
    split = split_nodes(graph)
    share = groups[split.train_nodes].sum(0) / groups.sum(0)
    assert abs(share - 0.7).max() < 0.08
    assert len(split.train_nodes) / len(groups) == pytest.approx(0.7, abs=0.01)


def test_a_rare_label_beside_a_common_one_is_stratified():
    labels = np.ones((200, 2), dtype=bool)
    labels[20:, 1] = False
    for seed in range(10):
        rare = np.bincount(split_nodes(graph_of([(0, 1)], 200, labels=labels), seed=seed).part[:20])
        assert (abs(rare - np.array([14, 4, 2])) <= 1).all()


def test_unlabelled_nodes_are_unused():
    targets = np.array([np.nan, *np.arange(20.0)])
    split = split_nodes(graph_of([(0, 1)], 21, targets=targets))
    assert sizes(split) == [14, 4, 2, 1]
    assert split.part[0] == UNUSED
    many = np.zeros((21, 3), dtype=bool)
    many[1:, 0] = True
    assert split_nodes(graph_of([(0, 1)], 21, labels=many)).part[0] == UNUSED


def test_plain_random_nodes_have_exact_sizes():
    labels = np.arange(100) % 3
    assert sizes(split_nodes(graph_of([(0, 1)], 100, labels=labels), stratify=False)) == [70, 20, 10, 0]


def test_nodes_see_all_edges_and_say_so():
    split = split_nodes(graph_of([(0, 1), (1, 2)], 30, labels=np.zeros(30)))
    assert split.train.num_edges == split.observed(TEST).num_edges == 2
    with pytest.raises(ArgumentError, match="valid_nodes"):
        _ = split.valid
    with pytest.raises(ArgumentError, match="graph of its edges"):
        _ = split_edges(simple(20, 0.3)).train_nodes


def test_nodes_need_labels():
    with pytest.raises(ArgumentError, match="labels or targets"):
        split_nodes(simple(20, 0.3))
    with pytest.raises(ArgumentError, match="at least 3 nodes"):
        split_nodes(graph_of([(0, 1)], 9, labels=np.array([1, 1] + [-1] * 7)))
    with pytest.raises(ArgumentError, match="valid part of split_nodes would be empty"):
        split_nodes(graph_of([(0, 1)], 4, labels=np.array([0, 1, 2, 2])))


@FEW
@given(st.integers(20, 40), SEEDS)
def test_inductive_training_sees_no_edge_of_an_unseen_node(n, seed):
    graph = simple(n, 0.4, seed % 5)
    split = split_inductive(graph, seed=seed)
    unseen = set(split.valid_nodes) | set(split.test_nodes)
    assert not unseen & set(split.train.edges.ravel())
    assert not set(split.test_nodes) & set(split.observed(VALID).edges.ravel())
    assert split.observed(TEST).num_edges == graph.num_edges
    assert_sound(split)


def test_inductive_without_an_edge_left_is_refused():
    with pytest.raises(ArgumentError, match="edges between training nodes"):
        split_inductive(graph_of([(0, 1)], 30), (1, 1, 8), seed=1)


# --- the audit finds every planted leak ----------------------------------------------------------


def planted(graph: Graph, part: list[int], kind: str = "edges", **fields: object) -> LeakError:
    with pytest.raises(LeakError) as error:
        given_split(graph, np.array(part), "edge", kind, **fields).audit()
    return error.value


def test_duplicate_edge():
    error = planted(graph_of([(0, 1), (1, 2), (2, 3), (0, 1)]), [TRAIN, TRAIN, VALID, TEST])
    assert f"1 {leaks.DUPLICATE_EDGES} (first: n0 - n1 in test)" in str(error)


def test_reversed_edge_leaks_in_an_undirected_graph_only():
    rows = [(0, 1), (1, 2), (2, 3), (1, 0)]
    part = [TRAIN, TRAIN, VALID, TEST]
    assert f"1 {leaks.REVERSED_EDGES} (first: n1 - n0 in test)" in str(planted(graph_of(rows), part))
    directed = given_split(graph_of(rows, directed=True), np.array(part), "edge", "edges")
    assert directed.audit() == ()


def test_parallel_edge():
    names_ = NodeIds.of(["likes", "knows"])
    rows, part = [(0, 1), (1, 2), (2, 3), (1, 0)], [TRAIN, TRAIN, VALID, TEST]
    graph = graph_of(rows, relation=np.array([0, 0, 0, 1]), relation_ids=names_)
    assert f"1 {leaks.PARALLEL_EDGES} (first: (n1, knows, n0) in test)" in str(planted(graph, part))
    timed = events([(0, 0), (0, 1), (0, 2), (0, 0)], [1, 2, 3, 4])
    assert f"1 {leaks.PARALLEL_EDGES} (first: u0 -> i0 in test)" in str(planted(timed, part, "by-user"))


def test_unused_edges_do_not_leak():
    split = given_split(
        graph_of([(0, 1), (1, 2), (2, 3), (0, 1)]), np.array([TRAIN, TEST, TEST, UNUSED]), "edge", "edges"
    )
    assert split.audit() == ()


@FEW
@given(graphs(), SEEDS)
def test_audit_counts_repeats_as_a_loop_does(graph, seed):
    part = np.random.default_rng(seed).integers(0, 4, graph.num_edges)
    part[:2] = (TRAIN, TEST)
    counts = {leaks.DUPLICATE_EDGES: 0, leaks.REVERSED_EDGES: 0}
    rows = list(zip(*graph.edges.tolist(), part.tolist()))
    for u, v, p in rows:
        earlier = {(a, b) for a, b, q in rows if q < p < UNUSED}
        if (u, v) in earlier:
            counts[leaks.DUPLICATE_EDGES] += 1
        elif (v, u) in earlier and not graph.directed:
            counts[leaks.REVERSED_EDGES] += 1
    assert found(given_split(graph, part, "edge", "edges")) == {w: n for w, n in counts.items() if n}


def test_known_negatives():
    graph = graph_of([(0, 1), (1, 2), (2, 3), (3, 4)])
    negatives = np.array([[0, 4, 0], [4, 3, 1]])  # 4-3 is a test edge, 0-1 a training edge
    error = planted(graph, [TRAIN, TRAIN, VALID, TEST], negatives=negatives)
    assert f"1 {leaks.KNOWN_NEGATIVES} (first: n3 - n4 in test)" in str(error)
    triples = triples_of([(0, 0, 1), (1, 1, 2), (2, 0, 3)], ["a", "b"])
    fine = given_split(triples, np.array([0, 1, 2]), "edge", "triples", np.array([[1], [2], [0]]))
    assert fine.audit() == ()
    error = planted(triples, [0, 1, 2], "triples", negatives=np.array([[1], [2], [1]]))
    assert f"1 {leaks.KNOWN_NEGATIVES} (first: (n1, b, n2) in valid)" in str(error)


def test_negatives_of_another_shape_are_refused():
    with pytest.raises(ArgumentError, match=r"`negatives` of Split must be integers \[2, M\]"):
        given_split(graph_of([(0, 1), (1, 2)]), np.array([0, 2]), "edge", "edges", np.zeros((3, 4), int))


def test_future_events():
    graph = events([(0, 0), (0, 1), (0, 2), (0, 3)], [1, 9, 5, 6])
    error = planted(graph, [TRAIN, TRAIN, VALID, TEST], "by-time")
    assert f"1 {leaks.FUTURE_EVENTS} (first: u0 -> i1 in train)" in str(error)
    error = planted(graph, [TRAIN, VALID, TRAIN, TEST], "by-time")
    assert f"1 {leaks.FUTURE_EVENTS} (first: u0 -> i1 in valid)" in str(error)
    error = planted(graph, [TRAIN, TRAIN, VALID, TEST], "leave-last-out")
    assert f"1 {leaks.FUTURE_EVENTS} (first: u0 -> i1 in train)" in str(error)
    at_random = given_split(graph, np.array([TRAIN, TRAIN, VALID, TEST]), "edge", "by-user")
    assert found(at_random) == {leaks.LATER_EVENTS: 1}


def test_symmetric_and_duplicate_relations():
    rows = [(i, 0, i + 1) for i in range(0, 20, 2)] + [(i + 1, 0, i) for i in range(0, 20, 2)]
    married = triples_of(rows, ["married"])
    error = planted(married, [TRAIN] * 18 + [VALID, TEST], "triples")
    assert f"2 {leaks.SYMMETRIC_RELATIONS} (first: (n17, married, n16) in valid, by married" in str(error)
    twice = triples_of([(i, r, i + 1) for r in (0, 1) for i in range(0, 20, 2)], ["is", "isa"])
    error = planted(twice, [TRAIN] * 18 + [VALID, TEST], "triples")
    assert f"2 {leaks.DUPLICATE_RELATIONS} (first: (n16, isa, n17) in valid, by is" in str(error)


def test_edges_that_show_unseen_nodes():
    graph = simple(20, 0.4)
    split = split_inductive(graph)
    shown = split.edge_part.copy()
    of_test = np.isin(graph.edges, split.test_nodes).any(axis=0)
    shown[of_test] = TRAIN
    with pytest.raises(LeakError, match=f"{of_test.sum()} {leaks.UNSEEN_NODES}"):
        Split(graph, "node", "inductive", split.part, shown).audit()


def test_published_splits_are_noted_not_refused():
    graph = graph_of([(0, 1), (1, 2), (2, 3), (0, 1)])
    (note,) = given_split(graph, np.array([TRAIN, TRAIN, VALID, TEST]), "edge").audit()
    assert (note.what, note.count, note.action) == (leaks.DUPLICATE_EDGES, 1, "noted")
    assert not note.changed_data


def test_all_leaks_are_named_at_once():
    graph = events([(0, 0), (0, 0), (0, 1)], [9, 9, 2])
    error = planted(graph, [TRAIN, VALID, TEST], "by-time")
    assert leaks.DUPLICATE_EDGES in str(error)
    assert leaks.FUTURE_EVENTS in str(error)
    assert "\n" not in str(error)


# --- the split itself ----------------------------------------------------------------------------


def test_observed_grows_with_the_parts():
    split = split_edges(simple(40, 0.3))
    assert split.observed(TRAIN).num_edges == split.observed(VALID).num_edges == split.train.num_edges
    assert split.observed(TEST).num_edges == split.train.num_edges + split.valid.num_edges


def test_summary_counts_the_unseen():
    split = given_split(graph_of([(0, 1), (1, 2), (1, 3), (2, 3)], 9), np.array([0, 0, 1, 2]), "edge")
    assert split.summary() == {
        "train edges": 2,
        "valid edges": 1,
        "test edges": 1,
        "unused edges": 0,
        "nodes unseen in train": 1,
        "valid edges with an unseen node": 1,
        "test edges with an unseen node": 1,
    }


@pytest.mark.parametrize(
    ("part", "unit", "kind", "message"),
    [
        ([0, 1], "edge", "public", "3 integers"),
        ([0, 1, 4], "edge", "public", "each 0, 1, 2 or 3"),
        ([0.5, 1, 2], "edge", "public", "3 integers"),
        ([1, 1, 2], "edge", "public", "a train part"),
        ([0, 0, 3], "edge", "public", "a validation or test part"),
        ([0, 1, 2], "edge", "inductive", "`kind`"),
        ([0, 1, 2], "edge", "by-time", "a graph with times"),
        ([0, 1, 2], "face", "public", "`unit` of given_split"),
    ],
)
def test_given_parts_are_checked(part, unit, kind, message):
    with pytest.raises(ArgumentError, match=re.escape(message)):
        given_split(graph_of([(0, 1), (1, 2), (2, 3)]), np.array(part), unit, kind)


def test_the_part_cannot_be_written_and_is_not_the_callers_array():
    part = np.array([0, 1, 2], dtype=np.uint8)
    split = given_split(graph_of([(0, 1), (1, 2), (2, 3)]), part, "edge")
    part[0] = 1
    assert split.part[0] == 0
    with pytest.raises(ValueError, match="read-only"):
        split.part[0] = 1


@FEW
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2**60), st.floats(-5, 5)), max_size=20))
def test_row_keys_are_equal_exactly_for_equal_rows(rows):
    rows = rows + rows[:3]
    key = row_key(*(np.array(column) for column in zip(*rows))) if rows else np.zeros(0)
    assert all((key[i] == key[j]) == (rows[i] == rows[j]) for i, j in combinations(range(len(rows)), 2))


# --- published data ------------------------------------------------------------------------------


def read_triples(root, name: str) -> tuple[Graph, np.ndarray]:
    tables = [
        np.loadtxt(root / "kg" / name / f"{p}.txt", str, delimiter="\t", comments=None)
        for p in ("train", "valid", "test")
    ]
    rows = np.concatenate(tables)
    entities, at = np.unique(rows[:, [0, 2]], return_inverse=True)
    relations, relation = np.unique(rows[:, 1], return_inverse=True)
    graph = Graph(
        at.reshape(-1, 2).T,
        NodeIds.of(entities.tolist()),
        directed=True,
        relation=relation,
        relation_ids=NodeIds.of(relations.tolist()),
    )
    return graph, np.repeat([0, 1, 2], [len(t) for t in tables])


def test_wn18rr_as_published_has_its_known_overlaps(data):
    graph, part = read_triples(data, "WN18RR")
    split = given_split(graph, part, "edge")
    symmetric = {f.what: f.count for f in split.audit()}[leaks.SYMMETRIC_RELATIONS]
    assert symmetric > 0.3 * (part > 0).sum()  # derivationally_related_form stands in both directions
    test = graph.edges[:, part == TEST]
    seen = np.unique(graph.edges[:, part == TRAIN])
    assert split.summary()["test edges with an unseen node"] == (~np.isin(test, seen)).any(0).sum() == 210
    assert split_triples(graph).audit() == ()
