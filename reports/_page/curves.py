"""The section "Curves": the mean curve of each method, for each net and each metric that has curves."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...bench.stats.bands import Bands, compute_bands
from .._plots import figures
from .._plots.drawing import Drawing, draw_swatch
from .._plots.svg import make_element as svg
from .analysis import NetAnalysis
from .render import fill
from .section import Section


@dataclass(frozen=True)
class Curves:
    """The curves of one metric on one net."""

    analysis: NetAnalysis
    metric: str
    bands: Bands
    drawing: Drawing | None  # None if no image has a curve of all methods


def make_section(analyses: Sequence[NetAnalysis]) -> Section | None:
    """Return the mean curves of the methods for each net and metric; None if no metric has curves."""
    curves = list(_draw_curves(analyses))
    if not curves:
        return None
    legend = {method: svg(draw_swatch(style)) for method, style in analyses[0].styles.items()}
    drawings = [(f"curves-{each.analysis.title}-{each.metric}", each.drawing) for each in curves if each.drawing]
    return Section("curves", "Curves", fill("curves.html", curves=curves, legend=legend), drawings)


def _draw_curves(analyses: Sequence[NetAnalysis]) -> Iterator[Curves]:
    for analysis in analyses:
        curves = analysis.curves
        curves = curves[curves["shares"].map(len) > 1]
        for metric in analysis.table.metrics:
            if len(rows := curves[curves["metric"] == metric.spec]):
                subject = figures.FigureSubject(metric, analysis.title, analysis.styles)
                bands = compute_bands(rows, analysis.table.methods)
                drawing = figures.draw_curves(subject, bands.by_method) if bands.images else None
                yield Curves(analysis, metric.spec, bands, drawing)
