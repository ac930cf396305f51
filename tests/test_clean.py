"""Cleaning: every finding against a hand-made graph, a naive line or NetworkX."""

from itertools import pairwise

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from graphtune.check import ArgumentError, DataError
from graphtune.cleaning import (
    LOOK_ONLY,
    Cleaning,
    _edge_key,
    _far_above,
    clean,
    components,
    core_members,
    keep_nodes,
)
from graphtune.findings import Report
from graphtune.graph import Graph
from graphtune.ids import NodeIds

edge_lists = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=40)


def graph_of(pairs, num_nodes=10, **fields) -> Graph:
    edges = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return Graph(edges, NodeIds.range(num_nodes), **fields)


def counts(report: Report) -> dict[tuple[str, str], int]:
    return {(finding.what, finding.action): finding.count for finding in report.findings}


def test_a_clean_graph_stays_and_has_no_findings():
    graph = graph_of([(0, 1), (1, 2)], 3)
    cleaned, report = clean(graph, strict=True, source="mine")
    assert cleaned.edges.tolist() == graph.edges.tolist()
    assert report == Report("mine", (), {"nodes": 3, "edges": 2, "components": 1})


def test_duplicates_and_reversed_edges_are_told_apart_and_shown_in_the_users_ids():
    ids = NodeIds.of(["ann", "bob", "cem"])
    edges = np.array([[0, 1, 0, 1], [1, 0, 1, 2]])
    cleaned, report = clean(Graph(edges, ids))
    assert cleaned.edges.tolist() == [[0, 1], [1, 2]]
    assert [str(finding) for finding in report.findings] == [
        "1 edges given in both directions: merged (first: bob - ann)",
        "1 repeated edges: merged (first: ann - bob)",
    ]


def test_directed_edges_keep_both_directions():
    cleaned, report = clean(graph_of([(0, 1), (1, 0), (0, 1)], 2, directed=True))
    assert cleaned.edges.tolist() == [[0, 1], [1, 0]]
    assert counts(report) == {("repeated edges", "merged"): 1}


@pytest.mark.parametrize(
    ("rule", "expected"),
    [("first", [2.0, 5.0]), ("sum", [6.0, 5.0]), ("max", [3.0, 5.0]), ("keep", [2, 5, 1, 3])],
)
def test_weights_of_merged_edges(rule, expected):
    graph = graph_of([(0, 1), (1, 2), (1, 0), (0, 1)], 3, weight=[2, 5, 1, 3])
    cleaned, _ = clean(graph, Cleaning(duplicates=rule))
    assert cleaned.weight.tolist() == expected


def test_sum_counts_edges_without_weight_and_max_leaves_them_without():
    graph = graph_of([(0, 1), (1, 0), (1, 2)], 3)
    assert clean(graph, Cleaning(duplicates="sum"))[0].weight.tolist() == [2, 1]
    assert clean(graph, Cleaning(duplicates="max"))[0].weight is None


def test_of_timed_duplicates_the_earliest_stays_in_its_place():
    graph = graph_of([(0, 1), (1, 2), (0, 1)], 3, directed=True, time=np.array([9, 5, 4]))
    cleaned, _ = clean(graph)
    assert cleaned.edges.tolist() == [[1, 0], [2, 1]]
    assert cleaned.time.tolist() == [5, 4]


def test_edges_with_another_relation_are_other_edges():
    relation = {"relation": [0, 1, 0], "relation_ids": NodeIds.of(["likes", "knows"])}
    cleaned, report = clean(graph_of([(0, 1), (0, 1), (0, 1)], 2, directed=True, **relation))
    assert cleaned.relation.tolist() == [0, 1]
    assert report.findings[0].examples == ("0 -[likes]-> 1",)


