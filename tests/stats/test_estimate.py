"""Means and their intervals: against textbook formulas, SciPy, statsmodels, naive loops, and values worked out by hand."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from scipy.stats import binomtest, skew

from cambench.bench.stats import estimate as stats
from cambench.bench.stats.bounded import MANY, bound_means
from cambench.bench.stats.estimate import Estimate, Floats, estimate_columns, estimate_mean, find_rounding

# 97.5 % quantiles from a table of Student's t, by the number of values
QUANTILES = {2: 12.7062, 3: 4.30265, 6: 2.570582, 7: 2.44691, 8: 2.364624, 12: 2.200985, 30: 2.04523}


def _interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Student's interval with Johnson's correction for skewness, from sums."""
    n = len(values)
    mean = sum(values) / n
    deviations = [value - mean for value in values]
    error = math.sqrt(sum(deviation**2 for deviation in deviations) / (n - 1) / n)
    ends = [-QUANTILES[n], QUANTILES[n]]
    if n >= 8:
        variance = sum(deviation**2 for deviation in deviations) / n
        skewness = sum(deviation**3 for deviation in deviations) / n / variance**1.5
        skewness *= math.sqrt(n * (n - 1)) / (n - 2)
        ends[int(skewness > 0)] += skewness / 6 / math.sqrt(n) * (1 + 2 * QUANTILES[n] ** 2)
    return mean, mean + ends[0] * error, mean + ends[1] * error


def test_no_values_have_no_mean() -> None:
    for values in ([], [float("nan")] * 3):
        estimate = estimate_mean(values)
        assert estimate.n == 0 and all(math.isnan(value) for value in estimate[:3])


def test_one_value_has_a_mean_and_no_interval() -> None:
    estimate = estimate_mean([0.3])
    assert (estimate.mean, estimate.n) == (0.3, 1) and math.isnan(estimate.low) and math.isnan(estimate.high)


@pytest.mark.parametrize(("hits", "n"), [(12, 12), (0, 12), (7, 12), (1, 2), (95, 100), (3, 20_000)])
def test_a_rate_has_clopper_and_pearsons_interval(hits: int, n: int) -> None:
    estimate = estimate_mean([1.0] * hits + [0.0] * (n - hits), binary=True)
    assert estimate == pytest.approx((hits / n, *binomtest(hits, n).proportion_ci(method="exact"), n), abs=1e-12)
    reference = pytest.importorskip("statsmodels.stats.proportion").proportion_confint(hits, n, method="beta")
    assert estimate[1:3] == pytest.approx(reference, abs=1e-12)


def test_a_rate_of_one_has_an_interval_with_width() -> None:
    """Of twelve images, all are hits with a probability of .025 if the rate is .025 ** (1 / 12)."""
    assert estimate_mean([1.0] * 12, binary=True) == pytest.approx((1, 0.025 ** (1 / 12), 1, 12))


def test_fractional_hits_count_as_fractions() -> None:
    rates = [estimate_mean(values, binary=True) for values in ([1.0, 0.4, 0.0], [1.0, 0.5, 0.0], [1.0, 0.6, 0.0])]
    assert rates[0].low < rates[1].low < rates[2].low
    assert rates[1].low == pytest.approx(1 - rates[1].high)


def test_equal_values_have_an_interval_without_width() -> None:
    assert estimate_mean([0.25] * 5) == Estimate(0.25, 0.25, 0.25, 5)
    assert estimate_mean([0.0] * 12) == Estimate(0.0, 0.0, 0.0, 12)  # of a metric whose range is not known


@pytest.mark.parametrize("n", [2, 12, 100])
def test_equal_values_at_an_end_of_their_range_have_the_interval_of_a_rate(n: int) -> None:
    """They say no more than hits or misses do. The limits are drawn at random, and for a rate computed."""
    zeros, ones = (estimate_mean([value] * n, bounds=(0, 1)) for value in (0.0, 1.0))
    assert zeros[:2] == (0, 0) and zeros.high == pytest.approx(1 - 0.025 ** (1 / n), rel=0.02) and zeros.n == n
    assert ones == pytest.approx((1, 1 - zeros.high, 1, n))
    assert estimate_mean([-3.0] * n, bounds=(-3, 5)).high == pytest.approx(8 * zeros.high - 3)


