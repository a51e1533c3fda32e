"""The gallery: of each method its best, median and worst image, and the images where methods disagree most."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from .analysis import Sheet, View
from .pictures import Pictures, uri

TORN = 3  # images where methods disagree most


@dataclass(frozen=True)
class Pick:
    """An image of a gallery."""

    place: str  # best, median, worst
    image: str
    score: float


@dataclass(frozen=True)
class Shown:
    """A picture in the gallery, and what its caption says."""

    place: str
    image: str
    target: str
    score: float
    uri: str


@dataclass(frozen=True)
class Torn:
    """An image where methods disagree: its picture, and that of each method's map."""

    image: str
    target: str
    low: float
    high: float
    uri: str
    maps: dict[str, tuple[float, str]]  # by method, its score and its picture


@dataclass(frozen=True)
class Gallery:
    """Of one net, by the metric that is shown first."""

    sheet: Sheet
    view: View
    methods: dict[str, list[Shown]]
    torn: list[Torn]


def galleries(sheets: Sequence[Sheet]) -> Iterator[Gallery]:
    for sheet in sheets:
        view = sheet.first
        if view is None:
            continue
        values = sheet.table.values[view.metric.spec].droplevel("dataset")
        up = view.metric.better == "higher"
        picks = {method: _picks(values[method].dropna(), up) for method in values}
        torn = _torn(values[[one for one in values if one not in sheet.table.controls]])
        names = {pick.image for own in picks.values() for pick in own} | set(torn)
        pictures = Pictures(sheet.run, names)
        yield Gallery(
            sheet, view,
            {str(method): _pictured(pictures, sheet.table.net, str(method), own) for method, own in picks.items()},
            [_laid(pictures, sheet.table.net, values, image) for image in torn if pictures.has(image)],
        )  # fmt: skip


def _picks(own: "pd.Series[float]", up: bool) -> list[Pick]:
    """Fewer where the run has fewer images; of equals the first by name."""
    frame = pd.DataFrame({"image": own.index, "value": own.to_numpy()})
    frame["rank"] = -frame["value"] if up else frame["value"]
    order = frame.sort_values(["rank", "image"])[["image", "value"]]
    found: dict[str, Pick] = {}
    for place, index in {"best": 0, "median": len(order) // 2, "worst": len(order) - 1}.items():
        if len(order):
            image, value = order.iloc[index]
            found.setdefault(str(image), Pick(place, str(image), float(value)))
    return list(found.values())


def _torn(values: pd.DataFrame) -> list[str]:
    """The images on which the scores of the methods are farthest apart."""
    if values.dropna(axis=1, how="all").shape[1] < 2:
        return []
    apart: pd.Series[float] = (values.max(axis=1) - values.min(axis=1)).dropna()
    return [str(image) for image in apart[apart > 0].sort_values(ascending=False, kind="stable").index[:TORN]]


def _pictured(pictures: Pictures, net: str, method: str, picks: list[Pick]) -> list[Shown]:
    found: list[Shown] = []
    for pick in picks:
        over = pictures.overlay(net, method, pick.image)
        if over is not None:
            both = uri(np.hstack([pictures.image(pick.image), over]))
            found.append(Shown(pick.place, pick.image, pictures.target(net, pick.image), pick.score, both))
    return found


def _laid(pictures: Pictures, net: str, values: pd.DataFrame, image: str) -> Torn:
    scored: Any = values.loc[image]
    row = scored.dropna().sort_values(ascending=False)
    overs = {str(method): pictures.overlay(net, str(method), image) for method in row.index}
    maps = {method: (float(row[method]), uri(over)) for method, over in overs.items() if over is not None}
    picture = uri(pictures.image(image))
    return Torn(image, pictures.target(net, image), float(row.min()), float(row.max()), picture, maps)
