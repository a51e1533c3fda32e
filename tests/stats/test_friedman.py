"""Ranks over blocks: Demšar's own example, SciPy, scikit-posthocs, and cases by hand."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats as reference

from cambench.bench.stats.friedman import critical_difference, enough, friedman, ranked

NAN = math.nan

# Table 6 of Demšar (2006): the AUC of C4.5 and three ways to prune it, on 14 data sets. One value is .9751 where
# he prints .975, beside another .975, as he ranks the two apart.
PRUNING = pd.DataFrame(
    [
        [0.763, 0.768, 0.771, 0.798], [0.599, 0.591, 0.590, 0.569], [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657], [0.882, 0.888, 0.886, 0.898], [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685], [0.583, 0.583, 0.563, 0.625], [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000], [0.940, 0.962, 0.965, 0.962], [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.9751, 0.975], [0.957, 0.978, 0.946, 0.970],
    ],
    columns=["C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf"],
)  # fmt: skip


def _random(blocks: int, methods: int, seed: int = 0, spread: float = 0.3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    values = np.linspace(0.8, 0.2, methods) + rng.normal(0, spread, (blocks, methods))
    return pd.DataFrame(values, columns=[f"m{number}" for number in range(methods)])


def test_demsars_example() -> None:
    found = friedman(PRUNING, "higher")
    assert found.methods == ("C4.5+m+cf", "C4.5+m", "C4.5+cf", "C4.5")
    assert found.mean_ranks == pytest.approx((1.964, 2.000, 2.893, 3.143), abs=5e-4)
    assert found.critical_difference == pytest.approx(1.25, abs=0.005) and found.n == 14
    assert found.p < 0.05 and found.undecidable is None and found.left_out == ()
    assert found.cliques == (("C4.5+m+cf", "C4.5+m", "C4.5+cf", "C4.5"),)  # "not powerful enough", as he says


@pytest.mark.parametrize(("methods", "q"), [(2, 1.960), (3, 2.343), (5, 2.728), (10, 3.164)])  # Demšar's Table 5
def test_the_critical_difference_is_of_nemenyis_table(methods: int, q: float) -> None:
    assert critical_difference(methods, 7) == pytest.approx(q * math.sqrt(methods * (methods + 1) / 42), abs=1e-3)


@pytest.mark.parametrize("seed", range(5))
def test_cliques_are_those_of_scikit_posthocs(seed: int) -> None:
    blocks = _random(20, 7, seed)
    found = friedman(blocks, "higher")
    assert found.p == pytest.approx(reference.friedmanchisquare(*blocks.T.to_numpy()).pvalue) and found.p < 0.05
    p = pytest.importorskip("scikit_posthocs").posthoc_nemenyi_friedman(blocks)
    together = {(a, b) for clique in found.cliques for a in clique for b in clique}
    for a in found.methods:
        for b in found.methods:
            alike = a == b or p.loc[a, b] >= 0.05
            assert alike == (a == b or (a, b) in together)
    assert all(not set(a) <= set(b) for a in found.cliques for b in found.cliques if a != b)


@pytest.mark.parametrize("seed", range(3))
def test_the_statistic_is_scipys_with_ties(seed: int) -> None:
    blocks = _random(9, 5, seed).round(1)
    expected = reference.friedmanchisquare(*blocks.T.to_numpy())
    found = friedman(blocks, "higher")
    assert (found.statistic, found.p) == pytest.approx((expected.statistic, expected.pvalue))


def test_which_end_is_better_turns_the_order() -> None:
    blocks = _random(20, 6, spread=0.1)
    up, down = friedman(blocks, "higher"), friedman(-blocks, "lower")
    assert up == down
    assert friedman(blocks, "lower").methods == up.methods[::-1]


def test_ranks_by_hand() -> None:
    values = np.array([[0.1, 0.3, 0.2], [0.5, 0.5, 0.1], [0.2, 0.2 + 4e-7, 0.2 + 8e-7]])
    assert ranked(values, "higher").tolist() == [[3, 1, 2], [1.5, 1.5, 3], [2, 2, 2]]
    assert ranked(values, "lower").tolist() == [[1, 3, 2], [2.5, 2.5, 1], [2, 2, 2]]
    assert ranked(values[:, :1], "higher").tolist() == [[1], [1], [1]]


def test_a_method_that_some_block_lacks_is_left_out_and_an_empty_block_does_not_count() -> None:
    blocks = _random(8, 4)
    expected = friedman(blocks[["m0", "m1", "m3"]], "higher")
    blocks.loc[2, "m2"] = NAN
    blocks.loc[8] = NAN
    found = friedman(blocks, "higher")
    assert found.left_out == ("m2",) and found.n == 8
    assert found.mean_ranks == expected.mean_ranks and found.methods == expected.methods


def test_where_friedmans_test_finds_nothing_all_are_one_clique() -> None:
    found = friedman(_random(20, 5, spread=100.0), "higher")
    assert found.p > 0.05 and found.cliques == (found.methods,)


def test_methods_that_are_all_equal() -> None:
    found = friedman(pd.DataFrame(np.ones((5, 3)), columns=list("abc")), "higher")
    assert found.mean_ranks == (2, 2, 2) and found.p == 1 and found.cliques == (("a", "b", "c"),)
    two = friedman(pd.DataFrame(np.ones((9, 2)), columns=list("ab")), "higher")
    assert two.p == 1 and two.cliques == (("a", "b"),)


@pytest.mark.parametrize(("blocks", "decided"), [(5, False), (6, True)])
def test_two_methods_are_told_apart_by_the_sign_test(blocks: int, decided: bool) -> None:
    found = friedman(pd.DataFrame({"a": [0.9] * blocks, "b": [0.1] * blocks}), "higher")
    assert found.p == pytest.approx(2 * 0.5**blocks) and (found.undecidable is None) == decided
    assert found.cliques == (() if decided else (("a", "b"),)) and found.mean_ranks == (1, 2) and found.statistic == 0
    mixed = friedman(pd.DataFrame({"a": [0.9, 0.1, 0.5, 0.5], "b": [0.1, 0.9, 0.6, 0.9]}), "higher")
    assert mixed.methods == ("b", "a") and mixed.statistic == 1 and mixed.p == pytest.approx(10 / 16)


@pytest.mark.parametrize("methods", [2, 3, 5, 12, 30])
def test_enough_blocks_are_those_that_could_decide_if_all_agreed(methods: int) -> None:
    def told(blocks: int) -> bool:
        agreed = pd.DataFrame([np.arange(methods)] * blocks, columns=range(methods))
        found = friedman(agreed, "lower")
        assert (found.undecidable is None) == (blocks >= found.enough)
        return not any("0" in clique and str(methods - 1) in clique for clique in found.cliques)

    assert told(enough(methods)) and not told(enough(methods) - 1)


def test_few_blocks_say_that_they_cannot_decide() -> None:
    found = friedman(_random(2, 4), "higher")
    assert found.undecidable == "2 blocks cannot rank 4 methods, even if all agreed: that takes 3"
    assert (
        friedman(_random(1, 4), "higher").undecidable
        == "1 block cannot rank 4 methods, even if all agreed: that takes 3"
    )
    assert friedman(_random(3, 4), "higher").undecidable is None


def test_one_method_or_none_cannot_be_ranked() -> None:
    one = friedman(pd.DataFrame({"a": [0.1, 0.2]}), "higher")
    assert one.methods == ("a",) and one.n == 2 and math.isnan(one.p) and one.cliques == ()
    assert one.undecidable == "one method cannot be ranked"
    for blocks in (pd.DataFrame(columns=["a", "b"], dtype=float), pd.DataFrame({"a": [0.1, NAN], "b": [NAN, 0.2]})):
        none = friedman(blocks, "higher")
        assert none.undecidable and math.isnan(none.p) and none.cliques == () and not none.critical_difference > 0


def test_random_blocks_are_rarely_told_apart() -> None:
    rng = np.random.default_rng(2)
    found = [friedman(pd.DataFrame(rng.normal(size=(8, 4))), "higher").p < 0.05 for _ in range(300)]
    assert np.mean(found) < 0.08
