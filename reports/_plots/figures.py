"""The figures: a ranking with intervals, a metric against cost, curves with bands, scores image by image, the legend."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, isnan

import numpy as np

from ...bench.core.formatting import format_count, format_number
from ...bench.stats.bands import Band
from ...bench.stats.estimate import Floats
from ...bench.stats.mean_scores import Metric
from ...bench.stats.ranking import RankedMethod, Ranking
from ...bench.stats.summary import Cost
from .axes import Scale, draw_bottom_axis, draw_left_axis, pad
from .drawing import LETTER, Drawing, Link, Style, draw_swatch

WIDTH, HEIGHT, ROW = 520.0, 330.0, 20.0
TOP, BOTTOM, LEFT, RIGHT = 12.0, 285.0, 66.0, WIDTH - 14  # of the plot in a figure with two axes
MARGIN = 12.0  # of the legend
NAMES = 26  # characters of a name, at most
RADIUS = 2.1  # of the dot of an image
CLOSE = 24  # dots in one place, at most: more would not be seen
SMALL = 11.0  # font size
CORNER = "better and cheaper"

Point = tuple[float, float]
Box = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True)
class FigureSubject:
    """What a figure shows: a metric on a net, with the styles of the methods."""

    metric: Metric
    net: str
    styles: Mapping[str, Style]


def draw_ranking(subject: FigureSubject, ranking: Ranking) -> Drawing:
    """Draw a mark and an interval for each method, the best on top, and a band over the interval of the best one."""
    metric, methods = subject.metric, ranking.methods
    means = ", ".join(f"{ranked.method} {format_number(ranked.estimate.mean)}" for ranked in methods)
    images = format_count(ranking.n, "image")
    label = f"Ranking on {subject.net} by {metric.spec}, {metric.better} is better, {images}: {means}."
    drawing, scale = _draw_rows(
        [ranked.method for ranked in methods], _list_ends(methods), f"{metric.spec} {metric.arrow}", label
    )
    best = ranking.best
    if best and not isnan(best.estimate.low):
        left, right = scale(best.estimate.low), scale(best.estimate.high)
        drawing.add_box(left, 4, right, 8 + ROW * len(methods), "accent", opacity=0.1)
    for row, ranked in enumerate(methods):
        y, (mean, low, high, _) = _find_middle(row), ranked.estimate
        style = subject.styles[ranked.method]
        if not isnan(low):
            drawing.add_line([(scale(low), y), (scale(high), y)], style.colour, width=2, method=ranked.method)
        drawing.add_mark(scale(mean), y, style, 4.2, method=ranked.method)
        drawing.add_text(WIDTH - 4, y, format_number(mean), anchor="end", size=SMALL, method=ranked.method)
    return drawing


def draw_costs(
    subject: FigureSubject, ranking: Ranking, by_method: Mapping[str, Cost], *, axis: str, front: Sequence[str]
) -> Drawing | None:
    """Draw a metric against seconds or forwards, with the Pareto front as a line; None if no cost was measured.

    Every method is named, if there is room beside its point, and the better corner is marked.
    """
    metric = subject.metric
    by_axis = {method: float(getattr(cost, axis)) for method, cost in by_method.items()}
    methods = [ranked for ranked in ranking.methods if not isnan(by_axis.get(ranked.method, float("nan")))]
    if not methods:
        return None
    label = f"{metric.spec} ({metric.better} is better) against {axis} per image on {subject.net}. "
    label += f"No other method is both cheaper and better than {', '.join(front)}." if front else ""
    height = max(HEIGHT, _compute_height(len(ranking.methods)))  # the ranking stands beside it
    drawing, bottom = Drawing(WIDTH, height, label), height - HEIGHT + BOTTOM
    across = _make_cost_scale([by_axis[ranked.method] for ranked in methods], axis)
    up = Scale(*pad(_list_ends(methods)), bottom, TOP)
    draw_bottom_axis(drawing, across, TOP, bottom, f"{axis} per image, logarithmic")
    draw_left_axis(drawing, up, LEFT, WIDTH - 10, f"{metric.spec} {metric.arrow}")
    points = {ranked.method: (across(by_axis[ranked.method]), up(ranked.estimate.mean)) for ranked in methods}
    if len(front) > 1:
        drawing.add_line([points[method] for method in front], "accent", width=1.4, dashes=(4.0, 3.0))
    for ranked in methods:
        _draw_point(drawing, points[ranked.method], ranked, up, subject.styles[ranked.method])
    corner, y = ("↖", TOP + 8) if metric.better == "higher" else ("↙", bottom - 10)
    drawing.add_text(LEFT + 6, y, f"{corner} {CORNER}", colour="muted", size=SMALL)
    corner_box = (LEFT, y - 8, LEFT + LETTER * SMALL * (len(CORNER) + 3), y + 8)
    on_front = {method: points[method] for method in front}
    _name_points(drawing, on_front | points, [corner_box, *map(_make_box, points.values())])
    return drawing


def draw_curves(subject: FigureSubject, bands: Mapping[str, Band]) -> Drawing:
    """Draw the mean curve of each method, with its band."""
    metric = subject.metric
    label = f"Mean {metric.spec} curves on {subject.net} with 95 % bands, for {', '.join(bands)}; {metric.better} is better."
    drawing = Drawing(WIDTH, HEIGHT, label)
    ends = [float(end) for band in bands.values() for end in (band.low.min(), band.high.max())]
    across, up = Scale(0, 1, LEFT, RIGHT), Scale(min(0.0, *ends), max(1.0, *ends), BOTTOM, TOP)
    horizontal, vertical = metric.curve_axes
    draw_bottom_axis(drawing, across, TOP, BOTTOM, horizontal)
    draw_left_axis(drawing, up, LEFT, WIDTH - 10, vertical)
    for method, band in bands.items():
        style = subject.styles[method]
        xs = [across(share) for share in band.shares]
        upper, mean, lower = ([*zip(xs, map(up, ys), strict=True)] for ys in (band.high, band.mean, band.low))
        drawing.add_area([*upper, *reversed(lower)], style.colour, opacity=0.13, method=method)
        drawing.add_line(mean, style.colour, width=1.8, dashes=style.dashes, method=method)
        for x, y in mean[:: max(1, len(mean) // 5)]:
            drawing.add_mark(x, y, style, 3.2, method=method)
    return drawing


def draw_spread(
    subject: FigureSubject, values: Mapping[str, Floats], links: Mapping[str, Sequence[Link | None]] | None = None
) -> Drawing:
    """Draw the scores of each method: a dot for each image, the quartiles as a bar, and the median as a mark.

    `links` has for each method a link, or None, of each of its values.
    """
    metric = subject.metric
    medians = ", ".join(f"{method} {format_number(float(np.median(scores)))}" for method, scores in values.items())
    images = format_count(max(map(len, values.values())), "image")
    label = f"{metric.spec} image by image on {subject.net}, {images}; median: {medians}."
    ends = [float(end) for scores in values.values() for end in (scores.min(), scores.max())]
    drawing, scale = _draw_rows(list(values), ends, f"{metric.spec} {metric.arrow}, image by image", label)
    for row, (method, scores) in enumerate(values.items()):
        y, style = _find_middle(row) + 6, subject.styles[method]
        dots = _spread_dots([scale(float(score)) for score in scores], y - 5)
        of_method = [links[method][number] for number in dots] if links else ()
        drawing.add_dots(list(dots.values()), style.colour, radius=RADIUS, opacity=0.5, method=method, links=of_method)
        low, median, high = np.percentile(scores, [25, 50, 75])
        drawing.add_line([(scale(low), y), (scale(high), y)], style.colour, width=2.4, method=method)
        drawing.add_mark(scale(median), y, style, 3.4, method=method)
    return drawing


def draw_legend(styles: Mapping[str, Style]) -> Drawing:
    """Draw the lines and marks of the methods, one below the other."""
    longest = max(map(len, styles), default=0)
    height = 2 * MARGIN + ROW * len(styles)
    drawing = Drawing(2 * MARGIN + 54 + 7.2 * longest, height, f"Legend: {', '.join(styles)}.")
    for row, (method, style) in enumerate(styles.items()):
        y = MARGIN + ROW * (row + 0.5)
        line = draw_swatch(style).shapes[0]
        drawing.add_line([(MARGIN, y), (MARGIN + 40, y)], line.colour, width=2, dashes=style.dashes, method=method)
        drawing.add_mark(MARGIN + 20, y, style, 4.5, method=method)
        drawing.add_text(MARGIN + 50, y, method, method=method)
    return drawing


def _draw_rows(methods: Sequence[str], ends: list[float], title: str, label: str) -> tuple[Drawing, Scale]:
    """Start a drawing with a row for each method; return it with the scale along its bottom."""
    names = [method if len(method) <= NAMES else method[: NAMES - 1] + "…" for method in methods]
    left = 14 + LETTER * 12 * max(map(len, names))
    height = _compute_height(len(methods))
    drawing, bottom = Drawing(WIDTH, height, label), height - 40
    scale = Scale(*pad(ends), left, WIDTH - 52)
    draw_bottom_axis(drawing, scale, 4, bottom, title)
    for row, (method, text) in enumerate(zip(methods, names, strict=True)):
        drawing.add_text(left - 8, _find_middle(row), text, anchor="end", method=method)
    return drawing, scale


def _compute_height(rows: int) -> float:
    """Compute the height of a drawing with so many rows and an axis below."""
    return 48 + ROW * rows


def _find_middle(row: int) -> float:
    return 8 + ROW * (row + 0.5)


def _list_ends(methods: Sequence[RankedMethod]) -> list[float]:
    return [end for ranked in methods for end in ranked.estimate[:3] if not isnan(end)]


def _spread_dots(xs: Sequence[float], y: float) -> dict[int, Point]:
    """Return a point for each x, by number, above y where others are close to it, in four rows; of more than CLOSE, some."""
    by_place: dict[int, list[int]] = {}
    for number in sorted(range(len(xs)), key=xs.__getitem__):
        by_place.setdefault(round(xs[number] / (2 * RADIUS)), []).append(number)
    points: dict[int, Point] = {}
    for close in by_place.values():
        kept = close[:: ceil(len(close) / CLOSE)]
        points |= {number: (xs[number], y - 3 * (row % 4)) for row, number in enumerate(kept)}
    return points


def _make_cost_scale(values: list[float], axis: str) -> Scale:
    """Make a logarithmic scale. Forwards are linear below 1, because a control may do no work at all."""
    if axis == "forwards":
        return Scale(-0.2, max(2.0, *values) * 1.5, LEFT, RIGHT, log=True, linear=1.0)
    positive = [value for value in values if value > 0] or [1.0]
    return Scale(min(positive) / 1.6, max(positive) * 1.6, LEFT, RIGHT, log=True)


def _draw_point(drawing: Drawing, point: Point, ranked: RankedMethod, up: Scale, style: Style) -> None:
    x, y = point
    if not isnan(ranked.estimate.low):
        ends = [(x, up(ranked.estimate.low)), (x, up(ranked.estimate.high))]
        drawing.add_line(ends, style.colour, width=1.2, method=ranked.method)
    drawing.add_mark(x, y, style, 4.6, method=ranked.method)


def _make_box(point: Point) -> Box:
    return point[0] - 5, point[1] - 5, point[0] + 5, point[1] + 5


def _name_points(drawing: Drawing, points: Mapping[str, Point], taken: list[Box]) -> None:
    """Write each name at the first free one of four positions around its point; leave it out if none is free."""
    for method, (x, y) in points.items():
        width = LETTER * SMALL * len(method)
        for left, middle in ((x - width - 8, y - 8), (x + 8, y - 8), (x - width - 8, y + 10), (x + 8, y + 10)):
            box = (left, middle - 6, left + width, middle + 6)
            if left >= LEFT + 2 and left + width <= WIDTH and not any(_overlap(box, other) for other in taken):
                drawing.add_text(left, middle, method, size=SMALL, method=method)
                taken.append(box)
                break


def _overlap(box: Box, other: Box) -> bool:
    return box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3]
