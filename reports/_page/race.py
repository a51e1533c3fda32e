"""The section "The race": which methods dropped out, after how many images, and why."""

from collections.abc import Sequence

from ...bench.show.race_table import make_race_table
from .analysis import NetAnalysis
from .render import fill
from .section import Section


def make_section(analyses: Sequence[NetAnalysis]) -> Section | None:
    """Return a table for each net of a race; None if no run is a race."""
    races = [
        (analysis, make_race_table(analysis.table.race, analysis.title)) for analysis in analyses if analysis.table.race
    ]
    return (
        Section("race", "The race", fill("race.html", races=races), tables=[grid for _, grid in races])
        if races
        else None
    )
