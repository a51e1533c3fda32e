"""Krippendorff's alpha and Spearman's rho: against their definitions, SciPy, and values worked out by hand."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import rankdata, spearmanr

from cambench.bench.stats.agreement import Agreement, build_rho_matrix, measure_agreement, measure_consistency
from cambench.bench.stats.estimate import student_interval

NAN = math.nan


def _values(n: int, k: int, noise: float, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    images = rng.normal(0, 3, (n, 1))  # images differ more than methods
    return pd.DataFrame(images + np.arange(k) + rng.normal(0, noise, (n, k)), columns=[f"m{i}" for i in range(k)])


def _alpha(values: pd.DataFrame) -> float:
    """Krippendorff's ordinal alpha from its definition: 1 minus observed over expected disagreement of pairs of ranks."""
    ranks = np.apply_along_axis(rankdata, 1, values.to_numpy())
    domain = sorted(set(ranks.ravel().tolist()))
    count = {rank: int((ranks == rank).sum()) for rank in domain}

    def distance(one: float, other: float) -> float:
        low, high = sorted((one, other))
        between = sum(count[rank] for rank in domain if low <= rank <= high)
        return float((between - (count[low] + count[high]) / 2) ** 2)

    observed = np.mean([distance(a, b) for item in ranks.T for a, b in itertools.permutations(item.tolist(), 2)])
    expected = np.mean([distance(a, b) for a, b in itertools.permutations(ranks.ravel().tolist(), 2)])
    return float(1 - observed / expected)


@pytest.mark.parametrize(("noise", "decimals"), [(0.2, 9), (2.0, 9), (1.0, 0)])
def test_alpha_is_krippendorffs_definition(noise: float, decimals: int) -> None:
    values = _values(9, 4, noise).round(decimals)
    consistency = measure_consistency(values)
    assert consistency.alpha.mean == pytest.approx(_alpha(values)) and (consistency.n, consistency.methods) == (9, 4)


def test_alpha_is_one_if_all_images_agree() -> None:
    consistency = measure_consistency(_values(20, 5, 0.0))
    assert consistency.alpha == (1, 1, 1, 20) and consistency.level == "reliable"


def test_alpha_is_near_zero_for_random_ranks_and_negative_for_opposite_ones() -> None:
    random = measure_consistency(pd.DataFrame(np.random.default_rng(0).random((400, 5))))
    assert abs(random.alpha.mean) < 0.03 and random.alpha.low < 0 < random.alpha.high and random.level == "unreliable"
    opposite = measure_consistency(pd.DataFrame({"a": [1.0, 2.0], "b": [2.0, 1.0]}))
    assert opposite.alpha.mean == pytest.approx(1 - 1 / (2 / 3)) and math.isnan(opposite.alpha.low)


def test_alpha_depends_on_ranks_within_images_alone_and_not_on_the_direction() -> None:
    values = _values(12, 4, 1.0)
    consistency = measure_consistency(values)
    assert measure_consistency(np.exp(values)).alpha == consistency.alpha
    assert measure_consistency(-values).alpha.mean == pytest.approx(consistency.alpha.mean)


@pytest.mark.parametrize(("noise", "level"), [(0.5, "reliable"), (0.8, "tentative"), (3.0, "unreliable")])
def test_the_levels_follow_krippendorffs_thresholds(noise: float, level: str) -> None:
    assert measure_consistency(_values(200, 4, noise)).level == level


@pytest.mark.parametrize("n", [10, 250])  # the jackknife leaves out one image, or one group of images
def test_the_interval_covers_the_true_alpha_in_about_95_percent_of_samples(n: int) -> None:
    truth = measure_consistency(_values(20_000, 4, 1.5, 99)).alpha.mean
    alphas = [measure_consistency(_values(n, 4, 1.5, seed)).alpha for seed in range(100)]
    assert 0.88 <= np.mean([alpha.low <= truth <= alpha.high for alpha in alphas]) <= 0.99


def test_the_interval_is_that_of_the_jackknife() -> None:
    values = _values(6, 3, 1.0)
    alpha = _alpha(values)
    pseudo = [6 * alpha - 5 * _alpha(values.drop(index=left)) for left in range(6)]
    half = 2.570582 * np.std(pseudo, ddof=1) / 6**0.5
    interval = measure_consistency(values).alpha
    assert interval.low == pytest.approx(min(np.mean(pseudo) - half, alpha), abs=1e-5)
    assert interval.high == pytest.approx(min(np.mean(pseudo) + half, 1), abs=1e-5)


def test_methods_without_values_and_incomplete_images_are_left_out() -> None:
    values = _values(12, 4, 1.0)
    expected = measure_consistency(values.drop(index=[2]))
    gaps = values.assign(absent=NAN)
    gaps.loc[2, "m1"] = NAN
    assert measure_consistency(gaps) == expected and measure_consistency(gaps).n == 11


@pytest.mark.parametrize(
    ("values", "n", "methods"),
    [
        (pd.DataFrame({"a": [0.1, 0.2, 0.3]}), 3, 1),
        (pd.DataFrame({"a": [0.1], "b": [0.2]}), 1, 2),
        (pd.DataFrame({"a": [0.5] * 4, "b": [0.5] * 4}), 4, 2),
        (pd.DataFrame(), 0, 0),
    ],
)
def test_an_undefined_alpha_has_the_level_unknown(values: pd.DataFrame, n: int, methods: int) -> None:
    consistency = measure_consistency(values)
    assert math.isnan(consistency.alpha.mean) and consistency.level == "unknown"
    assert (consistency.n, consistency.methods) == (n, methods)


