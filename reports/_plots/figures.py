"""The figures: a ranking with its intervals, faithfulness against cost, curves with bands, values by image."""

from collections.abc import Mapping, Sequence
from math import isnan

import numpy as np

from ...bench.core.formatting import number, plural
from ...bench.stats.estimate import Floats
from ...bench.stats.ranking import Ranking
from ...bench.stats.summary import Cost, Metric
from .axes import Scale, around, below, beside
from .bands import Band
from .drawing import LETTER, Drawing, Style

Styles = Mapping[str, Style]

WIDTH, ROW = 520.0, 20.0  # of a figure of rows
NAMES = 26  # letters of a name, at the most
BINS = 28


def ranked(ranking: Ranking, metric: Metric, net: str, styles: Styles) -> Drawing:
    """A dot and an interval for each method, the best on top; a band over the interval of the best one."""
    places = ranking.places
    said = ", ".join(f"{place.method} {number(place.estimate.mean)}" for place in places)
    label = f"Ranking on {net} by {metric.spec}, {metric.better} is better, {plural(ranking.n, 'image')}: {said}."
    known = [end for place in places for end in place.estimate[:3] if not isnan(end)]
    drawing, scale = _rows([place.method for place in places], known, f"{metric.spec} {metric.arrow}", label)
    best = ranking.best
    if best and not isnan(best.estimate.low):
        ends = (scale(best.estimate.low), scale(best.estimate.high))
        drawing.box(ends[0], 4, ends[1], 8 + ROW * len(places), "accent", opacity=0.1)
    for row, place in enumerate(places):
        y, (mean, low, high, _) = _middle(row), place.estimate
        if not isnan(low):
            drawing.line([(scale(low), y), (scale(high), y)], styles[place.method].colour, width=2, of=place.method)
        drawing.mark(scale(mean), y, styles[place.method], 4.2, of=place.method)
        drawing.text(WIDTH - 4, y, number(mean), anchor="end", size=11, of=place.method)
    return drawing


def costs(
    ranking: Ranking, metric: Metric, net: str, known: Mapping[str, Cost], axis: str, front: Sequence[str],
    styles: Styles,
) -> Drawing | None:  # fmt: skip
    """A metric against seconds or forwards; the front is a line, and its methods are named. None where no cost is known."""
    shown = [one for one in ranking.places if not isnan(_cost(known, one.method, axis))]
    if not shown:
        return None
    label = f"{metric.spec} ({metric.better} is better) against {axis} an image on {net}. "
    label += f"No other method is both cheaper and better than {', '.join(front)}." if front else ""
    drawing = Drawing(WIDTH, 330, label)
    across = _cheap([_cost(known, one.method, axis) for one in shown], axis)
    up = Scale(*around([end for one in shown for end in one.estimate[:3] if not isnan(end)]), 285, 12)
    below(drawing, across, 12, 285, f"{axis} an image, logarithmic")
    beside(drawing, up, 66, WIDTH - 10, f"{metric.spec} {metric.arrow}")
    of = {one.method: (across(_cost(known, one.method, axis)), up(one.estimate.mean)) for one in shown}
    if len(front) > 1:
        drawing.line([of[method] for method in front], "accent", width=1.4, dashes=(4.0, 3.0))
    for one in shown:
        x, y = of[one.method]
        if not isnan(one.estimate.low):
            ends = [(x, up(one.estimate.low)), (x, up(one.estimate.high))]
            drawing.line(ends, styles[one.method].colour, width=1.2, of=one.method)
        drawing.mark(x, y, styles[one.method], 4.6, of=one.method)
    _named(drawing, {method: of[method] for method in front}, list(of.values()))
    return drawing


