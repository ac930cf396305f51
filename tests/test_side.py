"""Side edges: social links and item knowledge graphs beside the events."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import graphtune as gt
from cli_help import done
from graphtune.adapt.enlarge import enlarge
from graphtune.cleaning import Cleaning, clean, keep_nodes
from graphtune.models.propagation import normalised_adjacency
from graphtune.train.fit import fit


def log(users=12, items=9, rows=60, seed=0, links=20):
    """Events at random, with friends and with items that have something in common."""
    rng = np.random.default_rng(seed)
    edges = np.unique(rng.integers(0, [users, items], (rows, 2)), axis=0).T + np.array([[0], [users]])
    ids = gt.NodeIds.of([f"u{i}" for i in range(users)], range(items), kinds=("user", "item"))
    side = {"social": rng.integers(0, users, (2, links)), "like": rng.integers(users, users + items, (2, links))}
    return gt.Graph(edges, ids, directed=True, side=side)


def named(graph):
    """Side edges under the user's ids."""
    kinds = graph.ids.kinds_of(np.arange(graph.num_nodes))
    names = [(int(kind), name) for kind, name in zip(kinds, graph.ids.values(np.arange(graph.num_nodes)))]
    return {name: [(names[u], names[v]) for u, v in edges.T] for name, edges in (graph.side or {}).items()}


def test_what_a_graph_takes():
    graph = log()
    with pytest.raises(gt.ArgumentError, match=r"`side\['social'\]` of Graph must be rows in \[0, 21\). Got 21"):
        graph.replace(side={"social": [[0], [21]]})
    with pytest.raises(ValueError, match="read-only"):
        graph.side["social"][0, 0] = 1
    assert graph.replace(side={}).side is None
    others = (graph, graph.replace(side=None), graph.replace(side={"social": [[0], [1]]}))
    assert len({other.fingerprint for other in others}) == 3
    assert graph.take_edges(graph.edges[0] > 3).side is not None


def test_matrix_by_hand():
    graph = log().replace(side={"a": [[0, 1, 2, 2], [1, 0, 2, 5]], "b": [[5, 0], [2, 1]]})
    matrix = graph.side_matrix()
    assert sorted(zip(*(at.tolist() for at in matrix.nonzero()))) == [(0, 1), (1, 0), (2, 5), (5, 2)]
    assert set(matrix.data) == {1.0} and log().replace(side=None).side_matrix().nnz == 0


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_they_go_with_their_nodes(seed):
    graph = log(seed=seed)
    rng = np.random.default_rng(seed)
    keep = rng.random(graph.num_nodes) < 0.7
    kept = {(0 if row < 12 else 1, graph.ids.values([row])[0]) for row in np.flatnonzero(keep)}
    part = keep_nodes(graph, keep)
    assert named(part) == {name: [pair for pair in pairs if set(pair) <= kept] for name, pairs in named(graph).items()}
    order = np.concatenate([rng.permutation(12), 12 + rng.permutation(9)])
    assert named(graph.take_nodes(order)) == named(graph)
    assert sorted(graph.take_nodes(order).sparse("both").data) == sorted(graph.sparse("both").data)


def test_cleaning_keeps_them():
    cleaned, report = clean(log(rows=40), Cleaning(k_core=2))
    assert cleaned.num_nodes < 21 and set(cleaned.side) == {"social", "like"}
    assert report.summary["side edges"] == sum(edges.shape[1] for edges in cleaned.side.values())


def test_they_are_in_no_part_and_go_to_every_part():
    graph = log(rows=200)
    split = gt.split_interactions(graph, seed=1)
    assert named(split.train) == named(split.test) == named(graph)
    cold = gt.split_cold(graph, "user", seed=1)
    assert named(cold.split.train) == named(graph)
    new = {(0, name) for name in cold.split.graph.ids.values(np.flatnonzero(cold.new))}
    assert named(cold.seen)["social"] == [pair for pair in named(graph)["social"] if not set(pair) & new]
    grown = enlarge(cold.seen, cold.support).graph
    assert grown.ids == cold.split.graph.ids
    assert set(named(grown)["social"]) == set(named(graph)["social"]), "new users come with their friends"


def test_saved_with_a_model_and_on_disk(tmp_path):
    graph = log()
    model = gt.LightGCN(dim=4, side_weight=0.5).build(graph, seed=1)
    gt.save(tmp_path / "model", model, gt.Record())
    again = gt.load(tmp_path / "model")
    assert named(again.graph) == named(graph) and again.graph.fingerprint == graph.fingerprint
    nodes = torch.arange(graph.num_nodes)
    assert torch.equal(again.encoder(nodes), model.eval().encoder(nodes))
    gt.save_graph(graph, tmp_path / "graph")
    assert named(gt.load_graph(tmp_path / "graph")) == named(graph)


