"""Numbers and counts as tables and sentences show them."""

import re
from math import isnan


def number(value: float) -> str:
    """Three decimals below 1, three digits above, no zero before the point: .781, 1.00, 12.3, 513."""
    if isnan(value):
        return "-"
    if abs(value) < 0.9995:
        return f"{value:.3f}".replace("0.", ".", 1)
    return f"{value:.{max(0, 3 - len(str(int(abs(round(value, 3))))))}f}"


def titled(suite: str, dataset: str) -> str:
    """A suite's name, and the data set's where that is another: of a folder the last part of its path."""
    path = re.search(r"path=([^,\]]+)", dataset)
    name = (path[1] if path else dataset.partition("[")[0]).rstrip("/").rpartition("/")[2]
    return suite if name == suite else f"{suite} on {name}"


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")
