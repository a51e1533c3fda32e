"""Paired comparisons: values worked out by hand, naive loops, and error rates over many samples."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cambench.bench.stats import estimate
from cambench.bench.stats.estimate import Estimate
from cambench.bench.stats.paired import Pair, PairedSample, compare_pairs, pair_methods, subtract_paired

NAN = math.nan


def _subtract(first: "pd.Series[float]", second: "pd.Series[float]") -> list[float]:
    """The differences on the images, by index, that have both values."""
    values = pd.DataFrame({"first": first, "second": second})
    differences: list[float] = subtract_paired(values["first"].to_numpy(), values["second"].to_numpy()).tolist()
    return differences


def _sample(differences: list[float], better: str = "higher", *, binary: bool = False) -> PairedSample:
    return PairedSample("a", "b", np.array(differences), better, binary)


def _compare(differences: list[float], better: str = "higher", *, binary: bool = False) -> Pair:
    return compare_pairs([_sample(differences, better, binary=binary)])[0]


def _drawn(mean: float, n: int, seed: int = 0) -> list[float]:
    """Draw normal differences with exactly this mean and a standard deviation of 1."""
    noise = np.random.default_rng(seed).normal(size=n)
    return list((noise - noise.mean()) / noise.std(ddof=1) + mean)


def test_the_interval_is_that_of_the_mean_difference() -> None:
    differences = _drawn(0.3, 40)
    pair = _compare(differences)
    assert pair.difference == pytest.approx(estimate.estimate_mean(differences)) and pair.n == 40
    assert pair.difference.low == pytest.approx(0.3 - 2.022691 / 40**0.5, abs=0.02)  # Student's without skewness
    assert pair.difference.high == pytest.approx(0.3 + 2.022691 / 40**0.5, abs=0.02)


def test_pairing_decides_where_the_two_intervals_overlap() -> None:
    """Images differ much; the methods differ little, but on every image."""
    images = np.linspace(0, 1, 30)
    values = pd.DataFrame({"a": images + np.linspace(0.01, 0.03, 30), "b": images})
    assert estimate.estimate_mean(values["a"]).low < estimate.estimate_mean(values["b"]).high
    (pair,) = compare_pairs(pair_methods(values, better="higher"))
    assert pair.verdict == "ahead" and pair.difference.mean == pytest.approx(0.02) and pair.superiority == 1


@pytest.mark.parametrize(("better", "verdict", "superiority"), [("higher", "ahead", 0.875), ("lower", "behind", 0.125)])
def test_the_verdict_depends_on_the_direction(better: str, verdict: str, superiority: float) -> None:
    differences = [0.3, 0.2, 0.4, 0.3, 0.2, 0.5, 0.3, 0.1, 0.2, 0.3, 0.0, -0.05] * 2
    differences[10] = differences[22] = 0.0  # ties count half
    pair = _compare(differences, better)
    assert pair.verdict == verdict and pair.superiority == pytest.approx(superiority)
    assert pair.difference.mean > 0 and pair.images_needed is None
    reverse = _compare([-value for value in differences], better)
    assert reverse.verdict == {"ahead": "behind", "behind": "ahead"}[verdict]
    assert reverse.superiority == pytest.approx(1 - superiority) and reverse.p == pair.p


def test_an_interval_without_a_significant_test_is_undecided() -> None:
    """Ahead on all of five images: the interval excludes 0, but the smallest p of five images is .0625."""
    pair = _compare([0.1, 0.12, 0.11, 0.13, 0.1])
    assert pair.difference.low > 0 and pair.p == 0.0625
    assert pair.verdict == "undecided" and pair.images_needed == 6


def test_a_significant_test_with_an_interval_around_0_is_undecided() -> None:
    """Slightly ahead on all images but one, and far behind on that one: the mean can have either sign."""
    pair = _compare([0.1 + i / 1000 for i in range(19)] + [-2.5])
    assert pair.p < 0.05 and pair.difference.low < 0 < pair.difference.high and pair.verdict == "undecided"


def test_a_mean_of_the_opposite_sign_to_most_images_is_undecided() -> None:
    pair = _compare([-0.1 - i / 1000 for i in range(80)] + [2.5 + i / 1000 for i in range(20)])
    assert pair.difference.low > 0 and pair.p < 0.05 and pair.superiority == 0.2
    assert pair.verdict == "undecided"


def test_holms_correction_is_over_all_samples() -> None:
    strong, weak = _sample(_drawn(0.9, 30)), _sample(_drawn(0.45, 30, 1))
    alone = compare_pairs([weak])[0]
    many = compare_pairs([weak, strong, *[_sample(_drawn(0, 30, seed)) for seed in range(2, 10)]])
    assert alone.verdict == "ahead" and alone.corrected_p == alone.p < 0.05
    assert many[0].corrected_p == pytest.approx(9 * many[0].p) and many[0].p == alone.p
    assert many[0].verdict == "undecided" and many[0].difference.low > 0 and many[1].verdict == "ahead"


def test_a_sample_without_images_is_undecided_and_not_counted() -> None:
    empty, pair = compare_pairs([_sample([]), _sample(_drawn(0.5, 30))])
    assert empty.n == 0 and empty.verdict == "undecided" and empty.images_needed == "unknown"
    assert all(map(math.isnan, (empty.p, empty.corrected_p, empty.superiority, empty.difference.mean)))
    assert pair.corrected_p == pair.p
    assert compare_pairs([]) == []


def test_one_image_is_undecided() -> None:
    for binary in (False, True):
        pair = _compare([1.0], binary=binary)
        assert (pair.n, pair.difference.mean, pair.superiority, pair.p) == (1, 1.0, 1.0, 1.0)
        assert math.isnan(pair.difference.low) and pair.verdict == "undecided" and pair.images_needed == "unknown"


@pytest.mark.parametrize("n", [2, 7, 8, 60])
def test_equal_methods_are_never_decided(n: int) -> None:
    pair = _compare([0.0] * n)
    assert pair.difference == (0, 0, 0, n) and pair.superiority == 0.5 and pair.p == 1
    assert pair.verdict == "undecided" and pair.images_needed == "never"


def test_differences_that_cancel_up_to_rounding_are_never_decided() -> None:
    assert _compare([0.1, -0.3, 0.2] * 9).images_needed == "never"


def test_differences_within_rounding_are_0() -> None:
    values = pd.DataFrame({"a": [0.1, 0.2, 0.3], "b": [0.1 + 1e-8, 0.2 - 5e-7, 0.3 - 2e-6]})
    assert _subtract(values["a"], values["b"]) == [0, 0, pytest.approx(2e-6)]


def test_images_are_aligned_by_name_and_incomplete_ones_left_out() -> None:
    one = pd.Series([0.1, 0.2, NAN, 0.4], index=["w", "x", "y", "z"])
    other = pd.Series([0.3, 0.9, 0.1, NAN], index=["z", "x", "y", "v"])
    assert _subtract(one, other) == pytest.approx([0.2 - 0.9, 0.4 - 0.3])


def test_each_pair_is_over_the_images_that_both_methods_have() -> None:
    values = pd.DataFrame({"a": [0.1, 0.2, 0.3], "b": [0.0, NAN, 0.1], "c": [NAN, NAN, 0.5], "d": [NAN] * 3})
    pairs = {(pair.first, pair.second): pair for pair in compare_pairs(pair_methods(values, better="higher"))}
    assert list(pairs) == list(itertools.combinations("abcd", 2))
    assert [pairs[key].n for key in pairs] == [2, 1, 0, 1, 0, 0]
    assert pairs["a", "b"].difference.mean == pytest.approx(0.15)
    (chosen,) = compare_pairs(pair_methods(values, [("b", "a")], better="higher"))
    assert (chosen.first, chosen.second) == ("b", "a") and chosen.difference.mean == pytest.approx(-0.15)


def test_images_of_two_runs_are_aligned_by_name() -> None:
    new = pd.DataFrame({"a": [0.5, 0.6, 0.7], "b": [0.1, 0.2, 0.3]}, index=["x", "y", "z"])
    base = pd.DataFrame({"b": [0.4, 0.3, 0.2], "a": [0.5, 0.5, NAN]}, index=["z", "y", "v"])
    assert _subtract(new["a"], base["a"]) == pytest.approx([0.6 - 0.5, 0.7 - 0.5])
    assert _subtract(new["b"], base["b"]) == pytest.approx([0.2 - 0.3, 0.3 - 0.4])


def test_a_small_change_on_every_image_is_decided_and_no_change_never() -> None:
    steady = pd.Series(np.linspace(0, 1, 20))
    worse = _compare(_subtract(steady + 0.01 + steady / 100, steady), "lower")
    assert worse.verdict == "behind" and worse.n == 20
    same = _compare(_subtract(steady, steady), "lower")
    assert same.verdict == "undecided" and same.images_needed == "never"


def test_no_number_of_images_decides_between_scores_that_are_equal_up_to_rounding() -> None:
    rng = np.random.default_rng(0)
    scores = pd.DataFrame({"a": rng.uniform(0, 1, 20)})
    noise = rng.normal(0.1, 0.5, 20).clip(-1, 1)
    pairs = [
        compare_pairs(pair_methods(scores.assign(b=scores["a"] + size * noise), better="higher"))[0]
        for size in (1e-4, 0.1)
    ]
    assert [pair.verdict for pair in pairs] == ["undecided"] * 2
    assert pairs[0].images_needed == "never" and isinstance(pairs[1].images_needed, int)


def test_one_method_gives_no_pairs() -> None:
    assert pair_methods(pd.DataFrame({"a": [0.1]}), better="higher") == []


def test_intervals_and_p_do_not_depend_on_the_other_samples() -> None:
    samples = [_sample(_drawn(0.4, n, n)) for n in (5, 12, 30, 12)]
    for sample, pair in zip(samples, compare_pairs(samples), strict=True):
        alone = compare_pairs([sample])[0]
        assert pair.difference == pytest.approx(alone.difference, abs=1e-14) and pair.p == alone.p


def test_binary_values_have_mcnemars_test_and_bonett_and_prices_interval() -> None:
    """8 images are hit by the first method alone, 1 by the second, 11 by both or neither; with one more each, 9 and 2 of 22."""
    pair = _compare([1.0] * 8 + [-1.0] + [0.0] * 11, binary=True)
    assert pair.p == pytest.approx(2 * (1 + 9) / 2**9) and pair.superiority == pytest.approx((8 + 11 / 2) / 20)
    centre, half = 7 / 22, 1.959964 * math.sqrt((11 / 22 - (7 / 22) ** 2) / 22)
    assert pair.difference == pytest.approx((0.35, centre - half, centre + half, 20), abs=1e-6)
    assert pair.verdict == "ahead"


def test_rates_that_agree_on_every_image_have_an_interval_with_width() -> None:
    pair = _compare([0.0] * 12, binary=True)
    assert pair.difference.low == -pair.difference.high and pair.difference.high == pytest.approx(0.198, abs=1e-3)
    assert pair.images_needed == "never"
    every = _compare([1.0] * 12, binary=True)
    assert every.difference.high == 1 and 0.5 < every.difference.low < 0.9 and every.verdict == "ahead"


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("n", [5, 12, 40])
def test_the_interval_covers_the_true_difference_in_about_95_percent_of_samples(n: int, binary: bool) -> None:
    rng = np.random.default_rng(n)
    one, other = rng.beta(3, 2, (2, 300, n))
    if binary:
        one, other = (one > 0.5).astype(float), (other > 0.4).astype(float)
    truth = (0.6875 - 0.8208) if binary else 0.0
    pairs = compare_pairs([_sample(list(differences), binary=binary) for differences in one - other])
    covered = np.mean([pair.difference.low <= truth <= pair.difference.high for pair in pairs])
    assert 0.9 < covered <= 0.99


def test_the_family_wise_error_rate_is_about_5_percent() -> None:
    rng = np.random.default_rng(1)
    families = [
        compare_pairs([_sample(list(differences)) for differences in rng.normal(size=(5, 15))]) for _ in range(150)
    ]
    wrong = np.mean([any(pair.verdict != "undecided" for pair in family) for family in families])
    assert wrong <= 0.08  # 5 % and the random error of 150 families


def test_on_the_images_needed_four_of_five_samples_are_decided() -> None:
    """The difference is 1.96 + .84 standard errors from 0 at ((1.96 + .8416) / .2)^2 = 196.2 images."""
    pair = _compare(_drawn(0.2, 20))
    assert pair.verdict == "undecided" and pair.images_needed == 197
    rng = np.random.default_rng(5)
    pairs = compare_pairs([_sample(list(differences)) for differences in rng.normal(0.2, 1, (400, 197))])
    assert 0.74 < np.mean([pair.difference.low > 0 and pair.p < 0.05 for pair in pairs]) < 0.86


def test_on_the_images_needed_four_of_five_samples_of_hits_and_misses_are_decided() -> None:
    """A hit more on one image of 60. Six images that differ have p = 2 / 64, and P(X >= 6) >= .8 for 474 images and 1 in 60."""
    pair = _compare([1.0, *[0.0] * 59], binary=True)
    assert pair.verdict == "undecided" and isinstance(pair.images_needed, int)
    assert 465 < pair.images_needed < 485
    hits = (np.random.default_rng(5).random((400, pair.images_needed)) < 1 / 60).astype(float)
    pairs = compare_pairs([_sample(list(differences), binary=True) for differences in hits])
    alone = [one.p < 0.05 and one.difference.low > 0 for one in pairs]
    assert 0.74 < np.mean(alone) < 0.86


def test_more_samples_in_a_family_need_more_images() -> None:
    """Ten samples: the 1 - .05 / 20 quantile is 2.807, and ((2.807 + .8416) / .2)^2 = 332.8."""
    pair = compare_pairs([_sample(_drawn(0.2, 20))] + [_sample(_drawn(0, 20, seed)) for seed in range(1, 10)])[0]
    assert pair.images_needed == 333


def test_a_factor_multiplies_the_p_values_of_its_family() -> None:
    samples = [_sample(_drawn(mean, 30, seed)) for seed, mean in enumerate((0.3, 0.4, 0.5))]
    plain = compare_pairs(samples, families=["x", "x", "y"])
    pairs = compare_pairs(samples, families=["x", "x", "y"], factors={"x": 1.5})
    assert pairs[0].images_needed != plain[0].images_needed and pairs[2].images_needed == plain[2].images_needed
    assert [pair.corrected_p for pair in pairs] == [
        min(1, plain[0].corrected_p * 1.5), min(1, plain[1].corrected_p * 1.5), plain[2].corrected_p
    ]  # fmt: skip


@pytest.mark.parametrize("binary", [False, True])
def test_a_binary_metric_that_gives_a_share_is_judged_as_other_values(binary: bool) -> None:
    """60 hits in 100 against .05 everywhere: McNemar's test would count each .05 as a loss, p = .057."""
    values = pd.DataFrame({"hits": [1.0] * 60 + [0.0] * 40, "uniform": [0.05] * 100})
    (pair,) = compare_pairs(pair_methods(values, better="higher", binary=binary))
    assert pair.verdict == "ahead" and pair.p < 1e-4
    assert 0.44 < pair.difference.low < pair.difference.high < 0.66


