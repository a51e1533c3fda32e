"""Which method to take: what a need asks for, and which methods no other beats in both faithfulness and cost."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isnan, nan
from typing import Literal, get_args

from .estimate import Estimate
from .paired import Pair
from .ranking import Place, Ranking
from .summary import Cost

Need = Literal["cheapest within 2 % of the best", "best under 50 ms", "best whatever it costs"]
NEEDS: tuple[Need, ...] = get_args(Need)
SLACK = 0.02  # of the way from the worst that the metric can be to the best method
SOON = 0.05  # seconds


@dataclass(frozen=True)
class Recommendation:
    """A method for a need on a net, by one metric; or the reason why there is none."""

    need: Need
    method: str | None
    reason: str | None
    estimate: Estimate | None
    cost: Cost | None
    behind: Pair | None  # the best method against it; None where it is the best itself
    beaten_by: tuple[str, ...]  # controls that have a better mean
    level: tuple[str, ...]  # of `best whatever it costs`: the others that these images do not tell from it
    n: int


def recommend(ranking: Ranking, costs: Mapping[str, Cost], need: Need) -> Recommendation:
    """The method for a need; controls are never recommended.

    Within 2 % is by the means: of the way from the worst that the metric can be to the best mean. Cheapest is by forwards,
    which are the same on every machine, then by seconds.
    """
    methods = [place for place in ranking.places if not place.control]
    if not methods:
        return _none(need, ranking, "no method has a score")
    if need == "best whatever it costs":
        return _found(need, ranking, costs, methods[0])
    known = [place for place in methods if place.method in costs and not isnan(costs[place.method].seconds)]
    if need == "best under 50 ms":
        soon = [place for place in known if costs[place.method].seconds < SOON]
        if not soon:
            return _none(
                need, ranking, "no method explains an image in under 50 ms" if known else "no cost is measured"
            )
        return _found(need, ranking, costs, soon[0])
    near = [place for place in known if ranking.worth(place) >= 1 - SLACK]
    if not near:
        return _none(need, ranking, "no cost is measured")

    def price(place: Place) -> tuple[float, float]:
        forwards = costs[place.method].forwards
        return (float("inf") if isnan(forwards) else forwards, costs[place.method].seconds)

    return _found(need, ranking, costs, min(near, key=price))


def pareto(ranking: Ranking, costs: Mapping[str, float]) -> tuple[str, ...]:
    """The methods, cheapest first, than which no other is as cheap and as faithful, and one of both more; controls left out.

    `costs` are seconds or forwards; a method without one is left out.
    """
    signed = {
        place.method: place.estimate.mean * (1 if ranking.better == "higher" else -1)
        for place in ranking.places
        if not place.control and not isnan(costs.get(place.method, nan))
    }

    def beaten(method: str) -> bool:
        mine = (costs[method], -signed[method])
        theirs = [(costs[other], -signed[other]) for other in signed]
        return any(other[0] <= mine[0] and other[1] <= mine[1] and other != mine for other in theirs)

    front = [method for method in signed if not beaten(method)]
    return tuple(sorted(front, key=lambda method: costs[method]))


def _found(need: Need, ranking: Ranking, costs: Mapping[str, Cost], place: Place) -> Recommendation:
    level = tuple(method for method in ranking.level if method != place.method) if need == NEEDS[2] else ()
    controls = tuple(one.method for one in ranking.places[: ranking.places.index(place)] if one.control)
    cost = costs.get(place.method)
    return Recommendation(need, place.method, None, place.estimate, cost, place.best, controls, level, ranking.n)


def _none(need: Need, ranking: Ranking, reason: str) -> Recommendation:
    return Recommendation(need, None, reason, None, None, None, (), (), ranking.n)
