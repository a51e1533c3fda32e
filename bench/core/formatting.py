"""Numbers, counts and titles as tables and sentences show them."""

import re
from collections.abc import Mapping, Sequence
from math import isnan
from typing import Any

MEGABYTE = 1e6  # bytes
MANY = 5  # names in a sentence


def format_number(value: float) -> str:
    """Format a number: three decimals below 1, three digits above, no zero before the point: .781, 1.00, 12.3, 513."""
    if isnan(value):
        return "-"
    if abs(value) < 0.9995:
        return _remove_zero(f"{value:z.3f}")
    return f"{value:.{max(0, 3 - len(str(int(abs(round(value, 3))))))}f}"


def format_beside(value: float, bounds: Sequence[float]) -> str:
    """Format a number beside bounds, with as many digits as show on which side of each it lies: .7998, not .800, below 0.8."""
    texts = (format_number(value), *(_remove_zero(f"{value:.{digits}f}") for digits in range(4, 17)))
    known = (text for text in texts if isnan(value) or all((float(text) >= end) == (value >= end) for end in bounds))
    return next(known, str(value))


def _remove_zero(text: str) -> str:
    """Remove the zero before the point of a number between -1 and 1."""
    return re.sub(r"^(-?)0\.", r"\1.", text)


def format_p(p: float, name: str = "") -> str:
    """Format a p-value: .012 or <.001; with a name, p = .012 or p < .001. Empty if it is NaN."""
    if isnan(p):
        return ""
    relation, value = ("<", ".001") if p < 0.001 else ("=", format_number(p))
    return f"{name} {relation} {value}" if name else f"{relation}{value}".removeprefix("=")


def name_dataset(dataset: str) -> str:
    """Return the name of a data set's spec; of a folder the last part of its path."""
    path = re.search(r"path=([^,\]]+)", dataset)
    return (path[1] if path else dataset.partition("[")[0]).rstrip("/").rpartition("/")[2]


def make_title(suite: str, dataset: str) -> str:
    """Make the title of a run: the data set's name, and the suite's if it differs."""
    name = name_dataset(dataset)
    return suite if name == suite else f"{name} (suite {suite})"


def format_count(count: int, noun: str) -> str:
    """Format a count with its noun: 1 image, 2 images."""
    return f"{count} {noun}" + ("" if count == 1 else "s")


def format_settings(settings: Mapping[str, Any]) -> str:
    """Format the settings of a protocol in one line, without the metric: "steps 28, fit bilinear"."""
    return ", ".join(f"{key} {value}" for key, value in settings.items() if key != "metric")


def format_cost(value: float) -> str:
    """Format a cost in at most five characters: like a score, but with fewer digits if it is small: .0021, 2e-05."""
    if value == 0 or isnan(value):
        return "0" if value == 0 else "-"
    if value < 1e-4:
        return f"{value:.0e}"
    return _remove_zero(f"{value:#.2g}") if value < 0.1 else format_number(value)


def format_effect(value: float) -> str:
    """Format an effect that is not 0: like a score, or, where that would be .000, like a cost."""
    return format_cost(value) if 0 < value < 0.0005 else format_number(value)


def format_duration(seconds: float) -> str:
    """Format the time of one explanation: 4.3 ms, 12.7 s; a dash if it is NaN."""
    if isnan(seconds):
        return "–"
    return f"{format_cost(1000 * seconds)} ms" if seconds < 1 else f"{format_cost(seconds)} s"


def format_time(seconds: float) -> str:
    """Format the time that something takes: 40 s, 4 min, 2.5 h."""
    if seconds < 100:
        return f"{max(0.0, seconds):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def join_names(names: Sequence[str]) -> str:
    """Join names as in a sentence: a, b and c; of many, the first ones and how many more there are."""
    if len(names) <= MANY:
        return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    return f"{', '.join(names[:MANY])} and {len(names) - MANY} more"
