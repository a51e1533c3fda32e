"""The section "Sanity check": maps of nets in which more and more layers have random weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...bench.data.types import Pixels
from ...bench.show.overlay import colour_map
from ...bench.show.postprocess import read_map
from ...bench.store.run import Run
from .analysis import NetAnalysis
from .render import encode_jpeg, fill
from .section import Section


@dataclass(frozen=True)
class Stage:
    """A map of a net of which a share of the layers is random, and its similarity to the first map."""

    share: float
    similarity: float
    uri: str


Strips = dict[str, tuple[str, list[Stage]]]  # by method: an image and its stages


def make_section(analyses: Sequence[NetAnalysis]) -> Section | None:
    """Return a strip of maps for each net and method, from the trained to the random net; None if no metric stores them."""
    strips = {
        analysis.title: net_strips
        for analysis in analyses
        if (net_strips := _make_strips(analysis.run, analysis.table.net))
    }
    return Section("sanity", "Sanity check", fill("sanity.html", strips=strips)) if strips else None


def _make_strips(run: Run, net: str) -> Strips:
    """Return the first image of each method that has a series of maps and its curve."""
    rows = run.table("strips", net=net)
    curves = run.table("curves", set(rows["image"]), net=net)
    scores: Any = curves.set_index(["method", "image", "metric"])["scores"]
    series: Any = rows.groupby(["method", "image", "metric"], sort=False, observed=True)
    strips: Strips = {}
    for (method, image, metric), maps in series:
        if method not in strips and (method, image, metric) in scores.index:
            stages = zip(maps.to_dict("records"), scores[method, image, metric], strict=True)
            strips[method] = (
                image,
                [Stage(row["share"], score, encode_jpeg(_draw_picture(row))) for row, score in stages],
            )
    return strips


def _draw_picture(row: Any) -> Pixels:
    return colour_map(read_map(row))  # stored as it was scored: fitted and in [0, 1]
