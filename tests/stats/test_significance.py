"""p-values against SciPy, statsmodels, every sign tried, and tables worked by hand."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats as reference

from cambench.bench.stats.significance import EXACT, holm, sign_test, signed_rank

NAN = math.nan


def _every_sign(differences: list[float]) -> float:
    """Pratt's test by trying all signs: ranks with the zeros, whose own ranks are then left out."""
    ranks = reference.rankdata(np.abs(differences))
    signed = [(rank, value) for rank, value in zip(ranks, differences, strict=True) if value]
    found = sum(rank for rank, value in signed if value > 0)
    sums = [
        sum(rank for (rank, _), sign in zip(signed, signs, strict=True) if sign)
        for signs in itertools.product((0, 1), repeat=len(signed))
    ]
    tail = min(np.mean([one <= found + 1e-9 for one in sums]), np.mean([one >= found - 1e-9 for one in sums]))
    return min(1.0, 2 * float(tail))


@pytest.mark.parametrize("seed", range(12))
def test_the_signed_rank_test_is_that_of_every_sign_with_ties_and_zeros(seed: int) -> None:
    rng = np.random.default_rng(seed)
    differences = np.round(rng.normal(0.5, 1, rng.integers(2, 12)), 0 if seed % 2 else 1)
    if differences.any():
        assert signed_rank(differences).p == pytest.approx(_every_sign(differences.tolist()), abs=1e-12)


def test_a_textbooks_signed_ranks() -> None:
    """Ranks 1 to 8; the negative ones are 1 and 2: of 256 sign patterns 5 have a sum of at most 3 (0, 1, 2, 3, 1 + 2)."""
    assert signed_rank(np.array([-1.0, -2, 3, 4, 5, 6, 7, 8])) == pytest.approx((2 * 5 / 256, 1))


def test_zeros_push_the_other_ranks_up() -> None:
    """|d| of 0 0 1 2 3: the ranks that count are 3, 4, 5, and of 8 sign patterns one has no negative rank."""
    assert signed_rank(np.array([0.0, 0, 1, 2, 3])) == (0.25, 1)


@pytest.mark.parametrize("n", [5, 20, EXACT])
def test_without_ties_it_is_scipys_exact_test(n: int) -> None:
    differences = np.random.default_rng(n).normal(0.3, 1, n)
    assert signed_rank(differences).p == pytest.approx(
        reference.wilcoxon(differences, method="exact").pvalue, abs=1e-12
    )


def test_of_many_it_is_scipys_and_close_to_exact() -> None:
    differences = np.round(np.random.default_rng(1).normal(0.3, 1, EXACT + 1), 1)
    found = signed_rank(differences)
    assert found.p == reference.wilcoxon(differences, zero_method="pratt").pvalue
    assert found.p == pytest.approx(signed_rank(differences[:EXACT]).p, rel=0.5)


@pytest.mark.parametrize("n", [1, 4, EXACT + 1])
def test_differences_of_nothing_are_no_difference(n: int) -> None:
    assert signed_rank(np.zeros(n)) == sign_test(np.zeros(n)) == (1.0, 0)


def test_one_difference_says_nothing() -> None:
    assert signed_rank(np.array([0.4])) == sign_test(np.array([0.4])) == (1.0, 1)


@pytest.mark.parametrize("test", [signed_rank, sign_test])
def test_the_side_is_that_of_the_ranks_and_turns_with_the_differences(test: type) -> None:
    differences = np.array([0.1, 0.2, 0.3, -5.0, 0.4])  # the mean lies on the other side
    assert differences.mean() < 0 and test(differences).side == 1 and test(-differences).side == -1
    assert test(differences).p == test(-differences).p


@pytest.mark.parametrize(("ups", "downs"), [(0, 5), (1, 8), (7, 2), (10, 10), (0, 0), (40, 25)])
def test_the_sign_test_is_mcnemars_exact(ups: int, downs: int) -> None:
    mcnemar = pytest.importorskip("statsmodels.stats.contingency_tables").mcnemar
    found = sign_test(np.array([1.0] * ups + [-1.0] * downs + [0.0] * 9))
    expected = mcnemar([[5, ups], [downs, 4]], exact=True).pvalue if ups + downs else 1
    assert found.p == pytest.approx(min(expected, 1)) and found.side == np.sign(ups - downs)


def test_holm_by_hand() -> None:
    """Of four .01 .04 .03 .005: times 4 the least is .02, then 3 * .01 = .03, 2 * .03 = .06, and .04 may not be below .06."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@pytest.mark.parametrize("seed", range(4))
def test_holm_is_that_of_statsmodels(seed: int) -> None:
    p = np.random.default_rng(seed).beta(0.3, 1, 9)
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    assert holm(p) == pytest.approx(multitest.multipletests(p, method="holm")[1])


def test_holm_does_not_count_what_was_not_tested() -> None:
    assert holm([0.02, NAN, 0.01]) == pytest.approx([0.02, NAN, 0.02], nan_ok=True)
    assert holm([]).size == 0 and holm([0.3]) == pytest.approx([0.3]) and np.isnan(holm([NAN])).all()
    assert holm([0.5, 0.9]).max() == 1


def test_holm_leaves_its_argument_as_it_is() -> None:
    p = np.array([0.02, 0.01])
    holm(p)
    assert p.tolist() == [0.02, 0.01]


def test_no_difference_is_found_about_as_rarely_as_said() -> None:
    rng = np.random.default_rng(3)
    p = [signed_rank(np.round(rng.normal(0, 1, 12), 1)).p for _ in range(600)]
    assert 0.02 < np.mean(np.array(p) < 0.05) < 0.07
