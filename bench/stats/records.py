"""The results of a run as one frame: a row per net, method and metric, with unrounded numbers."""

from typing import Any

import pandas as pd

from ..core.formatting import format_settings
from ..store.run import Run
from .mean_scores import Metric
from .notes import describe_tie_effect
from .summary import Cost, Table, build_tables

COLUMNS = [
    "suite", "dataset", "net", "layer", "precision", "method", "control", "metric", "better", "unit",
    "mean", "low", "high", "n", "reason", "tie_effect", "note", "constant_maps", "seconds", "seconds_low", "seconds_high",
    "images_per_second", "forwards", "peak_bytes", "protocol",
]  # fmt: skip


def make_frame(run: Run) -> pd.DataFrame:
    """Make a frame of the mean of each net, method and metric, its 95 % interval, and the cost of the method on that net.

    The cost is repeated on each row of a method; `seconds` is the median, `seconds_low` and `seconds_high` are the quartiles,
    of an image alone; `images_per_second` is the speed in a batch.
    Unknown values and empty texts are NaN; `reason` says why a mean is unknown. `tie_effect` is how much ties move the mean, if
    the run measures that, and `note` says so where it is more than half the width of the interval.
    """
    records = [
        _make_run_record(run, metric, table.net)
        | _make_score_record(table, method, metric)
        | _make_cost_record(table.costs.get(method))
        for table in build_tables(run)
        for method in table.methods
        for metric in table.metrics
    ]
    # NaN also replaces empty texts, so that the frame equals the one that pandas reads from the CSV report.
    rows = [{key: float("nan") if value in ("", None) else value for key, value in row.items()} for row in records]
    return pd.DataFrame(rows, columns=COLUMNS)


def _make_run_record(run: Run, metric: Metric, net: str) -> dict[str, Any]:
    settings = run.header.describe_protocol(metric.spec, [net])
    return {"suite": run.name, "dataset": run.header.suite.dataset, "protocol": format_settings(settings)}


def _make_score_record(table: Table, method: str, metric: Metric) -> dict[str, Any]:
    mean_score = table.find_mean_score(method, metric)
    return {
        "net": table.net, "layer": table.layer, "precision": table.precision,
        "method": method, "control": method in table.controls,
        "metric": metric.spec, "better": metric.better, "unit": metric.unit,
        **mean_score.estimate._asdict(), "reason": mean_score.reason, "tie_effect": table.find_tie_effect(method, metric),
        "note": describe_tie_effect(table, method, metric), "constant_maps": table.constant_maps.get(method, 0),
    }  # fmt: skip


def _make_cost_record(cost: Cost | None) -> dict[str, float]:
    if cost is None:
        return {}
    low, high = cost.quartiles
    return {
        "seconds": cost.seconds, "seconds_low": low, "seconds_high": high,
        "images_per_second": cost.images_per_second, "forwards": cost.forwards, "peak_bytes": cost.peak_bytes,
    }  # fmt: skip
