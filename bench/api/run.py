"""A run read in Python: its tables as frames, its means, and pictures of its curves and maps."""

from collections.abc import Collection, Iterable, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.colors import TABLEAU_COLORS

from ..config.defaults import DEFAULTS
from ..core.errors import UsageError, list_known_names
from ..core.formatting import format_count, format_number, join_names, make_title
from ..core.specs import to_list
from ..data.types import Pixels
from ..show.overlay import COLOURS, OPACITY
from ..show.panel import DPI, STYLE, Panel, PanelRow, Tile, draw_panel
from ..show.postprocess import Postprocessing, read_map
from ..show.run_pictures import read_picture
from ..stats.answer import Answer, find_answers
from ..stats.bands import Bands, compute_bands
from ..stats.records import make_frame
from ..stats.summary import list_metrics
from ..store import run as store

BAND = 0.15  # opacity, of up to eight bands; less of more
GREY = "tab:gray"
METHOD_LINES = [(colour, dashes) for dashes in ("-", "--", ":") for colour in TABLEAU_COLORS if colour != GREY]
CONTROL_LINES = [(GREY, (0, lengths)) for lengths in ((1, 1), (4, 2), (6, 2, 1, 2), (9, 3))]
CAPTION = 3  # the most metrics shown below a map


class Run(store.Run):
    """The results of a run, read from its directory when they are needed. A notebook shows the table of means."""

    @property
    def scores(self) -> pd.DataFrame:
        """A row for each image, net, method and metric: the `value`, or the `reason` why there is none."""
        return self.table("scores")

    @property
    def curves(self) -> pd.DataFrame:
        """A row for each point of each curve, of an image, net, method and metric: the `share` of pixels and the `score`."""
        rows = self.table("curves").explode(["shares", "scores"], ignore_index=True)
        points = rows.rename(columns={"shares": "share", "scores": "score"})
        return points.astype({"share": np.float64, "score": np.float64})

    @property
    def cost(self) -> pd.DataFrame:
        """A row for each image, net and method: `seconds`; for the first image also `forwards` and `peak_bytes`."""
        return self.table("cost")

    @property
    def predictions(self) -> pd.DataFrame:
        """A row for each image and net: the label, the class explained and its probability."""
        return self.table("predictions")

    def summary(self) -> pd.DataFrame:
        """Summarise the run in a frame with a row for each net, method and metric.

        Numbers are not rounded, and what is unknown is NaN. The columns:

        * `suite`, `dataset`, `net`, `layer`, `precision`, `method`, `control` (True for a baseline), `metric`;
        * `better` (`higher` or `lower`), `unit`, the `mean` over `n` images, its 95 % interval from `low` to `high`, and the
          `reason` why there is no mean;
        * `tie_effect`: how much the order of equal pixels moves the mean, if the run has a metric that measures this, and a
          `note` where that is more than half the width of the interval;
        * `constant_maps`: the number of maps of the method that are constant;
        * `seconds` of an image alone (the median), `seconds_low` and `seconds_high` (the quartiles), `images_per_second` in a
          batch, `forwards` and `peak_bytes`: the cost of the method on the net;
        * `protocol`: the settings of the metric in one line.
        """
        return make_frame(self)

    def answer(self, by: str | Sequence[str] = ()) -> list[Answer]:
        """Find which method to take on each net, by the metrics named, or by a balanced choice of the run's.

        An answer has a `state` (`winner`, `tie`, `split`, `none`, or `open` if that is not decided), the method to `take`, the
        methods on `top`, and a `text`. Raise UsageError for a metric by which the run has no score.
        """
        return find_answers(self, to_list(by))

    def worst(self, method: str, metric: str, net: str | None = None, *, count: int = 5) -> pd.DataFrame:
        """Return the images on which a method scores worst by a metric, the worst first, on the net named or the first net.

        The columns are `image`, `value`, the class explained (`target_name`) and its `probability`. Raise UsageError for a
        method, metric or net that is not in the run, and for a count below 1.
        """
        net, count = self._check_net(net), _check_count(count)
        _check_name(method, "method", self.header.methods)
        better = self.header.metrics[_check_name(metric, "metric", self.header.metrics)].better
        scores = self.table("scores", columns=["image", "method", "metric", "value"], net=net)
        chosen = scores[(scores["method"] == method) & (scores["metric"] == metric)].dropna(subset=["value"])
        worst = chosen.sort_values("value", ascending=better == "higher", kind="stable").head(count)
        predictions = self.table("predictions", columns=["image", "target_name", "probability"], net=net)
        return worst[["image", "value"]].merge(predictions, on="image", how="left")

    def curve(
        self, metric: str = DEFAULTS.curve, net: str | None = None, *, methods: str | Sequence[str] | None = None
    ) -> Panel:
        """Draw the mean curve of each method by a metric, on the net named or the run's first net.

        Without `methods`, all methods are drawn; controls are grey. The means are over the images of which all these methods
        have a curve; methods with curves of few images are left out, and named. The band around a curve is the 95 % interval
        of the mean. The arrow says whether high (↑) or low (↓) scores of the metric are better.

        Raise UsageError for a net or a method that is not in the run, for a metric that has no curve in it, and if no image
        has a curve of all methods.
        """
        net, chosen = self._check_net(net), self._check_methods(methods)
        rows = self.table("curves", net=net)
        if not len(rows):
            raise UsageError(f"{self.directory.name} has no curve on {net}")
        _check_name(metric, "curve of a metric", list(dict.fromkeys(rows["metric"])))
        bands = compute_bands(rows[(rows["metric"] == metric) & rows["method"].isin(chosen)], chosen)
        if not bands.images:
            raise UsageError(f"no image has a curve of all methods by {metric} on {net}")
        known = next(known for known in list_metrics(self) if known.spec == metric)
        title = f"{metric} {known.arrow}, {net}, {format_count(bands.images, 'image')}"
        controls = [name for name, method in self.header.methods.items() if method.control]
        return _draw_bands(bands, title, known.curve_axes, controls)

    def panel(
        self, net: str | None = None, *, methods: str | Sequence[str] | None = None, images: int | str | Sequence[str] = 3,
        colours: str = COLOURS, opacity: float = OPACITY,
    ) -> Panel:  # fmt: skip
        """Draw the maps of the methods on images of the run: those named, or the first that are done and have a picture.

        Without `net`, the run's first net is shown; without `methods`, all methods are. Raise UsageError for a net, method or
        image that is not in the run, for fewer than one image, and for a run without pictures.
        """
        net, known = self._check_net(net), self.header.data.images
        chosen = self._check_methods(methods)
        if isinstance(images, int):
            names = self._list_pictured(net)[: _check_count(images)]
        else:
            listed = [images] if isinstance(images, str) else images
            names = [_check_name(name, "image", known) for name in listed]
            _check_count(len(names))
        rows = [self._make_panel_row(net, name, chosen) for name in names]
        layer = self.header.nets[net].layer
        title = make_title(self.name, self.header.suite.dataset)
        return draw_panel(f"{title}: {net}, {layer}", rows, colours=colours, opacity=opacity)

    def _list_pictured(self, net: str) -> list[str]:
        """List the images that are done on a net and of which the run holds a picture. Raise UsageError if there is none."""
        done = {*self.table("predictions", columns=["image"], net=net)["image"]}
        pictured = done & {*self.table("images", columns=["image"])["image"]}
        if not pictured:
            raise UsageError(f"{self.directory.name} holds no picture of an image that is done on {net}")
        return [name for name in self.header.data.images if name in pictured]

    def _read_picture(self, net: str, image: str) -> Pixels:
        rows = self.table("images", [image])
        if not len(rows) and len(self.table("predictions", [image], net=net)):
            pictured = join_names(self._list_pictured(net))
            raise UsageError(f"{self.directory.name} holds no picture of {image}: it holds those of {pictured}")
        return read_picture(self, image, _take_first(rows, image)["jpeg"])

    def _make_panel_row(self, net: str, image: str, methods: Sequence[str]) -> PanelRow:
        pixels = self._read_picture(net, image)
        predictions, maps, scores = (self.table(name, [image], net=net) for name in ("predictions", "maps", "scores"))
        prediction = _take_first(predictions, image)
        tiles = []
        for method in methods:
            stored = maps[maps["method"] == method]
            fitted = Postprocessing.from_run(self)(read_map(stored.iloc[0]), pixels.shape[:2]) if len(stored) else None
            caption = self._make_caption(scores[scores["method"] == method], has_map=fitted is not None)
            title = f"{method} (control)" if self.header.methods[method].control else method
            tiles.append(Tile(title, fitted, caption))
        caption = f"{image}; probability {format_number(prediction['probability'])}"
        return PanelRow(str(prediction["target_name"]), caption, pixels, tiles)

    def _make_caption(self, scores: pd.DataFrame, *, has_map: bool) -> str:
        if not len(scores):
            return "not computed"
        values = scores.set_index("metric")["value"].dropna()
        if not has_map:
            return "no map is stored" if len(values) else f"not applicable: {scores['reason'].iloc[0]}"
        scored = [metric for metric in list_metrics(self) if metric.spec in values][:CAPTION]
        return "   ".join(f"{metric.short} {format_number(values[metric.spec])} {metric.arrow}" for metric in scored)

    def _check_net(self, name: str | None) -> str:
        """Return the name itself, or that of the run's first net. Raise UsageError for a net that is not in the run."""
        return _check_name(name, "net", self.header.nets) if name else next(iter(self.header.nets))

    def _check_methods(self, methods: str | Sequence[str] | None) -> list[str]:
        """List the methods themselves, or all of the run. Raise UsageError for a method that is not in the run."""
        known = self.header.methods
        return [_check_name(name, "method", known) for name in to_list(methods or [*known])]

    def _repr_html_(self) -> str:
        columns = ["net", "method", "metric", "better", "mean", "low", "high", "n", "seconds", "forwards"]
        return str(self.summary()[columns].to_html(index=False, float_format=format_number))


