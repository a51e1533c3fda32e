"""Means and their intervals: against textbook formulas, SciPy, naive loops, and values worked out by hand."""

import math

import numpy as np
import pytest
from scipy.stats import bootstrap

from cambench.bench.stats import estimate as stats
from cambench.bench.stats.estimate import Estimate, Floats, estimate_columns, estimate_mean, resample_means


def test_no_values_have_no_mean() -> None:
    for values in ([], [float("nan")] * 3):
        estimate = estimate_mean(values)
        assert estimate.n == 0 and all(math.isnan(value) for value in estimate[:3])


def test_one_value_has_a_mean_and_no_interval() -> None:
    estimate = estimate_mean([0.3])
    assert (estimate.mean, estimate.n) == (0.3, 1) and math.isnan(estimate.low) and math.isnan(estimate.high)


@pytest.mark.parametrize(("hits", "n"), [(12, 12), (0, 12), (7, 12), (1, 2), (95, 100)])
def test_a_rate_has_wilsons_interval(hits: int, n: int) -> None:
    z, p = 1.959963984540054, hits / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    estimate = estimate_mean([1.0] * hits + [0.0] * (n - hits), binary=True)
    assert estimate == pytest.approx((p, max(0.0, centre - half), min(1.0, centre + half), n), abs=1e-12)


def test_a_rate_of_one_has_an_interval_with_width() -> None:
    assert estimate_mean([1.0] * 12, binary=True).low == pytest.approx(0.7575, abs=1e-4)


def test_fractional_hits_count_as_fractions() -> None:
    rates = [estimate_mean(values, binary=True) for values in ([1.0, 0.4, 0.0], [1.0, 0.5, 0.0], [1.0, 0.6, 0.0])]
    assert rates[0].low < rates[1].low < rates[2].low
    assert rates[1].low == pytest.approx(1 - rates[1].high)


def test_zeros_of_a_metric_that_is_not_binary_do_not_have_wilsons_interval() -> None:
    assert estimate_mean([0.0] * 12) == Estimate(0.0, 0.0, 0.0, 12)


def test_equal_values_have_an_interval_without_width() -> None:
    assert estimate_mean([0.25] * 5) == Estimate(0.25, 0.25, 0.25, 5)


def test_missing_values_are_left_out() -> None:
    values = [0.1, float("nan"), 0.4, 0.7, float("nan")]
    assert estimate_mean(values) == estimate_mean([0.1, 0.4, 0.7])
    assert estimate_mean(values).n == 3 and estimate_mean(values).mean == pytest.approx(0.4)


def test_the_bootstrap_agrees_with_a_naive_loop() -> None:
    values = np.random.default_rng(1).beta(2, 3, 60)
    rng = np.random.default_rng(2)
    means = [np.mean([values[i] for i in rng.integers(0, 60, 60)]) for _ in range(4000)]
    low, high = np.percentile(means, [2.5, 97.5])
    estimate = estimate_mean(values)
    assert estimate.mean == pytest.approx(values.mean(), abs=1e-12)
    assert (estimate.low, estimate.high) == pytest.approx((low, high), abs=0.003)


@pytest.mark.parametrize(("n", "quantile"), [(2, 12.7062), (3, 4.30265), (7, 2.44691)])  # from a table of Student's t
def test_few_values_have_students_interval(n: int, quantile: float) -> None:
    values = np.random.default_rng(3).beta(2, 3, n).tolist()
    middle = sum(values) / n
    half = quantile * math.sqrt(sum((value - middle) ** 2 for value in values) / (n - 1) / n)
    assert estimate_mean(values) == pytest.approx((middle, middle - half, middle + half, n), abs=1e-5)


