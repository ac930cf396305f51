"""Where models start: drawn, in closed form, from vectors and from other models."""

import numpy as np
import pytest
import torch

import graphtune as gt
from graphtune import start_from, start_from_closed_form, start_from_model, start_from_svd
from graphtune.kernels.spread import fill_means, outwards
from graphtune.start.resize import dealt, resized
from graphtune.testing import snapshot
from graphtune.vectors import vectors_of

RING = np.stack([np.arange(12), (np.arange(12) + 1) % 12])
NAMES = [f"n {i}" for i in range(12)]


def ring(**fields: object) -> gt.Graph:
    return gt.Graph(RING, gt.NodeIds.of(NAMES), **fields)  # type: ignore[arg-type]


def path(nodes: int, *edges: tuple[int, int]) -> gt.Graph:
    """0 - 1 - 2 - ..., and further edges."""
    steps = [(i, i + 1) for i in range(nodes - 1)]
    return gt.Graph(np.array([*steps, *edges]).T, gt.NodeIds.range(nodes))


def triples(names: tuple[str, ...] = ("next", "after"), nodes: gt.NodeIds | None = None) -> gt.Graph:
    ids, relations = nodes or gt.NodeIds.of(NAMES), gt.NodeIds.of(names)
    return gt.Graph(RING, ids, directed=True, relation=np.arange(12) % 2, relation_ids=relations)


def events() -> gt.Graph:
    ids = gt.NodeIds.of(range(4), range(6), kinds=("user", "item"))
    return gt.Graph(np.array([[0, 0, 1, 1, 2, 2, 3, 3], [4, 5, 5, 6, 7, 8, 8, 9]]), ids, directed=True)


def drawn(rows: int, dim: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, dim)).astype(np.float32)


# --- at random ---


@pytest.mark.parametrize("how", ["xavier", "normal", "orthogonal"])
@pytest.mark.parametrize(
    "recipe, graph",
    [
        (gt.DeepWalk(dim=4), ring()),
        (gt.LINE(dim=4, table_dtype="bfloat16"), ring()),
        (gt.GAT(dim=4, hidden=4, heads=2), ring(directed=True)),
        (gt.ComplEx(dim=4), triples()),
        (gt.RotatE(dim=4), triples()),
        (gt.TuckER(dim=4, relation_dim=3), triples()),
        (gt.ConvE(dim=8, channels=2), triples()),
    ],
)
def test_random_starts(how, recipe, graph):
    first, second, other = (recipe.build(graph, seed) for seed in (1, 1, 1))
    state = torch.get_rng_state()
    report = gt.randomise(first, how, seed=5)
    assert torch.equal(torch.get_rng_state(), state)
    assert (report.known, report.new) == (0, 12)
    gt.randomise(second, how, seed=5)
    gt.randomise(other, how, seed=6)
    before = dict(recipe.build(graph, 1).named_parameters())
    for (name, p), q, r in zip(first.named_parameters(), second.parameters(), other.parameters()):
        assert torch.equal(p, q), name
        kept = p.ndim < 2 or name in ("scorer.phase", "scorer.bias.weight")
        assert torch.equal(p, before[name]) == kept, name
        assert torch.equal(p, r) == kept, name


def test_random_starts_have_their_scale():
    model = gt.DeepWalk(dim=16).build(path(2000))
    table = model.encoder.weight
    gt.randomise(model, "xavier")
    bound = (6 / 2016) ** 0.5
    assert 0.99 * bound < table.abs().max() <= bound
    gt.randomise(model, "normal")
    assert table.norm(dim=1).square().mean().item() == pytest.approx(1, abs=0.03)
    gt.randomise(model, "orthogonal")
    torch.testing.assert_close(table.T @ table, torch.eye(16), atol=1e-5, rtol=0)
    wide = gt.DeepWalk(dim=16).build(path(5))
    gt.randomise(wide, "orthogonal")
    torch.testing.assert_close(wide.encoder.weight @ wide.encoder.weight.T, torch.eye(5), atol=1e-5, rtol=0)


def test_random_starts_by_name_only():
    with pytest.raises(gt.ArgumentError, match="'xavier', 'normal', 'orthogonal'"):
        gt.randomise(gt.DeepWalk(dim=4).build(ring()), "uniform")


# --- in closed form ---


