"""The Pareto front of score and cost."""

from collections.abc import Mapping
from math import isnan, nan

from .ranking import Ranking


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
