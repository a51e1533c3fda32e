"""The critical-difference diagram: positions, the description in words, and no text cut off."""

import io

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from PIL import Image

from cambench.bench.stats.friedman import Ranks, rank_in_blocks
from cambench.reports._plots import cd, png, svg
from cambench.reports._plots.drawing import Drawing, Line
from cambench.reports._plots.drawing import Text as Words


def _ranks(methods: int = 6, blocks: int = 14, spread: float = 0.15, name: str = "method_{}") -> Ranks:
    rng = np.random.default_rng(1)
    values = np.linspace(0.9, 0.2, methods) + rng.normal(0, spread, (blocks, methods))
    return rank_in_blocks(pd.DataFrame(values, columns=[name.format(number) for number in range(methods)]), "higher")


CASES = {
    "six": _ranks(),
    "odd": _ranks(5),
    "two": _ranks(2, 20),
    "undecidable": _ranks(12, 2),
    "short names": _ranks(2, 2, name="m{}"),
    "many with long names": _ranks(31, 40, name="pytorch_grad_cam:GradCAMElementWise[fill=black,n={}]"),
    "no difference": _ranks(6, 14, spread=50.0),
}


@pytest.mark.parametrize("case", CASES)
def test_every_method_is_named_and_nothing_is_cut_off_or_overlaps(case: str) -> None:
    ranks = CASES[case]
    figure = png.make_figure(_draw(ranks))
    renderer = FigureCanvasAgg(figure).get_renderer()
    texts = [text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text()]
    boxes = [text.get_window_extent(renderer) for text in texts]
    edge = figure.bbox
    assert all(box.x0 >= edge.x0 and box.x1 <= edge.x1 and box.y0 >= edge.y0 and box.y1 <= edge.y1 for box in boxes)
    assert not any(box.overlaps(other) for index, box in enumerate(boxes) for other in boxes[:index])
    labels = [text.get_text() for text in texts]
    for method in ranks.methods:
        assert sum(method in label.split("  ") for label in labels) == 1
    assert (ranks.undecidable in labels) == (ranks.undecidable is not None)


def _draw(ranks: Ranks, controls: list[str] | None = None) -> Drawing:
    drawing = cd.draw_diagram(ranks, controls or [])
    assert drawing is not None
    return drawing


def _lines(drawing: Drawing, width: float) -> list[Line]:
    return [shape for shape in drawing.shapes if isinstance(shape, Line) and shape.width == width]


def test_bars_span_the_cliques_and_the_mark_spans_the_critical_difference() -> None:
    ranks = CASES["six"]
    assert ranks.cliques and ranks.undecidable is None
    drawing, layout = _draw(ranks), cd._make_layout(ranks, len(ranks.cliques))
    rank_of = dict(zip(ranks.methods, ranks.mean_ranks, strict=True))
    for bar, clique in zip(_lines(drawing, 4), ranks.cliques, strict=True):
        ends = [layout.to_x(rank_of[clique[0]]), layout.to_x(rank_of[clique[-1]])]
        assert [x for x, _ in bar.points] == pytest.approx([ends[0] - 4, ends[1] + 4])
    feet = [line.points[0][0] for line in _lines(drawing, 0.8)]
    assert feet == pytest.approx([layout.to_x(rank) for rank in ranks.mean_ranks])
    (mark,) = (line.points for line in _lines(drawing, 1) if line.colour == "muted")
    assert mark[-1][0] - mark[0][0] == pytest.approx(layout.to_x(1 + ranks.critical_difference) - layout.to_x(1))


def test_undecidable_ranks_have_no_bars() -> None:
    ranks = CASES["undecidable"]
    assert not _lines(_draw(ranks), 4)
    assert ranks.undecidable and ranks.undecidable in cd.describe_diagram(ranks)


def test_controls_are_grey() -> None:
    texts = [shape for shape in _draw(CASES["six"], ["method_5"]).shapes if isinstance(shape, Words)]
    grey = {text.text for text in texts if text.colour == "muted"}
    assert {label.split("  ")[-1] for label in grey if "critical" not in label} == {"method_5"}


def test_the_diagram_is_written_as_png_and_svg() -> None:
    drawing = _draw(CASES["six"])
    assert Image.open(io.BytesIO(png.make_png(drawing))).size[0] > 500
    element = svg.make_element(drawing)
    assert element.startswith('<svg role="img" aria-label="Mean ranks over 14 blocks: method_0 ')
    assert "var(--ink)" in element and "#" not in element


def test_names_are_never_markup() -> None:
    element = svg.make_element(_draw(_ranks(3, 8, name="<script>{}</script> $x$ & \"'")))
    assert "<script>" not in element and "&lt;script&gt;0" in element


def test_the_description_names_ranks_and_groups() -> None:
    ranks = Ranks(("a", "b", "c"), (1.1, 1.9, 3.0), 14, (), 20.0, 1e-5, 0.886, (("a", "b"),), 3)
    assert cd.describe_diagram(ranks) == (
        "Mean ranks over 14 blocks: a 1.10, b 1.90, c 3.00; critical difference .886; no significant difference: a and b."
    )
    apart = Ranks(("a", "b"), (1.0, 2.0), 9, (), 0.0, 0.004, 0.65, (), 6)
    assert cd.describe_diagram(apart).endswith("; all differ significantly.")


@pytest.mark.parametrize("columns", [["a"], []])
def test_fewer_than_two_methods_have_no_diagram(columns: list[str]) -> None:
    ranks = rank_in_blocks(pd.DataFrame([[0.5] * len(columns)] * 4, columns=columns, dtype=float), "higher")
    assert cd.draw_diagram(ranks) is None
    assert cd.describe_diagram(ranks).startswith("No ranking: ")
