"""The critical-difference diagram (Demšar, 2006): mean ranks on a line, with bars over methods that are not told apart."""

import io
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil, isnan

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..bench.friedman import Ranks
from ..bench.wording import number, plural
from ._svg import INK, MUTED, axes, svg

# Inches.
LENGTH = 2.6  # of the line of ranks
LETTER = 0.075  # of a name
LINE = 0.2  # from name to name
BAR = 0.09  # from bar to bar
DEPTH = 0.6  # of the line of ranks below the top

DPI = 144


@dataclass(frozen=True)
class Inks:
    """The colours of methods and of the line, and of controls and notes."""

    strong: str
    weak: str


PAGE, PAPER = Inks(INK, MUTED), Inks("#1a1a1a", "#767676")


def diagram(ranks: Ranks, controls: Collection[str] = ()) -> Markup | None:
    """The diagram as an element of a page; None where there are not two methods to rank."""
    if not _drawable(ranks):
        return None
    with _drawn(ranks, controls, PAGE) as figure:
        return svg(figure, words(ranks))


def picture(ranks: Ranks, controls: Collection[str] = ()) -> bytes | None:
    """The diagram as a PNG on white; None where there are not two methods to rank."""
    if not _drawable(ranks):
        return None
    with _drawn(ranks, controls, PAPER) as figure:
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=DPI, facecolor="white")
        return buffer.getvalue()


def words(ranks: Ranks) -> str:
    """What the diagram shows."""
    if not _drawable(ranks):
        return f"No ranking: {ranks.undecidable}."
    pairs = zip(ranks.methods, ranks.mean_ranks, strict=True)
    said = [
        f"Mean ranks over {plural(ranks.n, 'block')}: {', '.join(f'{name} {number(rank)}' for name, rank in pairs)}"
    ]
    said.append(f"critical difference {number(ranks.critical_difference)}")
    if ranks.undecidable:
        said.append(ranks.undecidable)
    else:
        groups = [" and ".join(clique) for clique in ranks.cliques]
        said.append("not told apart: " + "; ".join(groups) if groups else "all are told apart")
    return "; ".join(said) + "."


def _drawable(ranks: Ranks) -> bool:
    return len(ranks.methods) > 1 and not isnan(ranks.critical_difference)


@dataclass(frozen=True)
class _Sheet:
    """Where things lie on the figure, in inches from its left and its top."""

    margin: float  # on either side of the line of ranks, for names
    names: float  # where they begin
    height: float
    last: int  # rank

    @property
    def width(self) -> float:
        return LENGTH + 2 * self.margin

    def along(self, rank: float) -> float:
        return self.margin + (rank - 1) / (self.last - 1) * LENGTH


def _sheet(ranks: Ranks, bars: int) -> _Sheet:
    methods = len(ranks.methods)
    names = DEPTH + BAR * (bars + 1)
    rows = ceil(methods / 2) + (1.5 if ranks.undecidable else 0.5)
    return _Sheet(max(1.15, 0.7 + LETTER * max(map(len, ranks.methods))), names, names + LINE * rows, methods)


@contextmanager
def _drawn(ranks: Ranks, controls: Collection[str], inks: Inks) -> Iterator[Figure]:
    bars = () if ranks.undecidable else ranks.cliques
    sheet = _sheet(ranks, len(bars))
    with axes((sheet.width, sheet.height)) as (figure, plot):
        figure.set_layout_engine("none")
        plot.set_axis_off()
        plot.set(xlim=(0, sheet.width), ylim=(sheet.height, 0), position=(0, 0, 1, 1))
        _line(plot, sheet, inks)
        _difference(plot, sheet, ranks, inks)
        _bars(plot, sheet, ranks, bars, inks)
        _names(plot, sheet, ranks, controls, inks)
        yield figure


def _line(plot: Axes, sheet: _Sheet, inks: Inks) -> None:
    """The line of ranks, the best on the left, with its ticks."""
    plot.plot([sheet.along(1), sheet.along(sheet.last)], [DEPTH, DEPTH], color=inks.strong, linewidth=1)
    for rank in range(1, sheet.last + 1, ceil(sheet.last / 12)):
        plot.plot([sheet.along(rank)] * 2, [DEPTH - 0.05, DEPTH], color=inks.strong, linewidth=1)
        plot.text(sheet.along(rank), DEPTH - 0.08, str(rank), ha="center", va="bottom", color=inks.strong)


def _difference(plot: Axes, sheet: _Sheet, ranks: Ranks, inks: Inks) -> None:
    """The length of the critical difference, above the line; and at the bottom why it decides nothing, where that is so."""
    first, last, end = (sheet.along(rank) for rank in (1, sheet.last, 1 + ranks.critical_difference))
    plot.plot([first, first, min(end, last)], [0.25, 0.2, 0.2], color=inks.weak, linewidth=1)
    if end <= last:
        plot.plot([end, end], [0.2, 0.25], color=inks.weak, linewidth=1)
    said = f"critical difference {number(ranks.critical_difference)}"
    plot.text(first, 0.17, said, ha="left", va="bottom", color=inks.weak)
    if ranks.undecidable:
        plot.text(sheet.width / 2, sheet.height - 0.04, ranks.undecidable, ha="center", va="bottom", color=inks.weak)


def _bars(plot: Axes, sheet: _Sheet, ranks: Ranks, cliques: Collection[tuple[str, ...]], inks: Inks) -> None:
    of = dict(zip(ranks.methods, ranks.mean_ranks, strict=True))
    for row, clique in enumerate(cliques, 1):
        ends = [sheet.along(of[clique[0]]) - 0.04, sheet.along(of[clique[-1]]) + 0.04]
        plot.plot(ends, [DEPTH + BAR * row] * 2, color=inks.strong, linewidth=3, solid_capstyle="butt")


def _names(plot: Axes, sheet: _Sheet, ranks: Ranks, controls: Collection[str], inks: Inks) -> None:
    """The better half on the left, the best on top; the other half on the right, the worst on top."""
    half, count = ceil(sheet.last / 2), sheet.last
    for place, (method, rank) in enumerate(zip(ranks.methods, ranks.mean_ranks, strict=True)):
        left = place < half
        depth = sheet.names + LINE * ((place if left else count - 1 - place) + 0.5)
        end = sheet.along(1) - 0.15 if left else sheet.along(count) + 0.15
        colour = inks.weak if method in controls else inks.strong
        plot.plot([sheet.along(rank)] * 2 + [end], [DEPTH, depth, depth], color=colour, linewidth=0.7)
        said = f"{method}  {number(rank)}" if left else f"{number(rank)}  {method}"
        plot.text(
            end + (-0.05 if left else 0.05), depth, said, ha="right" if left else "left", va="center", color=colour
        )
