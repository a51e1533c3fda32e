"""A ranking on a net, what is decided in it, and what follows for one who has to choose."""

import math
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from cambench.bench.stats import estimate
from cambench.bench.stats.paired import among, compare
from cambench.bench.stats.ranking import Ranking, ranking
from cambench.bench.stats.recommend import NEEDS, Need, pareto, recommend
from cambench.bench.stats.summary import Cost

NAN, INF = math.nan, math.inf
CHEAPEST, SOON, BEST = NEEDS


def _values(means: dict[str, float], n: int = 30, spread: float = 0.02) -> pd.DataFrame:
    """Columns with exactly these means."""
    rng = np.random.default_rng(0)
    columns = {}
    for method, mean in means.items():
        noise = rng.normal(0, spread, n)
        columns[method] = mean + noise - noise.mean()
    return pd.DataFrame(columns)


def _ranking(means: dict[str, float], better: str = "higher", controls: tuple[str, ...] = ("random",)) -> Ranking:
    return ranking(_values(means), better=better, controls=controls, within=(0, 1))


def _costs(**costs: tuple[float, float]) -> dict[str, Cost]:
    return {method: Cost(seconds, (seconds, seconds), forwards, 0.0) for method, (seconds, forwards) in costs.items()}


MEANS = {"cam": 0.80, "grad_cam": 0.803, "random": 0.3, "score_cam": 0.81, "opti_cam": 0.7}
COSTS = _costs(cam=(0.01, 1), grad_cam=(0.008, 1), random=(0.0001, 0), score_cam=(2, 500), opti_cam=(0.04, 80))


def test_the_best_mean_is_first_and_neighbours_are_compared() -> None:
    found = _ranking(MEANS)
    order = [place.method for place in found.places]
    assert order == ["score_cam", "grad_cam", "cam", "opti_cam", "random"] and found.n == 30
    assert [place.control for place in found.places] == [False, False, False, False, True]
    values = _values(MEANS)
    expected = compare(among(values, list(pairwise(order)), better="higher"))
    assert [place.next for place in found.places] == [*expected, None]
    assert [pair.verdict for pair in expected] == ["undecided", "undecided", "ahead", "ahead"]
    against = compare(among(values, [("score_cam", other) for other in order[1:]], better="higher"))
    assert [place.best for place in found.places] == [None, *against]
    assert found.level == ("score_cam", "grad_cam", "cam") and found.best is found.places[0]


def test_places_have_the_intervals_of_the_tables() -> None:
    values = _values(MEANS)
    for place in _ranking(MEANS).places:
        assert place.estimate == pytest.approx(estimate.mean(values[place.method], within=(0, 1)))
    hits = (_values(MEANS, spread=0.3) > 0.6).astype(float)
    for place in ranking(hits, better="higher", yes_or_no=True, within=(0, 1)).places:
        assert place.estimate == estimate.mean(hits[place.method], yes_or_no=True, within=(0, 1))
        assert (
            place.next is None
            or place.next.p
            == compare(among(hits, [(place.next.one, place.next.other)], better="higher", yes_or_no=True))[0].p
        )


def test_lower_may_be_better() -> None:
    found = _ranking(MEANS, "lower", controls=("opti_cam",))
    assert [place.method for place in found.places] == ["random", "opti_cam", "cam", "grad_cam", "score_cam"]
    assert found.places[0].next is not None and found.places[0].next.verdict == "ahead"


def test_a_control_may_be_first_and_is_not_the_best() -> None:
    found = _ranking(MEANS | {"random": 0.9})
    assert found.places[0].method == "random" and found.best is not None and found.best.method == "score_cam"
    assert found.places[0].best is not None and found.places[0].best.verdict == "behind"
    assert "random" not in found.level


def test_all_are_ranked_on_the_images_that_all_have() -> None:
    values = _values(MEANS).assign(absent=NAN)
    values.loc[[3, 7], "cam"] = NAN
    found = ranking(values, better="higher")
    assert found.n == 28 and found.left_out == ("absent",) and {place.estimate.n for place in found.places} == {28}
    assert found.places[0].next is not None and found.places[0].next.n == 28


def test_equals_share_nothing_but_their_order_and_are_undecided() -> None:
    values = pd.DataFrame({"b": [0.1, 0.2, 0.3], "a": [0.1, 0.2, 0.3]})
    found = ranking(values, better="higher")
    assert [place.method for place in found.places] == ["b", "a"] and found.level == ("b", "a")
    assert found.places[0].next is not None and found.places[0].next.needed == "never"


def test_one_method_one_image_or_none() -> None:
    one = ranking(pd.DataFrame({"a": [0.1, 0.2]}), better="higher")
    assert one.places[0].next is None and one.places[0].best is None and one.level == ("a",)
    single = ranking(pd.DataFrame({"a": [0.1], "b": [0.2]}), better="higher")
    assert single.n == 1 and single.level == ("b", "a") and math.isnan(single.places[0].estimate.low)
    for values in (pd.DataFrame(), pd.DataFrame({"a": [NAN]}), pd.DataFrame({"a": [0.1, NAN], "b": [NAN, 0.1]})):
        none = ranking(values, better="higher")
        assert none.places == () and none.n == 0 and none.best is None and none.level == ()
        for need in NEEDS:
            assert recommend(none, {}, need).reason == "no method has a score"


def test_the_seed_fixes_the_ranking() -> None:
    values = _values(MEANS)
    assert ranking(values, better="higher") == ranking(values, better="higher", seed=0)
    assert ranking(values, better="higher") != ranking(values, better="higher", seed=1)


