"""By how much two means of a metric may differ and still be called the same.

A metric says it itself (SLACK, in its unit); else it is a share of its range, and of one without an end a share of the mean.
"""

from collections.abc import Sequence

SHARE = 0.01  # of the range
RELATIVE = 0.02  # of the mean
ROUNDING = 2e-6  # values that differ by no more are equal, but for rounding: a baseline keeps six decimals


def of_range(ends: Sequence[float | None]) -> float | None:
    """A metric's slack by its range; None for a range without an end, of which the mean decides."""
    low, high = ends
    return None if low is None or high is None else SHARE * (high - low)


def slack(declared: float | None, ends: Sequence[float | None], mean: float) -> float:
    """The slack of a metric as a run declares it (None: it does not), at a mean."""
    own = of_range(ends) if declared is None else declared
    return RELATIVE * abs(mean) if own is None else own


def rounding(ends: Sequence[float | None], most: float) -> float:
    """Up to where a difference is rounding: of a metric without a range by its largest value."""
    return ROUNDING if of_range(ends) is not None else ROUNDING * most
