"""Closed-form recommenders: each formula against a naive dense line, and what all of them share."""

import numpy as np
import pytest
import scipy.sparse as sp

import graphtune as gt
from graphtune.check import ArgumentError
from graphtune.estimate.histories import operator_bytes
from graphtune.estimate.memory import training_memory
from graphtune.estimate.plan import Plan, Size
from graphtune.estimate.time import training_seconds
from graphtune.models import BSPM, EASE, GFCF, ItemKNN, Popularity
from graphtune.models.bspm import SOLVERS
from graphtune.models.histories import HistoryScorer, histories, with_graph
from graphtune.testing import all_scores, two_cliques

USERS, ITEMS = 40, 25
EVERY = [Popularity(), ItemKNN(neighbours=5), EASE(), GFCF(dim=6), BSPM(dim=6)]


def events(seed=0, users=USERS, items=ITEMS, twice=True):
    """Random events with popular items and a user and an item without any; some stand twice."""
    rng = np.random.default_rng(seed)
    chance = 0.5 * (1 + np.arange(items)) ** -0.4
    took = rng.random((users, items)) < chance
    took[3], took[:, 4] = False, False
    u, i = np.nonzero(took)
    edges = np.stack([u, users + i])
    edges = np.concatenate([edges, edges[:, :7]], axis=1) if twice else edges
    ids = gt.NodeIds.of([f"u{n}" for n in range(users)], [f"i{n}" for n in range(items)], kinds=("user", "item"))
    return gt.Graph(edges, ids, directed=True)


def solved(recipe, graph=None, seed=0):
    model = recipe.build(events() if graph is None else graph, seed)
    recipe.solve(model, seed)
    return model.eval()


def dense(graph):
    x = np.zeros((len(graph.ids.rows("user")), len(graph.ids.rows("item"))))
    x[graph.edges[0], graph.edges[1] - len(x)] = 1
    return x


# ---- formulas ------------------------------------------------------------------------------------------------


def test_histories_are_rows_of_zeros_and_ones():
    graph = events()
    found = histories(graph)
    assert np.array_equal(found.toarray(), dense(graph)) and found.dtype == np.float32
    some = np.array([7, 3, 7])
    assert np.array_equal(histories(graph, some).toarray(), dense(graph)[some])


def test_popularity_counts_users():
    model = solved(Popularity())
    assert np.array_equal(all_scores(model), np.tile(dense(model.graph).sum(0), (USERS, 1)))


@pytest.mark.parametrize("shrinkage", [0.0, 3.0])
def test_itemknn_by_loops(shrinkage):
    model = solved(ItemKNN(neighbours=4, shrinkage=shrinkage))
    x = dense(model.graph)
    count, both = x.sum(0), x.T @ x
    expected = np.zeros_like(x)
    for j in range(ITEMS):
        alike = [(both[i, j] / (np.sqrt(count[i] * count[j]) + shrinkage or 1), -i) for i in range(ITEMS) if i != j]
        for value, minus in sorted(alike, reverse=True)[:4]:
            expected[:, j] += value * x[:, -minus]
    np.testing.assert_allclose(all_scores(model), expected, rtol=1e-5)


def test_itemknn_takes_the_first_of_equal_neighbours():
    taken = sp.csr_array(np.ones((3, 6), dtype=np.float32))
    found = ItemKNN(neighbours=2, shrinkage=0.0).weights(taken).toarray()
    assert [np.flatnonzero(column).tolist() for column in found.T] == [[1, 2], [0, 2], *[[0, 1]] * 4]


def test_ease_is_the_constrained_ridge_regression():
    """Column j of B is the ridge regression of item j on all the other items."""
    model = solved(EASE(l2=2.0))
    x = dense(model.graph)
    expected = np.zeros_like(x)
    for j in range(ITEMS):
        others = np.delete(np.arange(ITEMS), j)
        a = x[:, others]
        expected[:, j] = a @ np.linalg.solve(a.T @ a + 2.0 * np.eye(len(others)), a.T @ x[:, j])
    np.testing.assert_allclose(all_scores(model), expected, rtol=1e-4, atol=1e-5)


def test_truncated_ease_is_exact_at_full_rank_and_near_it_below():
    exact = all_scores(solved(EASE(l2=20.0)))
    whole, most, few = (all_scores(solved(EASE(l2=20.0, method="truncated", rank=rank))) for rank in (ITEMS, 12, 2))
    np.testing.assert_allclose(whole, exact, rtol=1e-3, atol=1e-4)
    assert abs(most - exact).max() < abs(few - exact).max() < 0.5


def test_ease_says_when_it_truncates(monkeypatch):
    monkeypatch.setattr("graphtune.models.ease.DENSE_ITEMS", ITEMS - 1)
    model, said = EASE(rank=5).build(events()), []
    EASE(rank=5).solve(model, say=said.append)
    assert "truncated: 5 factors" in said[0] and model.scorer.operator.array("weight").size == 0
    with pytest.raises(ArgumentError, match="'truncated' for more than 24 items"):
        EASE(method="exact").solve(model)


