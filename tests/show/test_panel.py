"""The panel of maps: a row of many methods is broken into lines that fit on a screen."""

from collections.abc import Sequence

import numpy as np
import pytest
from matplotlib.axes import Axes

from cambench.bench.show.panel import DPI, Panel, PanelRow, Tile, draw_panel

MAP = np.ones((8, 8), np.float32)
PHOTO = np.zeros((8, 8, 3), np.uint8)


def draw(*counts: int) -> Panel:
    """A panel of rows with so many methods each."""
    rows = [
        PanelRow(f"class {row}", "a photo", PHOTO, [Tile(f"method {row}.{n}", MAP, ".5") for n in range(count)])
        for row, count in enumerate(counts)
    ]
    return draw_panel("title", rows)


def count_lines(pictures: Sequence[Axes]) -> int:
    return len({round(axes.get_position().y0, 6) for axes in pictures})


@pytest.mark.parametrize(("methods", "lines", "pairs"), [(1, 1, 1), (6, 1, 6), (7, 2, 4), (12, 2, 6), (21, 4, 6)])
def test_many_methods_stand_in_lines(methods: int, lines: int, pairs: int) -> None:
    panel = draw(methods)
    pictures = [axes for axes in panel.axes if axes.get_images()]
    assert len(pictures) == 1 + 2 * methods and count_lines(pictures) == lines
    titles = [text for text in panel.texts if text.get_text().startswith("method")]
    assert [text.get_text() for text in titles] == [f"method 0.{n}" for n in range(methods)]
    assert len({round(text.get_position()[0], 6) for text in titles}) == pairs
    boxes = [axes.get_position() for axes in pictures]
    assert all(box.x0 > 0 and box.x1 < 1 and box.y0 > 0 and box.y1 < 1 for box in boxes)
    assert not any(a.overlaps(b) for n, a in enumerate(boxes) for b in boxes[:n])
    assert panel.get_figwidth() * DPI < 3500


def test_each_row_begins_with_its_photo() -> None:
    panel = draw(7, 3)
    photos = [axes for axes in panel.axes if axes.get_images() and not np.any(axes.get_images()[0].get_array())]
    assert count_lines(photos) == len(photos) == 2
    assert count_lines([axes for axes in panel.axes if axes.get_images()]) == 3
