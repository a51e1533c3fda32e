"""The slack of a metric: how far two means may differ and still count as equal.

A metric declares it (SLACK, in the metric's unit). Otherwise it is a share of the metric's range or, if the range is
unbounded, a share of the mean.
"""

from collections.abc import Sequence

SHARE = 0.01  # of the range
RELATIVE = 0.02  # of the mean
ROUNDING = 2e-6  # largest difference of equal values: a baseline keeps six decimals


def derive_slack(ends: Sequence[float | None]) -> float | None:
    """Return the slack that follows from a metric's range (low, high); None if the range is unbounded."""
    low, high = ends
    return None if low is None or high is None else SHARE * (high - low)


def find_slack(declared: float | None, ends: Sequence[float | None], mean: float) -> float:
    """Find the slack of a metric at a mean: as declared or, if `declared` is None, from its range or its mean."""
    absolute = derive_slack(ends) if declared is None else declared
    return RELATIVE * abs(mean) if absolute is None else absolute


def find_rounding(ends: Sequence[float | None], largest: float) -> float:
    """Find the largest difference that counts as rounding; relative to the largest value if the range is unbounded."""
    return ROUNDING if derive_slack(ends) is not None else ROUNDING * largest
