"""How each method stands by each metric on a net: best, tie, behind, or no better than a control."""

from collections.abc import Sequence
from math import inf

from ..core.formatting import format_duration, format_number, join_names
from ..stats.answer import Answer
from ..stats.outcome import Standing
from ..stats.standings import MetricStandings, Standings
from ..stats.summary import Table
from .grid import Cell, ColumnHead, Grid, GridRow

WORDS: dict[Standing, str] = {
    "best": "best", "tie": "tie", "behind": "behind", "no better than a control": "< control", "no score": "n/a",
}  # fmt: skip
CLASSES: dict[Standing, str] = {
    "best": "best", "tie": "tie", "behind": "behind", "no better than a control": "lost", "no score": "none",
}  # fmt: skip
UNSURE = "unsure"
MISSING = "no result"
MISSING_NOTE = "no result: it is not computed on any image of this net; n/a: the method, or the metric, does not apply."
TOP = "top"
TOP_NOTE = (
    "top: better than every control, and no method is shown to be better; but no test tells it from some methods that are not "
    "shown to beat every control."
)
FEW = "few images"  # in place of a standing: the ranking leaves the method out
FEW_NOTE = "few images: it has scores on fewer than half as many images as another method, and is not ranked."
NOTE = (
    "best: better than every other method that is ranked and every control; tie: better than every control, and no test tells "
    "it from the best; behind: better than every control, but the best is better; "
    "< control: a control is better; unsure: it is shown neither to be better than every control nor to be worse than one; "
    "with each word the mean, over the images that all ranked methods have."
)
RACE_COLUMNS_NOTE = (
    "In the columns that decide, these words are what the race has decided, which holds after every round. In other columns, "
    "and in the tables below, they follow from tests that hold for a fixed number of images, and claim more than is sure."
)
RACE_NOTE = (
    "These words follow from tests that hold for a fixed number of images. A race looks again after every round, so that they "
    "claim more than is sure: what the race has decided is in its own table."
)
TIES_NOTE = (
    "By {}, a difference that is smaller than what the order of equal pixels does to either mean decides nothing."
)


def make_answer_matrix(table: Table, answer: Answer, standings: Standings, title: str) -> Grid:
    """Make a row per method, or per group of methods with the same scores, and a column per metric.

    The metrics that decide come first. The methods to take come first, then those with the most first places; the controls are
    last.
    """
    deciding = [of_metric.metric.spec for of_metric in answer.by]
    ordered = [*answer.by, *(each for spec, each in standings.by_metric.items() if spec not in deciding)]
    heads = [ColumnHead("method", row_header=True), ColumnHead("time", "an image", number=True)]
    heads += [
        ColumnHead(
            f"{each.metric.spec} {each.metric.arrow}", _describe_column(table, each, each.metric.spec in deciding),
            each.metric.description, data={"metric": each.metric.spec},
        )
        for each in ordered
    ]  # fmt: skip
    rows = [_make_row(table, group, ordered) for group in _order_methods(table, answer, ordered)]
    rows += [_make_row(table, (control,), ordered) for control in table.controls]
    measured = [each.metric.spec for each in ordered if table.knows_ties(each.metric)]
    notes = [
        NOTE,
        *([RACE_COLUMNS_NOTE] if table.race else []),
        *([TIES_NOTE.format(join_names(measured))] if measured else []),
    ]
    words = {cell.text for row in rows for cell in row.cells}
    notes += [note for word, note in ((TOP, TOP_NOTE), (FEW, FEW_NOTE), (MISSING, MISSING_NOTE)) if word in words]
    return Grid(f"standings-{title}", f"How methods stand by each metric on {title}", heads, rows, notes, "standings")


def _describe_column(table: Table, standings: MetricStandings, decides: bool) -> str:
    """Say whether a metric decides, and on how many images methods are ranked by it if that is not on all."""
    count = standings.ranking.n
    return ", ".join([*(["decides"] if decides else []), *([f"n\u00a0=\u00a0{count}"] if count < table.images else [])])


def _order_methods(table: Table, answer: Answer, standings: Sequence[MetricStandings]) -> list[tuple[str, ...]]:
    """List the groups of methods, best first."""
    grouped = {method for group in answer.alike for method in group}
    alone = [(method,) for method in table.methods if method not in grouped and method not in table.controls]
    deciding = len(answer.by)

    def order(group: tuple[str, ...]) -> tuple[int, int, int, tuple[float, float]]:
        places = [each.standings[group[0]] in ("best", "tie") for each in standings]
        scored = sum(each.standings[group[0]] != "no score" for each in standings)
        price = table.costs[group[0]].price if group[0] in table.costs else (inf, inf)
        place = answer.top.index(group[0]) if group[0] in answer.top else len(answer.top)
        return place, -sum(places[:deciding]), -sum(places) if scored else 1, price

    return sorted([*answer.alike, *alone], key=order)


def _make_row(table: Table, group: Sequence[str], standings: Sequence[MetricStandings]) -> GridRow:
    control = group[0] in table.controls
    costs = [table.costs[method] for method in group if method in table.costs]
    seconds = min(costs, key=lambda cost: cost.price).seconds if costs else float("nan")
    alike = "same scores on every image" if table.race is None else "same scores on the images of both"
    name = Cell(" = ".join(group), group[0], alike if len(group) > 1 else "control" if control else "")
    cells = [_make_cell(table, group, each) for each in standings]
    return GridRow(
        [name, Cell(format_duration(seconds), seconds), *cells], {"method": group[0]}, "control" if control else ""
    )


def _make_cell(table: Table, group: Sequence[str], standings: MetricStandings) -> Cell:
    method = group[0]
    ranked = {each.method: each.estimate for each in standings.ranking.methods}
    estimate = ranked.get(method) or table.find_mean_score(method, standings.metric).estimate
    mean = format_number(estimate.mean) if estimate.n else ""
    if method in table.controls:
        return Cell(mean or "–", estimate.mean)
    standing = standings.standings[method]
    if standing == "tie" and {*standings.top, *standings.rivals} <= set(group):
        standing = "best"  # it ties with methods of the same scores alone
    word = WORDS[standing]
    if standing == "tie" and {*standings.top} <= set(group):
        word = TOP
    elif standing == "no score" and estimate.n > 0:
        word = FEW
    elif standing == "no score" and not table.find_mean_score(method, standings.metric).computed:
        word = MISSING
    elif standing == "no better than a control" and not _is_worse_than_a_control(standings, method):
        word = UNSURE
    return Cell(word, estimate.mean, mean, f"standing {CLASSES[standing]}")


def _is_worse_than_a_control(standings: MetricStandings, method: str) -> bool:
    return any(each.verdict == "worse" for each in standings.comparisons if each.method == method)
