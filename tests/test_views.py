"""What encoders see of their graph in a step of training: each view against the same model on that graph."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from graphtune.batch import Batch
from graphtune.check import ArgumentError
from graphtune.config import TrainConfig
from graphtune.graph import Graph
from graphtune.ids import NodeIds
from graphtune.models import GAT, GCN, RECIPES, GraphSAGE, LightGCN, similar
from graphtune.models.similar import kinds_of, similar_nodes
from graphtune.models.views import View, similar_count
from graphtune.testing import checkerboard, equal, two_cliques
from graphtune.train.fit import Run, fit
from graphtune.train.steps import make_step
from test_resume import check_resuming, distance_from_three, train, training_of

QUIET = Run(quiet=True)
SHORT = TrainConfig(epochs=6, batch_size=16, lr=0.05, patience=0, deterministic=True)
GNNS = {
    "gcn": GCN(dim=4, hidden=6, dropout=0.0),
    "graphsage": GraphSAGE(dim=4, hidden=6, dropout=0.0),
    "gat": GAT(dim=4, hidden=8, dropout=0.0),
}
VIEWS = {
    "edges": {"edge_dropout": 0.3},
    "nodes": {"node_dropout": 0.3},
    "added": {"edge_add": 0.2},
    "subgraph": {"subgraph": 1},
    "all": {"edge_dropout": 0.2, "node_dropout": 0.2, "edge_add": 0.3, "subgraph": 2},
}
RECIPES_OF = {**GNNS, "lightgcn": LightGCN(dim=4)}
CASES = [(name, options) for name in RECIPES_OF for options in VIEWS.values()]
CASES += [(name, {"feature_dropout": 0.3}) for name in GNNS]


def random_graph(nodes=40, edges=90, columns=12, sparse=True, weighted=False):
    """Undirected, without self-loops or repeats; some nodes have no edge."""
    rng = np.random.default_rng(0)
    u, v = np.triu_indices(nodes - 3, 1)
    which = rng.choice(len(u), edges, replace=False)
    features = rng.random((nodes, columns)) * (rng.random((nodes, columns)) < 0.3)
    weight = rng.random(edges) + 0.5 if weighted else None
    rows = sp.csr_array(features) if sparse else features - 0.1
    return Graph(np.stack([u, v])[:, which], NodeIds.range(nodes), features=rows, weight=weight)


def look(model, step=3, batch=None, **options):
    batch = batch or Batch(source=torch.tensor([0, 1]))
    model.encoder.begin_view(View(**options), model.graph)
    model.encoder.see(step, batch)


def once(model):
    """[2, E] of the edges that the encoder sees, each once."""
    paths = model.encoder.paths
    kept = paths.keep(3, Batch(source=torch.tensor([0, 1])))
    source, target = paths.source[kept], paths.target[kept]
    return torch.stack([source, target])[:, source < target].numpy()


# ---- the views, one by one -----------------------------------------------------------------------------------


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", GNNS)
def test_a_gnn_sees_the_graph_of_the_view(name, view):
    """The same weights on a graph that has only the edges of the view."""
    graph = random_graph()
    model = GNNS[name].build(graph).train()
    look(model, **VIEWS[view])
    edges = once(model)
    assert edges.shape[1] not in (0, graph.num_edges)
    twin = GNNS[name].build(graph.replace(edges=edges)).train()
    twin.load_state_dict(model.state_dict())
    torch.testing.assert_close(model.encoder(None), twin.encoder(None))


@pytest.mark.parametrize("view", VIEWS)
def test_a_gcn_by_dense_matrices(view):
    graph = random_graph()
    model = GNNS["gcn"].build(graph).train()
    look(model, **VIEWS[view])
    dense = torch.eye(graph.num_nodes)
    u, v = torch.from_numpy(once(model))
    dense[u, v] = dense[v, u] = 1.0
    scale = dense.sum(1).rsqrt()
    dense = scale[:, None] * dense * scale
    x = torch.from_numpy(graph.features.toarray())
    x = x / x.sum(1, keepdim=True).clamp_min(1e-12)
    first, second = model.encoder.convolutions
    hidden = torch.relu(dense @ (x @ first.lin.weight.T) + first.bias)
    torch.testing.assert_close(model.encoder(None), dense @ (hidden @ second.lin.weight.T) + second.bias)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("view", [name for name in VIEWS if name != "edges"])
def test_lightgcn_by_dense_matrices(view, weighted):
    """The matrix is that of the view's own edges, D^-1/2 A D^-1/2; the gradient is that of dense autograd."""
    graph = random_graph(weighted=weighted)
    model = LightGCN(dim=4, layers=2).build(graph).train()
    look(model, **VIEWS[view])
    u, v = once(model)
    own = graph.sparse("both").toarray()
    weight = np.where(own[u, v] > 0, own[u, v], own[own > 0].mean())
    dense = torch.zeros(graph.num_nodes, graph.num_nodes)
    dense[u, v] = dense[v, u] = torch.from_numpy(weight).float()
    degree = dense.sum(1)
    scale = torch.where(degree > 0, degree.clamp_min(1e-9).rsqrt(), 0.0)
    dense = scale[:, None] * dense * scale
    torch.testing.assert_close(model.encoder.seen.to_dense(), dense)
    x = model.encoder.table.weight.detach().clone().requires_grad_()
    wanted = (x + dense @ x + dense @ (dense @ x)) / 3
    found = model.encoder(None)
    torch.testing.assert_close(found, wanted)
    pull = torch.randn(found.shape)
    (found * pull).sum().backward()
    (wanted * pull).sum().backward()
    torch.testing.assert_close(model.encoder.table.weight.grad, x.grad)