def test_self_loops_go_except_from_relational_graphs():
    pairs = [(0, 0), (0, 1)]
    relation = {"relation": [0, 0], "relation_ids": NodeIds.of(["r"])}
    assert clean(graph_of(pairs, 2))[0].num_edges == 1
    assert clean(graph_of(pairs, 2, directed=True))[0].num_edges == 1
    kept, report = clean(graph_of(pairs, 2, directed=True, **relation), strict=True)
    assert kept.num_edges == 2
    assert counts(report)[("self-loops", "kept")] == 1
    assert clean(graph_of(pairs, 2), Cleaning(drop_self_loops=False))[0].num_edges == 2


def test_weights_and_times_that_cannot_be_used_are_dropped_each_kind_counted():
    graph = graph_of(
        [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)],
        6,
        weight=[np.nan, -1, 0, 2, 3],
        time=np.array([1, 1, 1, np.inf, 1]),
    )
    cleaned, report = clean(graph)
    assert cleaned.edges.tolist() == [[4], [5]]
    assert counts(report) == {
        ("edges with a weight that is not finite", "dropped"): 1,
        ("edges with a weight below zero", "dropped"): 1,
        ("edges of weight zero", "dropped"): 1,
        ("edges with a time that is not finite", "dropped"): 1,
        ("isolated nodes", "kept"): 4,
        ("connected components", "noted"): 5,
    }
    assert report.findings[1].examples == ("1 - 2: -1",)


def test_strict_refuses_what_would_change_and_names_it():
    with pytest.raises(DataError, match=r"`strict` reading of e\.csv must find clean data\. Got 1 self-loops"):
        clean(graph_of([(0, 0), (0, 1)], 2), strict=True, source="e.csv")


def test_isolated_nodes_are_kept_and_counted_or_dropped():
    graph = graph_of([(1, 2)], 4)
    kept, report = clean(graph)
    assert kept.num_nodes == 4
    assert counts(report)[("isolated nodes", "kept")] == 2
    dropped, report = clean(graph, Cleaning(drop_isolated=True))
    assert dropped.ids.values([0, 1]) == [1, 2]
    assert report.summary == {"nodes": 2, "edges": 1, "components": 1}


def test_the_largest_component_is_kept_on_request():
    graph = graph_of([(0, 1), (2, 3), (3, 4)], 5)
    _, report = clean(graph)
    assert report.findings[0].examples == ("the largest holds 3 of 5 nodes",)
    largest, report = clean(graph, Cleaning(largest_component=True))
    assert largest.ids.values(range(3)) == [2, 3, 4]
    assert largest.edges.tolist() == [[0, 1], [1, 2]]
    assert report.summary == {"nodes": 3, "edges": 2, "components": 1}


def test_the_core_of_events_holds_for_users_and_items():
    ids = NodeIds.of([1, 2, 3], ["a", "b", "c"], kinds=("user", "item"))
    events = np.array([[0, 0, 1, 1, 2], [3, 4, 3, 4, 5]])  # users 1, 2 x items a, b; user 3 has item c alone
    cleaned, report = clean(Graph(events, ids, directed=True), Cleaning(k_core=2))
    assert cleaned.ids == NodeIds.of([1, 2], ["a", "b"], kinds=("user", "item"))
    assert cleaned.edges.tolist() == [[0, 0, 1, 1], [2, 3, 2, 3]]
    assert report.summary == {"nodes": 4, "users": 2, "items": 2, "edges": 4, "components": 1}
    assert counts(report) == {("nodes outside the 2-core", "dropped"): 2}


