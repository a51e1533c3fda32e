"""Judges seconds over repeated runs, in units of a bare prediction of the same run, net and image.

The unit removes most of the variation between runs; the variation that remains is the same for all images of a run. So a method
is slower only if the ratio of the medians exceeds the given factor, every new run is slower than every base run, and the
Mann-Whitney test over all images is significant.
"""

import os
from collections.abc import Sequence
from itertools import chain
from statistics import median

import numpy as np
from scipy.stats import mannwhitneyu

from ..core.errors import UsageError
from ..stats.estimate import ALPHA, Floats
from ..stats.significance import holm
from ..store.comparability import find_difference, find_timing_difference
from .snapshot import Snapshot
from .verdicts import NumberResult, Verdict

RUNS = 3  # on each side, at least: with fewer, all new runs are slower by chance in more than 5 % of comparisons
SECONDS = "seconds"

SnapshotPair = tuple[Snapshot, Snapshot]  # base, new
NetMethod = tuple[str, str]  # net, method
Side = list[dict[str, float]]  # the base or the new runs: the seconds by image


def compute_median_seconds(base: Snapshot, new: Snapshot) -> dict[NetMethod, tuple[float, float]]:
    """Compute the median seconds of each method in both runs, in units of a bare prediction.

    They are empty if a run did not time bare predictions.
    """
    return {
        key: (median(by_image.values()), median(new.seconds[key].values()))
        for key, by_image in base.seconds.items()
        if key in new.seconds
    }


def judge_seconds(pairs: Sequence[SnapshotPair], factor: float) -> list[NumberResult]:
    """Judge each method on each net that all runs have. Raise UsageError for too few runs or runs without seconds."""
    _check(pairs)
    shared = [
        key for key in pairs[0][0].seconds
        if all(key in run.seconds for pair in pairs for run in pair)
        and not any(find_difference(base.describe_meaning(*key), new.describe_meaning(*key)) for base, new in pairs)
    ]  # fmt: skip
    sides = {key: ([base.seconds[key] for base, _ in pairs], [new.seconds[key] for _, new in pairs]) for key in shared}
    corrected = holm([mann_whitney_p(*sides[key]) for key in shared])
    return [_judge_method(key, *sides[key], float(p), factor) for key, p in zip(shared, corrected, strict=True)]


def _check(pairs: Sequence[SnapshotPair]) -> None:
    """Raise UsageError for too few runs, runs without seconds, named twice, or with other devices, torch or threads."""
    if len(pairs) < RUNS:
        raise UsageError(
            f"seconds need at least {RUNS} pairs of runs, not {len(pairs)}: "
            "add --repeat BASE NEW for each pair after the first"
        )
    first = pairs[0][0]
    for run in (run for pair in pairs for run in pair):
        if not run.seconds:
            raise UsageError(
                f"{run.name} has no seconds of bare predictions (no baseline has them): compare run directories instead"
            )
        if why := find_timing_difference(first.environment, run.environment):
            raise UsageError(f"seconds cannot be judged: {first.name} and {run.name} differ: {why}")
    names = [os.path.realpath(run.name) for pair in pairs for run in pair]
    if repeated := next((run for run in chain(*pairs) if names.count(os.path.realpath(run.name)) > 1), None):
        raise UsageError(f"{repeated.name} is given twice: seconds need {RUNS} runs of their own on each side")


def mann_whitney_p(base: Side, new: Side) -> float:
    """Return the two-sided p of the Mann-Whitney test over all images.

    The seconds of each image are divided by their median, because the images' costs differ.
    """
    images = [image for image in base[0] if all(image in run for run in (*base, *new))]
    if not images:
        raise UsageError("seconds cannot be judged: no image is in all runs")
    before, now = (np.array([[run[image] for image in images] for run in side]) for side in (base, new))
    middle: Floats = np.median(np.concatenate([before, now]), axis=0)
    return float(mannwhitneyu((now / middle).ravel(), (before / middle).ravel(), alternative="two-sided").pvalue)


def _judge_method(key: NetMethod, base: Side, new: Side, p: float, factor: float) -> NumberResult:
    """Judge the seconds of a method: a change by more than the factor, and significant, is better or worse."""
    before, now = _compute_medians(base), _compute_medians(new)
    old, recent = median(before), median(now)
    verdict: Verdict = "same"
    if recent > factor * old:
        verdict = "worse" if min(now) > max(before) and p < ALPHA else "unclear"
    elif old > factor * recent:
        verdict = "better" if min(before) > max(now) and p < ALPHA else "unclear"
    return NumberResult((*key, SECONDS), verdict, "lower", old, recent, p=p, short=SECONDS)


def _compute_medians(side: Side) -> list[float]:
    return [median(run.values()) for run in side]