@pytest.mark.parametrize("recipe", [gt.DeepWalk(dim=8), gt.LINE(dim=8), gt.LightGCN(dim=8), gt.GCN(dim=4, hidden=8)])
def test_closed_form_is_repeatable(recipe):
    graph = path(40, (0, 20), (5, 30), (11, 2))
    models = [recipe.build(graph, 3) for _ in range(2)]
    reports = [start_from_closed_form(model, seed=1) for model in models]
    assert reports[0] == reports[1] and reports[0].known == 40
    first, second = (snapshot(model) for model in models)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_closed_form_gives_its_scores():
    graph = path(30, (0, 20), (5, 25), (11, 2)).replace(directed=True)
    solved = gt.pretrain(gt.NetMF(dim=6), graph, gt.TrainConfig(seed=2)).model
    model = gt.DeepWalk(dim=6).build(graph)
    start_from_closed_form(model, gt.NetMF(dim=6), missing="random", seed=2)
    has = (solved.encode() != 0).any(1) | (solved.encode(side="target") != 0).any(1)
    assert has.sum() > 25
    np.testing.assert_allclose(model.encode()[has], solved.encode()[has], atol=1e-6)
    np.testing.assert_allclose(model.encode(side="target")[has], solved.encode(side="target")[has], atol=1e-6)


def test_closed_form_of_tied_sides_has_no_directions():
    graph = path(30, (0, 20), (5, 25)).replace(directed=True)
    model, plain = gt.BPRMF(dim=4).build(graph), gt.BPRMF(dim=4).build(graph.replace(directed=False))
    for each in (model, plain):
        assert start_from_closed_form(each).known == 30
    assert np.array_equal(model.encode(), plain.encode())


def test_closed_form_of_a_small_graph_leaves_no_column_of_zeros():
    model = gt.BPRMF(dim=16).build(path(4))
    report = start_from_closed_form(model)
    assert (report.known, report.to_dim) == (4, 16) and report.from_dim <= 4
    assert (model.encoder.weight != 0).all()


def test_closed_form_knows_nothing_of_lonely_nodes():
    graph = gt.Graph(np.array([[0, 1], [1, 2]]), gt.NodeIds.range(4))
    model = gt.BPRMF(dim=2).build(graph)
    before = model.encode([3])
    report = start_from_closed_form(model)
    assert (report.known, report.filled, report.new, report.ignored) == (3, 0, 1, 0)
    assert np.array_equal(model.encode([3]), before)


def test_closed_form_starts_a_knowledge_graph():
    model = gt.ComplEx(dim=4).build(triples())
    relations = model.scorer.relation.clone()
    assert start_from_closed_form(model).known == 12
    assert torch.equal(model.scorer.relation, relations)


def test_svd_gives_products_as_the_truncated_svd_has_them():
    rng = np.random.default_rng(0)
    took = np.argwhere(rng.random((30, 20)) < 0.2)
    ids = gt.NodeIds.of(range(31), range(20), kinds=("user", "item"))  # the last user took nothing
    graph = gt.Graph(took.T + np.array([[0], [31]]), ids, directed=True)
    dense = np.zeros((30, 20))
    dense[tuple(took.T)] = 1
    degrees = [np.maximum(dense.sum(axis), 1) ** -0.5 for axis in (1, 0)]
    u, s, vt = np.linalg.svd(degrees[0][:, None] * dense * degrees[1])
    for recipe in (gt.BPRMF(dim=4), gt.LightGCN(dim=4)):
        model = recipe.build(graph)
        before = [to_size(t) for t in model.table_parameters().values()]
        lonely = next(iter(model.table_parameters().values())).detach()[30].clone()
        report = start_from_svd(model, missing="random")
        table = next(iter(model.table_parameters().values())).detach().numpy()
        told = np.ix_(dense.any(1), dense.any(0))
        found, expected = (table[:30] @ table[31:].T)[told], ((u[:, :4] * s[:4]) @ vt[:4])[told]
        scale = (found * expected).sum() / (expected**2).sum()
        assert np.linalg.norm(found - scale * expected) < 0.02 * np.linalg.norm(scale * expected)
        assert scale > 0 and report.known == dense.any(1).sum() + dense.any(0).sum()
        assert to_size(torch.from_numpy(table[graph.strength("both") > 0])) == pytest.approx(before[0], rel=0.05)
        assert np.array_equal(table[30], lonely.numpy())
        again = recipe.build(graph)
        start_from_svd(again, missing="random")
        assert np.array_equal(next(iter(again.table_parameters().values())).detach().numpy(), table)


