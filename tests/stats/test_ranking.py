"""Rankings of methods, the significance of their differences, and the Pareto front."""

import math
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from cambench.bench.stats import estimate
from cambench.bench.stats.paired import compare_pairs, pair_methods
from cambench.bench.stats.pareto import find_pareto_front
from cambench.bench.stats.ranking import Ranking, rank_methods
from cambench.bench.stats.summary import Cost

NAN, INF = math.nan, math.inf


def _values(means: dict[str, float], n: int = 30, spread: float = 0.02) -> pd.DataFrame:
    """Draw columns with exactly these means."""
    rng = np.random.default_rng(0)
    columns = {}
    for method, mean in means.items():
        noise = rng.normal(0, spread, n)
        columns[method] = mean + noise - noise.mean()
    return pd.DataFrame(columns)


def _ranking(means: dict[str, float], better: str = "higher", controls: tuple[str, ...] = ("random",)) -> Ranking:
    return rank_methods(_values(means), better=better, controls=controls, bounds=(0, 1))


def _costs(**costs: tuple[float, float]) -> dict[str, Cost]:
    return {method: Cost(seconds, (seconds, seconds), forwards, 0.0) for method, (seconds, forwards) in costs.items()}


MEANS = {"cam": 0.80, "grad_cam": 0.803, "random": 0.3, "score_cam": 0.81, "opti_cam": 0.7}
COSTS = _costs(cam=(0.01, 1), grad_cam=(0.008, 1), random=(0.0001, 0), score_cam=(2, 500), opti_cam=(0.04, 80))


def test_methods_are_ordered_by_mean_and_compared_with_the_next_and_the_best() -> None:
    ranking = _ranking(MEANS)
    order = [ranked.method for ranked in ranking.methods]
    assert order == ["score_cam", "grad_cam", "cam", "opti_cam", "random"] and ranking.n == 30
    assert [ranked.control for ranked in ranking.methods] == [False, False, False, False, True]
    values = _values(MEANS)
    expected = compare_pairs(pair_methods(values, list(pairwise(order)), better="higher"))
    assert [ranked.next_pair for ranked in ranking.methods] == [*expected, None]
    assert [pair.verdict for pair in expected] == ["undecided", "undecided", "ahead", "ahead"]
    rivals = pair_methods(values, [("score_cam", other) for other in order[1:]], better="higher")
    against = compare_pairs(rivals, families=["rivals"] * 4, factors={"rivals": 2})  # the best of four methods
    assert [ranked.best_pair for ranked in ranking.methods] == [None, *against]
    assert ranking.top_group == ("score_cam", "grad_cam", "cam") and ranking.best is ranking.methods[0]


def test_that_the_best_is_chosen_by_the_same_scores_is_corrected_for() -> None:
    """Ten methods that are equally good: Holm's correction alone would call some of them worse than the best in 13 %."""
    rng = np.random.default_rng(2)
    runs = [pd.DataFrame(rng.normal(size=(40, 10)), columns=list("abcdefghij")) for _ in range(200)]
    wrong = np.mean([len(rank_methods(values, better="higher").top_group) < 10 for values in runs])
    assert wrong <= 0.08  # 5 % and the random error of 200 runs


def test_places_have_the_intervals_of_estimate_mean() -> None:
    values = _values(MEANS)
    for ranked in _ranking(MEANS).methods:
        assert ranked.estimate == pytest.approx(estimate.estimate_mean(values[ranked.method], bounds=(0, 1)))
    hits = (_values(MEANS, spread=0.3) > 0.6).astype(float)
    for ranked in rank_methods(hits, better="higher", binary=True, bounds=(0, 1)).methods:
        assert ranked.estimate == estimate.estimate_mean(hits[ranked.method], binary=True, bounds=(0, 1))
        if pair := ranked.next_pair:
            (alone,) = compare_pairs(pair_methods(hits, [(pair.first, pair.second)], better="higher", binary=True))
            assert pair.p == alone.p


