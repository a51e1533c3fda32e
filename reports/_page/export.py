"""Every figure of the page as PNG and SVG, and every table as CSV, Markdown and LaTeX, in a folder."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from ...bench.core.files import explain_os_errors
from .._plots import svg
from .._plots.drawing import Drawing
from .._plots.png import make_png
from .._tables import csv, latex, markdown
from .section import Section

Item = TypeVar("Item")
WRITERS = (("csv", csv.write), ("md", markdown.write), ("tex", latex.write))  # by suffix


def write(sections: Sequence[Section], legend: Drawing, folder: Path) -> None:
    """Write figures/ and tables/. Raise UsageError if the folder cannot be written to."""
    figures = name_files([("legend", legend), *(item for section in sections for item in section.figures)])
    tables = name_files((grid.name, grid) for section in sections for grid in section.tables)
    with explain_os_errors(folder):
        for kind in ("figures", "tables"):
            (folder / kind).mkdir(parents=True, exist_ok=True)
        for name, drawing in figures.items():
            (folder / "figures" / f"{name}.svg").write_text(svg.make_file(drawing), encoding="utf-8")
            (folder / "figures" / f"{name}.png").write_bytes(make_png(drawing))
        for name, grid in tables.items():
            for suffix, writer in WRITERS:
                (folder / "tables" / f"{name}.{suffix}").write_text(writer(grid), encoding="utf-8")


def name_files(items: Iterable[tuple[str, Item]]) -> dict[str, Item]:
    """Return items by a valid file name; if two names are equal, the later one gets a number."""
    named: dict[str, Item] = {}
    for text, item in items:
        name, count = make_file_name(text), 2
        while name in named:
            name, count = f"{make_file_name(text)}-{count}", count + 1
        named[name] = item
    return named


def make_file_name(text: str) -> str:
    """Return a file name that is valid on every system: letters, digits and .-_@=,"""
    return re.sub(r"[^\w.@=,-]+", "-", text, flags=re.ASCII).strip("-.")[:120] or "unnamed"
