"""A row per net, method and metric, for pandas: mean, interval, n, reason and protocol.

The cost of the method on that net stands on each of its rows (seconds is the median), so that

    frame.pivot(index=["net", "method"], columns="metric", values="mean")
    frame[frame["metric"] == "insertion"].plot.scatter("seconds", "mean")

need no join. Empty cells are what is not known; `reason` says why.
"""

from typing import Any

import pandas as pd

from ..bench.stats.summary import Cost, Metric, Table, tables
from ..bench.store.run import Run
from ._page.text import protocol

VERSION = 1
SUFFIX = ".csv"

COLUMNS = [
    "suite", "dataset", "net", "layer", "precision", "method", "control", "metric", "better", "unit",
    "mean", "low", "high", "n", "reason", "constant_maps", "seconds", "seconds_low", "seconds_high", "forwards",
    "peak_bytes", "protocol",
]  # fmt: skip


def render(run: Run) -> str:
    rows = [
        _about(run, metric) | _row(table, method, metric)
        for table in tables(run)
        for method in table.methods
        for metric in table.metrics
    ]
    return str(pd.DataFrame(rows, columns=COLUMNS).to_csv(index=False, lineterminator="\n"))


def _about(run: Run, metric: Metric) -> dict[str, Any]:
    said = protocol(run.header["protocols"].get(metric.spec, {}))
    return {"suite": run.name, "dataset": run.header["suite"]["dataset"], "protocol": said}


def _row(table: Table, method: str, metric: Metric) -> dict[str, Any]:
    entry = table.entry(method, metric)
    about: dict[str, Any] = {"net": table.net, "layer": table.layer, "precision": table.precision, "method": method}
    about |= {"control": method in table.controls, "metric": metric.spec, "better": metric.better, "unit": metric.unit}
    score = entry.estimate._asdict() | {"reason": entry.reason, "constant_maps": table.constant.get(method, 0)}
    return about | score | (_cost(table.costs[method]) if method in table.costs else {})


def _cost(cost: Cost) -> dict[str, float]:
    low, high = cost.quartiles
    spread = {"seconds": cost.seconds, "seconds_low": low, "seconds_high": high}
    return spread | {"forwards": cost.forwards, "peak_bytes": cost.peak_bytes}
