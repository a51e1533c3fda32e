"""How tables are laid out."""

import pytest

from cambench.bench.show.grid import Cell, ColumnHead, Grid, GridRow

NUMBER, SENTENCE = (
    Cell(".704", 0.704, ".675 to .731, ties .016"),
    Cell("Insertion: area under the class-score curve", ""),
)


@pytest.mark.parametrize(
    ("cell", "rows", "css", "stacked"),
    [
        (NUMBER, 12, "", True),
        (NUMBER, 13, "", False),
        (SENTENCE, 13, "text", True),
        (SENTENCE, 25, "text", False),
        (NUMBER, 2, "matrix", False),
    ],
)
def test_a_narrow_screen_shows_cards_of_few_rows_and_of_sentences(
    cell: Cell, rows: int, css: str, *, stacked: bool
) -> None:
    heads = [ColumnHead("method", row_header=True), ColumnHead("insertion")]
    grid = Grid("scores", "Scores", heads, [GridRow([Cell("cam", "cam"), cell]) for _ in range(rows)], css=css)
    assert grid.is_stacked == stacked
