"""A mean and its interval: hand-worked, and against textbook formulas."""

import math

import numpy as np
import pytest
from scipy.stats import bootstrap

from cambench.bench.stats import estimate as stats
from cambench.bench.stats.estimate import Estimate, Floats, estimates, mean, resampled


def test_nothing_known_gives_no_mean() -> None:
    for values in ([], [float("nan")] * 3):
        estimate = mean(values)
        assert estimate.n == 0 and all(math.isnan(x) for x in estimate[:3])


def test_one_value_has_a_mean_and_no_interval() -> None:
    estimate = mean([0.3])
    assert (estimate.mean, estimate.n) == (0.3, 1) and math.isnan(estimate.low) and math.isnan(estimate.high)


@pytest.mark.parametrize(("hits", "n"), [(12, 12), (0, 12), (7, 12), (1, 2), (95, 100)])
def test_hits_and_misses_get_wilsons_interval(hits: int, n: int) -> None:
    z, p = 1.959963984540054, hits / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    estimate = mean([1.0] * hits + [0.0] * (n - hits), yes_or_no=True)
    assert estimate == pytest.approx((p, max(0.0, centre - half), min(1.0, centre + half), n), abs=1e-12)


def test_twelve_hits_in_twelve_are_not_certain() -> None:
    assert mean([1.0] * 12, yes_or_no=True).low == pytest.approx(0.7575, abs=1e-4)


def test_a_share_of_a_hit_counts_as_that_share() -> None:
    rates = [mean(values, yes_or_no=True) for values in ([1.0, 0.4, 0.0], [1.0, 0.5, 0.0], [1.0, 0.6, 0.0])]
    assert rates[0].low < rates[1].low < rates[2].low
    assert rates[1].low == pytest.approx(1 - rates[1].high)


def test_zeros_of_a_continuous_metric_get_no_rates_interval() -> None:
    assert mean([0.0] * 12) == Estimate(0.0, 0.0, 0.0, 12)


def test_values_all_alike_have_an_interval_without_width() -> None:
    assert mean([0.25] * 5) == Estimate(0.25, 0.25, 0.25, 5)


def test_values_that_are_missing_do_not_count() -> None:
    values = [0.1, float("nan"), 0.4, 0.7, float("nan")]
    assert mean(values) == mean([0.1, 0.4, 0.7])
    assert mean(values).n == 3 and mean(values).mean == pytest.approx(0.4)


def test_the_bootstrap_is_that_of_a_naive_loop() -> None:
    values = np.random.default_rng(1).beta(2, 3, 60)
    rng = np.random.default_rng(2)
    means = [np.mean([values[i] for i in rng.integers(0, 60, 60)]) for _ in range(4000)]
    low, high = np.percentile(means, [2.5, 97.5])
    estimate = mean(values)
    assert estimate.mean == pytest.approx(values.mean(), abs=1e-12)
    assert (estimate.low, estimate.high) == pytest.approx((low, high), abs=0.003)


@pytest.mark.parametrize(("n", "quantile"), [(2, 12.7062), (3, 4.30265), (7, 2.44691)])  # of a table of Student's t
def test_few_values_get_students_interval(n: int, quantile: float) -> None:
    values = np.random.default_rng(3).beta(2, 3, n).tolist()
    middle = sum(values) / n
    half = quantile * math.sqrt(sum((value - middle) ** 2 for value in values) / (n - 1) / n)
    assert mean(values) == pytest.approx((middle, middle - half, middle + half, n), abs=1e-5)


@pytest.mark.parametrize("n", [2, 4, 7])
def test_the_interval_of_few_values_holds_the_mean_about_as_often_as_it_says(n: int) -> None:
    """Of two values a percentile bootstrap would hold it half the time."""
    draws = np.random.default_rng(4).beta(2, 3, (400, n))
    held = [(found := mean(values)).low <= 0.4 <= found.high for values in draws]
    assert np.mean(held) > 0.9


def test_the_interval_is_cut_to_the_range_and_keeps_the_mean() -> None:
    assert mean([0.0, 0.2], within=(0, 1))[:2] == (0.1, 0.0)
    assert mean([0.9, 1.0], within=(0, 1)).high == 1.0
    assert mean([0.9, 1.0]).high > 1.0
    beside = mean([1.0 + 1e-9, 1.0 + 3e-9], within=(0, 1))
    assert beside.low <= beside.mean <= beside.high == pytest.approx(1)


def test_the_interval_is_the_same_twice_and_depends_on_the_seed_a_little() -> None:
    values = [0.1, 0.5, 0.2, 0.9, 0.35, 0.6, 0.75, 0.3]
    assert mean(values) == mean(values) == mean(values, seed=0)
    other = mean(values, seed=1)
    assert other != mean(values) and other.low == pytest.approx(mean(values).low, abs=0.02)


def test_intervals_overlap_where_they_share_a_point() -> None:
    low, high, between = Estimate(0.2, 0.1, 0.3, 9), Estimate(0.5, 0.4, 0.6, 9), Estimate(0.35, 0.3, 0.4, 9)
    assert not low.overlaps(high) and not high.overlaps(low)
    assert low.overlaps(between) and between.overlaps(high) and low.overlaps(low)
    assert Estimate(0.3, 0.0, 1.0, 9).overlaps(low) and low.overlaps(Estimate(0.3, 0.0, 1.0, 9))


def test_the_bootstrap_is_scipys_of_every_column() -> None:
    columns = np.random.default_rng(8).beta(2, 3, (30, 3))
    reference = bootstrap((columns,), np.mean, n_resamples=10_000, method="percentile", rng=np.random.default_rng(5))
    found = estimates(columns, seed=5)
    assert [one.low for one in found] == pytest.approx(reference.confidence_interval.low, abs=1e-12)
    assert [one.high for one in found] == pytest.approx(reference.confidence_interval.high, abs=1e-12)
    assert [one.mean for one in found] == pytest.approx(columns.mean(0), abs=1e-12)