def test_svd_gives_both_sides_the_same_rows():
    model = gt.DeepWalk(dim=4).build(path(30, (0, 20), (5, 25)))
    assert start_from_svd(model).known == 30
    np.testing.assert_array_equal(model.encode(), model.encode(side="target"))
    with pytest.raises(gt.ArgumentError, match="a table of node embeddings"):
        start_from_svd(gt.GCN(dim=4).build(path(30).replace(features=np.ones((30, 2), np.float32))))


def to_size(table) -> float:
    return float(table.detach().square().mean().sqrt())


# --- from vectors: rows ---


def test_missing_rows_are_the_mean_of_their_neighbours():
    model = gt.DeepWalk(dim=2).build(path(5))
    report = start_from(model, gt.Vectors([0, 2], np.array([[1, 0], [3, 4]], np.float32)))
    assert model.encode().tolist() == [[1, 0], [2, 2], [3, 4], [3, 4], [3, 4]]
    assert (report.known, report.filled, report.new, report.ignored) == (2, 3, 0, 0)
    assert str(report) == "2 rows known, 3 from their neighbours, 0 new"


def test_rounds_go_outwards():
    # 0 and 5 are known, at the ends of a path; 2 and 3 are reached in the same round and do not see one another
    model = gt.DeepWalk(dim=1).build(path(6))
    start_from(model, gt.Vectors([0, 5], np.array([[0], [6]], np.float32)))
    assert model.encode().ravel().tolist() == [0, 0, 0, 6, 6, 6]


def test_a_neighbour_counts_once_and_a_loop_does_not():
    edges = np.array([[0, 0, 1, 1], [1, 1, 1, 2]])  # 0 = 1 twice, 1 loops, 1 - 2
    for graph in (gt.Graph(edges, gt.NodeIds.range(3)), gt.Graph(edges, gt.NodeIds.range(3), directed=True)):
        model = gt.DeepWalk(dim=1).build(graph)
        start_from(model, gt.Vectors([0, 2], np.array([[1], [4]], np.float32)))
        assert model.encode([1]).item() == 2.5


def test_nodes_that_are_not_reached_stay_random():
    graph = gt.Graph(np.array([[0, 2], [1, 3]]), gt.NodeIds.range(5))
    model = gt.DeepWalk(dim=2).build(graph)
    before = model.encode()
    report = start_from(model, gt.Vectors([0], np.ones((1, 2), np.float32)))
    assert (report.known, report.filled, report.new) == (1, 1, 3)
    assert model.encode()[:2].tolist() == [[1, 1], [1, 1]] and np.array_equal(model.encode()[2:], before[2:])


def test_missing_rows_may_stay_random():
    model = gt.DeepWalk(dim=2).build(ring())
    before = model.encode()
    vectors = gt.Vectors(["n 3", "stranger", "n 5"], np.array([[1, 2], [3, 4], [5, 6]], dtype=np.float32))
    report = start_from(model, vectors, missing="random")
    assert (report.known, report.filled, report.new, report.ignored) == (2, 0, 10, 1)
    assert str(report) == "2 rows known, 10 new, 1 vectors unused"
    assert model.encode(["n 3", "n 5"]).tolist() == [[1, 2], [5, 6]]
    assert np.array_equal(model.encode(["n 0", "n 11"]), before[[0, 11]])


@pytest.mark.parametrize("seed", range(3))
def test_rounds_kernel_is_the_naive_one(seed):
    random = np.random.default_rng(seed)
    graph = gt.Graph(random.integers(0, 60, (2, 70)), gt.NodeIds.range(60))
    csr, known, table = graph.adjacency("both"), random.random(60) < 0.1, drawn(60, 3, seed)
    expected, has = table.astype(np.float64), known.copy()
    while True:
        near = {v: [w for w in set(csr.indices[csr.indptr[v] : csr.indptr[v + 1]]) if has[w]] for v in range(60)}
        now = [v for v in range(60) if not has[v] and near[v]]
        if not now:
            break
        for v, row in {v: expected[near[v]].mean(axis=0) for v in now}.items():
            expected[v], has[v] = row, True
    rounds, reached = outwards(csr.indptr, csr.indices, known)
    fill_means(csr.indptr, csr.indices, rounds, reached, table)
    np.testing.assert_allclose(table, expected, atol=1e-6)
    assert np.array_equal(rounds >= 0, has) and np.array_equal(np.sort(reached), np.flatnonzero(has & ~known))


