"""The section "Scores": for each net, every method by every metric, with its cost; and aggregates of several metrics."""

from collections.abc import Sequence

from ...bench.core.formatting import MEGABYTE
from ...bench.core.specs import DEFAULT, join_protocol, split_protocol
from ...bench.show.terminal import format_cost
from ...bench.stats.aggregates import ADCC_PARTS, estimate_adcc, estimate_win_rate
from ...bench.stats.mean_scores import Metric
from ...bench.stats.notes import describe_gaps
from ...bench.store.run import Run
from .._tables.grid import Cell, ColumnHead, Grid, GridRow, make_estimate_cell, make_name_cell, make_number_cell
from .analysis import NetAnalysis
from .render import fill
from .section import Section
from .text import number_reasons

NOT_AVAILABLE = Cell("n/a", float("nan"), css="none")
COST_HEADS = (("seconds", "per image alone"), ("images a second", ""), ("forwards", "per image"), ("peak MB", ""))


def make_section(runs: Sequence[Run], analyses: Sequence[NetAnalysis]) -> Section:
    """Return the table of scores of each net, and the aggregates of several metrics."""
    metrics = [metric for analysis in analyses for metric in analysis.table.metrics]
    tables = [make_score_table(analysis) for analysis in analyses]
    aggregates = [grid for analysis in analyses for grid in make_aggregate_tables(analysis)]
    html = fill(
        "scores.html",
        runs=runs,
        nets=list(zip(analyses, tables, strict=True)),
        aggregates=aggregates,
        families=[*dict.fromkeys(map(_find_family, metrics)), "cost"],
        protocols=[*dict.fromkeys(map(_find_protocol, metrics))],
    )
    return Section("scores", "Scores", html, tables=[*tables, *aggregates])


def make_score_table(analysis: NetAnalysis) -> Grid:
    """Make the table of every method by every metric, and its cost, for the page, Markdown and LaTeX alike."""
    table, reasons = analysis.table, number_reasons(analysis.table)
    heads = [ColumnHead("method", row_header=True), *(_make_head(analysis, metric) for metric in table.metrics)]
    heads += [ColumnHead(text, small, number=True, data={"family": "cost"}) for text, small in COST_HEADS]
    rows = [
        GridRow(
            [make_name_cell(method), *(_make_score_cell(analysis, method, metric, reasons) for metric in table.metrics),
             *_make_cost_cells(analysis, method)],
            {"method": method}, "control" if method in table.controls else "",
        )
        for method in table.methods
    ]  # fmt: skip
    notes = [f"({number}) {reason}." for reason, number in reasons.items()]
    notes += [f"{line}." for line in describe_gaps(table, lambda metric: metric.spec)]
    caption = f"Mean and 95 % interval by every metric on {analysis.title}"
    return Grid(f"scores-{analysis.title}", caption, heads, rows, notes)


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
    rows, count = [], 0
    for method in values:
        cells = [make_name_cell(str(method))]
        for other in values:
            share = estimate_win_rate(values[method], values[other]) if method != other else None
            count = max(count, share.n if share else 0)
            cells.append(
                make_number_cell(100 * share.mean, f"{100 * share.mean:.0f}") if share else Cell("–", float("nan"))
            )
        rows.append(GridRow(cells, {"method": str(method)}))
    heads = [ColumnHead("wins over →", row_header=True), *(ColumnHead(str(other), number=True) for other in values)]
    note = f"The percentage of images on which a method's drop is smaller than the other's; n = {count}."
    return Grid(f"win-{title}", f"Win % by {spec} on {title}", heads, rows, [note])


def _make_head(analysis: NetAnalysis, metric: Metric) -> ColumnHead:
    count = analysis.table.count(metric)
    data = {"family": _find_family(metric), "protocol": _find_protocol(metric), "metric": metric.spec}
    tooltip = f"{metric.description} {metric.caveat}".strip()
    return ColumnHead(f"{metric.spec} {metric.arrow}", f"n = {count}" if count else "", tooltip, number=True, data=data)


def _find_family(metric: Metric) -> str:
    return metric.family or "metrics"


def _find_protocol(metric: Metric) -> str:
    return split_protocol(metric.spec)[1]


def _make_score_cell(analysis: NetAnalysis, method: str, metric: Metric, reasons: dict[str, int]) -> Cell:
    mean_score = analysis.table.find_mean_score(method, metric)
    if mean_score.reason:
        return Cell(f"n/a ({reasons[mean_score.reason]})", float("nan"), css="none")
    cell = make_estimate_cell(mean_score.estimate, bold=method in analysis.table.find_best(metric))
    if analysis.table.count(metric) is not None:
        return cell
    small = f"{cell.small}, n = {mean_score.estimate.n}".removeprefix(", ")
    return Cell(cell.text, cell.value, small, cell.css, cell.bold, cell.estimate)


def _make_cost_cells(analysis: NetAnalysis, method: str) -> list[Cell]:
    cost = analysis.table.costs.get(method)
    if cost is None:
        return [NOT_AVAILABLE] * len(COST_HEADS)
    low, high = cost.quartiles
    speed, batch = cost.images_per_second, f"in a batch of {cost.batch}"
    return [
        make_number_cell(cost.seconds, format_cost(cost.seconds), f"{format_cost(low)} to {format_cost(high)}"),
        make_number_cell(speed, format_cost(speed), batch),
        make_number_cell(cost.forwards, format_cost(cost.forwards)),
        make_number_cell(cost.peak_bytes / MEGABYTE, format_cost(cost.peak_bytes / MEGABYTE)),
    ]
