"""The kernels against exact distributions, slow loops and autograd. (The ranking kernels: test_ranking.py.)"""

from itertools import pairwise

import numba
import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from graphtune.batch import Batch, WalkBatch
from graphtune.graph import Graph
from graphtune.ids import NodeIds
from graphtune.kernels.alias import Alias, alias_rows
from graphtune.kernels.distance import modulus, modulus_gradient, taxicab, taxicab_gradient
from graphtune.kernels.negatives import unknown_targets
from graphtune.kernels.random import advance, stream, uniform
from graphtune.kernels.skipgram import train_edges, train_walks
from graphtune.kernels.walks import random_walks, windows
from graphtune.models.line import LINE
from graphtune.models.lookup import Context, Lookup
from graphtune.objectives import EdgeProximity, SkipGram

LEAST_P = 1e-3  # of a chi-square test at a fixed seed; wrong chances give 1e-20 and less


@pytest.fixture
def one_thread():
    before = numba.get_num_threads()
    numba.set_num_threads(1)
    yield
    numba.set_num_threads(before)


def graph_of(edges, weight=None, directed=False):
    edges = np.array(edges).T
    return Graph(edges, NodeIds.range(int(edges.max()) + 1), directed=directed, weight=weight)


# a triangle 0-1-2 with tails: from 1 one can go back to 0, on to 2 (a neighbour of 0) or out to 3, 4 (not neighbours)
KITE = [(0, 1), (0, 2), (1, 2), (1, 3), (1, 4), (3, 4)]


def walks_of(graph, starts, length, p=1.0, q=1.0, seed=0, first_walk=0):
    csr = graph.adjacency("out")
    alias = None if graph.weight is None else alias_rows(csr.indptr, graph.weight[csr.edge])
    return random_walks(csr.indptr, csr.indices, alias, np.asarray(starts), length, p, q, seed, first_walk)


# ---- random numbers and the alias method --------------------------------------------------------------------


def test_splitmix64_reference():
    """The first outputs of the reference implementation at seed 1234567."""
    state, found = np.uint64(1234567), []
    for _ in range(3):
        state = np.uint64(advance(state))
        found.append(uniform(state))
    reference = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    assert found == [(value >> 11) / 2**53 for value in reference]


def test_streams_are_uniform_and_distinct():
    values = np.array([uniform(np.uint64(advance(np.uint64(stream(s, i))))) for s in range(4) for i in range(2000)])
    assert len(set(values.tolist())) == len(values)
    assert chisquare(np.histogram(values, 20, (0, 1))[0]).pvalue > LEAST_P


@pytest.mark.parametrize("weight", [[1.0], [1, 1, 1, 1], [0.1, 5, 0, 2.4, 1e-6, 3], np.arange(1, 30) ** 1.5])
def test_alias_table_holds_the_exact_distribution(weight):
    weight = np.asarray(weight, dtype=float)
    alias = Alias(weight)
    chance = alias.accept.astype(float) / len(weight)
    np.add.at(chance, alias.other, (1 - alias.accept) / len(weight))
    np.testing.assert_allclose(chance, weight / weight.sum(), atol=1e-7)


def test_alias_draws():
    weight = np.array([0.5, 3.0, 0.0, 1.0, 7.5])
    drawn = np.bincount(Alias(weight).draw(50_000, seed=1), minlength=5)
    assert drawn[2] == 0
    some = weight > 0
    assert chisquare(drawn[some], 50_000 * weight[some] / weight.sum()).pvalue > LEAST_P


def test_alias_rows_are_independent_tables():
    indptr = np.array([0, 3, 3, 5])
    accept, other = alias_rows(indptr, np.array([1.0, 2.0, 5.0, 4.0, 4.0]))
    for begin, end, weight in ((0, 3, [1, 2, 5]), (3, 5, [4, 4])):
        single = Alias(np.array(weight))
        assert np.array_equal(accept[begin:end], single.accept) and np.array_equal(other[begin:end], single.other)


