"""Graphs that grow by nodes and edges."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import graphtune as gt
from graphtune.adapt.enlarge import enlarge


def facts(rows, nodes=None, relations=None):
    """Triples of names."""
    nodes = nodes or sorted({row[0] for row in rows} | {row[2] for row in rows}, key=str)
    relations = relations or sorted({row[1] for row in rows})
    ids, names = gt.NodeIds.of(nodes), gt.NodeIds.of(relations)
    edges = np.array([ids.index([row[i] for row in rows]) for i in (0, 2)]).reshape(2, -1)
    return gt.Graph(edges, ids, directed=True, relation=names.index([row[1] for row in rows]), relation_ids=names)


def told(graph):
    ends = [graph.ids.values(side) for side in graph.edges]
    return list(zip(ends[0], graph.relation_ids.values(graph.relation), ends[1]))


OLD = [("b", "likes", "a"), ("c", "knows", "a"), ("c", "likes", "b")]


def test_new_rows_stand_behind_the_old_ones():
    graph = facts(OLD, nodes=["c", "a", "b"], relations=["likes", "knows"])
    found = enlarge(
        graph, facts([("x", "knows", "a"), ("a", "likes", "c"), ("x", "likes", "d")], relations=["knows", "likes"])
    )
    assert found.graph.ids.values(range(5)) == ["c", "a", "b", "d", "x"]
    assert told(found.graph) == [*OLD, ("x", "knows", "a"), ("a", "likes", "c"), ("x", "likes", "d")]
    assert found.graph.relation_ids == graph.relation_ids
    assert found.rows.tolist() == [0, 1, 2]
    assert found.new.tolist() == [False] * 3 + [True] * 2
    assert found.added.tolist() == [False] * 3 + [True] * 3
    assert found.known == 0


def test_known_facts_and_repeats_are_left_out():
    more = facts([("c", "knows", "a"), ("x", "likes", "a"), ("x", "likes", "a"), ("a", "likes", "x")])
    found = enlarge(facts(OLD), more)
    assert told(found.graph) == [*OLD, ("x", "likes", "a"), ("a", "likes", "x")]
    assert found.known == 2
    twice = facts([*OLD, OLD[0]])
    assert enlarge(twice, more).graph.num_edges == 6, "what was there stays as it is"


def test_undirected_edges_are_known_either_way_round():
    graph = gt.Graph(np.array([[0, 1], [1, 2]]), gt.NodeIds.range(3))
    more = gt.Graph(np.array([[1, 0, 2, 3], [0, 2, 3, 2]]), gt.NodeIds.range(4))
    found = enlarge(graph, more)
    assert found.graph.edges.tolist() == [[0, 1, 0, 2], [1, 2, 2, 3]] and found.known == 2


@pytest.mark.parametrize("repeats", [False, True])
def test_events_at_other_times_are_other_events_where_the_log_has_such(repeats):
    ids = gt.NodeIds.of(["u"], ["i"], kinds=("user", "item"))
    graph = gt.Graph(np.array([[0], [1]]), ids, directed=True, time=np.array([5]))
    if repeats:
        graph = gt.Graph(np.array([[0, 0], [1, 1]]), ids, directed=True, time=np.array([4, 5]))
    more = gt.NodeIds.of(["v", "u"], ["j", "i"], kinds=("user", "item"))
    later = gt.Graph(np.array([[0, 1, 1, 1], [3, 3, 2, 3]]), more, directed=True, time=np.array([5, 5, 6, 7]))
    found = enlarge(graph, later)
    old = graph.num_edges
    assert found.graph.ids.values(range(4)) == ["u", "v", "i", "j"]
    assert found.rows.tolist() == [0, 2] and found.known == (1 if repeats else 2)
    assert found.graph.edges[:, old:].tolist() == ([[1, 0, 0], [2, 3, 2]] if repeats else [[1, 0], [2, 3]])
    assert found.graph.time[old:].tolist() == ([5, 6, 7] if repeats else [5, 6])


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.booleans())
def test_nothing_is_lost_and_nothing_invented(seed, text):
    rng = np.random.default_rng(seed)
    name = (lambda i: f"n{i}") if text else int
    draw = lambda low, high, size: [  # noqa: E731
        (name(h), f"r{r}", name(t)) for h, r, t in rng.integers([low, 0, low], [high, 3, high], (size, 3))
    ]
    old, more = draw(0, 8, 12), draw(4, 12, 10)
    old, more = [*old, (name(4), "r0", name(4))], [*more, (name(4), "r1", name(99))]
    graph = facts(old, relations=["r0", "r1", "r2"])
    found = enlarge(graph, facts(more))
    new = list(dict.fromkeys(m for m in more if m not in old))
    assert told(found.graph) == [*told(graph), *new]
    assert found.known == len(more) - len(new)
    assert found.graph.ids.values(found.rows) == graph.ids.values(range(graph.num_nodes))
    assert set(found.graph.ids.values(range(found.graph.num_nodes))) == {n for h, _, t in old + more for n in (h, t)}


def test_ids_keep_the_type_of_the_model():
    numbers = gt.Graph(np.array([[0], [1]]), gt.NodeIds.of([7, 8]))
    assert enlarge(numbers, gt.Graph(np.array([[0], [1]]), gt.NodeIds.of(["8", "9"]))).graph.ids.values(range(3)) == [
        7,
        8,
        9,
    ]
    words = gt.Graph(np.array([[0], [1]]), gt.NodeIds.of(["7", "a"]))
    assert enlarge(words, gt.Graph(np.array([[0], [1]]), gt.NodeIds.of([7, 9]))).graph.ids.values(range(3)) == [
        "7",
        "a",
        "9",
    ]
    with pytest.raises(gt.ArgumentError, match=r"of integer ids.*Got \['b'\]"):
        enlarge(numbers, gt.Graph(np.array([[0], [1]]), gt.NodeIds.of(["8", "b"])))


def test_what_is_known_of_nodes_goes_along():
    graph = gt.Graph(
        np.array([[0], [1]]), gt.NodeIds.of(["a", "b"]), features=np.eye(2, dtype=np.float32), labels=np.array([1, 0]),
        targets=np.array([1.5, 2.5]), texts=("A", "B"), label_names=("x", "y"),
    )  # fmt: skip
    new = gt.NodeIds.of(["z", "b"])
    more = gt.Graph(np.array([[0], [1]]), new, features=np.array([[5, 6], [9, 9]], dtype=np.float32))
    found = enlarge(graph, more).graph
    np.testing.assert_array_equal(found.features, [[1, 0], [0, 1], [5, 6]])
    assert found.labels.tolist() == [1, 0, -1] and found.texts == ("A", "B", "")
    np.testing.assert_array_equal(found.targets, [1.5, 2.5, np.nan])
    sparse = graph.replace(features=sp.csr_array(graph.features), labels=np.eye(2, dtype=bool))
    found = enlarge(sparse, more).graph
    np.testing.assert_array_equal(found.features.toarray(), [[1, 0], [0, 1], [5, 6]])
    assert found.labels.tolist() == [[True, False], [False, True], [False, False]]


@pytest.mark.parametrize(
    "more, message",
    [
        (facts([("x", "hates", "a")]), r"relations that the model knows, such as 'knows'. Got \['hates'\]"),
        (facts([("x", "likes", "y")]), "about nodes that the model knows, too.*look like 'a', 'b', 'c'"),
        (facts([("a", "likes", "c")]), "about a node that the model does not know. Got '2 nodes, all known'"),
        (gt.Graph(np.array([[0], [1]]), gt.NodeIds.of(["x", "a"]), directed=True), "with relations"),
        (facts([("x", "likes", "a")]).replace(directed=False), "directed, as the graph of the model"),
        (facts([("x", "likes", "a")]).replace(weight=np.ones(1)), "without weights"),
        (facts([("x", "likes", "a")]).replace(features=np.ones((2, 1))), "without features"),
        (facts([("x", "likes", "a")]).replace(ids=gt.NodeIds.of(["x"], ["a"], kinds=("user", "item"))), "kinds node"),
    ],
)  # fmt: skip
def test_refusals(more, message):
    with pytest.raises(gt.ArgumentError, match=message):
        enlarge(facts(OLD), more)


def test_unused_relations_need_not_be_known():
    more = facts([("x", "likes", "a")], relations=["hates", "likes"])
    assert told(enlarge(facts(OLD), more).graph)[-1] == ("x", "likes", "a")
