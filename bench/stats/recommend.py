"""Recommend a method for a need, and find the methods on the Pareto front of score and cost.

The page's script (reports/_page/templates/page.js) has the rules of `recommend` again, because its reader chooses the share of
the best score and the milliseconds; tests/reports/test_page_browser.py holds the two equal at the amounts that stand here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isnan, nan
from typing import Literal, get_args

from .estimate import Estimate
from .ranking import RankedMethod, Ranking
from .summary import Cost

Need = Literal["cheapest within 2 % of the best", "best under 50 ms", "best whatever it costs"]
NEEDS: tuple[Need, ...] = get_args(Need)
ALLOWED_LOSS = 0.02  # the share of the best score that the cheapest method may lose
FAST = 0.05  # seconds


@dataclass(frozen=True)
class Recommendation:
    """A method for a need on one net by one metric, or the reason why there is none."""

    need: Need
    method: str | None
    reason: str | None
    estimate: Estimate | None
    cost: Cost | None


def recommend(ranking: Ranking, costs: Mapping[str, Cost], need: Need) -> Recommendation:
    """Recommend a method for a need; never a control.

    A method is within 2 % of the best if `Ranking.compute_relative_score` is at least .98. The cheapest has the fewest
    forwards, which are the same on every machine, and among equals the fewest seconds.
    """
    methods = [ranked for ranked in ranking.methods if not ranked.control]
    if not methods:
        return _recommend_none(need, "no method has a score")
    if need == "best whatever it costs":
        return _recommend_method(need, costs, methods[0])
    measured = [ranked for ranked in methods if ranked.method in costs and not isnan(costs[ranked.method].seconds)]
    if need == "best under 50 ms":
        fast = [ranked for ranked in measured if costs[ranked.method].seconds < FAST]
        if not fast:
            reason = "no method explains an image in under 50 ms" if measured else "no cost is measured"
            return _recommend_none(need, reason)
        return _recommend_method(need, costs, fast[0])
    near = [ranked for ranked in measured if ranking.compute_relative_score(ranked) >= 1 - ALLOWED_LOSS]
    if not near:
        return _recommend_none(need, "no cost is measured")
    return _recommend_method(need, costs, min(near, key=lambda ranked: costs[ranked.method].price))


def find_pareto_front(ranking: Ranking, costs: Mapping[str, float]) -> tuple[str, ...]:
    """Find the methods that no other method beats in mean score or cost without losing in the other, cheapest first.

    `costs` are seconds or forwards by method. Controls, and methods without a cost, are left out.
    """
    scores = {
        ranked.method: ranked.estimate.mean * (1 if ranking.better == "higher" else -1)
        for ranked in ranking.methods
        if not ranked.control and not isnan(costs.get(ranked.method, nan))
    }

    def is_dominated(method: str) -> bool:
        point = (costs[method], -scores[method])
        others = [(costs[other], -scores[other]) for other in scores]
        return any(other[0] <= point[0] and other[1] <= point[1] and other != point for other in others)

    front = [method for method in scores if not is_dominated(method)]
    return tuple(sorted(front, key=lambda method: costs[method]))


def _recommend_method(need: Need, costs: Mapping[str, Cost], ranked: RankedMethod) -> Recommendation:
    return Recommendation(need, ranked.method, None, ranked.estimate, costs.get(ranked.method))


def _recommend_none(need: Need, reason: str) -> Recommendation:
    return Recommendation(need, None, reason, None, None)
