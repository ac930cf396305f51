"""Samplers: what an epoch holds, that it depends on seed and epoch alone, and the laws of its draws."""

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from graphtune.graph import Graph
from graphtune.ids import NodeIds
from graphtune.sampling import EdgeSampler, Negatives, NodeSampler, WalkSampler, noise_weights
from graphtune.testing import checkerboard, inverse_relations

LEAST_P = 1e-3  # of a chi-square test at a fixed seed; wrong chances give 1e-20 and less


def star(directed=False, weight=None):
    """0 is joined to 1, 2 and 3; 4 stands alone."""
    return Graph(np.array([[0, 0, 0], [1, 2, 3]]), NodeIds.range(5), directed=directed, weight=weight)


@st.composite
def graphs(draw):
    n = draw(st.integers(2, 12))
    pairs = draw(st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), min_size=1, max_size=40))
    relation = draw(st.booleans())
    return Graph(
        np.array(pairs).T,
        NodeIds.range(n),
        directed=relation or draw(st.booleans()),
        relation=np.arange(len(pairs)) % 3 if relation else None,
        relation_ids=NodeIds.range(3) if relation else None,
    )


def epoch_of(sampler, epoch=0):
    """All batches of an epoch as one record of arrays."""
    batches = list(sampler.batches(epoch))
    assert len(batches) == sampler.num_batches
    names = [name for name, value in vars(batches[0]).items() if value is not None]
    return {name: torch.cat([getattr(b, name) for b in batches]).numpy() for name in names}


@pytest.mark.parametrize(
    "sampler",
    [
        EdgeSampler(checkerboard(), 7, Negatives(3)),
        EdgeSampler(checkerboard(), 7, Negatives(3, noise="degree", shared=True)),
        EdgeSampler(checkerboard(), 7, Negatives(3, unknown=True)),
        EdgeSampler(inverse_relations(), 4, Negatives(3), reciprocal=True),
        EdgeSampler(star(weight=np.array([1.0, 2, 7])), 2, Negatives(2, noise="degree", pairs=True), by_weight=True),
        NodeSampler(np.arange(10) * 3, np.arange(10), 4, np.arange(10.0)),
        WalkSampler(star(), walks_per_node=3, walk_length=4, window=2, negatives=2, batch_size=3),
        WalkSampler(star(), walks_per_node=3, walk_length=4, window=2, negatives=2, batch_size=2),
    ],
    ids=lambda sampler: type(sampler).__name__,
)
@pytest.mark.parametrize("epoch", [0, 2])
def test_an_epoch_can_begin_at_any_batch(sampler, epoch):
    whole = list(sampler.batches(epoch))
    for first in range(len(whole) + 1):
        rest = list(sampler.batches(epoch, first))
        assert len(rest) == len(whole) - first
        for a, b in zip(whole[first:], rest):
            for name, value in vars(a).items():
                assert np.array_equal(value, getattr(b, name)), name


def test_batches_of_an_epoch_have_draws_of_their_own():
    drawn = [batch.negative.tolist() for batch in EdgeSampler(checkerboard(), 7, Negatives(8, shared=True)).batches(0)]
    assert len({tuple(row) for row in drawn}) == len(drawn)


# ---- edges --------------------------------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(graph=graphs(), batch_size=st.integers(1, 50), epoch=st.integers(0, 3), reciprocal=st.booleans())
def test_an_epoch_holds_every_edge_once_a_direction(graph, batch_size, epoch, reciprocal):
    found = epoch_of(EdgeSampler(graph, batch_size, reciprocal=reciprocal), epoch)
    (u, v), r = graph.edges.tolist(), graph.relation
    if r is None:
        expected = Counter(zip(u, v)) if graph.directed else Counter(zip(u, v)) + Counter(zip(v, u))
        assert Counter(zip(found["source"].tolist(), found["target"].tolist())) == expected
    else:
        expected = Counter(zip(u, r.tolist(), v))
        if reciprocal:
            expected += Counter(zip(v, (r + graph.num_relations).tolist(), u))
        columns = (found[name].tolist() for name in ("source", "relation", "target"))
        assert Counter(zip(*columns)) == expected


def test_epochs_and_seeds_differ_and_repeat():
    graph = checkerboard()
    how = Negatives(2)

    def draw(seed, epoch):
        found = epoch_of(EdgeSampler(graph, 10, how, seed=seed), epoch)
        return np.concatenate([found["source"], found["target"], found["negative"].ravel()])

    assert np.array_equal(draw(1, 2), draw(1, 2))
    assert not np.array_equal(draw(1, 2), draw(1, 3))
    assert not np.array_equal(draw(1, 2), draw(2, 2))


