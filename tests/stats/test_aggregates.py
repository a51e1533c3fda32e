"""The ADCC of means and the win rate: against published rows, values worked out by hand, and naive loops."""

import math
from statistics import harmonic_mean

import numpy as np
import pandas as pd
import pytest

from cambench.bench.stats.aggregates import (
    adcc_of_means,
    estimate_adcc,
    estimate_win_rate,
    list_needed_metrics,
    measure,
)
from cambench.bench.stats.estimate import estimate_mean, student_interval

NAN = math.nan


def _parts(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.beta(1, 4, n), rng.beta(9, 1, n), rng.beta(3, 5, n)


# Drop, coherency, complexity and ADCC in ShapleyCAM's logs: Grad-CAM and Random-CAM on ResNet18, Grad-CAM on VGG16.
@pytest.mark.parametrize(
    ("parts", "published"),
    [
        ((0.1873, 0.9751, 0.3884), 0.7710),
        ((0.7115, 0.5280, 0.2024), 0.4536),
        ((0.2267, 0.8958, 0.3006), 0.7814),
    ],
)
def test_the_means_of_published_rows_give_the_published_adcc(
    parts: tuple[float, float, float], published: float
) -> None:
    assert float(adcc_of_means(np.array(parts))) == pytest.approx(published, abs=1e-4)


def test_adcc_is_the_harmonic_mean_and_zero_if_a_term_is_zero() -> None:
    assert float(adcc_of_means(np.array([0.2, 0.9, 0.4]))) == pytest.approx(harmonic_mean([0.9, 0.6, 0.8]))
    rows = np.array([[1.0, 0.9, 0.4], [0.2, 0.0, 0.4], [0.2, 0.9, 1.0], [NAN, 0.9, 0.4], [0.0, 1.0, 0.0]])
    assert adcc_of_means(rows).tolist() == pytest.approx([0, 0, 0, NAN, 1], nan_ok=True)


def test_adcc_of_images_is_that_of_their_means_with_the_interval_of_the_jackknife() -> None:
    parts = np.stack(_parts(40), axis=1)
    adcc = float(adcc_of_means(parts.mean(0)))
    pseudo = [40 * adcc - 39 * float(adcc_of_means(np.delete(parts, left, axis=0).mean(0))) for left in range(40)]
    estimate = estimate_adcc(*parts.T)
    assert estimate.mean == pytest.approx(harmonic_mean([parts[:, 1].mean(), *(1 - parts[:, [0, 2]]).mean(0)]))
    assert (estimate.low, estimate.high) == pytest.approx(student_interval(np.array(pseudo))) and estimate.n == 40
    draws = [adcc_of_means(parts[rows].mean(0)) for rows in np.random.default_rng(3).integers(0, 40, (2000, 40))]
    assert (estimate.low, estimate.high) == pytest.approx(np.percentile(draws, [2.5, 97.5]), abs=0.01)


def test_images_without_one_of_the_three_values_are_left_out() -> None:
    drop, coherency, complexity = _parts(20)
    gaps = coherency.copy()
    gaps[[3, 11]] = NAN
    complete = ~np.isnan(gaps)
    assert estimate_adcc(drop, gaps, complexity) == estimate_adcc(
        drop[complete], coherency[complete], complexity[complete]
    )
    assert estimate_adcc(drop, gaps, complexity).n == 18


def test_the_interval_for_few_images_stays_within_the_range() -> None:
    assert estimate_adcc([], [], []).n == 0 and math.isnan(estimate_adcc([0.1], [0.9], [0.3]).low)
    wide = estimate_adcc([0.0, 0.9], [1.0, 0.1], [0.1, 0.9])
    assert wide.low == 0 and wide.high == 1 and wide.n == 2


@pytest.mark.parametrize("n", [6, 30])
def test_the_interval_covers_the_true_adcc_in_about_95_percent_of_samples(n: int) -> None:
    truth = harmonic_mean([9 / 10, 5 / 8, 4 / 5])
    estimates = [estimate_adcc(*_parts(n, seed)) for seed in range(200)]
    assert 0.88 < np.mean([estimate.low <= truth <= estimate.high for estimate in estimates]) <= 0.99


def test_the_win_rate_counts_smaller_drops_and_no_ties() -> None:
    estimate = estimate_win_rate([0.1, 0.5, 0.3, 0.0, NAN, 0.2], [0.2, 0.4, 0.3, 0.0, 0.1, NAN])
    assert (estimate.mean, estimate.n) == (0.25, 4) and 0 < estimate.low < 0.25 < estimate.high < 1
    reverse = estimate_win_rate([0.2, 0.4, 0.3, 0.0, 0.1, NAN], [0.1, 0.5, 0.3, 0.0, NAN, 0.2])
    assert reverse.mean == 0.25
    assert estimate_win_rate([0.3], [0.3 + 1e-9]).mean == 0 and estimate_win_rate([], []).n == 0


def test_the_win_rate_has_clopper_and_pearsons_interval() -> None:
    estimate = estimate_win_rate([0.1] * 12, [0.2] * 12)
    assert estimate.mean == estimate.high == 1 and estimate.low == pytest.approx(0.7354, abs=1e-4)


def _scores(columns: dict[tuple[str, str], np.ndarray]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"image": f"{number}", "method": method, "metric": metric, "value": value}
            for (method, metric), values in columns.items()
            for number, value in enumerate(values)
        ]
    )


def test_measure_and_estimate_win_rate_agree() -> None:
    drops = {"a": np.array([0.1, 0.3, 0.3, 0.2]), "b": np.array([0.2, 0.3 + 1e-9, 0.3, 0.1])}
    scores = _scores({(method, "average_drop"): values for method, values in drops.items()})
    measured = measure(scores, "a", "win[over=b]", "default")
    assert measured == estimate_win_rate(drops["a"], drops["b"]) and measured.mean == 0.25


@pytest.mark.parametrize("n", [2, 5, 40])
def test_measure_and_estimate_adcc_agree(n: int) -> None:
    parts = dict(zip(("average_drop", "coherency", "complexity"), _parts(n), strict=True))
    scores = _scores({("a", name): values for name, values in parts.items()})
    assert measure(scores, "a", "adcc_of_means", "default") == estimate_adcc(*parts.values())


def test_a_measured_mean_has_the_interval_of_means_in_0_to_1() -> None:
    """Ten drops of 0 in twelve: Student's interval alone would end at .0064."""
    drops = np.array([0.0] * 10 + [0.02, 0.01])
    measured = measure(_scores({("a", "average_drop"): drops}), "a", "average_drop", "default")
    assert measured == estimate_mean(drops, bounds=(0, 1)) and measured.high > 0.25


def test_aggregates_are_computed_from_the_metrics_that_they_need() -> None:
    assert list_needed_metrics("adcc_of_means") == ("average_drop", "coherency", "complexity")
    assert list_needed_metrics("win[over=grad_cam]") == ("average_drop",)
    assert list_needed_metrics("deletion[steps=10]") == ("deletion[steps=10]",)