def _check_name(name: str, kind: str, names: Iterable[str]) -> str:
    if name not in names:
        raise UsageError(f"the run has no {kind} {name!r}: {list_known_names(name, names)}")
    return name


def _check_count(count: int) -> int:
    if count < 1:
        raise UsageError(f"{count} images are asked for: take 1 or more")
    return count


def _draw_bands(bands: Bands, title: str, labels: tuple[str, ...], controls: Collection[str]) -> Panel:
    """Draw the bands of the methods, which are told apart by colour and dashes; the controls are grey."""
    across, up = labels
    opacity = BAND * min(1, 8 / len(bands.by_method))
    height = max(3.4, 0.19 * len(bands.by_method))
    method_lines, control_lines = cycle(METHOD_LINES), cycle(CONTROL_LINES)
    with matplotlib.rc_context(STYLE):
        figure = Panel(figsize=(6, height), dpi=DPI, layout="constrained", facecolor="white")
        axes = figure.add_subplot()
        for method, band in bands.by_method.items():
            colour, dashes = next(control_lines if method in controls else method_lines)
            axes.plot(band.shares, band.mean, label=method, color=colour, linestyle=dashes)
            axes.fill_between(band.shares, band.low, band.high, color=colour, alpha=opacity, linewidth=0)
        axes.set(xlabel=across, ylabel=up, title=title, xlim=(0, 1))
        too_few = "\n".join(["on too few:", *bands.left_out]) if bands.left_out else ""
        figure.legend(loc="outside right upper", frameon=False, title=too_few)
    return figure


def _take_first(rows: pd.DataFrame, image: str) -> Any:
    """Return the first row. Raise UsageError if the image has none, because it is not done or failed."""
    if not len(rows):
        raise UsageError(f"{image} is not done: run the same command again to resume it, or choose fewer images")
    return rows.iloc[0]


def load(directory: Path | str) -> Run:
    """Read the run in a directory, or the results that ship with cambench by their name: `load("reference")`.

    Raise UsageError if the directory holds no run, or a run that this version cannot read.
    """
    run = store.open_run(directory)
    return Run(run.directory, run.header)
