"""How sure a score is: bootstrap intervals, paired tests, and tables of models. Q is the number of queries."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import erfc, sqrt
from statistics import NormalDist

import numpy as np

from graphtune.check import bad, integer, number, one_of

LARGE = 20_000  # queries beyond which resampling adds nothing to the normal approximation
CHUNK = 1_000_000  # random draws held at once


@dataclass(frozen=True)
class Estimate:
    """A score with its confidence interval.

    Attributes:
        mean: the mean over queries, or the statistic on all of them.
        low: lower end of the interval; NaN with fewer than two queries.
        high: upper end.
        n: queries counted.
        skipped: queries left out because their score is NaN.
        confidence: of the interval.
    """

    mean: float
    low: float
    high: float
    n: int
    skipped: int = 0
    confidence: float = 0.95

    def __str__(self) -> str:
        if np.isnan(self.low):
            return _shown(self.mean)
        return f"{_shown(self.mean)} [{_shown(self.low)}, {_shown(self.high)}]"


@dataclass(frozen=True)
class PairedTest:
    """Two models on the same queries.

    Attributes:
        difference: mean of the first less the second.
        low: lower end of the 95 % interval of the difference; NaN with fewer than two queries.
        high: upper end.
        p_value: two-sided, of the hypothesis that which model got which score is chance.
        n: pairs counted.
        skipped: pairs left out because a score is NaN.
    """

    difference: float
    low: float
    high: float
    p_value: float
    n: int
    skipped: int = 0


def bootstrap_interval(values: np.ndarray, confidence: float = 0.95, resamples: int = 1000, seed: int = 0) -> Estimate:
    """The mean of per-query scores, with a percentile bootstrap interval over queries (Efron 1979).

    Beyond 20,000 queries the bootstrap distribution of a mean is taken for the normal one that it tends to,
    with standard deviation std / sqrt(Q). With a handful of queries a percentile interval is too narrow.

    Args:
        values: [Q] scores; NaN (a query without an answer) is skipped.
        confidence: in (0, 1).
        resamples: how many.
        seed: of the resamples.

    Returns:
        The estimate; its mean is NaN when no query is left.

    Raises:
        ArgumentError: not a vector of numbers, or infinite entries.
    """
    values = _scores("values", "bootstrap_interval", values)
    confidence = _confidence("bootstrap_interval", confidence)
    resamples = integer("resamples", "bootstrap_interval", resamples, low=1)
    kept = values[~np.isnan(values)]
    mean = float(kept.mean()) if len(kept) else float("nan")
    if len(kept) < 2:
        low = high = float("nan")
    elif len(kept) > LARGE:
        half = NormalDist().inv_cdf((1 + confidence) / 2) * float(kept.std()) / sqrt(len(kept))
        low, high = mean - half, mean + half
    else:
        low, high = _percentiles(_resampled_means(kept, resamples, np.random.default_rng(seed)), confidence)
    return Estimate(mean, low, high, len(kept), len(values) - len(kept), confidence)


def t_interval(values: Sequence[float], confidence: float = 0.95) -> Estimate:
    """The mean of a few runs, with Student's interval (Student, 1908): mean +- t s / sqrt(n), n - 1 degrees of freedom.

    For runs with different seeds, which are too few to resample; their scores are taken to be normal.

    Args:
        values: one number a run; NaN is skipped.
        confidence: in (0, 1).

    Returns:
        The estimate; both ends are NaN with fewer than two runs.

    Raises:
        ArgumentError: infinite values, or a confidence outside (0, 1).
    """
    from scipy.stats import t  # half a second to import

    scores = _scores("values", "t_interval", np.asarray(values, dtype=np.float64))
    confidence = _confidence("t_interval", confidence)
    kept = scores[~np.isnan(scores)]
    n = len(kept)
    mean = float(kept.mean()) if n else float("nan")
    half = float(t.ppf((1 + confidence) / 2, n - 1) * kept.std(ddof=1) / sqrt(n)) if n > 1 else float("nan")
    return Estimate(mean, mean - half, mean + half, n, len(scores) - n, confidence)


def bootstrap_statistic(
    statistic: Callable[..., float],
    arrays: Sequence[np.ndarray],
    together: bool = True,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Estimate:
    """Any statistic with a percentile bootstrap interval: F1, R2, AUC.

    A resample on which the statistic is NaN is left out.

    Args:
        statistic: takes the arrays, gives a number.
        arrays: each with queries (nodes, pairs) along its first axis.
        together: whether row i of every array is the same query, drawn together (labels and predictions);
            otherwise each array is resampled on its own (scores of positives, scores of negatives).
        confidence: in (0, 1).
        resamples: how many.
        seed: of the resamples.

    Returns:
        The statistic on all queries, and its interval; `n` is the length of the first array.

    Raises:
        ArgumentError: an empty array, or different lengths though drawn together.

    Example:
        >>> from graphtune.metrics import roc_auc
        >>> bootstrap_statistic(roc_auc, [np.array([0.9, 0.8, 0.3]), np.array([0.1, 0.2])], together=False).mean
        1.0
    """
    who = "bootstrap_statistic"
    arrays = [np.asarray(array) for array in arrays]
    lengths = [len(array) for array in arrays]
    if not lengths or min(lengths) == 0 or (together and len(set(lengths)) > 1):
        raise bad("arrays", who, "not empty" + (" and of one length" if together else ""), lengths)
    confidence = _confidence(who, confidence)
    resamples = integer("resamples", who, resamples, low=1)
    rng = np.random.default_rng(seed)
    values = np.empty(resamples)
    for i in range(resamples):
        rows = [rng.integers(0, length, length) for length in (lengths[:1] if together else lengths)]
        values[i] = statistic(*(array[rows[0 if together else j]] for j, array in enumerate(arrays)))
    values = values[~np.isnan(values)]
    low, high = _percentiles(values, confidence) if len(values) and lengths[0] > 1 else (np.nan, np.nan)
    return Estimate(float(statistic(*arrays)), low, high, lengths[0], confidence=confidence)


def paired_test(a: np.ndarray, b: np.ndarray, seed: int = 0, permutations: int = 10_000) -> PairedTest:
    """Whether two models differ on the same queries: a sign-flip permutation test of the mean difference.

    Under the null hypothesis the sign of each query's difference is a coin toss (Fisher 1935). The p-value is
    (1 + tosses at least as extreme) / (1 + permutations): the smallest it can be is 1 / (1 + permutations).
    Beyond 20,000 differing queries the sum of tossed differences is taken for normal with variance sum(d^2).

    Args:
        a: [Q] scores of the first model.
        b: [Q] scores of the second on the same queries.
        seed: of the permutations, and of the interval's resamples.
        permutations: how many.

    Returns:
        The test; pairs in which either score is NaN are skipped. p is 1 when no pair is left.

    Raises:
        ArgumentError: different lengths, or infinite scores.
    """
    a, b = _scores("a", "paired_test", a), _scores("b", "paired_test", b)
    permutations = integer("permutations", "paired_test", permutations, low=1)
    if len(a) != len(b):
        raise bad("b", "paired_test", f"as long as `a`, {len(a)}: one score per query", len(b))
    estimate = bootstrap_interval(a - b, seed=seed)
    differences = (a - b)[~np.isnan(a - b)]
    p_value = _sign_flip(differences[differences != 0], permutations, np.random.default_rng(seed))
    return PairedTest(estimate.mean, estimate.low, estimate.high, p_value, estimate.n, estimate.skipped)


@dataclass(frozen=True)
class Row:
    """One model in a comparison.

    Attributes:
        model: its name.
        estimate: the metric's mean with its interval.
        test: the model less the baseline; None for the baseline itself.
        p_adjusted: the test's p-value, Holm-corrected over the models; None for the baseline.
    """

    model: str
    estimate: Estimate
    test: PairedTest | None = None
    p_adjusted: float | None = None


@dataclass(frozen=True)
class Comparison:
    """Models on the same queries, best first.

    Attributes:
        metric: what is compared.
        baseline: the model that the others are tested against.
        rows: one per model.
    """

    metric: str
    baseline: str
    rows: tuple[Row, ...]

    def table(self) -> str:
        """A markdown table, aligned to be read as plain text too."""
        level = f"{100 * self.rows[0].estimate.confidence:g} % interval"
        head = ("model", self.metric, level, f"difference to {self.baseline}", "95 % interval", "p (Holm)")
        return _markdown([head, *(_cells(row) for row in self.rows)])

    def __str__(self) -> str:
        return self.table()


def compare(
    results: Mapping[str, Mapping[str, np.ndarray]],
    metric: str,
    baseline: str | None = None,
    larger_is_better: bool = True,
    confidence: float = 0.95,
    seed: int = 0,
) -> Comparison:
    """A table of models with intervals, and paired tests of each against a baseline.

    Without a baseline the others are tested against the best model. Holm's correction (1979) covers the number
    of tests, not the choice of the best by the same scores: name the baseline beforehand where it matters.

    Args:
        results: model -> metric -> [Q] scores, the same queries in the same order for every model.
        metric: which metric to compare.
        baseline: the model to test against.
        larger_is_better: False for errors and ranks.
        confidence: of the intervals of the means.
        seed: of the resampling.

    Raises:
        ArgumentError: no models, a model without the metric, an unknown baseline, or a different number of
            queries.
    """
    scores = _one_metric(results, metric)
    estimates = {m: bootstrap_interval(values, confidence, seed=seed) for m, values in scores.items()}
    sign = -1 if larger_is_better else 1
    order = sorted(estimates, key=lambda m: (np.isnan(estimates[m].mean), sign * estimates[m].mean))
    baseline = order[0] if baseline is None else one_of("baseline", "compare", baseline, results)
    tests = {m: paired_test(scores[m], scores[baseline], seed) for m in order if m != baseline}
    adjusted = dict(zip(tests, holm([test.p_value for test in tests.values()])))
    return Comparison(metric, baseline, tuple(Row(m, estimates[m], tests.get(m), adjusted.get(m)) for m in order))


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for their number by Holm's step-down procedure (1979), in the order given."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(stepped, 1)
    return adjusted.tolist()


def _resampled_means(values: np.ndarray, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """[resamples] means of as many values, drawn with replacement."""
    means = np.empty(resamples)
    step = max(1, CHUNK // len(values))
    for start in range(0, resamples, step):
        stop = min(start + step, resamples)
        rows = rng.integers(0, len(values), (stop - start, len(values)), dtype=np.int32)
        means[start:stop] = values[rows].mean(axis=1)
    return means


def _sign_flip(differences: np.ndarray, permutations: int, rng: np.random.Generator) -> float:
    """Two-sided p-value of the sum of `differences`, none of them 0, under random signs."""
    if len(differences) == 0:
        return 1.0
    observed = abs(float(differences.sum()))
    if len(differences) > LARGE:
        return erfc(observed / sqrt(2 * float((differences**2).sum())))
    bar = observed - 1e-9 * float(np.abs(differences).sum())
    step = max(1, CHUNK // len(differences))
    extreme = 0
    for start in range(0, permutations, step):
        size = min(step, permutations - start), (len(differences) + 7) // 8
        coins = np.unpackbits(rng.integers(0, 256, size, dtype=np.uint8), axis=1, count=len(differences))
        flipped = differences.sum() - 2 * (coins.astype(np.float64) @ differences)
        extreme += int((np.abs(flipped) >= bar).sum())
    return (1 + extreme) / (1 + permutations)


def _percentiles(values: np.ndarray, confidence: float) -> tuple[float, float]:
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def _scores(argument: str, who: str, values: np.ndarray) -> np.ndarray:
    """`values` as a float64 vector, NaN allowed."""
    array = np.asarray(values)
    if array.ndim != 1 or array.dtype.kind not in "biuf" or np.isinf(array).any():
        raise bad(argument, who, "a 1-D array of numbers, none infinite", f"{array.dtype} {array.shape}")
    return array.astype(np.float64, copy=False)


def _confidence(who: str, confidence: float) -> float:
    if not 0 < number("confidence", who, confidence) < 1:
        raise bad("confidence", who, "a number in (0, 1)", confidence)
    return float(confidence)


def _one_metric(results: Mapping[str, Mapping[str, np.ndarray]], metric: str) -> dict[str, np.ndarray]:
    if not results:
        raise bad("results", "compare", "at least one model", "none")
    for model, metrics in results.items():
        if metric not in metrics:
            raise bad("metric", "compare", f"one that {model} has: {', '.join(metrics)}", metric)
    scores = {model: _scores(f"results[{model!r}]", "compare", m[metric]) for model, m in results.items()}
    lengths = {model: len(values) for model, values in scores.items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{model}: {length}" for model, length in lengths.items())
        raise bad("results", "compare", f"{metric} of the same queries for every model", shown)
    return scores


def _cells(row: Row) -> tuple[str, ...]:
    interval = f"[{_shown(row.estimate.low)}, {_shown(row.estimate.high)}]"
    if row.test is None or row.p_adjusted is None:
        return row.model, _shown(row.estimate.mean), interval, "-", "-", "-"
    p = "< 0.001" if row.p_adjusted < 0.001 else f"{row.p_adjusted:.3f}"
    difference = _shown(row.test.difference, sign="+")
    interval_of_difference = f"[{_shown(row.test.low, '+')}, {_shown(row.test.high, '+')}]"
    return row.model, _shown(row.estimate.mean), interval, difference, interval_of_difference, p


def _markdown(lines: list[tuple[str, ...]]) -> str:
    lines = [tuple(cell.replace("|", "\\|") for cell in line) for line in lines]
    widths = [max(map(len, column)) for column in zip(*lines)]
    lines.insert(1, tuple("-" * width for width in widths))
    return "\n".join("| " + " | ".join(c.ljust(w) for c, w in zip(line, widths)) + " |" for line in lines)


def _shown(value: float, sign: str = "") -> str:
    """Four decimals for shares, one for ranks and other large numbers."""
    return f"{value:{sign}.4f}" if abs(value) < 10 else f"{value:{sign},.1f}"
