"""The critical-difference diagram (Demšar, 2006): mean ranks on a line, with bars over methods that are not told apart."""

from collections.abc import Collection
from dataclasses import dataclass
from math import ceil, isnan

from ...bench.core.formatting import number, plural
from ...bench.stats.friedman import Ranks
from .drawing import Drawing

LENGTH = 250  # of the line of ranks
LETTER = 7.2  # of a name
LINE = 19.0  # from name to name
BAR = 9.0  # from bar to bar
DEPTH = 58.0  # of the line of ranks below the top


def diagram(ranks: Ranks, controls: Collection[str] = ()) -> Drawing | None:
    """The diagram; None where there are not two methods to rank."""
    if not _drawable(ranks):
        return None
    bars = () if ranks.undecidable else ranks.cliques
    sheet = _sheet(ranks, len(bars))
    drawing = Drawing(sheet.width, sheet.height, words(ranks))
    _line(drawing, sheet)
    _difference(drawing, sheet, ranks)
    _bars(drawing, sheet, ranks, bars)
    _names(drawing, sheet, ranks, controls)
    return drawing


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
    """Where things lie on the figure, from its left and its top."""

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
    margin = max(110, 68 + LETTER * max(map(len, ranks.methods)))
    if ranks.undecidable:
        margin = max(margin, (LETTER * len(ranks.undecidable) - LENGTH) / 2)
    return _Sheet(margin, names, names + LINE * rows, methods)


def _line(drawing: Drawing, sheet: _Sheet) -> None:
    """The line of ranks, the best on the left, with its ticks."""
    drawing.line([(sheet.along(1), DEPTH), (sheet.along(sheet.last), DEPTH)])
    for rank in range(1, sheet.last + 1, ceil(sheet.last / 12)):
        drawing.line([(sheet.along(rank), DEPTH - 5), (sheet.along(rank), DEPTH)])
        drawing.text(sheet.along(rank), DEPTH - 13, str(rank), anchor="middle", size=11)


def _difference(drawing: Drawing, sheet: _Sheet, ranks: Ranks) -> None:
    """The length of the critical difference, above the line; and at the bottom why it decides nothing, where that is so."""
    first, last, end = (sheet.along(rank) for rank in (1, sheet.last, 1 + ranks.critical_difference))
    foot = [(end, 25.0)] if end <= last else []
    drawing.line([(first, 25), (first, 20), (min(end, last), 20), *foot], "muted")
    said = f"critical difference {number(ranks.critical_difference)}"
    drawing.text(first, 11, said, colour="muted", size=11)
    if ranks.undecidable:
        drawing.text(sheet.width / 2, sheet.height - 9, ranks.undecidable, anchor="middle", colour="muted", size=11)


def _bars(drawing: Drawing, sheet: _Sheet, ranks: Ranks, cliques: Collection[tuple[str, ...]]) -> None:
    of = dict(zip(ranks.methods, ranks.mean_ranks, strict=True))
    for row, clique in enumerate(cliques, 1):
        depth = DEPTH + BAR * row
        drawing.line([(sheet.along(of[clique[0]]) - 4, depth), (sheet.along(of[clique[-1]]) + 4, depth)], width=4)


def _names(drawing: Drawing, sheet: _Sheet, ranks: Ranks, controls: Collection[str]) -> None:
    """The better half on the left, the best on top; the other half on the right, the worst on top."""
    half, count = ceil(sheet.last / 2), sheet.last
    for place, (method, rank) in enumerate(zip(ranks.methods, ranks.mean_ranks, strict=True)):
        left = place < half
        depth = sheet.names + LINE * ((place if left else count - 1 - place) + 0.5)
        end = sheet.along(1) - 14 if left else sheet.along(count) + 14
        colour = "muted" if method in controls else "ink"
        drawing.line([(sheet.along(rank), DEPTH), (sheet.along(rank), depth), (end, depth)], colour, width=0.8)
        said = f"{method}  {number(rank)}" if left else f"{number(rank)}  {method}"
        drawing.text(
            end - 5 if left else end + 5, depth, said, anchor="end" if left else "start", colour=colour, size=11
        )