def test_missing_values_are_left_out() -> None:
    values = [0.1, float("nan"), 0.4, 0.7, float("nan")]
    assert estimate_mean(values) == estimate_mean([0.1, 0.4, 0.7])
    assert estimate_mean(values).n == 3 and estimate_mean(values).mean == pytest.approx(0.4)


@pytest.mark.parametrize("n", [2, 3, 7])
def test_few_values_have_students_interval(n: int) -> None:
    values = np.random.default_rng(3).beta(2, 3, n)
    estimate = estimate_mean(values)
    assert estimate == pytest.approx((*_interval(values.tolist()), n), abs=1e-5)
    reference = pytest.importorskip("statsmodels.stats.weightstats").DescrStatsW(values).tconfint_mean()
    assert estimate[1:3] == pytest.approx(reference, abs=1e-12)


@pytest.mark.parametrize("n", [8, 12, 30])
def test_students_interval_reaches_farther_on_the_side_of_the_longer_tail(n: int) -> None:
    values = np.linspace(0, 1, n) ** 4
    estimate = estimate_mean(values)
    assert skew(values) > 0.8 and estimate.high - estimate.mean > 1.2 * (estimate.mean - estimate.low)
    assert estimate == pytest.approx((*_interval(values.tolist()), n), abs=1e-5)
    assert estimate_mean(-values) == pytest.approx((-estimate.mean, -estimate.high, -estimate.low, n))
    reference = pytest.importorskip("statsmodels.stats.weightstats").DescrStatsW(values).tconfint_mean()
    assert estimate.low == pytest.approx(reference[0], abs=1e-12)  # the end on the other side is Student's


def test_the_skewness_is_scipys() -> None:
    values = np.random.default_rng(3).beta(0.5, 3, (12, 3))
    assert stats._measure_skewness(values) == pytest.approx(skew(values, bias=False))


def test_ties_and_missing_values_of_a_naive_loop() -> None:
    values = [0.2, 0.2, 0.4, float("nan"), 0.2, 0.6, 0.2, 0.4, 0.2]
    present = [value for value in values if not math.isnan(value)]
    assert estimate_mean(values, bounds=(0, 1)) == pytest.approx((*_interval(present), 8), abs=1e-5)


def test_a_limit_that_assumes_nothing_worked_out_by_hand() -> None:
    """Equally likely weights of 0, .5 and 1 sum to a triangle over [0, 1]: it is above 1 - s with a probability of 2 s**2."""
    columns = np.array([[0.0], [0.5]])
    assert bound_means(columns, 0.0, 1.0, 0.975) == pytest.approx([1 - (0.025 / 2) ** 0.5], abs=0.006)
    assert bound_means(1 - columns, 1.0, 0.0, 0.025) == pytest.approx([(0.025 / 2) ** 0.5], abs=0.006)


def test_a_limit_that_assumes_nothing_agrees_with_a_naive_loop() -> None:
    values = [0.0, 0.0, 0.1, 0.7, 0.0, 0.2]
    rng = np.random.default_rng(7)
    draws = []
    for _ in range(20_000):
        weights = [rng.exponential() for _ in range(7)]
        draws.append(sum(weight * value for weight, value in zip(weights, [*values, 1.0], strict=True)) / sum(weights))
    expected = float(np.quantile(draws, 0.975))
    assert bound_means(np.array(values)[:, None], 0.0, 1.0, 0.975) == pytest.approx([expected], abs=0.01)
    assert estimate_mean(values, bounds=(0, 1)).high == pytest.approx(expected, abs=0.01)


