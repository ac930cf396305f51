"""Rows for nodes that come after training."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge

import graphtune as gt
from graphs import planted
from graphtune import add_nodes
from graphtune.adapt.fill import rounds_from
from graphtune.adapt.hints import hints_of, mean_hints, two_sided
from graphtune.adapt.rowmap import fit_rows
from graphtune.models.arrivals import size_of
from graphtune.testing import snapshot
from test_enlarge import facts
from test_split_entities import knowledge, named

QUIET = gt.Run(quiet=True)


def plain(directed=False, **fields):
    """Two groups and, apart, what comes later: a node in each."""
    graph = planted(2, 12, 0.6, 0.1, seed=3).replace(directed=directed, labels=None, **fields)
    more = gt.Graph(np.array([[0, 1, 2, 3, 5, 5], [4, 4, 4, 5, 6, 7]]), gt.NodeIds.of([0, 1, 2, 12, 90, 91, 13, 14]),
                    directed=directed)  # fmt: skip
    return graph, more


def events():
    rng = np.random.default_rng(0)
    pairs = np.unique(rng.integers(0, [8, 6], (30, 2)), axis=0).T
    graph = gt.Graph(
        pairs + np.array([[0], [8]]), gt.NodeIds.of(range(8), range(6), kinds=("user", "item")), directed=True
    )
    later = gt.NodeIds.of([100, 3], [2, 50], kinds=("user", "item"))
    return graph, gt.Graph(np.array([[0, 1], [2, 3]]), later, directed=True)


def later_triples():
    return facts(
        [
            ("n1", "r0", "e3"),
            ("e4", "r1", "n1"),
            ("n2", "r2", "e3"),
            ("n2", "r0", "n3"),
            ("n4", "r1", "n5"),
            ("e1", "r3", "e2"),
        ]
    )


def trained(recipe, graph, seed=1):
    """Random rows that are not those a recipe builds, so that what is carried over can be told."""
    model = recipe.build(graph, seed)
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.5)
    return model.eval()


CASES = {
    "complex": (gt.ComplEx(dim=8), knowledge(), later_triples()),
    "distmult": (gt.DistMult(dim=8), knowledge(), later_triples()),
    "transe": (gt.TransE(dim=8), knowledge(), later_triples()),
    "rotate": (gt.RotatE(dim=8), knowledge(), later_triples()),
    "deepwalk": (gt.DeepWalk(dim=8, walks_per_node=2), *plain()),
    "deepwalk-directed": (gt.DeepWalk(dim=8, walks_per_node=2), *plain(directed=True)),
    "line": (gt.LINE(dim=8), *plain()),
    "line-half": (gt.LINE(dim=8, order="second", table_dtype="bfloat16"), *plain()),
    "netmf": (gt.NetMF(dim=8), *plain()),
    "bprmf": (gt.BPRMF(dim=8), *events()),
    "lightgcn": (gt.LightGCN(dim=8), *events()),
    "gcn-table": (gt.GCN(dim=8, hidden=8), *plain()),
    "gcn-directed": (gt.GCN(dim=8, hidden=8), *plain(directed=True)),
}


@pytest.mark.parametrize("name", CASES)
def test_what_was_learned_keeps_its_bits(name, tmp_path):
    recipe, graph, more = CASES[name]
    model = trained(recipe, graph)
    model.add_head("age", gt.models.HeadSpec(8, 3))
    before, ids = snapshot(model), graph.ids.values(range(graph.num_nodes))
    found = add_nodes(model, more)
    bigger, tables = found.model, model.table_parameters()
    assert not bigger.training
    assert all(torch.equal(before[key], value) for key, value in snapshot(model).items()), "the model is left as it is"
    rows = torch.from_numpy(np.concatenate([bigger.ids.index([i], kind) for i, kind in zip(ids, kinds_of(graph))]))
    for key, value in snapshot(bigger).items():
        assert torch.equal(value[rows] if key in tables else value, before[key]), key
    new = np.setdiff1d(np.arange(bigger.graph.num_nodes), rows)
    assert len(new) == len(found.report.ids) > 0
    assert all(
        table[new].isfinite().all() and (table[new] != 0).any(1).all() for table in bigger.table_parameters().values()
    )
    saved = gt.load(gt.save(tmp_path / "m", bigger))
    assert saved.ids == bigger.ids
    np.testing.assert_array_equal(saved.encode(), bigger.encode())
    again = add_nodes(model, more)
    assert all(torch.equal(value, snapshot(again.model)[key]) for key, value in snapshot(bigger).items())
    assert again.report == found.report


def kinds_of(graph):
    return [graph.ids.kinds[k] for k in graph.ids.kinds_of(np.arange(graph.num_nodes))]


@pytest.mark.parametrize("name", [name for name in CASES if name not in ("netmf", "line-half")])
def test_training_moves_new_rows_alone(name):
    recipe, graph, more = CASES[name]
    model = trained(recipe, graph)
    start = add_nodes(model, more).model
    config = gt.TrainConfig(lr=0.01, seed=4, deterministic=True)
    found = [add_nodes(model, more, epochs=2, config=config, run=QUIET).model for _ in range(2)]
    other = add_nodes(
        model, more, epochs=2, config=gt.TrainConfig(lr=0.01, seed=5, deterministic=True), run=QUIET
    ).model
    tables = start.table_parameters()
    rows = np.concatenate(
        [start.ids.index([i], k) for i, k in zip(graph.ids.values(range(graph.num_nodes)), kinds_of(graph))]
    )
    new = np.setdiff1d(np.arange(start.graph.num_nodes), rows)
    moved = False
    for key, value in snapshot(start).items():
        assert torch.equal(snapshot(found[0])[key], snapshot(found[1])[key]), "the same seed gives the same bits"
        if key in tables:
            assert torch.equal(snapshot(found[0])[key][rows], value[rows]), key
            moved |= not torch.equal(snapshot(found[0])[key][new], value[new])
        else:
            assert torch.equal(snapshot(found[0])[key], value), key
    assert moved
    assert not all(torch.equal(snapshot(found[0])[key], value) for key, value in snapshot(other).items())


def test_the_usual_training():
    found = add_nodes(trained(gt.ComplEx(dim=8), knowledge()), later_triples(), epochs=1, run=QUIET)
    assert found.report.between == 1
    assert found.model.graph.num_edges == knowledge().num_edges + 6


# --- oracles ---


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 40), st.integers(1, 12), st.integers(1, 6), st.floats(1e-3, 20), st.integers(0, 1000))
def test_the_map_is_ridge_regression(nodes, told, dim, ridge, seed):
    """Where no vector is as wide as a table, nothing is held to a multiple."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(1, 2, (nodes, told)), rng.normal(-1, 1, (nodes, dim))
    size = np.square(x - x.mean(0)).sum() / told
    expected = Ridge(alpha=ridge * size).fit(x, y)
    got = fit_rows(x, y, told + dim, [dim], ridge)
    more = rng.normal(size=(5, told))
    np.testing.assert_allclose(got(more), expected.predict(more).reshape(5, dim), rtol=1e-6, atol=1e-8)


