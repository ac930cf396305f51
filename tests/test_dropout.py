"""Dropout of rows and of edges, and the weights of edges that are left."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torch_geometric.nn import GCNConv
from torch_geometric.nn.conv.gcn_conv import gcn_norm

from graphtune.check import ArgumentError
from graphtune.config import TrainConfig
from graphtune.datasets import load_dataset
from graphtune.graph import Graph
from graphtune.ids import NodeIds
from graphtune.models import BPRMF, GAT, GCN, LINE, RECIPES, ComplEx, DeepWalk, GraphSAGE, LightGCN
from graphtune.models.edgedrop import EdgeDropout
from graphtune.models.propagation import symmetric_weights, with_self_loops
from graphtune.models.views import View
from graphtune.testing import checkerboard, equal, inverse_relations, two_cliques
from graphtune.train.fit import Run, fit
from graphtune.train.schedule import Clock
from graphtune.train.steps import AutogradStep, make_step
from recipes import TRAINED, bare, graph_of
from test_resume import check_resuming, distance_from_three, train, training_of

QUIET = Run(quiet=True)
SHORT = TrainConfig(epochs=4, batch_size=16, lr=0.05, patience=0, deterministic=True)
MESSENGERS = {
    "gcn": (GCN(dim=4, hidden=6, dropout=0.0), two_cliques()),
    "graphsage": (GraphSAGE(dim=4, hidden=6, dropout=0.0), two_cliques()),
    "gat": (GAT(dim=4, hidden=8, dropout=0.0), two_cliques()),
    "lightgcn": (LightGCN(dim=4), checkerboard()),
}


def small(name):
    """A small model of a family without dropout of its own, its graph, an objective and a batch."""
    recipe, graph = bare(RECIPES[name](), dim=8), graph_of(name)
    sampler, objective = recipe.pretraining(graph, SHORT)
    return recipe.build(graph), objective, next(iter(sampler.batches(0)))


def see(model, share, seed, step):
    """Drop a share of the edges, as in a step of training."""
    model.encoder.begin_view(View(edge_dropout=share, seed=seed), model.graph)
    model.encoder.see(step, None)


# ---- rows ---------------------------------------------------------------------------------------------------


def test_a_share_of_the_numbers_is_0_and_the_others_are_scaled():
    model = BPRMF(dim=64).build(checkerboard())
    model.row_dropout = 0.25
    model.train()
    nodes = torch.arange(32)
    z, again = model.rows(nodes, nodes)
    whole = model.encoder.weight
    assert (z == 0).float().mean().item() == pytest.approx(0.25, abs=0.03)
    torch.testing.assert_close(z[z != 0], (whole / 0.75)[z != 0])
    assert not torch.equal(z == 0, again == 0), "each row that is read has numbers of its own dropped"
    source, keys = model.rows_and_all(nodes)
    assert not torch.equal(source, keys) and (keys == 0).float().mean().item() == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize("name", TRAINED)
def test_every_family_has_rows_dropped_in_training_and_nowhere_else(name):
    model, objective, batch = small(name)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn(parameter.shape)  # no table of zeros, whose score is 0 whatever is dropped

    def differs():
        first, second = (objective(model, batch).values for _ in range(2))
        return not torch.equal(first, second)

    judged = model.train().embeddings()
    assert not differs(), "no chance without the option"
    model.row_dropout = 0.5
    assert differs()
    assert torch.equal(model.embeddings(), judged) and model.training
    model.eval()
    assert not differs(), "no chance in evaluation"


def test_the_engine_sets_the_chance_of_a_run():
    model, objective, _ = small("bprmf")
    AutogradStep(model, objective, replace(SHORT, row_dropout=0.3))
    assert model.row_dropout == 0.3
    AutogradStep(model, objective, SHORT)
    assert model.row_dropout == 0.0
    assert model.copy().row_dropout == 0.0


@pytest.mark.parametrize("case", ["bprmf", "complex", "line", "deepwalk"])
def test_dropout_changes_a_run_and_its_absence_draws_nothing(case):
    recipe, graph = {
        "bprmf": (BPRMF(dim=4), checkerboard()),
        "complex": (ComplEx(dim=4), inverse_relations()),
        "line": (LINE(dim=4), two_cliques()),
        "deepwalk": (DeepWalk(dim=4, walks_per_node=2, walk_length=6, window=2), two_cliques()),
    }[case]
    plain, dropped = (train(replace(SHORT, row_dropout=p), QUIET, recipe, graph).model for p in (0.0, 0.3))
    assert not equal(plain, dropped)
    torch.manual_seed(SHORT.seed)
    state = torch.get_rng_state()
    train(SHORT, QUIET, recipe, graph)
    assert torch.equal(torch.get_rng_state(), state)


def test_penalties_see_the_dropped_rows():
    model, _, _ = small("bprmf")
    model.row_dropout = 0.5
    model.train()
    torch.manual_seed(0)
    (z,) = model.rows(torch.arange(4))
    torch.manual_seed(0)
    torch.testing.assert_close(z, F.dropout(model.encoder.weight[:4], 0.5))


# ---- normalisation ------------------------------------------------------------------------------------------


def random_graph(nodes=40, edges=150):
    """With self-loops, nodes without edges, and edges in both directions."""
    rng = np.random.default_rng(0)
    return Graph(rng.integers(0, nodes - 3, (2, edges)), NodeIds.range(nodes), directed=True)


@pytest.mark.parametrize("graph", [two_cliques(), random_graph()], ids=["cliques", "random"])
def test_normalisation_is_that_of_pyg(graph):
    csr = graph.adjacency("both")
    raw = torch.from_numpy(np.stack([csr.indices, np.repeat(np.arange(graph.num_nodes), csr.degree)]).astype(np.int64))
    check_against_pyg(GCN(dim=3, hidden=4).build(graph).encoder, raw)


def test_normalisation_is_that_of_pyg_on_cora(data):
    graph = load_dataset("cora").graph
    both = np.concatenate([graph.edges, graph.edges[::-1]], axis=1)
    raw = torch.from_numpy(both[:, np.lexsort(both)])
    check_against_pyg(GCN(dim=3, hidden=4).build(graph).encoder, raw)


def check_against_pyg(encoder, raw):
    """Edges and weights, and a layer, bit for bit; the oracle gets the edges in both directions, sorted."""
    edges, weight = gcn_norm(raw, None, encoder.num_nodes)
    assert torch.equal(encoder.edge_index, edges) and torch.equal(encoder.edge_weight, weight)
    theirs = GCNConv(5, 3, cached=True)
    ours = GCNConv(5, 3, normalize=False)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(encoder.num_nodes, 5)
    assert torch.equal(ours(x, *encoder.edges), theirs(x, raw))


def test_weights_by_hand():
    edges = with_self_loops(torch.tensor([[0, 1, 2, 2], [1, 0, 2, 2]]), 4)
    assert edges.tolist() == [[0, 1, 0, 1, 2, 3], [1, 0, 0, 1, 2, 3]]
    assert symmetric_weights(edges, 4).tolist() == pytest.approx([0.5, 0.5, 0.5, 0.5, 1, 1])


# ---- edges --------------------------------------------------------------------------------------------------


def test_both_directions_of_an_edge_go_together():
    graph = random_graph(200, 4000)
    csr = graph.adjacency("both")
    target = np.repeat(np.arange(200), csr.degree)
    edges = torch.from_numpy(np.stack([csr.indices, target]).astype(np.int64))
    stays = EdgeDropout(*edges, 200).keep(0.3, seed=1, step=5)
    assert stays.float().mean().item() == pytest.approx(0.7, abs=0.03)
    kept = {tuple(e) for e in edges[:, stays].T.tolist()}
    assert {(v, u) for u, v in kept} == kept
    assert not kept & {tuple(e) for e in edges[:, ~stays].T.tolist()}


def test_the_choice_is_of_seed_and_step_alone():
    graph = random_graph(200, 4000)
    u, v = torch.from_numpy(np.array(graph.edges))
    one, other = EdgeDropout(u, v, 200), EdgeDropout(u, v, 200)
    torch.rand(3)
    state = torch.get_rng_state()
    assert torch.equal(one.keep(0.5, 1, 7), other.keep(0.5, 1, 7))
    assert not torch.equal(one.keep(0.5, 1, 7), one.keep(0.5, 1, 8))
    assert not torch.equal(one.keep(0.5, 1, 7), one.keep(0.5, 2, 7))
    assert torch.equal(torch.get_rng_state(), state)
    often = sum(one.keep(0.2, 0, step).float() for step in range(300)) / 300
    assert often.mean().item() == pytest.approx(0.8, abs=0.01) and often.min() > 0.65 and often.max() < 0.95


@pytest.mark.parametrize("name", MESSENGERS)
def test_edges_are_dropped_in_training_only(name):
    recipe, graph = MESSENGERS[name]
    model = recipe.build(graph)
    encoder = model.encoder
    whole = encoder.eval()(None)
    see(model, 0.5, 0, 3)
    assert torch.equal(encoder(None), whole), "evaluation has all edges"
    encoder.train()
    third = encoder(None)
    assert not torch.equal(third, whole)
    see(model, 0.5, 0, 4)
    assert not torch.equal(encoder(None), third)
    see(model, 0.5, 0, 3)
    assert torch.equal(encoder(None), third)
    see(model, 0.0, 0, 3)
    assert torch.equal(encoder(None), whole)


@pytest.mark.parametrize("name", ["gcn", "graphsage", "gat"])
def test_a_thinned_gnn_is_the_gnn_of_the_thinned_graph(name):
    """The same weights on a graph that has only the edges that stayed."""
    recipe, graph = MESSENGERS[name]
    model = recipe.build(graph).train()
    see(model, 0.4, 0, 1)
    edges = model.encoder.seen[0]
    once = edges[:, edges[0] < edges[1]].numpy()
    assert 5 < once.shape[1] < graph.num_edges
    twin = recipe.build(graph.replace(edges=once)).train()
    twin.load_state_dict(model.state_dict())
    torch.testing.assert_close(model.encoder(None), twin.encoder(None))


def test_a_thinned_lightgcn_by_hand():
    """Entries that stay are scaled by 1 / (1 - p), the matrix is symmetric, the gradient is that of dense autograd."""
    model = LightGCN(dim=4, layers=2).build(checkerboard())
    encoder = model.encoder.train()
    see(model, 0.25, 0, 1)
    whole, thin = encoder.matrix.to_dense(), encoder.seen.to_dense()
    assert torch.equal(thin, thin.T)
    stays = thin != 0
    assert (stays.sum() / (whole != 0).sum()).item() == pytest.approx(0.75, abs=0.12)
    torch.testing.assert_close(thin, whole * stays / 0.75)
    x = encoder.table.weight.detach().clone().requires_grad_()
    wanted = (x + thin @ x + thin @ (thin @ x)) / 3
    found = encoder(None)
    torch.testing.assert_close(found, wanted)
    pull = torch.randn(found.shape)
    (found * pull).sum().backward()
    (wanted * pull).sum().backward()
    torch.testing.assert_close(encoder.table.weight.grad, x.grad)


def test_propagation_keeps_its_mean():
    model = LightGCN(dim=4, layers=1).build(checkerboard())
    encoder = model.encoder.train()
    whole = encoder.eval()(None).detach()
    encoder.train()
    mean = torch.zeros_like(whole)
    for step in range(400):
        see(model, 0.3, 0, step)
        mean += encoder(None).detach() / 400
    assert (mean - whole).norm() < 0.1 * whole.norm()


@pytest.mark.parametrize("name", ["deepwalk", "line", "bprmf", "complex"])
def test_encoders_without_messages_refuse(name):
    model, objective, _ = small(name)
    config = replace(SHORT, edge_dropout=0.1, optimizer="sgd")
    with pytest.raises(ArgumentError, match=r"`edge_dropout` of TrainConfig must be 0 for .* passes no messages"):
        make_step(model, objective, config)
    make_step(model, objective, replace(config, edge_dropout=0.0))


def test_each_step_has_edges_of_its_own():
    recipe, graph = MESSENGERS["gcn"]
    config = replace(SHORT, edge_dropout=0.5)
    training = training_of(recipe, graph, config)
    model = recipe.build(graph).train()
    step = AutogradStep(model, training.objective, config)
    batch, seen = next(iter(training.sampler.batches(0))), []
    for number in range(3):
        step(batch, Clock(step=number, total=3))
        seen.append(model.encoder.seen[0])
    assert not any(a.shape == b.shape and torch.equal(a, b) for a, b in pairwise(seen))
    AutogradStep(model, training.objective, SHORT)
    assert model.encoder.seen is None, "the next run begins with all edges"


@pytest.mark.parametrize("options", [{"edge_dropout": 0.4}, {"edge_dropout": 0.4, "row_dropout": 0.3}])
@pytest.mark.parametrize("name", MESSENGERS)
def test_resuming_is_bit_identical(tmp_path, name, options):
    recipe, graph = MESSENGERS[name]
    config = replace(SHORT, epochs=6, batch_size=16 if graph.num_edges < 40 else 32, **options)
    training = training_of(recipe, graph, config, validate=distance_from_three, monitor="score")
    batches = training.sampler.num_batches

    def begin(run, wrap):
        return fit(recipe.build(graph), replace(training, sampler=wrap(training.sampler)), config, run)

    whole = begin(QUIET, lambda sampler: sampler)
    assert not equal(whole.model, train(replace(config, edge_dropout=0.0), QUIET, recipe, graph).model)
    check_resuming(tmp_path / "ended", whole, begin, 4 * batches + 1)
    within = check_resuming(tmp_path / "within", whole, begin, 4 * batches + 2, save_steps=1)
    assert (within["epoch"], within["batch"]) == (4, 1)


@pytest.mark.parametrize("options", [{"row_dropout": 1.0}, {"edge_dropout": 1.0}, {"edge_dropout": -0.1}])
def test_bad_chances_are_refused(options):
    with pytest.raises(ArgumentError, match=f"`{next(iter(options))}` of TrainConfig must be"):
        TrainConfig(**options)
