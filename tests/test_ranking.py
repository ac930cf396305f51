"""The ranking kernels against slow references, one query at a time."""

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphtune.check import ArgumentError
from graphtune.kernels.ranking import BLOCK, ranks_among, realistic_ranks, top_k


def slow_top_k(scores, k, sets):
    columns, best = np.full((len(scores), k), -1), np.full((len(scores), k), -np.inf, np.float32)
    for q, row in enumerate(scores):
        open_columns = [j for j in range(len(row)) if j not in sets[q] and row[j] > -np.inf]
        for place, j in enumerate(sorted(open_columns, key=lambda j: (-row[j], j))[:k]):
            columns[q, place], best[q, place] = j, row[j]
    return columns, best


def slow_ranks(scores, answer, sets):
    ranks, counts = [], []
    for q, row in enumerate(scores):
        others = [row[j] for j in range(len(row)) if j != answer[q] and j not in sets[q]]
        optimistic = 1 + sum(s > row[answer[q]] for s in others)
        pessimistic = 1 + sum(s >= row[answer[q]] for s in others)
        ranks.append((optimistic + pessimistic) / 2)
        counts.append(len(others) + 1)
    return np.array(ranks), np.array(counts)


def csr(sets):
    indptr = np.cumsum([0, *map(len, sets)])
    return indptr, np.array([j for columns in sets for j in columns], dtype=np.int64)


@st.composite
def problems(draw):
    """Scores with many ties, and a list of columns per query with repeats, in no order."""
    queries, columns = draw(st.integers(0, 4)), draw(st.integers(1, 9))
    values = st.sampled_from([-np.inf, -1.5, -0.0, 0.0, 0.25, 3.0])
    rows = st.lists(st.lists(values, min_size=columns, max_size=columns), min_size=queries, max_size=queries)
    one_set = st.lists(st.integers(0, columns - 1), max_size=2 * columns)
    sets = draw(st.lists(one_set, min_size=queries, max_size=queries))
    answer = draw(st.lists(st.integers(0, columns - 1), min_size=queries, max_size=queries))
    scores = np.array(draw(rows), dtype=np.float32).reshape(queries, columns)
    return scores, sets, np.array(answer, dtype=np.int64)


@given(problems(), st.integers(1, 12))
@settings(max_examples=60, deadline=None)
def test_top_k_is_the_slow_one(problem, k):
    scores, sets, _ = problem
    got, expected = top_k(scores, k, *csr(sets)), slow_top_k(scores, k, sets)
    np.testing.assert_array_equal(got[0], expected[0])
    np.testing.assert_array_equal(got[1], expected[1])


@given(problems())
@settings(max_examples=60, deadline=None)
def test_realistic_ranks_are_the_slow_ones(problem):
    scores, sets, answer = problem
    ranks, counts = realistic_ranks(scores, answer, *csr(sets))
    expected_ranks, expected_counts = slow_ranks(scores, answer, sets)
    np.testing.assert_array_equal(ranks, expected_ranks)
    np.testing.assert_array_equal(counts, expected_counts)


@given(problems(), st.data())
@settings(max_examples=60, deadline=None)
def test_several_answers_are_ranked_in_one_row(problem, data):
    scores, sets, _ = problem
    cells = [(row, column) for row in range(len(scores)) for column in range(scores.shape[1])]
    pairs = data.draw(st.lists(st.sampled_from(cells), max_size=12)) if cells else []
    row, answer = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    ranks, counts = realistic_ranks(scores, answer, *csr(sets), row)
    expected_ranks, expected_counts = slow_ranks(scores[row], answer, [sets[r] for r in row])
    np.testing.assert_array_equal(ranks, expected_ranks)
    np.testing.assert_array_equal(counts, expected_counts)


@given(problems())
@settings(max_examples=50, deadline=None)
def test_ranks_do_not_change_with_the_scale_or_the_order_of_columns(problem):
    scores, sets, answer = problem
    ranks, _ = realistic_ranks(scores, answer, *csr(sets))
    stretched = np.where(np.isinf(scores), scores, np.float32(2) * scores + np.float32(1))
    np.testing.assert_array_equal(realistic_ranks(stretched, answer, *csr(sets))[0], ranks)
    flip = scores.shape[1] - 1
    flipped = csr([[flip - j for j in columns] for columns in sets])
    np.testing.assert_array_equal(realistic_ranks(scores[:, ::-1], flip - answer, *flipped)[0], ranks)


@pytest.mark.parametrize("columns", [BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 7])
@pytest.mark.parametrize("k", [1, 20, 300])
def test_long_rows(columns, k):
    rng = np.random.default_rng(columns)
    scores = rng.integers(0, 40, (12, columns)).astype(np.float32)  # many ties
    scores[0] = np.sort(scores[0])
    scores[1] = -np.sort(-scores[1])
    scores[2] = 1
    sets = [rng.integers(0, columns, rng.integers(0, columns)).tolist() for _ in scores]
    for got, expected in zip(top_k(scores, k, *csr(sets)), slow_top_k(scores, k, list(map(set, sets)))):
        np.testing.assert_array_equal(got, expected)
    answer = rng.integers(0, columns, len(scores))
    got, expected = realistic_ranks(scores, answer, *csr(sets)), slow_ranks(scores, answer, list(map(set, sets)))
    np.testing.assert_array_equal(got[0], expected[0])
    np.testing.assert_array_equal(got[1], expected[1])


