"""Weights of examples: every rule against numbers by hand, and that they reach the loss."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from graphtune.check import ArgumentError
from graphtune.config import TrainConfig
from graphtune.disk import load_graph, save_graph
from graphtune.graph import Graph
from graphtune.ids import NodeIds
from graphtune.models import BPRMF, GCN, LINE, ComplEx
from graphtune.objectives import EdgeProximity
from graphtune.sampling import EdgeSampler, Negatives, class_weights, edge_weights
from graphtune.split import split_edges, split_nodes, split_triples
from graphtune.tasks import LinkPrediction, NodeClassification, Recommendation, TripleCompletion, finetune
from graphtune.testing import checkerboard, equal, inverse_relations, two_cliques
from graphtune.train.fit import Run
from graphtune.train.steps import AutogradStep, FusedStep, make_step

QUIET = Run(quiet=True)
SHORT = TrainConfig(epochs=3, batch_size=16, lr=0.05, patience=0, deterministic=True)


def small(directed, **columns):
    """0 -> 1, 2 -> 1, 2 -> 3."""
    return Graph(np.array([[0, 2, 2], [1, 1, 3]]), NodeIds.range(4), directed=directed, **columns)


# ---- the rules ----------------------------------------------------------------------------------------------


def test_rare_targets_weigh_more():
    found = edge_weights(small(directed=True), "degree", power=1.0)
    np.testing.assert_allclose(found, np.array([1 / 2, 1 / 2, 1]) / (2 / 3))


def test_rare_ends_weigh_more_where_edges_go_both_ways():
    found = edge_weights(small(directed=False), "degree", power=0.5)
    expected = np.array([1 * 2, 2 * 2, 2 * 1]) ** -0.25
    np.testing.assert_allclose(found, expected / expected.mean())
    assert (edge_weights(small(directed=False), "degree", power=0.0) == 1).all()


def test_a_column_keeps_its_proportions():
    found = edge_weights(small(True, weight=np.array([1.0, 2.0, 9.0])), "column")
    np.testing.assert_allclose(found, np.array([1, 2, 9]) / 4)


@pytest.mark.parametrize("dtype", [np.int64, np.float64])
def test_old_edges_weigh_half_as_much_every_half_life(dtype):
    time = np.array([1_000_000_000, 1_000_000_040, 1_000_000_080], dtype=dtype)
    found = edge_weights(small(True, time=time), "recency", half_life=0.5)
    np.testing.assert_allclose(found, np.array([0.25, 0.5, 1]) / (1.75 / 3))


def test_edges_of_one_time_weigh_the_same():
    assert (edge_weights(small(True, time=np.full(3, 7)), "recency") == 1).all()


def test_queries_of_many_answers_weigh_less():
    """As the program of RotatE counts: every count begins at 4 with the first triple."""
    edges, relation = np.array([[0, 0, 0, 1], [1, 2, 1, 2]]), np.array([0, 0, 1, 0])
    graph = Graph(edges, NodeIds.range(3), directed=True, relation=relation, relation_ids=NodeIds.of(["a", "b"]))
    count = {}
    for h, t, r in zip(*edges.tolist(), relation.tolist()):
        for key in ((h, r), (t, -r - 1)):
            count[key] = count[key] + 1 if key in count else 4
    expected = [(count[h, r] + count[t, -r - 1]) ** -0.5 for h, t, r in zip(*edges.tolist(), relation.tolist())]
    np.testing.assert_allclose(edge_weights(graph, "subsampling"), np.array(expected) / np.mean(expected))
    assert (edge_weights(graph, "subsampling", power=0.0) == 1).all()


@pytest.mark.parametrize("by", ["column", "recency", "subsampling"])
def test_what_the_graph_lacks_is_refused(by):
    with pytest.raises(ArgumentError, match="one that the graph has"):
        edge_weights(small(True), by)


def test_balanced_classes_weigh_the_same_in_all():
    label = np.array([0, 0, 0, 2, 2, 5])  # classes 1, 3 and 4 have no node
    found = class_weights(label, "balanced")
    np.testing.assert_allclose(found, np.array([1 / 3, 1 / 3, 1 / 3, 1 / 2, 1 / 2, 1]) / 0.5)
    assert np.allclose([found[label == c].sum() for c in (0, 2, 5)], 2)


def test_effective_numbers():
    label = np.array([0, 0, 0, 1])
    number = (1 - 0.9**3) / (1 - 0.9)  # 2.71 nodes of class 0 are worth something
    np.testing.assert_allclose(number, 1 + 0.9 + 0.81)
    expected = np.array([1 / number, 1 / number, 1 / number, 1])
    np.testing.assert_allclose(class_weights(label, "effective", 0.9), expected / expected.mean())
    assert (class_weights(label, "effective", 0.0) == 1).all()
    nearly = class_weights(label, "effective", 1 - 1e-9)
    np.testing.assert_allclose(nearly, class_weights(label, "balanced"), rtol=1e-6)


def test_nodes_of_several_classes_weigh_the_mean_of_theirs():
    label = np.array([[1, 0], [1, 1], [1, 0], [0, 0]], dtype=bool)
    found = class_weights(label, "balanced")
    expected = np.array([1 / 3, (1 / 3 + 1) / 2, 1 / 3, (1 / 3 + 2 / 3 + 1 / 3) / 3])
    np.testing.assert_allclose(found, expected / expected.mean())
    assert class_weights(label, "none") is None


# ---- the samplers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("graph", [small(True), small(False), inverse_relations()], ids=["directed", "both", "triples"])
def test_weights_stay_with_their_edges(graph):
    weight = np.arange(graph.num_edges) + 1.0
    r = np.zeros(graph.num_edges, int) if graph.relation is None else graph.relation
    of = dict(zip(zip(*graph.edges.tolist(), r.tolist()), weight))
    batches = list(EdgeSampler(graph, 5, Negatives(2), reciprocal=True, weight=weight).batches(1))
    for batch in batches:
        assert batch.weight.dtype == torch.float32
        relation = torch.zeros_like(batch.source) if batch.relation is None else batch.relation
        for u, v, k, w in zip(*(x.tolist() for x in (batch.source, batch.target, relation, batch.weight))):
            back = k >= max(graph.num_relations, 1) or (u, v, k) not in of
            assert w == of[(v, u, k % max(graph.num_relations, 1)) if back else (u, v, k)]
    plain = EdgeSampler(graph, 5, Negatives(2), reciprocal=True).batches(1)
    assert all(torch.equal(a.source, b.source) and torch.equal(a.negative, b.negative) for a, b in zip(batches, plain))


def test_weights_of_another_graph_are_refused():
    with pytest.raises(ArgumentError, match="one number per edge, 3 in all"):
        EdgeSampler(small(True), 5, weight=np.ones(4))


def test_edges_on_disk_have_no_weights(tmp_path):
    save_graph(small(True), tmp_path / "graph")
    with pytest.raises(ArgumentError, match="None for a graph on disk"):
        EdgeSampler(load_graph(tmp_path / "graph"), 5, weight=np.ones(3))


# ---- the tasks ----------------------------------------------------------------------------------------------


def with_columns(graph):
    rng = np.random.default_rng(0)
    return graph.replace(weight=rng.random(graph.num_edges) + 0.1, time=rng.integers(0, 99, graph.num_edges))


CASES = {
    "links": (LinkPrediction, split_edges(with_columns(two_cliques()), (3, 1, 1)), BPRMF(dim=4)),
    "items": (Recommendation, split_edges(with_columns(checkerboard()), (8, 1, 1)), BPRMF(dim=4)),
    "triples": (TripleCompletion, split_triples(with_columns(inverse_relations()), (8, 1, 1)), ComplEx(dim=4)),
}


@pytest.mark.parametrize("by", ["column", "degree", "recency"])
@pytest.mark.parametrize("case", CASES)
def test_tasks_weigh_their_examples(case, by):
    task_class, split, recipe = CASES[case]
    task = task_class(split, sample_weight=by, weight_power=0.8, half_life=0.2)
    sampler = task.training(recipe.build(split.train), SHORT).sampler
    np.testing.assert_allclose(sampler.weight, edge_weights(split.train, by, 0.8, 0.2))
    start = recipe.build(split.train)
    plain, weighed = (finetune(start, t, SHORT, QUIET).model for t in (task_class(split), task))
    assert not equal(plain, weighed)


def test_nodes_are_weighed_by_their_class_in_the_train_part():
    label = np.repeat([0, 0, 1], 4)
    graph = two_cliques().replace(labels=label, label_names=("a", "b"))
    task = NodeClassification(split_nodes(graph, (4, 1, 1)), class_weight="balanced", dropout=0.0)
    batch = next(iter(task.training(GCN(dim=4).build(graph), SHORT).sampler.batches(0)))
    shares = [batch.weight[batch.label == c].sum().item() for c in (0, 1)]
    assert shares[0] == pytest.approx(shares[1]), "each class has half of the loss"
    start = GCN(dim=4, hidden=6, dropout=0.0).build(graph)
    plain, weighed = (finetune(start, t, SHORT, QUIET).model for t in (replace(task, class_weight="none"), task))
    assert not equal(plain, weighed)


def test_weighed_edges_take_no_kernel():
    split = CASES["links"][1]
    config = replace(SHORT, optimizer="sgd")
    model = LINE(dim=4, order="first").build(split.train)
    for task, step in (
        (LinkPrediction(split, loss="logistic"), FusedStep),
        (LinkPrediction(split, loss="logistic", sample_weight="degree"), AutogradStep),
        (LinkPrediction(split, loss="logistic", unknown=True), AutogradStep),
        (LinkPrediction(split, loss="logistic", hard=2), AutogradStep),
        (LinkPrediction(split, loss="logistic", focal=1.0), AutogradStep),
    ):
        assert isinstance(make_step(model, task.training(model, config).objective, config), step)
    assert not EdgeProximity(in_kernels=False).can_update(model)


@pytest.mark.parametrize("by, missing", [("column", "weights"), ("recency", "times"), ("subsampling", "relations")])
def test_tasks_refuse_columns_that_are_not_there(by, missing):
    with pytest.raises(ArgumentError, match=f"of edges with {missing}"):
        LinkPrediction(split_edges(two_cliques(), (3, 1, 1)), sample_weight=by)
    with pytest.raises(ArgumentError, match="`sample_weight` of LinkPrediction must be one of"):
        LinkPrediction(split_edges(two_cliques(), (3, 1, 1)), sample_weight="age")


@pytest.mark.parametrize("field, value", [("class_weight", "fair"), ("class_beta", 1.0), ("focal", -1.0)])
def test_tasks_on_nodes_check_their_options(field, value):
    graph = two_cliques().replace(labels=np.repeat([0, 1], 6), label_names=("a", "b"))
    with pytest.raises(ArgumentError, match=f"`{field}` of NodeClassification"):
        NodeClassification(split_nodes(graph, (4, 1, 1)), **{field: value})
