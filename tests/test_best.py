"""The search for the best keys against all scores and `top_k`, to the bit: ties, masks, keys that hardly differ."""

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphtune.check import ArgumentError
from graphtune.kernels import best as kernel
from graphtune.kernels import screen
from graphtune.kernels.best import Keys
from graphtune.kernels.products import KEYS, QUERIES, pack_keys, packed, products
from graphtune.kernels.ranking import top_k

both = pytest.mark.parametrize("short", [False, True])


@pytest.fixture(autouse=True)
def _always_search(monkeypatch):
    """However few queries and keys there are."""
    monkeypatch.setattr(kernel, "FEW", 1)
    monkeypatch.setattr(kernel, "WIDE", 0)


def slow(query, key, k, indptr, indices):
    return top_k(products(query, pack_keys(key), len(key)), k, indptr, indices)


def masks(rng, queries, keys, most):
    """Columns that a query is not to have, none for some queries and all for others."""
    sets = [rng.choice(keys, min(keys, rng.integers(0, most + 1)), replace=False) for _ in range(queries)]
    for row in range(0, queries, 7):
        sets[row] = np.arange(keys)
    return np.cumsum([0, *map(len, sets)]), np.concatenate(sets).astype(np.int64)


def same(got, expected):
    for one, other in zip(got, expected):
        np.testing.assert_array_equal(one, other)


@both
@given(st.integers(1, 40), st.integers(1, 90), st.integers(1, 20), st.integers(1, 120), st.integers(0, 10**6))
@settings(max_examples=80, deadline=None)
def test_the_best_are_those_of_all_scores(short, queries, keys, dim, k, seed):
    """Few different numbers, so that many scores tie, some rows of zeros, and rows far longer than others."""
    rng = np.random.default_rng(seed)
    query, key = (rng.integers(-2, 3, (n, dim)).astype(np.float32) for n in (queries, keys))
    key[rng.random(keys) < 0.2] *= np.float32(100)
    mask = masks(rng, queries, keys, 20)
    same(Keys(key, short).best(query, k, *mask), slow(query, key, k, *mask))


@both
@pytest.mark.parametrize("dim", [1, 7, 64])
@pytest.mark.parametrize("spread", [0.0, 1e-7, 1e-5, 1e-3, 1.0])
def test_keys_that_hardly_differ(short, dim, spread):
    """Neighbours differ by less than the whole numbers tell, so what they rank must be told by float32."""
    rng = np.random.default_rng(dim)
    query, key = rng.standard_normal((70, dim), np.float32), rng.standard_normal((1, dim), np.float32)
    key = key + np.float32(spread) * rng.standard_normal((2000, dim), np.float32)
    mask = masks(rng, len(query), len(key), 30)
    same(Keys(key, short).best(query, 10, *mask), slow(query, key, 10, *mask))


@both
@pytest.mark.parametrize("length", [1.0, 1e-30, 1e-12, 1e-11, 1e11, 1e18])
def test_lengths_of_any_size(short, length):
    rng = np.random.default_rng(1)
    query, key = rng.standard_normal((13, 8), np.float32), rng.standard_normal((300, 8), np.float32)
    key[::3] *= np.float32(length)
    query[::2] *= np.float32(length)
    query[4], key[6] = 0, 0
    mask = masks(rng, len(query), len(key), 5)
    same(Keys(key, short).best(query, 6, *mask), slow(query, key, 6, *mask))


