"""The table of a race: which methods dropped out, after how many images, and why."""

from ..core.formatting import join_names
from ..stats.outcome import Race, Runner, format_percent
from .grid import Cell, ColumnHead, Grid, GridRow, make_name_cell

HEADS = (
    ColumnHead("method", row_header=True),
    ColumnHead("images", number=True),
    ColumnHead("what became of it"),
    ColumnHead("controls that it does not surely beat"),
)


def make_race_table(race: Race, title: str) -> Grid:
    """Make a row per method, those that were scored on the most images first. `title` names the net."""
    rules = f"{format_percent(race.rules.confidence)} sure, slack {format_percent(race.rules.slack)}"
    caption = f"The race on {title} by {join_names(race.metrics)}: {rules}, at most {race.planned:,} images"
    return Grid(f"race-{title}", caption, list(HEADS), [_make_row(race, runner) for runner in race.runners])


def _make_row(race: Race, runner: Runner) -> GridRow:
    taken = runner.method == race.take
    cells = [
        make_name_cell(runner.method),
        Cell(str(runner.images), runner.images),
        Cell(_describe(runner, taken=taken), bold=taken),
        Cell(", ".join(runner.unbeaten) or ("" if runner.kind == "control" else "none")),
    ]
    return GridRow(cells, {"method": runner.method}, "control" if runner.kind == "control" else "")


def _describe(runner: Runner, *, taken: bool) -> str:
    if runner.kind == "control":
        return "a control"
    return "to be taken" if taken else f"dropped out: {runner.reason}" if runner.reason else "left"
