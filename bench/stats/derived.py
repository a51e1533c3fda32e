"""Numbers of published tables that are made of means over images, not means of a metric: the ADCC of means, and win."""

from collections.abc import Callable
from math import nan, sqrt
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..core import specs

RESAMPLES = 1000
SHORT = {"adcc_of_means": "adcc", "win": "win"}  # and their columns
ADCC = ("average_drop", "coherency", "complexity")

Floats = NDArray[np.float64]


class Measured(NamedTuple):
    """A number over n images, and the standard deviation that one image brings: the number's error is sd / sqrt(n)."""

    value: float
    sd: float  # NaN for n = 1
    n: int


def measured(scores: pd.DataFrame, method: str, metric: str, protocol: str) -> Measured | None:
    """What a method scored on a net, of the rows of that net; None where an image's score is missing of every image."""
    asked = specs.parse("metric", metric)
    if asked.name == "adcc_of_means":
        return _made(_values(scores, [(method, measure(part, protocol)) for part in ADCC]), adcc_of_means)
    if asked.name == "win":
        drops = _values(scores, [(one, measure(ADCC[0], protocol)) for one in (method, str(asked.chosen["over"]))])
        return _mean((drops[:, 0] < drops[:, 1]).astype(np.float64))
    return _mean(_values(scores, [(method, measure(metric, protocol))])[:, 0])


def measure(metric: str, protocol: str) -> str:
    """A metric under a protocol, as records name it."""
    return metric if protocol == "default" else f"{metric}@{protocol}"


def adcc_of_means(means: Floats) -> float:
    """The harmonic mean of coherency, 1 - complexity and 1 - drop, of their means; 0 where one of the three is 0."""
    drop, coherency, complexity = (float(mean) for mean in means)
    parts = (coherency, 1 - complexity, 1 - drop)
    return 3 / sum(1 / part for part in parts) if min(parts) > 0 else 0.0


def _values(scores: pd.DataFrame, wanted: list[tuple[str, str]]) -> Floats:
    """The values (n, wanted) by method and measure, of the images that have them all."""
    columns = []
    for method, spec in wanted:
        rows = scores[(scores["method"] == method) & (scores["metric"] == spec)]
        columns.append(rows.set_index("image")["value"])
    found: Floats = pd.concat(columns, axis=1).dropna().to_numpy(dtype=np.float64)
    return found


def _mean(values: Floats) -> Measured | None:
    if not values.size:
        return None
    return Measured(float(values.mean()), float(values.std(ddof=1)) if values.size > 1 else nan, values.size)


def _made(values: Floats, make: Callable[[Floats], float], seed: int = 0) -> Measured | None:
    """A number made of means over images; its error is the bootstrap's, images drawn again."""
    n = len(values)
    if not n:
        return None
    rng = np.random.default_rng(seed)
    again = [make(values[rng.integers(n, size=n)].mean(0)) for _ in range(RESAMPLES if n > 1 else 0)]
    error = float(np.std(again, ddof=1)) if again else nan
    return Measured(make(values.mean(0)), error * sqrt(n), n)
