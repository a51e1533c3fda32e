"""The mean of curves over images, with a confidence interval at each share of pixels."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .estimate import Estimate, Floats, estimate_columns
from .frames import list_scarce

MOST = 61  # shares of a band: finer curves are thinned


@dataclass(frozen=True)
class Band:
    """The mean of curves at each share, and its 95 % interval over images: arrays of one length."""

    shares: Floats
    mean: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True)
class Bands:
    """The bands of one metric on one net, by method, over the images of which all of these methods have a curve."""

    by_method: dict[str, Band]
    images: int  # 0 without such an image: there is no band
    left_out: list[str]  # methods with curves of fewer than half as many images as another


def compute_bands(rows: pd.DataFrame, methods: Sequence[str]) -> Bands:
    """Compute the bands from the rows of the table `curves` of one metric on one net, in the order of the methods."""
    common, left_out = _keep_common(rows)
    by_method: dict[str, pd.DataFrame] = {str(key): group for key, group in common.groupby("method", observed=True)}
    stacked = {method: _stack(by_method[method]) for method in methods if method in by_method}
    columns = [curves for _, curves in stacked.values()]
    results = iter(estimate_columns(np.concatenate(columns, axis=1)) if columns else ())
    bands = {method: _make_band(shares, [next(results) for _ in shares]) for method, (shares, _) in stacked.items()}
    images = len(columns[0]) if columns else 0
    return Bands(bands, images, [method for method in methods if method in left_out])


def _keep_common(rows: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Keep the methods that are not scarce, and the images of which all of these have a curve; list the scarce methods."""
    key = ["dataset", "image"]
    present = rows.assign(present=1.0).pivot_table(index=key, columns="method", values="present", observed=True)
    scarce = list_scarce(present)
    kept = present.drop(columns=scarce)
    common = kept.dropna().index
    return rows[rows["method"].isin(kept.columns) & pd.MultiIndex.from_frame(rows[key]).isin(common)], scarce


def _stack(rows: pd.DataFrame) -> tuple[Floats, Floats]:
    """Return the shares, and the curves (n, shares); curves with other shares are interpolated."""
    shares = np.asarray(max(rows["shares"], key=len), dtype=np.float64)
    shares = shares[np.unique(np.linspace(0, len(shares) - 1, min(MOST, len(shares))).round().astype(int))]
    if (rows["shares"].map(len) == len(shares)).all() and (np.stack(list(rows["shares"])) == shares).all():
        return shares, np.stack(list(rows["scores"]))
    return shares, np.stack([np.interp(shares, xs, ys) for xs, ys in zip(rows["shares"], rows["scores"], strict=True)])


def _make_band(shares: Floats, estimates: Sequence[Estimate]) -> Band:
    means, lows, highs, _ = np.array(estimates).T
    low, high = (np.where(np.isnan(limit), means, limit) for limit in (lows, highs))
    return Band(shares, means, np.maximum(low, np.minimum(means, 0)), np.minimum(high, np.maximum(means, 1)))