def test_pyg_and_back():
    pytest.importorskip("torch_geometric")
    from graphtune.convert import from_pyg, to_pyg

    graph = log()
    data = to_pyg(graph)
    assert data["user", "social", "user"].edge_index.shape == (2, 20)
    assert data["user", "to", "item"].edge_index.shape[1] == graph.num_edges and data["side"] == ["social", "like"]
    back = from_pyg(data)
    assert named(back) == named(graph) and back.edges.tolist() == graph.edges.tolist() and back.relation is None


# --- LightGCN ----------------------------------------------------------------------------------------


def naive(graph, weight):
    a = np.zeros((graph.num_nodes, graph.num_nodes))
    for u, v in graph.edges.T:
        a[u, v] += 1
        a[v, u] += 1
    met = {tuple(sorted(pair)) for edges in graph.side.values() for pair in edges.T.tolist() if pair[0] != pair[1]}
    for u, v in met:
        a[u, v] += weight
        a[v, u] += weight
    d = a.sum(axis=1)
    scale = np.where(d > 0, 1 / np.sqrt(np.where(d > 0, d, 1)), 0)
    return scale[:, None] * a * scale[None]


@pytest.mark.parametrize("weight", [0.3, 1.0, 2.5])
def test_lightgcn_passes_messages_over_them(weight):
    graph = log()
    matrix = normalised_adjacency(graph, weight)
    np.testing.assert_allclose(matrix.toarray(), naive(graph, weight), atol=1e-6)
    encoder = gt.LightGCN(dim=5, layers=2, side_weight=weight).build(graph, seed=3).eval().encoder
    x = encoder.table().detach().double().numpy()
    wanted = (x + naive(graph, weight) @ x + naive(graph, weight) @ naive(graph, weight) @ x) / 3
    np.testing.assert_allclose(encoder(torch.arange(graph.num_nodes)).detach().numpy(), wanted, atol=1e-6)


def test_lightgcn_without_a_weight_does_not_see_them():
    graph = log()
    assert (normalised_adjacency(graph) != normalised_adjacency(graph.replace(side=None))).nnz == 0
    one, other = (gt.LightGCN(dim=4).build(g, seed=0) for g in (graph, graph.replace(side=None)))
    assert torch.equal(one.encoder.matrix.values(), other.encoder.matrix.values())


def test_views_drop_them_like_edges():
    graph = log()
    encoder = gt.LightGCN(dim=4, side_weight=1.0).build(graph, seed=0).encoder.train()
    config = gt.TrainConfig(node_dropout=0.3)
    from graphtune.models.views import View

    encoder.begin_view(View.of(config), graph)
    encoder.see(0, None)
    wanted = (sp.csr_array(graph.sparse("both")) + graph.side_matrix()).nnz
    assert len(encoder.seen.values()) == wanted and (encoder.seen.values() == 0).any()


def test_lightgcn_refuses_what_it_cannot_use():
    with pytest.raises(gt.ArgumentError, match="`side_weight` of LightGCN must be 0 for a graph without side edges"):
        gt.LightGCN(side_weight=1.0).build(log().replace(side=None))
    with pytest.raises(gt.ArgumentError, match="`side_weight` of LightGCN"):
        gt.LightGCN(side_weight=-1.0)


def test_friends_tell_of_a_user_of_whom_nothing_else_is_known():
    """Two groups with tastes of their own: a new user's friends say which is theirs."""
    rng = np.random.default_rng(0)
    rows = [(u, 40 + 20 * (u % 2) + i) for u in range(2, 40) for i in rng.permutation(20)[:10]]
    ids = gt.NodeIds.of(range(40), range(40), kinds=("user", "item"))
    friends = np.array([(u, v) for u in range(2) for v in range(2, 40) if u % 2 == v % 2]).T
    graph = gt.Graph(np.array(rows).T, ids, directed=True, side={"social": friends})
    recipe = gt.LightGCN(dim=8, layers=2, side_weight=1.0)
    sampler, objective = recipe.pretraining(graph, gt.TrainConfig(epochs=20, batch_size=256, lr=0.02))
    model = recipe.build(graph)
    fit(model, gt.Training("pretraining", sampler, objective), gt.TrainConfig(epochs=20, batch_size=256, lr=0.02))
    scores = model.frozen().cross(np.array([0, 1]), range(40, 80))
    assert scores[0, :20].min() > scores[0, 20:].max() and scores[1, 20:].min() > scores[1, :20].max()


# --- files -------------------------------------------------------------------------------------------