@pytest.mark.parametrize(
    "how, shape",
    [
        (Negatives(3), (7, 3)),
        (Negatives(3, shared=True), (3,)),
        (Negatives(3, noise="degree"), (7, 3)),
        (Negatives(3, noise="degree", shared=True), (3,)),
        (Negatives(3, unknown=True), (7, 3)),
    ],
)
def test_negatives_have_their_shape_and_are_items(how, shape):
    sampler = EdgeSampler(checkerboard(), 7, how)
    batch = next(sampler.batches(0))
    assert batch.negative.shape == shape and batch.negative.dtype == torch.int64
    assert batch.negative.min() >= 16 and batch.negative.max() < 32, "a user is no target"


def test_unknown_negatives_are_not_taken():
    graph = checkerboard()
    taken = graph.sparse("out").toarray() > 0
    found = epoch_of(EdgeSampler(graph, 50, Negatives(4, unknown=True)))
    assert not taken[found["source"][:, None], found["negative"]].any()


def test_unknown_negatives_of_an_undirected_graph_are_not_neighbours_either_way():
    graph = star()
    near = graph.sparse("both").toarray() > 0
    found = epoch_of(EdgeSampler(graph, 50, Negatives(20, unknown=True)))
    assert set(found["source"]) == {0, 1, 2, 3}
    assert not near[found["source"][:, None], found["negative"]].any()
    assert (found["negative"][found["source"] == 0] == 4).all(), "all that is left for the centre"


@pytest.mark.parametrize("directed, degree", [(False, [3, 1, 1, 1, 0]), (True, [0, 1, 1, 1, 0])])
def test_degree_noise(directed, degree):
    sampler = EdgeSampler(star(directed), 6, Negatives(5000, noise="degree"))
    drawn = np.bincount(epoch_of(sampler)["negative"].ravel(), minlength=5)
    expected = np.array(degree, dtype=float) ** 0.75
    some = expected > 0
    assert drawn[~some].sum() == 0
    assert chisquare(drawn[some], drawn.sum() * expected[some] / expected.sum()).pvalue > LEAST_P


def test_uniform_noise():
    drawn = np.bincount(epoch_of(EdgeSampler(star(), 6, Negatives(5000)))["negative"].ravel(), minlength=5)
    assert chisquare(drawn).pvalue > LEAST_P


def test_edges_by_weight():
    weight = np.array([1.0, 2.0, 7.0])
    many = star(weight=weight).take_edges(np.tile([0, 1, 2], 2000))
    found = epoch_of(EdgeSampler(many, 1000, by_weight=True))
    assert len(found["source"]) == 12_000, "as many draws as edges and directions"
    counts = Counter(zip(found["source"].tolist(), found["target"].tolist()))
    pairs = [(0, 1), (0, 2), (0, 3), (1, 0), (2, 0), (3, 0)]
    assert set(counts) == set(pairs)
    assert chisquare([counts[p] for p in pairs], 12_000 * np.tile(weight, 2) / 20).pvalue > LEAST_P


def test_edges_without_weights_ignore_by_weight():
    found = epoch_of(EdgeSampler(star(), 4, by_weight=True))
    assert sorted(found["source"].tolist()) == [0, 0, 0, 1, 2, 3]


def test_noise_weights_count_weights_and_never_sum_to_nothing():
    np.testing.assert_allclose(noise_weights(star(weight=np.array([1, 2, 13.0]))), np.array([16, 1, 2, 13, 0]) ** 0.75)
    assert noise_weights(star().take_edges(np.array([], dtype=int))).tolist() == [1] * 5


# ---- walks --------------------------------------------------------------------------------------------------


def walk_epoch(sampler, epoch=0):
    batches = list(sampler.batches(epoch))
    assert len(batches) == sampler.num_batches
    return [np.concatenate([getattr(b, name) for b in batches]) for name in ("walks", "reach", "negative")]


def test_walks_start_at_every_node_that_can_be_left():
    sampler = WalkSampler(star(), walks_per_node=3, walk_length=4, window=2, negatives=2, batch_size=3)
    walks, reach, negative = walk_epoch(sampler)
    assert np.bincount(walks[:, 0], minlength=5).tolist() == [3, 3, 3, 3, 0]
    assert walks.shape == (12, 4) and reach.shape == (12, 2) and negative.shape == (12, 2, 2, 2)
    assert ((reach >= 1) & (reach <= 2)).all()
    assert 4 not in negative, "a node without edges is no noise"


def test_directed_walks_follow_the_arrows():
    walks, _, _ = walk_epoch(WalkSampler(star(directed=True), 2, 3, window=1, negatives=1))
    assert (walks[:, 0] == 0).all() and (walks[:, 1] > 0).all() and (walks[:, 2] == -1).all()


def test_walks_by_weight():
    weight = np.array([1.0, 2.0, 7.0])
    walks, _, _ = walk_epoch(WalkSampler(star(weight=weight), 10, 401, window=1, negatives=1))
    steps = np.bincount(walks[walks[:, 0] == 0, 1::2].ravel(), minlength=4)[1:]  # from the centre, every other step
    assert chisquare(steps, 2000 * weight / 10).pvalue > LEAST_P


