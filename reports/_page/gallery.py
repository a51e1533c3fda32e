"""The section "Gallery": each method's best, median and worst image."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ...bench.show.run_pictures import RunPictures
from .analysis import MetricAnalysis, NetAnalysis
from .render import encode_jpeg, fill
from .section import Section
from .text import find_common_reason


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
class Gallery:
    """The pictures of one net, by its primary metric."""

    analysis: NetAnalysis
    metric: MetricAnalysis
    methods: dict[str, list[Overlay]]  # those of which there are pictures
    missing: dict[str, list[str]]  # the other methods, by the reason why there are none


def make_section(analyses: Sequence[NetAnalysis]) -> Section | None:
    """Return the maps of chosen images on each net; None if the runs store few of these maps, or none."""
    found = [_make_gallery(analysis, metric) for analysis in analyses if (metric := analysis.primary)]
    galleries = [gallery for gallery in found if gallery is not None]
    return Section("gallery", "Gallery", fill("gallery.html", galleries=galleries)) if galleries else None


def _make_gallery(analysis: NetAnalysis, metric: MetricAnalysis) -> Gallery | None:
    """Return the pictures of a net; None if the run stores less than half of them, as it keeps the maps of few images."""
    net = analysis.table.net
    values = analysis.table.values[metric.metric.spec].droplevel("dataset")
    higher = metric.metric.better == "higher"
    choices = {str(method): _choose_images(values[method].dropna(), higher=higher) for method in values}
    names = {choice.image for of_method in choices.values() for choice in of_method}
    pictures = RunPictures(analysis.run, names, metric.metric.spec)
    overlays = {method: list(_make_overlays(pictures, net, method, of_method)) for method, of_method in choices.items()}
    if 2 * sum(map(len, overlays.values())) < max(sum(map(len, choices.values())), 1):
        return None
    shown = {method: of_method for method, of_method in overlays.items() if of_method}
    missing: dict[str, list[str]] = {}
    for method, of_method in overlays.items():
        if not of_method:
            reason = find_common_reason(analysis.table, method) or "the run stores no map or no image"
            missing.setdefault(reason, []).append(method)
    return Gallery(analysis, metric, shown, missing)


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


def _make_overlays(pictures: RunPictures, net: str, method: str, choices: list[Choice]) -> Iterator[Overlay]:
    for choice in choices:
        overlay = pictures.draw_overlay(net, method, choice.image)
        if overlay is not None:
            uri = encode_jpeg(np.hstack([pictures.read_image(choice.image), overlay]))
            yield Overlay(choice.rank, choice.image, pictures.find_target_name(net, choice.image), choice.score, uri)
