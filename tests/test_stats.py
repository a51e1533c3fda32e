"""A mean and its interval: hand-worked, and against textbook formulas."""

import math

import numpy as np
import pytest

from cambench.bench.stats import Estimate, mean


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


def test_the_interval_is_the_same_twice_and_depends_on_the_seed_a_little() -> None:
    values = [0.1, 0.5, 0.2, 0.9, 0.35, 0.6]
    assert mean(values) == mean(values) == mean(values, seed=0)
    other = mean(values, seed=1)
    assert other != mean(values) and other.low == pytest.approx(mean(values).low, abs=0.02)


def test_intervals_overlap_where_they_share_a_point() -> None:
    low, high, between = Estimate(0.2, 0.1, 0.3, 9), Estimate(0.5, 0.4, 0.6, 9), Estimate(0.35, 0.3, 0.4, 9)
    assert not low.overlaps(high) and not high.overlaps(low)
    assert low.overlaps(between) and between.overlaps(high) and low.overlaps(low)
    assert Estimate(0.3, 0.0, 1.0, 9).overlaps(low) and low.overlaps(Estimate(0.3, 0.0, 1.0, 9))
