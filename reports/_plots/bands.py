"""Curves over images: their mean, and how sure it is at each share."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ...bench.stats.estimate import Floats, estimates

MOST = 61  # shares of a band: of finer curves every so many


@dataclass(frozen=True)
class Band:
    """The mean of curves at each share, and its 95 % interval over images."""

    shares: Floats
    mean: Floats
    low: Floats
    high: Floats


def bands(rows: pd.DataFrame, methods: Sequence[str]) -> dict[str, Band]:
    """By method, of the curves of one metric on one net; methods with as many images are drawn again together."""
    found: dict[str, Band] = {}
    alike: dict[int, dict[str, tuple[Floats, Floats]]] = {}
    groups: Any = rows.groupby("method", sort=False)
    for method, own in groups:
        shares, curves = _stacked(own)
        alike.setdefault(len(curves), {})[str(method)] = (shares, curves)
    for group in alike.values():
        together = np.concatenate([curves for _, curves in group.values()], axis=1)
        made = iter(estimates(together))
        for method, (shares, _) in group.items():
            means, lows, highs, _ = np.array([next(made) for _ in shares]).T
            low, high = (np.where(np.isnan(end), means, end) for end in (lows, highs))
            cut = np.maximum(low, np.minimum(means, 0)), np.minimum(high, np.maximum(means, 1))
            found[method] = Band(shares, means, *cut)
    return {method: found[method] for method in methods if method in found}


def band(rows: pd.DataFrame) -> Band:
    """Of the curves of one method: an interval at each share by itself, as a mean's."""
    (one,) = bands(rows.assign(method="one"), ["one"]).values()
    return one


def _stacked(rows: pd.DataFrame) -> tuple[Floats, Floats]:
    """The shares, and the curves (n, shares); curves with other shares are read between their points."""
    shares = np.asarray(max(rows["shares"], key=len), dtype=np.float64)
    shares = shares[np.unique(np.linspace(0, len(shares) - 1, min(MOST, len(shares))).round().astype(int))]
    read = zip(rows["shares"], rows["scores"], strict=True)
    if all(len(one) == len(shares) and np.array_equal(one, shares) for one in rows["shares"]):
        return shares, np.stack(list(rows["scores"])).astype(np.float64)
    return shares, np.stack([np.interp(shares, one, other) for one, other in read])
