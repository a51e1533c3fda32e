"""The methods on a net by a metric, the best first, and which differences are decided."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf, isinf

import numpy as np
import pandas as pd

from .estimate import Estimate, estimates, mean
from .frames import complete
from .paired import Pair, among, compare


@dataclass(frozen=True)
class Place:
    """A method in a ranking."""

    method: str
    estimate: Estimate
    control: bool
    next: Pair | None  # against the method a place behind; None of the last
    best: Pair | None  # the best method that is no control against this one; None of itself


@dataclass(frozen=True)
class Ranking:
    """The places of methods, the best first, on the n images of which each has a value."""

    places: tuple[Place, ...]
    n: int
    left_out: tuple[str, ...]  # methods without any value
    better: str
    within: tuple[float, float]  # the metric's range

    @property
    def best(self) -> Place | None:
        """The best method that is no control."""
        return next((place for place in self.places if not place.control), None)

    @property
    def level(self) -> tuple[str, ...]:
        """The methods, controls left out, that these images do not tell from the best one; that one first."""
        shown = [place for place in self.places if not place.control]
        return tuple(place.method for place in shown if place.best is None or place.best.verdict == "undecided")

    def worth(self, place: Place) -> float:
        """How far a method is from the worst that its metric can be, as a share of how far the best one is.

        By a metric without a worst, the share of the best one's size that is left after what is missing to it.
        """
        assert self.best is not None
        most = self.best.estimate.mean
        worst = self.within[0] if self.better == "higher" else self.within[1]
        whole = abs(most if isinf(worst) else most - worst)
        missing = abs(most - place.estimate.mean)
        return 1 - missing / whole if whole else 1.0 - (missing > 0)


def ranking(
    values: pd.DataFrame, *, better: str, controls: Sequence[str] = (), yes_or_no: bool = False,
    within: tuple[float, float] = (-inf, inf), seed: int = 0,
) -> Ranking:  # fmt: skip
    """The ranking of methods, the columns of values by image.

    Neighbours are one family of Holm's correction, the best one against all others another.
    """
    left_out = tuple(str(method) for method in values.columns[values.isna().all()])
    shared = complete(values)
    if yes_or_no:
        means = [mean(shared[method], yes_or_no=True, within=within) for method in shared]
    else:
        means = estimates(shared.to_numpy(dtype=np.float64), within=within, seed=seed)
    found = dict(zip(map(str, shared.columns), means, strict=True)) if len(shared) else {}
    order = sorted(found, key=lambda method: found[method].mean * (-1 if better == "higher" else 1))
    best = next((method for method in order if method not in controls), None)

    behind = dict(pairwise(order))
    asked = {"neighbours": [*behind.items()], "rivals": [(best, one) for one in order if one != best] if best else []}
    families = [family for family, own in asked.items() for _ in own]
    questions = among(shared, [pair for own in asked.values() for pair in own], better=better, yes_or_no=yes_or_no)
    pairs = iter(compare(questions, families=families, seed=seed))
    neighbours, rivals = ({pair: next(pairs) for pair in own} for own in asked.values())
    places = tuple(
        Place(
            method, found[method], method in controls,
            neighbours.get((method, behind.get(method, ""))), rivals.get((best or "", method)),
        )
        for method in order
    )  # fmt: skip
    return Ranking(places, len(shared), left_out, better, within)