@pytest.fixture
def events(tmp_path):
    (tmp_path / "log.csv").write_text(
        "user,item\n" + "".join(f"u{u},{i}\n" for u in range(8) for i in range(9) if (u + i) % 3)
    )
    (tmp_path / "friends.csv").write_text("source,target\nu0,u1\nu1,u0\nu2,u3\nu4,u4\nu5,stranger\n,u1\nu1,u2\n")
    (tmp_path / "facts.tsv").write_text(
        "0\tgenre\tdrama\n1\tgenre\tdrama\n2\tgenre\tcomedy\n2\tby\t3\ndrama\tkind of\tfilm\n1\tgenre\tdrama\n"
    )
    return tmp_path


def test_social_links(events):
    graph, _ = gt.read_events(events / "log.csv")
    linked, report = gt.read_social(events / "friends.csv", graph)
    assert named(linked) == {"social": [((0, "u0"), (0, "u1")), ((0, "u2"), (0, "u3")), ((0, "u1"), (0, "u2"))]}
    told = {finding.what: (finding.count, finding.action) for finding in report.findings}
    assert told["links with a node that is not in the graph"] == (2, "dropped")
    assert told["repeated links"] == (1, "merged") and told["links of a node with itself"] == (1, "dropped")
    with pytest.raises(gt.DataError, match="strict"):
        gt.read_social(events / "friends.csv", graph, strict=True)
    with pytest.raises(gt.DataError, match="must link users of the graph, such as"):
        gt.read_social(events / "facts.tsv", graph, header=False, source=1, target=2)
    with pytest.raises(gt.ArgumentError, match="`node_kind` of read_social"):
        gt.read_social(events / "friends.csv", graph, node_kind="friend")


def test_item_graph(events):
    graph, _ = gt.read_events(events / "log.csv")
    grown, report = gt.read_item_graph(events / "facts.tsv", graph, header=False)
    assert grown.ids.kinds == ("user", "item", "entity") and grown.is_bipartite_events
    assert grown.ids.values(grown.ids.rows("entity")) == ["drama", "comedy", "film"]
    drama, comedy, film = ((2, name) for name in ("drama", "comedy", "film"))
    assert named(grown) == {
        "genre": [((1, 0), drama), ((1, 1), drama), ((1, 2), comedy)], "by": [((1, 2), (1, 3))],
        "kind of": [(drama, film)]}  # fmt: skip
    assert grown.edges.tolist() == graph.edges.tolist()
    assert report.summary["entities"] == 3 and report.summary["side edges"] == 5
    linked, _ = gt.read_social(events / "friends.csv", grown)
    assert set(linked.side) == {"genre", "by", "kind of", "social"}
    with pytest.raises(gt.ArgumentError, match="without entities yet"):
        gt.read_item_graph(events / "facts.tsv", grown, header=False)
    with pytest.raises(gt.ArgumentError, match="Read the item graph before"):
        gt.read_item_graph(events / "facts.tsv", graph.replace(texts=("",) * graph.num_nodes), header=False)
    linked, _ = gt.read_social(events / "friends.csv", graph)
    (events / "clash.tsv").write_text("0\tsocial\tdrama\n")
    with pytest.raises(gt.ArgumentError, match="named otherwise than the side edges"):
        gt.read_item_graph(events / "clash.tsv", linked, header=False)
    (events / "far.tsv").write_text("rome\tin\titaly\n")
    with pytest.raises(gt.DataError, match="must be about items of the graph"):
        gt.read_item_graph(events / "far.tsv", graph)


def test_entities_are_neither_drawn_nor_recommended(events):
    graph, _ = gt.read_events(events / "log.csv")
    graph, _ = gt.read_item_graph(events / "facts.tsv", graph, header=False)
    split = gt.split_interactions(graph, seed=0)
    result = gt.pretrain(gt.LightGCN(dim=8, side_weight=0.5, negatives=3), split, gt.TrainConfig(epochs=2))
    found = result.model.recommend("u0", k=20)
    assert {item for item, _ in found} <= set(range(9))
    scored = gt.Recommendation(split).evaluate(result.model)
    assert scored.counts["users"] <= 8
    gt.Recommendation(gt.split_cold(graph, "user", (2, 1, 1)).split).evaluate(
        gt.LightGCN(dim=4, side_weight=1.0).build(gt.split_cold(graph, "user", (2, 1, 1)).split.train)
    )


def test_command_line(events):
    data = (events / "log.csv", "--events", "user,item", "--social", events / "friends.csv")
    told = done("inspect", *data, "--item-graph", events / "facts.tsv", "--json").json
    assert told["side"] == {"genre": 3, "kind of": 1, "by": 1, "social": 3} and told["events"]["items"] == 9
    out = events / "model"
    done("embed", *data, "--out", out, "--dim", "4", "--set", "epochs=1", "--set", "side_weight=0.5", "--quiet")
    assert gt.load(out).recipe.side_weight == 0.5 and set(gt.load(out).graph.side) == {"social"}
    assert done("recommend", out, "u0", "-k", "2", "--json").json