def test_walk_epochs_differ_and_repeat_whatever_the_batch_size():
    def draw(seed, epoch, batch_size=4):
        sampler = WalkSampler(checkerboard().replace(directed=False), 2, 6, 3, 2, p=0.5, q=2.0, seed=seed,
                              batch_size=batch_size)  # fmt: skip
        return np.concatenate([part.ravel() for part in walk_epoch(sampler, epoch)])

    assert np.array_equal(draw(1, 2), draw(1, 2))
    assert np.array_equal(draw(1, 2), draw(1, 2, batch_size=1000))
    assert not np.array_equal(draw(1, 2), draw(1, 3))
    assert not np.array_equal(draw(1, 2), draw(2, 2))


@pytest.mark.parametrize("p", [1.0, 0.5])
def test_walks_restart_at_their_rate(p):
    """From the centre of a star one step leads away; the next is a jump to the start or a step, to the centre both.
    From a leaf the second step is a jump to it with the chance of a restart, else from the centre to any leaf."""
    walks, _, _ = walk_epoch(WalkSampler(star(), 20_000, 3, window=1, negatives=1, p=p, restart=0.2))
    first = walks[walks[:, 0] == 1, 1]
    jumps = (first == 1).sum()
    assert chisquare([jumps, (first == 0).sum()], [0.2 * len(first), 0.8 * len(first)]).pvalue > LEAST_P
    stayed, _, _ = walk_epoch(WalkSampler(star(), 10, 3, window=1, negatives=1, p=p))
    assert (stayed[:, 1] != stayed[:, 0]).all()


@pytest.mark.parametrize("length", [2, 5])
def test_noise_is_how_often_walks_come_by(length):
    """The start at each node once, and what is left of it after each step, to the power of 3/4."""
    graph = star(weight=np.array([1.0, 2.0, 7.0]))
    a = graph.sparse().toarray()[:4, :4]
    step, here = a / a.sum(1, keepdims=True), np.ones(4)
    visits = here.copy()
    for _ in range(length - 1):
        here = here @ step
        visits += here
    sampler = WalkSampler(graph, 40, length, window=1, negatives=1000)
    _, _, negative = walk_epoch(sampler)
    expected = np.append(visits, 0.0) ** 0.75
    found = np.bincount(negative.ravel(), minlength=5) / negative.size
    np.testing.assert_allclose(found, expected / expected.sum(), atol=0.003)


def test_subsampling_keeps_by_word2vecs_formula():
    """A node with share f of all steps stays with chance (sqrt(f / t) + 1) t / f."""
    whole, _, _ = walk_epoch(WalkSampler(star(), 10, 400, window=1, negatives=1))
    walks, _, _ = walk_epoch(WalkSampler(star(), 10, 400, window=1, negatives=1, subsample=0.05))
    for node, share in ((0, 0.5), (1, 1 / 6)):
        visits, kept = (whole == node).sum(), (walks == node).sum()
        chance = (np.sqrt(share / 0.05) + 1) * 0.05 / share
        assert chisquare([kept, visits - kept], [visits * chance, visits * (1 - chance)]).pvalue > LEAST_P


def test_without_edges_there_is_nothing_to_walk():
    empty = star().take_edges(np.array([], dtype=int))
    sampler = WalkSampler(empty, 2, 4, 2, 2)
    assert sampler.num_batches == 0 and list(sampler.batches(0)) == []


# ---- nodes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "label, dtype",
    [
        (np.arange(10) * 7, torch.int64),
        (np.arange(10) * 0.5, torch.float32),
        (np.arange(20).reshape(10, 2) % 3 == 0, torch.float32),
    ],
)
def test_labels_and_weights_stay_with_their_nodes(label, dtype):
    nodes = np.array([4, 9, 2, 30, 11, 7, 8, 1, 0, 5])
    weight = np.arange(10) + 1.0
    sampler = NodeSampler(nodes, label, batch_size=4, weight=weight, seed=3)
    found = epoch_of(sampler)
    assert next(sampler.batches(0)).label.dtype == dtype
    assert sorted(found["source"].tolist()) == sorted(nodes.tolist())
    place = {node: i for i, node in enumerate(nodes.tolist())}
    for i, node in enumerate(found["source"].tolist()):
        assert np.array_equal(found["label"][i], label[place[node]].astype(found["label"].dtype))
        assert found["weight"][i] == weight[place[node]]
    assert not np.array_equal(found["source"], epoch_of(sampler, 1)["source"])
    assert np.array_equal(found["source"], epoch_of(sampler)["source"])


def test_relations_read_backwards_follow_the_others():
    graph = inverse_relations()
    found = epoch_of(EdgeSampler(graph, 16, reciprocal=True))
    assert set(found["relation"]) == {0, 1, 2, 3}
    told = set(zip(graph.edges[0].tolist(), graph.relation.tolist(), graph.edges[1].tolist()))
    for u, r, v in zip(found["source"].tolist(), found["relation"].tolist(), found["target"].tolist()):
        assert ((u, r, v) if r < 2 else (v, r - 2, u)) in told