def test_nodes_leave_with_all_their_edges():
    graph = random_graph(200, 4000)
    model = GNNS["gcn"].build(graph).train()
    gone = []
    for step in range(50):
        look(model, step, node_dropout=0.3)
        edges = model.encoder.seen[0]
        edges = edges[:, edges[0] != edges[1]].unique(dim=1)
        seen = torch.zeros(graph.num_nodes, dtype=torch.bool)
        seen[edges.flatten()] = True
        between = seen[torch.from_numpy(np.array(graph.edges))].all(0)
        assert edges.shape[1] == 2 * between.sum(), "edges between nodes that stay stay"
        gone.append(1 - seen[:197].float().mean().item())
    assert np.mean(gone) == pytest.approx(0.3, abs=0.02)


def test_a_node_without_its_edges_is_seen_itself():
    graph = two_cliques(features=True)
    model = GCN(dim=3, hidden=4, layers=1, dropout=0.0).build(graph).train()
    look(model, node_dropout=0.999)
    layer = model.encoder.convolutions[0]
    torch.testing.assert_close(model.encoder(None), layer.lin.weight.T + layer.bias)


@pytest.mark.parametrize("sparse", [True, False])
def test_columns_of_features_are_masked(sparse):
    graph = random_graph(columns=400, sparse=sparse)
    model = GNNS["gcn" if sparse else "graphsage"].build(graph).train()
    whole = model.encoder.features.to_dense()
    look(model, feature_dropout=0.25)
    masked = model.encoder.seen_features.to_dense()
    stays = masked.abs().sum(0) > 0
    assert stays.float().mean().item() == pytest.approx(0.75, abs=0.07)
    torch.testing.assert_close(masked, whole * stays / 0.75)
    assert model.encoder.paths is None and model.encoder.seen is None


def test_added_edges_join_similar_nodes():
    """Never an edge that is there, each time others, in expectation the share that was asked for."""
    graph = random_graph(100, 300)
    x = graph.features.toarray()
    x = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    cosine = x @ x.T - 2 * np.eye(100)
    model = GNNS["gcn"].build(graph).train()
    there, counts, drawn = set(map(tuple, np.sort(graph.edges.T).tolist())), [], []
    for step in range(40):
        look(model, step, edge_add=0.3)
        edges = model.encoder.seen[0]
        new = set(map(tuple, edges[:, edges[0] < edges[1]].T.tolist())) - there
        counts.append(len(new))
        drawn.append(new)
    assert np.mean(counts) == pytest.approx(0.3 * 300, rel=0.06)
    assert not any(a == b for a, b in pairwise(drawn))
    k = similar_count(0.3, 300, 100)
    kth = -np.sort(-cosine, axis=1)[:, k - 1]
    for u, v in set().union(*drawn):
        assert cosine[u, v] >= min(kth[u], kth[v]) - 1e-6 and cosine[u, v] > 0


def test_added_edges_of_events_stay_within_a_kind():
    model = LightGCN(dim=256).build(checkerboard()).train()
    look(model, edge_add=0.5)
    paths = model.encoder.paths
    user = (paths.source < 16) == (paths.target < 16)
    assert torch.equal(user, paths.added) and user.any()
    assert ((paths.source - paths.target)[paths.added] % 2 == 0).all(), "the start's embeddings know the parity"


def test_a_subgraph_is_what_walks_from_the_batch_meet():
    graph = random_graph(60, 90)
    model = GNNS["gcn"].build(graph).train()
    hops = np.linalg.matrix_power(graph.sparse("both").toarray() + np.eye(60), 2) > 0
    batch = Batch(torch.tensor([0, 5]), torch.tensor([7, 59]), torch.tensor([9]))
    model.encoder.begin_view(View(subgraph=2), graph)
    sizes = set()
    for step in range(20):
        met = model.encoder.paths.met(batch.nodes(), step)
        assert met[batch.nodes()].all()
        assert hops[batch.nodes()].any(0)[met].all(), "two steps away at most"
        assert met.sum() <= 3 * 5
        model.encoder.see(step, batch)
        edges = model.encoder.seen[0][:, :-60]
        assert met[edges].all() and edges.shape[1] == 2 * met[torch.from_numpy(np.array(graph.edges))].all(0).sum()
        sizes.add(int(met.sum()))
    assert len(sizes) > 1