def test_images_needed_is_more_than_there_are() -> None:
    pairs = compare_pairs([_sample(_drawn(0.47, 20))] + [_sample([0.0] * 20)] * 3)
    assert pairs[0].verdict == "undecided" and isinstance(pairs[0].images_needed, int) and pairs[0].images_needed > 20


def test_each_family_is_corrected_separately() -> None:
    rng = np.random.default_rng(0)
    samples = [PairedSample("a", "b", rng.normal(0.05, 0.1, 60), "higher") for _ in range(5)]
    pairs = compare_pairs(samples, families=["x", "y", "x", "y", "y"])
    for members in ([0, 2], [1, 3, 4]):
        assert [pairs[index] for index in members] == compare_pairs([samples[index] for index in members])


def test_the_effect_of_ties_is_the_larger_mean_over_the_images_that_both_methods_have() -> None:
    values = pd.DataFrame({"a": [NAN, 0.5, 0.6, 0.7], "b": [0.4, 0.4, 0.5, 0.6], "c": [0.1, 0.2, 0.3, 0.4]})
    ties = pd.DataFrame({"a": [0.9, 0.0, 0.1, 0.2], "b": [0.4, 0.0, 0.0, 0.3], "c": [NAN] * 4})
    effects = {(one.first, one.second): one.tie_effect for one in pair_methods(values, better="higher", ties=ties)}
    assert effects == pytest.approx({("a", "b"): 0.1, ("a", "c"): 0.1, ("b", "c"): 0.175})
    b = ties.assign(b=[0.9, 0.2, 0.2, 0.2])
    assert pair_methods(values, [("a", "b")], better="higher", ties=b)[0].tie_effect == pytest.approx(0.2)
    assert [one.tie_effect for one in pair_methods(values, better="higher")] == [0, 0, 0]


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("better", ["higher", "lower"])
def test_a_difference_that_is_smaller_than_the_effect_of_ties_decides_nothing(sign: int, better: str) -> None:
    """Every difference is .25, which is exact in binary."""
    plain = _sample([sign * 0.25] * 12, better)
    decided, equal, undecided = (compare_pairs([replace(plain, tie_effect=tie)])[0] for tie in (0.249, 0.25, 0.251))
    assert decided == equal == compare_pairs([plain])[0]
    assert decided.verdict == ("ahead" if (sign > 0) == (better == "higher") else "behind") and not decided.overruled
    assert undecided == replace(decided, verdict="undecided", images_needed="never", tie_effect=0.251, overruled=True)
    assert undecided.decision_text == (
        "more images would not decide it: the order of equal pixels can move a mean by .251 or more"
    )


