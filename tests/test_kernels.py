"""The kernels against exact distributions, slow loops and autograd. (The ranking kernels: test_ranking.py.)"""

import math
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
import torch
from numba import njit
from scipy.stats import chisquare

from graphtune.batch import Batch, WalkBatch
from graphtune.graph import Graph
from graphtune.ids import NodeIds
from graphtune.kernels import vector
from graphtune.kernels.alias import Alias, _entry, alias_rows
from graphtune.kernels.csr import take_rows
from graphtune.kernels.distance import euclid, modulus, modulus_gradient, taxicab, taxicab_gradient
from graphtune.kernels.negatives import unknown_targets
from graphtune.kernels.random import advance, scaled, shuffle, stream, uniform
from graphtune.kernels.secondorder import HUB, second_order_edges
from graphtune.kernels.skipgram import LEAST_PAIRS, MEASURED, train_edges, train_walks
from graphtune.kernels.vector import CELLS, MOST, plain_pulls, plain_update, tiles_of
from graphtune.kernels.vector import sigmoid as fast_sigmoid
from graphtune.kernels.walks import random_walks, windows
from graphtune.models.line import LINE
from graphtune.models.lookup import Context, Lookup
from graphtune.objectives import EdgeProximity, SkipGram

LEAST_P = 1e-3  # of a chi-square test at a fixed seed; wrong chances give 1e-20 and less


def graph_of(edges, weight=None, directed=False):
    edges = np.array(edges).T
    return Graph(edges, NodeIds.range(int(edges.max()) + 1), directed=directed, weight=weight)


# a triangle 0-1-2 with tails: from 1 one can go back to 0, on to 2 (a neighbour of 0) or out to 3, 4 (not neighbours)
KITE = [(0, 1), (0, 2), (1, 2), (1, 3), (1, 4), (3, 4)]


def walks_of(graph, starts, length, p=1.0, q=1.0, seed=0, first_walk=0, restart=0.0, simple=False):
    csr = graph.adjacency("out")
    alias = None if csr.weight is None else alias_rows(csr.indptr, csr.weight)
    return random_walks(
        csr.indptr, csr.indices, alias, np.asarray(starts), length, p, q, seed, first_walk, restart, simple
    )


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


def test_shuffles_give_every_order_alike():
    counts = Counter()
    for seed in range(6000):
        values = np.arange(4, dtype=np.int32)
        shuffle(values, np.uint64(seed))
        counts[tuple(values.tolist())] += 1
    assert len(counts) == 24 and chisquare(list(counts.values())).pvalue > LEAST_P


def test_places_are_those_of_exact_products():
    for number, size in ((0, 5), (2**64 - 1, 5), (2**64 - 1, 2**32 - 1), (0x123456789ABCDEF0, 10312)):
        place, height = scaled(np.uint64(number), size)
        exact = number * size >> 32
        assert (int(place), int(height)) == (exact >> 32, exact % 2**32)


@pytest.mark.parametrize("weight", [[1.0], [1, 1, 1, 1], [0.1, 5, 0, 2.4, 1e-6, 3], np.arange(1, 30) ** 1.5])
def test_alias_table_holds_the_exact_distribution(weight):
    weight = np.asarray(weight, dtype=float)
    table = Alias(weight).table
    kept, other = (table >> np.uint64(32)) / 2**32, table & np.uint64(2**32 - 1)
    chance = kept / len(weight)
    np.add.at(chance, other, (1 - kept) / len(weight))
    np.testing.assert_allclose(chance, weight / weight.sum(), atol=1e-9)


@pytest.mark.parametrize(
    ("accept", "kept"), [(-1e-7, 0), (0.0, 0), (0.25, 2**30), (1.0, 2**32 - 1), (1 + 1e-7, 2**32 - 1)]
)
def test_entries_of_alias_tables_stay_in_range(accept, kept):
    assert int(_entry(accept, 7)) == kept << 32 | 7


