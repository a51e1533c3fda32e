"""What the metrics are worth: whether two of them agree, whether one agrees with itself, and how methods rank over blocks."""

from collections.abc import Sequence

import pandas as pd

from ...bench.core.formatting import number, plural
from ...bench.stats.agreement import matrix
from ...bench.stats.frames import complete
from ...bench.stats.friedman import Ranks, friedman
from ...bench.stats.summary import Metric
from .._plots import cd
from .._plots.drawing import Drawing
from .._tables.grid import Cell, Grid, Head, Row, estimated, figure, name
from .analysis import Sheet


def agreements(sheet: Sheet) -> Grid | None:
    """Spearman's rho within images, of each two metrics."""
    if not sheet.agreements:
        return None
    grid = matrix(sheet.agreements)
    names = [str(one) for one in grid.columns]
    counts = sorted({one.n for one in sheet.agreements})
    rows = [
        Row([name(one), *(_rho(one, other, rho) for other, rho in zip(names, values, strict=True))], {"metric": one})
        for one, values in zip(names, grid.to_numpy(dtype=float).tolist(), strict=True)
    ]
    heads = [Head("metric"), *(Head(one, number=True, data={"metric": one}) for one in names)]
    over = f"n = {counts[-1]}" if len(counts) == 1 else f"n from {counts[0]} to {counts[-1]}"
    note = (
        f"Spearman's rank correlation of methods within images, {over}: 1 where two metrics put the same methods first."
    )
    return Grid(f"agreement-{sheet.title}", f"Agreement of metrics on {sheet.title}", heads, rows, [note], "matrix")


def steadiness(sheet: Sheet) -> Grid:
    """Krippendorff's alpha of each metric, and what the metric cannot tell."""
    rows = [
        Row(
            [
                name(spec), estimated(view.steady.alpha), Cell(view.steady.level, css=view.steady.level),
                Cell(str(view.steady.n), view.steady.n), Cell(view.metric.caveat),
            ],
            {"metric": spec},
        )
        for spec, view in sheet.views.items()
    ]  # fmt: skip
    heads = [Head("metric"), Head("alpha", "95 % interval", number=True), Head("so it is"), Head("n", number=True)]
    title = f"Krippendorff's alpha of each metric on {sheet.title}"
    if any(view.metric.caveat for view in sheet.views.values()):
        return Grid(f"alpha-{sheet.title}", title, [*heads, Head("beware")], rows, css="text")
    rows = [Row(row.cells[:-1], row.data) for row in rows]
    return Grid(f"alpha-{sheet.title}", title, heads, rows, css="text")


def ranks(sheets: Sequence[Sheet]) -> list[tuple[Metric, Ranks, Drawing | None]]:
    """By metric, whatever the protocol: mean ranks over blocks, which are a net, a data set and a protocol."""
    found: dict[str, dict[tuple[str, ...], pd.Series]] = {}
    metrics: dict[str, Metric] = {}
    for sheet in sheets:
        for spec, view in sheet.views.items():
            key = spec.partition("@")[0]
            metrics.setdefault(key, view.metric)
            block = _block(sheet, spec)
            found.setdefault(key, {}).setdefault(block, complete(sheet.table.values[spec]).mean())
    return [_ranked(metrics[key], pd.DataFrame(list(blocks.values())), sheets) for key, blocks in found.items()]


def _ranked(metric: Metric, blocks: pd.DataFrame, sheets: Sequence[Sheet]) -> tuple[Metric, Ranks, Drawing | None]:
    controls = {control for sheet in sheets for control in sheet.table.controls}
    # A method that does not apply to some block would be left out of all; where few blocks are, that is said in words.
    found = friedman(blocks, metric.better)
    return metric, found, cd.diagram(found, controls)


def _block(sheet: Sheet, spec: str) -> tuple[str, ...]:
    """The same block measured in two runs counts once: the first run's."""
    header = sheet.run.header
    return (
        sheet.table.net, str(header["data"].get("fingerprint")), str(header["protocols"].get(spec, {})),
        str(header["nets"].get(sheet.table.net, {}).get("fingerprint")),
    )  # fmt: skip


def _rho(one: str, other: str, value: float) -> Cell:
    if one == other:
        return Cell("1", 1.0, css="same")
    css = "rho" + ("" if pd.isna(value) else f" r{round(abs(value) * 5)}{'n' if value < 0 else ''}")
    found = figure(value, number(value))
    return Cell(found.text, found.value, css=css)


def blocks_said(ranks: Ranks) -> str:
    """Over how many blocks, and who is left out."""
    out = f"; left out, as some block lacks them: {', '.join(ranks.left_out)}" if ranks.left_out else ""
    return f"{plural(ranks.n, 'block')}{out}"
