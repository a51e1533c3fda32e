"""Ranks in blocks: against Demšar's example, SciPy, scikit-posthocs, and values worked out by hand."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats as reference

from cambench.bench.stats.friedman import count_blocks_needed, critical_difference, rank_in_blocks, rank_rows

NAN = math.nan

# Table 6 of Demšar (2006): the AUC of C4.5 with four kinds of pruning on 14 data sets. One value is .9751 where the
# table prints .975, because the paper ranks it above another .975.
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
    ranks = rank_in_blocks(PRUNING, "higher")
    assert ranks.methods == ("C4.5+m+cf", "C4.5+m", "C4.5+cf", "C4.5")
    assert ranks.mean_ranks == pytest.approx((1.964, 2.000, 2.893, 3.143), abs=5e-4)
    assert ranks.critical_difference == pytest.approx(1.25, abs=0.005) and ranks.n == 14
    assert ranks.p < 0.05 and ranks.undecidable is None and ranks.left_out == ()
    assert ranks.cliques == (ranks.methods,)  # the paper calls the test "not powerful enough"


@pytest.mark.parametrize(("methods", "q"), [(2, 1.960), (3, 2.343), (5, 2.728), (10, 3.164)])  # Demšar's Table 5
def test_the_critical_difference_agrees_with_demsars_table(methods: int, q: float) -> None:
    assert critical_difference(methods, 7) == pytest.approx(q * math.sqrt(methods * (methods + 1) / 42), abs=1e-3)


@pytest.mark.parametrize("seed", range(5))
def test_cliques_agree_with_scikit_posthocs(seed: int) -> None:
    blocks = _random(20, 7, seed)
    ranks = rank_in_blocks(blocks, "higher")
    assert ranks.p == pytest.approx(reference.friedmanchisquare(*blocks.T.to_numpy()).pvalue) and ranks.p < 0.05
    p = pytest.importorskip("scikit_posthocs").posthoc_nemenyi_friedman(blocks)
    together = {(a, b) for clique in ranks.cliques for a in clique for b in clique}
    for a in ranks.methods:
        for b in ranks.methods:
            alike = a == b or p.loc[a, b] >= 0.05
            assert alike == (a == b or (a, b) in together)
    assert all(not set(a) <= set(b) for a in ranks.cliques for b in ranks.cliques if a != b)


@pytest.mark.parametrize("seed", range(3))
def test_the_statistic_with_ties_is_scipys(seed: int) -> None:
    blocks = _random(9, 5, seed).round(1)
    expected = reference.friedmanchisquare(*blocks.T.to_numpy())
    ranks = rank_in_blocks(blocks, "higher")
    assert (ranks.statistic, ranks.p) == pytest.approx((expected.statistic, expected.pvalue))


def test_the_direction_reverses_the_order() -> None:
    blocks = _random(20, 6, spread=0.1)
    up, down = rank_in_blocks(blocks, "higher"), rank_in_blocks(-blocks, "lower")
    assert up == down
    assert rank_in_blocks(blocks, "lower").methods == up.methods[::-1]


def test_ranks_worked_out_by_hand() -> None:
    values = np.array([[0.1, 0.3, 0.2], [0.5, 0.5, 0.1], [0.2, 0.2 + 4e-7, 0.2 + 8e-7]])
    assert rank_rows(values, "higher").tolist() == [[3, 1, 2], [1.5, 1.5, 3], [2, 2, 2]]
    assert rank_rows(values, "lower").tolist() == [[1, 3, 2], [2.5, 2.5, 1], [2, 2, 2]]
    assert rank_rows(values[:, :1], "higher").tolist() == [[1], [1], [1]]


def test_methods_missing_in_a_block_and_empty_blocks_are_left_out() -> None:
    blocks = _random(8, 4)
    expected = rank_in_blocks(blocks[["m0", "m1", "m3"]], "higher")
    blocks.loc[2, "m2"] = NAN
    blocks.loc[8] = NAN
    ranks = rank_in_blocks(blocks, "higher")
    assert ranks.left_out == ("m2",) and ranks.n == 8
    assert ranks.mean_ranks == expected.mean_ranks and ranks.methods == expected.methods


def test_all_methods_are_one_clique_if_friedmans_test_is_not_significant() -> None:
    ranks = rank_in_blocks(_random(20, 5, spread=100.0), "higher")
    assert ranks.p > 0.05 and ranks.cliques == (ranks.methods,)


def test_equal_methods_are_one_clique() -> None:
    ranks = rank_in_blocks(pd.DataFrame(np.ones((5, 3)), columns=list("abc")), "higher")
    assert ranks.mean_ranks == (2, 2, 2) and ranks.p == 1 and ranks.cliques == (("a", "b", "c"),)
    two = rank_in_blocks(pd.DataFrame(np.ones((9, 2)), columns=list("ab")), "higher")
    assert two.p == 1 and two.cliques == (("a", "b"),)


@pytest.mark.parametrize(("blocks", "significant"), [(5, False), (6, True)])
def test_two_methods_are_compared_by_the_sign_test(blocks: int, significant: bool) -> None:
    ranks = rank_in_blocks(pd.DataFrame({"a": [0.9] * blocks, "b": [0.1] * blocks}), "higher")
    assert ranks.p == pytest.approx(2 * 0.5**blocks) and (ranks.undecidable is None) == significant
    assert ranks.cliques == (() if significant else (("a", "b"),))
    assert ranks.mean_ranks == (1, 2) and ranks.statistic == 0
    mixed = rank_in_blocks(pd.DataFrame({"a": [0.9, 0.1, 0.5, 0.5], "b": [0.1, 0.9, 0.6, 0.9]}), "higher")
    assert mixed.methods == ("b", "a") and mixed.statistic == 1 and mixed.p == pytest.approx(10 / 16)


@pytest.mark.parametrize("methods", [2, 3, 5, 12, 30])
def test_blocks_needed_is_the_smallest_number_that_can_be_significant(methods: int) -> None:
    def separates(blocks: int) -> bool:
        identical = pd.DataFrame([np.arange(methods)] * blocks, columns=range(methods))
        ranks = rank_in_blocks(identical, "lower")
        assert (ranks.undecidable is None) == (blocks >= ranks.blocks_needed)
        return not any("0" in clique and str(methods - 1) in clique for clique in ranks.cliques)

    assert separates(count_blocks_needed(methods)) and not separates(count_blocks_needed(methods) - 1)


def test_too_few_blocks_are_reported_as_undecidable() -> None:
    ranks = rank_in_blocks(_random(2, 4), "higher")
    assert ranks.undecidable == "2 blocks cannot rank 4 methods, even if all agree: at least 3 are needed"
    assert (
        rank_in_blocks(_random(1, 4), "higher").undecidable
        == "1 block cannot rank 4 methods, even if all agree: at least 3 are needed"
    )
    assert rank_in_blocks(_random(3, 4), "higher").undecidable is None


def test_one_method_or_no_method_cannot_be_ranked() -> None:
    one = rank_in_blocks(pd.DataFrame({"a": [0.1, 0.2]}), "higher")
    assert one.methods == ("a",) and one.n == 2 and math.isnan(one.p) and one.cliques == ()
    assert one.undecidable == "one method cannot be ranked"
    for blocks in (pd.DataFrame(columns=["a", "b"], dtype=float), pd.DataFrame({"a": [0.1, NAN], "b": [NAN, 0.2]})):
        none = rank_in_blocks(blocks, "higher")
        assert none.undecidable and math.isnan(none.p) and none.cliques == () and not none.critical_difference > 0


def test_the_false_positive_rate_is_about_5_percent() -> None:
    rng = np.random.default_rng(2)
    significant = [rank_in_blocks(pd.DataFrame(rng.normal(size=(8, 4))), "higher").p < 0.05 for _ in range(300)]
    assert np.mean(significant) < 0.08