def test_the_order_is_reversed_if_lower_is_better() -> None:
    ranking = _ranking(MEANS, "lower", controls=("opti_cam",))
    assert [ranked.method for ranked in ranking.methods] == ["random", "opti_cam", "cam", "grad_cam", "score_cam"]
    assert ranking.methods[0].next_pair is not None and ranking.methods[0].next_pair.verdict == "ahead"


def test_a_control_can_be_first_but_not_the_best() -> None:
    ranking = _ranking(MEANS | {"random": 0.9})
    assert ranking.methods[0].method == "random" and ranking.best is not None and ranking.best.method == "score_cam"
    assert ranking.methods[0].best_pair is not None and ranking.methods[0].best_pair.verdict == "behind"
    assert "random" not in ranking.top_group


def test_the_ranking_is_over_the_images_that_all_methods_have() -> None:
    values = _values(MEANS).assign(absent=NAN)
    values.loc[[3, 7], "cam"] = NAN
    ranking = rank_methods(values, better="higher")
    assert ranking.n == 28 and ranking.left_out == ("absent",)
    assert {ranked.estimate.n for ranked in ranking.methods} == {28}
    assert ranking.methods[0].next_pair is not None and ranking.methods[0].next_pair.n == 28


def test_equal_methods_keep_their_order_and_are_undecided() -> None:
    values = pd.DataFrame({"b": [0.1, 0.2, 0.3], "a": [0.1, 0.2, 0.3]})
    ranking = rank_methods(values, better="higher")
    assert [ranked.method for ranked in ranking.methods] == ["b", "a"] and ranking.top_group == ("b", "a")
    assert ranking.methods[0].next_pair is not None and ranking.methods[0].next_pair.images_needed == "never"


def test_rankings_of_one_method_one_image_or_no_values() -> None:
    one = rank_methods(pd.DataFrame({"a": [0.1, 0.2]}), better="higher")
    assert one.methods[0].next_pair is None and one.methods[0].best_pair is None and one.top_group == ("a",)
    single = rank_methods(pd.DataFrame({"a": [0.1], "b": [0.2]}), better="higher")
    assert single.n == 1 and single.top_group == ("b", "a") and math.isnan(single.methods[0].estimate.low)
    for values in (pd.DataFrame(), pd.DataFrame({"a": [NAN]}), pd.DataFrame({"a": [0.1, NAN], "b": [NAN, 0.1]})):
        none = rank_methods(values, better="higher")
        assert none.methods == () and none.n == 0 and none.best is None and none.top_group == ()


def test_the_pareto_front_worked_out_by_hand() -> None:
    ranking = _ranking(MEANS)
    for axis in ("seconds", "forwards"):
        costs = {name: getattr(cost, axis) for name, cost in COSTS.items()}
        assert find_pareto_front(ranking, costs) == ("grad_cam", "score_cam")
    costs = {"cam": 1, "opti_cam": 0.5, "score_cam": NAN, "random": 0.1}
    assert find_pareto_front(ranking, costs) == ("opti_cam", "cam")
    assert find_pareto_front(ranking, {}) == ()


def test_the_pareto_front_agrees_with_a_naive_loop() -> None:
    rng = np.random.default_rng(4)
    for better in ("higher", "lower"):
        means = {f"m{number}": float(rng.uniform(0.2, 0.8)) for number in range(12)}
        cost = {name: float(rng.integers(1, 9)) for name in means}
        sign = 1 if better == "higher" else -1
        expected = {
            a
            for a in means
            if not any(
                (cost[b] < cost[a] and sign * means[b] >= sign * means[a])
                or (cost[b] <= cost[a] and sign * means[b] > sign * means[a])
                for b in means
            )
        }
        front = find_pareto_front(_ranking(means, better), cost)
        assert set(front) == expected and [cost[name] for name in front] == sorted(cost[name] for name in front)


def test_equal_methods_are_all_on_the_pareto_front() -> None:
    values = pd.DataFrame({"a": [0.5, 0.6], "b": [0.5, 0.6], "c": [0.1, 0.2]})
    assert find_pareto_front(rank_methods(values, better="higher"), {"a": 1, "b": 1, "c": 1}) == ("a", "b")