def curves(bands: Mapping[str, Band], metric: Metric, net: str, styles: Styles) -> Drawing:
    """The mean curve of each method, with its band."""
    label = f"Mean {metric.spec} curves on {net} with 95 % bands, for {', '.join(bands)}; {metric.better} is better."
    drawing = Drawing(WIDTH, 330, label)
    ends = [float(end) for one in bands.values() for end in (one.low.min(), one.high.max())]
    across, up = Scale(0, 1, 66, WIDTH - 14), Scale(min(0.0, *ends), max(1.0, *ends), 285, 12)
    below(drawing, across, 12, 285, "share of pixels traded")
    beside(drawing, up, 66, WIDTH - 10, "score of the class explained")
    for method, one in bands.items():
        style = styles[method]
        xs = [across(share) for share in one.shares]
        outline = [*zip(xs, map(up, one.high), strict=True), *reversed([*zip(xs, map(up, one.low), strict=True)])]
        drawing.area(outline, style.colour, opacity=0.13, of=method)
        middle = [*zip(xs, map(up, one.mean), strict=True)]
        drawing.line(middle, style.colour, width=1.8, dashes=style.dashes, of=method)
        for x, y in middle[:: max(1, len(middle) // 5)]:
            drawing.mark(x, y, style, 3.2, of=method)
    return drawing


def spread(values: Mapping[str, Floats], metric: Metric, net: str, styles: Styles) -> Drawing:
    """The values by image: a hill of how often, the middle half as a bar, the median as a mark."""
    count = max(map(len, values.values()))
    label = f"{metric.spec} image by image on {net}, {plural(count, 'image')}; median: "
    label += ", ".join(f"{method} {number(float(np.median(own)))}" for method, own in values.items()) + "."
    known = [float(end) for own in values.values() for end in (own.min(), own.max())]
    drawing, scale = _rows(list(values), known, f"{metric.spec} {metric.arrow}, image by image", label)
    for row, (method, own) in enumerate(values.items()):
        y, style = _middle(row) + 7, styles[method]
        times, edges = np.histogram(own, BINS, (scale.low, scale.high))
        tops = [
            (scale((a + b) / 2), y - 14 * n / times.max()) for a, b, n in zip(edges, edges[1:], times, strict=False)
        ]
        drawing.area([(scale.start, y), *tops, (scale.end, y)], style.colour, opacity=0.28, of=method)
        low, middle, high = np.percentile(own, [25, 50, 75])
        drawing.line([(scale(low), y), (scale(high), y)], style.colour, width=2.4, of=method)
        drawing.mark(scale(middle), y, style, 3.4, of=method)
    return drawing


def _rows(methods: Sequence[str], known: list[float], title: str, label: str) -> tuple[Drawing, Scale]:
    """A sheet with a row for each method, and the scale along its bottom."""
    shown = [method if len(method) <= NAMES else method[: NAMES - 1] + "…" for method in methods]
    left = 14 + LETTER * 12 * max(map(len, shown))
    bottom = 8 + ROW * len(methods)
    drawing = Drawing(WIDTH, bottom + 40, label)
    scale = Scale(*around(known), left, WIDTH - 52)
    below(drawing, scale, 4, bottom, title)
    for row, (method, text) in enumerate(zip(methods, shown, strict=True)):
        drawing.text(left - 8, _middle(row), text, anchor="end", of=method)
    return drawing, scale


def _middle(row: int) -> float:
    return 8 + ROW * (row + 0.5)


def _cost(known: Mapping[str, Cost], method: str, axis: str) -> float:
    return float(getattr(known[method], axis)) if method in known else float("nan")


def _cheap(values: list[float], axis: str) -> Scale:
    """Seconds on a plain logarithm; forwards linear below 1, as a control may do no work at all."""
    if axis == "forwards":
        return Scale(-0.2, max(2.0, *values) * 1.5, 66, WIDTH - 14, log=True, linear=1.0)
    known = [one for one in values if one > 0] or [1.0]
    return Scale(min(known) / 1.6, max(known) * 1.6, 66, WIDTH - 14, log=True)


def _named(drawing: Drawing, of: Mapping[str, tuple[float, float]], marks: Sequence[tuple[float, float]]) -> None:
    """Names beside marks, each at the first of four places that is free; without one where none is."""
    taken = [(x - 5, y - 5, x + 5, y + 5) for x, y in marks]
    for method, (x, y) in of.items():
        width = LETTER * 11 * len(method)
        for left, middle in ((x - width - 8, y - 8), (x + 8, y - 8), (x - width - 8, y + 10), (x + 8, y + 10)):
            box = (left, middle - 6, left + width, middle + 6)
            if box[0] < 68 or box[2] > WIDTH or any(_meet(box, other) for other in taken):
                continue
            drawing.text(left, middle, method, size=11, of=method)
            taken.append(box)
            break


def _meet(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