@pytest.mark.parametrize("weight", [[], [0.0, 0.0], [1.0, -1.0], [1.0, np.nan], [np.inf], [[1.0]]])
def test_alias_refuses(weight):
    with pytest.raises(ValueError, match="weight"):
        Alias(np.array(weight))


# ---- walks --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("directed", [False, True])
@pytest.mark.parametrize("p, q", [(1.0, 1.0), (0.25, 4.0)])
def test_walks_follow_edges_and_stop_at_dead_ends(directed, p, q):
    graph = graph_of([*KITE, (4, 5), (6, 0)], directed=directed)
    walks = walks_of(graph, np.repeat(np.arange(7), 20), 10, p, q)
    allowed = graph.sparse("out").toarray() > 0
    assert walks.shape == (140, 10) and walks.dtype == np.int32
    assert np.array_equal(walks[:, 0], np.repeat(np.arange(7), 20))
    degree = graph.adjacency("out").degree
    for walk in walks:
        steps = walk[walk >= 0]
        assert (walk[len(steps) :] == -1).all()
        assert all(allowed[a, b] for a, b in pairwise(steps))
        assert len(steps) == 10 or degree[steps[-1]] == 0, "a walk ends early only at a dead end"
    assert (walks == -1).any() == directed, "node 5 is a dead end of the directed graph alone"


def test_walks_do_not_depend_on_threads_or_batches():
    graph = graph_of(KITE, weight=np.arange(1.0, 7.0))
    starts = np.arange(5).repeat(30)
    args = (graph, starts, 12, 0.5, 2.0, 7)
    before, found = numba.get_num_threads(), []
    try:
        for threads in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
            numba.set_num_threads(threads)
            found.append(walks_of(*args))
    finally:
        numba.set_num_threads(before)
    assert np.array_equal(*found)
    second_half = walks_of(graph, starts[75:], *args[2:], first_walk=75)
    assert np.array_equal(second_half, found[0][75:])
    assert not np.array_equal(walks_of(graph, starts, 12, 0.5, 2.0, 8), found[0])


@pytest.mark.parametrize("weight", [None, np.array([1.0, 2.0, 3.0, 0.5, 6.0, 1.0])])
def test_first_order_steps(weight):
    graph = graph_of(KITE, weight=weight)
    walks = walks_of(graph, np.full(20_000, 1), 2, seed=3)
    chance = graph.sparse("out").toarray()[1].astype(float)
    there = chance > 0
    seen = np.bincount(walks[:, 1], minlength=5)
    assert seen[~there].sum() == 0
    assert chisquare(seen[there], 20_000 * chance[there] / chance.sum()).pvalue > LEAST_P


@pytest.mark.parametrize("weight", [None, np.array([1.0, 2.0, 3.0, 0.5, 6.0, 1.0])])
@pytest.mark.parametrize("p, q", [(0.25, 4.0), (4.0, 0.25), (2.0, 2.0), (0.5, 0.5), (1.0, 3.0)])
def test_second_order_steps(p, q, weight):
    """From 0 -> 1 the next step's chance is w / p back to 0, w to neighbours of 0, w / q to others (equation 2)."""
    graph = graph_of(KITE, weight=weight)
    walks = walks_of(graph, np.zeros(40_000, dtype=int), 3, p, q, seed=5)
    walks = walks[walks[:, 1] == 1]
    chance = graph.sparse("out").toarray()[1].astype(float)
    chance *= np.array([1 / p, 0, 1, 1 / q, 1 / q])
    there = chance > 0
    seen = np.bincount(walks[:, 2], minlength=5)
    assert len(walks) > 5_000 and seen[~there].sum() == 0
    assert chisquare(seen[there], len(walks) * chance[there] / chance.sum()).pvalue > LEAST_P


# ---- windows ------------------------------------------------------------------------------------------------


