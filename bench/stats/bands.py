"""The mean of curves over images, with a confidence interval at each share of pixels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from .estimate import Floats, estimate_columns

MOST = 61  # shares of a band: finer curves are thinned


@dataclass(frozen=True)
class Band:
    """The mean of curves at each share, and its 95 % interval over images."""

    shares: Floats
    mean: Floats
    low: Floats
    high: Floats


def compute_bands(rows: pd.DataFrame, methods: Sequence[str]) -> dict[str, Band]:
    """Compute each method's band of one metric on one net. Methods with equally many images are estimated together."""
    by_method: dict[str, Band] = {}
    by_count: dict[int, dict[str, tuple[Floats, Floats]]] = {}
    groups: Any = rows.groupby("method", sort=False, observed=True)
    for method, group in groups:
        shares, curves = _stack(group)
        by_count.setdefault(len(curves), {})[str(method)] = (shares, curves)
    for stacked in by_count.values():
        columns = np.concatenate([curves for _, curves in stacked.values()], axis=1)
        results = iter(estimate_columns(columns))
        for method, (shares, _) in stacked.items():
            means, lows, highs, _ = np.array([next(results) for _ in shares]).T
            low, high = (np.where(np.isnan(limit), means, limit) for limit in (lows, highs))
            ends = np.maximum(low, np.minimum(means, 0)), np.minimum(high, np.maximum(means, 1))
            by_method[method] = Band(shares, means, *ends)
    return {method: by_method[method] for method in methods if method in by_method}


def _stack(rows: pd.DataFrame) -> tuple[Floats, Floats]:
    """Return the shares, and the curves (n, shares); curves with other shares are interpolated."""
    shares = np.asarray(max(rows["shares"], key=len), dtype=np.float64)
    shares = shares[np.unique(np.linspace(0, len(shares) - 1, min(MOST, len(shares))).round().astype(int))]
    if (rows["shares"].map(len) == len(shares)).all() and (np.stack(list(rows["shares"])) == shares).all():
        return shares, np.stack(list(rows["scores"]))
    return shares, np.stack([np.interp(shares, xs, ys) for xs, ys in zip(rows["shares"], rows["scores"], strict=True)])
