"""Messages that reach no node over an edge that came later than it."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import graphtune as gt
from graphtune import add_nodes
from graphtune.models.arrivals import Size, heard, size_of
from graphtune.testing import snapshot
from test_adapt import events, plain, trained

KINDS = ("user", "item")


def log(users, items, pairs, **fields):
    """Events of named users and items: rows of `pairs` are numbers in the two lists."""
    edges = np.array(pairs, dtype=np.int64).reshape(-1, 2).T + np.array([[0], [len(users)]])
    return gt.Graph(edges, gt.NodeIds.of(users, items, kinds=KINDS), directed=True, **fields)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.booleans())
def test_neighbours_are_those_of_edges_that_came_no_later(seed, weighed):
    rng = np.random.default_rng(seed)
    sizes = np.cumsum(rng.integers(1, 4, (3, 2)), axis=0)  # users and items after each growth
    ends = np.concatenate([rng.integers(0, size, (5, 2)) for size in sizes])
    users, items = sizes[-1]
    weight = rng.random(15).astype(np.float32) + 0.1 if weighed else None
    graph = log(range(users), range(items), ends, weight=weight)
    before = [Size((int(u), int(i)), 5 * (n + 1)) for n, (u, i) in enumerate(sizes[:-1])]
    when = [sum(node >= size.nodes[0] for size in before) for node in range(users)]
    when += [sum(node >= size.nodes[1] for size in before) for node in range(items)]
    near = heard(graph, before)
    for node in range(graph.num_nodes):
        expected = []
        for number, (u, v) in enumerate(graph.edges.T.tolist()):
            if node in (u, v) and number // 5 <= when[node]:
                expected.append((u + v - node, 1.0 if weight is None else float(weight[number])))
        own = slice(near.indptr[node], near.indptr[node + 1])
        values = [1.0] * (own.stop - own.start) if weight is None else near.weight[own].tolist()
        assert sorted(zip(near.indices[own].tolist(), values)) == sorted(expected)


def test_a_new_user_is_what_the_layers_say():
    """The mean over layers of its own row and of sums of its items' rows, by hand."""
    graph, more = events()
    model = trained(gt.LightGCN(dim=4, layers=2), graph)
    found = add_nodes(model, more)
    bigger, ids = found.model, found.model.ids
    own = bigger.table_parameters()["encoder.table.weight"].detach().double().numpy()
    user = int(ids.index([100], "user")[0])
    degree = np.bincount(graph.edges.ravel(), minlength=graph.num_nodes).astype(float)
    adjacency = np.zeros((graph.num_nodes, graph.num_nodes))
    np.add.at(adjacency, (graph.edges[0], graph.edges[1]), 1)
    adjacency += adjacency.T
    scale = np.divide(1, np.sqrt(degree), out=np.zeros_like(degree), where=degree > 0)
    table = model.encoder.table.weight.detach().double().numpy()
    layers = [table, (scale[:, None] * adjacency * scale) @ table]
    item = int(graph.ids.index([2], "item")[0])  # the one item that user 100 took; its degree stays the old one
    heard_of = [layer[item] * scale[item] for layer in layers]
    np.testing.assert_allclose(bigger.encode([100], kind="user")[0], (own[user] + sum(heard_of)) / 3, rtol=1e-5)


@pytest.mark.parametrize("name", ["lightgcn", "gcn", "sage", "gat", "features"])
def test_embeddings_stay_however_often_nodes_join(name, tmp_path):
    if name == "lightgcn":
        graph, more = events()
        recipe = gt.LightGCN(dim=8)
        third = log([100, 200, 3], [50, 60, 2], [(0, 1), (1, 0), (2, 1), (1, 2), (2, 2)])
    else:
        graph, more = plain()
        recipe = {"gcn": gt.GCN, "features": gt.GCN, "sage": gt.GraphSAGE, "gat": gt.GAT}[name](dim=8, hidden=8)
        third = gt.Graph(np.array([[0, 1, 1], [2, 2, 0]]), gt.NodeIds.of([90, 3, 95]))
        if name == "features":
            rng = np.random.default_rng(0)
            graph, more, third = (g.replace(features=rng.normal(size=(g.num_nodes, 5))) for g in (graph, more, third))
    model = trained(recipe, graph)
    once = add_nodes(model, more).model
    twice = add_nodes(once, third).model
    assert twice.encoder.grown == (size_of(graph), size_of(once.graph))
    for earlier, later in ((model, once), (once, twice)):
        for kind in earlier.ids.kinds:
            names = earlier.ids.blocks[earlier.ids.kinds.index(kind)].to_pylist()
            old, now = earlier.encode(names, kind=kind), later.encode(names, kind=kind)
            if name == "lightgcn":
                np.testing.assert_array_equal(old, now)
            else:
                np.testing.assert_allclose(old, now, rtol=1e-4, atol=1e-5)
    saved = gt.load(gt.save(tmp_path / "m", twice))
    np.testing.assert_array_equal(saved.encode(), twice.encode())
    settled = twice.copy()
    assert settled.encoder.grown == ()
    whole = recipe.build(twice.graph)
    whole.load_state_dict(twice.state_dict())
    np.testing.assert_array_equal(settled.encode(), whole.eval().encode())
    assert not np.array_equal(settled.encode(), twice.encode())
    assert all(torch.equal(value, snapshot(twice)[key]) for key, value in snapshot(settled).items())


def test_gradients_of_a_model_that_has_grown():
    """Its matrix is not symmetric: held to those of dense products."""
    graph, more = events()
    model = add_nodes(trained(gt.LightGCN(dim=3), graph), more).model
    model.train()
    weight, goal = model.encoder.table.weight, torch.randn(model.graph.num_nodes, 3, generator=torch.manual_seed(0))
    (model.encoder() * goal).sum().backward()
    matrix, dense = model.encoder.matrix.to_dense(), weight.detach().clone().requires_grad_()
    powers = [torch.linalg.matrix_power(matrix, k) for k in range(4)]
    (sum(power @ dense for power in powers) / 4 * goal).sum().backward()
    assert not torch.equal(matrix, matrix.T)
    torch.testing.assert_close(weight.grad, dense.grad)
