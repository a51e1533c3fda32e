"""The figures of the page: curves with bands, faithfulness against cost; and a picture of the maps for a README."""

import io
from dataclasses import dataclass

import matplotlib
import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from numpy.typing import NDArray

from ..bench.stats import FEW, RESAMPLES, student
from ..bench.store import Run
from ..bench.tables import Metric, Table, tables
from ._pictures import Pictures
from ._svg import Style, axes, svg

CHUNK = 1_000

Curves = NDArray[np.float64]


@dataclass(frozen=True)
class Band:
    """The mean of curves at each share, and its 95 % interval over images."""

    shares: Curves
    mean: Curves
    low: Curves
    high: Curves


def band(rows: pd.DataFrame) -> Band:
    """An interval at each share by itself, as a mean's; curves with other shares are read between their points."""
    shares = np.asarray(max(rows["shares"], key=len), dtype=np.float64)
    curves = np.stack(
        [np.interp(shares, one, other) for one, other in zip(rows["shares"], rows["scores"], strict=True)]
    )
    mean, (low, high) = curves.mean(0), _ends(curves)
    return Band(shares, mean, np.maximum(low, np.minimum(mean, 0)), np.minimum(high, np.maximum(mean, 1)))


def _ends(curves: Curves) -> tuple[Curves, Curves]:
    """Of curves (n, shares): Student's t of few of them, else a percentile bootstrap; of one curve itself."""
    count = len(curves)
    if count < FEW:
        return student(curves) if count > 1 else (curves[0], curves[0])
    rng = np.random.default_rng(0)
    draws = (
        rng.multinomial(count, np.full(count, 1 / count), CHUNK) @ curves / count for _ in range(RESAMPLES // CHUNK)
    )
    low, high = np.percentile(np.concatenate(list(draws)), [2.5, 97.5], axis=0)
    return low, high


def curve_panel(rows: pd.DataFrame, metric: Metric, net: str, styles: dict[str, Style]) -> Markup:
    """The curves of the methods on a net, each with its band."""
    with axes() as (figure, plot):
        for method, style in styles.items():
            own = rows[rows["method"] == method]
            if len(own):
                _curve(plot, band(own), style)
        plot.set_xlim(0, 1)
        plot.set_ylim(0, 1.02)
        plot.set_xlabel("share of pixels traded")
        plot.set_ylabel("score of the class explained")
        shown = ", ".join(dict.fromkeys(rows["method"]))
        return svg(
            figure, f"Mean {metric.spec} curves on {net} with 95 % bands, for {shown}; {metric.better} is better."
        )


def cost_panel(table: Table, metric: Metric, axis: str, styles: dict[str, Style]) -> Markup:
    """A metric against the cost of one explanation: `axis` is seconds or forwards."""
    with axes((3.0, 2.5)) as (figure, plot):
        plot.margins(x=0.12, y=0.12)
        for method, style in styles.items():
            entry, cost = table.entry(method, metric), table.costs.get(method)
            if entry.reason or cost is None or np.isnan(getattr(cost, axis)):
                continue
            _point(plot, getattr(cost, axis), entry.estimate, style)
        if axis == "seconds":
            plot.set_xscale("log")
            plot.xaxis.set_major_locator(LogLocator(numticks=5))
        else:
            plot.set_xscale("symlog", linthresh=1)  # a control does no work at all, which a plain log cannot show
            plot.set_xlim(left=-0.15)
        plot.xaxis.set_major_formatter("{x:g}")
        plot.xaxis.set_minor_formatter(NullFormatter())
        plot.set_xlabel("seconds per image" if axis == "seconds" else "forwards per image")
        plot.set_ylabel(f"{metric.spec} {metric.arrow}")
        return svg(figure, f"{metric.spec} ({metric.better} is better) against {axis} per image on {table.net}.")


def montage(run: Run, *, nets: list[str] | None = None, methods: list[str] | None = None, images: int = 4) -> bytes:
    """A PNG: a row per image, and for each net a column per method that is no control (unless methods are named)."""
    shown = [table for table in tables(run) if nets is None or table.net in nets]
    chosen = methods or [method for method in shown[0].methods if method not in shown[0].controls]
    pictures = Pictures(run)
    names = _spread([name for name in run.header["data"]["images"] if pictures.has(name)], images)
    size = (1.25 * (1 + len(shown) * len(chosen)), 1.25 * len(names) + 0.55)
    with matplotlib.rc_context({"text.parse_math": False, "font.size": 9, "font.family": "DejaVu Sans"}):
        figure = Figure(figsize=size, dpi=128)
        grid = figure.subplots(len(names), 1 + len(shown) * len(chosen), squeeze=False)
        figure.subplots_adjust(0.005, 0.005, 0.995, 1 - 0.5 / size[1], wspace=0.04, hspace=0.04)
        for row, name in enumerate(names):
            _tile(grid[row, 0], pictures.image(name), "image" if row == 0 else "")
            for column, (table, method) in enumerate([(table, method) for table in shown for method in chosen], 1):
                first = f"{table.net}\n" if (column - 1) % len(chosen) == 0 else ""
                _tile(
                    grid[row, column],
                    pictures.overlay(table.net, method, name),
                    first + method.replace(":", ":\n") if row == 0 else "",
                )
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", facecolor="white")
    return buffer.getvalue()


def _curve(plot: Axes, found: Band, style: Style) -> None:
    plot.fill_between(found.shares, found.low, found.high, color=style.colour, alpha=0.14, linewidth=0)
    every = max(1, len(found.shares) // 5)
    plot.plot(found.shares, found.mean, **style.line, linewidth=1.6, marker=style.marker, markevery=every, markersize=4)


def _point(plot: Axes, cost: float, estimate: tuple[float, float, float, int], style: Style) -> None:
    mean, low, high, _ = estimate
    spread = None if np.isnan(low) else [[mean - low], [high - mean]]
    plot.errorbar(
        [cost], [mean], yerr=spread, fmt=style.marker, color=style.colour, markersize=6, elinewidth=1.2, capsize=2
    )


def _tile(plot: Axes, picture: NDArray[np.uint8] | None, title: str) -> None:
    plot.set_axis_off()
    if picture is None:
        plot.text(0.5, 0.5, "n/a", ha="center", va="center", color="#777777")
        plot.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    else:
        plot.imshow(picture)
    if title:
        plot.set_title(title, fontsize=8, pad=3)


def _spread(names: list[str], count: int) -> list[str]:
    """As many names as asked for, evenly over all."""
    return [names[index] for index in np.unique(np.linspace(0, len(names) - 1, min(count, len(names))).astype(int))]
