"""Products of a sparse symmetric matrix and the mean over layers: against SciPy, dense autograd and torch."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graphtune.kernels import propagate as kernel
from graphtune.kernels.propagate import chosen, product, transposed, whole
from graphtune.models import LightGCN, layers, lightgcn
from graphtune.models.layers import Spare, mean_of_layers, needed
from graphtune.testing import checkerboard
from graphtune.train.fit import Run, Training, fit

dims = st.integers(1, 150)


def symmetric(size, density, seed):
    """A random symmetric matrix with empty rows."""
    rng = np.random.default_rng(seed)
    half = sp.random_array((size, size), density=density, rng=rng, dtype=np.float32)
    keep = sp.diags_array((rng.random(size) < 0.8).astype(np.float32))
    return sp.csr_array(keep @ (half + half.T) @ keep)


def part_of(matrix):
    return whole(matrix.indptr, matrix.indices, matrix.data)


def drawn(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def close(found, wanted):
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


@given(st.integers(1, 60), dims, st.floats(0, 0.5), st.booleans(), st.integers(0, 9))
@settings(max_examples=60, deadline=None)
def test_products_are_those_of_scipy(size, dim, density, added, seed):
    matrix, x, plus = symmetric(size, density, seed), drawn(seed, size, dim), drawn([seed, 1], size, dim)
    out = np.full_like(x, np.nan)
    product(part_of(matrix), x, out, plus if added else None, 0.25)
    close(out, 0.25 * (matrix.astype(float) @ x.astype(float) + (plus if added else 0)))


@given(st.integers(1, 60), st.integers(1, 30), st.floats(0, 0.5), st.integers(0, 9))
@settings(max_examples=60, deadline=None)
def test_parts_are_rows_and_columns(size, dim, density, seed):
    matrix, x = symmetric(size, density, seed), drawn(seed, size, dim)
    rows = np.flatnonzero(np.random.default_rng(seed).random(size) < 0.4)
    part, seen = chosen(part_of(matrix), rows)
    dense = matrix.toarray()
    asked = np.isin(np.arange(size), rows)
    np.testing.assert_array_equal(seen, asked | (dense[rows] != 0).any(0))
    out = np.full_like(x, 7.0)
    product(part, x, out)
    close(out[rows], dense[rows] @ x)
    assert (out[~asked] == 7).all(), "other rows stay"
    back = transposed(part, size)
    assert back.size == part.size
    product(back, x, out)
    close(out, dense[:, rows] @ x[rows])


@pytest.mark.parametrize("dim", [3, 64, 77])
def test_vector_code_is_the_plain_loop(dim, monkeypatch):
    """Of whole numbers both are exact."""
    matrix = symmetric(40, 0.2, dim)
    matrix.data = np.ceil(9 * matrix.data)
    x, plus = np.ceil(9 * drawn(dim, 40, dim)), np.ceil(9 * drawn(1, 40, dim))
    out, plain = np.empty_like(x), np.empty_like(x)
    part = part_of(matrix)
    product(part, x, out, plus)
    for row in range(40):
        for column in range(0, dim, kernel.WIDTH):
            count = int(dim - column >= kernel.WIDTH)
            ends = part.indptr[row], part.indptr[row + 1]
            place = row, column
            kernel._plain_gather(count, part.indices, part.values, *ends, x, plus, row, np.float32(1), plain, *place)
    np.testing.assert_array_equal(out, plain)


def test_threads_change_no_bit(monkeypatch):
    matrix, x = symmetric(500, 0.05, 0), drawn(0, 500, 70)
    found = []
    for threads in ("1", "2", "5"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        found.append(np.full_like(x, np.nan))
        product(part_of(matrix), x, found[-1], x)
    assert np.array_equal(found[0], found[1]) and np.array_equal(found[0], found[2])


@pytest.mark.parametrize("few", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("count", [1, 2, 3, 4])
@pytest.mark.parametrize("asked", [None, [], [3, 0, 3, 17], list(range(50))])
def test_the_mean_and_its_gradient_are_those_of_dense_autograd(few, count, asked, monkeypatch):
    """In double, whichever parts of the matrix are picked out, on rows that do not lie one behind the other."""
    monkeypatch.setattr(layers, "FEW", few)
    matrix = symmetric(50, 0.03, count)
    nodes = None if asked is None else torch.tensor(asked, dtype=torch.int64)
    x = torch.from_numpy(drawn(1, 50, 2 * 12)).requires_grad_()
    right = x.detach().double().requires_grad_()
    found = mean_of_layers(part_of(matrix), x[:, ::2], count, nodes, Spare())
    dense, read = torch.from_numpy(matrix.toarray()).double(), right[:, ::2]
    wanted = sum(torch.linalg.matrix_power(dense, k) @ read for k in range(count + 1)) / (count + 1)
    wanted = wanted if nodes is None else wanted[nodes]
    torch.testing.assert_close(found.double(), wanted, rtol=1e-5, atol=1e-5)
    pull = torch.from_numpy(drawn(2, *found.shape))
    (found * pull).sum().backward()
    (wanted * pull).sum().backward()
    torch.testing.assert_close(x.grad.double(), right.grad, rtol=1e-5, atol=1e-5)


def test_parts_end_where_they_have_most_of_the_entries():
    """A path 0 - 1 - ... - 9, asked for its end."""
    path = sp.diags_array([np.ones(9), np.ones(9)], offsets=[-1, 1]).astype(np.float32).tocsr()
    matrix = part_of(path)
    rows, parts = needed(matrix, 3, np.array([0, 0]))
    assert rows.tolist() == [0]
    assert [part.rows.tolist() for part in parts] == [[0, 1, 2], [0, 1], [0]]
    assert [part.size for part in parts] == [5, 3, 1]
    rows, parts = needed(matrix, 3, np.array([2, 7]))
    assert [part is matrix for part in parts] == [True, True, False], "their neighbours have 12 of 18 entries"
    with pytest.raises(IndexError):
        needed(matrix, 3, np.array([-1]))
    with pytest.raises(IndexError):
        needed(matrix, 3, np.array([10]))


def test_spare_arrays_are_nobody_elses():
    spare = Spare()
    first, second = spare.take((4, 3)), spare.take((4, 3))
    assert first is not second
    tensor, place = torch.from_numpy(first), first.ctypes.data
    view = tensor[1:]
    del first, tensor
    assert spare.take((4, 3)).ctypes.data != place, "a part of it is still read"
    del view
    assert spare.take((4, 3)).ctypes.data == place
    assert spare.take((5, 3)).shape == (5, 3) and len(spare.arrays) == 1
    held = [spare.take((5, 3)) for _ in range(9)]
    assert len({array.ctypes.data for array in held}) == 9 and len(spare.arrays) <= layers.KEPT
    assert copy.deepcopy(spare).arrays == []


def trained(config):
    recipe, graph = LightGCN(dim=8), checkerboard()
    model = recipe.build(graph)
    sampler, objective = recipe.pretraining(graph, config)
    result = fit(model, Training("lightgcn", sampler, objective), config, Run(quiet=True))
    return [row["loss"] for row in result.history], model.encoder.table.weight.detach()


@pytest.mark.parametrize("options", [{}, {"edge_dropout": 0.2}, {"node_dropout": 0.2}, {"accumulate": 2}])
def test_training_goes_as_with_products_of_torch(options, monkeypatch):
    config = replace(LightGCN().training(), epochs=5, batch_size=16, lr=0.01, **options)
    losses, weight = trained(config)
    monkeypatch.setattr(lightgcn, "by_kernel", lambda matrix, x: False)
    others, other = trained(config)
    np.testing.assert_allclose(losses, others, rtol=1e-4)
    torch.testing.assert_close(weight, other, rtol=1e-3, atol=1e-4)


def test_training_on_any_number_of_threads_is_the_same_to_the_bit(monkeypatch):
    config = replace(LightGCN().training(), epochs=3, batch_size=16, lr=0.01)
    found = []
    for threads in ("1", "3"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        found.append(trained(config))
    assert found[0][0] == found[1][0] and torch.equal(found[0][1], found[1][1])
