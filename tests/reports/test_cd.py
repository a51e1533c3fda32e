"""The critical-difference diagram: what is drawn where, in words too, and nothing cut off."""

import io

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from PIL import Image

from cambench.bench.stats.friedman import Ranks, friedman
from cambench.reports._plots import cd, png, svg
from cambench.reports._plots.drawing import Drawing, Line
from cambench.reports._plots.drawing import Text as Words


def _ranks(methods: int = 6, blocks: int = 14, spread: float = 0.15, name: str = "method_{}") -> Ranks:
    rng = np.random.default_rng(1)
    values = np.linspace(0.9, 0.2, methods) + rng.normal(0, spread, (blocks, methods))
    return friedman(pd.DataFrame(values, columns=[name.format(number) for number in range(methods)]), "higher")


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
    figure = png.figure(_drawn(ranks))
    renderer = FigureCanvasAgg(figure).get_renderer()
    texts = [text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text()]
    boxes = [text.get_window_extent(renderer) for text in texts]
    edge = figure.bbox
    assert all(box.x0 >= edge.x0 and box.x1 <= edge.x1 and box.y0 >= edge.y0 and box.y1 <= edge.y1 for box in boxes)
    assert not any(one.overlaps(other) for place, one in enumerate(boxes) for other in boxes[:place])
    said = [text.get_text() for text in texts]
    for method in ranks.methods:
        assert sum(method in part.split("  ") for part in said) == 1
    assert (ranks.undecidable in said) == (ranks.undecidable is not None)


def _drawn(ranks: Ranks, controls: list[str] | None = None) -> Drawing:
    drawing = cd.diagram(ranks, controls or [])
    assert drawing is not None
    return drawing


def _lines(drawing: Drawing, width: float) -> list[Line]:
    return [shape for shape in drawing.shapes if isinstance(shape, Line) and shape.width == width]


def test_bars_are_as_long_as_the_cliques_and_the_mark_as_the_difference() -> None:
    ranks = CASES["six"]
    assert ranks.cliques and ranks.undecidable is None
    drawing, sheet = _drawn(ranks), cd._sheet(ranks, len(ranks.cliques))
    of = dict(zip(ranks.methods, ranks.mean_ranks, strict=True))
    for bar, clique in zip(_lines(drawing, 4), ranks.cliques, strict=True):
        ends = [sheet.along(of[clique[0]]), sheet.along(of[clique[-1]])]
        assert [x for x, _ in bar.points] == pytest.approx([ends[0] - 4, ends[1] + 4])
    feet = [line.points[0][0] for line in _lines(drawing, 0.8)]
    assert feet == pytest.approx([sheet.along(rank) for rank in ranks.mean_ranks])
    (mark,) = (line.points for line in _lines(drawing, 1) if line.colour == "muted")
    assert mark[-1][0] - mark[0][0] == pytest.approx(sheet.along(1 + ranks.critical_difference) - sheet.along(1))


def test_what_decides_nothing_has_no_bars() -> None:
    ranks = CASES["undecidable"]
    assert not _lines(_drawn(ranks), 4)
    assert ranks.undecidable and ranks.undecidable in cd.words(ranks)


def test_controls_are_pale() -> None:
    words = [shape for shape in _drawn(CASES["six"], ["method_5"]).shapes if isinstance(shape, Words)]
    pale = {shape.text for shape in words if shape.colour == "muted"}
    assert {text.split("  ")[-1] for text in pale if "critical" not in text} == {"method_5"}


def test_a_picture_and_an_element_of_the_page() -> None:
    drawing = _drawn(CASES["six"])
    assert Image.open(io.BytesIO(png.png(drawing))).size[0] > 500
    element = svg.element(drawing)
    assert element.startswith('<svg role="img" aria-label="Mean ranks over 14 blocks: method_0 ')
    assert "var(--ink)" in element and "#" not in element


def test_names_are_never_markup() -> None:
    element = svg.element(_drawn(_ranks(3, 8, name="<script>{}</script> $x$ & \"'")))
    assert "<script>" not in element and "&lt;script&gt;0" in element


def test_words_tell_ranks_and_groups() -> None:
    ranks = Ranks(("a", "b", "c"), (1.1, 1.9, 3.0), 14, (), 20.0, 1e-5, 0.886, (("a", "b"),), 3)
    told = "Mean ranks over 14 blocks: a 1.10, b 1.90, c 3.00; critical difference .886; not told apart: a and b."
    assert cd.words(ranks) == told
    apart = Ranks(("a", "b"), (1.0, 2.0), 9, (), 0.0, 0.004, 0.65, (), 6)
    assert cd.words(apart).endswith("; all are told apart.")


@pytest.mark.parametrize("columns", [["a"], []])
def test_there_is_no_diagram_of_one_method(columns: list[str]) -> None:
    ranks = friedman(pd.DataFrame([[0.5] * len(columns)] * 4, columns=columns, dtype=float), "higher")
    assert cd.diagram(ranks) is None
    assert cd.words(ranks).startswith("No ranking: ")
