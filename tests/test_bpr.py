"""The fused step of BPR: its kernel against a slow loop and autograd, its sampler, and whole runs."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

import graphtune as gt
from graphtune.batch import Batch
from graphtune.check import ArgumentError
from graphtune.config import TrainConfig
from graphtune.graph import Graph
from graphtune.ids import NodeIds
from graphtune.kernels.bpr import LEAST_TRIPLETS, train_triplets
from graphtune.kernels.lanes import CELLS, WIDTH
from graphtune.kernels.margins import plain_gap, plain_pulls, plain_step, vector_gap, vector_pulls, vector_step
from graphtune.kernels.negatives import unknown_targets
from graphtune.models import BPRMF, LINE, LightGCN
from graphtune.objectives import BPR, Hardest
from graphtune.sampling import EdgeSampler, Negatives, VisitSampler
from graphtune.sampling.visits import VISIT
from graphtune.split import VALID
from graphtune.testing import checkerboard, inverse_relations, two_cliques
from graphtune.train.fit import Run, Training, fit
from graphtune.train.schedule import Clock
from graphtune.train.steps import AutogradStep, FusedStep, make_step

QUIET = Run(quiet=True)
SGD = TrainConfig(optimizer="sgd", lr=0.1, l2=0.01, device="cpu", patience=0)


def events(users=40, items=30, share=0.2, seed=0):
    took = np.random.default_rng(seed).random((users, items)) < share
    user, item = np.nonzero(took)
    ids = NodeIds.of(range(users), range(items), kinds=("user", "item"))
    return Graph(np.stack([user, users + item]), ids, directed=True)


# ---- the kernel ---------------------------------------------------------------------------------------------


def slow_triplets(source, target, user, positive, negative, rate, l2):
    """The same in float64: the margins of eight lanes at a time, then their steps. Returns the measured loss."""
    count, losses, tied = negative.shape[1], [], source is target
    triplets = [(user[b], positive[b], negative[b, k], rate[b, k]) for b in range(len(user)) for k in range(count)]
    lane = -(-len(triplets) // CELLS)
    for first in range(lane):
        tile = triplets[first::lane]
        missed = [1 / (1 + np.exp(source[u] @ (target[v] - target[n]))) for u, v, n, _ in tile]
        for i, ((u, v, n, lr), share) in enumerate(zip(tile, missed)):
            if lr == 0 or v == n or (tied and u in (v, n)):
                continue
            if i == 0:
                losses.append(-np.log(1 - share))
            x, y, z = source[u].copy(), target[v].copy(), target[n].copy()
            source[u] += lr * (share * (y - z) - 2 * l2 * x)
            target[v] += lr * (share * x - 2 * l2 * y)
            target[n] -= lr * share * x
    return np.mean(losses)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("dim, count", [(1, 1), (8, 3), (16, 1), (37, 2), (64, 1)])
def test_pass_follows_the_slow_loop(dim, count, tied):
    rng = np.random.default_rng(0)
    source = rng.normal(0, 0.5, (12, dim)).astype(np.float32)
    target = source if tied else rng.normal(0, 0.5, (12, dim)).astype(np.float32)
    user, positive = rng.integers(0, 12, (2, 61))
    negative = rng.integers(0, 12, (61, count))  # some are their own positive or user
    rate = rng.choice(np.float32([0.0, 0.05, 0.1]), (61, count))
    slow_source = source.astype(np.float64)
    slow_target = slow_source if tied else target.astype(np.float64)
    wanted = slow_triplets(slow_source, slow_target, user, positive, negative, rate, 0.02)
    loss = train_triplets(source, target, user, positive, negative, rate, 0.02)
    np.testing.assert_allclose(source, slow_source, atol=2e-5)  # the sigmoid is off by 1e-5
    np.testing.assert_allclose(target, slow_target, atol=2e-5)
    assert loss == pytest.approx(wanted, rel=1e-3)


@pytest.mark.parametrize("dim", [3, 8, 21, 64])
def test_vector_code_equals_the_plain_functions(dim):
    rng = np.random.default_rng(1)
    source, target = rng.normal(size=(2, 9, dim)).astype(np.float32)
    both = [(source.copy(), target.copy()) for _ in range(2)]
    sums = np.full((2, CELLS, WIDTH), np.nan, np.float32)
    rate = rng.random(CELLS).astype(np.float32)
    pull = np.empty((2, CELLS), np.float32)
    kernels = ((plain_gap, plain_pulls, plain_step), (vector_gap, vector_pulls, vector_step))
    for (x, y), found, pulls, (gap, weigh, step) in zip(both, sums, pull, kernels):
        called = _called(gap, weigh, step)
        called(x, y, found, rate, pulls)
    margin = [source[i] @ (target[i] - target[i + 1]) for i in range(CELLS)]
    np.testing.assert_allclose(sums[0].sum(1), margin, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(sums[1].sum(1), margin, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(pull[1], pull[0], atol=1e-6)
    np.testing.assert_allclose(both[1], both[0], rtol=1e-5, atol=1e-6)


def _called(gap, weigh, step):
    from numba import njit

    @njit
    def call(source, target, sums, rate, pull):
        for i in range(CELLS):
            gap(source, target, i, i, i + 1, i, sums)
        weigh(sums, rate, pull)
        for i in range(CELLS):
            step(source, target, i, i, i + 1, pull[i], np.float32(0.01))

    return call


@pytest.mark.parametrize("threads", [1, 3])
def test_pass_over_several_blocks_meets_every_triplet_once(threads):
    n = 8 * LEAST_TRIPLETS + 33
    source, target = np.zeros((n, 2), np.float32), np.zeros((2 * n, 2), np.float32)
    target[:n] = 1.0
    user = np.arange(n)
    train_triplets(source, target, user, user, user[:, None] + n, np.full((n, 1), 0.5, np.float32), threads=threads)
    np.testing.assert_allclose(source, 0.25)  # (1 - s(0)) * 0.5 * (1 - 0)


def test_numbers_that_are_not_finite_are_told():
    table = np.ones((3, 4), np.float32)
    table[0, 2] = np.nan
    one = np.array([0]), np.array([1]), np.array([[2]])
    assert np.isnan(train_triplets(table, table, *one, np.full((1, 1), 0.1, np.float32)))


# ---- the objective ------------------------------------------------------------------------------------------


def batch_of(known=None, shared=False):
    """Different rows in the three places, as examples that have not are left out."""
    rng = np.random.default_rng(3)
    negative = rng.integers(8, 12, 5 if shared else (20, 5))
    fields = rng.integers(0, 4, 20), rng.integers(4, 8, 20), negative
    mask = None if known is None else torch.from_numpy(rng.random((20, 5)) < known)
    if mask is not None and known < 1:
        mask[:, 0] = False  # an example of which everything is known is left out, with its penalty
    return Batch(*map(torch.from_numpy, fields), known=mask)


@pytest.mark.parametrize("l2", [0.0, 0.3])
@pytest.mark.parametrize("batch", [batch_of(), batch_of(0.4), batch_of(1.0), batch_of(0.4, True)])
@pytest.mark.parametrize("recipe", [BPRMF(dim=5), LINE(dim=5, order="second")], ids=["dot", "context"])
def test_fused_step_equals_autograd(recipe, batch, l2):
    """At a tiny rate a fused pass is one plain step down the summed loss and penalty of the batch."""
    model = recipe.build(two_cliques())
    with torch.no_grad():
        for n, parameter in enumerate(model.parameters()):
            parameter.copy_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(n)))
    twin, config = model.copy(), replace(SGD, lr=1e-4, l2=l2)
    reference = AutogradStep(twin, BPR(), config)
    (reference.loss(batch, Clock()) * len(batch)).backward()
    fused = make_step(model, BPR(), config)
    assert isinstance(fused, FusedStep)
    fused(batch, Clock())
    everything_known = batch.known is not None and bool(batch.known.all())
    for new, old in zip(model.parameters(), twin.parameters()):
        if everything_known:  # then there is nothing that a row would be moved for
            assert torch.equal(new, old)
            continue
        torch.testing.assert_close((old - new).detach() / config.lr, old.grad, atol=0.02, rtol=0.01)
        assert old.grad.abs().max() > 1, "the tolerance must be small beside the gradient"


def test_the_rate_of_the_clock_counts():
    model = BPRMF(dim=4).build(checkerboard())
    before = model.encoder.weight.detach().clone()
    batch = next(BPRMF(dim=4).pretraining(checkerboard(), SGD)[0].batches(0))
    make_step(model, BPR(), SGD)(batch, Clock(rate=0.0))
    assert torch.equal(model.encoder.weight, before)


@pytest.mark.parametrize(
    "recipe, objective, options",
    [
        (BPRMF(dim=4), BPR(), {"optimizer": "adamw"}),
        (BPRMF(dim=4), BPR(), {"l1": 0.1}),
        (BPRMF(dim=4), BPR(), {"n3": 0.1}),
        (BPRMF(dim=4), BPR(), {"clip_norm": 1.0}),
        (BPRMF(dim=4), Hardest(BPR(), 2), {}),
        (LINE(dim=4, order="second", table_dtype="float32"), BPR(), {"row_dropout": 0.1}),
        (LightGCN(dim=4), BPR(), {}),
    ],
)
def test_what_the_kernel_does_not_know_takes_autograd(recipe, objective, options):
    assert isinstance(make_step(recipe.build(checkerboard()), objective, replace(SGD, **options)), AutogradStep)


def test_weighted_examples_take_longer_steps():
    graph = checkerboard()
    split = gt.split_edges(graph.replace(weight=np.arange(graph.num_edges) + 1.0), seed=0)
    model = BPRMF(dim=4).build(split.train)
    task = gt.Recommendation(split, loss="bpr", negatives=1, sample_weight="column")
    training = task.training(model, SGD)
    assert isinstance(make_step(model, training.objective, SGD), FusedStep)
    batch = next(training.sampler.batches(0))
    assert batch.weight is not None
    twice, doubled = model.copy(), model.copy()
    BPR().update(twice, replace(batch, weight=torch.full((len(batch),), 2.0)), 0.1, 1, 0.01)
    BPR().update(doubled, replace(batch, weight=None), 0.2, 1, 0.01)
    torch.testing.assert_close(twice.encoder.weight, doubled.encoder.weight)


# ---- the sampler --------------------------------------------------------------------------------------------


def edges_of(batches):
    return np.concatenate([np.stack([b.source, b.target]) for b in batches], axis=1)


def sampler_of(graph, batch_size=50, count=1, seed=0, **how):
    return VisitSampler(graph, batch_size, Negatives(count, unknown=True, **how), seed)


@pytest.mark.parametrize("graph", [events(share=0.8), two_cliques(), events(users=1)], ids=["log", "undirected", "one"])
def test_every_edge_comes_once_an_epoch_in_visits(graph):
    csr = graph.adjacency("out")
    wanted = np.stack([np.repeat(np.arange(graph.num_nodes), csr.degree), csr.indices])
    orders = []
    for epoch in range(2):
        source, target = found = edges_of(sampler_of(graph).batches(epoch))
        order = np.lexsort(found[::-1])
        assert np.array_equal(found[:, order], wanted)
        runs = np.flatnonzero(np.append(True, source[1:] != source[:-1]))
        visits = -(-csr.degree // VISIT)
        assert len(runs) <= visits.sum()
        orders.append(target)
    assert np.array_equal(*orders) == (len(visits[visits > 0]) < 2 and visits.sum() == 1)


def test_batches_have_about_the_size_asked_for():
    graph = events(400, 200, 0.3)
    sampler = sampler_of(graph, 1000)
    sizes = [len(b) for b in sampler.batches(0)]
    assert len(sizes) == sampler.num_batches
    assert sum(sizes) == graph.num_edges
    assert np.mean(sizes[:-1]) == pytest.approx(1000, rel=0.05)


@pytest.mark.parametrize("noise", ["uniform", "degree", "in-batch"])
def test_a_batch_is_a_function_of_seed_epoch_and_number(noise):
    graph = events()
    whole = list(sampler_of(graph, count=3, noise=noise).batches(2))
    assert len(whole) > 3
    later = list(sampler_of(graph, count=3, noise=noise).batches(2, 2))
    for a, b in zip(whole[2:], later, strict=True):
        assert all(torch.equal(getattr(a, name), getattr(b, name)) for name in ("source", "target", "negative"))
    for other in (sampler_of(graph, seed=1).batches(2), sampler_of(graph).batches(1)):
        assert not torch.equal(next(other).target, whole[0].target)


def test_negatives_are_never_known():
    graph = events(share=0.6)
    took = set(map(tuple, graph.edges.T))
    for batch in sampler_of(graph, count=4).batches(0):
        pairs = zip(batch.source.repeat_interleave(4).tolist(), batch.negative.reshape(-1).tolist())
        assert not took & set(pairs)
        assert batch.negative.min() >= 40
        assert batch.known is None


def test_negatives_of_long_rows_are_uniform_over_what_is_left():
    """Rows longer than what is compared at once, so that the bisection before it has its part."""
    items, known = 600, np.sort(np.random.default_rng(0).permutation(600)[:500])
    found = unknown_targets(np.array([0, 500]), known.astype(np.int32), np.zeros(20000, int), 1, 0, items, 3, None)
    counts = np.bincount(found[:, 0], minlength=items)
    free = np.setdiff1d(np.arange(1, items), known)  # 0 is the row itself
    assert counts.sum() == counts[free].sum()
    assert chisquare(counts[free]).pvalue > 1e-3


def test_what_the_sampler_refuses():
    with pytest.raises(ArgumentError, match="`graph` of VisitSampler must be without relations"):
        sampler_of(inverse_relations())
    with pytest.raises(ArgumentError, match="`negatives` of VisitSampler must be of noise uniform"):
        sampler_of(events(), noise="bernoulli")


def test_only_plain_sgd_comes_in_visits():
    graph = checkerboard()
    kinds = [type(BPRMF(dim=4).pretraining(graph, replace(SGD, optimizer=o))[0]) for o in ("sgd", "adamw")]
    assert kinds == [VisitSampler, EdgeSampler]


# ---- runs ---------------------------------------------------------------------------------------------------


RUN = replace(SGD, epochs=12, batch_size=64, schedule="linear", average="ema", deterministic=True)


def run(config=RUN, graph=None, around=QUIET):
    graph = graph or checkerboard()
    recipe = BPRMF(dim=8)
    sampler, objective = recipe.pretraining(graph, config)
    return fit(recipe.build(graph, config.seed), Training("test", sampler, objective), config, around)


def test_a_deterministic_run_has_the_same_bits_with_any_number_of_threads(monkeypatch):
    found = []
    for threads in ("1", "2", "3"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        found.append(run(replace(RUN, batch_size=20000, epochs=2), events(300, 300, 0.2)).model.embeddings())
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


def test_it_learns_what_was_taken(tmp_path):
    """Two tastes: a user of one takes half of its items, of which one each is hidden for validation."""
    rng, users, items = np.random.default_rng(0), 60, 40
    took = rng.random((users, items)) < np.where((np.arange(users)[:, None] + np.arange(items)) % 2, 0.02, 0.6)
    user, item = np.nonzero(took)
    ids = NodeIds.of(range(users), range(items), kinds=("user", "item"))
    split = gt.split_edges(Graph(np.stack([user, users + item]), ids, directed=True), (0.7, 0.15, 0.15), seed=0)
    config = replace(BPRMF(dim=8).training(), epochs=60, eval_every=10)
    result = gt.pretrain(BPRMF(dim=8), split, config, run=QUIET)
    assert result.history[-1]["loss"] < 0.5 * result.history[0]["loss"]
    start = BPRMF(dim=8).build(split.train)
    task = gt.Recommendation(split, k=10)
    before, after = (task.evaluate(model, VALID)["recall_10"] for model in (start, result.model))
    assert after > 0.5 > before


def test_it_validates_stops_and_keeps_the_best():
    split = gt.split_edges(checkerboard(), (0.6, 0.2, 0.2), seed=0)
    config = replace(BPRMF(dim=8).training(), epochs=200, patience=2, eval_every=1)
    result = gt.pretrain(BPRMF(dim=8), split, config, run=QUIET)
    assert result.stopped_early
    assert result.best_epoch == len(result.history) - 2
