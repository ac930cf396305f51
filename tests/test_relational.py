"""Encoders of graphs with relations: each layer against a loop over its edges, what scorers read of them, views."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse as sp
import torch

import graphtune as gt
from graphtune.batch import Batch
from graphtune.check import ArgumentError
from graphtune.graph import Graph
from graphtune.ids import NodeIds
from graphtune.kernels.messages import composed, mix_gradient, mixed
from graphtune.models import RGCN, CompGCN, ComplEx
from graphtune.models.compgcn import CompGCNEncoder, CompGCNLayer
from graphtune.models.messages import COMPOSITIONS, NORMS, Messages, basis_product, compose, composed_sum
from graphtune.models.relational import SCORERS
from graphtune.models.rgcn import RGCNLayer
from graphtune.models.views import View
from graphtune.start import start_from_model
from graphtune.testing import inverse_relations
from graphtune.train.fit import Run, fit
from test_resume import check_resuming, train, training_of

QUIET = Run(quiet=True)
N, R, D = 9, 3, 6
CONFIG = gt.TrainConfig(epochs=6, batch_size=8, lr=0.05, patience=0, deterministic=True)


def knowledge(nodes=N, relations=R, edges=30, columns=0):
    """Random triples without repeats; a self-loop among them, a node without edges, two relations of one pair."""
    rng = np.random.default_rng(0)
    drawn = np.stack([*rng.integers(0, nodes - 1, (2, edges)), rng.integers(0, relations, edges)], axis=1)
    triples = np.unique(np.concatenate([drawn, [[2, 2, 1], [0, 1, 0], [0, 1, 2]]]), axis=0)
    names = NodeIds.of([f"r{i}" for i in range(relations)])
    features = rng.random((nodes, columns)) - 0.5 if columns else None
    edges, relation = triples[:, :2].T, triples[:, 2]
    return Graph(edges, NodeIds.range(nodes), True, relation=relation, relation_ids=names, features=features)


def both_ways(graph):
    """Every message as (source, relation, target), edges backwards under r + R."""
    for (h, t), r in zip(graph.edges.T.tolist(), graph.relation.tolist()):
        yield h, r, t
        yield t, r + graph.num_relations, h


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).requires_grad_()


def same_gradients(found, naive, inputs):
    """The values are close, and so are the gradients of their products with random numbers."""
    torch.testing.assert_close(found, naive)
    pull = torch.randn(found.shape, generator=torch.Generator().manual_seed(1))
    ours, theirs = (torch.autograd.grad((value * pull).sum(), inputs) for value in (found, naive))
    for a, b in zip(ours, theirs):
        torch.testing.assert_close(a, b)


# ---- what messages count ------------------------------------------------------------------------------------


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("share", [1.0, 0.5, 0.0])
def test_what_messages_count(norm, share):
    messages = Messages(knowledge(), norm)
    ends = list(zip(messages.source.tolist(), messages.relation.tolist(), messages.target.tolist()))
    assert sorted(ends) == sorted(both_ways(knowledge()))
    kept = torch.rand(len(ends), generator=torch.Generator().manual_seed(0)) < share
    stay = [end for end, stays in zip(ends, kept.tolist()) if stays]
    degree = np.bincount([t for _, _, t in stay], minlength=N)
    for (u, r, v), stays, weight in zip(ends, kept.tolist(), messages.weights(kept).tolist()):
        of_relation = sum(1 for _, other, target in stay if (other, target) == (r, v))
        count = {"relation": of_relation, "node": degree[v], "symmetric": np.sqrt(degree[u] * degree[v])}[norm]
        assert weight == pytest.approx(1 / count if stays else 0.0)


def test_all_are_kept_unless_told():
    messages = Messages(knowledge(), "relation")
    assert torch.equal(messages.weights(), messages.weights(torch.ones(len(messages.source), dtype=torch.bool)))


# ---- sums of messages, forwards and backwards ---------------------------------------------------------------


def random_messages(norm, by_direction=False):
    """Messages of which a third is dropped."""
    messages = Messages(knowledge(), norm, by_direction)
    kept = torch.rand(len(messages.source), generator=torch.Generator().manual_seed(2)) < 0.7
    return messages, messages.weights(kept)


def naive_basis_product(x, mix, bases, messages, weight):
    rows = [torch.zeros(bases.shape[2]) for _ in range(N)]
    for u, r, v, w in zip(messages.source, messages.relation, messages.target, weight):
        matrix = sum(a * basis for a, basis in zip(mix[r], bases))
        rows[v] = rows[v] + w * (x[u] @ matrix)
    return torch.stack(rows)


def test_a_product_with_bases_by_a_loop():
    messages, weight = random_messages("relation")
    inputs = x, mix, bases = drawn(N, D), drawn(2 * R, 2, seed=1), drawn(2, D, 4, seed=2)
    found = basis_product(x, mix, bases, messages, weight)
    same_gradients(found, naive_basis_product(*inputs, messages, weight), inputs)


def naive_composition(a, b, how):
    if how == "corr":
        return torch.stack([sum(a[i] * b[(i + k) % D] for i in range(D)) for k in range(D)])
    return a - b if how == "sub" else a * b


@pytest.mark.parametrize("how", COMPOSITIONS)
@pytest.mark.parametrize("dim", [D, 5])
def test_composed_messages_by_a_loop(how, dim, monkeypatch):
    monkeypatch.setitem(globals(), "D", dim)
    messages, weight = random_messages("symmetric", by_direction=True)
    inputs = x, rows = drawn(N, dim), drawn(2 * R, dim, seed=1)
    naive = [torch.zeros(dim) for _ in range(2 * N)]
    for u, r, v, w in zip(messages.source, messages.relation, messages.target, weight):
        at = 2 * int(v) + int(r >= R)
        naive[at] = naive[at] + w * naive_composition(x[u], rows[r], how)
    same_gradients(composed_sum(x, rows, how, messages, weight), torch.stack(naive), inputs)
    one = compose(x[:3], rows[:3], how)
    torch.testing.assert_close(one, torch.stack([naive_composition(a, b, how) for a, b in zip(x[:3], rows[:3])]))


@pytest.mark.parametrize("how", [*COMPOSITIONS, "bases"])
def test_plain_torch_gives_what_kernels_give(how, monkeypatch):
    """What runs on other devices."""
    messages, weight = random_messages("symmetric", by_direction=how != "bases")
    inputs = (drawn(N, D), drawn(2 * R, D, seed=1)) + ((drawn(D, D, 4, seed=2),) if how == "bases" else ())

    def total():
        if how == "bases":
            return basis_product(*inputs, messages, weight)
        return composed_sum(*inputs, how, messages, weight)

    found = total()
    monkeypatch.setattr("graphtune.models.messages.has_kernels", lambda x: False)
    same_gradients(found, total(), inputs)


def test_kernels_by_a_plain_loop():
    rng = np.random.default_rng(0)
    indptr = np.array([0, 3, 3, 7])
    left, right = rng.integers(0, 4, 7), rng.integers(0, 5, 7)
    weight = rng.random(7).astype(np.float32) * (np.arange(7) != 4)
    x, mix, pull = (rng.standard_normal(s).astype(np.float32) for s in ((4, 6), (5, 2), (3, 2, 6)))
    rows, by_mix, sums = np.zeros((3, 2, 6)), np.zeros((5, 2)), np.zeros((3, 6), complex)
    a, b = x.astype(np.complex64) * (1 + 2j), np.resize(x, (5, 6)).astype(np.complex64) * (2 - 1j)
    for row, (begin, end) in enumerate(pairwise(indptr)):
        for m in range(begin, end):
            rows[row] += weight[m] * np.outer(mix[right[m]], x[left[m]])
            by_mix[right[m]] += weight[m] * pull[row] @ x[left[m]]
            sums[row] += weight[m] * a[left[m]] * b[right[m]]
    np.testing.assert_allclose(mixed(indptr, left, right, weight, mix, x), rows, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(mix_gradient(indptr, left, right, weight, 5, x, pull), by_mix, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(composed(indptr, left, right, weight, a, b), sums, rtol=1e-5, atol=1e-5)


# ---- layers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("norm", ["relation", "node"])
def test_an_rgcn_layer_is_that_of_pyg(norm):
    """PyG has the mean over the messages of a relation; here they are divided by all of a node too."""
    from torch_geometric.nn import RGCNConv

    messages = Messages(knowledge(), norm)
    layer = RGCNLayer(R, D, 4, bases=2, is_last=True)
    theirs = RGCNConv(D, 4, 2 * R, num_bases=2, aggr="mean" if norm == "relation" else "add")
    with torch.no_grad():
        theirs.weight.copy_(layer.bases)
        theirs.comp.copy_(layer.mix)
        theirs.root.copy_(layer.root.weight.T)
        theirs.bias.copy_(layer.root.bias)
    x = drawn(N, D)
    edges = torch.stack([messages.source, messages.target])
    if norm == "node":
        own = layer.root(x)
        degree = torch.bincount(messages.target, minlength=N).clamp_min(1)[:, None]
        expected = own + (theirs(x, edges, messages.relation) - own) / degree
    else:
        expected = theirs(x, edges, messages.relation)
    torch.testing.assert_close(layer(x, messages, messages.weights()), expected)
    layer.is_last = False
    torch.testing.assert_close(layer(x, messages, messages.weights()), expected.relu())


@pytest.mark.parametrize("how", COMPOSITIONS)
def test_a_compgcn_layer_by_a_loop(how):
    graph = knowledge()
    layer = CompGCNLayer(D, how, is_last=False)
    messages = Messages(graph, "symmetric", by_direction=True)
    x, rows = drawn(N, D), drawn(2 * R, D, seed=1)
    degree = np.bincount([v for _, _, v in both_ways(graph)], minlength=N)
    forwards, inverse = layer.directions.weight.T.split(D)
    total = [naive_composition(x[v], layer.loop[0], how) @ layer.own.weight.T for v in range(N)]
    for u, r, v in both_ways(graph):
        message = naive_composition(x[u], rows[r], how) @ (forwards if r < R else inverse)
        total[v] = total[v] + message / np.sqrt(degree[u] * degree[v])
    total = torch.stack(total)
    normed = (total - total.mean(0)) / (total.var(0, correction=0) + 1e-5).sqrt()
    torch.testing.assert_close(layer(x, rows, messages, messages.weights()), normed.tanh(), rtol=1e-4, atol=1e-5)


def test_two_rgcn_layers_have_relu_between():
    model = RGCN(dim=4, layers=2, bases=2, dropout=0.0).build(knowledge())
    encoder = model.encoder
    hidden = encoder.layers[0](encoder.inputs(), encoder.messages, encoder.weight)
    assert (hidden >= 0).all() and (hidden == 0).any()
    expected = encoder.layers[1](hidden, encoder.messages, encoder.weight)
    assert torch.equal(encoder(), expected) and (expected < 0).any()


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("recipe", [RGCN(dim=4), CompGCN(dim=4)], ids=repr)
def test_features_stand_in_for_the_table(recipe, sparse):
    graph = knowledge(columns=5)
    if sparse:
        graph = graph.replace(features=sp.csr_array(np.abs(graph.features)))
    model = recipe.build(graph)
    inputs = model.encoder.inputs
    assert model.encoder.table_names == () and inputs.project.weight.shape == (4, 5)
    dense = inputs.features.to_dense() if sparse else inputs.features
    torch.testing.assert_close(inputs(), dense @ inputs.project.weight.T)
    model.encoder().sum().backward()
    assert inputs.project.weight.grad.any()


# ---- what scorers read --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SCORERS)
@pytest.mark.parametrize("layers", [1, 2])
def test_scorers_read_the_rows_that_layers_have_changed(name, layers):
    """W_rel of each layer, one after another: those but the last are the encoder's, the last is the scorer's."""
    graph = knowledge()
    model = CompGCN(dim=4, scorer=name, layers=layers).build(graph).eval()
    (table,) = model.scorer.relation_names
    rows = model.encoder.inputs.relation
    for layer in model.encoder.layers[:-1]:
        rows = rows @ layer.relate.weight.T
    rows = rows @ getattr(model.scorer.parametrizations, table).original
    plain = SCORERS[name](R, 4, 0)
    with torch.no_grad():
        plain.get_parameter(table).copy_(rows)
    z, relation = model.embeddings(), torch.arange(2 * R)
    query = plain.query(z[: 2 * R], relation)
    torch.testing.assert_close(model.scorer.query(z[: 2 * R], relation), query)
    found = model.frozen().pairs(np.arange(2 * R), np.zeros(2 * R, int), np.arange(2 * R))
    torch.testing.assert_close(torch.from_numpy(found), plain.pair(query, z[0]).detach())


def test_rows_of_relations_learn_through_the_scorer_and_through_messages():
    model = CompGCN(dim=4).build(knowledge())
    names = dict(model.named_parameters())
    assert "scorer.relation" not in names and names["scorer.parametrizations.relation.original"].shape == (4, 4)
    relation = model.encoder.inputs.relation
    (through_scorer,) = torch.autograd.grad(model.scorer.query(torch.ones(2, 4), torch.tensor([1, 4])).sum(), relation)
    assert through_scorer[[1, 4]].any() and not through_scorer[[0, 2, 3, 5]].any()
    (through_messages,) = torch.autograd.grad((model.encoder() ** 2 * torch.arange(4.0)).sum(), relation)
    assert through_messages.any()


def test_a_scorer_starts_as_its_seed_says_and_does_not_hold_the_encoder():
    first, again, other = (CompGCN(dim=4).build(knowledge(), seed).scorer.state_dict() for seed in (0, 0, 1))
    (name,) = first
    assert torch.equal(first[name], again[name]) and not torch.equal(first[name], other[name])


@pytest.mark.parametrize("recipe", [RGCN(dim=4, bases=2), CompGCN(dim=4)], ids=repr)
def test_rows_of_relations_go_by_name_to_another_model(recipe):
    """The other graph has them in another order."""
    graph = knowledge()
    order = np.array([2, 0, 1])
    names = NodeIds.of([f"r{i}" for i in order])
    other = recipe.build(graph.replace(relation=np.argsort(order)[graph.relation], relation_ids=names), seed=3)
    model = recipe.build(graph)
    start_from_model(model, other)
    (name,) = other.encoder.relation_names
    ours, theirs = (m.encoder.get_parameter(name) for m in (model, other))
    for r, number in enumerate(np.argsort(order)):
        assert torch.equal(ours[[r, r + R]], theirs[[number, number + R]])
    heads, tails = np.arange(6), np.arange(6)[::-1].copy()
    at = np.arange(6) % R
    expected = other.frozen().pairs(heads, tails, np.argsort(order)[at])
    np.testing.assert_allclose(model.frozen().pairs(heads, tails, at), expected, rtol=1e-4, atol=1e-6)


# ---- views, adapters, errors --------------------------------------------------------------------------------


def look(model, step=3, **options):
    model.encoder.begin_view(View(**options), model.graph)
    model.encoder.see(step, Batch(source=torch.tensor([0, 1])))


@pytest.mark.parametrize("options", [{"edge_dropout": 0.4}, {"node_dropout": 0.3}, {"subgraph": 1}], ids=str)
@pytest.mark.parametrize("recipe", [RGCN(dim=4, dropout=0.0, layers=2), CompGCN(dim=4, dropout=0.0)], ids=repr)
def test_a_view_is_the_graph_with_its_own_edges(recipe, options):
    graph = knowledge(40, edges=60)
    model = recipe.build(graph).train()
    look(model, **options)
    encoder = model.encoder
    kept = encoder.paths.keep(3, Batch(source=torch.tensor([0, 1])))
    forwards = kept & (encoder.messages.relation < R)
    edges = torch.stack([encoder.messages.source, encoder.messages.target])[:, forwards].numpy()
    assert edges.shape[1] not in (0, graph.num_edges) and 2 * edges.shape[1] == kept.sum()
    twin = recipe.build(graph.replace(edges=edges, relation=encoder.messages.relation[forwards].numpy()))
    twin.load_state_dict(model.state_dict())
    torch.testing.assert_close(model.encoder(), twin.encoder())
    assert not torch.allclose(model.encoder(), model.eval().encoder())


def test_edges_of_one_pair_leave_together():
    """Else the relation that stays gives the other away."""
    model = RGCN(dim=4).build(knowledge(6, 3, 60))
    for step in range(20):
        look(model, step, edge_dropout=0.5)
        paths = model.encoder.paths
        kept = paths.keep(step, None)
        pair = torch.minimum(paths.source, paths.target) * N + torch.maximum(paths.source, paths.target)
        assert all(len(kept[pair == one].unique()) == 1 for one in pair.unique())


@pytest.mark.parametrize("recipe", [RGCN(dim=4), CompGCN(dim=4)], ids=repr)
@pytest.mark.parametrize("options, why", [({"edge_add": 0.1}, "relation"), ({"feature_dropout": 0.1}, "no features")])
def test_views_that_cannot_be(recipe, options, why):
    with pytest.raises(ArgumentError, match=f"must be 0 for {type(recipe).__name__}Encoder, which .*{why}"):
        look(recipe.build(knowledge()), **options)


def test_columns_of_features_are_masked():
    model = RGCN(dim=4, dropout=0.0).build(knowledge(columns=40)).train()
    look(model, feature_dropout=0.5)
    assert model.encoder.seen_features[:, 0].abs().sum() in (0.0, 2 * model.encoder.inputs.features[:, 0].abs().sum())
    assert not torch.allclose(model.encoder(), model.eval().encoder())


@pytest.mark.parametrize("recipe", [RGCN(dim=4), CompGCN(dim=4)], ids=repr)
def test_adapters_start_as_nothing_and_are_the_only_ones_to_learn(recipe):
    graph = inverse_relations()
    start = recipe.build(graph)
    result = train(replace(CONFIG, adapter=2, freeze="scorer"), QUIET, recipe, graph)
    encoder = result.model.encoder
    assert encoder.adapter_width == 2
    before = dict(start.named_parameters())
    changed = {n for n, p in result.model.named_parameters() if n not in before or not torch.equal(p, before[n])}
    assert changed == {n for n, _ in result.model.named_parameters() if "adapter" in n}
    encoder.add_adapters(2)
    with pytest.raises(ArgumentError, match="adapter"):
        encoder.add_adapters(3)


@pytest.mark.parametrize(
    "make, name",
    [
        (lambda: RGCN(scorer="dot"), "scorer"),
        (lambda: RGCN(bases=0), "bases"),
        (lambda: RGCN(norm="symmetric"), "norm"),
        (lambda: RGCN(loss="hinge"), "loss"),
        (lambda: CompGCN(composition="add"), "composition"),
        (lambda: CompGCN(dim=5, scorer="complex"), "dim"),
        (lambda: CompGCN(dropout=1.0), "dropout"),
        (lambda: CompGCN(layers=0), "layers"),
        (lambda: RGCN().build(inverse_relations().replace(relation=None, relation_ids=None)), "graph"),
        (lambda: CompGCN().build(inverse_relations().replace(relation=None, relation_ids=None)), "graph"),
    ],
)
def test_bad_options(make, name):
    with pytest.raises(ArgumentError, match=f"`{name}`"):
        make()


# ---- training -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("recipe", [RGCN(dim=4, scorer="rotate", layers=2), CompGCN(dim=4, scorer="complex")], ids=repr)
def test_a_run_with_edges_left_out_resumes_bit_identically(tmp_path, recipe):
    graph, config = inverse_relations(), replace(CONFIG, edge_dropout=0.3, node_dropout=0.1)
    training = training_of(recipe, graph, config)

    def begin(run, wrap):
        return fit(recipe.build(graph), replace(training, sampler=wrap(training.sampler)), config, run)

    found = check_resuming(tmp_path, begin(QUIET, lambda sampler: sampler), begin, 10, save_steps=1)
    assert found["batch"] > 0


def test_messages_pass_over_the_train_part_alone():
    graph = knowledge(30, 3, 120)
    split = gt.split_triples(graph)
    model = gt.pretrain(CompGCN(dim=4, scorer="complex"), split, replace(CONFIG, epochs=1), run=QUIET).model
    assert len(model.encoder.messages.source) == 2 * split.train.num_edges < 2 * graph.num_edges
    assert isinstance(model.scorer, type(ComplEx(dim=4).build(graph).scorer))
    assert 0 < gt.TripleCompletion(split).evaluate(model)["mrr"] <= 1


def test_a_contract_holds_for_encoders_of_more_layers():
    encoder = CompGCNEncoder(inverse_relations(), 4, layers=3, composition="corr")
    assert encoder.layer_names == ("inputs", "layers.0", "layers.1", "layers.2")
    assert [name for name, _ in encoder.named_parameters() if "relate" in name] == [
        "layers.0.relate.weight",
        "layers.1.relate.weight",
    ]
