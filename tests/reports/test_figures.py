"""Figures of many images."""

import numpy as np

from cambench.bench.stats.mean_scores import Metric
from cambench.reports._plots.drawing import Dots, assign_styles
from cambench.reports._plots.figures import CLOSE, RADIUS, FigureSubject, draw_spread


def draw_dots(count: int) -> list[float]:
    """The places across of the dots in a figure of so many images."""
    metric = Metric("gini", "gini", "higher", "share", "", (0, 1))
    values = {"cam": np.random.default_rng(0).random(count)}
    drawing = draw_spread(FigureSubject(metric, "net", assign_styles(["cam"], [])), values)
    (dots,) = (shape for shape in drawing.shapes if isinstance(shape, Dots))
    return [x for x, _ in dots.points]


def test_each_image_has_a_dot_until_more_are_in_one_place_than_can_be_seen() -> None:
    assert len(draw_dots(100)) == 100
    few, many = ({round(x / (2 * RADIUS)) for x in draw_dots(count)} for count in (1000, 20_000))
    assert few <= many and len(draw_dots(20_000)) <= CLOSE * len(many) < 3000