def test_by_hand():
    scores = np.array([[0.9, 0.5, 0.5, 0.1, 0.5]], dtype=np.float32)
    columns, best = top_k(scores, 3, [0, 1], [1])
    assert columns.tolist() == [[0, 2, 4]]
    np.testing.assert_allclose(best, [[0.9, 0.5, 0.5]])
    ranks, counts = realistic_ranks(scores, np.array([2]), [0, 0], [])
    assert (ranks[0], counts[0]) == (3.0, 5)  # one above, two equal: between places 2 and 4
    ranks, counts = realistic_ranks(scores, np.array([2]), [0, 2], [0, 2])
    assert (ranks[0], counts[0]) == (2.0, 4)  # the known answer itself stays in


def test_too_few_columns_are_filled_up():
    columns, best = top_k(np.array([[2.0, -np.inf, 1.0]], dtype=np.float32), 4, [0, 1], [2])
    assert columns.tolist() == [[0, -1, -1, -1]]
    assert best.tolist() == [[2.0, -np.inf, -np.inf, -np.inf]]


def test_results_do_not_depend_on_the_number_of_threads():
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 50, (101, 700)).astype(np.float32)
    mask = np.arange(0, 102 * 5, 5), rng.integers(0, 700, 101 * 5)
    answer = rng.integers(0, 700, 101)
    before = numba.get_num_threads()
    runs = []
    try:
        for threads in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
            numba.set_num_threads(threads)
            runs.append((*top_k(scores, 25, *mask), *realistic_ranks(scores, answer, *mask)))
    finally:
        numba.set_num_threads(before)
    for one, other in zip(*runs):
        np.testing.assert_array_equal(one, other)


def test_a_slice_of_a_larger_csr_serves_a_batch_and_nothing_is_modified():
    rng = np.random.default_rng(1)
    scores = rng.random((6, 30), dtype=np.float32)
    indptr, indices = np.arange(0, 7 * 4, 4), rng.integers(0, 30, 24)
    answer = rng.integers(0, 30, 6)
    whole = (*top_k(scores, 5, indptr, indices), *realistic_ranks(scores, answer, indptr, indices))
    arrays = [scores.copy(), indptr.copy(), indices.copy(), answer.copy()]
    part = slice(2, 5), indptr[2:6], indices
    batch = (*top_k(scores[part[0]], 5, *part[1:]), *realistic_ranks(scores[part[0]], answer[2:5], *part[1:]))
    for got, expected in zip(batch, whole):
        np.testing.assert_array_equal(got, expected[2:5])
    for before, now in zip(arrays, (scores, indptr, indices, answer)):
        np.testing.assert_array_equal(before, now)


def test_ranks_among_is_a_count():
    rng = np.random.default_rng(2)
    true, others = rng.integers(0, 6, 40), rng.integers(0, 6, (40, 15))
    expected = [1 + sum(o > t) + sum(o == t) / 2 for t, o in zip(true, others)]
    np.testing.assert_array_equal(ranks_among(true.astype(float), others.astype(float)), expected)
    assert ranks_among(np.array([1.0, 5.0]), np.array([[1.0, 2.0], [1.0, 2.0]])).tolist() == [2.5, 1.0]
    assert ranks_among(np.array([1.0]), np.empty((1, 0))).tolist() == [1.0]


@pytest.mark.parametrize("at", [0, 3, BLOCK + 5])
def test_nan_is_refused(at):
    scores = np.zeros((3, BLOCK + 20), dtype=np.float32)
    scores[1, at] = np.nan
    with pytest.raises(ArgumentError, match="NaN in row 1"):
        top_k(scores, 2, np.zeros(4, int), [])
    with pytest.raises(ArgumentError, match="NaN in row 1"):
        realistic_ranks(scores, np.array([0, 3, 1]), np.zeros(4, int), [])
    with pytest.raises(ArgumentError, match="NaN"):
        ranks_among(scores[:, 0], scores)


SCORES = np.zeros((2, 4), dtype=np.float32)
NONE = np.zeros(3, dtype=np.int64), np.zeros(0, dtype=np.int64)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: top_k(SCORES.astype(np.float64), 1, *NONE), "float32"),
        (lambda: top_k(SCORES[0], 1, *NONE), "float32"),
        (lambda: top_k(SCORES, 0, *NONE), "`k` of top_k must be an integer >= 1"),
        (lambda: top_k(SCORES, 1, [0, 1], [0]), "`mask_indptr` of top_k must be 3 integers"),
        (lambda: top_k(SCORES, 1, [0, 2, 1], [0, 1]), "ascending"),
        (lambda: top_k(SCORES, 1, [0, 1, 5], [0, 1]), "ascending and within"),
        (lambda: top_k(SCORES, 1, [0, 1, 2], [0, 4]), "columns in"),
        (lambda: top_k(SCORES, 1, [0, 1, 2], [0.0, 1.0]), "integers"),
        (lambda: realistic_ranks(SCORES, np.array([0, -1]), *NONE), "`answer` of realistic_ranks"),
        (lambda: realistic_ranks(SCORES, np.array([0]), *NONE), "one column per query"),
        (lambda: ranks_among(np.zeros(2), np.zeros((3, 2))), "one row per entry"),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(ArgumentError, match=message):
        call()
