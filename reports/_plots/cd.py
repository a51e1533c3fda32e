"""The critical-difference diagram (Demšar, 2006): mean ranks on a line, bars over methods that do not differ significantly.

It replaces the diagram of scikit-posthocs, which is drawn with matplotlib and so has fixed colours and takes 0.1 s and 13 kB
instead of 0.001 s and 3 kB (see svg.py). scikit-posthocs also imports seaborn and statsmodels (1.5 s), which no other file
needs.
"""

from collections.abc import Collection
from dataclasses import dataclass
from math import ceil, isnan

from ...bench.core.formatting import format_count, format_number
from ...bench.stats.friedman import Ranks
from .drawing import Drawing

LENGTH = 250  # of the axis of ranks
LETTER = 7.2  # width of a letter of a name
LINE = 19.0  # from name to name
BAR = 9.0  # from bar to bar
DEPTH = 58.0  # of the axis of ranks below the top


def draw_diagram(ranks: Ranks, controls: Collection[str] = ()) -> Drawing | None:
    """Draw the diagram; None if fewer than two methods are ranked."""
    if not _is_drawable(ranks):
        return None
    bars = () if ranks.undecidable else ranks.cliques
    layout = _make_layout(ranks, len(bars))
    drawing = Drawing(layout.width, layout.height, describe_diagram(ranks))
    _draw_axis(drawing, layout)
    _draw_difference(drawing, layout, ranks)
    _draw_bars(drawing, layout, ranks, bars)
    _draw_names(drawing, layout, ranks, controls)
    return drawing


def describe_diagram(ranks: Ranks) -> str:
    """Describe the diagram in words."""
    if not _is_drawable(ranks):
        return f"No ranking: {ranks.undecidable}."
    pairs = zip(ranks.methods, ranks.mean_ranks, strict=True)
    means = ", ".join(f"{name} {format_number(rank)}" for name, rank in pairs)
    parts = [f"Mean ranks over {format_count(ranks.n, 'block')}: {means}"]
    parts.append(f"critical difference {format_number(ranks.critical_difference)}")
    if ranks.undecidable:
        parts.append(ranks.undecidable)
    else:
        groups = [" and ".join(clique) for clique in ranks.cliques]
        parts.append("no significant difference: " + "; ".join(groups) if groups else "all differ significantly")
    return "; ".join(parts) + "."


def _is_drawable(ranks: Ranks) -> bool:
    return len(ranks.methods) > 1 and not isnan(ranks.critical_difference)


@dataclass(frozen=True)
class _Layout:
    """Positions in the figure, from its left and its top."""

    margin: float  # on either side of the axis of ranks, for names
    names: float  # top of the names
    height: float
    last: int  # the last rank

    @property
    def width(self) -> float:
        return LENGTH + 2 * self.margin

    def to_x(self, rank: float) -> float:
        return self.margin + (rank - 1) / (self.last - 1) * LENGTH


def _make_layout(ranks: Ranks, bars: int) -> _Layout:
    methods = len(ranks.methods)
    names = DEPTH + BAR * (bars + 1)
    rows = ceil(methods / 2) + (1.5 if ranks.undecidable else 0.5)
    margin = max(110, 68 + LETTER * max(map(len, ranks.methods)))
    if ranks.undecidable:
        margin = max(margin, (LETTER * len(ranks.undecidable) - LENGTH) / 2)
    return _Layout(margin, names, names + LINE * rows, methods)


def _draw_axis(drawing: Drawing, layout: _Layout) -> None:
    """Draw the axis of ranks with its ticks; the best rank is on the left."""
    drawing.add_line([(layout.to_x(1), DEPTH), (layout.to_x(layout.last), DEPTH)])
    for rank in range(1, layout.last + 1, ceil(layout.last / 12)):
        drawing.add_line([(layout.to_x(rank), DEPTH - 5), (layout.to_x(rank), DEPTH)])
        drawing.add_text(layout.to_x(rank), DEPTH - 13, str(rank), anchor="middle", size=11)


def _draw_difference(drawing: Drawing, layout: _Layout, ranks: Ranks) -> None:
    """Draw the critical difference as a length above the axis and, if it decides nothing, the reason at the bottom."""
    first, last, end = (layout.to_x(rank) for rank in (1, layout.last, 1 + ranks.critical_difference))
    tick = [(end, 25.0)] if end <= last else []
    drawing.add_line([(first, 25), (first, 20), (min(end, last), 20), *tick], "muted")
    length = f"critical difference {format_number(ranks.critical_difference)}"
    drawing.add_text(first, 11, length, colour="muted", size=11)
    if ranks.undecidable:
        drawing.add_text(
            layout.width / 2, layout.height - 9, ranks.undecidable, anchor="middle", colour="muted", size=11
        )


def _draw_bars(drawing: Drawing, layout: _Layout, ranks: Ranks, cliques: Collection[tuple[str, ...]]) -> None:
    ranks_of = dict(zip(ranks.methods, ranks.mean_ranks, strict=True))
    for row, clique in enumerate(cliques, 1):
        depth = DEPTH + BAR * row
        drawing.add_line(
            [(layout.to_x(ranks_of[clique[0]]) - 4, depth), (layout.to_x(ranks_of[clique[-1]]) + 4, depth)], width=4
        )


def _draw_names(drawing: Drawing, layout: _Layout, ranks: Ranks, controls: Collection[str]) -> None:
    """Write the better half on the left with the best on top, the other half on the right with the worst on top."""
    half, count = ceil(layout.last / 2), layout.last
    for index, (method, rank) in enumerate(zip(ranks.methods, ranks.mean_ranks, strict=True)):
        left = index < half
        depth = layout.names + LINE * ((index if left else count - 1 - index) + 0.5)
        end = layout.to_x(1) - 14 if left else layout.to_x(count) + 14
        colour = "muted" if method in controls else "ink"
        drawing.add_line([(layout.to_x(rank), DEPTH), (layout.to_x(rank), depth), (end, depth)], colour, width=0.8)
        text = f"{method}  {format_number(rank)}" if left else f"{format_number(rank)}  {method}"
        drawing.add_text(
            end - 5 if left else end + 5, depth, text, anchor="end" if left else "start", colour=colour, size=11
        )
