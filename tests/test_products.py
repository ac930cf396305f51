"""Products of queries with keys against NumPy in float64, and that equal keys tie to the bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphtune.kernels import products as kernel
from graphtune.kernels.products import KEYS, QUERIES, pack_keys, packed, products

sizes = st.integers(1, 2 * KEYS + 3)


def drawn(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


@given(sizes, sizes, st.integers(1, 40), st.integers(0, 9))
@settings(max_examples=60, deadline=None)
def test_products_are_those_of_numpy(queries, keys, dim, seed):
    query, key = drawn(seed, queries, dim), drawn([seed, 1], keys, dim)
    found = products(query, pack_keys(key), keys)
    assert found.shape == (queries, keys) and found.dtype == np.float32 and found.flags.c_contiguous
    bound = 1e-6 * (1 + np.abs(query).astype(float) @ np.abs(key).astype(float).T)
    assert (np.abs(found - query.astype(float) @ key.astype(float).T) <= bound).all()


@given(sizes, st.integers(1, 30), st.integers(1, 70), st.integers(0, 9))
@settings(max_examples=40, deadline=None)
def test_equal_keys_and_equal_queries_tie_to_the_bit(keys, queries, dim, seed):
    """Wherever they stand: at the edge of a panel or within, alone in a block or not. BLAS does not promise that."""
    query, key = np.tile(drawn(seed, dim), (queries, 1)), np.tile(drawn([seed, 1], dim), (keys, 1))
    found = products(query, pack_keys(key), keys)
    assert (found == found[0, 0]).all()
    assert products(query[:1], pack_keys(key[:1]), 1)[0, 0] == found[0, 0]


def test_blocks_and_threads_change_nothing(monkeypatch):
    query, key = drawn(0, 131, 24), drawn(1, 70, 24)
    one = products(query, pack_keys(key), 70)
    monkeypatch.setattr(kernel, "GROUPS_A_BLOCK", 1)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    np.testing.assert_array_equal(one, products(query, pack_keys(key), 70))
    np.testing.assert_array_equal(one[40:47], products(query[40:47], pack_keys(key), 70))


def test_an_array_is_written_to_again():
    held = np.full((20, 50), np.nan, dtype=np.float32)
    for seed, queries in ((0, 13), (1, 7)):
        query, key = drawn(seed, queries, 5), drawn([seed, 1], 50, 5)
        found = products(query, pack_keys(key), 50, held)
        assert np.shares_memory(found, held)
        np.testing.assert_array_equal(found, products(query, pack_keys(key), 50))


@pytest.mark.parametrize("dim", [1, 8, 31])
def test_vector_code_is_the_plain_loop(dim):
    """Of whole numbers both are exact."""
    rng = np.random.default_rng(dim)
    query, key = (rng.integers(-9, 9, (n, dim)).astype(np.float32) for n in (2 * QUERIES, 2 * KEYS))
    groups, keys = packed(query, QUERIES), pack_keys(key)
    plain, found = np.zeros((2, 2 * QUERIES, 2 * KEYS), dtype=np.float32)
    for group in range(2):
        for panel in range(2):
            kernel._plain_tile(groups, group, keys, panel, plain, group * QUERIES, panel * KEYS)
    kernel._products(0, 2, groups, keys, found)
    np.testing.assert_array_equal(plain, found)
    np.testing.assert_array_equal(plain, query @ key.T)
