"""The combination of embeddings and edges: its block model against naive lines, and what it recovers."""

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp
import torch

from graphs import planted
from graphtune.check import ArgumentError
from graphtune.convert import from_networkx
from graphtune.evaluate.communities import _nobody_empty, _symmetric, closure, combined, effective_mixing, smooth
from graphtune.graph import Graph
from graphtune.ids import NodeIds
from graphtune.kernels import blocks as kernel
from graphtune.kernels.blocks import PRIOR, sample_blocks
from graphtune.metrics import nmi
from graphtune.models.bprmf import BPRMF
from graphtune.testing import two_cliques


def model_of(graph, z):
    model = BPRMF(dim=z.shape[1]).build(graph)
    with torch.no_grad():
        model.encoder.weight.copy_(torch.as_tensor(z, dtype=torch.float32))
    return model


def adjacency(graph):
    matrix = np.zeros((graph.num_nodes, graph.num_nodes))
    np.add.at(matrix, tuple(graph.edges), 1)
    return matrix + matrix.T


# ---- the sampler --------------------------------------------------------------------------------------------


def test_the_likelihood_is_that_of_poisson_edges_up_to_a_constant():
    graph = planted(3, 6, 0.6, 0.2)
    a, d = adjacency(graph), adjacency(graph).sum(0)
    values = []
    for seed in range(3):
        label = np.random.default_rng(seed).integers(0, 3, graph.num_nodes)
        dense, sparse = np.array([0.02, 0.03, 0.04]), 0.01
        rate = np.outer(d, d) * np.where(label[:, None] == label, dense[label], sparse)
        naive = (a * np.log(rate) - rate).sum() / 2  # every ordered pair, a node with itself too, half each
        inside = np.array([a[np.ix_(label == r, label == r)].sum() for r in range(3)])
        total = np.bincount(label, d, minlength=3)
        values.append(naive - kernel._log_likelihood(inside, total, dense, sparse))
    np.testing.assert_allclose(values, values[0])


def test_densities_lean_on_their_mean():
    inside, total, dense = np.array([30.0, 50.0]), np.array([40.0, 80.0]), np.empty(2)
    sparse = kernel._densities(inside, total, dense)
    mean = 80 / (40**2 + 80**2)
    np.testing.assert_allclose(dense, [(30 + PRIOR) / (1600 + PRIOR / mean), (50 + PRIOR) / (6400 + PRIOR / mean)])
    assert sparse == pytest.approx((120 - 80) / (120**2 - 1600 - 6400))


def test_a_draw_has_the_odds_of_the_posterior():
    """Node 0 of a path with two loose communities: its odds by hand, over many draws of that node alone."""
    indptr, indices, weight = np.array([0, 2, 3, 4]), np.array([1, 2, 0, 0]), np.array([3.0, 1.0, 3.0, 1.0])
    degree, dense, sparse = np.array([4.0, 3.0, 1.0]), np.array([0.2, 0.1]), 0.05
    log_odds = []
    for r, neighbour, others in ((0, 3.0, 3.0), (1, 1.0, 1.0)):  # node 1 is in community 0, node 2 in community 1
        gain = neighbour * np.log(dense[r] / sparse) - 4.0 * others * (dense[r] - sparse)
        log_odds.append(gain + np.log(1 + 1.0))
    expected = 1 / (1 + np.exp(log_odds[1] - log_odds[0]))
    shares = np.zeros((3, 2), np.float32)
    state, label = np.uint64(1), np.array([0, 0, 1])
    for _ in range(500):
        label[:] = 0, 0, 1
        before = shares.copy()
        total, size = np.array([7.0, 1.0]), np.array([2, 1])
        arguments = indptr, indices, weight, degree, label, total, size, dense, sparse
        state = kernel._sweep(*arguments, state, shares, np.empty(2))
        first = shares[0] - before[0]
        if first.sum() == 1 and label[1] == 0 and (shares[1] == before[1]).all():  # node 2 is alone and stays
            assert first[0] == pytest.approx(expected, abs=1e-6)
            return
    pytest.fail("node 0 was never drawn alone")


def test_chains_do_not_depend_on_threads_and_differ_by_seed():
    matrix = _symmetric(planted())
    starts = np.random.default_rng(0).integers(0, 4, (3, matrix.shape[0]))
    csr = matrix.indptr, matrix.indices, matrix.data, starts, 4
    one, two, other = (sample_blocks(*csr, 20, 10, seed, threads) for seed, threads in ((1, 1), (1, 2), (2, 1)))
    np.testing.assert_array_equal(one[0], two[0])
    np.testing.assert_array_equal(one[1], two[1])
    assert not np.array_equal(one[0], other[0])
    assert starts.max() == 3, "starts are left alone"


# ---- the combination ----------------------------------------------------------------------------------------


