"""The section "Images": for each image the class explained, its probability, and the score of each method."""

from collections.abc import Sequence
from dataclasses import replace
from math import nan
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image as Picture

from ...bench.core.formatting import format_number
from ...bench.show.grid import Cell, ColumnHead, Grid, GridRow, make_name_cell, make_number_cell
from ...bench.show.run_pictures import RunPictures
from .analysis import MetricAnalysis, NetAnalysis
from .render import encode_jpeg, fill
from .section import Section

IMAGES = 100  # in a table, at most
THUMBNAIL = 56  # pixels


def make_section(analyses: Sequence[NetAnalysis]) -> Section | None:
    """Return a table of the images for each net that has scores; None if no net has."""
    tables = [(analysis, _make_table(analysis, metric)) for analysis in analyses if (metric := analysis.primary)]
    if not tables:
        return None
    return Section("images", "Images", fill("images.html", tables=tables), tables=[grid for _, grid in tables])


def list_anchors(analysis: NetAnalysis) -> dict[str, str]:
    """List the anchors of the rows of a net's table, by image."""
    if analysis.primary is None:
        return {}
    images = _measure_spread(analysis, analysis.primary).index[:IMAGES]
    return {str(image): f"{analysis.key}-image-{number}" for number, image in enumerate(images)}


def _measure_spread(analysis: NetAnalysis, metric: MetricAnalysis) -> "pd.Series[float]":
    """Measure by how much the scores of the methods differ on each image, the largest difference first."""
    values = analysis.table.values[metric.metric.spec].droplevel("dataset")
    tested = values[[method for method in values if method not in analysis.table.controls]]
    spread: pd.Series[float] = (tested.max(axis=1) - tested.min(axis=1)).fillna(0)
    return spread.sort_values(ascending=False, kind="stable")


def _make_table(analysis: NetAnalysis, metric: MetricAnalysis) -> Grid:
    """Make a row for each image, those on which the scores of the methods differ most first."""
    values = analysis.table.values[metric.metric.spec].droplevel("dataset")
    methods = [method for method in analysis.table.methods if values[method].notna().any()]
    spread, anchors = _measure_spread(analysis, metric), list_anchors(analysis)
    pictures = RunPictures(analysis.run, set(anchors), metric.metric.spec)
    predictions = analysis.run.table("predictions", net=analysis.table.net).set_index("image")
    heads = [
        ColumnHead("image", row_header=True), ColumnHead("class explained"), ColumnHead("probability", number=True),
        ColumnHead("difference", "largest minus smallest", number=True),
        *(ColumnHead(method, number=True, data={"method": method}) for method in methods),
    ]  # fmt: skip
    rows = [
        GridRow([
            replace(make_name_cell(str(image)), picture=_draw_thumbnail(pictures, str(image))),
            *_describe(predictions, str(image)), make_number_cell(float(difference)),
            *(make_number_cell(float(values[method].get(image, nan))) for method in methods),
        ], anchor=anchors[str(image)])
        for image, difference in spread.iloc[:IMAGES].items()
    ]  # fmt: skip
    notes = [f"The {IMAGES} of {len(spread):,} images on which the scores differ most."] if len(spread) > IMAGES else []
    caption = f"{metric.metric.spec} of each image on {analysis.title}, {metric.metric.better} is better"
    return Grid(f"images-{analysis.title}", caption, heads, rows, notes)


def _draw_thumbnail(pictures: RunPictures, image: str) -> str:
    """Draw an image, small, as a data URL; empty if the run does not store it."""
    if not pictures.has(image):
        return ""
    picture = Picture.fromarray(pictures.read_image(image))
    picture.thumbnail((THUMBNAIL, THUMBNAIL))
    return encode_jpeg(np.asarray(picture))


def _describe(predictions: pd.DataFrame, image: str) -> tuple[Cell, Cell]:
    """Make the cells of the class explained and of its probability."""
    if image not in predictions.index:
        return Cell("–"), make_number_cell(nan)
    row: Any = predictions.loc[image]
    wrong = pd.notna(row["label"]) and row["label"] != row["target"]
    probability = float(row["probability"])
    target = Cell(str(row["target_name"]), str(row["target_name"]), "not its label" if wrong else "")
    return target, make_number_cell(probability, format_number(probability))