@both
def test_popular_keys_end_the_search_early(short, monkeypatch):
    rng = np.random.default_rng(2)
    query, key = np.abs(rng.standard_normal((200, 16), np.float32)), rng.standard_normal((9000, 16), np.float32)
    key /= 1 + np.arange(len(key), dtype=np.float32)[rng.permutation(len(key))][:, None]
    mask = masks(rng, len(query), len(key), 30)
    ready = Keys(key, short)
    same(ready.best(query, 20, *mask), slow(query, key, 20, *mask))
    monkeypatch.setattr(Keys, "_against_all", lambda *arguments: pytest.fail("all scores were asked for"))
    ready._panels[len(ready._panels) // 2 :] = 0  # nobody looks there
    mask = np.zeros(len(query) + 1, np.int64), np.zeros(0, np.int64)
    monkeypatch.setattr(Keys, "_against_all", lambda *arguments: None)
    same(ready.best(query, 20, *mask), slow(query, key, 20, *mask))


@both
def test_short_keys_that_lie_well_are_found(short):
    """The long ones score .92 of their length, those behind all of it."""
    key = np.zeros((1600, 2), np.float32)
    key[:1500] = np.float32([9.2, 3.9]) * np.linspace(1, 0.999, 1500, dtype=np.float32)[:, None]
    key[1500:, 0] = np.linspace(9.3, 9.4, 100)
    query, nothing = np.tile(np.float32([[2, 0]]), (6, 1)), (np.zeros(7, np.int64), np.zeros(0, np.int64))
    found = Keys(key, short).best(query, 10, *nothing)
    same(found, slow(query, key, 10, *nothing))
    assert found[0][0, 0] == 1599


@both
def test_blocks_threads_and_company_change_nothing(short, monkeypatch):
    rng = np.random.default_rng(3)
    query, key = rng.standard_normal((131, 24), np.float32), rng.standard_normal((700, 24), np.float32)
    mask = masks(rng, len(query), len(key), 30)
    one = Keys(key, short).best(query, 15, *mask)
    monkeypatch.setattr(kernel, "GROUPS_A_BLOCK", 1)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    same(Keys(key, short).best(query, 15, *mask), one)
    some = Keys(key, short).best(query[40:47], 15, mask[0][40:48], mask[1])
    same(some, [part[40:47] for part in one])


def test_few_queries_or_keys_are_scored_whole(monkeypatch):
    monkeypatch.undo()
    rng = np.random.default_rng(4)
    query, key = rng.standard_normal((3, 5), np.float32), rng.standard_normal((40, 5), np.float32)
    nothing = np.zeros(4, np.int64), np.zeros(0, np.int64)
    same(Keys(key).best(query, 4, *nothing), slow(query, key, 4, *nothing))
    many = np.tile(query, (50, 1))
    nothing = np.zeros(151, np.int64), np.zeros(0, np.int64)
    same(Keys(key).best(many, 40, *nothing), slow(many, key, 40, *nothing))
    assert Keys(key).best(query[:0], 4, [0], [])[0].shape == (0, 4)


@pytest.mark.parametrize("dim", [1, 9])
def test_vector_screen_is_the_plain_loop(dim):
    """Of whole numbers both are exact."""
    rng = np.random.default_rng(dim)
    query, key = (rng.integers(-9, 9, (n, dim)).astype(np.float32) for n in (2 * QUERIES, 2 * KEYS))
    floor = rng.integers(-20, 20, 2 * QUERIES).astype(np.float32)
    floor[QUERIES:] = np.inf
    floor[-1] = 30
    none = np.zeros(2 * KEYS, np.float32)
    arrays = packed(query, QUERIES), pack_keys(key)
    for group in range(2):
        for panel in range(2):
            told = []
            for screens in (screen._plain_screen, screen.screen):
                bound, reaches = np.zeros((QUERIES, KEYS), np.float32), np.zeros(QUERIES, np.uint32)
                found = one_screen(screens, arrays, group, panel, none, floor, bound, reaches)
                told.append((found, bound * found, reaches * found))
            for one, other in zip(*told):
                np.testing.assert_array_equal(one, other)


def one_screen(screens, arrays, group, panel, none, floor, bound, reaches):
    call = numba.njit(lambda q, g, k, p, z, f, b, r: screens(q, g, k, p, z, z, z, f, b, r))
    return call(arrays[0], group, arrays[1], panel, none, floor, bound, reaches)


@both
def test_nan_is_refused_and_infinity_is_a_score(short):
    rng = np.random.default_rng(5)
    query, key = rng.random((4, 3), np.float32), rng.random((30, 3), np.float32)
    nothing = np.zeros(5, np.int64), np.zeros(0, np.int64)
    key[3] = np.inf
    same(Keys(key, short).best(query, 2, *nothing), slow(query, key, 2, *nothing))
    key[5, 1] = np.nan
    with pytest.raises(ArgumentError, match="NaN"):
        Keys(key, short).best(query, 2, *nothing)


KEY = np.ones((4, 2), np.float32)
NONE = np.zeros(3, np.int64), np.zeros(0, np.int64)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Keys(KEY.astype(np.float64)), "`key` of Keys must be a NumPy array"),
        (lambda: Keys(KEY).best(KEY[:2, :1], 1, *NONE), "`query` of Keys.best must be"),
        (lambda: Keys(KEY).best(KEY[:2], 0, *NONE), "`k` of Keys.best must be an integer >= 1"),
        (lambda: Keys(KEY).best(KEY[:2], 1, [0, 1], [0]), "`mask_indptr` of Keys.best must be 3 integers"),
        (lambda: Keys(KEY).best(KEY[:2], 1, [0, 1, 1], [4]), "`mask_indices` of Keys.best must be columns in"),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(ArgumentError, match=message):
        call()