@pytest.mark.parametrize("n", [2, 4, 7])
def test_the_interval_of_few_values_covers_the_true_mean_in_over_90_percent_of_samples(n: int) -> None:
    """A percentile bootstrap of two values would cover it half the time."""
    draws = np.random.default_rng(4).beta(2, 3, (400, n))
    covered = [(estimate := estimate_mean(values)).low <= 0.4 <= estimate.high for values in draws]
    assert np.mean(covered) > 0.9


def test_the_interval_is_cut_to_the_bounds_and_contains_the_mean() -> None:
    assert estimate_mean([0.0, 0.2], bounds=(0, 1))[:2] == (0.1, 0.0)
    assert estimate_mean([0.9, 1.0], bounds=(0, 1)).high == 1.0
    assert estimate_mean([0.9, 1.0]).high > 1.0
    outside = estimate_mean([1.0 + 1e-9, 1.0 + 3e-9], bounds=(0, 1))
    assert outside.low <= outside.mean <= outside.high == pytest.approx(1)


def test_the_interval_is_reproducible_and_depends_slightly_on_the_seed() -> None:
    values = [0.1, 0.5, 0.2, 0.9, 0.35, 0.6, 0.75, 0.3]
    assert estimate_mean(values) == estimate_mean(values) == estimate_mean(values, seed=0)
    other = estimate_mean(values, seed=1)
    assert other != estimate_mean(values) and other.low == pytest.approx(estimate_mean(values).low, abs=0.02)


def test_the_bootstrap_of_each_column_is_scipys() -> None:
    columns = np.random.default_rng(8).beta(2, 3, (30, 3))
    reference = bootstrap((columns,), np.mean, n_resamples=10_000, method="percentile", rng=np.random.default_rng(5))
    estimates = estimate_columns(columns, seed=5)
    assert [estimate.low for estimate in estimates] == pytest.approx(reference.confidence_interval.low, abs=1e-12)
    assert [estimate.high for estimate in estimates] == pytest.approx(reference.confidence_interval.high, abs=1e-12)
    assert [estimate.mean for estimate in estimates] == pytest.approx(columns.mean(0), abs=1e-12)


def test_draws_depend_neither_on_chunks_nor_on_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = np.random.default_rng(8).random((20, 2))
    expected = resample_means(columns, seed=3)
    monkeypatch.setattr(stats, "CHUNK", 20 * 7)
    monkeypatch.setattr(stats, "CACHE_LIMIT", 0)
    np.testing.assert_allclose(resample_means(columns, seed=3), expected, atol=1e-15)
    assert expected.shape == (10_000, 2) and not np.allclose(resample_means(columns, seed=4), expected)


def test_columns_are_resampled_together_and_do_not_affect_each_other() -> None:
    columns = np.random.default_rng(8).random((20, 2))
    draws = resample_means(np.column_stack([columns[:, 0], 2 * columns[:, 0] + 1, columns[:, 1]]))
    np.testing.assert_allclose(draws[:, 1], 2 * draws[:, 0] + 1)
    assert estimate_columns(columns)[1] == pytest.approx(estimate_mean(columns[:, 1]))


def _product(means: Floats) -> Floats:
    return means.prod(-1, keepdims=True)


def test_the_interval_of_a_transform_agrees_with_a_naive_bootstrap() -> None:
    rows = np.random.default_rng(8).beta(2, 3, (25, 2))
    rng = np.random.default_rng(9)
    draws = [np.mean(rows[rng.integers(0, 25, 25)], axis=0).prod() for _ in range(4000)]
    (estimate,) = estimate_columns(rows, _product)
    assert estimate.mean == pytest.approx(rows[:, 0].mean() * rows[:, 1].mean()) and estimate.n == 25
    assert (estimate.low, estimate.high) == pytest.approx(np.percentile(draws, [2.5, 97.5]), abs=0.004)


