"""The first section, "The answer": which method to take on each net, how certain that is, and what the maps show."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ...bench.show.answer_matrix import make_answer_matrix
from ...bench.show.grid import Grid
from ...bench.stats.answer import STATES, Answer
from .analysis import MetricAnalysis, NetAnalysis
from .confidence import describe_certainty, list_caveats
from .render import fill
from .section import Section
from .strips import Strip, make_scale, make_strips

BALANCED = "several kinds of metric"


@dataclass(frozen=True)
class AnswerPanel:
    """The answer for one net, with how the methods stand by each metric, and pictures."""

    analysis: NetAnalysis
    answer: Answer
    caveats: list[str]
    matrix: Grid
    strips: list[Strip]


def make_section(analyses: Sequence[NetAnalysis]) -> Section:
    """Return the answer for each net that has scores."""
    panels = [_make_panel(analysis, analysis.answer) for analysis in analyses if analysis.answer]
    html = fill(
        "answer.html",
        panels=panels,
        without_answer={
            analysis.title: analysis.answer_text
            for analysis in analyses
            if analysis.answer is None and analysis.answer_text
        },
        states=STATES,
        scale=make_scale() if any(panel.strips for panel in panels) else "",
        without_controls=bool(panels) and not any(panel.analysis.table.controls for panel in panels),
    )
    return Section("answer", "The answer", html, tables=[panel.matrix for panel in panels])


def make_script_data(analyses: Sequence[NetAnalysis]) -> list[dict[str, Any]]:
    """Return the answers that the script of the page shows for a chosen net, by several metrics or by one."""
    return [
        {
            "key": analysis.key, "title": analysis.title, "choices": list(_list_choices(analysis, analysis.answer)),
            "primary": primary.metric.spec,
        }
        for analysis in analyses
        if analysis.answer and (primary := analysis.primary)
    ]  # fmt: skip


def _make_panel(analysis: NetAnalysis, answer: Answer) -> AnswerPanel:
    matrix = make_answer_matrix(analysis.table, answer, analysis.standings, analysis.title)
    primary = analysis.by_metric[answer.by[0].metric.spec]
    strips = make_strips(analysis, primary, [row.data["method"] for row in matrix.rows])
    return AnswerPanel(analysis, answer, _list_caveats(analysis, answer), matrix, strips)


def _list_choices(analysis: NetAnalysis, answer: Answer) -> Iterator[dict[str, Any]]:
    """Yield the balanced answer and, if there are several metrics, that by each of them."""
    yield _make_choice(analysis, answer, BALANCED, [])
    for spec, metric in analysis.by_metric.items():
        if of_metric := analysis.find_answer(spec):
            yield _make_choice(analysis, of_metric, spec, [_describe(metric, of_metric)])


def _make_choice(analysis: NetAnalysis, answer: Answer, by: str, details: list[str]) -> dict[str, Any]:
    caveats = _list_caveats(analysis, answer)
    return {
        "by": by, "metrics": [of_metric.metric.spec for of_metric in answer.by], "state": answer.state,
        "label": STATES[answer.state], "text": answer.text, "details": details, "caveats": caveats,
    }  # fmt: skip


def _describe(metric: MetricAnalysis, answer: Answer) -> str:
    """Say which comparisons of the method to take, or of the best one, are decided."""
    ranked = next((ranked for ranked in metric.ranking.methods if ranked.method == answer.take), metric.ranking.best)
    return f"{ranked.method}: {describe_certainty(metric, ranked)}" if ranked else ""


def _list_caveats(analysis: NetAnalysis, answer: Answer) -> list[str]:
    return [line for of_metric in answer.by for line in list_caveats(analysis.by_metric[of_metric.metric.spec])]
