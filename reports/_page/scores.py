"""The section "Scores": for each net, every method by every metric, with its cost; and aggregates of several metrics."""

from collections.abc import Sequence

from ...bench.core.specs import DEFAULT, join_protocol, split_protocol
from ...bench.show.grid import Cell, ColumnHead, Grid, GridRow, make_estimate_cell, make_name_cell, make_number_cell
from ...bench.show.score_table import find_family, find_protocol, make_score_table
from ...bench.stats.aggregates import ADCC_PARTS, estimate_adcc, estimate_win_rate
from ...bench.store.run import Run
from .analysis import NetAnalysis
from .render import fill
from .section import Section


def make_section(runs: Sequence[Run], analyses: Sequence[NetAnalysis]) -> Section:
    """Return the table of scores of each net, and the aggregates of several metrics."""
    metrics = [metric for analysis in analyses for metric in analysis.table.metrics]
    tables = [make_score_table(analysis.table, analysis.title) for analysis in analyses]
    aggregates = [grid for analysis in analyses for grid in make_aggregate_tables(analysis)]
    html = fill(
        "scores.html",
        runs=runs,
        nets=list(zip(analyses, tables, strict=True)),
        aggregates=aggregates,
        families=[*dict.fromkeys(map(find_family, metrics)), "cost"],
        protocols=[*dict.fromkeys(map(find_protocol, metrics))],
    )
    return Section("scores", "Scores", html, tables=[*tables, *aggregates])


def make_aggregate_tables(analysis: NetAnalysis) -> list[Grid]:
    """Make tables of ADCC of means and of win, by each protocol whose metrics they are computed from."""
    grids: list[Grid] = []
    for protocol in dict.fromkeys(split_protocol(metric.spec)[1] for metric in analysis.table.metrics):
        specs = [join_protocol(metric, protocol) for metric in ADCC_PARTS]
        title = analysis.title if protocol == DEFAULT else f"{analysis.title} {protocol}"
        if all(spec in analysis.by_metric for spec in specs):
            grids.append(_make_adcc_table(analysis, specs, title))
        if specs[0] in analysis.by_metric:
            grids.append(_make_win_table(analysis, specs[0], title))
    return grids


def _make_adcc_table(analysis: NetAnalysis, specs: Sequence[str], title: str) -> Grid:
    rows = []
    for method in analysis.table.methods:
        estimate = estimate_adcc(*(analysis.table.values[spec][method] for spec in specs))
        rows.append(
            GridRow(
                [make_name_cell(method), make_estimate_cell(estimate), Cell(str(estimate.n), estimate.n)],
                {"method": method},
            )
        )
    heads = [ColumnHead("method", row_header=True), ColumnHead("ADCC of means ↑", "95 % interval", number=True)]
    note = "The harmonic mean of the means of coherency, 1 - complexity and 1 - average drop."
    return Grid(f"adcc-{title}", f"ADCC of means on {title}", [*heads, ColumnHead("n", number=True)], rows, [note])


def _make_win_table(analysis: NetAnalysis, spec: str, title: str) -> Grid:
    values = analysis.table.values[spec].dropna(axis=1, how="all")
    rows, counts = [], set[int]()
    for method in values:
        cells = [make_name_cell(str(method))]
        for other in values:
            share = estimate_win_rate(values[method], values[other]) if method != other else None
            counts |= {share.n} if share else set()
            cells.append(
                make_number_cell(100 * share.mean, f"{100 * share.mean:.0f}") if share else Cell("–", float("nan"))
            )
        rows.append(GridRow(cells, {"method": str(method)}))
    heads = [ColumnHead("wins over →", row_header=True), *(ColumnHead(str(other), number=True) for other in values)]
    n = f"n = {max(counts, default=0)}" if len(counts) < 2 else f"n from {min(counts)} to {max(counts)}"
    note = f"The percentage of the images that both have on which a method's drop is smaller than the other's; {n}."
    return Grid(f"win-{title}", f"Win % by {spec} on {title}", heads, rows, [note])
