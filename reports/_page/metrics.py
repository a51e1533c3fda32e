"""The section "The metrics": whether a metric ranks methods alike on all images, and whether two metrics agree."""

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from ...bench.core.formatting import format_beside, format_number
from ...bench.show.grid import Cell, ColumnHead, Grid, GridRow, make_estimate_cell, make_name_cell, make_number_cell
from ...bench.stats.agreement import RELIABLE, TENTATIVE, build_rho_matrix
from ...bench.stats.estimate import Estimate
from .analysis import NetAnalysis
from .render import fill
from .section import Section

RHO_NOTE = (
    "Spearman's rank correlation of methods (no controls) within images, {}: 1 if two metrics rank the methods alike."
)


def make_section(analyses: Sequence[NetAnalysis]) -> Section | None:
    """Return Krippendorff's alpha of each metric and the agreement of metrics; None if no net has scores."""
    reliabilities = [make_reliability_table(analysis) for analysis in analyses if analysis.by_metric]
    agreements = [grid for analysis in analyses if (grid := make_agreement_table(analysis))]
    tables = [*reliabilities, *agreements]
    if not tables:
        return None
    html = fill("metrics.html", tables=tables, reliable=RELIABLE, tentative=TENTATIVE)
    return Section("metrics", "The metrics", html, tables=tables)


def make_reliability_table(analysis: NetAnalysis) -> Grid:
    """Return Krippendorff's alpha of each metric, and the caveat of the metric."""
    heads = [
        ColumnHead("metric", row_header=True), ColumnHead("alpha", "95 % interval", number=True), ColumnHead("reliability"),
        ColumnHead("n", number=True), ColumnHead("caveat"),
    ]  # fmt: skip
    rows = [
        GridRow(
            [
                make_name_cell(spec), _make_alpha_cell(metric.consistency.alpha),
                Cell(metric.consistency.level, css=metric.consistency.level),
                Cell(str(metric.consistency.n), metric.consistency.n), Cell(metric.metric.caveat),
            ],
            {"metric": spec},
        )
        for spec, metric in analysis.by_metric.items()
    ]  # fmt: skip
    if not any(metric.metric.caveat for metric in analysis.by_metric.values()):
        heads, rows = heads[:-1], [GridRow(row.cells[:-1], row.data) for row in rows]
    title = f"Krippendorff's alpha of each metric on {analysis.title}"
    return Grid(f"alpha-{analysis.title}", title, heads, rows, css="text")


def _make_alpha_cell(alpha: Estimate) -> Cell:
    """Make a cell of an alpha, which shows on which side of the thresholds it lies."""
    cell = make_estimate_cell(alpha)
    return replace(cell, text=format_beside(alpha.mean, (RELIABLE, TENTATIVE))) if alpha.n else cell


def make_agreement_table(analysis: NetAnalysis) -> Grid | None:
    """Return Spearman's rho within images, of each two metrics."""
    if not analysis.agreements:
        return None
    rho = build_rho_matrix(analysis.agreements)
    specs = [str(spec) for spec in rho.columns]
    heads = [
        ColumnHead("metric", row_header=True),
        *(ColumnHead(spec, number=True, data={"metric": spec}) for spec in specs),
    ]
    rows = [
        GridRow(
            [
                make_name_cell(spec),
                *(_make_rho_cell(spec, other, value) for other, value in zip(specs, values, strict=True)),
            ],
            {"metric": spec},
        )
        for spec, values in zip(specs, rho.to_numpy(dtype=float).tolist(), strict=True)
    ]
    counts = sorted({agreement.n for agreement in analysis.agreements})
    n = f"n = {counts[-1]}" if len(counts) == 1 else f"n from {counts[0]} to {counts[-1]}"
    title = f"Agreement of metrics on {analysis.title}"
    return Grid(f"agreement-{analysis.title}", title, heads, rows, [RHO_NOTE.format(n)], "matrix")


def _make_rho_cell(metric: str, other: str, value: float) -> Cell:
    if metric == other:
        return Cell("1", 1.0, css="same")
    css = "rho" + ("" if pd.isna(value) else f" r{round(abs(value) * 5)}{'n' if value < 0 else ''}")
    cell = make_number_cell(value, format_number(value))
    return Cell(cell.text, cell.value, css=css)
