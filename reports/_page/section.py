"""A section of the page, and what is exported from it."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from ...bench.show.grid import Grid
from .._plots.drawing import Drawing


@dataclass(frozen=True)
class Section:
    """The HTML of a section, and the figures and tables in it, each made once, for `bench report --files`."""

    id: str
    title: str  # in the navigation
    html: Markup
    figures: Sequence[tuple[str, Drawing]] = ()  # with their names
    tables: Sequence[Grid] = ()
