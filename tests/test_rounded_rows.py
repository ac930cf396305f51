"""What a rounded softmax is made of, against slow references: whole numbers, exponents, maxima, choices by chance."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numba import njit

from graphtune.kernels import bytes as in_bytes
from graphtune.kernels.bytes import byte_keys, byte_rows, byte_scores
from graphtune.kernels.choice import AT_ONCE, WALKS, choose
from graphtune.kernels.largest import largest, largest_size
from graphtune.kernels.short import short_keys, short_rows, short_scores
from graphtune.kernels.softmax import exp

B, N = 23, 211  # no multiples of tiles or panels
DIMS = pytest.mark.parametrize("dim", [1, 2, 13, 200])


def numbers(dim):
    """Queries and keys, some of them 0."""
    rng = np.random.default_rng(dim)
    query, key = (rng.normal(size=(rows, dim)).astype(np.float32) for rows in (B, N))
    query[3], key[5] = 0.0, 0.0
    return query, key


def check_scores(out, query, key, whole, other, scale, key_scale):
    """That whole numbers are near to the given ones, and scores their exact products."""
    for exact, rounded, unit in ((query, whole, scale), (key, other, key_scale)):
        assert np.all(np.abs(exact - rounded * unit[:, None]) <= 0.51 * unit[:, None])
    exact = (whole @ other.T) * scale[:, None].astype(np.float64) * key_scale
    np.testing.assert_allclose(out[:B, :N], exact, rtol=1e-5, atol=1e-5 * np.abs(exact).max())
    assert np.all(out[:B, N:] == 0)


def unpacked(panels, kind, dim):
    """[N, dim] whole numbers of keys in panels."""
    return panels.transpose(0, 2, 1).copy().view(kind).reshape(panels.shape[0] * 16, -1)[:N, :dim].astype(np.int64)


@DIMS
def test_products_in_16_bits_are_those_of_rounded_numbers(dim):
    query, key = numbers(dim)
    panels, key_scale = short_keys(key)
    rows, scale = short_rows(query)
    out = np.empty((24, len(key_scale)), np.float32)
    short_scores(rows, scale, 0, B, panels, key_scale, out)
    whole, other = rows.view(np.int16)[:B, :dim].astype(np.int64), unpacked(panels, np.int16, dim)
    check_scores(out, query, key, whole, other, scale[:B], key_scale[:N])
    norms = np.linalg.norm(query, axis=1)[:, None] * np.linalg.norm(key, axis=1)
    assert np.all(np.abs(out[:B, :N] - query @ key.T) <= 1e-4 * norms + 1e-6)


@pytest.fixture(params=[True, False])
def in_one(request, monkeypatch):
    """`byte_scores` with the instruction that multiplies bytes, and without."""
    if request.param and not in_bytes.IN_ONE:
        pytest.skip("this processor does not multiply bytes")
    monkeypatch.setattr(in_bytes, "IN_ONE", request.param)
    return njit(byte_scores.py_func)


@DIMS
def test_products_in_8_bits_are_those_of_rounded_numbers(dim, in_one):
    query, key = numbers(dim)
    panels, key_scale, first = byte_keys(key)
    rows, scale = byte_rows(query)
    out = np.empty((24, len(key_scale)), np.float32)
    in_one(rows, scale, 0, B, panels, key_scale, first, out)
    whole, other = rows.view(np.uint8)[:B, :dim].astype(np.int64) - 128, unpacked(panels, np.int8, dim)
    check_scores(out, query, key, whole, other, scale[:B], key_scale[:N])
    exact = query @ key.T
    assert np.std(out[:B, :N] - exact) <= 0.02 * np.std(exact)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_bytes_of_numbers_that_are_not_finite_are_nan(bad):
    query, key = numbers(13)
    query[2, 4], key[7, 12] = bad, bad
    rows, scale = byte_rows(query)
    panels, key_scale, first = byte_keys(key)
    out = np.empty((24, len(key_scale)), np.float32)
    byte_scores(rows, scale, 0, B, panels, key_scale, first, out)
    wanted = np.zeros((B, N), bool)
    wanted[2], wanted[:, 7] = True, True
    np.testing.assert_array_equal(np.isnan(out[:B, :N]), wanted)


FLOATS = st.floats(-(2.0**99), 2.0**99, width=32)


@settings(deadline=None)  # the first compiles
@given(arrays(np.float32, st.integers(1, 70), elements=FLOATS))
def test_largest_is_numpys(row):
    assert largest(row) == row.max()
    assert largest_size(row) == np.abs(row).max()


@njit
def exponents(x):
    out = np.empty_like(x)
    for i in range(len(x)):
        out[i] = exp(x[i])
    return out


def test_exp_is_numpys():
    x = -np.concatenate([np.linspace(0, 3, 100_001), np.linspace(3, 87, 100_001)]).astype(np.float32)
    exact = np.exp(x.astype(np.float64))
    assert np.all(np.abs(exponents(x) - exact) <= (3e-7 + 1.2e-7 * np.abs(x)) * exact)
    assert exponents(np.float32([-1000.0]))[0] < 2e-38


def chosen(row, limit, phase):
    """What the walks keep, one number at a time."""
    found = []
    for walk in range(WALKS):
        total = (phase + walk / WALKS) % 1.0
        for at in range(walk, len(row), WALKS):
            before, total = total, total + min(1.0, row[at] / limit)
            if np.floor(total) > np.floor(before):
                found.append((at, max(row[at], limit)))
    return sorted(found)


@settings(deadline=None)  # the first compiles
@given(
    arrays(np.int64, AT_ONCE * 2, elements=st.integers(0, 20)),
    st.sampled_from([1, 2, 4, 8]),
    st.integers(0, 63),
    st.integers(0, 100),
)
def test_choices_are_those_of_a_walk_step_by_step(row, limit, phase, room):
    """In numbers that float32 adds exactly."""
    row, phase = row.astype(np.float32), phase / 64
    column, value = np.empty(room, np.int32), np.empty(room, np.float32)
    count = choose(row, np.float32(limit), np.float32(phase), np.float32(0.5), column, value)
    wanted = chosen(row, limit, phase)[:room]
    assert count == len(wanted)
    assert [(int(c), float(v)) for c, v in zip(column[:count], value[:count])] == [(c, v / 2) for c, v in wanted]


def test_every_number_is_kept_by_its_chance():
    row = np.random.default_rng(0).exponential(1.0, AT_ONCE).astype(np.float32)
    limit, steps = np.float32(1.7), 4096
    mean = np.zeros(len(row))
    column, value = np.empty(len(row), np.int32), np.empty(len(row), np.float32)
    for i in range(steps):
        count = choose(row, limit, np.float32((i + 0.5) / steps), np.float32(1.0), column, value)
        assert count <= row.sum() / limit + WALKS
        mean[column[:count]] += value[:count] / steps
    np.testing.assert_allclose(mean, row, atol=2e-3)
