"""Krippendorff's alpha and Spearman's rho: against definitions written out, SciPy, and cases by hand."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import rankdata, spearmanr

from cambench.bench.stats.agreement import Agreement, agreement, consistency, matrix

NAN = math.nan


def _values(n: int, k: int, noise: float, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    easy = rng.normal(0, 3, (n, 1))  # images differ more than methods
    return pd.DataFrame(easy + np.arange(k) + rng.normal(0, noise, (n, k)), columns=[f"m{i}" for i in range(k)])


def _alpha(values: pd.DataFrame) -> float:
    """Krippendorff's ordinal alpha as he defines it: observed over expected disagreement, pair by pair of ranks."""
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
    found = consistency(values)
    assert found.alpha.mean == pytest.approx(_alpha(values)) and (found.n, found.methods) == (9, 4)


def test_images_that_agree_have_an_alpha_of_one() -> None:
    found = consistency(_values(20, 5, 0.0))
    assert found.alpha == (1, 1, 1, 20) and found.level == "reliable"


def test_dice_have_an_alpha_of_none_and_opposites_less() -> None:
    dice = consistency(pd.DataFrame(np.random.default_rng(0).random((400, 5))))
    assert abs(dice.alpha.mean) < 0.03 and dice.alpha.low < 0 < dice.alpha.high and dice.level == "unreliable"
    opposite = consistency(pd.DataFrame({"a": [1.0, 2.0], "b": [2.0, 1.0]}))
    assert opposite.alpha.mean == pytest.approx(1 - 1 / (2 / 3)) and math.isnan(opposite.alpha.low)


def test_only_ranks_within_images_count_and_not_which_end_is_better() -> None:
    values = _values(12, 4, 1.0)
    found = consistency(values)
    assert consistency(np.exp(values)).alpha == found.alpha and consistency(-values).alpha.mean == pytest.approx(
        found.alpha.mean
    )


@pytest.mark.parametrize(("noise", "level"), [(0.5, "reliable"), (0.8, "tentative"), (3.0, "unreliable")])
def test_levels_are_krippendorffs(noise: float, level: str) -> None:
    assert consistency(_values(200, 4, noise)).level == level


@pytest.mark.parametrize("n", [10, 250])  # an image left out in turn, or a hundredth of them
def test_the_interval_holds_alpha_about_as_often_as_it_says(n: int) -> None:
    truth = consistency(_values(20_000, 4, 1.5, 99)).alpha.mean
    found = [consistency(_values(n, 4, 1.5, seed)).alpha for seed in range(100)]
    assert 0.88 <= np.mean([one.low <= truth <= one.high for one in found]) <= 0.99


def test_alpha_of_the_jackknife_by_hand() -> None:
    values = _values(6, 3, 1.0)
    whole = _alpha(values)
    pseudo = [6 * whole - 5 * _alpha(values.drop(index=left)) for left in range(6)]
    half = 2.570582 * np.std(pseudo, ddof=1) / 6**0.5
    found = consistency(values).alpha
    assert found.low == pytest.approx(min(np.mean(pseudo) - half, whole), abs=1e-5)
    assert found.high == pytest.approx(min(np.mean(pseudo) + half, 1), abs=1e-5)


def test_methods_without_a_value_and_images_with_a_gap_are_left_out() -> None:
    values = _values(12, 4, 1.0)
    expected = consistency(values.drop(index=[2]))
    gaps = values.assign(absent=NAN)
    gaps.loc[2, "m1"] = NAN
    assert consistency(gaps) == expected and consistency(gaps).n == 11


@pytest.mark.parametrize(
    ("values", "n", "methods"),
    [
        (pd.DataFrame({"a": [0.1, 0.2, 0.3]}), 3, 1),
        (pd.DataFrame({"a": [0.1], "b": [0.2]}), 1, 2),
        (pd.DataFrame({"a": [0.5] * 4, "b": [0.5] * 4}), 4, 2),
        (pd.DataFrame(), 0, 0),
    ],
)
def test_where_there_is_no_alpha_it_is_unknown(values: pd.DataFrame, n: int, methods: int) -> None:
    found = consistency(values)
    assert math.isnan(found.alpha.mean) and found.level == "unknown" and (found.n, found.methods) == (n, methods)


def _one(values: dict[str, pd.DataFrame], better: dict[str, str], seed: int = 0) -> Agreement:
    (found,) = agreement(values, better, seed=seed)
    return found


UP = {"a": "higher", "b": "higher"}


