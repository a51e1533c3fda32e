"""The section "Image by image": how the scores of a method spread over the images."""

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from ...bench.core.formatting import format_number
from ...bench.stats.mean_scores import is_binary
from .._plots import figures
from .._plots.drawing import Drawing, Link
from .analysis import NetAnalysis
from .images import list_anchors
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
    anchors = list_anchors(analysis)
    for spec, metric in analysis.by_metric.items():
        table = analysis.table.values[spec]
        scores = {ranked.method: table[ranked.method].dropna() for ranked in metric.ranking.methods}
        if not is_binary(metric.metric.unit) and any(len(of_method) > 1 for of_method in scores.values()):
            subject = figures.FigureSubject(metric.metric, analysis.title, analysis.styles)
            values = {method: of_method.to_numpy() for method, of_method in scores.items()}
            links = {method: _make_links(of_method, anchors) for method, of_method in scores.items()}
            yield spec, figures.draw_spread(subject, values, links)


def _make_links(scores: "pd.Series[float]", anchors: Mapping[str, str]) -> list[Link | None]:
    """Make a link of each score to the row of its image in the table of images; None for an image that it does not have."""
    images = scores.index.get_level_values("image").astype(str)
    return [
        Link(anchors[image], f"{image}: {format_number(score)}") if image in anchors else None
        for image, score in zip(images, scores.tolist(), strict=True)
    ]