def test_values_at_an_end_of_their_range_move_the_limit_on_the_side_of_the_other_end() -> None:
    heavy = np.r_[np.zeros(8), [0.1, 0.3, 0.2, 0.1]]
    limit = float(bound_means(heavy[:, None], 0.0, 1.0, 0.975)[0])
    estimate, unbounded = estimate_mean(heavy, bounds=(0, 1)), estimate_mean(heavy)
    assert estimate.high == limit > 1.5 * unbounded.high and estimate.low == max(0.0, unbounded.low)
    assert estimate_mean(1 - heavy, bounds=(0, 1)).low == pytest.approx(1 - limit)
    assert estimate_mean(heavy, bounds=(0, math.inf)).high == unbounded.high  # without another end there is no limit
    assert estimate_mean(heavy + 0.01, bounds=(0, 1)).high == pytest.approx(unbounded.high + 0.01)


@pytest.mark.parametrize("n", [2, 12, 100, 201, 5000])
def test_values_that_are_all_at_an_end_have_the_limit_of_clopper_and_pearson(n: int) -> None:
    """With a rate of 1 - .025 ** (1 / n), n images show no hit in 2.5 % of samples."""
    limit = 1 - 0.025 ** (1 / n)
    zeros, ones = (estimate_mean([end] * n, bounds=(0, 1)) for end in (0.0, 1.0))
    assert zeros.low == 0 and zeros.high == pytest.approx(limit, rel=0.03)
    assert ones.high == 1 and 1 - ones.low == pytest.approx(zeros.high)


@pytest.mark.parametrize("bounds", [(0, 1), (-0.5, 1.5)])
def test_the_interval_does_not_depend_on_the_order_of_images(bounds: tuple[float, float]) -> None:
    values = np.r_[np.zeros(9), [1e-8, 0.1, 0.3, 0.2, 0.1, 0.9]] * (bounds[1] - bounds[0]) + bounds[0]
    rng = np.random.default_rng(0)
    for one in (values, sum(bounds) - values):
        expected = estimate_mean(one, bounds=bounds)
        for _ in range(20):
            assert estimate_mean(rng.permutation(one), bounds=bounds) == pytest.approx(expected, abs=1e-14)


def test_the_limit_of_many_values_of_which_few_are_away_from_an_end_covers_the_mean() -> None:
    """Of samples of 300 values with 1 % drawn from [0, 1], Student's interval contains the mean in about nine of ten."""
    rng = np.random.default_rng(2)
    samples = np.where(rng.random((300, 500)) < 0.01, rng.random((300, 500)), 0.0)
    covered = [one.low <= 0.005 <= one.high for one in estimate_columns(samples, bounds=(0, 1))]
    student = [one.low <= 0.005 <= one.high for one in estimate_columns(samples)]
    assert np.mean(covered) > 0.95 > 0.92 > np.mean(student)


def test_one_value_in_ten_at_an_end_counts_as_many_and_many_away_from_it_have_students_interval() -> None:
    inside = np.linspace(0.1, 0.2, 19)
    nine, ten = (np.r_[inside[: 20 - zeros], np.zeros(zeros)] for zeros in (1, 2))
    assert estimate_mean(nine, bounds=(0, 1)).high < 0.2 < estimate_mean(ten, bounds=(0, 1)).high
    few, many = np.tile(ten, 11), np.tile(ten, 12)  # 198 and 216 values away from the end
    assert (few > 0).sum() <= MANY < (many > 0).sum()
    assert estimate_mean(few, bounds=(0, 1)).high > estimate_mean(few).high
    assert estimate_mean(many, bounds=(0, 1)).high == estimate_mean(many).high


@pytest.mark.parametrize("n", [2, 4, 7])
def test_the_interval_of_few_values_covers_the_true_mean_in_over_90_percent_of_samples(n: int) -> None:
    draws = np.random.default_rng(4).beta(2, 3, (400, n))
    covered = [(estimate := estimate_mean(values)).low <= 0.4 <= estimate.high for values in draws]
    assert np.mean(covered) > 0.9


def test_the_interval_is_cut_to_the_bounds_and_contains_the_mean() -> None:
    assert estimate_mean([0.0, 0.2], bounds=(0, 1))[:2] == (0.1, 0.0)
    assert estimate_mean([0.9, 1.0], bounds=(0, 1)).high == 1.0
    assert estimate_mean([0.9, 1.0]).high > 1.0
    outside = estimate_mean([1.0 + 1e-9, 1.0 + 3e-9], bounds=(0, 1))
    assert outside.low <= outside.mean <= outside.high == pytest.approx(1)


