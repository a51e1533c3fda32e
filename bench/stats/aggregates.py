"""Aggregates that publications print: the ADCC of means, and Win %, the share of images on which one method beats another."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ..core import specs
from ..core.specs import join_protocol
from .estimate import TIE, Estimate, Floats, estimate_columns, estimate_mean

ADCC_PARTS = ("average_drop", "coherency", "complexity")  # the metrics that ADCC combines
SHORT_NAMES = {"adcc_of_means": "adcc", "win": "win"}  # column heads by aggregate


def estimate_adcc(drop: ArrayLike, coherency: ArrayLike, complexity: ArrayLike) -> Estimate:
    """Estimate the ADCC of the means of per-image values (n,), over the images that have all three values.

    Range [0, 1], higher is better.
    """
    return estimate_columns(_complete_rows(drop, coherency, complexity), _compute_adcc_column, bounds=(0, 1))[0]


def adcc_of_means(means: Floats) -> Floats:
    """Return the harmonic mean (...) of coherency, 1 - complexity and 1 - drop (Poppi et al., CVPRW 2021).

    `means` (..., 3) are means over images of drop, coherency and complexity. If one of the three terms is 0, ADCC is 0.
    """
    drop, coherency, complexity = np.moveaxis(np.asarray(means, dtype=np.float64), -1, 0)
    terms = np.stack([coherency, 1 - complexity, 1 - drop])
    with np.errstate(divide="ignore"):
        return np.where(terms.min(0) > 0, 3 / (1 / terms).sum(0), np.where(np.isnan(terms).any(0), np.nan, 0.0))


def estimate_win_rate(drops: ArrayLike, other_drops: ArrayLike) -> Estimate:
    """Estimate the share of images on which a method's drop is smaller than another's (Chattopadhyay et al., WACV 2018).

    Both are per-image values (n,); images without one of the two are left out. Drops that differ by at most TIE are a win of
    neither method. Range [0, 1], higher is better.
    """
    return estimate_mean(_mark_wins(drops, other_drops), binary=True)


def list_needed_metrics(metric: str) -> tuple[str, ...]:
    """List the metrics from whose per-image scores `measure` computes a metric or an aggregate."""
    aggregates = {"adcc_of_means": ADCC_PARTS, "win": ADCC_PARTS[:1]}
    return aggregates.get(specs.parse("metric", metric).name, (metric,))


def measure(scores: pd.DataFrame, method: str, metric: str, protocol: str) -> Estimate | None:
    """Estimate the mean in [0, 1] of a metric, or an aggregate, for a method, from the scores of one net.

    Return None if no image has all values.
    """
    spec = specs.parse("metric", metric)
    methods = [method, str(spec.settings["over"])] if spec.name == "win" else [method]
    needed = [join_protocol(part, protocol) for part in list_needed_metrics(metric)]
    columns = _select(scores, [(each, part) for each in methods for part in needed]).T
    if not columns.size:
        return None
    if spec.name == "adcc_of_means":
        return estimate_adcc(*columns)
    return estimate_win_rate(*columns) if spec.name == "win" else estimate_mean(columns[0], bounds=(0, 1))


def _mark_wins(drops: ArrayLike, other_drops: ArrayLike) -> Floats:
    """Mark each image (n,): 1 for a win, 0 for none, NaN if a drop is missing."""
    gains = np.asarray(other_drops, dtype=np.float64) - np.asarray(drops, dtype=np.float64)
    return np.where(np.isnan(gains), np.nan, gains > TIE)


def _complete_rows(*columns: ArrayLike) -> Floats:
    """Stack columns (n,) and keep the rows (m, k) without NaN."""
    rows = np.stack([np.asarray(column, dtype=np.float64) for column in columns], axis=1)
    return rows[~np.isnan(rows).any(1)]


def _select(scores: pd.DataFrame, keys: list[tuple[str, str]]) -> Floats:
    """Select the values (n, keys) of each (method, metric), on the images that have them all."""
    columns = []
    for method, metric in keys:
        rows = scores[(scores["method"] == method) & (scores["metric"] == metric)]
        columns.append(rows.set_index("image")["value"])
    values: Floats = pd.concat(columns, axis=1).dropna().to_numpy(dtype=np.float64)
    return values


def _compute_adcc_column(means: Floats) -> Floats:
    """Compute the ADCC of means (..., 3) as a column (..., 1), as `Transform` requires."""
    return adcc_of_means(means)[..., None]
