"""NetMF, ProNE and the factorisations under them, each against a naive formula or NumPy."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse as sp
import torch

from cli_help import done, run, working_in, write_files
from graphtune.check import ArgumentError
from graphtune.config import TrainConfig
from graphtune.graph import Graph
from graphtune.ids import NodeIds
from graphtune.kernels.sparse import sparse_product, walk_counts
from graphtune.models import ENHANCED, NetMF, ProNE, enhanced
from graphtune.models.factorise import factors, orthonormal, sparse_operator, symmetric_factors, top_eigenpairs
from graphtune.models.netmf import COUNT_BYTES
from graphtune.models.prone import noise_matrix
from graphtune.models.propagation import normalised_adjacency
from graphtune.models.smoothing import flattened, smooth_sides, smoothed
from graphtune.split import split_edges
from graphtune.store import open_directory
from graphtune.tasks import LinkPrediction, finetune, pretrain
from graphtune.testing import two_cliques
from graphtune.train.fit import Run
from graphtune.train.stages import Stages

QUIET = Run(quiet=True)


def random_graph(n: int = 40, edges: int = 150, directed: bool = False, weighted: bool = False, seed: int = 0) -> Graph:
    """Random edges without loops, each once; the last node has none."""
    rng = np.random.default_rng(seed)
    pairs = [(i, j) for i in range(n - 1) for j in range(n - 1) if (i != j if directed else i < j)]
    chosen = np.array(pairs)[rng.permutation(len(pairs))[:edges]].T
    weight = rng.integers(1, 4, edges).astype(np.float32) if weighted else None
    return Graph(chosen, NodeIds.range(n), directed=directed, weight=weight)


def naive_netmf(graph: Graph, window: int, b: float) -> np.ndarray:
    """log max(1, vol / (bT) sum_r P^r D^-1), with loops over powers only."""
    a = np.zeros((graph.num_nodes, graph.num_nodes))
    for e, (u, v) in enumerate(graph.edges.T):
        w = 1.0 if graph.weight is None else graph.weight[e]
        a[u, v] += w
        if not graph.directed:
            a[v, u] += w
    inverse = np.diag([1 / x if x else 0.0 for x in a.sum(1)])
    into = np.diag([1 / x if x else 0.0 for x in a.sum(0)])
    powers = sum(np.linalg.matrix_power(inverse @ a, r) for r in range(1, window + 1))
    return np.log(np.maximum(1, a.sum() / (b * window) * powers @ into))


@pytest.mark.parametrize("directed", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("window, b", [(1, 1.0), (3, 1.0), (5, 2.0)])
def test_exact_matrix_is_the_formula(directed, weighted, window, b):
    graph = random_graph(directed=directed, weighted=weighted)
    wanted = naive_netmf(graph, window, b)
    assert (wanted > 0).any() and (wanted == 0).any()
    recipe = NetMF(window=window, negatives=b)
    np.testing.assert_allclose(recipe.exact_matrix(graph).numpy(), wanted, rtol=1e-4, atol=1e-5)
    if window == 1:
        np.testing.assert_allclose(recipe.edge_matrix(graph).toarray(), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("weighted", [False, True])
def test_all_eigenpairs_give_the_exact_matrix(weighted):
    graph = random_graph(weighted=weighted)
    recipe = NetMF(window=4, rank=graph.num_nodes)
    np.testing.assert_allclose(recipe.eigen_matrix(graph), naive_netmf(graph, 4, 1.0), rtol=1e-3, atol=1e-4)


def test_eigenpairs_are_of_each_component():
    """Forty pairs have the eigenvalue 1 forty times over, and still the large component has the ones it has alone."""
    whole = random_graph(n=120, edges=600)
    far = 120 + np.arange(80).reshape(2, 40)
    both = Graph(np.concatenate([whole.edges, far], axis=1), NodeIds.range(200))
    recipe = NetMF(window=4, rank=12)
    values, vectors = np.linalg.eigh(normalised_adjacency(whole).toarray())
    degree = np.asarray(both.sparse("both").sum(axis=1)).ravel()
    kept, root = slice(None, -13, -1), np.sqrt(np.where(degree[:120] > 0, 1 / np.maximum(degree[:120], 1), 0))
    powers = sum(values[kept] ** step for step in range(1, 5)) / 4
    chance = degree.sum() * root[:, None] * ((vectors[:, kept] * powers) @ vectors[:, kept].T) * root
    found = recipe.eigen_matrix(both).numpy()
    np.testing.assert_allclose(found[:120, :120], np.log(np.maximum(chance, 1)), atol=0.06)
    np.testing.assert_allclose(found[120:, 120:], naive_netmf(both, 4, 1.0)[120:, 120:], rtol=1e-4, atol=1e-4)
    assert not found[:120, 120:].any() and not found[120:, :120].any()


@pytest.mark.parametrize("directed", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_sampled_matrix_comes_near_the_exact_one(directed, weighted):
    graph = random_graph(directed=directed, weighted=weighted)
    wanted = naive_netmf(graph, 3, 1.0)
    error = [
        np.abs(NetMF(window=3, walks=walks).sampled_matrix(graph, 1).toarray() - wanted).mean()
        for walks in (100, 10000)
    ]
    assert error[1] < 0.01 < wanted.mean()
    assert error[1] < error[0] / 4, "a hundred times the walks, a tenth of the error"


def test_walks_are_counted():
    """On a directed path every walk from node 0 meets 1, then 2, and stops at the end."""
    indptr, indices = np.array([0, 1, 2, 2]), np.array([1, 2], dtype=np.int32)
    bounds, columns, counts = walk_counts(indptr, indices, None, 7, 5, seed=0)
    assert bounds.tolist() == [0, 2, 3, 3]
    assert columns.tolist() == [1, 2, 2] and counts.tolist() == [7, 7, 7]


@pytest.mark.parametrize("directed", [False, True])
def test_factors_of_full_rank_give_the_matrix_back(directed):
    graph = random_graph(directed=directed)
    n = graph.num_nodes
    model = pretrain(NetMF(dim=n, window=3), graph, run=QUIET).model
    product = model.encode(side="source") @ model.encode(side="target").T
    np.testing.assert_allclose(product, naive_netmf(graph, 3, 1.0), atol=2e-3)


def decaying(n: int, m: int, seed: int = 0) -> np.ndarray:
    """[n, m] with singular values 1, 0.8, 0.64, ..."""
    rng = np.random.default_rng(seed)
    u, v = (np.linalg.qr(rng.standard_normal((k, min(n, m))))[0] for k in (n, m))
    return (u * 0.8 ** np.arange(min(n, m))) @ v.T


def test_factors_are_numpys():
    a = decaying(300, 200)
    t = torch.from_numpy(a.astype(np.float32))
    found = factors(lambda x: t @ x, lambda x: t.T @ x, a.shape, 12)
    u, s, vt = np.linalg.svd(a)
    np.testing.assert_allclose(found.values, s[:12], rtol=1e-3)
    np.testing.assert_allclose((found.left * found.values) @ found.right.T, (u[:, :12] * s[:12]) @ vt[:12], atol=2e-3)
    left, right = found.sides()
    np.testing.assert_allclose(left @ right.T, (u[:, :12] * s[:12]) @ vt[:12], atol=2e-3)


def test_symmetric_factors_are_numpys():
    a = decaying(300, 300)
    wanted = np.where(np.arange(300) % 3 == 1, -1.0, 1.0) * 0.8 ** np.arange(300)
    q, _ = np.linalg.qr(a)
    t = torch.from_numpy(((q * wanted) @ q.T).astype(np.float32))
    found = symmetric_factors(lambda x: t @ x, 300, 10)
    np.testing.assert_allclose(found.values, wanted[:10], rtol=1e-3)
    left, right = found.sides()
    np.testing.assert_allclose(left @ right.T, (q[:, :10] * wanted[:10]) @ q[:, :10].T, atol=2e-3)


def test_factors_of_a_matrix_of_small_rank_stop_there():
    t = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    assert symmetric_factors(lambda x: t @ (t.T @ x), 50, 8).values.shape == (3,)
    assert factors(lambda x: t @ (t.T @ x), lambda x: t @ (t.T @ x), (50, 50), 8).values.shape == (3,)
    assert symmetric_factors(lambda x: 0 * x, 50, 8).values.shape == (0,)


def test_top_eigenpairs_are_numpys():
    graph = random_graph(n=400, edges=1500)
    a = normalised_adjacency(graph)
    vectors, values = top_eigenpairs(sparse_operator(a), 400, 12, degrees=(4, 8, 8, 8))
    wanted = np.linalg.eigvalsh(a.toarray())[::-1][:12]
    np.testing.assert_allclose(values, wanted, atol=2e-3)
    np.testing.assert_allclose((vectors.T @ vectors).numpy(), np.eye(12), atol=1e-5)
    np.testing.assert_allclose((a @ vectors.numpy())[:, :6], vectors[:, :6].numpy() * values[:6], atol=2e-2)


def test_orthonormal_leaves_out_what_is_there_already():
    x = torch.randn(30, 4, generator=torch.Generator().manual_seed(0))
    q = orthonormal(x)
    assert orthonormal(x @ torch.ones(4, 2), q).shape == (30, 0)
    both = torch.cat([q, orthonormal(torch.cat([x, torch.eye(30)[:, :2]], 1), q)], 1)
    torch.testing.assert_close(both.T @ both, torch.eye(6), atol=1e-5, rtol=0)


def test_sparse_product_is_scipys():
    matrix = sp.random_array((700, 300), density=0.02, format="csr", dtype=np.float32, rng=np.random.default_rng(0))
    dense = np.random.default_rng(1).standard_normal((300, 5)).astype(np.float32)
    found = sparse_product(matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32), matrix.data, dense)
    np.testing.assert_allclose(found, matrix @ dense, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("weighted", [False, True])
def test_smoothing_is_the_dense_filter(weighted):
    graph = random_graph(weighted=weighted)
    x = np.random.default_rng(0).standard_normal((40, 3)).astype(np.float32)
    looped = graph.sparse("both").toarray() + np.eye(40)
    laplacian = np.eye(40) - looped / looped.sum(1, keepdims=True)
    shifted = laplacian - 0.3 * np.eye(40)
    wanted = looped @ (x - scipy.linalg.expm(-0.7 * (shifted @ shifted / 2 - np.eye(40))) @ x)
    wanted[39] = 0  # a node without edges
    found = smoothed(graph.sparse(), torch.from_numpy(x), terms=12, mu=0.3, theta=0.7)
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-4)


def test_flattened_is_numpys_svd():
    x = np.random.default_rng(0).standard_normal((30, 4)).astype(np.float32)
    u, s, _ = np.linalg.svd(x, full_matrices=False)
    flat = flattened(torch.from_numpy(x), 0.6).numpy()
    np.testing.assert_allclose(flat @ flat.T, (u * s**1.2) @ u.T, rtol=1e-3, atol=1e-4)


def test_a_directed_path_is_smoothed_as_its_double_cover():
    """0 -> 1 -> 2: the source 0 shares an edge with the target 1 only, which shares none with the source 1."""
    graph = Graph(np.array([[0, 1], [1, 2]]), NodeIds.range(3), directed=True)
    x = torch.eye(3)
    source, target = smooth_sides(graph, x, x.flip(0), 6, 0.2, 0.5)
    assert not source[2].any() and not target[0].any(), "no edges out of 2 nor into 0"
    cosine = torch.nn.functional.normalize(source, dim=1) @ torch.nn.functional.normalize(target, dim=1).T
    cover = np.zeros((6, 6), np.float32)
    cover[0, 4] = cover[4, 0] = cover[1, 5] = cover[5, 1] = 1
    both = flattened(smoothed(sp.csr_array(cover), torch.cat([x, x.flip(0)]), 6, 0.2, 0.5)).numpy()
    norm = np.linalg.norm(both, axis=1, keepdims=True)
    norm[norm == 0] = 1
    both /= norm
    np.testing.assert_allclose(cosine, both[:3] @ both[3:].T, atol=1e-4)


def test_noise_matrix_by_hand():
    """0 -> 1 twice as heavy as 0 -> 2; 1 -> 2."""
    graph = Graph(np.array([[0, 0, 1], [1, 2, 2]]), NodeIds.range(3), True, weight=np.array([2.0, 1.0, 5.0]))
    q = np.array([0, 2 / 3, 4 / 3]) ** 0.75
    q /= q.sum()
    wanted = np.zeros((3, 3))
    wanted[0, 1], wanted[0, 2], wanted[1, 2] = np.log(2 / 3 / q[1]), np.log(1 / 3 / q[2]), np.log(1 / q[2])
    np.testing.assert_allclose(noise_matrix(graph).toarray(), wanted, rtol=1e-5)
    shifted = noise_matrix(graph, 2.0)
    np.testing.assert_allclose(shifted.data, noise_matrix(graph).data - np.log(2), rtol=1e-5)


RECIPES = [
    NetMF(dim=8, window=3),
    NetMF(dim=8, window=1),
    NetMF(dim=8, window=3, method="sampled", walks=20),
    NetMF(dim=8, window=3, smoothing=6),
    ProNE(dim=8),
    ProNE(dim=8, smoothing=0),
]


@pytest.mark.parametrize("recipe", RECIPES)
def test_directed_sides_differ(recipe):
    graph = random_graph(directed=True)
    model = pretrain(recipe, graph, run=QUIET).model
    u, v = graph.edges
    there, back = model.score(u, v), model.score(v, u)
    one_way = ~np.isin(v * 40 + u, u * 40 + v)
    assert (there[one_way] > back[one_way]).mean() > 0.8, "u -> v is an edge, v -> u is none"


@pytest.mark.parametrize("recipe", [*RECIPES, NetMF(dim=8, method="eigen", rank=10)])
def test_nodes_without_edges_are_zero(recipe):
    model = pretrain(recipe, random_graph(), run=QUIET).model
    for side in ("source", "target"):
        lengths = np.linalg.norm(model.encode(side=side), axis=1)
        assert lengths[39] == 0 and (lengths[:39] > 0).all()


@pytest.mark.parametrize("recipe", [NetMF(window=3), NetMF(window=3, smoothing=4), ProNE()])
def test_a_graph_without_edges_is_all_zero(recipe):
    model = pretrain(recipe, Graph(np.empty((2, 0)), NodeIds.range(5)), run=QUIET).model
    assert model.encode().shape == (5, 128) and not model.encode().any()


@pytest.mark.parametrize("recipe", [*RECIPES, NetMF(dim=8, method="eigen", rank=10)])
def test_seed_decides(recipe):
    graph = random_graph(n=120, edges=500)
    once, again, other = (
        pretrain(recipe, graph, TrainConfig(epochs=1, seed=seed), run=QUIET).model.encode() for seed in (1, 1, 2)
    )
    assert np.array_equal(once, again)
    assert not np.array_equal(once, other)


@pytest.mark.parametrize("recipe", [NetMF(dim=8, window=3), NetMF(dim=8, method="eigen"), ProNE(dim=8)])
def test_a_weight_is_so_many_edges(recipe):
    heavy = random_graph(weighted=True)
    times = heavy.weight.astype(int)
    multi = Graph(np.repeat(heavy.edges, times, axis=1), heavy.ids)
    one, other = (pretrain(recipe, graph, run=QUIET).model for graph in (heavy, multi))
    u, v = np.triu_indices(40, 1)
    np.testing.assert_allclose(one.score(u, v), other.score(u, v), rtol=1e-3, atol=1e-4)


def test_methods_that_do_not_suit_are_refused():
    with pytest.raises(ArgumentError, match="directed"):
        pretrain(NetMF(method="eigen"), random_graph(directed=True), run=QUIET)
    large = Graph(np.zeros((2, 1)), NodeIds.range(30_000))
    with pytest.raises(ArgumentError, match="sampled"):
        pretrain(NetMF(method="exact"), large, run=QUIET)
    with pytest.raises(ArgumentError, match="solved, not trained"):
        pretrain(ProNE(dim=8), two_cliques(), start=ProNE(dim=8).build(two_cliques()), run=QUIET)


def test_walks_that_do_not_fit_the_memory_are_refused(monkeypatch):
    """1000 entries in neighbour lists, 10 walks of 3 steps each: 30,000 visits."""
    recipe, graph = NetMF(dim=8, window=3, method="sampled"), random_graph(n=60, edges=500)
    for free, wanted in ((COUNT_BYTES * 30_000 - 1, "0.0 GB"), (10, "ProNE")):
        monkeypatch.setattr("psutil.virtual_memory", lambda free=free: SimpleNamespace(available=free))
        with pytest.raises(ArgumentError, match=f"500 edges: .*{wanted}"):
            pretrain(recipe, graph, run=QUIET)
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=COUNT_BYTES * 30_000))
    assert pretrain(recipe, graph, run=QUIET).model.encode().any()


def test_result_is_that_of_a_training():
    split = split_edges(random_graph(n=100, edges=600), seed=0)
    rows = []

    class Keep:
        def begin(self, history):
            assert history == []

        def log(self, row):
            rows.append(row)

        def close(self):
            pass

    result = pretrain(
        NetMF(dim=8, window=3), split, TrainConfig(epochs=1, seed=3), run=Run(quiet=True, loggers=(Keep(),))
    )
    (row,) = result.history
    assert rows == [row] and {"epoch", "step", "loss", "lr", "seconds", "auc"} <= set(row)
    assert result.best_epoch == 1 and result.config.seed == 3 and not result.stopped_early and row["seconds"] > 0


def test_fine_tuning_goes_on_from_the_solution():
    rng = np.random.default_rng(0)
    i, j = np.triu_indices(60, 1)
    edge = rng.random(len(i)) < np.where(i // 20 == j // 20, 0.4, 0.02)
    split = split_edges(Graph(np.stack([i[edge], j[edge]]), NodeIds.range(60)), seed=0)
    solved = pretrain(NetMF(dim=8, window=3), split, run=QUIET).model
    task = LinkPrediction(split)
    config = TrainConfig(epochs=3, lr=0.005, batch_size=64, patience=0)
    tuned, cold = finetune(solved, task, config, QUIET), finetune(solved.recipe.build(split.train), task, config, QUIET)
    assert tuned.history[0]["loss"] < cold.history[0]["loss"]
    assert not np.array_equal(tuned.model.encode(), solved.encode())
    assert task.validate(solved)["auc"] > 0.6


def test_stages_are_said_after_a_while(capsys, monkeypatch):
    monkeypatch.setattr("graphtune.train.stages.FIRST_LINE", 0.01)
    say = Stages("NetMF")
    say("factors")
    told = ""
    with say:
        while not told.endswith("\n"):
            told += capsys.readouterr().err
    assert told.startswith("NetMF: factors, ")
    with Stages("NetMF", quiet=True) as say:
        say("factors")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("name", ENHANCED)
def test_enhanced_variants_find_communities(name):
    model = pretrain(ENHANCED[name], two_cliques(), run=QUIET).model
    z = model.encode()
    cosine = (z @ z.T) / np.linalg.norm(z, axis=1)[:, None] / np.linalg.norm(z, axis=1)
    side = np.arange(12) // 6
    assert cosine[side[:, None] == side].mean() > cosine[side[:, None] != side].mean() + 0.5


def test_enhanced_goes_by_size():
    def of_size(nodes, edges, directed=False):
        return SimpleNamespace(num_nodes=nodes, num_edges=edges, directed=directed)

    for name in ("deepwalk", "node2vec"):
        assert enhanced(name, of_size(24_000, 10**8))[0] == ENHANCED[name] == NetMF(window=80, smoothing=4)
        assert enhanced(name, of_size(1000, 10_000, directed=True))[0] == ENHANCED[name]
        for graph in (of_size(24_001, 5_000_000), of_size(20_000, 5_000_000, directed=True)):
            sampled, why = enhanced(name, graph)
            assert sampled == NetMF(smoothing=4, method="sampled") and why.startswith("sampled")
        large, why = enhanced(name, of_size(24_001, 5_000_001))
        assert large == ProNE() and "5,000,000 edges" in why
    assert enhanced("line", of_size(10, 10))[0] == ProNE()


@pytest.mark.parametrize("name, made", [("deepwalk", "NetMF"), ("node2vec", "NetMF"), ("line", "ProNE")])
def test_enhanced_on_the_command_line(name, made, tmp_path):
    write_files(tmp_path)
    with working_in(tmp_path):
        asked = ("embed", "friends.csv", "--model", name, "--dim", "8", "--quiet", "--json")
        found = done(*asked, "--variant", "enhanced", "--set", "smoothing=4", "--out", "new").json
        assert found["model"] == made and found["epochs"] == 1 and "link-prediction" in found["metrics"]
        record = open_directory("new").model.recipe
        assert (record.dim, record.smoothing) == (8, 4)
        assert f"asked for: {name} as {made} (" in Path("new/README.md").read_text()


def test_what_enhanced_takes_is_said_and_its_settings_alone_are_taken(tmp_path, monkeypatch):
    """The graph of two edges counts as a large one."""
    write_files(tmp_path)
    monkeypatch.setattr("graphtune.models.netmf.DENSE_NODES", 1)
    monkeypatch.setattr("graphtune.models.variants.MOST_EDGES", 1)
    with working_in(tmp_path):
        asked = ("embed", "friends.csv", "--variant", "enhanced", "--dim", "8", "--out", "new")
        error = run(*asked, "--set", "window=3").error
        assert "setting of ProNE" in error and not (tmp_path / "new").exists()
        said = done(*asked).err
        assert "Learning deepwalk as ProNE (as there are more than 1 edges), dim 8" in said


def test_variants_that_are_none_are_refused(tmp_path):
    write_files(tmp_path)
    with working_in(tmp_path):
        asked = ("embed", "friends.csv", "--out", "new")
        assert "base" in run(*asked, "--variant", "better").error
        assert "deepwalk, node2vec, line" in run(*asked, "--model", "gcn", "--variant", "enhanced").error
        error = run(*asked, "--variant", "enhanced", "--set", "epochs=5").error
        assert "smoothing" in error and "The settings are" in error and not (tmp_path / "new").exists()
        based = done(*asked, "--variant", "base", "--dim", "8", "--set", "epochs=1", "--quiet", "--json").json
        assert based["model"] == "DeepWalk"