def spectrum(x, p, q, k):
    """P, and the low-pass filter D^-q V V^T D^q, by eigenvectors of the dense P."""
    of_user, of_item = x.sum(1), x.sum(0)
    normal = x * np.where(of_user > 0, np.maximum(of_user, 1) ** -p, 0)[:, None]
    normal = normal * np.where(of_item > 0, np.maximum(of_item, 1) ** -q, 0)
    square = normal.T @ normal
    vectors = np.linalg.eigh(square)[1][:, ::-1][:, :k]
    scale = np.where(of_item > 0, of_item, 1) ** q
    return square, (vectors @ vectors.T) / scale[:, None] * np.where(of_item > 0, scale, 0)


@pytest.mark.parametrize(("p", "q"), [(0.5, 0.5), (0.4, 0.3)])
def test_gfcf_by_a_dense_eigendecomposition(p, q):
    model = solved(GFCF(dim=6, low_pass=0.7, user_power=p, item_power=q))
    x = dense(model.graph)
    square, low = spectrum(x, p, q, 6)
    np.testing.assert_allclose(all_scores(model), x @ square + 0.7 * x @ low, rtol=1e-3, atol=1e-4)
    z = model.encode()
    np.testing.assert_allclose(z[:USERS] @ z[USERS:].T, x @ low, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("merge", ["early", "late"])
@pytest.mark.parametrize("solver", list(SOLVERS))
def test_bspm_by_steps_of_its_equations(merge, solver):
    """dx/dt = -x P in two steps, by the textbook forms of Euler and Runge-Kutta."""
    model = solved(BSPM(dim=6, low_pass=0.7, sharpening=1.2, steps=2, solver=solver, merge=merge))
    x = dense(model.graph)
    square, low = spectrum(x, 0.5, 0.5, 6)
    blurred, ideal, h = x @ square, 0.7 * x @ low, 0.6

    def slope(at):
        return -at @ square

    now = blurred + ideal if merge == "early" else blurred
    for _ in range(2):
        first = slope(now)
        if solver == "euler":
            now = now + h * first
            continue
        second = slope(now + h / 2 * first)
        third = slope(now + h / 2 * second)
        fourth = slope(now + h * third)
        now = now + h / 6 * (first + 2 * second + 2 * third + fourth)
    expected = now if merge == "early" else now + ideal
    np.testing.assert_allclose(all_scores(model), expected, rtol=1e-3, atol=1e-4)


def test_bspm_without_sharpening_is_gfcf():
    sharp, plain = solved(BSPM(dim=6, sharpening=0.0, low_pass=0.3)), solved(GFCF(dim=6, low_pass=0.3))
    assert np.array_equal(all_scores(sharp), all_scores(plain))


# ---- what all of them share ----------------------------------------------------------------------------------


@pytest.mark.parametrize("recipe", EVERY, ids=lambda recipe: type(recipe).__name__)
def test_blocks_of_users_do_not_matter(recipe, monkeypatch):
    model = solved(recipe)
    whole = all_scores(model)
    for module in ("histories", "gfcf"):
        monkeypatch.setattr(f"graphtune.models.{module}.AT_ONCE", 7)
    np.testing.assert_allclose(all_scores(model), whole, rtol=1e-5, atol=1e-6)
    u, v = np.random.default_rng(0).integers(0, USERS, 50), USERS + np.random.default_rng(1).integers(0, ITEMS, 50)
    np.testing.assert_allclose(model.frozen().pairs(u, v), whole[u, v - USERS], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("recipe", EVERY, ids=lambda recipe: type(recipe).__name__)
def test_items_in_another_order(recipe):
    """The items of the other graph stand the other way round, and its users have the histories of others."""
    model = solved(recipe)
    graph = model.graph
    edges = np.stack([USERS - 1 - graph.edges[0], 2 * USERS + ITEMS - 1 - graph.edges[1]])
    users, items = (graph.ids.values(np.array(graph.ids.rows(kind))) for kind in ("user", "item"))
    turned = gt.Graph(edges, gt.NodeIds.of(users, items[::-1], kinds=("user", "item")), directed=True)
    found = with_graph(model, turned)
    np.testing.assert_allclose(all_scores(found), all_scores(model)[::-1, ::-1], rtol=1e-5, atol=1e-6)
    again = found.copy()
    assert np.array_equal(all_scores(again), all_scores(found))


def test_another_graph_must_have_the_items():
    model = solved(ItemKNN())
    with pytest.raises(ArgumentError, match="i24"):
        with_graph(model, events(items=ITEMS - 1))
    with pytest.raises(ArgumentError, match="one that scores histories"):
        with_graph(gt.BPRMF(dim=2).build(events()), events())


@pytest.mark.parametrize("recipe", [ItemKNN(neighbours=ITEMS, shrinkage=0.0), EASE()], ids=["ItemKNN", "EASE"])
def test_without_embeddings_likeness_is_that_of_neighbours(recipe):
    model = solved(recipe)
    x = dense(model.graph)
    for kind, name, rows in (("user", "u0", x), ("item", "i0", x.T)):
        (found, cosine), *_ = model.most_similar(name, 1, kind)
        alike = rows @ rows[0] / np.sqrt(np.maximum(rows.sum(1), 1) * rows[0].sum())
        assert cosine == pytest.approx(alike[int(found[1:])]) == pytest.approx(alike[1:].max())


def test_entities_of_an_item_graph_have_vectors_of_zeros():
    graph = events()
    blocks = [block.to_pylist() for block in graph.ids.blocks]
    ids = gt.NodeIds.of(*blocks, ["drama", "war"], kinds=("user", "item", "entity"))
    wider = graph.replace(ids=ids, side={"genre": [[USERS, USERS + 1], [USERS + ITEMS] * 2]})
    plain, model = solved(GFCF(dim=6), graph), solved(GFCF(dim=6), wider)
    assert np.array_equal(model.encode(), np.pad(plain.encode(), [(0, 2), (0, 0)]))
    assert [one for one, _ in model.most_similar("war", 3)] == ["drama"]


@pytest.mark.parametrize("recipe", EVERY, ids=lambda recipe: type(recipe).__name__)
def test_explained_by_the_summands(recipe):
    model = solved(recipe)
    found = gt.Recommender(model).explain("u0", "i1")
    assert found.score == pytest.approx(float(model.score(["u0"], ["i1"])[0]), rel=1e-5)
    if isinstance(recipe, gt.Popularity):
        assert found.parts == () and found.rest == found.score
    else:
        assert len(found.parts) == int(dense(model.graph)[0].sum()) and found.rest == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("recipe", EVERY, ids=lambda recipe: type(recipe).__name__)
def test_what_they_refuse(recipe):
    with pytest.raises(ArgumentError, match="a log of events"):
        recipe.build(two_cliques())
    split = gt.split_interactions(events(twice=False), "user", seed=0)
    model = gt.pretrain(recipe, split, run=gt.Run(quiet=True)).model
    with pytest.raises(ArgumentError, match=r"one with weights to train.*train LightGCN or BPRMF"):
        gt.finetune(model, gt.Recommendation(split))
    assert isinstance(model.scorer, HistoryScorer) and not model.scorer.is_product
    assert 0 <= gt.Recommendation(split).evaluate(model)["recall_20"] <= 1


def test_options_are_checked():
    for recipe, options in (
        (ItemKNN, {"neighbours": 0}),
        (EASE, {"l2": 0.0}),
        (EASE, {"method": "dense"}),
        (GFCF, {"low_pass": -1.0}),
        (BSPM, {"solver": "midpoint"}),
        (BSPM, {"merge": "now"}),
    ):
        with pytest.raises(ArgumentError, match=next(iter(options))):
            recipe(**options)


@pytest.mark.parametrize("recipe", [*EVERY, EASE(method="truncated", rank=6)], ids=repr)
def test_memory_is_counted(recipe):
    graph = events(twice=False)
    plan, size = Plan.of(recipe, recipe.training()), Size.of(graph)
    counted = sum(buffer.nbytes for buffer in solved(recipe, graph).buffers())
    slack = 12 * (5 * ITEMS - counted // 12) if isinstance(recipe, ItemKNN) else 0  # items with fewer neighbours
    assert counted <= operator_bytes(plan, size) <= counted + max(slack, 0) + 8 * ITEMS + 64
    assert training_memory(plan, size)["training"] > counted and training_seconds(plan, size) >= 0


@pytest.mark.parametrize("recipe", EVERY, ids=lambda recipe: type(recipe).__name__)
def test_new_users_are_scored_by_what_they_took(recipe, tmp_path):
    """As those with the same history; new items score 0, and a directory keeps it so."""
    model = solved(recipe)
    ids = gt.NodeIds.of(["new"], ["i0", "i3", "fresh"], kinds=("user", "item"))
    facts = gt.Graph(np.array([[0, 0, 0], [1, 2, 3]]), ids, directed=True)
    found = gt.add_nodes(model, facts)
    assert found.report.unscored == ("fresh",) and "solved again" in str(found.report)
    taken = np.zeros((1, ITEMS), np.float32)
    taken[0, [0, 3]] = 1
    wanted = model.scorer.operator.scores(sp.csr_array(taken))[0]
    again = gt.load(gt.save(tmp_path / "model", found.model))
    for grown in (found.model, again):
        scores = grown.score(["new"] * (ITEMS + 1), [*(f"i{i}" for i in range(ITEMS)), "fresh"])
        np.testing.assert_allclose(scores, [*wanted, 0], rtol=1e-5, atol=1e-6)
        old = [f"u{user}" for user in range(USERS)]
        np.testing.assert_allclose(grown.score(old, ["i1"] * USERS), model.score(old, ["i1"] * USERS), rtol=1e-6)
    with pytest.raises(ArgumentError, match="which has no rows of nodes"):
        gt.add_nodes(model, facts, epochs=1)