def test_windows_draw_reach_and_noise():
    walks = np.tile(np.array([[0, 1, 2, -1]], dtype=np.int32), (5000, 1))
    noise = Alias(np.array([1.0, 2.0, 0.0, 5.0]))
    reach, negative = windows(walks, 3, 2, (noise.accept, noise.other), seed=1)
    assert reach.shape == (5000, 4) and negative.shape == (5000, 4, 2)
    assert (reach[:, 3] == 0).all(), "no window around a position without a node"
    assert chisquare(np.bincount(reach[:, :3].ravel(), minlength=4)[1:]).pvalue > LEAST_P
    drawn = np.bincount(negative[:, :3].ravel(), minlength=4)
    assert drawn[2] == 0
    assert chisquare(drawn[[0, 1, 3]], drawn.sum() * np.array([1, 2, 5]) / 8).pvalue > LEAST_P
    again = windows(walks, 3, 2, (noise.accept, noise.other), seed=1)
    assert np.array_equal(again[0], reach) and np.array_equal(again[1], negative)
    rest = windows(walks[100:], 3, 2, (noise.accept, noise.other), seed=1, first_walk=100)
    assert np.array_equal(rest[0], reach[100:])


def test_windows_drop_frequent_nodes():
    walks = np.tile(np.array([[0, 1]], dtype=np.int32), (4000, 1))
    noise = Alias(np.ones(2))
    windows(walks, 2, 1, (noise.accept, noise.other), keep=np.array([0.25, 1.0]))
    assert (walks[:, 1] == 1).all()
    kept = (walks[:, 0] == 0).sum()
    assert chisquare([kept, 4000 - kept], [1000, 3000]).pvalue > LEAST_P


def test_pairs_of_a_batch_by_hand():
    batch = WalkBatch(
        walks=np.array([[3, 5, -1, 7]], dtype=np.int32),
        reach=np.array([[1, 2, 2, 3]], dtype=np.int32),
        negative=np.array([[[1], [2], [0], [4]]], dtype=np.int32),
    )
    node, centre, negative = (t.tolist() for t in batch.pairs())
    # centre 3 reaches 5; centre 5 reaches 3 and 7; nothing stands at the third place; centre 7 reaches 3 and 5
    assert list(zip(node, centre, negative)) == [
        (5, 3, [1]),
        (3, 5, [2]),
        (7, 5, [2]),
        (3, 7, [4]),
        (5, 7, [4]),
    ]
    assert len(batch) == 3


# ---- skip-gram and LINE -------------------------------------------------------------------------------------


def walk_batch(repeats):
    """Walks over 12 nodes with windows and noise; without `repeats` each node is walked over once."""
    rng = np.random.default_rng(0)
    if repeats:
        walks = rng.integers(0, 12, (4, 6)).astype(np.int32)
        walks[1, 4:] = -1
        negative = rng.integers(0, 12, (4, 6, 3)).astype(np.int32)
    else:
        walks = rng.permutation(12).reshape(2, 6).astype(np.int32)
        negative = rng.integers(0, 12, (2, 6, 3)).astype(np.int32)
    return WalkBatch(walks, rng.integers(1, 4, walks.shape).astype(np.int32), negative)


def tables(n=12, dim=5):
    rng = np.random.default_rng(1)
    return [rng.uniform(-1, 1, (n, dim)).astype(np.float32) for _ in range(2)]


class TableModel:
    """The least that the objectives ask of a model: two tables."""

    def __init__(self, source, target):
        self.encoder, self.scorer = Lookup(*source.shape), Context(*target.shape)
        self.device = torch.device("cpu")
        with torch.no_grad():
            self.encoder.weight.copy_(torch.from_numpy(source))
            self.scorer.weight.copy_(torch.from_numpy(target))

    def rows(self, *nodes):
        return [self.encoder(n) for n in nodes]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_walk_step_is_the_gradient_of_the_objective(one_thread):
    """At a tiny rate the pairs do not see one another's updates, so the pass is one step down the summed gradient."""
    batch, (source, target) = walk_batch(repeats=False), tables()
    model = TableModel(source, target)
    SkipGram()(model, batch).values.sum().backward()
    lr, before = 1e-4, (source.copy(), target.copy())
    train_walks(source, target, batch.walks, batch.reach, batch.negative, lr)
    for new, old, parameter in zip((source, target), before, (model.encoder.weight, model.scorer.weight)):
        np.testing.assert_allclose((old - new) / lr, parameter.grad.numpy(), atol=0.02)
        assert parameter.grad.abs().max() > 0.5, "the tolerance must be small beside the gradient"


