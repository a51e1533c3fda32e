"""The section "Ranking and cost": the methods by each metric on each net, and their scores against their cost."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...bench.core.formatting import format_cost, format_p
from ...bench.show.grid import Cell, ColumnHead, Grid, GridRow, make_estimate_cell, make_name_cell, make_number_cell
from ...bench.stats.paired import Pair
from ...bench.stats.summary import Cost
from .._plots import figures
from .._plots.drawing import Drawing
from .analysis import AXES, MetricAnalysis, NetAnalysis
from .render import fill
from .section import Section
from .text import describe_hardware

MISSING = "–"


@dataclass(frozen=True)
class RankingPanel:
    """The ranking of one metric on one net: its figures and its table."""

    analysis: NetAnalysis
    metric: MetricAnalysis
    ranking: Drawing
    costs: dict[str, Drawing]  # by axis of cost
    table: Grid


def make_section(analyses: Sequence[NetAnalysis]) -> Section | None:
    """Return the ranking and the cost for each net and metric; None if there is no score."""
    panels = [_make_panel(analysis, metric) for analysis in analyses for metric in analysis.by_metric.values()]
    if not panels:
        return None
    hardware = " and ".join(dict.fromkeys(describe_hardware(analysis.run) for analysis in analyses))
    html = fill("ranking.html", panels=panels, hardware=hardware)
    return Section("ranking", "Ranking and cost", html, list(_name_figures(panels)), [panel.table for panel in panels])


def _make_panel(analysis: NetAnalysis, metric: MetricAnalysis) -> RankingPanel:
    subject = figures.FigureSubject(metric.metric, analysis.title, analysis.styles)
    drawings = {
        axis: figures.draw_costs(subject, metric.ranking, analysis.table.costs, axis=axis, front=metric.fronts[axis])
        for axis in AXES
    }
    costs = {axis: drawing for axis, drawing in drawings.items() if drawing}
    return RankingPanel(
        analysis,
        metric,
        figures.draw_ranking(subject, metric.ranking),
        costs,
        _make_ranking_table(analysis, metric),
    )


def _name_figures(panels: Sequence[RankingPanel]) -> Iterator[tuple[str, Drawing]]:
    for panel in panels:
        subject = f"{panel.analysis.title}-{panel.metric.metric.spec}"
        yield f"ranking-{subject}", panel.ranking
        for axis, drawing in panel.costs.items():
            yield f"{axis}-{subject}", drawing


def _make_ranking_table(analysis: NetAnalysis, metric: MetricAnalysis) -> Grid:
    spec, ranking = metric.metric.spec, metric.ranking
    heads = [
        ColumnHead("rank", number=True), ColumnHead("method", row_header=True),
        ColumnHead("mean", "95 % interval", number=True),
        ColumnHead("n", number=True), ColumnHead("against the next method", "Holm-corrected"),
        ColumnHead("best method against this one", "Holm-corrected"), ColumnHead("against the controls"),
        ColumnHead("seconds", "per image", number=True), ColumnHead("forwards", "per image", number=True),
    ]  # fmt: skip
    rows = [_make_ranking_row(analysis, metric, rank) for rank in range(1, len(ranking.methods) + 1)]
    notes = (
        [f"Not ranked, because they have scores on too few images: {', '.join(ranking.left_out)}."]
        if ranking.left_out
        else []
    )
    caption = f"Ranking on {analysis.title} by {spec}, {metric.metric.better} is better"
    return Grid(f"ranking-{analysis.title}-{spec}", caption, heads, rows, notes)


def _make_ranking_row(analysis: NetAnalysis, metric: MetricAnalysis, rank: int) -> GridRow:
    ranked, best = metric.ranking.methods[rank - 1], metric.ranking.best
    cells = [
        Cell(str(rank), rank), make_name_cell(ranked.method),
        make_estimate_cell(ranked.estimate, bold=best is not None and ranked.method == best.method),
        Cell(str(ranked.estimate.n), ranked.estimate.n), _make_next_cell(ranked.next_pair), _make_best_cell(ranked.best_pair),
        _make_controls_cell(metric, ranked.method), *_make_cost_cells(analysis.table.costs.get(ranked.method)),
    ]  # fmt: skip
    return GridRow(cells, {"method": ranked.method}, "control" if ranked.control else "")


def _make_cost_cells(cost: Cost | None) -> list[Cell]:
    if cost is None:
        return [Cell(MISSING, float("nan"))] * 2
    return [make_number_cell(value, format_cost(value)) for value in (cost.seconds, cost.forwards)]


def _make_next_cell(pair: Pair | None) -> Cell:
    """Return the method against the next one in the ranking."""
    if pair is None or pair.verdict == "undecided":
        return _make_undecided_cell(pair)
    return Cell("ahead", float(pair.corrected_p), format_p(pair.corrected_p, "p"), "better")


def _make_best_cell(pair: Pair | None) -> Cell:
    """Return the best method against this one."""
    if pair is None or pair.verdict == "undecided":
        return _make_undecided_cell(pair)
    return Cell(pair.verdict, float(pair.corrected_p), format_p(pair.corrected_p, "p"))


def _make_undecided_cell(pair: Pair | None) -> Cell:
    if pair is None:
        return Cell(MISSING, 2.0)
    needed = f"{pair.images_needed_text} would decide" if pair.images_needed_text else ""
    return Cell("undecided", 1 + pair.corrected_p, pair.ties_text or needed, "undecided")


def _make_controls_cell(metric: MetricAnalysis, method: str) -> Cell:
    comparisons = [comparison for comparison in metric.comparisons if comparison.method == method]
    if not comparisons:
        return Cell(MISSING, -1)
    won = sum(comparison.verdict == "better" for comparison in comparisons)
    lost = [comparison.control for comparison in comparisons if comparison.verdict == "worse"]
    css = "worse" if lost else "better" if won == len(comparisons) else "undecided"
    small = f"behind {', '.join(lost)}" if lost else ""
    return Cell(f"beats {won} of {len(comparisons)}", won - len(lost), small, css)
