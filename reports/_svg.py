"""Small plots as SVG that takes its colours and its font from the page around it, so that they are dark on a dark page."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, MUTED, GRID = "#010201", "#010202", "#010203"  # stand-ins, replaced by the page's colours
COLOURS = 8  # of methods, then they repeat
MARKERS = "os^Dvp*h"
CONTROL_LINES = ((2.5, 1.5), (1, 1.2), (4, 1.2, 1, 1.2))

_SETTINGS: Any = {
    "svg.fonttype": "none", "svg.hashsalt": "cambench", "text.parse_math": False, "font.size": 8.5,
    "text.color": INK, "axes.edgecolor": MUTED, "axes.labelcolor": MUTED, "xtick.color": MUTED, "ytick.color": MUTED,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": GRID, "grid.linewidth": 0.6,
    "axes.linewidth": 0.7, "axes.axisbelow": True, "xtick.major.size": 2.5, "ytick.major.size": 2.5,
    "xtick.minor.visible": False, "figure.constrained_layout.use": True,
}  # fmt: skip


@dataclass(frozen=True)
class Style:
    """How a method is drawn, in every plot alike: the controls in dashed grey."""

    colour: str
    marker: str
    dashes: tuple[float, ...] | None = None

    @property
    def line(self) -> dict[str, Any]:
        return {"color": self.colour, "linestyle": (0, self.dashes) if self.dashes else "-"}


def styles(methods: list[str], controls: list[str]) -> dict[str, Style]:
    tested = [method for method in methods if method not in controls]
    found = {
        method: Style(_series(number % COLOURS), MARKERS[number % len(MARKERS)]) for number, method in enumerate(tested)
    }
    for number, method in enumerate(controls):
        found[method] = Style(MUTED, "xP+"[number % 3], CONTROL_LINES[number % len(CONTROL_LINES)])
    return found


@contextmanager
def axes(size: tuple[float, float] = (3.4, 2.5)) -> Iterator[tuple[Figure, Axes]]:
    with matplotlib.rc_context(_SETTINGS):
        figure = Figure(figsize=size)
        yield figure, figure.add_subplot()


def svg(figure: Figure, label: str) -> Markup:
    """A figure as an element of the page; `label` says in words what it shows. To be called inside `axes`."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    text = re.sub(r'(<svg [^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg [^>]*?) height="[^"]*"', r"\1", text, count=1)
    text = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font: \1 var(--font)", text)
    text = re.sub(r"#0102([0-9a-f]{2})", _variable, text)
    text = re.sub(r"\n\s*", "\n", text)
    return Markup(text.replace("<svg ", f'<svg role="img" aria-label="{escape(label)}" ', 1))


def swatch(style: Style) -> Markup:
    """The line and the marker of a method, for a legend."""
    with axes((0.42, 0.16)) as (figure, plot):
        plot.set_axis_off()
        plot.plot([0, 1, 2], [0, 0, 0], **style.line, linewidth=1.8)
        plot.plot([1], [0], style.marker, color=style.colour, markersize=5)
        return svg(figure, "")


def _series(number: int) -> str:
    return f"#0102{16 + number:02x}"


def _variable(match: re.Match[str]) -> str:
    number = int(match[1], 16)
    return {1: "var(--ink)", 2: "var(--muted)", 3: "var(--grid)"}.get(number, f"var(--s{number - 16})")