def word2vec(source, target, batch, lr):
    """word2vec's order of updates, pair by pair, in float64."""
    first_losses = []
    for walk, reach, negative in zip(batch.walks, batch.reach, batch.negative):
        for at, centre in enumerate(walk):
            if centre < 0:
                continue
            around = range(max(0, at - reach[at]), min(len(walk), at + reach[at] + 1))
            others = [walk[other] for other in around if other != at and walk[other] >= 0]
            for place, other in enumerate(others):
                answers = [(centre, 1.0)] + [(n, 0.0) for n in negative[at] if n != centre]
                gradient, loss = np.zeros(source.shape[1]), 0.0
                for node, label in answers:
                    score = source[other] @ target[node]
                    loss += np.logaddexp(0, -score if label else score)
                    g = (label - sigmoid(score)) * lr
                    gradient += g * target[node]
                    target[node] += g * source[other]
                source[other] += gradient
                if place == 0:
                    first_losses.append(loss)
    return np.mean(first_losses)


@pytest.mark.parametrize("lr", [0.025, 0.5])
def test_walk_pass_follows_word2vec(one_thread, lr):
    batch, (source, target) = walk_batch(repeats=True), tables()
    slow = source.astype(np.float64), target.astype(np.float64)
    slow_loss = word2vec(*slow, batch, lr)
    loss = train_walks(source, target, batch.walks, batch.reach, batch.negative, lr)
    np.testing.assert_allclose(source, slow[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(target, slow[1], rtol=1e-4, atol=1e-5)
    assert loss == pytest.approx(slow_loss, rel=1e-4)


def test_walk_pass_without_pairs(one_thread):
    source, target = tables()
    before = source.copy()
    walks = np.array([[2, -1, -1], [-1, -1, -1]], dtype=np.int32)
    assert train_walks(source, target, walks, np.ones_like(walks), np.zeros((2, 3, 2), np.int32), 0.1) == 0.0
    assert np.array_equal(source, before)


def edge_batch():
    rng = np.random.default_rng(2)
    head, tail = rng.integers(0, 12, (2, 30))
    negative = rng.integers(0, 12, (30, 3))
    negative[0, 0] = tail[0]  # to be skipped
    return head, tail, negative


@pytest.mark.parametrize("order", ["first", "second"])
def test_edge_step_is_the_gradient_of_the_objective(one_thread, order):
    (head, tail, negative), lr = edge_batch(), 1e-4
    graph = Graph(np.stack([head, tail]), NodeIds.range(12), directed=True)
    model = LINE(dim=6, order=order).build(graph)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.from_numpy(tables(dim=6)[0]) + parameter)
    batch = Batch(*(torch.from_numpy(a) for a in (head, tail, negative)))
    before = [p.detach().clone() for p in model.parameters()]
    EdgeProximity()(model, batch).values.sum().backward()
    EdgeProximity().update(model, batch, lr)
    for old, parameter in zip(before, model.parameters()):
        torch.testing.assert_close((old - parameter.detach()) / lr, parameter.grad, atol=0.05, rtol=0.01)
        assert parameter.grad.abs().max() > 1


@pytest.mark.parametrize("order", ["first", "second"])
def test_edge_pass_follows_the_slow_loop(one_thread, order):
    head, tail, negative = edge_batch()
    source, target = tables()
    if order == "first":
        target = source
    slow_source = source.astype(np.float64)
    slow_target = slow_source if order == "first" else target.astype(np.float64)
    losses = []
    for u, v, noise in zip(head, tail, negative):
        gradient, loss = np.zeros(5), 0.0
        for node, label in [(v, 1.0)] + [(n, 0.0) for n in noise if n != v]:
            score = slow_source[u] @ slow_target[node]
            loss += np.logaddexp(0, -score if label else score)
            g = (label - sigmoid(score)) * 0.1
            gradient += g * slow_target[node]
            slow_target[node] += g * slow_source[u]
        slow_source[u] += gradient
        losses.append(loss)
    loss = train_edges(source, target, head, tail, negative, 0.1)
    np.testing.assert_allclose(source, slow_source, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(target, slow_target, rtol=1e-4, atol=1e-5)
    assert loss == pytest.approx(np.mean(losses), rel=1e-4)


def test_edge_pass_over_more_edges_than_blocks(one_thread):
    """The blocks that threads work on must cover every edge once."""
    n = 700
    head, tail = np.arange(n), np.arange(n)
    source, target = np.zeros((n, 2), np.float32), np.ones((n, 2), np.float32)
    train_edges(source, target, head, tail, np.empty((n, 0), np.int64), 0.5)
    np.testing.assert_allclose(source, 0.25)  # (1 - s(0)) * 0.5 * 1


# ---- negatives ----------------------------------------------------------------------------------------------


def test_unknown_targets_are_uniform_and_never_known():
    rng = np.random.default_rng(0)
    graph = graph_of(np.unique(rng.integers(0, 20, (60, 2)), axis=0), directed=True)
    csr = graph.adjacency("out")
    source = np.repeat(np.arange(20), 50)
    found = unknown_targets(csr.indptr, csr.indices, source, 4, 5, 18, seed=3)
    assert found.shape == (1000, 4) and found.min() >= 5 and found.max() < 18
    known = graph.sparse("out").toarray() > 0
    assert not known[source[:, None], found].any()
    assert (found != source[:, None]).all()
    open_ = [t for t in range(5, 18) if not known[7, t] and t != 7]
    seen = np.bincount(unknown_targets(csr.indptr, csr.indices, np.full(5000, 7), 1, 5, 18, 1).ravel(), minlength=20)
    assert seen.sum() == seen[open_].sum()
    assert chisquare(seen[open_]).pvalue > LEAST_P
    assert np.array_equal(found, unknown_targets(csr.indptr, csr.indices, source, 4, 5, 18, seed=3))


def test_unknown_targets_of_a_node_that_knows_all_but_one():
    indptr, indices = np.array([0, 500]), np.delete(np.arange(502), [0, 77])
    found = unknown_targets(indptr, indices, np.array([0]), 50, 0, 502, seed=0)
    assert (found == 77).all()


def test_unknown_targets_of_a_node_that_knows_all():
    indptr, indices = np.array([0, 3, 3, 3]), np.array([0, 1, 2])
    found = unknown_targets(indptr, indices, np.array([0]), 5, 0, 3, seed=0)
    assert found.shape == (1, 5) and ((found >= 0) & (found < 3)).all()


# ---- distances ----------------------------------------------------------------------------------------------


def complex_rows(x):
    real, imaginary = np.split(x, 2, axis=-1)
    return real + 1j * imaginary


def naive_taxicab(a, b):
    return np.abs(a[:, None] - b[None]).sum(-1)


def naive_modulus(a, b):
    return np.abs(complex_rows(a)[:, None] - complex_rows(b)[None]).sum(-1)


@pytest.mark.parametrize(
    "kernel, gradient, naive",
    [(taxicab, taxicab_gradient, naive_taxicab), (modulus, modulus_gradient, naive_modulus)],
)
def test_distances_and_their_gradients(kernel, gradient, naive):
    rng = np.random.default_rng(0)
    query, key = (rng.normal(size=(n, 6)).astype(np.float32) for n in (4, 9))
    out = np.empty((4, 9), np.float32)
    kernel(query, key, out)
    np.testing.assert_allclose(out, naive(query, key), rtol=1e-5)
    weight = rng.normal(size=(4, 9)).astype(np.float32)
    found = np.empty_like(query)
    gradient(query, key, weight, found)
    step, numeric = 1e-6, np.empty((4, 6))
    for place in np.ndindex(4, 6):
        shift = np.zeros((4, 6))
        shift[place] = step
        wide, other = query.astype(np.float64), key.astype(np.float64)
        numeric[place] = ((naive(wide + shift, other) - naive(wide - shift, other)) * weight).sum() / (2 * step)
    np.testing.assert_allclose(found, numeric, rtol=1e-3, atol=1e-4)
