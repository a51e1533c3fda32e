"""Aggregates of published tables: ADCC, which is made of several means, and Win %, which compares two methods."""

from math import nan, sqrt
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ..core import specs
from .estimate import TIE, Estimate, Floats, estimates, mean, standard_error

ADCC = ("average_drop", "coherency", "complexity")  # the metrics of which ADCC is made
SHORT = {"adcc_of_means": "adcc", "win": "win"}  # column titles by aggregate


class Measurement(NamedTuple):
    """A value over n images, and the standard deviation of one image: the standard error of the value is sd / sqrt(n)."""

    value: float
    sd: float  # NaN for n = 1
    n: int


def adcc(drop: ArrayLike, coherency: ArrayLike, complexity: ArrayLike, *, seed: int = 0) -> Estimate:
    """ADCC of the means over the images that have all three values, with its interval over these images.

    Range [0, 1], higher is better.
    """
    return estimates(_complete(drop, coherency, complexity), _adcc_column, within=(0, 1), seed=seed)[0]


def adcc_of_means(means: Floats) -> Floats:
    """The harmonic mean of coherency, 1 - complexity and 1 - drop (Poppi et al., CVPRW 2021).

    `means` (..., 3) are means over images of drop, coherency and complexity. 0 where one of the three parts is 0.
    """
    drop, coherency, complexity = np.moveaxis(np.asarray(means, dtype=np.float64), -1, 0)
    parts = np.stack([coherency, 1 - complexity, 1 - drop])
    with np.errstate(divide="ignore"):
        return np.where(parts.min(0) > 0, 3 / (1 / parts).sum(0), np.where(np.isnan(parts).any(0), np.nan, 0.0))


def win(drops: ArrayLike, other_drops: ArrayLike) -> Estimate:
    """The share of images on which a method's drop is smaller than the other's (Chattopadhyay et al., WACV 2018).

    Over the images that have both drops. Drops that are equal within TIE are a win of neither method.
    """
    return mean(_wins(drops, other_drops), yes_or_no=True)


def measure(scores: pd.DataFrame, method: str, metric: str, protocol: str) -> Measurement | None:
    """The value of a metric or an aggregate for a method, from the score rows of one net; None without a complete image."""
    spec = specs.parse("metric", metric)
    if spec.name == "adcc_of_means":
        return _measure_adcc(_values(scores, [(method, scored_name(part, protocol)) for part in ADCC]))
    if spec.name == "win":
        drop = scored_name(ADCC[0], protocol)
        drops = _values(scores, [(method, drop), (str(spec.chosen["over"]), drop)])
        return _measure_mean(_wins(drops[:, 0], drops[:, 1]))
    return _measure_mean(_values(scores, [(method, scored_name(metric, protocol))])[:, 0])


def scored_name(metric: str, protocol: str) -> str:
    """The name of a metric under a protocol in the table of scores: `deletion@rise`."""
    return metric if protocol == "default" else f"{metric}@{protocol}"


def _wins(drops: ArrayLike, other_drops: ArrayLike) -> Floats:
    """1 for a win, 0 for none, NaN where a drop is missing."""
    gain = np.asarray(other_drops, dtype=np.float64) - np.asarray(drops, dtype=np.float64)
    return np.where(np.isnan(gain), np.nan, gain > TIE)


def _complete(*columns: ArrayLike) -> Floats:
    """The rows (n, k) of columns (n,) that have all values."""
    rows = np.stack([np.asarray(column, dtype=np.float64) for column in columns], axis=1)
    return rows[~np.isnan(rows).any(1)]


def _values(scores: pd.DataFrame, columns: list[tuple[str, str]]) -> Floats:
    """The values (n, columns) by method and metric, of the images that have them all."""
    series = []
    for method, metric in columns:
        rows = scores[(scores["method"] == method) & (scores["metric"] == metric)]
        series.append(rows.set_index("image")["value"])
    values: Floats = pd.concat(series, axis=1).dropna().to_numpy(dtype=np.float64)
    return values


def _measure_mean(values: Floats) -> Measurement | None:
    if not values.size:
        return None
    return Measurement(float(values.mean()), float(values.std(ddof=1)) if values.size > 1 else nan, values.size)


def _measure_adcc(values: Floats) -> Measurement | None:
    if not len(values):
        return None
    error = standard_error(values, _adcc_column)[0]
    return Measurement(adcc(*values.T).mean, float(error) * sqrt(len(values)), len(values))


def _adcc_column(means: Floats) -> Floats:
    return adcc_of_means(means)[..., None]
