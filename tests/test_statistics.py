"""Intervals and tests against exact enumeration, SciPy, known distributions and hand numbers."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from graphtune.check import ArgumentError
from graphtune.metrics import f1_macro, roc_auc
from graphtune.statistics import (
    LARGE,
    Estimate,
    bootstrap_interval,
    bootstrap_statistic,
    compare,
    holm,
    paired_test,
    t_interval,
)


def test_the_mean_skips_nan_and_counts_it():
    got = bootstrap_interval(np.array([1.0, np.nan, 3.0, np.nan]))
    assert (got.mean, got.n, got.skipped, got.confidence) == (2.0, 2, 2, 0.95)
    assert 1 <= got.low <= 2 <= got.high <= 3


def test_nothing_is_claimed_from_fewer_than_two_queries():
    one, none = bootstrap_interval(np.array([0.5])), bootstrap_interval(np.array([np.nan]))
    assert (one.mean, one.n) == (0.5, 1)
    assert np.isnan([one.low, one.high, none.mean, none.low, none.high]).all()
    assert (none.n, none.skipped) == (0, 1)


def test_the_interval_of_a_few_runs_is_students():
    got = t_interval([1.0, 2.0, 3.0])
    half = 4.302653 / 3**0.5  # t of 97.5 % with 2 degrees of freedom, s = 1
    np.testing.assert_allclose([got.mean, got.low, got.high], [2, 2 - half, 2 + half], atol=1e-6)
    values = np.random.default_rng(0).normal(size=7)
    ours = t_interval([*values, np.nan], confidence=0.9)
    low, high = stats.t.interval(0.9, 6, values.mean(), stats.sem(values))
    np.testing.assert_allclose([ours.low, ours.high, ours.n, ours.skipped], [low, high, 7, 1])
    one = t_interval([0.5])
    assert one.mean == 0.5 and np.isnan([one.low, one.high, t_interval([]).mean]).all()


@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_intervals_cover_the_true_mean_as_often_as_they_say(confidence):
    rng = np.random.default_rng(0)
    samples = rng.beta(0.5, 1.5, (400, 80))  # skewed, in [0, 1], mean 1 / 4
    covered = [e.low <= 0.25 <= e.high for e in (bootstrap_interval(s, confidence, 400, seed=1) for s in samples)]
    # 400 trials: a standard deviation of 1 to 2 points; the percentile interval is a little narrow
    assert confidence - 0.05 < np.mean(covered) < confidence + 0.04


def test_the_interval_is_the_quantiles_of_scipys_bootstrap():
    values = np.random.default_rng(0).exponential(size=300)
    ours = bootstrap_interval(values, resamples=20_000)
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    np.testing.assert_allclose([ours.low, ours.high], theirs, atol=0.005)


def test_the_normal_form_agrees_with_resampling_at_the_border():
    values = np.random.default_rng(0).exponential(size=LARGE + 1)
    large, resampled = bootstrap_interval(values), bootstrap_interval(values[:-1], resamples=4000)
    np.testing.assert_allclose([large.low, large.high], [resampled.low, resampled.high], atol=1e-3)
    half = 1.959964 * values.std() / np.sqrt(len(values))
    np.testing.assert_allclose([large.low, large.high], [values.mean() - half, values.mean() + half], rtol=1e-6)


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=30), st.integers(0, 5))
@settings(max_examples=50, deadline=None)
def test_intervals_are_ordered_reproducible_and_within_the_values(values, seed):
    values = np.array(values)
    got = bootstrap_interval(values, resamples=50, seed=seed)
    assert values.min() - 1e-9 <= got.low <= got.high <= values.max() + 1e-9
    assert got == bootstrap_interval(values, resamples=50, seed=seed)


def test_a_statistic_that_is_the_mean_gets_the_interval_of_the_mean():
    values = np.random.default_rng(0).random(400)
    ours, mean = bootstrap_statistic(np.mean, [values]), bootstrap_interval(values)
    assert ours.mean == pytest.approx(mean.mean)
    np.testing.assert_allclose([ours.low, ours.high], [mean.low, mean.high], atol=0.005)


def test_the_interval_of_auc_has_the_width_of_delongs():
    rng = np.random.default_rng(0)
    positive, negative = rng.normal(1, 1, 300), rng.normal(0, 1, 150)
    got = bootstrap_statistic(roc_auc, [positive, negative], together=False)
    below = (negative[None] < positive[:, None]).astype(float)
    deviation = np.sqrt(below.mean(1).var(ddof=1) / 300 + below.mean(0).var(ddof=1) / 150)
    assert got.mean == pytest.approx(below.mean())
    assert got.high - got.low == pytest.approx(2 * 1.96 * deviation, rel=0.08)


def test_rows_drawn_together_stay_together():
    labels = np.random.default_rng(0).integers(0, 3, 60)
    got = bootstrap_statistic(f1_macro, [labels, labels], resamples=50)
    assert (got.mean, got.low, got.high, got.n) == (1, 1, 1, 60)
    apart = bootstrap_statistic(f1_macro, [labels, labels], together=False, resamples=50)
    assert apart.high < 0.7


def test_resamples_without_an_answer_are_left_out():
    def ratio(values):
        return float("nan") if values.sum() == 0 else 1.0

    got = bootstrap_statistic(ratio, [np.array([0.0, 1.0])], resamples=100)
    assert (got.low, got.high) == (1, 1)


@pytest.mark.parametrize("scale", [1, 0.25])
def test_sign_flips_give_the_exact_p_value(scale):
    a, b = scale * np.array([3.0, 1, 4, 1, 5, 9, 2, 6]), scale * np.array([1.0, 1, 2, 3, 2, 5, 3, 2])
    differences = a - b
    flips = np.array([abs(np.dot(signs, differences)) for signs in product([-1, 1], repeat=8)])
    exact = np.mean(flips >= abs(differences.sum()) - 1e-9)
    got = paired_test(a, b, permutations=40_000)
    assert got.p_value == pytest.approx(exact, abs=0.01)
    assert got.difference == pytest.approx(differences.mean())


def test_the_normal_form_of_the_paired_test_agrees_with_tossing():
    d = np.random.default_rng(3).standard_normal(LARGE + 1)
    d += 1.3 * d.std() / np.sqrt(len(d)) - d.mean()
    large, tossed = paired_test(d, 0 * d), paired_test(d[:-1], 0 * d[:-1], permutations=2000)
    assert large.p_value == pytest.approx(2 * stats.norm.sf(1.3), abs=1e-3)
    assert large.p_value == pytest.approx(tossed.p_value, abs=0.03)


def test_p_values_are_uniform_when_nothing_differs():
    rng = np.random.default_rng(0)
    p = np.array([paired_test(*rng.random((2, 40)), permutations=500).p_value for _ in range(400)])
    assert stats.kstest(p, "uniform").pvalue > 0.001


def test_the_paired_test_finds_a_real_difference_and_is_symmetric():
    rng = np.random.default_rng(0)
    b = rng.random(200)
    a = b + rng.normal(0.05, 0.1, 200)
    forth, back = paired_test(a, b), paired_test(b, a)
    assert forth.p_value == back.p_value < 0.001
    assert forth.difference == pytest.approx(-back.difference)
    assert 0 < forth.low < forth.difference < forth.high


def test_pairs_with_nan_are_skipped_and_equal_models_do_not_differ():
    a = np.array([0.1, np.nan, 0.3, 0.4])
    got = paired_test(a, np.array([np.nan, 0.2, 0.3, 0.4]))
    assert (got.difference, got.p_value, got.n, got.skipped) == (0, 1, 2, 2)
    assert paired_test(np.array([np.nan]), np.array([1.0])).p_value == 1


def test_holm_by_hand():
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.5, 0.9]), [1, 1])
    assert holm([]) == []


def models():
    rng = np.random.default_rng(0)
    base = rng.random(300)
    better = np.clip(base + rng.normal(0.1, 0.1, 300), None, 5)
    return {
        "popularity": {"NDCG@20": base},
        "LightGCN": {"NDCG@20": better},
        "BPR|MF": {"NDCG@20": base + rng.normal(0, 0.1, 300)},
    }


def test_compare_ranks_models_and_tests_them_against_the_best_or_a_baseline():
    results = models()
    against_best = compare(results, "NDCG@20")
    assert against_best.baseline == against_best.rows[0].model == "LightGCN"
    assert against_best.rows[0].test is None
    named = compare(results, "NDCG@20", baseline="popularity")
    row = next(row for row in named.rows if row.model == "LightGCN")
    expected = paired_test(results["LightGCN"]["NDCG@20"], results["popularity"]["NDCG@20"])
    assert row.test == expected
    assert row.estimate == bootstrap_interval(results["LightGCN"]["NDCG@20"])
    assert row.p_adjusted == pytest.approx(2 * expected.p_value)
    assert compare(results, "NDCG@20", larger_is_better=False).rows[-1].model == "LightGCN"


def test_the_table_reads_as_markdown():
    lines = compare(models(), "NDCG@20", baseline="popularity").table().splitlines()
    assert lines[0].startswith("| model ")
    assert "difference to popularity" in lines[0]
    assert set(lines[1]) == set("|- ")
    assert len({len(line) for line in lines}) == 1
    cells = [[c.strip() for c in line.replace("\\|", "/").split("|")[1:-1]] for line in lines]
    assert {len(row) for row in cells} == {6}
    assert cells[2][0] == "LightGCN"
    assert cells[2][5] == "< 0.001"
    assert next(row for row in cells if row[0] == "popularity")[3:] == ["-", "-", "-"]
    assert "BPR/MF" in [row[0] for row in cells]


def test_one_model_or_no_answers_still_make_a_table():
    alone = compare({"a": {"m": np.array([0.1, 0.3])}}, "m")
    assert "0.2000" in alone.table()
    empty = compare({"a": {"m": np.full(3, np.nan)}, "b": {"m": np.ones(3)}}, "m")
    assert [row.model for row in empty.rows] == ["b", "a"]
    assert "nan" in empty.table()


def test_estimates_print_short():
    assert str(Estimate(0.43215, 0.4201, 0.4421, 10)) == "0.4321 [0.4201, 0.4421]"
    assert str(Estimate(1234.56, 1200.0, 1300.0, 10)) == "1,234.6 [1,200.0, 1,300.0]"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bootstrap_interval(np.array([1.0, np.inf])), "none infinite"),
        (lambda: bootstrap_interval(np.ones((2, 2))), "1-D"),
        (lambda: bootstrap_interval(np.ones(3), confidence=1), "`confidence` of bootstrap_interval"),
        (lambda: bootstrap_interval(np.ones(3), resamples=0), "`resamples`"),
        (lambda: bootstrap_statistic(np.mean, [np.ones(0)]), "not empty"),
        (lambda: bootstrap_statistic(roc_auc, [np.ones(3), np.ones(2)]), "of one length"),
        (lambda: paired_test(np.ones(3), np.ones(2)), "one score per query"),
        (lambda: compare({}, "m"), "at least one model"),
        (lambda: compare({"a": {"m": np.ones(2)}, "b": {"x": np.ones(2)}}, "m"), "one that b has: x. Got 'm'"),
        (lambda: compare({"a": {"m": np.ones(2)}, "b": {"m": np.ones(3)}}, "m"), "Got 'a: 2, b: 3'"),
        (lambda: compare({"a": {"m": np.ones(2)}}, "m", baseline="b"), "`baseline` of compare must be one of 'a'"),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(ArgumentError, match=message):
        call()
