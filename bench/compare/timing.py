"""Seconds, judged over repeated runs: in units of a bare prediction of the same run, net and image.

That takes most of the machine's mood out, not all of it, and the images of a run share what is left. So a method is slower only
where the ratio of the medians exceeds the factor asked for, each new run is slower than every one before, and the rank test
over all images agrees.
"""

from collections.abc import Sequence
from statistics import median

import numpy as np
from scipy.stats import mannwhitneyu

from ..core.errors import UsageError
from ..stats.estimate import Floats
from ..stats.significance import holm
from .comparable import method_differs
from .snapshot import Recorded
from .verdicts import ALPHA, Judged, Verdict

RUNS = 3  # a side, at the least: of fewer even runs in perfect order are chance more than once in twenty times
SECONDS = "seconds"

Pair = tuple[Recorded, Recorded]  # base, new
Method = tuple[str, str]  # net, method
Side = list[dict[str, float]]  # of each run, the seconds by image


def ratios(base: Recorded, new: Recorded) -> dict[Method, tuple[float, float]]:
    """The median seconds of each method in both runs, in bare predictions; none where a run does not know them."""
    return {
        key: (median(of.values()), median(new.seconds[key].values()))
        for key, of in base.seconds.items()
        if key in new.seconds
    }


def judged(runs: Sequence[Pair], factor: float) -> list[Judged]:
    """A verdict for each method on each net that all runs have. Raises UsageError for too few runs, or without seconds."""
    if len(runs) < RUNS:
        raise UsageError(
            f"seconds of {len(runs)} runs a side prove nothing: name {RUNS} pairs or more, "
            "with --repeat BASE NEW for each after the first"
        )
    for one in (run for pair in runs for run in pair):
        if not one.seconds:
            raise UsageError(
                f"{one.name} does not know the seconds of a bare prediction, as no baseline does: make the run anew"
            )
    _alike(runs)
    shared = [
        key for key in runs[0][0].seconds
        if all(key in run.seconds for pair in runs for run in pair)
        and not any(method_differs(base, new, *key) for base, new in runs)
    ]  # fmt: skip
    sides = {key: ([base.seconds[key] for base, _ in runs], [new.seconds[key] for _, new in runs]) for key in shared}
    corrected = holm([_p(*sides[key]) for key in shared])
    return [_judged(key, *sides[key], float(p), factor) for key, p in zip(shared, corrected, strict=True)]


def _alike(runs: Sequence[Pair]) -> None:
    """Raises UsageError for seconds of unlike devices or libraries."""
    first = runs[0][0]
    for one in (run for pair in runs for run in pair):
        for key in ("device", "torch"):
            if one.made[key] != first.made[key]:
                raise UsageError(
                    f"seconds cannot be judged: {first.name} has {key} {first.made[key]}, {one.name} {one.made[key]}"
                )


def _medians(side: Side) -> list[float]:
    return [median(of.values()) for of in side]


def _p(base: Side, new: Side) -> float:
    """Of the rank test, every image in units of its own median, for images cost unlike."""
    images = [image for image in base[0] if all(image in of for of in (*base, *new))]
    if not images:
        raise UsageError("seconds cannot be judged: no image is in all runs")
    one, other = (np.array([[of[image] for image in images] for of in side]) for side in (base, new))
    middle: Floats = np.median(np.concatenate([one, other]), axis=0)
    return float(mannwhitneyu((other / middle).ravel(), (one / middle).ravel(), alternative="two-sided").pvalue)


def _judged(key: Method, base: Side, new: Side, p: float, factor: float) -> Judged:
    before, now = _medians(base), _medians(new)
    one, other = median(before), median(now)
    verdict: Verdict = "same"
    if other > factor * one:
        verdict = "worse" if min(now) > max(before) and p < ALPHA else "unclear"
    elif one > factor * other:
        verdict = "better" if min(before) > max(now) and p < ALPHA else "unclear"
    return Judged((*key, SECONDS), verdict, "lower", one, other, p=p, short=SECONDS)
