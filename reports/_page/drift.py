"""A table of how far the precision of a run changed its scores, or a sentence that this was not measured."""

from ...bench.core.formatting import format_count, format_number
from ...bench.show.grid import Cell, ColumnHead, Grid, GridRow, make_name_cell, make_number_cell
from ...bench.stats.drift import Drift, measure_drift
from ...bench.store.run import Run
from .analysis import NetAnalysis

SMALL = 5e-4  # a change that three decimals do not show


def make_drift_table(analysis: NetAnalysis) -> Grid | None:
    """Return the drift of each metric on a net; None if it was not measured."""
    net_drifts = measure_drift(analysis.run, analysis.table.net)
    if not net_drifts:
        return None
    heads = [
        ColumnHead("metric", row_header=True), ColumnHead("mean change", number=True), ColumnHead("largest", number=True),
        ColumnHead("n", number=True), ColumnHead("methods that change places"),
    ]  # fmt: skip
    rows = [
        GridRow(
            [
                make_name_cell(drift.metric),
                _make_change_cell(drift.mean),
                _make_change_cell(drift.largest),
                Cell(str(drift.n), drift.n),
                _make_swaps_cell(drift),
            ],
            {"metric": drift.metric},
        )
        for drift in net_drifts
    ]
    precision = analysis.run.header.suite.precision
    images = format_count(analysis.run.table("drift", columns=["image"])["image"].nunique(), "image")
    note = f"Absolute differences of single scores between fp32 and {precision}, on {images}; n scores were computed in both."
    title = f"Drift of {precision} on {analysis.title}"
    return Grid(f"drift-{analysis.title}", title, heads, rows, [note], "text")


def describe_unmeasured_drift(run: Run) -> str | None:
    """Return a sentence, if the precision of a run is not fp32 and its drift was not measured."""
    precision = run.header.suite.precision
    if precision == "fp32" or len(run.table("drift")):
        return None
    return f"How far {precision} changes these scores from fp32 was not measured; bench run --drift 4 measures it."


def _make_change_cell(value: float) -> Cell:
    return make_number_cell(value, f"{value:.0e}" if 0 < value < SMALL else format_number(value))


def _make_swaps_cell(drift: Drift) -> Cell:
    if not drift.swapped:
        return Cell("none", 0.0)
    (first, second), *more = drift.swapped
    others = f", and {format_count(len(more), 'pair')} more" if more else ""
    return Cell(f"{first} falls behind {second}{others}", float(len(drift.swapped)))