def test_a_planted_partition_is_recovered_from_embeddings_of_noise():
    graph = planted()
    z = np.random.default_rng(0).standard_normal((graph.num_nodes, 8))
    found = combined(model_of(graph, z), graph, 4)
    assert nmi(graph.labels, found) > 0.95 and set(found) == set(range(4))
    np.testing.assert_array_equal(found, combined(model_of(graph, z), graph, 4))


def test_triangles_beyond_the_block_model_leave_the_clusters_of_the_embeddings():
    graph = from_networkx(nx.connected_watts_strogatz_graph(300, 8, 0.02, seed=0))  # a ring: no blocks, all triangles
    seen, expected = closure(_symmetric(graph), np.arange(300) // 100)
    assert seen > 3 * expected
    angle = np.arange(300) // 50 * (2 * np.pi / 6)
    found = combined(model_of(graph, np.stack([np.cos(angle), np.sin(angle)], axis=1)), graph, 6)
    assert nmi(np.arange(300) // 50, found) > 0.85


def test_closure_of_a_clique_and_of_a_star():
    star = Graph(np.array([[0, 0, 0], [1, 2, 3]]), NodeIds.range(4))
    assert closure(_symmetric(star), np.zeros(4, int))[0] == 0.0
    whole = from_networkx(nx.complete_graph(6))
    seen, expected = closure(_symmetric(whole), np.zeros(6, int))
    assert seen == 1.0 and expected == pytest.approx(5 * 5 * 30 / 30**2)


def test_smoothing_takes_the_mean_with_the_neighbours_mean():
    path = Graph(np.array([[0, 1], [1, 2]]), NodeIds.range(4))
    z = np.array([[2.0, 0], [0, 3.0], [4.0, 0], [0, 5.0]])
    expected = [[0.5, 0.5], [0.5, 0.5], [0.5, 0.5], [0, 0.5]]  # rows of length 1 first; node 3 keeps its direction
    np.testing.assert_allclose(smooth(_symmetric(path), z, 1), expected)


def test_loops_parallel_edges_and_weights():
    graph = Graph(np.array([[0, 0, 1, 2], [0, 1, 0, 3]]), NodeIds.range(4), weight=np.array([9.0, 2, 4, 6]))
    expected = np.zeros((4, 4))
    expected[0, 1] = expected[1, 0] = (2 + 4) / 4
    expected[2, 3] = expected[3, 2] = 6 / 4
    np.testing.assert_allclose(_symmetric(graph).toarray(), expected)


@pytest.mark.parametrize("k", [1, 2, 5, 12])
def test_every_community_gets_a_node(k):
    graph = two_cliques()
    z = np.random.default_rng(0).standard_normal((12, 3))
    assert set(combined(model_of(graph, z), graph, k)) == set(range(k))


def test_no_edges_leave_the_embeddings():
    graph = Graph(np.empty((2, 0), int), NodeIds.range(6))
    found = combined(model_of(graph, np.repeat(np.eye(2), 3, axis=0)), graph, 2)
    assert nmi(np.array([0, 0, 0, 1, 1, 1]), found) == pytest.approx(1.0)


def test_an_empty_column_gets_its_best_row():
    shares = np.array([[0.9, 0.1, 0.0], [0.6, 0.0, 0.4], [0.1, 0.9, 0.0]])
    np.testing.assert_array_equal(_nobody_empty(shares), [0, 2, 1])


# ---- effective mixing ---------------------------------------------------------------------------------------


def test_effective_mixing_by_hand():
    """A path 0-1-2-3 cut in the middle, a loop, and a node without edges: shares 0, 1/2, 1/2, 0."""
    graph = Graph(np.array([[0, 1, 2, 2], [1, 2, 3, 2]]), NodeIds.range(5))
    assert effective_mixing(graph, np.array([0, 0, 1, 1, 2])) == pytest.approx((0 + 0.5 + 0.5 + 0) / 4)


def test_effective_mixing_as_a_naive_loop():
    graph = planted()
    theirs = nx.Graph(graph.edges.T.tolist())
    shares = [np.mean([graph.labels[u] != graph.labels[v] for u in theirs[v]]) for v in theirs]
    assert effective_mixing(graph, graph.labels) == pytest.approx(np.mean(shares))


@pytest.mark.parametrize(
    "edges, membership", [(np.array([[0], [1]]), np.zeros(3)), (np.array([[1], [1]]), np.zeros(2))]
)
def test_bad_mixing(edges, membership):
    with pytest.raises(ArgumentError):
        effective_mixing(Graph(edges, NodeIds.range(2)), membership)


def test_matrices_are_as_the_kernel_takes_them():
    matrix = _symmetric(planted())
    assert isinstance(matrix, sp.csr_array) and matrix.has_sorted_indices and matrix.diagonal().sum() == 0