def test_nodes_are_dropped_with_all_that_is_theirs():
    graph = graph_of(
        [(0, 1), (1, 2), (2, 3)],
        4,
        directed=True,
        relation=[0, 1, 0],
        relation_ids=NodeIds.of(["r", "s"]),
        weight=[1, 2, 3],
        time=np.array([7, 8, 9]),
        features=np.eye(4),
        labels=[0, 1, 0, 1],
        label_names=("x", "y"),
        targets=[0.0, 1, 2, 3],
        texts=("a", "b", "c", "d"),
    )
    part = keep_nodes(graph, np.array([False, True, True, True]))
    assert part.ids.values(range(3)) == [1, 2, 3]
    assert part.edges.tolist() == [[0, 1], [1, 2]]
    assert (part.relation.tolist(), part.weight.tolist(), part.time.tolist()) == ([1, 0], [2, 3], [8, 9])
    assert part.features.tolist() == np.eye(4)[1:].tolist()
    assert (part.labels.tolist(), part.targets.tolist(), part.texts) == (
        [1, 0, 1],
        [1, 2, 3],
        ("b", "c", "d"),
    )
    sparse = keep_nodes(graph.replace(features=sp.csr_array(np.eye(4))), np.array([True, False, False, True]))
    assert sparse.features.toarray().tolist() == np.eye(4)[[0, 3]].tolist()


def test_keep_nodes_wants_a_mask():
    with pytest.raises(ArgumentError, match="a mask of 2 booleans"):
        keep_nodes(graph_of([(0, 1)], 2), np.array([0, 1]))


def test_degree_outliers_follow_the_modified_z_score():
    star = [(0, i) for i in range(1, 40)]
    ring = [(i, i + 1) for i in range(1, 39)]
    graph = graph_of(star + ring, 40)
    _, report = clean(graph)
    distance = np.log(np.bincount(graph.edges.ravel()) / 3)  # the median is 3
    assert np.median(np.abs(distance)) == 0  # so the mean absolute deviation is taken
    score = distance / (1.253314 * np.abs(distance).mean())
    assert np.flatnonzero(score > 3.5).tolist() == [0]
    assert report.findings[0].what == "nodes of unusually high degree"
    assert report.findings[0].examples == ("0 (degree 39)",)


def test_an_outlier_is_beyond_the_score_and_ten_times_the_median():
    limit = 4 * 2 ** (3.5 / 0.6745)  # the median is 4, the median deviation of the logarithms is log 2
    assert 145 < limit < 146
    assert np.flatnonzero(_far_above(np.array([2, 4, 8] * 5 + [145, 146, 0]))).tolist() == [16]
    assert np.flatnonzero(_far_above(np.array([4, 5, 6] * 5 + [50, 51, 0]))).tolist() == [16]


@pytest.mark.parametrize("pairs", [[(i, (i + 1) % 10) for i in range(10)], [(0, i) for i in range(1, 10)]])
def test_small_differences_of_degree_are_no_outliers(pairs):
    assert clean(graph_of(pairs))[1].findings == ()


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2), st.integers(0, 4)), min_size=1, max_size=40))
@settings(max_examples=50, deadline=None)
def test_related_relations_are_those_of_the_naive_sets(triples):
    head, relation, tail = np.array(triples).T
    names = NodeIds.of(["r0", "r1", "r2"])
    graph = Graph(np.stack([head, tail]), NodeIds.range(5), directed=True, relation=relation, relation_ids=names)
    pairs = [{(h, t) for h, r, t in triples if r == k} for k in range(3)]
    turned = [{(t, h) for h, t in own} for own in pairs]

    def overlap(one, other):
        return len(one & other) / len(one | other) if one | other else 0

    two = [(i, j) for i in range(3) for j in range(i + 1, 3)]
    expected = {
        "pairs of near-duplicate relations": sum(overlap(pairs[i], pairs[j]) >= 0.8 for i, j in two),
        "pairs of inverse relations": sum(overlap(pairs[i], turned[j]) >= 0.8 for i, j in two),
        "symmetric relations": sum(overlap(own, back) >= 0.8 for own, back in zip(pairs, turned)),
    }
    found = {finding.what: finding.count for finding in clean(graph)[1].findings if "relations" in finding.what}
    assert found == {what: count for what, count in expected.items() if count}