def test_ties_overrule_only_what_the_test_decides() -> None:
    few = _sample([0.25] * 3)
    pair = compare_pairs([replace(few, tie_effect=0.3)])[0]
    assert (pair.verdict, pair.images_needed, pair.overruled) == (
        "undecided",
        "never",
        False,
    )  # .25 to .25 is within .3
    wide = compare_pairs([replace(few, tie_effect=0.2)])[0]
    assert wide.images_needed == compare_pairs([few])[0].images_needed != "never"


@pytest.mark.parametrize("sign", [1, -1])
def test_a_difference_that_may_be_larger_than_the_effect_of_ties_may_be_decided_by_more_images(sign: int) -> None:
    """The interval of .1, .2 and .6 is .3 ± .657, one of many such values is narrow."""
    effect, few = 0.4, sign * np.array([0.1, 0.2, 0.6])
    open_pair = compare_pairs([replace(_sample(list(few)), tie_effect=effect)])[0]
    assert (open_pair.verdict, open_pair.images_needed, open_pair.overruled) == ("undecided", "unknown", False)
    assert open_pair.decision_text is None and open_pair.tie_effect == effect
    settled = compare_pairs([replace(_sample(list(sign * np.tile([-0.1, 0.1, 0.03], 8))), tie_effect=effect)])[0]
    assert (settled.images_needed, settled.overruled) == ("never", False)


def test_what_would_decide_it_in_words() -> None:
    pair = Pair("a", "b", Estimate(0.1, -0.1, 0.3, 12), 0.6, 0.2, 0.2, "undecided", 1000)
    assert pair.images_needed_text == "about 1,000 images"
    many = replace(pair, images_needed=1001)
    assert many.decision_text == "more than 1,000 images would be needed: not worth it"
    assert replace(pair, difference=Estimate(0.1, -0.1, 0.3, 7)).decision_text is None
    assert replace(pair, images_needed=13).images_needed_text == "a few more images"
    assert replace(pair, images_needed="never").images_needed_text is None
    assert replace(pair, images_needed=None).images_needed_text is None
    assert pair.decision_text == "about 1,000 images would decide it"
    assert replace(pair, images_needed="never").decision_text == "more images would not decide it"
    assert (
        replace(pair, images_needed=None).decision_text is replace(pair, images_needed="unknown").decision_text is None
    )
