"""Queries with all their targets: batches, losses against naive ones, and the gradient that is rounded by chance."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from graphtune.batch import Batch
from graphtune.check import ArgumentError
from graphtune.config import TrainConfig
from graphtune.graph import Graph
from graphtune.ids import NodeIds
from graphtune.kernels import grouped
from graphtune.kernels.choice import WALKS
from graphtune.kernels.grouped import LARGE, entries_times, softmax_entries, weighed
from graphtune.models import ComplEx, DistMult, LightGCN, TransE
from graphtune.objectives import KvsAll, KvsAllBCE, OneVsAll
from graphtune.objectives.grouped import rounded_entropy
from graphtune.objectives.relations import relation_entropy
from graphtune.sampling import QuerySampler
from graphtune.tasks.run import pretrain
from graphtune.testing import QUIET, checkerboard, equal, inverse_relations
from graphtune.train.schedule import Clock
from graphtune.train.steps import AutogradStep, penalty, reduce

B, N, D = 23, 211, 13  # no multiples of tiles, panels or vectors


def drawn(*shape, scale=1.0, seed=0):
    return scale * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def queries(scale=1.0):
    """Queries, keys, bounds, targets and phases of which some queries have many targets."""
    count = torch.tensor([1, 2, 40, 1, 1, 9] + [1] * (B - 6))
    target = torch.cat([torch.randperm(N, generator=torch.Generator().manual_seed(i))[:c] for i, c in enumerate(count)])
    bounds = F.pad(count.cumsum(0), (1, 0))
    phase = torch.rand(B, generator=torch.Generator().manual_seed(3))
    return drawn(B, D, scale=scale), drawn(N, D, seed=1), bounds, target, phase


def reference(query, key, bounds, target, smoothing=0.0):
    of = torch.arange(len(query)).repeat_interleave(bounds.diff())
    return F.cross_entropy((query @ key.T)[of], target, reduction="none", label_smoothing=smoothing)


@pytest.fixture
def graph():
    """40 nodes, 3 relations, 300 triples of which some are there twice."""
    edges, relation = np.random.default_rng(0).integers(0, 40, (2, 300)), np.random.default_rng(1).integers(0, 3, 300)
    edges, relation = np.append(edges, edges[:, :9], axis=1), np.append(relation, relation[:9])
    names = NodeIds.of(range(40)), NodeIds.of(["a", "b", "c"])
    return Graph(edges, names[0], directed=True, relation=relation, relation_ids=names[1])


def trained(recipe, graph):
    """A model whose weights are large enough to tell mistakes."""
    model = recipe.build(graph)
    with torch.no_grad():
        for i, parameter in enumerate(model.parameters()):
            parameter.copy_(drawn(*parameter.shape, scale=0.7, seed=i))
    return model


def triples_of(batch):
    of = batch.query()
    return np.stack([batch.source[of], batch.relation[of], batch.target], 1)


def test_an_epoch_has_every_triple_both_ways_once(graph):
    sampler = QuerySampler(graph, 16, seed=3)
    batches = list(sampler.batches(0))
    assert len(batches) == sampler.num_batches and {len(b.count) for b in batches[:-1]} == {16}
    found = np.concatenate([triples_of(b) for b in batches])
    (head, tail), r = graph.edges, graph.relation
    both = np.concatenate([np.stack([head, r, tail], 1), np.stack([tail, r + 3, head], 1)])
    wanted, times = np.unique(both, axis=0, return_counts=True)
    order = np.lexsort(found.T[::-1])
    np.testing.assert_array_equal(found[order], wanted)
    np.testing.assert_array_equal(torch.cat([b.weight for b in batches])[order], times)
    asked = np.concatenate([np.stack([b.source, b.relation], 1) for b in batches])
    assert len(np.unique(asked, axis=0)) == len(asked), "each query once"
    assert not np.array_equal(batches[0].source, next(sampler.batches(1)).source), "another epoch, another order"


def test_weights_of_triples_are_those_of_their_examples(graph):
    weight = np.random.default_rng(0).random(graph.num_edges)
    batches = list(QuerySampler(graph, 1000, weight).batches(0))
    assert batches[0].weight.sum().item() == pytest.approx(2 * weight.sum(), rel=1e-5)
    with pytest.raises(ArgumentError, match="one number per edge"):
        QuerySampler(graph, 10, weight[1:])


def test_equal_weights_are_none():
    assert next(QuerySampler(inverse_relations(), 10).batches(0)).weight is None


def test_parts_of_a_batch_are_its_queries_in_order(graph):
    batch = next(QuerySampler(graph, 50).batches(0))
    parts = batch.split(4)
    assert [len(p.count) for p in parts] == [13, 13, 13, 11]
    for name in ("source", "relation", "count", "target", "phase", "weight"):
        assert torch.equal(torch.cat([getattr(p, name) for p in parts]), getattr(batch, name))
    assert all(len(p) == p.count.sum() for p in parts) and len(batch.nodes()) == 50 + len(batch)


@pytest.mark.parametrize("rounding", [0.5, 1 / 16, 1 / 300])
def test_entries_are_few_and_right_on_average(rounding):
    query, key, bounds, target, _ = queries()
    steps, mean = 400, np.zeros((B, N))
    count = bounds.diff().numpy()
    for i in range(steps):
        phase = np.full(B, (i + 0.5) / steps, np.float32)
        _, _, entries = softmax_entries(*(x.numpy() for x in (query, key, bounds, target)), phase, rounding)
        assert np.all(entries.filled <= np.minimum(N, count / rounding + WALKS))
        for b in range(B):
            room = slice(entries.start[b], entries.start[b] + entries.filled[b])
            assert np.all(entries.value[room] >= rounding / count[b] * 0.999)
            assert np.all(np.diff(entries.column[room]) > 0), "each once"
            mean[b, entries.column[room]] += entries.value[room] / steps
    share = torch.softmax(query @ key.T, 1).numpy()
    limit = (rounding / count)[:, None]
    large = share > 1.01 * limit
    np.testing.assert_allclose(mean[large], share[large], rtol=2e-3)
    assert np.all(np.abs(mean - share) <= 2e-3 * share + 1.1 * limit / steps)


@pytest.mark.parametrize(("bits", "off"), [(16, 1e-4), (8, 2e-3)])
def test_keys_that_no_cache_holds_score_alike(bits, off, monkeypatch):
    monkeypatch.setattr(grouped, "MANY", 0 if bits == 8 else 10**9)
    rng, size = np.random.default_rng(0), LARGE * 8 // bits // 1600 + 20
    key, query = (rng.normal(size=(rows, 1600)).astype(np.float32) / 40 for rows in (size, 201))
    bounds, target = np.arange(202), rng.integers(0, len(key), 201)
    right, log_sum, entries = softmax_entries(query, key, bounds, target, np.full(201, 0.5, np.float32), 0.01)
    scores = query.astype(np.float64) @ key.T
    np.testing.assert_allclose(right, scores[np.arange(201), target], atol=off)
    np.testing.assert_allclose(log_sum, np.log(np.exp(scores).sum(1)), atol=1e-4)
    kept = [entries.value[at : at + count] for at, count in zip(entries.start, entries.filled)]
    np.testing.assert_allclose([part.sum() for part in kept], 1, atol=0.05)  # five entries of .01


def test_losses_and_gradients_in_8_bits_are_close(monkeypatch):
    monkeypatch.setattr(grouped, "MANY", 0)
    query, key, bounds, target, phase = queries()
    query.requires_grad_(), key.requires_grad_()
    exact = reference(query, key, bounds, target)
    found = rounded_entropy(query, key, bounds, target, phase, 1e-6)
    assert (found - exact).std() <= 0.02 * exact.std()
    for a, b in zip(*(torch.autograd.grad(loss.sum(), (query, key)) for loss in (found, exact))):
        assert (a - b).norm() <= 0.02 * b.norm()


def test_products_of_entries_are_dense_ones():
    query, key, bounds, target, phase = (x.numpy() for x in queries())
    weight = np.random.default_rng(0).random(len(target)).astype(np.float32)
    _, _, entries = softmax_entries(query, key, bounds, target, phase, 0.1)
    entries = weighed(entries, bounds, target, weight, 0.8)
    dense = np.zeros((B, N))
    for b in range(B):
        for i in range(entries.start[b], entries.start[b] + entries.filled[b]):
            dense[b, entries.column[i]] += entries.value[i]
    by_query, by_key = entries_times(entries, query, key)
    np.testing.assert_allclose(by_query, dense @ key, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(by_key, dense.T @ query, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("scale", [0.1, 3.0])
def test_rounded_entropy_is_torchs_cross_entropy(scale, smoothing):
    query, key, bounds, target, phase = queries(scale)
    query.requires_grad_(), key.requires_grad_()
    weight = torch.linspace(0.1, 2, len(target))
    exact = reference(query, key, bounds, target, smoothing)
    wanted = torch.autograd.grad((exact * weight).sum(), (query, key))
    fine = rounded_entropy(query, key, bounds, target, phase, 1e-6, smoothing)
    torch.testing.assert_close(fine, exact, rtol=1e-3, atol=2e-3)
    for found, right in zip(torch.autograd.grad((fine * weight).sum(), (query, key)), wanted):
        torch.testing.assert_close(found, right, rtol=1e-2, atol=2e-3 * right.abs().max().item())
    steps = 200
    means = [torch.zeros_like(x) for x in wanted]
    for i in range(steps):
        rough = rounded_entropy(query, key, bounds, target, torch.full((B,), (i + 0.5) / steps), 0.25, smoothing)
        torch.testing.assert_close(rough, fine)
        for mean, part in zip(means, torch.autograd.grad((rough * weight).sum(), (query, key))):
            mean += part / steps
    for found, right in zip(means, wanted):
        torch.testing.assert_close(found, right, rtol=2e-2, atol=5e-3 * right.abs().max().item())


def test_rounded_entropy_does_not_depend_on_threads(monkeypatch):
    query, key, bounds, target, phase = queries()
    found = []
    for threads in ("1", "3"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        leaves = query.clone().requires_grad_(), key.clone().requires_grad_()
        loss = rounded_entropy(*leaves, bounds, target, phase, 0.1)
        found.append((loss, *torch.autograd.grad(loss.sum(), leaves)))
    assert all(torch.equal(a, b) for a, b in zip(*found))


def test_targets_must_be_keys():
    query, key, bounds, target, phase = queries()
    with pytest.raises(IndexError, match=f"from 0 to {N - 1}"):
        rounded_entropy(query, key, bounds, target + N, phase, 0.1)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("recipe", [ComplEx(dim=8), DistMult(dim=8), TransE(dim=8, norm=2)], ids=repr)
def test_k_vs_all_is_one_vs_all_of_its_triples(recipe, smoothing, graph):
    """The same loss, penalties and gradients, in float64 where a model has no kernels of float32."""
    config = TrainConfig(n3=0.1, l2=0.2, l1=0.05)
    model = trained(recipe, graph)
    grouped = next(QuerySampler(graph, 30).batches(0))
    source, relation, target = map(torch.from_numpy, triples_of(grouped).T)
    alone = Batch(source=source, target=target, relation=relation, weight=grouped.weight)
    found = []
    for objective, batch in ((KvsAll(smoothing, rounding=0), grouped), (OneVsAll(smoothing), alone)):
        losses = objective(model, batch)
        total = reduce(losses, batch.weight) + penalty(losses.factors, config, losses.times)
        found.append((losses.values, total, *torch.autograd.grad(total, list(model.parameters()))))
    for ours, other in zip(*found):
        torch.testing.assert_close(ours, other, rtol=2e-4, atol=1e-5)


def test_k_vs_all_rounded_is_the_exact_one_on_average(graph):
    model, batch, steps = trained(ComplEx(dim=8), graph), next(QuerySampler(graph, 30).batches(0)), 100
    weights = list(model.parameters())
    exact = torch.autograd.grad(KvsAll(rounding=0)(model, batch).values.mean(), weights)
    means = [torch.zeros_like(w) for w in weights]
    for i in range(steps):
        values = KvsAll(rounding=0.3)(model, replace(batch, phase=torch.full((30,), (i + 0.5) / steps))).values
        for mean, part in zip(means, torch.autograd.grad(values.mean(), weights)):
            mean += part / steps
    for mean, right in zip(means, exact):
        torch.testing.assert_close(mean, right, rtol=2e-2, atol=1e-2 * right.abs().max().item())


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_bce_is_that_of_all_nodes(smoothing, graph):
    model, batch = trained(DistMult(dim=8), graph), next(QuerySampler(graph, 30).batches(0))
    z = model.encoder(None)
    scores = model.scorer.query(z[batch.source], batch.relation) @ z.T
    wanted = torch.zeros_like(scores)
    wanted[batch.query(), batch.target] = 1.0
    wanted = (1 - smoothing) * wanted + smoothing / scores.shape[1]
    naive = F.binary_cross_entropy_with_logits(scores, wanted, reduction="none").sum(1)
    values = KvsAllBCE(smoothing)(model, batch).values
    torch.testing.assert_close(values, (naive / batch.count)[batch.query()], rtol=1e-4, atol=1e-4)
    assert values.sum().item() == pytest.approx(naive.sum().item(), rel=1e-4)


@pytest.mark.parametrize("rounding", [0.0, 1e-6])
@pytest.mark.parametrize("recipe", [ComplEx(dim=8), DistMult(dim=8), TransE(dim=8)], ids=repr)
def test_relation_entropy_scores_every_relation(recipe, rounding, graph):
    model = trained(recipe, graph)
    scorer, z = model.scorer, model.encoder(None)
    source, relation, target = torch.tensor([[0, 4, 7, 9], [0, 5, 2, 3], [3, 4, 1, 30]])
    scores = [scorer.pair(scorer.query(z[source], torch.full_like(relation, r)), z[target]) for r in range(6)]
    naive = F.cross_entropy(torch.stack(scores, 1), relation, reduction="none")
    phase = torch.rand(4, generator=torch.Generator().manual_seed(0))
    found = relation_entropy(scorer, z[source], relation, scorer.key(z[target], target), phase, rounding)
    torch.testing.assert_close(found, naive, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("kind", [KvsAll, KvsAllBCE])
def test_relation_weight_adds_relation_entropy(kind, graph):
    model, batch = trained(ComplEx(dim=8), graph), next(QuerySampler(graph, 30).batches(0))
    of, z = batch.query(), model.encoder(None)
    alone, both = (kind(relation_weight=w)(model, batch).values for w in (0.0, 0.5))
    rows = z[batch.source[of]], batch.relation[of], z[batch.target]
    torch.testing.assert_close(both, alone + 0.5 * relation_entropy(model.scorer, *rows), rtol=1e-3, atol=1e-3)


def test_one_vs_all_and_k_vs_all_predict_relations_alike(graph):
    model, grouped = trained(ComplEx(dim=8), graph), next(QuerySampler(graph, 30).batches(0))
    of = grouped.query()
    alone = Batch(source=grouped.source[of], target=grouped.target, relation=grouped.relation[of])
    one, many = OneVsAll(0.1, 0.5)(model, alone), KvsAll(0.1, 0.5, rounding=0)(model, grouped)
    torch.testing.assert_close(one.values, many.values, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("objective", [KvsAll(relation_weight=0.5), KvsAll(rounding=0), KvsAllBCE(0.1)], ids=repr)
def test_a_step_in_parts_is_that_of_the_whole(objective, graph):
    """Rounding too, as its numbers of chance go with the queries."""
    config = TrainConfig(optimizer="sgd", lr=0.1, n3=0.1)
    batch, models = next(QuerySampler(graph, 60).batches(0)), [trained(ComplEx(dim=8), graph) for _ in range(2)]
    for model, parts in zip(models, (1, 3)):
        AutogradStep(model, objective, replace(config, accumulate=parts))(batch, Clock())
    for ours, other in zip(*(model.parameters() for model in models)):
        torch.testing.assert_close(ours, other, rtol=1e-4, atol=1e-6)


def test_swap_is_refused(graph):
    recipe = ComplEx(dim=8)
    with pytest.raises(ArgumentError, match="`swap` of TrainConfig must be 0 for the losses 'k-vs-all'"):
        pretrain(recipe, graph, replace(recipe.training(), epochs=1, swap=0.1), run=QUIET)


def test_relation_weight_is_of_losses_against_every_entity():
    with pytest.raises(ArgumentError, match="`relation_weight` of ComplEx must be 0 unless the loss is one of"):
        ComplEx(loss="self-adversarial", relation_weight=0.1)
    with pytest.raises(ArgumentError, match="`rounding` of DistMult"):
        DistMult(rounding=-1.0)


def test_repeats_bit_for_bit(graph):
    recipe = ComplEx(dim=8, relation_weight=0.5)
    config = replace(recipe.training(), epochs=2, batch_size=16)
    once, again = (pretrain(recipe, graph, config, run=QUIET).model for _ in range(2))
    assert equal(once, again)


def test_bf16_takes_the_dense_products(graph):
    """Autocast decides on products, so nothing is rounded by chance."""
    model, batch = trained(ComplEx(dim=8), graph), next(QuerySampler(graph, 30).batches(0))
    with torch.autocast("cpu", torch.bfloat16):
        one, other = (KvsAll()(model, replace(batch, phase=torch.full((30,), p))).values for p in (0.1, 0.7))
        exact = KvsAll(rounding=0)(model, batch).values
    assert torch.equal(one, exact) and torch.equal(other, exact)


def test_edges_without_relations_are_queries_too():
    """Directed edges are read forwards, undirected ones both ways; one that is there twice weighs twice."""
    edges = np.array([[0, 0, 2, 0], [3, 4, 3, 3]])
    batch = next(QuerySampler(Graph(edges, NodeIds.range(5), directed=True), 9).batches(0))
    found = dict(zip(batch.source.tolist(), torch.tensor_split(batch.target, batch.bounds()[1:-1])))
    assert {u: v.tolist() for u, v in found.items()} == {0: [3, 4], 2: [3]} and not batch.relation.any()
    assert sorted(batch.weight.tolist()) == [1, 1, 2]
    batch = next(QuerySampler(Graph(edges[:, :3], NodeIds.range(5)), 9).batches(0))
    found = dict(zip(batch.source.tolist(), torch.tensor_split(batch.target, batch.bounds()[1:-1])))
    assert {u: v.tolist() for u, v in found.items()} == {0: [3, 4], 2: [3], 3: [0, 2], 4: [0]}


@pytest.mark.parametrize("rounding", [0.0, 1e-9])
def test_k_vs_all_of_items_is_one_vs_all_of_items(rounding):
    """The sum of losses, and its gradient, of all events are those of each event by itself, among items alone."""
    graph, recipe = checkerboard(), LightGCN(dim=8, layers=2, loss="k-vs-all", rounding=rounding)
    config = replace(recipe.training(), batch_size=10_000)
    sampler, objective = recipe.pretraining(graph, config)
    one, every = LightGCN(dim=8, layers=2, loss="full-softmax").pretraining(graph, config)
    model = recipe.build(graph)
    weight, sums = model.encoder.table.weight, []
    with torch.no_grad():
        weight *= 20
    for batches, loss in ((sampler, objective), (one, every)):
        weight.grad = None
        losses = loss(model, next(batches.batches(0)))
        losses.values.sum().backward()
        sums.append((losses.values.sum().item(), len(losses.values), weight.grad))
    assert sums[0][0] == pytest.approx(sums[1][0], rel=1e-4) and sums[0][1] == sums[1][1] == graph.num_edges
    torch.testing.assert_close(sums[0][2], sums[1][2], rtol=1e-3, atol=2e-3)