# ---- similar nodes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sparse", [True, False])
def test_similar_nodes_are_the_naive_ones(sparse, monkeypatch):
    monkeypatch.setattr(similar, "AT_ONCE", 70)
    rng = np.random.default_rng(1)
    x = (rng.normal(size=(30, 6)) * (rng.random((30, 6)) < 0.6)).astype(np.float32)
    x[4] = 0
    kinds = [range(12), range(12, 30)]
    found = similar_nodes(sp.csr_array(x) if sparse else torch.from_numpy(x), 4, kinds).numpy()
    unit = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    for node in range(30):
        kind = kinds[node >= 12]
        score = {other: float(unit[node] @ unit[other]) for other in kind if other != node}
        best = sorted((o for o in score if score[o] > 1e-7), key=lambda o: -score[o])[:4]
        assert found[node].tolist() == best + [-1] * (4 - len(best))


def test_kinds_are_blocks_of_rows():
    assert kinds_of(checkerboard()) == [range(16), range(16, 32)] and kinds_of(two_cliques()) == [range(12)]


# ---- in the engine -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name, options", CASES)
def test_a_view_is_of_the_seed_and_the_step_alone_and_not_in_evaluation(name, options):
    model = RECIPES_OF[name].build(random_graph())
    model.eval()
    whole = model.encoder(None)
    model.train()
    state = torch.get_rng_state()

    def at(step, seed=0):
        look(model, step, seed=seed, **options)
        return model.encoder(None)

    first = at(5)
    assert not torch.equal(first, whole) and not torch.equal(first, at(6)) and not torch.equal(first, at(5, seed=1))
    assert torch.equal(first, at(5)) and torch.equal(torch.get_rng_state(), state)
    assert torch.equal(model.eval().encoder(None), whole)
    model.train().encoder.begin_view(View(), model.graph)
    assert torch.equal(model.encoder(None), whole)


@pytest.mark.parametrize("name, options", [case for case in CASES if case[0] in ("gcn", "lightgcn")])
def test_resuming_is_bit_identical(tmp_path, name, options):
    recipe, graph = {
        "gcn": (GCN(dim=4, hidden=6), two_cliques(features=True)),
        "lightgcn": (LightGCN(dim=4), checkerboard()),
    }[name]
    config = replace(SHORT, **options)
    training = training_of(recipe, graph, config, validate=distance_from_three, monitor="score")
    batches = training.sampler.num_batches

    def begin(run, wrap):
        return fit(recipe.build(graph), replace(training, sampler=wrap(training.sampler)), config, run)

    whole = begin(QUIET, lambda sampler: sampler)
    plain = train(replace(config, **dict.fromkeys(options, 0)), QUIET, recipe, graph).model
    assert not equal(whole.model, plain)
    within = check_resuming(tmp_path, whole, begin, 4 * batches + 2, save_steps=1)
    assert (within["epoch"], within["batch"]) == (4, 1)


@pytest.mark.parametrize("option", ["node_dropout", "edge_add", "subgraph", "feature_dropout"])
def test_encoders_that_cannot_refuse(option):
    config = replace(SHORT, optimizer="sgd", **{option: 1 if option == "subgraph" else 0.1})
    why = "reads no features" if option == "feature_dropout" else "passes no messages"
    for name in ("deepwalk", "line", "bprmf"):
        recipe = RECIPES[name](dim=4)
        graph = checkerboard()
        with pytest.raises(ArgumentError, match=f"`{option}` of TrainConfig must be 0 for .* {why}"):
            make_step(recipe.build(graph), training_of(recipe, graph, config).objective, config)


@pytest.mark.parametrize(
    "recipe, graph", [(LightGCN(dim=4), checkerboard()), (GCN(dim=4), two_cliques())], ids=["lightgcn", "gcn"]
)
def test_features_that_are_not_there_are_not_masked(recipe, graph):
    with pytest.raises(ArgumentError, match="`feature_dropout` of TrainConfig must be 0 for"):
        train(replace(SHORT, feature_dropout=0.1), QUIET, recipe, graph)


@pytest.mark.parametrize(
    "options",
    [{"node_dropout": 1.0}, {"feature_dropout": -0.1}, {"edge_add": 1.5}, {"subgraph": -1}, {"subgraph": 0.5}],
)
def test_bad_options_are_refused(options):
    with pytest.raises(ArgumentError, match=f"`{next(iter(options))}` of TrainConfig must be"):
        TrainConfig(**options)
