"""p-values: against SciPy, statsmodels, all sign patterns, and tables worked out by hand."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats as reference

from cambench.bench.stats.estimate import Floats
from cambench.bench.stats.significance import EXACT_LIMIT, Significance, holm, sign_test, signed_rank_tests

NAN = math.nan


def signed_rank_test(differences: Floats) -> Significance:
    return signed_rank_tests(differences[:, None])[0]


def _enumerate_signs(differences: list[float]) -> float:
    """The p of Pratt's test over all sign patterns: the zeros are ranked, then left out."""
    ranks = reference.rankdata(np.abs(differences))
    signed = [(rank, value) for rank, value in zip(ranks, differences, strict=True) if value]
    observed = sum(rank for rank, value in signed if value > 0)
    sums = [
        sum(rank for (rank, _), sign in zip(signed, signs, strict=True) if sign)
        for signs in itertools.product((0, 1), repeat=len(signed))
    ]
    tail = min(
        np.mean([total <= observed + 1e-9 for total in sums]), np.mean([total >= observed - 1e-9 for total in sums])
    )
    return min(1.0, 2 * float(tail))


@pytest.mark.parametrize("seed", range(12))
def test_the_signed_rank_test_is_exact_with_ties_and_zeros(seed: int) -> None:
    rng = np.random.default_rng(seed)
    differences = np.round(rng.normal(0.5, 1, rng.integers(2, 12)), 0 if seed % 2 else 1)
    if differences.any():
        assert signed_rank_test(differences).p == pytest.approx(_enumerate_signs(differences.tolist()), abs=1e-12)


def test_a_signed_rank_test_worked_out_by_hand() -> None:
    """Ranks 1 to 8, of which 1 and 2 are negative: 5 of 256 sign patterns have a sum of at most 3 (0, 1, 2, 3, 1 + 2)."""
    assert signed_rank_test(np.array([-1.0, -2, 3, 4, 5, 6, 7, 8])) == pytest.approx((2 * 5 / 256, 1))


def test_zeros_raise_the_other_ranks() -> None:
    """|d| = 0 0 1 2 3: the ranks that count are 3, 4, 5, and one of 8 sign patterns has no negative rank."""
    assert signed_rank_test(np.array([0.0, 0, 1, 2, 3])) == (0.25, 1)


@pytest.mark.parametrize("n", [5, 20, EXACT_LIMIT])
def test_without_ties_the_signed_rank_test_is_scipys_exact_test(n: int) -> None:
    differences = np.random.default_rng(n).normal(0.3, 1, n)
    assert signed_rank_test(differences).p == pytest.approx(
        reference.wilcoxon(differences, method="exact").pvalue, abs=1e-12
    )


def test_for_many_differences_the_test_is_scipys_and_close_to_exact() -> None:
    differences = np.round(np.random.default_rng(1).normal(0.3, 1, EXACT_LIMIT + 1), 1)
    differences[differences == 0] = 0.1
    result = signed_rank_test(differences)
    assert result.p == reference.wilcoxon(differences, zero_method="pratt").pvalue
    assert result.p == pytest.approx(signed_rank_test(differences[:EXACT_LIMIT]).p, rel=0.5)
    with_zeros = np.concatenate([differences[:EXACT_LIMIT], np.zeros(30)])
    exact = signed_rank_test(with_zeros)
    approximate = float(reference.wilcoxon(with_zeros, zero_method="pratt").pvalue)
    assert exact.p != approximate and exact.p == pytest.approx(approximate, rel=0.2)
    both = signed_rank_tests(np.stack([with_zeros, np.resize(differences, 130)], axis=1))
    assert both == [exact, signed_rank_test(np.resize(differences, 130))]


def test_many_zeros_make_no_distribution_of_any_size() -> None:
    differences = np.zeros(20_000)
    differences[:90] = np.random.default_rng(0).normal(0.1, 1, 90)
    assert signed_rank_test(differences).p == reference.wilcoxon(differences, zero_method="pratt").pvalue


@pytest.mark.parametrize("n", [1, 4, EXACT_LIMIT + 1])
def test_zero_differences_have_p_1_and_no_sign(n: int) -> None:
    assert signed_rank_test(np.zeros(n)) == sign_test(np.zeros(n)) == (1.0, 0)


def test_one_difference_has_p_1() -> None:
    assert signed_rank_test(np.array([0.4])) == sign_test(np.array([0.4])) == (1.0, 1)


@pytest.mark.parametrize("test", [signed_rank_test, sign_test])
def test_the_sign_is_that_of_the_rank_sum_and_flips_with_the_differences(test: type) -> None:
    differences = np.array([0.1, 0.2, 0.3, -5.0, 0.4])  # the mean has the other sign
    assert differences.mean() < 0 and test(differences).sign == 1 and test(-differences).sign == -1
    assert test(differences).p == test(-differences).p


@pytest.mark.parametrize(("positive", "negative"), [(0, 5), (1, 8), (7, 2), (10, 10), (0, 0), (40, 25)])
def test_the_sign_test_is_mcnemars_exact_test(positive: int, negative: int) -> None:
    mcnemar = pytest.importorskip("statsmodels.stats.contingency_tables").mcnemar
    result = sign_test(np.array([1.0] * positive + [-1.0] * negative + [0.0] * 9))
    expected = mcnemar([[5, positive], [negative, 4]], exact=True).pvalue if positive + negative else 1
    assert result.p == pytest.approx(min(expected, 1)) and result.sign == np.sign(positive - negative)


def test_holm_worked_out_by_hand() -> None:
    """p = .01 .04 .03 .005: 4 * .005 = .02, 3 * .01 = .03, 2 * .03 = .06, and .04 is raised to .06."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@pytest.mark.parametrize("seed", range(4))
def test_holm_agrees_with_statsmodels(seed: int) -> None:
    p = np.random.default_rng(seed).beta(0.3, 1, 9)
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    assert holm(p) == pytest.approx(multitest.multipletests(p, method="holm")[1])


def test_holm_does_not_count_nan() -> None:
    assert holm([0.02, NAN, 0.01]) == pytest.approx([0.02, NAN, 0.02], nan_ok=True)
    assert holm([]).size == 0 and holm([0.3]) == pytest.approx([0.3]) and np.isnan(holm([NAN])).all()
    assert holm([0.5, 0.9]).max() == 1


def test_holm_does_not_change_its_argument() -> None:
    p = np.array([0.02, 0.01])
    holm(p)
    assert p.tolist() == [0.02, 0.01]


def test_the_false_positive_rate_is_about_5_percent() -> None:
    rng = np.random.default_rng(3)
    p = [signed_rank_test(np.round(rng.normal(0, 1, 12), 1)).p for _ in range(600)]
    assert 0.02 < np.mean(np.array(p) < 0.05) < 0.07