@settings(max_examples=30, deadline=None)
@given(st.integers(6, 40), st.integers(1, 6), st.floats(1e-3, 20), st.integers(0, 1000))
def test_the_map_is_held_to_multiples(nodes, dim, ridge, seed):
    """Of two vectors, for two tables as wide and one that is not."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(1, 2, (nodes, 2 * dim)), rng.normal(-1, 1, (nodes, 3 * dim + 1))
    size = np.square(x - x.mean(0)).sum() / (2 * dim)
    got, more = fit_rows(x, y, dim, [dim, dim + 1, dim], ridge), rng.normal(size=(5, 2 * dim))
    held, held_more = np.zeros_like(y), np.zeros((5, y.shape[1]))
    flat = [(x[:, at : at + dim] - x[:, at : at + dim].mean(0)).ravel() for at in (0, dim)]
    for columns in (slice(0, dim), slice(2 * dim + 1, None)):
        table = y[:, columns]
        multiples = np.linalg.lstsq(np.stack(flat, 1), (table - table.mean(0)).ravel(), rcond=None)[0]
        for multiple, at in zip(multiples, (0, dim)):
            held[:, columns] += multiple * x[:, at : at + dim]
            held_more[:, columns] += multiple * more[:, at : at + dim]
    rest = Ridge(alpha=ridge * size).fit(x, y - held)
    np.testing.assert_allclose(got(more), held_more + rest.predict(more), rtol=1e-5, atol=1e-7)


def naive(model, graph, node):
    """Hints about a node, a line an edge."""
    frozen, relations = model.frozen(), graph.num_relations
    asked, offered = [], []
    for number, (u, v) in enumerate(graph.edges.T):
        r = None if graph.relation is None else int(graph.relation[number])
        for source, target, relation, forwards in (
            (u, v, r, True),
            (v, u, None if r is None else r + relations, False),
        ):
            one = None if relation is None else torch.tensor([relation])
            if target == node and (forwards or r is not None or not graph.directed):
                asked.append(model.scorer.query(frozen.z[[source]], one)[0].numpy())
            if source == node and r is None and (forwards or not graph.directed):
                offered.append(frozen.key[target].numpy())
    means = [np.mean(part, axis=0) if part else np.zeros(frozen.key.shape[1]) for part in (asked, offered)]
    return means[0] if not two_sided(graph, model.scorer) else np.concatenate(means)


@pytest.mark.parametrize("name", ["complex", "transe", "rotate", "deepwalk", "deepwalk-directed", "line", "bprmf"])
def test_hints_are_those_of_each_edge(name):
    recipe, graph, _ = CASES[name]
    model = trained(recipe, graph)
    got = mean_hints(model.frozen(), hints_of(graph, model.scorer), graph.num_nodes, two_sided(graph, model.scorer))
    with torch.no_grad():
        for node in range(0, graph.num_nodes, 5):
            np.testing.assert_allclose(got[node], naive(model, graph, node), rtol=1e-5, atol=1e-6)


def test_hints_are_weighed():
    graph = gt.Graph(np.array([[0, 1], [2, 2]]), gt.NodeIds.range(3), weight=np.array([3.0, 1.0]))
    model = trained(gt.BPRMF(dim=4), graph)
    got = mean_hints(model.frozen(), hints_of(graph, model.scorer), 3, False)
    z = model.encode()
    np.testing.assert_allclose(got[2], 0.75 * z[0] + 0.25 * z[1], rtol=1e-6)


def test_translations_put_a_node_where_its_triples_say():
    """Entities on a grid whose relations are steps: what a new one is told is where it is."""
    side, rng = 14, np.random.default_rng(0)
    place = np.stack(np.meshgrid(np.arange(side), np.arange(side)), -1).reshape(-1, 2)
    row = {tuple(p): i for i, p in enumerate(place.tolist())}
    triples = [(i, r, row[t]) for i, (x, y) in enumerate(place.tolist())
               for r, t in enumerate([(x + 1, y), (x, y + 1)]) if t in row]  # fmt: skip
    new = {row[5, 5], row[9, 3], row[4, 10]}
    name = lambda i: f"e{i}"  # noqa: E731
    of = lambda some: facts([(name(h), ("right", "up")[r], name(t)) for h, r, t in some], relations=["right", "up"])  # noqa: E731
    old = of([t for t in triples if not new & {t[0], t[2]}])
    model = gt.TransE(dim=2, norm=2).build(old)
    steps = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]], dtype=np.float32)
    at = np.array([place[int(i[1:])] for i in old.ids.values(range(old.num_nodes))], dtype=np.float32)
    model.load_state_dict({"encoder.weight": torch.from_numpy(at), "scorer.relation": torch.from_numpy(steps)})
    found = add_nodes(model, of([t for t in triples if new & {t[0], t[2]} and rng.random() < 0.9])).model
    for node in new:
        np.testing.assert_allclose(found.encode([name(node)])[0], place[node], atol=0.05)


def test_a_node_that_is_told_what_another_was_becomes_like_it():
    graph = knowledge(40, 3, 500)
    model = gt.pretrain(
        gt.ComplEx(dim=32), graph, gt.TrainConfig(epochs=20, batch_size=128, lr=0.1, optimizer="adagrad"), run=QUIET
    ).model
    twins = ["e3", "e17", "e30"]
    ids = graph.ids.values(range(40))
    rows = [
        tuple(f"twin of {name}" if name in twins and at in (0, 2) and not (at == 2 and row[0] in twins) else name
              for at, name in enumerate(row))
        for row in ((ids[h], f"r{r}", ids[t]) for h, t, r in zip(*graph.edges, graph.relation))
    ]  # fmt: skip
    more = facts([row for row in rows if "twin" in row[0] + row[2]])
    found = add_nodes(model, more).model
    z = found.encode() / np.linalg.norm(found.encode(), axis=1, keepdims=True)
    for name in twins:
        nearest = np.argsort(-z[:40] @ z[found.ids.index([f"twin of {name}"])[0]])[0]
        assert ids[nearest] == name


def test_rounds_outwards():
    edges = np.array(
        [[0, 2, 3, 5, 6], [2, 3, 1, 6, 6]]
    )  # 0 and 1 old: 2 and 3 reached, 4 alone, 5 and 6 with each other
    new = np.array([0, 0, 1, 1, 1, 1, 1], dtype=bool)
    assert rounds_from(edges, new).tolist() == [0, 0, 1, 1, -1, -1, -1]
    chain = np.array([[0, 2, 3], [2, 3, 4]])
    assert rounds_from(chain, new[:5]).tolist() == [0, 0, 1, 2, 3]


# --- the report, and what is refused ---


def test_the_report_says_it_all():
    graph = knowledge()
    known = [(h, r, t) for h, t, r in sorted(named(graph))[:2]]
    more = facts(
        [("n1", "r0", "e3"), ("n1", "r0", "e3"), ("e4", "r1", "n1"), ("n2", "r0", "n1"), ("n4", "r1", "n5"),
         ("e1", "r3", "e59"), *known]
    )  # fmt: skip
    model = trained(gt.ComplEx(dim=8), graph)
    found = add_nodes(model, more)
    report = found.report
    assert (report.ids, report.edges) == (("n1", "n2", "n4", "n5"), (3, 1, 1, 1))
    assert report.untold == ("n4", "n5") and report.known == 3
    assert report.between == 1
    assert str(report) == (
        "4 new nodes, 1 to 3 edges each; 2 of them without a way to a known node, set to the mean row: n4, n5; 1 edges "
        "between known nodes, whose rows stay; 3 known or repeated edges left out"
    )
    np.testing.assert_allclose(found.model.encode(["n4", "n5"]), np.tile(model.encode().mean(0), (2, 1)), atol=1e-6)


def test_a_model_of_features_needs_the_new_features_only():
    graph, more = plain()
    features = np.random.default_rng(0).random((24, 5)).astype(np.float32)
    model = trained(gt.GCN(dim=4, hidden=4), graph.replace(features=features))
    given = more.replace(features=np.ones((8, 5), dtype=np.float32))
    found = add_nodes(model, given)
    whole = trained(gt.GCN(dim=4, hidden=4), found.model.graph)
    whole.load_state_dict(model.state_dict())
    whole.encoder.hold(found.model.graph, [size_of(model.graph)])
    np.testing.assert_array_equal(found.model.encode(), whole.encode())
    np.testing.assert_allclose(found.model.encode(range(24)), model.encode(), rtol=1e-4, atol=1e-6)
    assert found.report.ids == (90, 91)
    with pytest.raises(gt.ArgumentError, match="with features"):
        add_nodes(model, more)
    with pytest.raises(gt.ArgumentError, match="`epochs` of add_nodes must be 0 for a model without tables"):
        add_nodes(model, given, epochs=1)


def test_refusals():
    graph, more = plain()
    with pytest.raises(gt.ArgumentError, match="NetMF is solved, not trained"):
        add_nodes(trained(gt.NetMF(dim=4), graph), more, epochs=1)
    with pytest.raises(gt.ArgumentError, match="tables of float32"):
        add_nodes(trained(gt.LINE(dim=4, table_dtype="bfloat16"), graph), more, epochs=1)
    with pytest.raises(gt.ArgumentError, match="`epochs` of add_nodes must be an integer >= 0"):
        add_nodes(trained(gt.LINE(dim=4), graph), more, epochs=-1)
    lonely = gt.Graph(np.array([[0], [12]]), gt.NodeIds.of([*range(13), 99]))
    found = add_nodes(trained(gt.BPRMF(dim=4), graph), lonely)
    assert found.report.untold == (99,) and found.report.edges == (0,)
    with pytest.raises(gt.ArgumentError, match="`epochs` of add_nodes must be 0 where no new node has an edge"):
        add_nodes(trained(gt.BPRMF(dim=4), graph), lonely, epochs=1)