def test_columns_do_not_affect_each_other() -> None:
    columns = np.random.default_rng(8).random((20, 3)) * [1.0, 0.1, 10.0]
    columns[:4, 1] = 0.0
    for column, estimate in zip(columns.T, estimate_columns(columns, bounds=(0, 20)), strict=True):
        assert estimate == pytest.approx(estimate_mean(column, bounds=(0, 20)))


def _product(means: Floats) -> Floats:
    return means.prod(-1, keepdims=True)


@pytest.mark.parametrize("n", [6, 12])
def test_the_interval_of_a_transform_is_that_of_the_jackknifes_pseudo_values(n: int) -> None:
    rows = np.random.default_rng(8).beta(2, 3, (n, 2))
    product = rows.mean(0).prod()
    pseudo = [n * product - (n - 1) * np.delete(rows, left, axis=0).mean(0).prod() for left in range(n)]
    (estimate,) = estimate_columns(rows, _product)
    assert estimate == pytest.approx((product, *_interval(pseudo)[1:], n), abs=1e-6)


def test_the_interval_of_a_transform_agrees_with_a_bootstrap() -> None:
    rows = np.random.default_rng(8).beta(2, 3, (100, 2))
    rng = np.random.default_rng(9)
    draws = [np.mean(rows[rng.integers(0, 100, 100)], axis=0).prod() for _ in range(2000)]
    (estimate,) = estimate_columns(rows, _product)
    assert estimate.mean == pytest.approx(rows[:, 0].mean() * rows[:, 1].mean()) and estimate.n == 100
    assert (estimate.low, estimate.high) == pytest.approx(np.percentile(draws, [2.5, 97.5]), abs=0.005)


def test_a_quantity_that_is_undefined_without_one_row_has_no_interval() -> None:
    columns = np.array([[0.0]] * 9 + [[1.0]])

    def inverse(means: Floats) -> Floats:
        with np.errstate(divide="ignore"):
            return np.where(means > 0, 1 / means, np.nan)

    (estimate,) = estimate_columns(columns, inverse)
    assert estimate.mean == pytest.approx(10) and math.isnan(estimate.low) and math.isnan(estimate.high)
    (undefined,) = estimate_columns(np.zeros((10, 1)), inverse)
    assert math.isnan(undefined.mean) and math.isnan(undefined.low) and undefined.n == 10


@pytest.mark.parametrize("value", [0.1, 1 / 3, 0.7])
@pytest.mark.parametrize("n", [2, 7, 8, 30])
def test_the_mean_and_interval_of_equal_values_are_exact(value: float, n: int) -> None:
    assert estimate_mean([value] * n) == Estimate(value, value, value, n)


def test_no_rows_and_one_row_have_no_interval() -> None:
    (empty,), (single,) = (
        estimate_columns(np.empty((0, 2)), _product),
        estimate_columns(np.array([[0.5, 0.4]]), _product),
    )
    assert empty.n == 0 and math.isnan(empty.mean)
    assert (single.mean, single.n) == (0.2, 1) and math.isnan(single.low) and math.isnan(single.high)


def test_the_mean_of_a_binary_metric_that_gives_shares_has_the_interval_of_other_values() -> None:
    values = [1.0, 0.0, 0.5, 1.0, 0.0, 1.0, 0.25, 1.0]
    bounds = (0.0, 1.0)
    (expected,) = estimate_columns(np.array(values)[:, None], bounds=bounds)
    assert estimate_mean(values, binary=True, bounds=bounds) == expected


def test_the_rounding_of_scores_is_a_share_of_their_range_without_one_far_off() -> None:
    scores = np.linspace(2, 4, 201)
    assert find_rounding(scores) == pytest.approx(0.0072)
    assert find_rounding([*scores, 1e6, np.nan]) == pytest.approx(0.0072, rel=0.01)
    assert find_rounding([0.0] * 50 + [1.0]) == pytest.approx(4e-3)  # most scores are equal
    assert find_rounding([0.5, 0.5]) == find_rounding([]) == stats.TIE