@pytest.mark.parametrize("given", [[3, 5], ["3", "5"], np.array([3, 5])])
@pytest.mark.parametrize("known", [[3, 4, 5], ["3", "4", "5"]])
def test_ids_of_either_type(given, known):
    model = gt.DeepWalk(dim=2).build(gt.Graph(np.array([[0, 1], [1, 2]]), gt.NodeIds.of(known)))
    report = start_from(model, gt.Vectors(list(given), np.array([[1, 2], [5, 6]], np.float32)))
    assert (report.known, report.filled) == (2, 1)
    assert model.encode(known).tolist() == [[1, 2], [3, 4], [5, 6]]


def test_start_by_kind():
    first, second = gt.BPRMF(dim=2).build(events(), seed=1), gt.BPRMF(dim=2).build(events(), seed=2)
    start_from(second, vectors_of(first))
    assert np.array_equal(first.encode(), second.encode())


def test_tables_of_half_the_size():
    model = gt.DeepWalk(dim=2, table_dtype="bfloat16").build(path(3))
    start_from(model, gt.Vectors([0, 2], np.array([[1, 2], [3, 4]], np.float32)))
    assert model.encode().tolist() == [[1, 2], [2, 3], [3, 4]]


def test_rows_of_a_graph_on_disk(tmp_path):
    gt.save_graph(path(5), tmp_path / "graph")
    model = gt.DeepWalk(dim=2).build(gt.load_graph(tmp_path / "graph"))
    start_from(model, gt.Vectors([0, 2], np.array([[1, 0], [3, 4]], np.float32)))
    assert model.encode().tolist() == [[1, 0], [2, 2], [3, 4], [3, 4], [3, 4]]


# --- from vectors: columns ---


def test_fewer_columns_keep_dot_products():
    low = drawn(50, 3) @ drawn(3, 8, seed=1)  # of rank 3: nothing is lost
    (small,) = resized([low], 3)
    np.testing.assert_allclose(small @ small.T, low @ low.T, rtol=1e-4, atol=1e-4)
    full = drawn(50, 8)
    (small,) = resized([full], 5)
    values, vectors = np.linalg.eigh((full @ full.T).astype(np.float64))
    nearest = (vectors[:, -5:] * values[-5:]) @ vectors[:, -5:].T  # Eckart & Young: no other of rank 5 is nearer
    np.testing.assert_allclose(small @ small.T, nearest, atol=1e-4)
    assert np.array_equal(small, resized([full.copy()], 5)[0])


def test_both_sides_are_projected_alike():
    axes = drawn(4, 9, seed=2)
    source, target = drawn(30, 4) @ axes, drawn(20, 4, seed=1) @ axes
    small = resized([source, target], 4)
    np.testing.assert_allclose(small[0] @ small[1].T, source @ target.T, rtol=1e-3, atol=1e-3)


def test_more_columns_change_little():
    full = drawn(50, 4)
    large, again, other = (resized([full], 16, seed)[0] for seed in (1, 1, 2))
    assert np.array_equal(large[:, :4], full) and np.array_equal(large, again) and not np.array_equal(large, other)
    assert 0.008 < large[:, 4:].std() < 0.012
    np.testing.assert_allclose(large @ large.T, full @ full.T, atol=0.01)


def test_columns_are_dealt_evenly():
    assert [columns.tolist() for columns in dealt([3, 3])] == [[0, 2, 4], [1, 3, 5]]
    assert [columns.tolist() for columns in dealt([2, 4])] == [[1, 4], [0, 2, 3, 5]]
    assert [columns.tolist() for columns in dealt([3])] == [[0, 1, 2]]


def test_projected_vectors_in_a_model():
    low = drawn(12, 3) @ drawn(3, 8, seed=1)
    model = gt.BPRMF(dim=4).build(ring())
    report = start_from(model, gt.Vectors(NAMES, low))
    assert (report.from_dim, report.to_dim) == (8, 4) and "dim 8 made 4" in str(report)
    np.testing.assert_allclose(model.encode() @ model.encode().T, low @ low.T, rtol=1e-3, atol=1e-3)


