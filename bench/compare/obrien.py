"""A method judged by all of its metrics on all nets at once: O'Brien's test (Biometrics 1984) of several endpoints.

On each image the method's improvements are added up, each in units of its own size, and the sums tested by Student's t: the
images are few, but the metrics many, and they all speak about the same maps. A metric that moved less than its slack counts
in units of that slack, so that rounding which happens to lean to one side adds nothing.
"""

from collections.abc import Sequence
from math import nan

import numpy as np

from ..core.formatting import plural
from ..stats.estimate import Floats
from ..stats.significance import sign_test
from .verdicts import ALPHA, OVERALL, Judged, Paired, Verdict, family, student


def overall(cells: Sequence[Paired], judged: Sequence[Judged]) -> list[Judged]:
    """A verdict for each method of which a metric moved by more than its slack; cells and their verdicts are in step."""
    methods: dict[str, list[tuple[Paired, Judged]]] = {}
    for cell, found in zip(cells, judged, strict=True):
        methods.setdefault(cell.key[1], []).append((cell, found))
    sums = {method: improvement([cell for cell, _ in of]) for method, of in methods.items()}
    changed = {method: of for method, of in sums.items() if of.any()}
    corrected = family([_p([cell for cell, _ in methods[method]], sums) for method, sums in changed.items()])
    told = zip(changed, corrected, strict=True)
    return [one for method, p in told if (one := _judged(methods[method], changed[method], float(p)))]


def _p(cells: Sequence[Paired], sums: Floats) -> float:
    """Flips alone are counted, not averaged: two that agree are no differences that agree to four digits."""
    if sums.size < 2:
        return nan
    flips = all(cell.yes_or_no for cell in cells if cell.differences.any())
    return sign_test(sums).p if flips else student(sums)


def improvement(cells: Sequence[Paired]) -> Floats:
    """By image (n,), how much better the metrics say that it got, each in units of its root mean square, at least its slack."""
    images = {image: place for place, image in enumerate(dict.fromkeys(one for cell in cells for one in cell.images))}
    sums = np.zeros(len(images))
    for cell in cells:
        found = cell.differences if cell.metric["better"] == "higher" else -cell.differences
        if unit := max(float(np.sqrt((found**2).mean())), cell.slack):
            sums[[images[image] for image in cell.images]] += found / unit
    return sums


def _judged(of: list[tuple[Paired, Judged]], sums: Floats, p: float) -> Judged | None:
    moved = [cell for _, cell in of if cell.verdict != "same"]
    towards = [_towards(cell) for cell in moved]
    if not moved:
        return None
    side: Verdict = "better" if sums.mean() > 0 else "worse"
    verdict: Verdict = side if p < ALPHA and side in towards else "unclear"
    nets = dict.fromkeys(cell.key[0] for _, cell in of)
    net = next(iter(nets)) if len(nets) == 1 else f"all {plural(len(nets), 'net')}"
    why = f"{towards.count(side)} of {len(of)} {side}"
    return Judged((net, of[0][1].key[1], OVERALL), verdict, p=p, why=why, short=OVERALL)


def _towards(cell: Judged) -> Verdict:
    assert cell.change is not None
    return "better" if (cell.change.mean > 0) == (cell.better == "higher") else "worse"
