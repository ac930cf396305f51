"""New users and items of a recommender: rows by least squares, by features, both kinds at once."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import graphtune as gt
from graphtune import add_nodes
from graphtune.adapt.rowmap import RIDGES, regress_rows
from graphtune.adapt.solve import solve_rows
from test_adapt import events, plain, trained
from test_arrivals import log


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.booleans(), st.floats(0, 1), st.floats(1e-3, 100))
def test_solved_rows_are_least_squares(seed, weighed, unobserved, ridge):
    """One regression a node over all its equations, sqrt of weights times rows."""
    rng = np.random.default_rng(seed)
    count, dim = int(rng.integers(1, 9)), int(rng.integers(1, 5))
    keys = rng.normal(size=(count, dim)).astype(np.float32)
    lists = [rng.choice(count, int(rng.integers(0, count + 1)), replace=False) for _ in range(4)]
    indptr = np.concatenate([[0], np.cumsum([len(one) for one in lists])])
    weight = rng.random(indptr[-1]) + 0.5 if weighed else None
    got = solve_rows(keys, indptr, np.concatenate(lists).astype(np.int64), weight, unobserved, ridge)
    y = keys.astype(np.float64)
    for node, own in enumerate(lists):
        w = np.ones(len(own)) if weight is None else weight[indptr[node] : indptr[node + 1]]
        held = np.sqrt(ridge * np.square(y).mean()) * np.eye(dim)
        rows = np.concatenate([np.sqrt(w)[:, None] * y[own], np.sqrt(unobserved) * y, held])
        goal = np.concatenate([np.sqrt(w), np.zeros(count + dim)])
        np.testing.assert_allclose(got[node], np.linalg.lstsq(rows, goal, rcond=None)[0], rtol=1e-5, atol=1e-8)


def test_half_a_step_of_alternating_least_squares():
    """Hu et al. (2008): (Y'Y + Y'(C - I)Y + lambda I)^-1 Y'C p with confidence 1 + alpha."""
    rng = np.random.default_rng(0)
    y, taken, alpha, lam = rng.normal(size=(30, 4)), np.arange(0, 30, 4), 40.0, 0.7
    confidence, preference = np.ones(30), np.zeros(30)
    confidence[taken] += alpha
    preference[taken] = 1
    expected = np.linalg.solve(y.T @ (confidence[:, None] * y) + lam * np.eye(4), y.T @ (confidence * preference))
    got = solve_rows(y, np.array([0, len(taken)]), taken, np.full(len(taken), alpha), 1.0, lam / np.square(y).mean())
    np.testing.assert_allclose(got[0] * (1 + alpha) / alpha, expected, rtol=1e-9)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.floats(0, 3))