def test_line_is_split_into_halves():
    old, new = gt.LINE(dim=6).build(ring(), 1), gt.LINE(dim=6).build(ring(), 2)
    start_from(new, vectors_of(old))
    np.testing.assert_allclose(new.encode(), old.encode(), atol=1e-6)
    strong = drawn(12, 8) * np.array([100, 100, 10, 10, 1, 1, 0.1, 0.1], np.float32)
    start_from(new, gt.Vectors(NAMES, strong))
    first, second = new.encoder.first.weight.norm().item(), new.encoder.second.weight.norm().item()
    assert 0.3 < first / second < 3


def test_vectors_that_do_not_fit():
    model = gt.DeepWalk(dim=4).build(ring())
    with pytest.raises(gt.ArgumentError, match="dim 4"):
        start_from(model, gt.Vectors(["n 0"], np.zeros((1, 3), np.float32)), resize="refuse")
    with pytest.raises(gt.ArgumentError, match=r"`matrix` of Vectors must be of 2 rows.* Got \[1, 4\]"):
        gt.Vectors(["n 0", "n 1"], np.zeros((1, 4), np.float32))
    with pytest.raises(gt.ArgumentError, match="`kinds` of Vectors must be 1 names"):
        gt.Vectors(["n 0"], np.zeros((1, 4), np.float32), [])
    with pytest.raises(gt.ArgumentError, match="finite"):
        start_from(model, gt.Vectors(["n 0"], np.full((1, 4), np.nan, np.float32)))
    features = ring(features=np.eye(12, dtype=np.float32))
    with pytest.raises(gt.ArgumentError, match="table"):
        start_from(gt.GCN(dim=4, hidden=4).build(features), gt.Vectors(["n 0"], np.zeros((1, 4), np.float32)))
    for option in ({"missing": "mean"}, {"resize": "cut"}):
        with pytest.raises(gt.ArgumentError, match=f"`{next(iter(option))}` of start_from"):
            start_from(model, vectors_of(model), **option)


def test_vectors_of_no_node_change_nothing():
    model = gt.DeepWalk(dim=4).build(ring())
    before = snapshot(model)
    report = start_from(model, gt.Vectors(["a", "b"], drawn(2, 7)))
    assert (report.known, report.filled, report.new, report.ignored) == (0, 0, 12, 2)
    assert all(torch.equal(value, before[name]) for name, value in snapshot(model).items())


# --- from models ---


def test_start_from_a_model_over_another_graph():
    old = gt.ComplEx(dim=4).build(triples(), seed=1)
    order = np.roll(np.arange(12), 3)
    moved = gt.NodeIds.of([NAMES[i] for i in order] + ["new"])
    new = gt.ComplEx(dim=4).build(triples(nodes=moved), seed=2)
    untouched = new.encode(["new"])
    report = start_from_model(new, old)
    assert (report.known, report.filled, report.new, report.skipped) == (12, 0, 1, ())
    assert np.array_equal(new.encode(NAMES), old.encode(NAMES))
    assert np.array_equal(new.encode(["new"]), untouched)
    assert torch.equal(new.scorer.relation, old.scorer.relation)


def test_relations_go_by_name():
    old, new = gt.DistMult(dim=4).build(triples(), 1), gt.DistMult(dim=4).build(triples(("before", "next")), 2)
    before = new.scorer.relation.clone()
    start_from_model(new, old)
    assert torch.equal(new.scorer.relation[[1, 3]], old.scorer.relation[[0, 2]])
    assert torch.equal(new.scorer.relation[[0, 2]], before[[0, 2]])


def test_relations_of_a_scorer_that_does_not_name_them(monkeypatch):
    monkeypatch.setattr("graphtune.models.distmult.DistMultScorer.relation_names", ())
    old, same, other = (
        gt.DistMult(dim=4).build(triples(names), seed)
        for seed, names in enumerate((("next", "after"), ("next", "after"), ("after", "next")))
    )
    assert start_from_model(same, old).skipped == ()
    assert torch.equal(same.scorer.relation, old.scorer.relation)
    before = other.scorer.relation.clone()
    assert start_from_model(other, old).skipped == ("scorer.relation",)
    assert torch.equal(other.scorer.relation, before)


