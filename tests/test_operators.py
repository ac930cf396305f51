"""node2vec's edge operators by hand, and what its protocol may and may not look at."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from graphs import planted
from graphtune.check import ArgumentError, LeakError
from graphtune.evaluate import choose_operator, evaluate_probe
from graphtune.evaluate.operators import OF_THE_PAPER, OPERATORS, non_edges
from graphtune.graph import Graph
from graphtune.models.bprmf import BPRMF
from graphtune.models.lookup import Dot
from graphtune.models.scorer import Frozen
from graphtune.split import TEST, TRAIN, VALID, given_split, split_edges, split_nodes

Z = torch.tensor([[1.0, -2.0], [3.0, 4.0]])
KEY = torch.tensor([[5.0, 6.0], [7.0, -8.0]])
ZERO, ONE = np.array([0]), np.array([1])


def blocks(inside=0.5, outside=0.02):
    return planted(groups=3, size=20, inside=inside, outside=outside)


def model_of(split, z):
    model = BPRMF(dim=z.shape[1]).build(split.train)
    with torch.no_grad():
        model.encoder.weight.copy_(torch.as_tensor(z))
    return model


def by_group(graph, noise=0.1, seed=0):
    z = np.eye(3, dtype=np.float32)[graph.labels]
    return z + noise * np.random.default_rng(seed).standard_normal(z.shape).astype(np.float32)


@pytest.mark.parametrize(
    "operator, expected",
    [
        ("hadamard", [3, -8]),
        ("average", [2, 1]),
        ("weighted-l1", [2, 6]),
        ("weighted-l2", [4, 36]),
        ("sides", [(7 + 15) / 2, (16 + 24) / 2]),
        ("score", [-5]),
        ("together", [11, 20, 3, -8, 2, 6, -5, -5 / (5**0.5 * 5)]),
    ],
)
def test_operators_by_hand(operator, expected):
    frozen = Frozen(Z, KEY if operator == "sides" else Z, Dot(), directed=False)
    if operator == "together":
        expected = [3, -8, *expected[2:]]  # keys are embeddings here, so both sides are the Hadamard product
    np.testing.assert_allclose(OPERATORS[operator](frozen, ZERO, ONE), [expected], rtol=1e-6)
    if operator != "together":
        np.testing.assert_allclose(OPERATORS[operator](frozen, ONE, ZERO), [expected], rtol=1e-6)


def test_sides_of_a_directed_graph_differ_by_direction():
    frozen = Frozen(Z, KEY, Dot(), directed=True)
    np.testing.assert_array_equal(OPERATORS["sides"](frozen, ZERO, ONE), [[7, 16]])
    np.testing.assert_array_equal(OPERATORS["sides"](frozen, ONE, ZERO), [[15, 24]])


def test_non_edges_are_none():
    graph = blocks(inside=0.8)
    u, v = non_edges(graph, 500, seed=3)
    edges = {frozenset(e) for e in graph.edges.T.tolist()}
    assert (u != v).all() and not any(frozenset(e) in edges for e in zip(u.tolist(), v.tolist()))
    assert len(set(u)) > 50


def test_the_regression_is_that_of_scikit_learn_on_the_same_pairs():
    split = split_edges(blocks(), (4, 2, 4), seed=1)
    model = model_of(split, by_group(split.graph, noise=0.8))
    probe = choose_operator({"m": model}, split, ("weighted-l1",), pairs=10_000, seed=5)
    z = model.encode()
    edges = split.train.edges
    pairs = np.hstack([edges, non_edges(split.train, edges.shape[1], 5)])
    scaler = StandardScaler().fit(np.abs(z[pairs[0]] - z[pairs[1]]))
    is_edge = np.arange(pairs.shape[1]) < edges.shape[1]
    mine = LogisticRegression(C=probe.strength, max_iter=1000).fit(
        scaler.transform(np.abs(z[pairs[0]] - z[pairs[1]])), is_edge
    )
    true, false = split.test.edges, non_edges(split.graph, split.test.num_edges, 5 + TEST)
    asked = np.hstack([true, false])
    theirs = mine.decision_function(scaler.transform(np.abs(z[asked[0]] - z[asked[1]])))
    np.testing.assert_allclose(probe.scores(*asked), theirs, atol=0.05)
    found = evaluate_probe(probe, split, seed=5)
    auc = roc_auc_score(np.repeat([1, 0], true.shape[1]), probe.scores(*asked))
    assert found["auc"] == pytest.approx(auc)
    assert found.metrics["auc"].low < auc < found.metrics["auc"].high and found.part == "test"


def test_the_best_model_and_operator_are_chosen_on_validation():
    split = split_edges(blocks(), (4, 2, 4), seed=1)
    rng = np.random.default_rng(0)
    models = {
        "noise": model_of(split, rng.standard_normal((60, 3)).astype(np.float32)),
        "groups": model_of(split, by_group(split.graph)),
    }
    probe = choose_operator(models, split, OF_THE_PAPER)
    assert probe.model == "groups" and probe.operator != "average"
    assert probe.valid["groups", probe.operator] == max(probe.valid.values())
    assert set(probe.valid) == {(m, o) for m in models for o in OF_THE_PAPER}
    assert evaluate_probe(probe, split, VALID)["auc"] == pytest.approx(probe.valid[probe.model, probe.operator])
    assert evaluate_probe(probe, split)["auc"] > 0.85


def test_the_choice_never_looks_at_test_edges():
    graph = blocks()
    part = split_edges(graph, (4, 2, 4), seed=1).part
    rng = np.random.default_rng(0)
    free = non_edges(graph, int((part == TEST).sum()), 9)
    edges = graph.edges.copy()
    edges[:, part == TEST] = free
    probes = []
    for g in (graph, Graph(edges, graph.ids, labels=graph.labels)):
        split = given_split(g, part, "edge", "edges")
        models = {"m": model_of(split, by_group(g, 0.5)), "n": model_of(split, by_group(g, 0.5, seed=1))}
        probes.append(choose_operator(models, split, seed=2))
    pairs = rng.integers(0, 60, (2, 100))
    assert probes[0].valid == probes[1].valid and probes[0].operator == probes[1].operator
    np.testing.assert_array_equal(probes[0].scores(*pairs), probes[1].scores(*pairs))


def test_a_model_that_saw_hidden_edges_is_refused():
    split = split_edges(blocks(), (4, 2, 4))
    with pytest.raises(LeakError, match="'m' must"):
        choose_operator({"m": BPRMF(dim=3).build(split.graph)}, split)


def test_half_of_the_edges_can_be_hidden_with_the_rest_connected():
    from scipy.sparse.csgraph import connected_components

    from graphtune.convert import to_scipy

    split = split_edges(blocks(outside=0.05), (4.5, 0.5, 5), seed=0, keep_connected=True)
    assert connected_components(to_scipy(split.train), directed=False)[0] == 1
    assert split.test.num_edges / split.graph.num_edges == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"operators": ("cross",)}, "weighted-l1"),
        ({"models": {}}, "at least one"),
        ({"pairs": 0}, "pairs"),
        ({"split": split_nodes(blocks())}, "of edges"),
        ({"split": given_split(blocks(), np.where(np.arange(blocks().num_edges) % 2, TRAIN, TEST), "edge")}, "valid"),
    ],
)
def test_bad_arguments(change, message):
    split = split_edges(blocks(), (4, 2, 4))
    arguments = {"models": {"m": model_of(split, by_group(split.graph))}, "split": split} | change
    with pytest.raises(ArgumentError, match=message):
        choose_operator(**arguments)
