"""A run read in Python: its tables as frames, its means, and pictures of its curves and maps."""

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from PIL import Image as Picture

from ..core import plugins
from ..core.errors import UsageError, nearest
from ..core.formatting import number
from ..core.plugins import REPORT
from ..show.overlay import COLOURS, OPACITY, fitted
from ..show.panel import DPI, STYLE, Panel, Row, Tile, draw
from ..stats.summary import metrics
from ..store import run as store

CAPTION = 3  # metrics, at most, below a map


class Run(store.Run):
    """A run in a directory. What it knows is read when it is asked for, and a notebook shows it as its table of means."""

    @property
    def scores(self) -> pd.DataFrame:
        """A row for each image, net, method and metric: `value`, or the `reason` why there is none."""
        return self.table("scores")

    @property
    def curves(self) -> pd.DataFrame:
        """A row for each image, net, method and metric that has a curve: lists of `shares` and of `scores`."""
        return self.table("curves")

    @property
    def cost(self) -> pd.DataFrame:
        """A row for each image, net and method: `seconds`; for the first image `forwards` and `peak_bytes` too."""
        return self.table("cost")

    @property
    def predictions(self) -> pd.DataFrame:
        """A row for each image and net: the label, the class explained and its probability."""
        return self.table("predictions")

    def summary(self) -> pd.DataFrame:
        """A row for each net, method and metric: the mean with its 95 % interval, `low` to `high`, and the cost."""
        return pd.read_csv(io.StringIO(plugins.find(REPORT, "csv")(self)))

    def curve(self, metric: str = "insertion", net: str | None = None) -> Panel:
        """The mean curve of each method by a metric that has curves, on a net, the first or the one named."""
        own = self._net(net)
        rows = self.curves
        rows = rows[rows["net"] == own] if len(rows) else rows
        known = list(dict.fromkeys(rows["metric"])) if len(rows) else []
        rows = rows[rows["metric"] == _named(metric, "curve of a metric", known)]
        with matplotlib.rc_context(STYLE):
            figure = Panel(figsize=(5, 3.4), dpi=DPI, layout="constrained", facecolor="white")
            plot = figure.add_subplot()
            for method, found in rows.groupby("method", sort=False):
                plot.plot(found["shares"].iloc[0], np.stack(list(found["scores"])).mean(0), label=method)
            plot.set(xlabel="share of pixels", ylabel="mean class score", title=f"{metric}, {own}", xlim=(0, 1))
            plot.legend(frameon=False)
        return figure

    def panel(
        self, net: str | None = None, *, methods: Sequence[str] | None = None, images: int = 3,
        colours: str = COLOURS, opacity: float = OPACITY,
    ) -> Panel:  # fmt: skip
        """The first images under the maps of the methods, all or those named, on a net, the first or the one named."""
        net, shown = self._net(net), [_named(one, "method", self.header["methods"]) for one in methods or ()]
        names = self.header["data"]["images"][:images]
        rows = [self._row(net, name, shown or list(self.header["methods"])) for name in names]
        about = self.header["nets"][net].get("layer", "")
        return draw(f"{self.name}: {net}, {about}", rows, colours=colours, opacity=opacity)

    def _row(self, net: str, name: str, methods: Sequence[str]) -> Row:
        pixels = np.asarray(Picture.open(io.BytesIO(_only(self.table("images", [name]))["jpeg"])).convert("RGB"))
        told = _only(self._of("predictions", net, name))
        maps, scores = self._of("maps", net, name), self._of("scores", net, name)
        tiles = []
        for method in methods:
            own = maps[maps["method"] == method]
            drawn = fitted(_only(own), pixels.shape[:2]) if len(own) else None
            tiles.append(
                Tile(method, drawn, self._caption(scores[scores["method"] == method], applies=drawn is not None))
            )
        caption = f"{name}; probability {number(told['probability'])}"
        return Row(str(told["target_name"]), caption, pixels, tiles)

    def _caption(self, scores: pd.DataFrame, *, applies: bool) -> str:
        if not applies:
            return f"not applicable: {scores['reason'].iloc[0]}"
        values = scores.set_index("metric")["value"].dropna()
        shown = [metric for metric in metrics(self) if metric.spec in values][:CAPTION]
        return "   ".join(f"{one.short} {number(values[one.spec])} {one.arrow}" for one in shown)

    def _of(self, table: str, net: str, image: str) -> pd.DataFrame:
        rows = self.table(table, [image])
        return rows[rows["net"] == net]

    def _net(self, asked: str | None) -> str:
        return _named(asked, "net", self.header["nets"]) if asked else next(iter(self.header["nets"]))

    def _repr_html_(self) -> str:
        shown = self.summary()[["net", "method", "metric", "better", "mean", "low", "high", "n", "seconds", "forwards"]]
        return str(shown.to_html(index=False, float_format=number))


def _named(asked: str, word: str, known: Iterable[str]) -> str:
    if asked not in known:
        raise UsageError(f"the run has no {word} {asked!r}: {nearest(asked, known)}")
    return asked


def _only(rows: pd.DataFrame) -> Any:
    return rows.iloc[0]


def load(directory: Path | str) -> Run:
    """The run in a directory. Raises UsageError where there is none, or one that this version cannot read."""
    found = store.read(directory)
    return Run(found.directory, found.header)
