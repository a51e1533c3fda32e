"""The package diagram and the package table of the site, from the README of each package: `::: packages` in a page."""

import re
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
MARK = re.compile(r"^::: packages$", re.MULTILINE)
WIDTH, HEIGHT, MARGIN, LEVEL = 1000, 26, 10, 74  # pixels


class Package(NamedTuple):
    """A package: what its README says it is, and the packages that it may import."""

    description: str
    imports: frozenset[str]


Graph = Mapping[str, Package]
Point = tuple[float, float]


def on_page_markdown(markdown: str, **_: object) -> str:
    """Writes the diagram and the table where a page says `::: packages`."""
    return MARK.sub(lambda _: f"{diagram(packages())}\n\n{table(packages())}", markdown)


def packages() -> dict[str, Package]:
    """Every package of the checkout, by its path."""
    readmes = [*ROOT.glob("*/README.md"), *ROOT.glob("*/*/README.md")]
    texts = {readme.parent.relative_to(ROOT).as_posix(): readme.read_text(encoding="utf-8") for readme in readmes}
    return {path: _package(text) for path, text in sorted(texts.items()) if "\nMay import: " in text}


def _package(text: str) -> Package:
    (line,) = re.findall(r"^May import: (.*)$", text, re.MULTILINE)
    return Package(text.splitlines()[2], frozenset(re.findall(r"`([\w/]+)`", line)))


def table(graph: Graph) -> str:
    """A Markdown table: each package, its description, and what it may import."""
    rows = [
        f"| `{path}` | {package.description} | {', '.join(f'`{name}`' for name in sorted(package.imports)) or '-'} |"
        for path, package in graph.items()
    ]
    return "\n".join(["| package | what it is | may import |", "|---|---|---|", *rows])


def levels(graph: Graph) -> list[list[str]]:
    """Packages by level, the lowest first: a package stands one level above the highest package that it imports.

    Raise ValueError where packages import each other in a circle.
    """
    rows: list[list[str]] = []
    placed: set[str] = set()
    while len(placed) < len(graph):
        row = [path for path, package in graph.items() if path not in placed and package.imports <= placed]
        if not row:
            raise ValueError(f"these packages import each other in a circle: {sorted(graph.keys() - placed)}")
        rows.append(row)
        placed |= set(row)
    return rows


def direct(graph: Graph) -> dict[str, set[str]]:
    """The imports of each package without those that another of its imports implies (the transitive reduction)."""
    reachable: dict[str, set[str]] = {}
    for path in (path for row in levels(graph) for path in row):
        reachable[path] = set(graph[path].imports).union(*(reachable[name] for name in graph[path].imports))
    return {
        path: {name for name in package.imports if not any(name in reachable[other] for other in package.imports)}
        for path, package in graph.items()
    }


def diagram(graph: Graph) -> str:
    """An inline SVG: a box for each package, an arrow to each package that it imports directly."""
    arrows, rows = direct(graph), levels(graph)
    centres = _centres(rows, arrows)
    lines = [_arrow(centres[path], centres[name]) for path, names in arrows.items() for name in sorted(names)]
    boxes = [_box(path, *centre) for path, centre in centres.items()]
    size = f'viewBox="0 0 {WIDTH} {LEVEL * len(rows)}" role="img" aria-label="The packages and their imports"'
    style = 'style="width: 100%; font: 12px monospace" fill="none" stroke="currentColor"'
    tip = '<path d="M0 0L8 4L0 8z" fill="currentColor" stroke="none"/>'
    box = 'viewBox="0 0 8 8" refX="8" refY="4" markerUnits="userSpaceOnUse" markerWidth="9"'
    marker = f'<defs><marker id="tip" {box} orient="auto">{tip}</marker></defs>'
    return "\n".join([f"<svg {size} {style}>", marker, *lines, *boxes, "</svg>"])


def _centres(rows: list[list[str]], arrows: Mapping[str, set[str]]) -> dict[str, Point]:
    """The centre of each box; within a level, packages stand near those that they import."""
    centres: dict[str, Point] = {}
    for level, row in enumerate(rows):
        near = {path: fmean([centres[name][0] for name in arrows[path]] or [WIDTH / 2]) for path in row}
        height = LEVEL * (len(rows) - level - 0.5)
        for index, path in enumerate(sorted(row, key=lambda path: (near[path], path))):
            centres[path] = WIDTH * (index + 0.5) / len(row), height
    return centres


def _arrow(start: Point, end: Point) -> str:
    (x1, y1), (x2, y2) = start, end
    top, bottom = y1 + HEIGHT / 2, y2 - HEIGHT / 2
    bend = (bottom - top) / 2
    curve = f"M{x1:.0f} {top:.0f}C{x1:.0f} {top + bend:.0f} {x2:.0f} {bottom - bend:.0f} {x2:.0f} {bottom:.0f}"
    return f'<path d="{curve}" marker-end="url(#tip)" opacity="0.45"/>'


def _box(path: str, x: float, y: float) -> str:
    width = 7.4 * len(path) + 2 * MARGIN
    corner = f'x="{x - width / 2:.0f}" y="{y - HEIGHT / 2:.0f}" width="{width:.0f}" height="{HEIGHT}" rx="4"'
    text = f'<text x="{x:.0f}" y="{y + 4:.0f}" text-anchor="middle" fill="currentColor" stroke="none">{path}</text>'
    return f'<rect {corner} fill="var(--md-default-bg-color, white)"/>{text}'