def _measure(values: dict[str, pd.DataFrame], better: dict[str, str]) -> Agreement:
    (agreement,) = measure_agreement(values, better)
    return agreement


UP = {"a": "higher", "b": "higher"}


def test_without_ties_rho_is_the_mean_of_the_rhos_of_the_images() -> None:
    values = {"a": _values(15, 6, 2.0), "b": _values(15, 6, 2.0, 1)}
    rhos = [spearmanr(values["a"].loc[image], values["b"].loc[image]).statistic for image in range(15)]
    agreement = _measure(values, UP)
    assert agreement.rho.mean == pytest.approx(np.mean(rhos)) and (agreement.n, agreement.methods) == (15, 6)
    assert (agreement.rho.low, agreement.rho.high) == pytest.approx(student_interval(np.array(rhos)))


def test_with_ties_rho_is_the_correlation_of_all_ranks() -> None:
    values = {"a": _values(15, 6, 2.0).round(0), "b": (_values(15, 6, 2.0, 1) > 2).astype(float)}
    first, second = (np.apply_along_axis(rankdata, 1, part.to_numpy()).ravel() for part in values.values())
    assert _measure(values, UP).rho.mean == pytest.approx(np.corrcoef(first, second)[0, 1])


def test_differences_between_images_do_not_count_as_agreement() -> None:
    rng = np.random.default_rng(0)
    easy = rng.normal(0, 5, (200, 1))
    values = {name: pd.DataFrame(easy + rng.normal(size=(200, 4))) for name in "ab"}
    assert spearmanr(values["a"].to_numpy().ravel(), values["b"].to_numpy().ravel()).statistic > 0.9
    agreement = _measure(values, UP)
    assert abs(agreement.rho.mean) < 0.1 and agreement.rho.low < 0 < agreement.rho.high


def test_the_directions_of_the_metrics_are_aligned() -> None:
    values = {"a": _values(15, 6, 1.0), "b": 1 - _values(15, 6, 1.0)}
    assert _measure(values, {"a": "higher", "b": "lower"}).rho.mean == pytest.approx(1)
    assert _measure(values, UP).rho == pytest.approx((-1, -1, -1, 15))


def test_rho_is_over_the_images_and_methods_that_both_metrics_have() -> None:
    values = {"a": _values(15, 5, 2.0), "b": _values(15, 5, 2.0, 1)}
    expected = _measure({name: part.loc[2:13, ["m0", "m1", "m3"]] for name, part in values.items()}, UP)
    values["a"]["m2"] = NAN
    values["a"] = values["a"].drop(index=[0, 1])
    values["b"].loc[14, "m3"] = NAN
    values["b"] = values["b"].drop(columns="m4")[["m3", "m2", "m1", "m0"]]
    agreement = _measure(values, UP)
    assert agreement.rho == pytest.approx(expected.rho) and (agreement.n, agreement.methods) == (12, 3)


def test_each_pair_is_measured_as_if_alone() -> None:
    values = {"a": _values(15, 5, 2.0), "b": _values(15, 5, 2.0, 1), "c": _values(11, 5, 2.0, 2)}
    better = dict.fromkeys(values, "higher")
    together = measure_agreement(values, better)
    assert [(pair.first, pair.second, pair.n) for pair in together] == [("a", "b", 15), ("a", "c", 11), ("b", "c", 11)]
    for pair in together:
        (alone,) = measure_agreement(values, better, [(pair.first, pair.second)])
        assert alone.rho == pytest.approx(pair.rho)
    assert measure_agreement(values, better) == together


@pytest.mark.parametrize(
    ("part", "n"),
    [
        (pd.DataFrame({"m0": [0.1, 0.2]}), 0),  # one method
        (pd.DataFrame(), 0),
        (pd.DataFrame({"m0": [0.3] * 9, "m1": [0.3] * 9}), 9),  # all ranks are tied
    ],
)
def test_an_undefined_rho_is_nan(part: pd.DataFrame, n: int) -> None:
    agreement = _measure({"a": part, "b": _values(9, 2, 1.0)}, UP)
    assert math.isnan(agreement.rho.mean) and math.isnan(agreement.rho.low) and agreement.n == n


def test_one_image_gives_rho_without_an_interval() -> None:
    agreement = _measure({"a": _values(1, 4, 0.0), "b": _values(1, 4, 0.0)}, UP)
    assert agreement.rho.mean == pytest.approx(1) and math.isnan(agreement.rho.low) and agreement.n == 1


def test_the_matrix_is_symmetric_with_ones_on_the_diagonal() -> None:
    values = {name: _values(9, 4, 2.0, seed) for seed, name in enumerate("abc")}
    better = dict.fromkeys(values, "higher")
    agreements = measure_agreement(values, better)
    matrix = build_rho_matrix(agreements)
    assert matrix.index.tolist() == matrix.columns.tolist() == ["a", "b", "c"]
    assert np.diag(matrix).tolist() == [1, 1, 1]
    assert matrix.loc["c", "a"] == matrix.loc["a", "c"] == agreements[1].rho.mean
    assert math.isnan(build_rho_matrix(agreements[:2]).loc["b", "c"]) and build_rho_matrix([]).empty
