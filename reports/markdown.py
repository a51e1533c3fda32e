"""Tables for a README or an issue: the answer, means with 95 % intervals and costs per net, reasons, protocol."""

from collections.abc import Iterator

from ..bench.core.formatting import format_count, join_names, make_title
from ..bench.core.markdown import escape
from ..bench.published import published
from ..bench.published import table as published_table
from ..bench.show.answer_matrix import RACE_NOTE, make_answer_matrix
from ..bench.show.protocols import describe_protocols
from ..bench.show.race_table import make_race_table
from ..bench.show.score_table import make_score_table
from ..bench.stats.controls import find_metrics_won, find_unbeaten_controls
from ..bench.store.run import Run
from ._page.analysis import NetAnalysis, analyse
from ._page.text import COMPUTATION, describe_progress, describe_run
from ._tables.markdown import format_lines

VERSION = 2


def render(run: Run) -> str:
    """Render the scores and the protocol of a run as Markdown."""
    analyses = analyse([run])
    lines = [f"# {escape(make_title(run.name, run.header.suite.dataset))}", "", escape(describe_run(run))]
    if progress := describe_progress(analyses):
        lines += ["", f"**{escape(progress)}**"]
    answers = [(analysis.table.net, text) for analysis in analyses if (text := analysis.answer_text)]
    lines += ["", *(f"- **{escape(net)}**: {escape(text)}." for net, text in answers)] if answers else []
    for analysis in analyses:
        if analysis.table.race:
            grid = make_race_table(analysis.table.race, analysis.title)
            lines += ["", f"## {escape(grid.caption)}", "", *format_lines(grid)]
    for analysis in analyses:
        lines += ["", f"## {escape(analysis.table.net)}", "", *_describe_net(analysis)]
    if reproductions := published.find_reproductions(run):
        lines += ["", *published_table.format_markdown(reproductions, level=2).splitlines()]
    words = describe_protocols(run.header)
    protocols = [f"**{escape(metric)}**: {escape(text)}" for metric, text in words.own.items()]
    protocols += [f"All metrics: {escape(words.shared)}"] if words.shared else []
    lines += ["", *_format_list("Protocol", protocols), "", *_format_list("How the numbers are computed", COMPUTATION)]
    environment = [f"{escape(key)}: {escape(value)}" for key, value in run.header.environment.items()]
    return "\n".join([*lines, "", *_format_list("Environment", environment)]) + "\n"


def _format_list(title: str, items: list[str] | tuple[str, ...]) -> list[str]:
    return [f"## {title}", "", *(f"- {item}" for item in items)]


def _describe_net(analysis: NetAnalysis) -> Iterator[str]:
    table = analysis.table
    if not table.images:
        yield "No image is complete yet."
        return
    layer = f"Layer {escape(table.layer)}, " if table.layer else ""
    yield f"{layer}{format_count(table.images, 'image')}, {escape(table.precision)}: {escape(table.accuracy)}."
    yield ""
    if answer := analysis.answer:
        matrix = make_answer_matrix(table, answer, analysis.standings, analysis.title)
        yield from (*format_lines(matrix), "", *matrix.notes, "")
    grid = make_score_table(table, analysis.title)
    yield from format_lines(grid)
    yield ""
    notes = analysis.run.header.nets[table.net].notes
    yield from (f"- {escape(line)}" for line in (*grid.notes, *_describe_controls(analysis), *notes))


def _describe_controls(analysis: NetAnalysis) -> Iterator[str]:
    """Yield sentences on the methods that beat the controls, and on the controls that no method beats."""
    if not analysis.table.controls:
        return
    controls = join_names(analysis.table.controls)
    comparisons = [comparison for metric in analysis.by_metric.values() for comparison in metric.comparisons]
    if analysis.table.race:
        yield RACE_NOTE
    for method, metrics in find_metrics_won(comparisons).items():
        names = f": {', '.join(metrics)}" if metrics else ""
        by_metric = {each.metric.spec: each.pair.n for each in comparisons if each.method == method and each.pair}
        most = max(by_metric.values())
        few = f" on {format_count(most, 'image')}" if most < analysis.table.images else ""
        yield f"{method} beats {controls} on {len(metrics)} of {format_count(len(by_metric), 'metric')}{few}{names}."
    for key, group in find_unbeaten_controls(comparisons).items():
        behind = [comparison for comparison in group if comparison.verdict == "worse"]
        counts = [comparison.pair.n for comparison in behind or group if comparison.pair]
        least, most = min(counts), max(counts)
        why = "the comparison is undecided" if most > 1 else "there is no interval"
        if behind:
            why = f"the control is better than {', '.join(comparison.method for comparison in behind)}"
        images = format_count(most, "image") if least == most else f"{least} to {format_count(most, 'image')}"
        yield f"{key}: no method is better; {why} ({images})."