def test_alias_draws():
    weight = np.array([0.5, 3.0, 0.0, 1.0, 7.5])
    drawn = np.bincount(Alias(weight).draw(50_000, seed=1), minlength=5)
    assert drawn[2] == 0
    some = weight > 0
    assert chisquare(drawn[some], 50_000 * weight[some] / weight.sum()).pvalue > LEAST_P


def test_alias_rows_are_independent_tables():
    indptr = np.array([0, 3, 3, 5])
    table = alias_rows(indptr, np.array([1.0, 2.0, 5.0, 4.0, 4.0]))
    for begin, end, weight in ((0, 3, [1, 2, 5]), (3, 5, [4, 4])):
        assert np.array_equal(table[begin:end], Alias(np.array(weight)).table)


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


@pytest.mark.parametrize("p, q", [(1.0, 1.0), (0.5, 2.0)])
@pytest.mark.parametrize("restart", [0.0, 0.3])
def test_walks_do_not_depend_on_threads_or_batches(monkeypatch, p, q, restart):
    graph = graph_of(KITE, weight=np.arange(1.0, 7.0))
    starts = np.arange(5).repeat(300)
    args = (graph, starts, 12, p, q, 7)
    found = []
    for threads in ("1", "3"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        found.append(walks_of(*args, restart=restart))
    assert np.array_equal(*found)
    second_half = walks_of(graph, starts[750:], *args[2:], first_walk=750, restart=restart)
    assert np.array_equal(second_half, found[0][750:])
    assert not np.array_equal(walks_of(graph, starts, 12, p, q, 8, restart=restart), found[0])


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


def chances_of_walks(graph, start, length, p, q, restart):
    """Every walk from `start` with its chance: home with chance `restart`, else by equation 2 of node2vec, where the
    step after a jump is by weight alone; -1 from a dead end on."""
    weight = graph.sparse("out").toarray().astype(float)

    def go_on(walk, previous):
        if len(walk) == length:
            return {tuple(walk): 1.0}
        if walk[-1] < 0:
            return go_on([*walk, -1], None)
        step = weight[walk[-1]].copy()
        if previous is not None:
            step *= np.where(weight[previous] > 0, 1, 1 / q)
            step[previous] = weight[walk[-1], previous] / p
        ways = [(start, None, restart)]
        if step.any():
            ways += [(v, walk[-1], (1 - restart) * step[v] / step.sum()) for v in np.flatnonzero(step)]
        else:
            ways.append((-1, None, 1 - restart))
        found = {}
        for v, last, chance in ways:
            for rest, then in go_on([*walk, int(v)], last).items():
                found[rest] = found.get(rest, 0.0) + chance * then
        return found

    return go_on([start], None)


@pytest.mark.parametrize("weight", [None, np.array([1.0, 2.0, 3.0, 0.5, 6.0, 1.0])])
@pytest.mark.parametrize("p, q", [(1.0, 1.0), (0.25, 4.0), (4.0, 0.25)])
@pytest.mark.parametrize("directed, restart", [(False, 0.3), (True, 0.3), (False, 0.0)])
def test_walks_with_restarts_have_their_chance(weight, p, q, directed, restart):
    """All walks of five nodes, jumps home from dead ends of the directed kite among them."""
    graph = graph_of(KITE, weight=weight, directed=directed)
    chances = chances_of_walks(graph, 0, 5, p, q, restart)
    assert sum(chances.values()) == pytest.approx(1)
    walks = walks_of(graph, np.zeros(60_000, dtype=int), 5, p, q, seed=2, restart=restart, simple=not directed)
    seen = Counter(map(tuple, walks.tolist()))
    assert set(seen) <= set(chances)
    often = [walk for walk, chance in chances.items() if chance * len(walks) >= 5]
    expected = np.array([len(walks) * chances[walk] for walk in often])
    counts = np.array([seen[walk] for walk in often])
    rare = len(walks) - expected.sum(), len(walks) - counts.sum()
    if rare[0] >= 5:
        expected, counts = np.append(expected, rare[0]), np.append(counts, rare[1])
    assert abs(rare[0] - rare[1]) < 10 + 0.02 * len(walks) and len(often) > 4
    assert chisquare(counts, expected * counts.sum() / expected.sum()).pvalue > LEAST_P


# ---- windows ------------------------------------------------------------------------------------------------


def test_windows_draw_reach_and_noise():
    walks = np.tile(np.array([[0, 1, 2, -1, -1]], dtype=np.int32), (5000, 1))
    noise = Alias(np.array([1.0, 2.0, 0.0, 5.0]))
    reach, negative = windows(walks, 3, 2, noise.table, seed=1)
    assert reach.shape == (5000, 3) and negative.shape == (5000, 3, 2, 2)
    assert (reach[:, 2] == 0).all(), "no window around positions without a node"
    assert chisquare(np.bincount(reach[:, :2].ravel(), minlength=4)[1:]).pvalue > LEAST_P
    drawn = np.bincount(negative[:, :2].ravel(), minlength=4)
    assert drawn[2] == 0
    assert chisquare(drawn[[0, 1, 3]], drawn.sum() * np.array([1, 2, 5]) / 8).pvalue > LEAST_P
    again = windows(walks, 3, 2, noise.table, seed=1)
    assert np.array_equal(again[0], reach) and np.array_equal(again[1], negative)
    rest = windows(walks[100:], 3, 2, noise.table, seed=1, first_walk=100)
    assert np.array_equal(rest[0], reach[100:])


def test_windows_drop_frequent_nodes():
    walks = np.tile(np.array([[0, 1]], dtype=np.int32), (4000, 1))
    noise = Alias(np.ones(2))
    windows(walks, 2, 1, noise.table, keep=np.array([0.25, 1.0]))
    kept = (walks[:, 0] == 0).sum()
    assert chisquare([kept, 4000 - kept], [1000, 3000]).pvalue > LEAST_P
    whole, alone = walks[walks[:, 0] == 0], walks[walks[:, 0] == 1]
    assert (whole[:, 1] == 1).all() and (alone[:, 1] == -1).all(), "what stays moves together, as in word2vec"


def test_pairs_of_a_batch_by_hand():
    batch = WalkBatch(
        walks=np.array([[3, 5, -1, 7]], dtype=np.int32),
        reach=np.array([[1, 2]], dtype=np.int32),
        negative=np.array([[[[1], [2]], [[4], [0]]]], dtype=np.int32),
    )
    node, centre, negative = (t.tolist() for t in batch.pairs())
    # centres 3 and 5 reach one place, so each other; nothing stands at the third place; centre 7 reaches 5
    assert list(zip(node, centre, negative)) == [(5, 3, [1]), (3, 5, [1]), (5, 7, [4])]


def test_pairs_change_to_the_second_negatives_in_the_middle():
    batch = WalkBatch(
        np.arange(9, dtype=np.int32)[None], np.full((1, 5), 3, np.int32), np.zeros((1, 5, 2, 1), np.int32)
    )
    batch.negative[0, 2, :, 0] = 20, 21
    _, centre, negative = (t.numpy() for t in batch.pairs())
    # around centres 4 and 5 stand 1 to 8, eight places: 1 to 4 meet the first negatives, 5 to 8 the second
    assert negative[centre == 4].ravel().tolist() == [20, 20, 20, 21, 21, 21]
    assert negative[centre == 5].ravel().tolist() == [20, 20, 20, 21, 21, 21]


# ---- skip-gram and LINE -------------------------------------------------------------------------------------


def walk_batch(repeats, length=6, negatives=3):
    """Walks over 12 nodes with windows and noise; without `repeats` each node is walked over once."""
    rng = np.random.default_rng(0)
    if repeats:
        walks = rng.integers(0, 12, (4, 6)).astype(np.int32)
        walks[1, 4:] = walks[2, 3:] = -1
    else:
        walks = rng.permutation(12).reshape(-1, 6).astype(np.int32)
    walks = walks[:, :length]
    reach = rng.integers(1, 4, (len(walks), -(-length // 2))).astype(np.int32)
    return WalkBatch(walks, reach, rng.integers(0, 12, (*reach.shape, 2, negatives)).astype(np.int32))


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


def test_walk_step_is_the_gradient_of_the_objective():
    """At a tiny rate the pairs do not see one another's updates, so the pass is one step down the summed gradient."""
    batch, (source, target) = walk_batch(repeats=False), tables()
    model = TableModel(source, target)
    SkipGram()(model, batch).values.sum().backward()
    lr, before = 1e-4, (source.copy(), target.copy())
    train_walks(source, target, batch.walks, batch.reach, batch.negative, lr)
    for new, old, parameter in zip((source, target), before, (model.encoder.weight, model.scorer.weight)):
        np.testing.assert_allclose((old - new) / lr, parameter.grad.numpy(), atol=0.02)
        assert parameter.grad.abs().max() > 0.5, "the tolerance must be small beside the gradient"


def slow_pulls(source, target, rows, nodes, labels, lr, rates=1.0):
    """(pulls, losses) of source rows with the target `nodes`, in float64; a label of None leaves a pair out."""
    scores = source[rows] @ target[nodes].T
    used = np.array([[label is not None for label in row] for row in labels]) * rates
    wanted = np.array([[label or 0.0 for label in row] for row in labels])
    losses = used * np.logaddexp(0, np.where(wanted > 0, -scores, scores))
    return used * (wanted - sigmoid(scores)) * lr, losses.sum(1)


def slow_update(source, target, rows, nodes, pulls):
    moves, x = np.zeros((len(rows), source.shape[1])), source[rows]
    for pull, node in zip(pulls.T, nodes):
        moves += pull[:, None] * target[node]
        target[node] += pull @ x
    for row, move in zip(rows, moves):
        source[row] += move


def skipgram(source, target, batch, lr):
    """Two centres at a time, half of the places around them, and of these four nodes at a time: two passes of two."""
    losses, count = 0.0, 0
    for walk, reach, negative in zip(batch.walks, batch.reach, batch.negative):
        for pair in range(len(reach)):
            centres = [at for at in (2 * pair, 2 * pair + 1) if at < len(walk) and walk[at] >= 0]
            first, last = max(0, 2 * pair - reach[pair]), min(len(walk) - 1, 2 * pair + 1 + reach[pair])
            half = first + 4 * -(-(last + 1 - first) // 8)
            for some, noise in zip((range(first, half), range(half, last + 1)), negative[pair]):
                near = {at: [c for c in centres if 0 < abs(at - c) <= reach[pair]] for at in some if at < len(walk)}
                near = {at: found for at, found in near.items() if found and walk[at] >= 0}
                rows, nodes = walk[list(near)], [*walk[centres], *noise]
                rates = [[c in found for c in centres] + [sum(walk[c] != n for c in found) for n in noise]
                         for found in near.values()]  # fmt: skip
                rates, labels = np.array(rates, float), [1.0] * len(centres) + [0.0] * len(noise)
                for begin in range(0, len(rows), 4):
                    passes = [slice(i, min(i + 2, begin + 4)) for i in range(begin, min(begin + 4, len(rows)), 2)]
                    pulls = [slow_pulls(source, target, rows[p], nodes, [labels], lr, rates[p]) for p in passes]
                    for p, (pull, _) in zip(passes, pulls):
                        slow_update(source, target, rows[p], nodes, pull)
                    if begin == 0 and some.start == first and pair % MEASURED == 0:
                        losses, count = losses + pulls[0][1][0], count + rates[0, : len(centres)].sum()
    return losses / count


@pytest.mark.parametrize("dim, length, negatives", [(1, 6, 3), (5, 5, 5), (8, 6, 0), (16, 1, 4), (37, 6, 11)])
@pytest.mark.parametrize("lr", [0.025, 0.2])
def test_walk_pass_follows_the_slow_loop(lr, dim, length, negatives):
    batch, (source, target) = walk_batch(True, length, negatives), tables(dim=dim)
    slow = source.astype(np.float64), target.astype(np.float64)
    slow_loss = skipgram(*slow, batch, lr) if length > 1 else 0.0
    loss = train_walks(source, target, batch.walks, batch.reach, batch.negative, lr)
    tolerance = 1e-5 if lr < 0.1 else 1e-3  # the kernel's sigmoid is off by 1e-5, which large steps build up
    np.testing.assert_allclose(source, slow[0], rtol=1e-4, atol=tolerance)
    np.testing.assert_allclose(target, slow[1], rtol=1e-4, atol=tolerance)
    if lr < 0.1:  # beyond a score of 10 the kernel's sigmoid is 1
        assert loss == pytest.approx(slow_loss, rel=1e-3)


def test_walk_pass_without_pairs():
    source, target = tables()
    before = source.copy()
    walks = np.array([[2, -1, -1], [-1, -1, -1]], dtype=np.int32)
    assert train_walks(source, target, walks, np.ones((2, 2), np.int32), np.zeros((2, 2, 2, 2), np.int32), 0.1) == 0.0
    assert np.array_equal(source, before)


def edge_batch(sets):
    rng = np.random.default_rng(2)
    head, tail = rng.integers(0, 12, (2, 31))
    negative = rng.integers(0, 12, (sets, 3))
    negative[0, 0] = tail[0]  # to be skipped
    return head, tail, negative


@pytest.mark.parametrize("sets", [16, 31, None], ids=["for pairs", "for each", "for all"])
@pytest.mark.parametrize("order", ["first", "second"])
def test_edge_step_is_the_gradient_of_the_objective(order, sets):
    (head, tail, negative), lr = edge_batch(sets or 1), 1e-4
    graph = Graph(np.stack([head, tail]), NodeIds.range(12), directed=True)
    model = LINE(dim=6, order=order).build(graph)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.from_numpy(tables(dim=6)[0]) + parameter)
    batch = Batch(*(torch.from_numpy(a) for a in (head, tail, negative if sets else negative[0])))
    before = [p.detach().clone() for p in model.parameters()]
    EdgeProximity()(model, batch).values.sum().backward()
    EdgeProximity().update(model, batch, lr)
    for old, parameter in zip(before, model.parameters()):
        torch.testing.assert_close((old - parameter.detach()) / lr, parameter.grad, atol=0.05, rtol=0.01)
        assert parameter.grad.abs().max() > 1


@pytest.mark.parametrize("together", [1, 2])
@pytest.mark.parametrize("order", ["first", "second"])
def test_edge_pass_follows_the_slow_loop(order, together):
    head, tail, negative = edge_batch(-(-31 // together))
    source, target = tables()
    if order == "first":
        target = source
    slow_source = source.astype(np.float64)
    slow_target = slow_source if order == "first" else target.astype(np.float64)
    losses = []
    for begin in range(0, len(negative), 2):
        passes = []
        for pair in range(begin, min(begin + 2, len(negative))):
            edges, noise = range(together * pair, min(together * (pair + 1), len(head))), negative[pair]
            labels = [
                [1.0 if e == f else None for f in edges] + [None if n == tail[e] else 0.0 for n in noise] for e in edges
            ]
            nodes = [*tail[edges], *noise]
            passes.append((head[edges], nodes, slow_pulls(slow_source, slow_target, head[edges], nodes, labels, 0.1)))
        for rows, nodes, (pulls, _) in passes:
            slow_update(slow_source, slow_target, rows, nodes, pulls)
        if begin % MEASURED == 0:
            losses.append(passes[0][2][1][0])
    loss = train_edges(source, target, head, tail, negative, 0.1)
    tolerance = 1e-5 if order == "second" else 0.05  # a row on both sides may be read before or after it moves
    np.testing.assert_allclose(source, slow_source, rtol=1e-4, atol=tolerance)
    np.testing.assert_allclose(target, slow_target, rtol=1e-4, atol=tolerance)
    assert loss == pytest.approx(np.mean(losses), rel=1e-3)


@pytest.mark.parametrize("threads", [1, 3])
def test_edge_pass_over_several_blocks(threads):
    """The blocks that threads work on must cover every edge once."""
    n = 2 * 8 * LEAST_PAIRS + 33
    head, tail = np.arange(n), np.arange(n)
    source, target = np.zeros((n, 2), np.float32), np.ones((n, 2), np.float32)
    train_edges(source, target, head, tail, np.empty((-(-n // 2), 0), np.int64), 0.5, threads)
    np.testing.assert_allclose(source, 0.25)  # (1 - s(0)) * 0.5 * 1


# ---- second-order neighbours --------------------------------------------------------------------------------


def ladder(weighted):
    rng = np.random.default_rng(4)
    u, v = np.nonzero(np.triu(rng.random((30, 30)) < 0.1, 1))
    weight = rng.uniform(0.5, 2.0, len(u)).astype(np.float32) if weighted else None
    return Graph(np.stack([u, v]), NodeIds.range(30), weight=weight)


@pytest.mark.parametrize("weighted", [False, True])
def test_low_degrees_gain_the_nearest_second_order_neighbours(weighted):
    graph, most = ladder(weighted), 6
    a = graph.sparse().toarray().astype(float)
    near = a @ (a / np.maximum(a.sum(1, keepdims=True), 1e-12))
    csr = graph.adjacency()
    head, tail, weight = second_order_edges(csr.indptr, csr.indices, csr.weight, most)
    assert len(set(zip(head, tail))) == len(head)
    np.testing.assert_allclose(weight, near[head, tail], rtol=1e-4)
    for i in range(30):
        others = near[i, (a[i] == 0) & (near[i] > 0) & (np.arange(30) != i)]
        room = max(0, most - np.count_nonzero(a[i]))
        assert weight[head == i] == pytest.approx(np.sort(others)[::-1][:room], rel=1e-4)
        assert (a[i, tail[head == i]] == 0).all() and i not in tail[head == i]


def test_long_rows_are_read_in_part():
    """A star's leaves: each gains as many of the others, anywhere among them, at the weight that all would have."""
    leaves = 3 * HUB
    csr = graph_of([(0, i + 1) for i in range(leaves)]).adjacency()
    head, tail, weight = second_order_edges(csr.indptr, csr.indices, None, 4)
    assert np.array_equal(np.bincount(head, minlength=leaves + 1), [0] + [3] * leaves)
    np.testing.assert_allclose(weight, 3 / leaves, rtol=1e-5)
    assert chisquare(np.histogram(tail, 10, (1, leaves + 1))[0] / 9).pvalue > LEAST_P  # in runs of three


# ---- vector code ---------------------------------------------------------------------------------------------


@njit
def vector_pulls(source, target, first, second, offset, slots, label, rate, one, two, out):
    vector.vector_pulls(source, target, first, second, offset, slots, label, rate, one, two, out)


@njit
def vector_update(source, target, first, second, offset, slots, pull, move):
    vector.vector_update(source, target, first, second, offset, slots, pull, move)


@pytest.mark.parametrize("count", range(1, 60))
def test_tiles_hold_all_targets_in_few_slots(count):
    tiles, width = tiles_of(count)
    assert width <= MOST and count <= tiles * width < count + tiles and tiles == math.ceil(count / MOST)


@pytest.mark.parametrize("dim", [1, 7, 8, 20, 32, 100])
@pytest.mark.parametrize("count", [2, 7, 12, 14, 33])
@pytest.mark.parametrize("rows", [(3, 4), (5, 5)])
@pytest.mark.parametrize("tied", [False, True])
def test_vector_code_equals_the_plain_kernels(dim, count, rows, tied):
    rng, slots, (tiles, width) = np.random.default_rng(dim), (0,) * count, tiles_of(count)
    source = rng.normal(size=(9, dim)).astype(np.float32) / 4
    target = source if tied else rng.normal(size=(9, dim)).astype(np.float32) / 4
    offset = rng.choice([0, 1, 2, 6, 7, 8], tiles * width) * dim  # a row on both sides may be read at any moment
    offset[1] = offset[0]
    label = rng.integers(0, 2, tiles * CELLS).astype(np.float32)
    rate = rng.uniform(0, 1, (4, tiles * CELLS)).astype(np.float32)
    used = np.arange(tiles * CELLS) % CELLS < width
    pulls = np.zeros((2, 2, tiles * CELLS), np.float32)
    plain_pulls(source, target, *rows, offset, slots, label, rate, 3, 1, pulls[0])
    vector_pulls(source, target, *rows, offset, slots, label, rate, 3, 1, pulls[1])
    np.testing.assert_allclose(pulls[1][:, used], pulls[0][:, used], atol=1e-5)
    found = []
    for update in (plain_update, vector_update):
        x = source.copy()
        y, move = x if tied else target.copy(), np.zeros((2, dim), np.float32)
        update(x, y, *rows, offset, slots, pulls[0], move)
        assert not move.any(), "scratch is left empty"
        found.append((x, y))
    for plain, fast in zip(*found):
        np.testing.assert_allclose(fast, plain, atol=1e-5)
    assert not np.allclose(found[0][0], source)


def halved(table):
    """float32 as bfloat16 bits, and what is left of it as float32."""
    bits = (table.view(np.uint32) >> 16).astype(np.uint16)
    return bits, (bits.astype(np.uint32) << 16).view(np.float32)


@pytest.mark.parametrize("dim", [1, 8, 20, 100])
@pytest.mark.parametrize("count", [7, 12, 20])
def test_half_tables_move_as_whole_ones_within_a_rounding(dim, count):
    rng, slots, (tiles, width) = np.random.default_rng(dim), (0,) * count, tiles_of(count)
    tables = [halved(rng.normal(size=(9, dim)).astype(np.float32) / 4) for _ in range(2)]
    offset = rng.permutation(9)[:width] * dim if tiles < 2 else rng.choice(9, tiles * width) * dim
    label, rate = rng.uniform(0, 0.5, (2, 1, tiles * CELLS)).astype(np.float32)
    found = []
    for pulls, update in ((plain_pulls, plain_update), (vector_pulls, vector_update)):
        for which in (0, 1):
            x, y = (pair[which].copy() for pair in tables)
            pull, move = np.zeros((2, tiles * CELLS), np.float32), np.zeros((2, dim), np.float32)
            pulls(x, y, 3, 4, offset, slots, label[0], rate, 0, 0, pull)
            update(x, y, 3, 4, offset, slots, pull, move)
            found.append([t if which else (t.astype(np.uint32) << 16).view(np.float32) for t in (x, y)])
    for other in found[1:]:
        for one, two in zip(found[0], other):
            np.testing.assert_allclose(one, two, rtol=2**-6, atol=4e-3)


@pytest.mark.parametrize("update", [plain_update, vector_update], ids=["plain", "vector"])
@pytest.mark.parametrize("rows", [7, 12])
def test_half_tables_gather_small_steps(update, rows):
    """Steps of about 1/40 of a rounding unit arrive in the mean; rounding to the nearest would lose each."""
    rng, steps, (tiles, width) = np.random.default_rng(0), 2000, tiles_of(rows)
    one = np.uint16(np.float32(1.0).view(np.uint32) >> 16)
    target, before = halved(rng.uniform(1.0, 1.5, (rows, 64)).astype(np.float32))
    source, pull, move = np.full((2, 64), one), np.zeros((2, tiles * CELLS), np.float32), np.zeros((2, 64), np.float32)
    used = np.arange(tiles * CELLS) % CELLS < width
    total = 0.0
    for _ in range(steps):
        source[:] = one
        pull[:, used] = rng.uniform(0, 2e-4, (2, used.sum()))
        total += pull.sum() / rows
        update(source, target, 0, 1, np.arange(rows) * 64, (0,) * rows, pull, move)
    moved = (target.astype(np.uint32) << 16).view(np.float32) - before
    assert moved.mean() == pytest.approx(total, rel=0.03)
    assert moved.std() < 0.25 * total


def test_sigmoid_is_close_everywhere():
    x = np.linspace(-30, 30, 4001).astype(np.float32)
    found = np.array([fast_sigmoid(value) for value in x])
    np.testing.assert_allclose(found, sigmoid(x.astype(np.float64)), atol=6e-5)
    assert (np.diff(found) >= -1e-6).all() and found.min() >= 0 and found.max() <= 1


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


def naive_euclid(a, b):
    return np.sqrt(np.square(a[:, None] - b[None]).sum(-1))


def distances(kernel, query, key):
    out = np.empty((len(query), len(key)), np.float32)
    kernel(query, np.ascontiguousarray(key.T), out)
    return out


def rows_of(seed, *shapes):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape).astype(np.float32) for shape in shapes]


SIZES = [(4, 9, 6), (19, 530, 22), (300, 21, 2)]  # below and above a tile, whole ones and not


@pytest.mark.parametrize("n, m, dim", SIZES)
@pytest.mark.parametrize("kernel, naive", [(taxicab, naive_taxicab), (modulus, naive_modulus), (euclid, naive_euclid)])
def test_distances_are_naive_ones(kernel, naive, n, m, dim):
    query, key = rows_of(0, (n, dim), (m, dim))
    np.testing.assert_allclose(distances(kernel, query, key), naive(query, key), rtol=1e-5)


@pytest.mark.parametrize("n, m, dim", SIZES)
@pytest.mark.parametrize("gradient, complex_", [(taxicab_gradient, False), (modulus_gradient, True)])
def test_gradients_of_distances_are_naive_ones(gradient, complex_, n, m, dim):
    query, key, weight = rows_of(0, (n, dim), (m, dim), (n, m))
    key[0] = query[0]
    a, b = (complex_rows(x.astype(np.float64)) if complex_ else x for x in (query, key))
    step = a[:, None] - b[None]
    with np.errstate(invalid="ignore"):
        step = np.nan_to_num(step / np.abs(step)) * weight[..., None]
    by_query, by_key = step.sum(1), -step.sum(0)
    if complex_:
        by_query, by_key = (np.concatenate([x.real, x.imag], axis=1) for x in (by_query, by_key))
    found = gradient(query, np.ascontiguousarray(key.T), weight)
    np.testing.assert_allclose(found[0], by_query, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(found[1].T, by_key, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("gradient", [taxicab_gradient, modulus_gradient])
def test_threads_change_no_bit_of_distances(gradient, monkeypatch):
    query, key, weight = rows_of(0, (600, 6), (20, 6), (600, 20))
    found = []
    for threads in ("1", "3"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        found.append(np.concatenate([x.ravel() for x in gradient(query, np.ascontiguousarray(key.T), weight)]))
    assert np.array_equal(*found)


def test_no_queries_have_no_gradient():
    by_query, by_columns = taxicab_gradient(*rows_of(0, (0, 4), (4, 3), (0, 3)))
    assert by_query.shape == (0, 4) and not by_columns.any() and by_columns.shape == (4, 3)


def test_rows_of_a_csr():
    lists = [[3, 1], [], [2], [0, 0, 5]]
    indptr, indices = np.cumsum([0, *map(len, lists)]), np.concatenate(lists).astype(np.int32)
    for rows in ([], [1], [3, 1, 0, 3], [0, 1, 2, 3]):
        begin, found = take_rows(indptr, indices, np.array(rows, dtype=np.int64))
        assert [part.tolist() for part in np.split(found, begin[1:-1])][: len(rows)] == [lists[r] for r in rows]
        assert len(begin) == len(rows) + 1 and begin[-1] == len(found) and found.dtype == np.int32