def test_the_interval_of_a_transform_of_few_rows_is_the_jackknifes() -> None:
    rows = np.random.default_rng(8).beta(2, 3, (6, 2))
    product = rows.mean(0).prod()
    pseudo = [6 * product - 5 * np.delete(rows, left, axis=0).mean(0).prod() for left in range(6)]
    half = 2.570582 * np.std(pseudo, ddof=1) / 6**0.5
    (estimate,) = estimate_columns(rows, _product)
    assert estimate == pytest.approx((product, np.mean(pseudo) - half, np.mean(pseudo) + half, 6), abs=1e-6)


def test_for_very_many_rows_jackknife_and_bootstrap_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.random.default_rng(8).beta(0.4, 2, (stats.MANY + 1, 2))
    (jackknife,) = estimate_columns(rows, _product)
    monkeypatch.setattr(stats, "MANY", len(rows))
    (bootstrapped,) = estimate_columns(rows, _product)
    assert jackknife.mean == bootstrapped.mean and jackknife != bootstrapped
    assert (jackknife.low, jackknife.high) == pytest.approx(
        (bootstrapped.low, bootstrapped.high), abs=0.03 * (bootstrapped.high - bootstrapped.low)
    )


def test_resamples_without_a_defined_value_are_left_out() -> None:
    columns = np.array([[0.0]] * 9 + [[1.0]])

    def inverse(means: Floats) -> Floats:
        with np.errstate(divide="ignore"):
            return np.where(means > 0, 1 / means, np.nan)

    (estimate,) = estimate_columns(columns, inverse)
    defined = 1 / (draws := resample_means(columns))[draws > 0]
    assert 6000 < defined.size < 7000  # about 10,000 (1 - .9**10)
    assert (estimate.low, estimate.high) == pytest.approx(np.percentile(defined, [2.5, 97.5]))
    (undefined,) = estimate_columns(np.zeros((10, 1)), inverse)
    assert math.isnan(undefined.mean) and math.isnan(undefined.low) and undefined.n == 10


@pytest.mark.parametrize("value", [0.1, 1 / 3, 0.7])
@pytest.mark.parametrize("n", [2, 7, 8, 30])
def test_the_mean_and_interval_of_equal_values_are_exact(value: float, n: int) -> None:
    assert estimate_mean([value] * n) == Estimate(value, value, value, n)


@pytest.mark.parametrize(("n", "least"), [(8, 0.86), (12, 0.88), (60, 0.92)])
def test_the_bootstrap_covers_the_true_mean_in_nearly_95_percent_of_samples(n: int, least: float) -> None:
    """A percentile bootstrap divides variances by n, not n - 1: for few values it is slightly too narrow."""
    draws = np.random.default_rng(4).beta(2, 3, (n, 600))
    assert least < np.mean([estimate.low <= 0.4 <= estimate.high for estimate in estimate_columns(draws)]) < 0.97


def test_no_rows_and_one_row_have_no_interval() -> None:
    (empty,), (single,) = (
        estimate_columns(np.empty((0, 2)), _product),
        estimate_columns(np.array([[0.5, 0.4]]), _product),
    )
    assert empty.n == 0 and math.isnan(empty.mean)
    assert (single.mean, single.n) == (0.2, 1) and math.isnan(single.low) and math.isnan(single.high)


def test_estimate_means_agrees_with_estimate_mean_of_each_column() -> None:
    rng = np.random.default_rng(0)
    columns = [rng.random(20), np.r_[rng.random(19), np.nan], rng.random(20), np.full(20, np.nan), rng.random(20) > 0.5]
    bounds = [(0.0, 1.0), (0.0, 1.0), (-1.0, 1.0), (0.0, 1.0), (0.0, 1.0)]
    binary = [False, False, False, False, True]
    estimates = stats.estimate_means([np.asarray(column, dtype=float) for column in columns], bounds, binary)
    for estimate, column, limits, rate in zip(estimates, columns, bounds, binary, strict=True):
        alone = stats.estimate_mean(np.asarray(column, dtype=float), bounds=limits, binary=rate)
        assert estimate == pytest.approx(alone, nan_ok=True)