def test_the_ridge_is_that_of_generalised_cross_validation(seed, noise):
    """n r'Vr / tr(I - H)^2, r what is left and V the weights, with H written out, the mean among what is fitted."""
    rng = np.random.default_rng(seed)
    x, w, v = rng.normal(1, 1, (12, 4)), rng.normal(size=(4, 2)), rng.uniform(0.5, 5, 12)
    y = x @ w + noise * rng.normal(size=(12, 2))
    weigh = np.diag(v / v.mean())
    centred, goal = (table - v @ table / v.sum() for table in (x, y))
    gram = centred.T @ weigh @ centred
    found = {}
    for ridge in RIDGES:
        inverse = np.linalg.inv(gram + ridge * np.trace(gram) / 4 * np.eye(4))
        hat = centred @ inverse @ centred.T @ weigh + np.outer(np.ones(12), v / v.sum())
        left = goal - centred @ inverse @ centred.T @ weigh @ goal
        found[np.trace(left.T @ weigh @ left) / np.trace(np.eye(12) - hat) ** 2] = inverse @ centred.T @ weigh @ goal
    np.testing.assert_allclose(regress_rows(x, y, v).weight, found[min(found)], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("rows", ["mean", "solve"])
def test_users_and_items_of_one_file(rows):
    """A user and an item that know only each other and the old, and a user whose one item is new."""
    graph, _ = events()
    model = trained(gt.BPRMF(dim=8), graph)
    more = log([100, 101, 3], [50, 2], [(0, 1), (0, 0), (1, 0), (2, 0)])
    found = add_nodes(model, more, rows=rows)
    for kind in ("user", "item"):
        names = graph.ids.blocks[graph.ids.kinds.index(kind)].to_pylist()
        np.testing.assert_array_equal(found.model.encode(names, kind=kind), model.encode(names, kind=kind))
    assert (found.report.count("user"), found.report.count("item")) == (2, 1)
    assert found.report.untold == ()
    assert str(found.report) == "2 new users, 1 to 2 events each; 1 new items, 3 events each"
    assert found.model.recommend(101, 3)


def test_solved_rows_rank_what_factors_would():
    """Users of two tastes: a new one of five items gets the others of its own half first."""
    rng = np.random.default_rng(0)
    pairs = [(u, i) for u in range(40) for i in range(30) if u % 2 == i % 2 and rng.random() < 0.6]
    graph = log(range(40), range(30), pairs)
    config = gt.TrainConfig(epochs=30, batch_size=128, lr=0.05)
    model = gt.pretrain(gt.BPRMF(dim=8), graph, config, run=gt.Run(quiet=True)).model
    for rows in ("mean", "solve"):
        more = log(["a", "b"], range(10), [(0, i) for i in range(0, 10, 2)] + [(1, i) for i in range(1, 10, 2)])
        more = more.replace(ids=gt.NodeIds.of([900, 901], range(10), kinds=("user", "item")))
        found = add_nodes(model, more, rows=rows).model
        for user, half in ((900, 0), (901, 1)):
            assert all(item % 2 == half for item, _ in found.recommend(user, 8)), rows


@pytest.mark.parametrize("sparse", [False, True])
def test_users_without_events_get_rows_by_their_features(sparse):
    """A row that is a linear map of features is found again."""
    rng = np.random.default_rng(0)
    graph, _ = events()
    features = rng.normal(size=(graph.num_nodes, 3)).astype(np.float32)
    wrap = sp.csr_array if sparse else np.asarray
    model = trained(gt.BPRMF(dim=4), graph.replace(features=wrap(features)))
    weights = rng.normal(size=(3, 4)).astype(np.float32)
    with_rows = model.state_dict()
    with_rows["encoder.weight"][:8] = torch.from_numpy(features[:8] @ weights)
    model.load_state_dict(with_rows)
    more = log([100, 3, 101], [2], [(1, 0)])
    theirs = np.zeros((4, 3), dtype=np.float32)
    theirs[0] = [10.0, -10.0, 10.0]
    found = add_nodes(model, more.replace(features=wrap(theirs)))
    assert (found.report.featured, found.report.untold) == ((100,), (101,))
    assert "1 of them without a way to a known node, set by their features" in str(found.report)
    got, expected = found.model.encode([100], kind="user")[0], theirs[0] @ weights
    cosine = got @ expected / np.linalg.norm(got) / np.linalg.norm(expected)
    assert cosine > 0.9
    np.testing.assert_allclose(found.model.encode([101], kind="user")[0], model.encode()[:8].mean(0), atol=1e-5)


def test_refusals():
    graph, more = events()
    model = trained(gt.BPRMF(dim=4), graph)
    with pytest.raises(gt.ArgumentError, match="`rows` of add_nodes must be one of 'mean', 'solve'"):
        add_nodes(model, more, rows="mode")
    with pytest.raises(gt.ArgumentError, match="`rows` of add_nodes must be 'mean' for a model whose scores"):
        add_nodes(trained(gt.LightGCN(dim=4), graph), more, rows="solve")
    other = gt.Graph(np.array([[0], [1]]), gt.NodeIds.of([1], [2], kinds=("user", "shop")), directed=True)
    with pytest.raises(gt.ArgumentError, match="on nodes of the kinds user, item"):
        add_nodes(model, other)
    with pytest.raises(gt.ArgumentError, match="about a node that the model does not know"):
        add_nodes(model, graph.take_edges(np.arange(0)))
    assert add_nodes(trained(gt.DeepWalk(dim=4), plain()[0]), plain()[1]).report.kinds == ("node", "node")
