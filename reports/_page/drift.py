"""How far the run's precision moved its scores, as a table; and what is said where that was not measured."""

from ...bench.core.formatting import number, plural
from ...bench.stats.drift import Drift, drifts
from ...bench.store.run import Run
from .._tables.grid import Cell, Grid, Head, Row, figure, name
from .analysis import Sheet

SMALL = 5e-4  # a drift that the shown digits hide


def drift(sheet: Sheet) -> Grid | None:
    """The drift of each metric on a net; None where it was not measured."""
    found = drifts(sheet.run, sheet.table.net)
    if not found:
        return None
    heads = [
        Head("metric"), Head("mean change", number=True), Head("largest", number=True), Head("n", number=True),
        Head("methods that change places"),
    ]  # fmt: skip
    rows = [
        Row(
            [name(one.metric), _change(one.mean), _change(one.most), Cell(str(one.n), one.n), _places(one)],
            {"metric": one.metric},
        )
        for one in found
    ]
    precision = sheet.run.header["suite"]["precision"]
    images = plural(sheet.run.table("drift")["image"].nunique(), "image")
    note = f"Absolute changes of single scores from fp32 to {precision}, on {images}; n scores were made both ways."
    return Grid(f"drift-{sheet.title}", f"Drift of {precision} on {sheet.title}", heads, rows, [note], "text")


def unmeasured(run: Run) -> str | None:
    """What is said of a run whose precision is not fp32, and whose drift was not measured."""
    precision = run.header["suite"]["precision"]
    if precision == "fp32" or len(run.table("drift")):
        return None
    return f"How far {precision} moves these scores from fp32 was not measured: bench run --drift 4 tells."


def _change(value: float) -> Cell:
    return figure(value, f"{value:.0e}" if 0 < value < SMALL else number(value))


def _places(one: Drift) -> Cell:
    if not one.swapped:
        return Cell("none", 0.0)
    (first, second), *more = one.swapped
    others = f", and {plural(len(more), 'pair')} more" if more else ""
    return Cell(f"{first} falls behind {second}{others}", float(len(one.swapped)))
