"""Graphs that have grown: a node is what was made of it on the day it came."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import graphtune as gt
from graphtune import add_nodes
from graphtune.models.arrivals import Size, days, size_of
from graphtune.testing import snapshot
from test_adapt import events, plain, trained

KINDS = ("user", "item")


def log(users, items, pairs, **fields):
    """Events of named users and items: rows of `pairs` are numbers in the two lists."""
    edges = np.array(pairs, dtype=np.int64).reshape(-1, 2).T + np.array([[0], [len(users)]])
    return gt.Graph(edges, gt.NodeIds.of(users, items, kinds=KINDS), directed=True, **fields)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_days(seed):
    rng = np.random.default_rng(seed)
    sizes = np.cumsum(rng.integers(1, 4, (3, 2)), axis=0)  # users and items after each growth
    ends = np.concatenate([rng.integers(0, size, (5, 2)) for size in sizes])
    users, items = sizes[-1]
    graph = log(range(users), range(items), ends)
    before = [Size((int(u), int(i)), 5 * (n + 1)) for n, (u, i) in enumerate(sizes[:-1])]
    came, graphs = days(graph, before)
    expected = [sum(node >= size.nodes[0] for size in before) for node in range(users)]
    expected += [sum(node >= size.nodes[1] for size in before) for node in range(items)]
    assert came.tolist() == expected
    for number, then in enumerate(graphs):
        assert then.ids == graph.ids
        assert then.edges.tolist() == graph.edges[:, : 5 * (number + 1)].tolist()
        assert (came[then.edges] <= number).all()


def test_a_node_is_what_the_graph_of_its_day_makes_of_it():
    """The mean of powers of dense normalised matrices of three days, each written out."""
    graph, more = events()
    third = log([100, 200, 3], [50, 60, 2], [(0, 1), (1, 0), (2, 1), (1, 2), (2, 2)])
    once = add_nodes(trained(gt.LightGCN(dim=4, layers=2), graph), more).model
    model = add_nodes(once, third).model
    size, rows = model.graph.num_nodes, model.encoder.table.weight.detach().double().numpy()
    came = np.zeros(size, dtype=int)
    came[model.ids.index([100], "user")] = came[model.ids.index([50], "item")] = 1
    came[model.ids.index([200], "user")] = came[model.ids.index([60], "item")] = 2
    expected = np.empty_like(rows)
    for day, count in enumerate((graph.num_edges, once.graph.num_edges, model.graph.num_edges)):
        adjacency = np.zeros((size, size))
        np.add.at(adjacency, tuple(model.graph.edges[:, :count]), 1)
        adjacency += adjacency.T
        degree = adjacency.sum(1)
        scale = np.divide(1, np.sqrt(degree), out=np.zeros(size), where=degree > 0)
        matrix = scale[:, None] * adjacency * scale
        expected[came == day] = ((rows + matrix @ rows + matrix @ matrix @ rows) / 3)[came == day]
    np.testing.assert_allclose(model.encode(), expected, rtol=1e-4, atol=1e-6)


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


def test_embeddings_stay_where_links_come_with_new_users(tmp_path):
    graph, more = events()
    model = trained(gt.LightGCN(dim=4, side_weight=0.5), graph.replace(side={"social": [[0, 1], [2, 3]]}))
    side = {"social": [[0, 1], [1, 0]], "trust": [[0], [1]]}
    twice = add_nodes(model, more.replace(side=side)).model
    third = log([200, 3], [2], [(0, 0)], side={"social": [[0], [1]]})
    for grown in (twice, add_nodes(twice, third).model):
        for kind in KINDS:
            names = graph.ids.blocks[graph.ids.kinds.index(kind)].to_pylist()
            np.testing.assert_array_equal(model.encode(names, kind=kind), grown.encode(names, kind=kind))
        np.testing.assert_array_equal(gt.load(gt.save(tmp_path / "m", grown, overwrite=True)).encode(), grown.encode())


def test_gradients_of_a_model_that_has_grown():
    """Held to those of dense products."""
    graph, more = events()
    model = add_nodes(trained(gt.LightGCN(dim=3), graph), more).model
    model.train()
    weight, goal = model.encoder.table.weight, torch.randn(model.graph.num_nodes, 3, generator=torch.manual_seed(0))
    (model.encoder() * goal).sum().backward()
    dense, came = weight.detach().clone().requires_grad_(), model.encoder.came[:, None]
    first, last = (
        sum(torch.linalg.matrix_power(matrix.to_dense(), k) @ dense for k in range(4)) / 4
        for matrix in (model.encoder.matrix_0, model.encoder.matrix)
    )
    (torch.where(came == 0, first, last) * goal).sum().backward()
    torch.testing.assert_close(weight.grad, dense.grad)
