"""Two methods image by image: by hand, by naive loops, and as often right as said."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cambench.bench.stats import estimate
from cambench.bench.stats.estimate import Estimate
from cambench.bench.stats.paired import Pair, Question, among, between, compare, differences

NAN = math.nan


def _ask(found: list[float], better: str = "higher", *, yes_or_no: bool = False) -> Question:
    return Question("a", "b", np.array(found), better, yes_or_no)


def _answer(found: list[float], better: str = "higher", *, yes_or_no: bool = False) -> Pair:
    return compare([_ask(found, better, yes_or_no=yes_or_no)])[0]


def _drawn(mean: float, n: int, seed: int = 0) -> list[float]:
    """Normal differences with exactly this mean and a standard deviation of 1."""
    found = np.random.default_rng(seed).normal(size=n)
    return list((found - found.mean()) / found.std(ddof=1) + mean)


def test_the_interval_is_that_of_a_naive_loop() -> None:
    found = np.array(_drawn(0.3, 40))
    rng = np.random.default_rng(2)
    means = [np.mean([found[i] for i in rng.integers(0, 40, 40)]) for _ in range(4000)]
    pair = _answer(found.tolist())
    assert pair.difference[:2] == pytest.approx((0.3, np.percentile(means, 2.5)), abs=0.02)
    assert pair.difference.high == pytest.approx(np.percentile(means, 97.5), abs=0.02) and pair.n == 40


def test_pairing_tells_what_two_intervals_do_not() -> None:
    """Images differ much, the methods always by a little."""
    easy = np.linspace(0, 1, 30)
    values = pd.DataFrame({"a": easy + np.linspace(0.01, 0.03, 30), "b": easy})
    assert estimate.mean(values["a"]).overlaps(estimate.mean(values["b"]))
    (pair,) = compare(among(values, better="higher"))
    assert pair.verdict == "ahead" and pair.difference.mean == pytest.approx(0.02) and pair.superiority == 1


@pytest.mark.parametrize(("better", "verdict", "superiority"), [("higher", "ahead", 0.875), ("lower", "behind", 0.125)])
def test_the_verdict_knows_which_end_is_better(better: str, verdict: str, superiority: float) -> None:
    found = [0.3, 0.2, 0.4, 0.3, 0.2, 0.5, 0.3, 0.1, 0.2, 0.3, 0.0, -0.05] * 2
    found[10] = found[22] = 0.0  # ties are half
    pair = _answer(found, better)
    assert pair.verdict == verdict and pair.superiority == pytest.approx(superiority)
    assert pair.difference.mean > 0 and pair.needed is None
    turned = _answer([-value for value in found], better)
    assert turned.verdict == {"ahead": "behind", "behind": "ahead"}[verdict]
    assert turned.superiority == pytest.approx(1 - superiority) and turned.p == pair.p


def test_the_interval_alone_decides_nothing() -> None:
    """Five images of which each is ahead: the interval leaves out 0, and the least p that five images can have is .0625."""
    pair = _answer([0.1, 0.12, 0.11, 0.13, 0.1])
    assert pair.difference.low > 0 and pair.p == 0.0625
    assert pair.verdict == "undecided" and pair.needed == 6


def test_the_test_alone_decides_nothing() -> None:
    """All but one ahead by a little, one behind by much: the mean may lie on either side."""
    pair = _answer([0.1 + i / 1000 for i in range(19)] + [-2.5])
    assert pair.p < 0.05 and pair.difference.low < 0 < pair.difference.high and pair.verdict == "undecided"


def test_a_mean_on_one_side_and_most_images_on_the_other_decide_nothing() -> None:
    pair = _answer([-0.1 - i / 1000 for i in range(80)] + [2.5 + i / 1000 for i in range(20)])
    assert pair.difference.low > 0 and pair.p < 0.05 and pair.superiority == 0.2
    assert pair.verdict == "undecided"


def test_holm_is_over_the_questions_that_were_asked() -> None:
    strong, weak = _ask(_drawn(0.9, 30)), _ask(_drawn(0.42, 30, 1))
    alone = compare([weak])[0]
    many = compare([weak, strong, *[_ask(_drawn(0, 30, seed)) for seed in range(2, 10)]])
    assert alone.verdict == "ahead" and alone.corrected == alone.p < 0.05
    assert many[0].corrected == pytest.approx(9 * many[0].p) and many[0].p == alone.p
    assert many[0].verdict == "undecided" and many[0].difference.low > 0 and many[1].verdict == "ahead"


def test_a_question_without_images_is_answered_and_not_counted() -> None:
    nothing, pair = compare([_ask([]), _ask(_drawn(0.5, 30))])
    assert nothing.n == 0 and nothing.verdict == "undecided" and nothing.needed == "unknown"
    assert all(map(math.isnan, (nothing.p, nothing.corrected, nothing.superiority, nothing.difference.mean)))
    assert pair.corrected == pair.p
    assert compare([]) == []


def test_one_image_decides_nothing() -> None:
    for yes_or_no in (False, True):
        pair = _answer([1.0], yes_or_no=yes_or_no)
        assert (pair.n, pair.difference.mean, pair.superiority, pair.p) == (1, 1.0, 1.0, 1.0)
        assert math.isnan(pair.difference.low) and pair.verdict == "undecided" and pair.needed == "unknown"


@pytest.mark.parametrize("n", [2, 7, 8, 60])
def test_equal_methods_are_never_told_apart(n: int) -> None:
    pair = _answer([0.0] * n)
    assert pair.difference == (0, 0, 0, n) and pair.superiority == 0.5 and pair.p == 1
    assert pair.verdict == "undecided" and pair.needed == "never"


def test_differences_that_cancel_but_for_rounding_are_never_settled() -> None:
    assert _answer([0.1, -0.3, 0.2] * 9).needed == "never"


def test_rounding_is_no_difference() -> None:
    values = pd.DataFrame({"a": [0.1, 0.2, 0.3], "b": [0.1 + 1e-8, 0.2 - 5e-7, 0.3 - 2e-6]})
    assert differences(values["a"], values["b"]).tolist() == [0, 0, pytest.approx(2e-6)]


def test_what_either_lacks_is_left_out_by_name_of_the_image() -> None:
    one = pd.Series([0.1, 0.2, NAN, 0.4], index=["w", "x", "y", "z"])
    other = pd.Series([0.3, 0.9, 0.1, NAN], index=["z", "x", "y", "v"])
    assert differences(one, other).tolist() == pytest.approx([0.2 - 0.9, 0.4 - 0.3])


def test_each_pair_has_its_own_images() -> None:
    values = pd.DataFrame({"a": [0.1, 0.2, 0.3], "b": [0.0, NAN, 0.1], "c": [NAN, NAN, 0.5], "d": [NAN] * 3})
    pairs = {(one.one, one.other): one for one in compare(among(values, better="higher"))}
    assert list(pairs) == list(itertools.combinations("abcd", 2))
    assert [pairs[key].n for key in pairs] == [2, 1, 0, 1, 0, 0]
    assert pairs["a", "b"].difference.mean == pytest.approx(0.15)
    (chosen,) = compare(among(values, [("b", "a")], better="higher"))
    assert (chosen.one, chosen.other) == ("b", "a") and chosen.difference.mean == pytest.approx(-0.15)


def test_two_runs_are_compared_method_by_method_on_the_images_of_both() -> None:
    now = pd.DataFrame({"a": [0.5, 0.6, 0.7], "b": [0.1, 0.2, 0.3], "new": [1.0] * 3}, index=["x", "y", "z"])
    before = pd.DataFrame({"b": [0.4, 0.3, 0.2], "a": [0.5, 0.5, NAN], "gone": [1.0] * 3}, index=["z", "y", "v"])
    found = between(now, before, better="lower")
    assert [(question.one, question.other) for question in found] == [("a", "a"), ("b", "b")]
    assert found[0].differences.tolist() == pytest.approx([0.6 - 0.5, 0.7 - 0.5])
    assert found[1].differences.tolist() == pytest.approx([0.2 - 0.3, 0.3 - 0.4]) and found[1].better == "lower"
    steady = pd.DataFrame({"a": np.linspace(0, 1, 20)})
    (worse,) = compare(between(steady + 0.01 + steady / 100, steady, better="lower"))
    assert worse.verdict == "behind" and worse.n == 20
    (same,) = compare(between(steady, steady, better="lower"))
    assert same.verdict == "undecided" and same.needed == "never"


def test_one_method_has_no_pair() -> None:
    assert among(pd.DataFrame({"a": [0.1]}), better="higher") == []


def test_answers_do_not_depend_on_which_other_questions_are_asked() -> None:
    questions = [_ask(_drawn(0.4, n, n)) for n in (5, 12, 30, 12)]
    for question, pair in zip(questions, compare(questions), strict=True):
        alone = compare([question])[0]
        assert pair.difference == pytest.approx(alone.difference, abs=1e-14) and pair.p == alone.p


def test_the_seed_fixes_the_interval() -> None:
    question = _ask(_drawn(0.4, 20))
    assert compare([question]) == compare([question], seed=0) != compare([question], seed=1)


def test_yes_or_no_is_mcnemars_with_bonett_and_prices_interval() -> None:
    """8 images only the one hits, 1 only the other, 11 both or neither. With one more each way: 9 and 2 of 22."""
    pair = _answer([1.0] * 8 + [-1.0] + [0.0] * 11, yes_or_no=True)
    assert pair.p == pytest.approx(2 * (1 + 9) / 2**9) and pair.superiority == pytest.approx((8 + 11 / 2) / 20)
    centre, half = 7 / 22, 1.959964 * math.sqrt((11 / 22 - (7 / 22) ** 2) / 22)
    assert pair.difference == pytest.approx((0.35, centre - half, centre + half, 20), abs=1e-6)
    assert pair.verdict == "ahead"


def test_rates_that_agree_on_every_image_are_not_certainly_equal() -> None:
    pair = _answer([0.0] * 12, yes_or_no=True)
    assert pair.difference.low == -pair.difference.high and pair.difference.high == pytest.approx(0.198, abs=1e-3)
    assert pair.needed == "never"
    every = _answer([1.0] * 12, yes_or_no=True)
    assert every.difference.high == 1 and 0.5 < every.difference.low < 0.9 and every.verdict == "ahead"


@pytest.mark.parametrize("yes_or_no", [False, True])
@pytest.mark.parametrize("n", [5, 12, 40])
def test_the_interval_holds_the_difference_about_as_often_as_it_says(n: int, yes_or_no: bool) -> None:
    rng = np.random.default_rng(n)
    one, other = rng.beta(3, 2, (2, 300, n))
    if yes_or_no:
        one, other = (one > 0.5).astype(float), (other > 0.4).astype(float)
    truth = (0.6875 - 0.8208) if yes_or_no else 0.0
    pairs = compare([_ask(list(found), yes_or_no=yes_or_no) for found in one - other])
    held = np.mean([pair.difference.low <= truth <= pair.difference.high for pair in pairs])
    assert 0.9 < held <= 0.99


def test_of_equal_methods_one_is_rarely_called_ahead() -> None:
    rng = np.random.default_rng(1)
    families = [compare([_ask(list(found)) for found in rng.normal(size=(5, 15))]) for _ in range(150)]
    wrong = np.mean([any(pair.verdict != "undecided" for pair in family) for family in families])
    assert wrong <= 0.08  # 5 %, and what chance adds to it in 150 families


def test_about_as_many_images_as_are_said_to_settle_it_do() -> None:
    """The half width at the spread seen is the difference: (1.96 / .2)^2 = 96.04 images, at which every second run settles."""
    pair = _answer(_drawn(0.2, 20))
    assert pair.verdict == "undecided" and pair.needed == 97
    rng = np.random.default_rng(5)
    pairs = compare([_ask(list(found)) for found in rng.normal(0.2, 1, (200, 97))])
    assert 0.35 < np.mean([pair.difference.low > 0 and pair.p < 0.05 for pair in pairs]) < 0.65


def test_more_questions_take_more_images() -> None:
    """Ten questions: the 1 - .05 / 20 quantile is 2.807, and (2.807 / .2)^2 = 197."""
    found = compare([_ask(_drawn(0.2, 20))] + [_ask(_drawn(0, 20, seed)) for seed in range(1, 10)])[0]
    assert found.needed == 197


def test_needed_is_more_than_there_are() -> None:
    pairs = compare([_ask(_drawn(0.47, 20))] + [_ask([0.0] * 20)] * 3)
    assert pairs[0].verdict == "undecided" and isinstance(pairs[0].needed, int) and pairs[0].needed > 20


def test_each_family_is_corrected_by_itself() -> None:
    rng = np.random.default_rng(0)
    questions = [Question("a", "b", rng.normal(0.05, 0.1, 60), "higher") for _ in range(5)]
    found = compare(questions, families=["x", "y", "x", "y", "y"])
    for places in ([0, 2], [1, 3, 4]):
        assert [found[place] for place in places] == compare([questions[place] for place in places])


def test_how_many_images_would_settle_it_is_said_in_words() -> None:
    pair = Pair("a", "b", Estimate(0.1, -0.1, 0.3, 12), 0.6, 0.2, 0.2, "undecided", 1234)
    assert pair.settling == "about 1,234 images"
    assert replace(pair, needed=13).settling == "a few more images"
    assert replace(pair, needed="never").settling is None
    assert replace(pair, needed=None).settling is None
