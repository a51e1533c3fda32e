"""ADCC of means, and win: by hand and by naive loops."""

import math
from statistics import harmonic_mean

import numpy as np
import pandas as pd
import pytest

from cambench.bench.stats.aggregates import adcc, adcc_of_means, measure, win

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
def test_published_rows_give_their_own_adcc(parts: tuple[float, float, float], published: float) -> None:
    assert float(adcc_of_means(np.array(parts))) == pytest.approx(published, abs=1e-4)


def test_it_is_the_harmonic_mean_and_nothing_where_a_part_is_nothing() -> None:
    assert float(adcc_of_means(np.array([0.2, 0.9, 0.4]))) == pytest.approx(harmonic_mean([0.9, 0.6, 0.8]))
    rows = np.array([[1.0, 0.9, 0.4], [0.2, 0.0, 0.4], [0.2, 0.9, 1.0], [NAN, 0.9, 0.4], [0.0, 1.0, 0.0]])
    assert adcc_of_means(rows).tolist() == pytest.approx([0, 0, 0, NAN, 1], nan_ok=True)


def test_of_a_data_set_it_is_that_of_the_means_with_a_naive_bootstraps_interval() -> None:
    parts = np.stack(_parts(40), axis=1)
    rng = np.random.default_rng(3)
    draws = [adcc_of_means(parts[rng.integers(0, 40, 40)].mean(0)) for _ in range(4000)]
    found = adcc(*parts.T)
    assert found.mean == pytest.approx(harmonic_mean([parts[:, 1].mean(), *(1 - parts[:, [0, 2]]).mean(0)]))
    assert (found.low, found.high) == pytest.approx(np.percentile(draws, [2.5, 97.5]), abs=0.003) and found.n == 40
    assert found == adcc(*parts.T) != adcc(*parts.T, seed=1)


def test_images_without_one_of_the_three_are_left_out() -> None:
    drop, coherency, complexity = _parts(20)
    gaps = coherency.copy()
    gaps[[3, 11]] = NAN
    keep = ~np.isnan(gaps)
    assert adcc(drop, gaps, complexity) == adcc(drop[keep], coherency[keep], complexity[keep])
    assert adcc(drop, gaps, complexity).n == 18


def test_of_few_images_the_interval_stays_in_the_range() -> None:
    assert adcc([], [], []).n == 0 and math.isnan(adcc([0.1], [0.9], [0.3]).low)
    wide = adcc([0.0, 0.9], [1.0, 0.1], [0.1, 0.9])
    assert wide.low == 0 and wide.high == 1 and wide.n == 2


@pytest.mark.parametrize("n", [6, 30])
def test_the_interval_holds_adcc_about_as_often_as_it_says(n: int) -> None:
    truth = harmonic_mean([9 / 10, 5 / 8, 4 / 5])
    found = [adcc(*_parts(n, seed)) for seed in range(200)]
    assert 0.88 < np.mean([one.low <= truth <= one.high for one in found]) <= 0.99


def test_win_counts_the_smaller_drops_and_neither_of_equals() -> None:
    found = win([0.1, 0.5, 0.3, 0.0, NAN, 0.2], [0.2, 0.4, 0.3, 0.0, 0.1, NAN])
    assert (found.mean, found.n) == (0.25, 4) and 0 < found.low < 0.25 < found.high < 1
    other = win([0.2, 0.4, 0.3, 0.0, 0.1, NAN], [0.1, 0.5, 0.3, 0.0, NAN, 0.2])
    assert other.mean == 0.25
    assert win([0.3], [0.3 + 1e-9]).mean == 0 and win([], []).n == 0


def test_win_has_wilsons_interval() -> None:
    found = win([0.1] * 12, [0.2] * 12)
    assert found.mean == found.high == 1 and found.low == pytest.approx(0.7575, abs=1e-4)


def _scores(columns: dict[tuple[str, str], np.ndarray]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"image": f"{number}", "method": method, "metric": metric, "value": value}
            for (method, metric), values in columns.items()
            for number, value in enumerate(values)
        ]
    )


def test_the_published_comparison_and_the_page_count_the_same_wins() -> None:
    drops = {"a": np.array([0.1, 0.3, 0.3, 0.2]), "b": np.array([0.2, 0.3 + 1e-9, 0.3, 0.1])}
    scores = _scores({(method, "average_drop"): values for method, values in drops.items()})
    measured = measure(scores, "a", "win[over=b]", "default")
    assert measured is not None and measured.value == win(drops["a"], drops["b"]).mean == 0.25


@pytest.mark.parametrize("n", [2, 5, 40])
def test_the_published_comparison_and_the_page_have_the_same_adcc(n: int) -> None:
    parts = dict(zip(("average_drop", "coherency", "complexity"), _parts(n), strict=True))
    measured = measure(
        _scores({("a", name): values for name, values in parts.items()}), "a", "adcc_of_means", "default"
    )
    estimate = adcc(*parts.values())
    assert measured is not None and (measured.value, measured.n) == (estimate.mean, n)
    if n == 40:  # a normal interval is about the bootstrap's
        assert 2 * 1.96 * measured.sd / math.sqrt(n) == pytest.approx(estimate.high - estimate.low, rel=0.1)
