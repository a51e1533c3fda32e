"""The answer: which method to take, how sure that is, and what it costs."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan
from typing import Any

from ...bench.core.formatting import number
from ...bench.show.terminal import brief
from ...bench.stats.paired import Pair
from ...bench.stats.ranking import Place
from ...bench.stats.recommend import NEEDS, Recommendation
from ...bench.stats.summary import Cost
from .._plots import figures
from .._plots.drawing import Drawing
from .._tables.grid import Cell, Grid, Head, Row, estimated, figure, name
from .analysis import AXES, Sheet, View
from .confidence import beware, how_sure, need, what


@dataclass(frozen=True)
class Shown:
    """One metric on one net, as the page shows it."""

    sheet: Sheet
    view: View
    ranking: Drawing
    costs: dict[str, Drawing]  # by axis
    table: Grid

    @property
    def key(self) -> str:
        return f"{self.sheet.key}-{list(self.sheet.views).index(self.view.metric.spec)}"


@dataclass(frozen=True)
class Said:
    """A recommendation in words."""

    need: str
    method: str | None
    what: str
    sure: str


def shown(sheets: Sequence[Sheet]) -> list[Shown]:
    return [_shown(sheet, view) for sheet in sheets for view in sheet.views.values()]


def said(sheet: Sheet, view: View) -> list[Said]:
    """For each need."""
    return [_said(sheet, view, found) for found in view.needs]


def glance(sheets: Sequence[Sheet]) -> Grid | None:
    """A row a net: what to take for each need, by the metric that is shown first."""
    rows = [
        Row(
            [name(sheet.title), name(view.metric.spec + " " + view.metric.arrow)]
            + [Cell(need(view, found)) for found in view.needs]
            + [Cell(str(view.ranking.n), view.ranking.n)],
            {"net": sheet.table.net, "run": sheet.label},
        )
        for sheet in sheets
        if (view := sheet.first)
    ]
    heads = [Head("net"), Head("by"), *(Head(one) for one in NEEDS), Head("n", number=True)]
    return Grid("recommended", "What to take on each net", heads, rows) if rows else None


def data(sheets: Sequence[Sheet]) -> list[dict[str, Any]]:
    """What the page chooses from when it is asked for another need."""
    return [
        {
            "key": sheet.key,
            "net": sheet.title,
            "views": [
                {"metric": spec, "beware": beware(view), "places": [_choice(sheet, view, one) for one in _able(view)]}
                for spec, view in sheet.views.items()
            ],
            "first": list(sheet.views).index(first.metric.spec),
        }
        for sheet in sheets
        if (first := sheet.first)
    ]


def _able(view: View) -> list[Place]:
    return [place for place in view.ranking.places if not place.control]


def _choice(sheet: Sheet, view: View, place: Place) -> dict[str, Any]:
    cost = sheet.table.costs.get(place.method)
    prices = {axis: None if cost is None or isnan(getattr(cost, axis)) else getattr(cost, axis) for axis in AXES}
    about = {"method": place.method, "worth": view.ranking.worth(place), **prices}
    return about | {"what": what(view, place, cost), "sure": how_sure(view, place)}


def _said(sheet: Sheet, view: View, found: Recommendation) -> Said:
    place = next((one for one in view.ranking.places if one.method == found.method), None)
    if place is None:
        return Said(found.need, None, f"{found.reason}.", "")
    return Said(found.need, found.method, what(view, place, sheet.table.costs.get(place.method)), how_sure(view, place))


def _shown(sheet: Sheet, view: View) -> Shown:
    known = sheet.table.costs
    drawn = {
        axis: figures.costs(view.ranking, view.metric, sheet.title, known, axis, view.fronts[axis], sheet.styles)
        for axis in AXES
    }
    ranking = figures.ranked(view.ranking, view.metric, sheet.title, sheet.styles)
    return Shown(sheet, view, ranking, {axis: one for axis, one in drawn.items() if one}, _table(sheet, view))


def _table(sheet: Sheet, view: View) -> Grid:
    spec = view.metric.spec
    heads = [
        Head("place", number=True), Head("method"), Head("mean", "95 % interval", number=True), Head("n", number=True),
        Head("against the next", "Holm-corrected"), Head("the best against it", "Holm-corrected"),
        Head("against the controls"), Head("seconds", "per image", number=True),
        Head("forwards", "per image", number=True),
    ]  # fmt: skip
    rows = [_row(sheet, view, number_, place) for number_, place in enumerate(view.ranking.places, 1)]
    notes = [f"Without a score: {', '.join(view.ranking.left_out)}."] if view.ranking.left_out else []
    caption = f"Ranking on {sheet.title} by {spec}, {view.metric.better} is better"
    return Grid(f"ranking-{sheet.title}-{spec}", caption, heads, rows, notes)


def _row(sheet: Sheet, view: View, number_: int, place: Place) -> Row:
    cost = sheet.table.costs.get(place.method)
    best = view.ranking.best
    cells = [
        Cell(str(number_), number_), name(place.method),
        estimated(place.estimate, bold=best is not None and place.method == best.method),
        Cell(str(place.estimate.n), place.estimate.n), _pair(place.next, own=True), _pair(place.best, own=False),
        _against(view, place.method), *_costs(cost),
    ]  # fmt: skip
    return Row(cells, {"method": place.method}, "control" if place.control else "")


def _costs(cost: Cost | None) -> list[Cell]:
    if cost is None:
        return [Cell("–", float("nan"))] * 2
    return [figure(value, brief(value)) for value in (cost.seconds, cost.forwards)]


def _pair(pair: Pair | None, *, own: bool) -> Cell:
    """What is decided of a method: against the next it is the one, against the best the other."""
    if pair is None:
        return Cell("–", 2.0)
    p = "p < .001" if pair.corrected < 0.001 else f"p = {number(pair.corrected)}"
    if pair.verdict == "undecided":
        more = f"{pair.settling} would decide" if pair.settling else ""
        return Cell("not decided", 1 + pair.corrected, more, "unsettled")
    word = "ahead" if own or pair.verdict == "ahead" else "behind"
    return Cell(word, float(pair.corrected), p, "better" if own else "")


def _against(view: View, method: str) -> Cell:
    own = [contest for contest in view.contests if contest.method == method]
    if not own:
        return Cell("–", -1)
    won = sum(contest.verdict == "better" for contest in own)
    lost = [contest.control for contest in own if contest.verdict == "worse"]
    css = "worse" if lost else "better" if won == len(own) else "unsettled"
    small = f"behind {', '.join(lost)}" if lost else ""
    return Cell(f"beats {won} of {len(own)}", won - len(lost), small, css)
