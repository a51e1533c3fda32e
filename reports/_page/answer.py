"""The first section of the page, "The answer": which method to take for each need, how certain that is, and its cost."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Any

from ...bench.core.formatting import format_cost, format_p
from ...bench.show.grid import Cell, ColumnHead, Grid, GridRow, make_estimate_cell, make_name_cell, make_number_cell
from ...bench.stats.answer import STATES, find_answer
from ...bench.stats.paired import Pair
from ...bench.stats.ranking import RankedMethod
from ...bench.stats.recommend import NEEDS, Recommendation
from ...bench.stats.summary import Cost
from .._plots import figures
from .._plots.drawing import Drawing
from .analysis import AXES, MetricAnalysis, NetAnalysis
from .confidence import describe_certainty, describe_score, list_caveats, summarise
from .render import fill
from .section import Section

MISSING = "–"


@dataclass(frozen=True)
class AnswerPanel:
    """The ranking of one metric on one net: its figures and its table."""

    key: str
    analysis: NetAnalysis
    metric: MetricAnalysis
    ranking: Drawing
    costs: dict[str, Drawing]  # by axis of cost
    table: Grid


@dataclass(frozen=True)
class Advice:
    """A recommendation in words."""

    need: str
    method: str | None
    score: str  # with the cost; or the reason why there is no recommendation
    certainty: str


def make_section(analyses: Sequence[NetAnalysis]) -> Section:
    """Return the advice for each need on the first net that has scores, then ranking and cost for each net and metric."""
    first = next((analysis for analysis in analyses if analysis.primary), None)
    primary = first.primary if first else None
    panels = [_make_panel(analysis, metric) for analysis in analyses for metric in analysis.by_metric.values()]
    overview = make_overview(analyses)
    html = fill(
        "answer.html",
        first=first,
        primary=primary,
        answers=[(analysis.title, answer) for analysis in analyses if (answer := find_answer(analysis.table))],
        states=STATES,
        advice=make_advice(first, primary) if first and primary else [],
        caveats=list_caveats(primary) if primary else [],
        overview=overview,
        panels=panels,
    )
    tables = [*([overview] if overview else []), *(panel.table for panel in panels)]
    return Section("answer", "The answer", html, list(_name_figures(panels)), tables)


def make_advice(analysis: NetAnalysis, metric: MetricAnalysis) -> list[Advice]:
    """Put the recommendation for each need into words."""
    return [_make_advice(analysis, metric, recommendation) for recommendation in metric.recommendations]


def make_overview(analyses: Sequence[NetAnalysis]) -> Grid | None:
    """Return a row per net: the method recommended for each need, by the net's primary metric."""
    rows = [
        GridRow(
            [make_name_cell(analysis.title), make_name_cell(f"{metric.metric.spec} {metric.metric.arrow}")]
            + [Cell(summarise(metric, recommendation)) for recommendation in metric.recommendations]
            + [Cell(str(metric.ranking.n), metric.ranking.n)],
            {"net": analysis.table.net, "run": analysis.run_label},
        )
        for analysis in analyses
        if (metric := analysis.primary)
    ]
    heads = [
        ColumnHead("net", row_header=True),
        ColumnHead("by"),
        *(ColumnHead(need) for need in NEEDS),
        ColumnHead("n", number=True),
    ]
    return Grid("recommended", "Recommended method on each net", heads, rows) if rows else None


def make_script_data(analyses: Sequence[NetAnalysis]) -> list[dict[str, Any]]:
    """Return the data from which the script of the page answers for another net, metric or need."""
    return [
        {
            "key": analysis.key,
            "title": analysis.title,
            "metrics": [
                {"spec": spec, "caveats": list_caveats(metric), "methods": _list_choices(analysis, metric)}
                for spec, metric in analysis.by_metric.items()
            ],
            "primary": list(analysis.by_metric).index(primary.metric.spec),
        }
        for analysis in analyses
        if (primary := analysis.primary)
    ]


def _list_choices(analysis: NetAnalysis, metric: MetricAnalysis) -> list[dict[str, Any]]:
    """Return the methods that can be recommended, the best first."""
    return [_make_choice(analysis, metric, ranked) for ranked in metric.ranking.methods if not ranked.control]


def _make_choice(analysis: NetAnalysis, metric: MetricAnalysis, ranked: RankedMethod) -> dict[str, Any]:
    cost = analysis.table.costs.get(ranked.method)
    costs = {axis: None if cost is None or isnan(getattr(cost, axis)) else getattr(cost, axis) for axis in AXES}
    words = {"score": describe_score(metric, ranked, cost), "certainty": describe_certainty(metric, ranked)}
    return {"method": ranked.method, "relative_score": metric.ranking.compute_relative_score(ranked), **costs, **words}


def _make_advice(analysis: NetAnalysis, metric: MetricAnalysis, recommendation: Recommendation) -> Advice:
    need, method = recommendation.need, recommendation.method
    ranked = next((ranked for ranked in metric.ranking.methods if ranked.method == method), None)
    if ranked is None:
        return Advice(need, None, f"{recommendation.reason}.", "")
    score = describe_score(metric, ranked, analysis.table.costs.get(ranked.method))
    return Advice(need, method, score, describe_certainty(metric, ranked))


def _make_panel(analysis: NetAnalysis, metric: MetricAnalysis) -> AnswerPanel:
    key = f"{analysis.key}-{list(analysis.by_metric).index(metric.metric.spec)}"
    subject = figures.FigureSubject(metric.metric, analysis.title, analysis.styles)
    drawings = {
        axis: figures.draw_costs(subject, metric.ranking, analysis.table.costs, axis=axis, front=metric.fronts[axis])
        for axis in AXES
    }
    costs = {axis: drawing for axis, drawing in drawings.items() if drawing}
    return AnswerPanel(
        key,
        analysis,
        metric,
        figures.draw_ranking(subject, metric.ranking),
        costs,
        _make_ranking_table(analysis, metric),
    )


def _name_figures(panels: Sequence[AnswerPanel]) -> Iterator[tuple[str, Drawing]]:
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
    notes = [f"Without a score: {', '.join(ranking.left_out)}."] if ranking.left_out else []
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
    return Cell("undecided", 1 + pair.corrected_p, needed, "undecided")


def _make_controls_cell(metric: MetricAnalysis, method: str) -> Cell:
    comparisons = [comparison for comparison in metric.comparisons if comparison.method == method]
    if not comparisons:
        return Cell(MISSING, -1)
    won = sum(comparison.verdict == "better" for comparison in comparisons)
    lost = [comparison.control for comparison in comparisons if comparison.verdict == "worse"]
    css = "worse" if lost else "better" if won == len(comparisons) else "undecided"
    small = f"behind {', '.join(lost)}" if lost else ""
    return Cell(f"beats {won} of {len(comparisons)}", won - len(lost), small, css)
