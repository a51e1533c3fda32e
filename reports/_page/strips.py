"""Strips of pictures: an image, and the map of each method on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ...bench.core.formatting import format_number
from ...bench.show.overlay import colour_map
from ...bench.show.run_pictures import RunPictures
from .analysis import MetricAnalysis, NetAnalysis
from .render import encode_jpeg

IMAGES = 3
METHODS = 12  # in a strip, at most


@dataclass(frozen=True)
class Tile:
    """A picture and its caption."""

    name: str
    caption: str
    uri: str
    alt: str


@dataclass(frozen=True)
class Strip:
    """An image with its maps."""

    image: str
    tiles: list[Tile]


def make_strips(analysis: NetAnalysis, metric: MetricAnalysis, methods: Sequence[str]) -> list[Strip]:
    """Make the strips of the stored images on which the scores of the methods differ most; none if the run has no maps."""
    values = analysis.table.values[metric.metric.spec].droplevel("dataset")
    shown = [method for method in methods if method in values][:METHODS]
    stored = values.index.isin(analysis.run.table("images", columns=["image"])["image"])
    images = _find_disputed(values.loc[stored, [method for method in shown if method not in analysis.table.controls]])
    pictures = RunPictures(analysis.run, set(images), metric.metric.spec)
    scores: dict[Any, dict[Any, float]] = values[shown].to_dict("index")
    strips = [make_strip(pictures, analysis, image, metric, scores[image]) for image in images]
    return [strip for strip in strips if len(strip.tiles) > 1]


def make_scale() -> str:
    """Make the data URL of a strip of the colours from 0 to 1."""
    return encode_jpeg(colour_map(np.tile(np.linspace(0, 1, 128, dtype=np.float32), (8, 1))))


def _find_disputed(values: pd.DataFrame) -> list[str]:
    """Return the images on which the scores of the methods differ most; of equals, the first ones."""
    spread: pd.Series[float] = (values.max(axis=1) - values.min(axis=1)).dropna()
    return [str(image) for image in spread.sort_values(ascending=False, kind="stable").index[:IMAGES]]


def make_strip(
    pictures: RunPictures, analysis: NetAnalysis, image: str, metric: MetricAnalysis, scores: Mapping[Any, float]
) -> Strip:
    """Make the strip of an image that the run stores, with the maps of the methods that have a score and a map there."""
    net = analysis.table.net
    target = pictures.find_target_name(net, image)
    tiles = [Tile(target, "the class explained", encode_jpeg(pictures.read_image(image)), f"{image}, {target}")]
    for method, score in scores.items():
        overlay = pictures.draw_overlay(net, method, image)
        if overlay is not None:
            caption = f"{metric.metric.spec} {format_number(score)}"
            tiles.append(Tile(method, caption, encode_jpeg(overlay), f"Map of {method} for {target} on {image}"))
    return Strip(image, tiles)
