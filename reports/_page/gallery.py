"""The section "Gallery": each method's best, median and worst image, and the images on which methods disagree most."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ...bench.show.run_pictures import RunPictures
from .analysis import MetricAnalysis, NetAnalysis
from .render import encode_jpeg, fill
from .section import Section

DISAGREEMENTS = 3  # images


@dataclass(frozen=True)
class Choice:
    """An image of a method's row."""

    rank: str  # best, median, worst
    image: str
    score: float


@dataclass(frozen=True)
class Overlay:
    """An image and a map on it, with the words of its caption."""

    rank: str
    image: str
    target: str
    score: float
    uri: str


@dataclass(frozen=True)
class Disagreement:
    """An image on which methods disagree, with the map of each method."""

    image: str
    target: str
    low: float
    high: float
    uri: str
    maps: dict[str, tuple[float, str]]  # by method: score and picture


@dataclass(frozen=True)
class Gallery:
    """The pictures of one net, by its primary metric."""

    analysis: NetAnalysis
    metric: MetricAnalysis
    methods: dict[str, list[Overlay]]
    disagreements: list[Disagreement]


def make_section(analyses: Sequence[NetAnalysis]) -> Section | None:
    """Return the maps of chosen images on each net that has scores; None if no net has."""
    galleries = [_make_gallery(analysis, metric) for analysis in analyses if (metric := analysis.primary)]
    return Section("gallery", "Gallery", fill("gallery.html", galleries=galleries)) if galleries else None


def _make_gallery(analysis: NetAnalysis, metric: MetricAnalysis) -> Gallery:
    net = analysis.table.net
    values = analysis.table.values[metric.metric.spec].droplevel("dataset")
    higher = metric.metric.better == "higher"
    choices = {str(method): _choose_images(values[method].dropna(), higher=higher) for method in values}
    disputed = _find_disputed(values[[method for method in values if method not in analysis.table.controls]])
    names = {choice.image for of_method in choices.values() for choice in of_method} | set(disputed)
    pictures = RunPictures(analysis.run, names, metric.metric.spec)
    return Gallery(
        analysis, metric,
        {method: list(_make_overlays(pictures, net, method, of_method)) for method, of_method in choices.items()},
        [_make_disagreement(pictures, net, values, image) for image in disputed if pictures.has(image)],
    )  # fmt: skip


def _choose_images(values: "pd.Series[float]", *, higher: bool) -> list[Choice]:
    """Return the best, the median and the worst image; fewer if the run has fewer than three. Ties are broken by name."""
    frame = pd.DataFrame({"image": values.index, "value": values.to_numpy()})
    frame["order"] = -frame["value"] if higher else frame["value"]
    rows = frame.sort_values(["order", "image"])[["image", "value"]]
    choices: dict[str, Choice] = {}
    for rank, index in {"best": 0, "median": len(rows) // 2, "worst": len(rows) - 1}.items():
        if len(rows):
            image, value = rows.iloc[index]
            choices.setdefault(str(image), Choice(rank, str(image), float(value)))
    return list(choices.values())


def _find_disputed(values: pd.DataFrame) -> list[str]:
    """Return the images on which the scores of the methods differ most."""
    if values.dropna(axis=1, how="all").shape[1] < 2:
        return []
    spread: pd.Series[float] = (values.max(axis=1) - values.min(axis=1)).dropna()
    order = spread[spread > 0].sort_values(ascending=False, kind="stable")
    return [str(image) for image in order.index[:DISAGREEMENTS]]


def _make_overlays(pictures: RunPictures, net: str, method: str, choices: list[Choice]) -> Iterator[Overlay]:
    for choice in choices:
        overlay = pictures.draw_overlay(net, method, choice.image)
        if overlay is not None:
            uri = encode_jpeg(np.hstack([pictures.read_image(choice.image), overlay]))
            yield Overlay(choice.rank, choice.image, pictures.find_target_name(net, choice.image), choice.score, uri)


def _make_disagreement(pictures: RunPictures, net: str, values: pd.DataFrame, image: str) -> Disagreement:
    of_image: Any = values.loc[image]
    scores = of_image.dropna().sort_values(ascending=False)
    overlays = {str(method): pictures.draw_overlay(net, str(method), image) for method in scores.index}
    maps = {
        method: (float(scores[method]), encode_jpeg(overlay))
        for method, overlay in overlays.items()
        if overlay is not None
    }
    low, high, picture = float(scores.min()), float(scores.max()), encode_jpeg(pictures.read_image(image))
    return Disagreement(image, pictures.find_target_name(net, image), low, high, picture, maps)