def test_two_sides_are_projected_by_one_basis():
    axes = drawn(3, 8, seed=2)
    old, new = gt.DeepWalk(dim=8).build(ring(), 1), gt.DeepWalk(dim=4).build(ring(), 2)
    start_from(old, gt.Vectors(NAMES, drawn(12, 3) @ axes))
    with torch.no_grad():
        old.scorer.weight.copy_(torch.from_numpy(drawn(12, 3, seed=1) @ axes))
    report = start_from_model(new, old)
    assert (report.from_dim, report.to_dim, report.known) == (8, 4, 12)
    np.testing.assert_allclose(new.score(NAMES, NAMES[::-1]), old.score(NAMES, NAMES[::-1]), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("recipe", [gt.LINE(dim=8), gt.LINE(dim=8, order="second"), gt.GCN(dim=8, hidden=4)])
def test_other_recipes_give_their_embeddings(recipe):
    old, new = recipe.build(ring(), 1), gt.DeepWalk(dim=8).build(ring(), 2)
    if hasattr(old.scorer, "weight"):
        gt.randomise(old, "normal")
    assert start_from_model(new, old).known == 12
    np.testing.assert_allclose(new.encode(), old.encode(), atol=1e-6)
    np.testing.assert_allclose(new.encode(side="target"), old.encode(side="target"), atol=1e-6)


def test_all_of_line_is_taken():
    old, new = gt.LINE(dim=8).build(ring(), 1), gt.LINE(dim=8).build(ring(), 2)
    gt.randomise(old, "normal")
    start_from_model(new, old)
    assert all(torch.equal(p, q) for p, q in zip(new.parameters(), old.parameters()))


def test_line_gets_both_sides_of_other_models():
    old, new = gt.DeepWalk(dim=8).build(ring(), 1), gt.LINE(dim=8).build(ring(), 2)
    gt.randomise(old, "normal")
    start_from_model(new, old)
    assert torch.equal(new.encoder.first.weight, old.encoder.weight[:, :4])
    assert torch.equal(new.scorer.context.weight, old.scorer.weight[:, 4:])


@pytest.mark.parametrize(
    "recipe",
    [
        *(gt.ComplEx(dim=8), gt.DistMult(dim=6), gt.TransE(dim=10), gt.RotatE(dim=8), gt.RESCAL(dim=8)),
        *(gt.TuckER(dim=8), gt.ConvE(dim=8), gt.QuatE(dim=8), gt.CP(dim=6), gt.SimplE(dim=8)),
    ],
)
@pytest.mark.parametrize("pretrained", [gt.DeepWalk(dim=8), gt.LINE(dim=8), gt.GCN(dim=8, hidden=8)])
def test_knowledge_graphs_start_from_the_graph_without_relations(recipe, pretrained):
    plain = gt.Graph(RING, gt.NodeIds.of(NAMES))
    old = gt.pretrain(pretrained, plain, gt.TrainConfig(epochs=1, lr=0.01)).model
    new = recipe.build(triples())
    relations = {name: p.clone() for name, p in new.scorer.named_parameters() if name != "tail.weight"}
    report = start_from_model(new, old)
    assert (report.known, report.from_dim, report.to_dim) == (12, 8, recipe.dim)
    assert all(torch.equal(new.scorer.get_parameter(name), p) for name, p in relations.items())
    if recipe.dim == 8:
        np.testing.assert_allclose(new.encode(), old.encode(), atol=1e-6)
    tuned = gt.pretrain(recipe, triples(), gt.TrainConfig(epochs=1, lr=0.01), start=new)
    assert np.isfinite(tuned.history[-1]["loss"])


def test_a_convolution_is_transferred_to_other_nodes():
    features = np.random.default_rng(0).random((12, 5)).astype(np.float32)
    others = gt.NodeIds.of([f"m {i}" for i in range(12)])
    old = gt.GCN(dim=4, hidden=4).build(ring(features=features), 1)
    new = gt.GCN(dim=4, hidden=4).build(gt.Graph(RING, others, features=features), 2)
    report = start_from_model(new, old)
    assert (report.known, report.new) == (0, 0)
    np.testing.assert_allclose(new.encode(), old.encode(), atol=1e-6)


def test_weights_of_another_shape_are_told_or_refused():
    old, new = gt.GCN(dim=4, hidden=8).build(ring(), 1), gt.GCN(dim=6, hidden=8).build(ring(), 2)
    report = start_from_model(new, old)
    assert report.skipped == ("encoder.convolutions.1.bias", "encoder.convolutions.1.lin.weight")
    assert "left out: encoder.convolutions.1.bias" in str(report)
    assert torch.equal(new.encoder.convolutions[0].lin.weight, old.encoder.convolutions[0].lin.weight)
    whole, before = gt.GCN(dim=6, hidden=8).build(ring()), snapshot(gt.GCN(dim=6, hidden=8).build(ring()))
    with pytest.raises(gt.ArgumentError, match=r"encoder.convolutions.1.bias` of start_from_model .* shape \[6\]"):
        start_from_model(whole, old, resize="refuse")
    assert all(torch.equal(value, before[name]) for name, value in snapshot(whole).items())


def test_models_that_do_not_fit():
    strangers = gt.Graph(RING, gt.NodeIds.range(12))
    with pytest.raises(gt.ArgumentError, match="DeepWalk of dim 4"):
        start_from_model(gt.DeepWalk(dim=4).build(ring()), gt.DeepWalk(dim=8).build(strangers))
    features = ring(features=np.eye(12, dtype=np.float32))
    with pytest.raises(gt.ArgumentError, match="table"):
        start_from_model(gt.GCN(dim=4).build(features), gt.DeepWalk(dim=8).build(ring()))


def test_fit_goes_on_from_the_start():
    graph = path(20, (0, 10))
    model = gt.DeepWalk(dim=4).build(graph)
    start_from(model, gt.Vectors(list(range(20)), drawn(20, 4)))
    before = snapshot(model)
    tuned = gt.pretrain(gt.DeepWalk(dim=4), graph, gt.TrainConfig(epochs=1, lr=1e-9), start=model).model
    np.testing.assert_allclose(tuned.encode(), drawn(20, 4), atol=1e-5)
    assert all(torch.equal(value, before[name]) for name, value in snapshot(model).items())


class Break:
    """A logger that ends the run after an epoch."""

    def __init__(self, epoch: int):
        self.epoch = epoch

    def begin(self, history: list) -> None: ...

    def log(self, row: dict) -> None:
        if row["epoch"] == self.epoch:
            raise KeyboardInterrupt

    def close(self) -> None: ...


@pytest.mark.parametrize("start", [lambda m: start_from_closed_form(m), lambda m: gt.randomise(m, "orthogonal")])
def test_a_run_with_a_start_is_resumed(start, tmp_path):
    recipe, graph = gt.DeepWalk(dim=8), path(40, (0, 20), (5, 30))
    config = gt.TrainConfig(epochs=4, deterministic=True, batch_size=64)

    def trained(**run: object) -> dict[str, torch.Tensor]:
        model = recipe.build(graph)
        start(model)
        return snapshot(gt.pretrain(recipe, graph, config, model, gt.Run(quiet=True, **run)).model)

    whole = trained()
    with pytest.raises(KeyboardInterrupt):
        trained(checkpoints=tmp_path, save_steps=3, loggers=(Break(2),))
    assert list(tmp_path.glob("*.json"))
    resumed = trained(checkpoints=tmp_path, resume=True)
    assert all(torch.equal(value, whole[name]) for name, value in resumed.items())


def test_adapters_come_along():
    graph = gt.testing.two_cliques()
    other, model = (gt.GCN(dim=4, hidden=4).build(graph, seed=seed) for seed in (0, 1))
    other.encoder.add_adapters(2)
    with torch.no_grad():
        for name, parameter in other.encoder.named_parameters():
            if "adapter" in name:
                parameter.uniform_(-1, 1)
    start_from_model(model, other)
    assert model.encoder.adapter_width == 2
    np.testing.assert_array_equal(model.encode(), other.encode())


def test_vectors_may_get_the_size_of_the_rows_they_replace():
    model, vectors = gt.RotatE(dim=4).build(triples()), gt.Vectors(NAMES, 100 * drawn(12, 4))
    before = snapshot(model)["encoder.weight"]
    start_from(model, vectors, scale="own")
    after = model.encoder.weight.detach()
    factor = before.square().mean().sqrt() / torch.tensor(vectors.matrix).square().mean().sqrt()
    torch.testing.assert_close(after, factor * torch.tensor(vectors.matrix))
    torch.testing.assert_close(after.square().mean(), before.square().mean())
    with pytest.raises(gt.ArgumentError, match="scale"):
        start_from(model, vectors, scale="twice")