def test_without_ties_rho_is_the_mean_of_each_images_own() -> None:
    values = {"a": _values(15, 6, 2.0), "b": _values(15, 6, 2.0, 1)}
    rhos = [spearmanr(values["a"].loc[image], values["b"].loc[image]).statistic for image in range(15)]
    found = _one(values, UP)
    assert found.rho.mean == pytest.approx(np.mean(rhos)) and (found.n, found.methods) == (15, 6)
    rng = np.random.default_rng(5)
    draws = [np.mean(rng.choice(rhos, 15)) for _ in range(4000)]
    assert (found.rho.low, found.rho.high) == pytest.approx(np.percentile(draws, [2.5, 97.5]), abs=0.02)


def test_with_ties_rho_is_the_correlation_of_all_ranks() -> None:
    values = {"a": _values(15, 6, 2.0).round(0), "b": (_values(15, 6, 2.0, 1) > 2).astype(float)}
    first, second = (np.apply_along_axis(rankdata, 1, part.to_numpy()).ravel() for part in values.values())
    assert _one(values, UP).rho.mean == pytest.approx(np.corrcoef(first, second)[0, 1])


def test_easy_images_are_no_agreement() -> None:
    rng = np.random.default_rng(0)
    easy = rng.normal(0, 5, (200, 1))
    values = {name: pd.DataFrame(easy + rng.normal(size=(200, 4))) for name in "ab"}
    assert spearmanr(values["a"].to_numpy().ravel(), values["b"].to_numpy().ravel()).statistic > 0.9
    found = _one(values, UP)
    assert abs(found.rho.mean) < 0.1 and found.rho.low < 0 < found.rho.high


def test_metrics_are_turned_to_the_same_end() -> None:
    values = {"a": _values(15, 6, 1.0), "b": 1 - _values(15, 6, 1.0)}
    assert _one(values, {"a": "higher", "b": "lower"}).rho.mean == pytest.approx(1)
    assert _one(values, UP).rho == pytest.approx((-1, -1, -1, 15))


def test_two_metrics_are_compared_on_the_images_and_methods_that_both_have() -> None:
    values = {"a": _values(15, 5, 2.0), "b": _values(15, 5, 2.0, 1)}
    expected = _one({name: part.loc[2:13, ["m0", "m1", "m3"]] for name, part in values.items()}, UP)
    values["a"]["m2"] = NAN
    values["a"] = values["a"].drop(index=[0, 1])
    values["b"].loc[14, "m3"] = NAN
    values["b"] = values["b"].drop(columns="m4")[["m3", "m2", "m1", "m0"]]
    found = _one(values, UP)
    assert found.rho == pytest.approx(expected.rho) and (found.n, found.methods) == (12, 3)


def test_pairs_do_not_depend_on_one_another_and_are_as_asked() -> None:
    values = {"a": _values(15, 5, 2.0), "b": _values(15, 5, 2.0, 1), "c": _values(11, 5, 2.0, 2)}
    better = dict.fromkeys(values, "higher")
    together = agreement(values, better)
    assert [(one.one, one.other, one.n) for one in together] == [("a", "b", 15), ("a", "c", 11), ("b", "c", 11)]
    for one in together:
        (alone,) = agreement(values, better, [(one.one, one.other)])
        assert alone.rho == pytest.approx(one.rho)
    assert agreement(values, better) == together != agreement(values, better, seed=1)


@pytest.mark.parametrize(
    ("part", "n"),
    [
        (pd.DataFrame({"m0": [0.1, 0.2]}), 0),  # one method
        (pd.DataFrame(), 0),
        (pd.DataFrame({"m0": [0.3] * 9, "m1": [0.3] * 9}), 9),  # that are never told apart
    ],
)
def test_where_there_is_no_rho_it_is_unknown(part: pd.DataFrame, n: int) -> None:
    found = _one({"a": part, "b": _values(9, 2, 1.0)}, UP)
    assert math.isnan(found.rho.mean) and math.isnan(found.rho.low) and found.n == n


def test_one_image_has_a_rho_and_no_interval() -> None:
    found = _one({"a": _values(1, 4, 0.0), "b": _values(1, 4, 0.0)}, UP)
    assert found.rho.mean == pytest.approx(1) and math.isnan(found.rho.low) and found.n == 1


def test_the_matrix_is_symmetric_with_ones() -> None:
    values = {name: _values(9, 4, 2.0, seed) for seed, name in enumerate("abc")}
    better = dict.fromkeys(values, "higher")
    found = agreement(values, better)
    grid = matrix(found)
    assert grid.index.tolist() == grid.columns.tolist() == ["a", "b", "c"]
    assert np.diag(grid).tolist() == [1, 1, 1] and grid.loc["c", "a"] == grid.loc["a", "c"] == found[1].rho.mean
    assert math.isnan(matrix(found[:2]).loc["b", "c"]) and matrix([]).empty