@pytest.mark.parametrize(
    ("need", "method"), [(CHEAPEST, "grad_cam"), (SOON, "grad_cam"), (BEST, "score_cam")]
)  # cam costs as many forwards as grad_cam and more seconds
def test_a_method_for_each_need(need: Need, method: str) -> None:
    found = recommend(_ranking(MEANS), COSTS, need)
    assert found.method == method and found.reason is None and found.n == 30
    assert found.cost == COSTS[method] and found.estimate is not None
    assert found.estimate.mean == pytest.approx(MEANS[method])
    assert (found.behind is None) == (method == "score_cam")
    assert found.level == (("grad_cam", "cam") if need == BEST else ())


def test_within_two_percent_is_of_the_way_from_the_worst() -> None:
    """Higher: .784 is 2 % below .8; lower: the way is from 1, so .216 is 2 % behind .2."""
    for means, better in (
        ({"best": 0.8, "near": 0.7841, "far": 0.7839}, "higher"),
        ({"best": 0.2, "near": 0.2159, "far": 0.2161}, "lower"),
    ):
        found = _ranking(means, better)
        costs = _costs(best=(3, 3), near=(2, 2), far=(1, 1))
        assert recommend(found, costs, CHEAPEST).method == "near"
        assert [found.worth(place) >= 0.98 for place in found.places] == [True, True, False]


@pytest.mark.parametrize(("better", "means"), [("lower", (2.0, 2.039, 2.041)), ("higher", (2.0, 1.961, 1.959))])
def test_of_a_metric_without_a_worst_it_is_of_the_best(better: str, means: tuple[float, float, float]) -> None:
    values = _values(dict(zip(("best", "near", "far"), means, strict=True)))
    found = ranking(values, better=better, within=(-INF, INF))
    assert [place.method for place in found.places] == ["best", "near", "far"]
    assert [found.worth(place) >= 0.98 for place in found.places] == [True, True, False]


def test_the_cheapest_is_so_by_forwards_and_then_by_seconds() -> None:
    means = {"a": 0.8, "b": 0.8, "c": 0.8}
    assert recommend(_ranking(means), _costs(a=(1, 3), b=(9, 2), c=(5, 2)), CHEAPEST).method == "c"
    assert recommend(_ranking(means), _costs(a=(1, NAN), b=(9, 2), c=(10, 2)), CHEAPEST).method == "b"


def test_fifty_milliseconds_are_too_long() -> None:
    costs = _costs(cam=(0.05, 1), grad_cam=(0.06, 1), score_cam=(2, 500), opti_cam=(0.0499, 1))
    assert recommend(_ranking(MEANS), costs, SOON).method == "opti_cam"
    del costs["opti_cam"]
    assert recommend(_ranking(MEANS), costs, SOON).reason == "no method explains an image in under 50 ms"


def test_controls_are_never_recommended() -> None:
    found = _ranking(MEANS | {"random": 0.95})
    for need in NEEDS:
        assert recommend(found, COSTS, need).method != "random" and recommend(found, COSTS, need).beaten_by == (
            "random",
        )
        assert recommend(_ranking(MEANS), COSTS, need).beaten_by == ()
    assert recommend(_ranking({"random": 0.5}), COSTS, BEST).reason == "no method has a score"


def test_without_costs_only_the_best_is_known() -> None:
    found = _ranking(MEANS)
    assert recommend(found, {}, BEST).method == "score_cam" and recommend(found, {}, BEST).cost is None
    for need in (CHEAPEST, SOON):
        assert recommend(found, {}, need).reason == "no cost is measured"
        assert recommend(found, _costs(cam=(NAN, 1)), need).method is None


def test_nothing_near_the_best_has_a_cost() -> None:
    assert recommend(_ranking(MEANS), _costs(opti_cam=(1, 1)), CHEAPEST).reason == "no cost is measured"


def test_the_front_holds_what_nothing_beats_in_both() -> None:
    found = _ranking(MEANS)
    assert pareto(found, {name: cost.seconds for name, cost in COSTS.items()}) == ("grad_cam", "score_cam")
    assert pareto(found, {name: cost.forwards for name, cost in COSTS.items()}) == ("grad_cam", "score_cam")
    assert pareto(found, {"cam": 1, "opti_cam": 0.5, "score_cam": NAN, "random": 0.1}) == ("opti_cam", "cam")
    assert pareto(found, {}) == ()


def test_the_front_is_that_of_a_naive_loop_up_or_down() -> None:
    rng = np.random.default_rng(4)
    for better in ("higher", "lower"):
        means = {f"m{number}": float(rng.uniform(0.2, 0.8)) for number in range(12)}
        cost = {name: float(rng.integers(1, 9)) for name in means}
        sign = 1 if better == "higher" else -1
        front = {
            a
            for a in means
            if not any(
                (cost[b] < cost[a] and sign * means[b] >= sign * means[a])
                or (cost[b] <= cost[a] and sign * means[b] > sign * means[a])
                for b in means
            )
        }
        found = pareto(_ranking(means, better), cost)
        assert set(found) == front and [cost[name] for name in found] == sorted(cost[name] for name in found)


def test_equals_in_both_are_on_the_front_together() -> None:
    values = pd.DataFrame({"a": [0.5, 0.6], "b": [0.5, 0.6], "c": [0.1, 0.2]})
    assert pareto(ranking(values, better="higher"), {"a": 1, "b": 1, "c": 1}) == ("a", "b")
