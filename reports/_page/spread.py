"""The section "Image by image": how the scores of a method spread over the images."""

from collections.abc import Iterator, Sequence

from ...bench.stats.mean_scores import is_binary
from .._plots import figures
from .._plots.drawing import Drawing
from .analysis import NetAnalysis
from .render import fill
from .section import Section


def make_section(analyses: Sequence[NetAnalysis]) -> Section | None:
    """Return the scores of the single images for each net and metric; None if there is none to show."""
    spreads = [(analysis, drawings) for analysis in analyses if (drawings := dict(_draw_spreads(analysis)))]
    if not spreads:
        return None
    named_drawings = [
        (f"images-{analysis.title}-{spec}", drawing)
        for analysis, drawings in spreads
        for spec, drawing in drawings.items()
    ]
    return Section("spread", "Image by image", fill("spread.html", spreads=spreads), named_drawings)


def _draw_spreads(analysis: NetAnalysis) -> Iterator[tuple[str, Drawing]]:
    """Yield a figure for each metric, the best method on top; binary metrics have none."""
    for spec, metric in analysis.by_metric.items():
        table = analysis.table.values[spec]
        values = {ranked.method: table[ranked.method].dropna().to_numpy() for ranked in metric.ranking.methods}
        if not is_binary(metric.metric.unit) and any(len(scores) > 1 for scores in values.values()):
            yield (
                spec,
                figures.draw_spread(figures.FigureSubject(metric.metric, analysis.title, analysis.styles), values),
            )