def test_related_relations_are_named_with_their_overlap():
    edges = np.array([[0, 1, 0, 1, 2, 3], [2, 3, 2, 3, 0, 1]])
    names = NodeIds.of(["works at", "employed by", "employs"])
    graph = Graph(edges, NodeIds.range(4), directed=True, relation=[0, 0, 1, 1, 2, 2], relation_ids=names)
    examples = {finding.what: finding.examples for finding in clean(graph)[1].findings}
    assert examples["pairs of near-duplicate relations"] == ("works at and employed by (overlap 1.00)",)
    assert examples["pairs of inverse relations"] == (
        "works at and employs (overlap 1.00)",
        "employed by and employs (overlap 1.00)",
    )


@given(edge_lists, st.booleans())
@settings(max_examples=50, deadline=None)
def test_merging_is_that_of_a_naive_loop(pairs, directed):
    cleaned, _ = clean(graph_of(pairs, directed=directed))
    seen, expected = set(), []
    for u, v in pairs:
        key = (u, v) if directed else frozenset((u, v))
        if u != v and key not in seen:
            seen.add(key)
            expected.append([u, v])
    assert cleaned.edges.T.tolist() == expected


@given(edge_lists, st.integers(0, 4))
@settings(max_examples=50, deadline=None)
def test_cores_are_those_of_networkx(pairs, k):
    graph, _ = clean(graph_of(pairs))
    network = nx.Graph(graph.edges.T.tolist())
    network.add_nodes_from(range(10))
    assert set(np.flatnonzero(core_members(graph, k))) == set(nx.k_core(network, k))


@given(edge_lists, st.integers(1, 12))
@settings(max_examples=50, deadline=None)
def test_components_are_those_of_networkx(pairs, num_nodes):
    pairs = [(u % num_nodes, v % num_nodes) for u, v in pairs] * 3  # more edges than the first search takes
    part = components(np.array(pairs, dtype=np.int64).reshape(-1, 2).T, num_nodes)
    network = nx.Graph(pairs)
    network.add_nodes_from(range(num_nodes))
    found = {frozenset(np.flatnonzero(part == number)) for number in range(part.max() + 1)}
    assert found == set(map(frozenset, nx.connected_components(network)))


@given(edge_lists)
@settings(max_examples=50, deadline=None)
def test_cleaning_twice_changes_nothing_more(pairs):
    rules = Cleaning(k_core=2, largest_component=True, drop_isolated=True)
    once, _ = clean(graph_of(pairs), rules)
    twice, report = clean(once, rules, strict=True)
    assert twice.fingerprint == once.fingerprint
    assert not any(finding.changed_data for finding in report.findings)


@given(edge_lists)
@settings(max_examples=25, deadline=None)
def test_looking_changes_nothing(pairs):
    graph = graph_of(pairs)
    seen, _ = clean(graph, LOOK_ONLY, strict=True)
    assert seen.edges.tolist() == graph.edges.tolist()


def test_a_long_path_has_no_2_core():
    path = graph_of(list(pairwise(range(2000))), 2000)
    assert not core_members(path, 2).any()


def test_more_relations_than_a_number_holds_are_still_told_apart():
    """The product of nodes, nodes and relations does not fit in 64 bits here; ranks of pairs are taken instead."""

    class Big(Graph):
        num_nodes = 2**31

    ids = NodeIds.of(["r", "s", "t"])
    big = Big(np.array([[0, 0, 5], [1, 1, 2**31 - 1]]), NodeIds.range(1), relation=[0, 0, 1], relation_ids=ids)
    key = _edge_key(big)
    assert key[0] == key[1] != key[2]


@pytest.mark.parametrize("size", [0, 3])
def test_graphs_without_edges_are_cleaned(size):
    cleaned, report = clean(graph_of([], size), Cleaning(k_core=1, largest_component=True, drop_isolated=True))
    assert (cleaned.num_nodes, cleaned.num_edges) == (0, 0)
    assert report.summary == {"nodes": 0, "edges": 0, "components": 0}


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"duplicates": "last"}, "duplicates"),
        ({"k_core": -1}, "k_core"),
        ({"largest_component": 2}, "largest"),
    ],
)
def test_rules_are_checked(options, text):
    with pytest.raises(ArgumentError, match=text):
        Cleaning(**options)