def test_draws_do_not_depend_on_how_many_are_held_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = np.random.default_rng(8).random((20, 2))
    whole = resampled(columns, seed=3)
    monkeypatch.setattr(stats, "CHUNK", 20 * 7)
    monkeypatch.setattr(stats, "KEPT", 0)
    np.testing.assert_allclose(resampled(columns, seed=3), whole, atol=1e-15)
    assert whole.shape == (10_000, 2) and not np.allclose(resampled(columns, seed=4), whole)


def test_columns_are_drawn_together_and_do_not_depend_on_one_another() -> None:
    columns = np.random.default_rng(8).random((20, 2))
    draws = resampled(np.column_stack([columns[:, 0], 2 * columns[:, 0] + 1, columns[:, 1]]))
    np.testing.assert_allclose(draws[:, 1], 2 * draws[:, 0] + 1)
    assert estimates(columns)[1] == pytest.approx(mean(columns[:, 1]))


def _product(means: Floats) -> Floats:
    return means.prod(-1, keepdims=True)


def test_a_number_made_of_means_has_the_interval_of_a_naive_loop() -> None:
    rows = np.random.default_rng(8).beta(2, 3, (25, 2))
    rng = np.random.default_rng(9)
    draws = [np.mean(rows[rng.integers(0, 25, 25)], axis=0).prod() for _ in range(4000)]
    (found,) = estimates(rows, _product)
    assert found.mean == pytest.approx(rows[:, 0].mean() * rows[:, 1].mean()) and found.n == 25
    assert (found.low, found.high) == pytest.approx(np.percentile(draws, [2.5, 97.5]), abs=0.004)


def test_of_few_rows_a_number_made_of_means_has_the_jackknifes_interval() -> None:
    rows = np.random.default_rng(8).beta(2, 3, (6, 2))
    whole = rows.mean(0).prod()
    pseudo = [6 * whole - 5 * np.delete(rows, left, axis=0).mean(0).prod() for left in range(6)]
    half = 2.570582 * np.std(pseudo, ddof=1) / 6**0.5
    (found,) = estimates(rows, _product)
    assert found == pytest.approx((whole, np.mean(pseudo) - half, np.mean(pseudo) + half, 6), abs=1e-6)


def test_of_very_many_rows_the_jackknifes_interval_is_the_bootstraps(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.random.default_rng(8).beta(0.4, 2, (stats.PLENTY + 1, 2))
    (quick,) = estimates(rows, _product)
    monkeypatch.setattr(stats, "PLENTY", len(rows))
    (slow,) = estimates(rows, _product)
    assert quick.mean == slow.mean and quick != slow
    assert (quick.low, quick.high) == pytest.approx((slow.low, slow.high), abs=0.03 * (slow.high - slow.low))


def test_a_number_that_some_draws_leave_undefined_is_that_of_the_others() -> None:
    columns = np.array([[0.0]] * 9 + [[1.0]])

    def inverse(means: Floats) -> Floats:
        with np.errstate(divide="ignore"):
            return np.where(means > 0, 1 / means, np.nan)

    (found,) = estimates(columns, inverse)
    known = 1 / (draws := resampled(columns))[draws > 0]
    assert 6000 < known.size < 7000  # 1 - (9/10)**10 of 10,000
    assert (found.low, found.high) == pytest.approx(np.percentile(known, [2.5, 97.5]))
    (nothing,) = estimates(np.zeros((10, 1)), inverse)
    assert math.isnan(nothing.mean) and math.isnan(nothing.low) and nothing.n == 10


@pytest.mark.parametrize("value", [0.1, 1 / 3, 0.7])
@pytest.mark.parametrize("n", [2, 7, 8, 30])
def test_values_all_alike_have_exactly_their_value(value: float, n: int) -> None:
    assert mean([value] * n) == Estimate(value, value, value, n)


@pytest.mark.parametrize(("n", "least"), [(8, 0.86), (12, 0.88), (60, 0.92)])
def test_a_bootstraps_interval_holds_the_mean_nearly_as_often_as_it_says(n: int, least: float) -> None:
    """A percentile bootstrap knows nothing of the n - 1 under the standard deviation: of few values it is somewhat narrow."""
    draws = np.random.default_rng(4).beta(2, 3, (n, 600))
    assert least < np.mean([one.low <= 0.4 <= one.high for one in estimates(draws)]) < 0.97


def test_no_rows_and_one_row_have_no_interval() -> None:
    (nothing,), (single,) = estimates(np.empty((0, 2)), _product), estimates(np.array([[0.5, 0.4]]), _product)
    assert nothing.n == 0 and math.isnan(nothing.mean)
    assert (single.mean, single.n) == (0.2, 1) and math.isnan(single.low) and math.isnan(single.high)


def test_many_means_at_once_are_those_of_each() -> None:
    rng = np.random.default_rng(0)
    columns = [rng.random(20), np.r_[rng.random(19), np.nan], rng.random(20), np.full(20, np.nan), rng.random(20) > 0.5]
    within = [(0.0, 1.0), (0.0, 1.0), (-1.0, 1.0), (0.0, 1.0), (0.0, 1.0)]
    rates = [False, False, False, False, True]
    found = stats.means([np.asarray(one, dtype=float) for one in columns], within, rates)
    for one, column, limits, rate in zip(found, columns, within, rates, strict=True):
        alone = stats.mean(np.asarray(column, dtype=float), within=limits, yes_or_no=rate)
        assert one == pytest.approx(alone, nan_ok=True)
