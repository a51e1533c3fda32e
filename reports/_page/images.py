"""The section "Images": for each image the class explained, its probability, and each method's score and map."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
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
from .strips import Strip, make_strip

IMAGES = 100  # in a table, at most
THUMBNAIL = 56  # pixels
WIDEST = 112  # pixels of a picture in a panel
PICTURES = 200  # in the panels of a net, at most: half a megabyte


@dataclass(frozen=True)
class ImageTable:
    """The images of a net, and the panel of each: its maps, by anchor."""

    analysis: NetAnalysis
    grid: Grid
    panels: dict[str, Strip]


def make_section(analyses: Sequence[NetAnalysis]) -> Section | None:
    """Return a table of the images for each net that has scores; None if no net has."""
    tables = [_make_table(analysis, metric) for analysis in analyses if (metric := analysis.primary)]
    if not tables:
        return None
    return Section("images", "Images", fill("images.html", tables=tables), tables=[table.grid for table in tables])


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


def _make_table(analysis: NetAnalysis, metric: MetricAnalysis) -> ImageTable:
    """Make a row for each image, those on which the scores of the methods differ most first."""
    values = analysis.table.values[metric.metric.spec].droplevel("dataset")
    methods = [method for method in analysis.table.methods if values[method].notna().any()]
    spread, anchors = _measure_spread(analysis, metric), list_anchors(analysis)
    pictures = RunPictures(analysis.run, set(anchors), metric.metric.spec, widest=WIDEST)
    strips = _make_strips(analysis, metric, pictures, values.loc[list(anchors), methods])
    predictions = analysis.run.table("predictions", net=analysis.table.net).set_index("image")
    classes = analysis.run.header.nets[analysis.table.net].classes
    rows = [
        GridRow([
            replace(make_name_cell(image), picture=_draw_thumbnail(pictures, image),
                    link=_name_panel(anchor) if image in strips else ""),
            *_describe(predictions, image, classes), make_number_cell(float(spread[image])),
            *(make_number_cell(float(values[method].get(image, nan))) for method in methods),
        ], anchor=anchor)
        for image, anchor in anchors.items()
    ]  # fmt: skip
    grid = Grid(
        f"images-{analysis.title}",
        f"{metric.metric.spec} of each image on {analysis.title}, {metric.metric.better} is better",
        _make_heads(methods), rows, list(_make_notes(len(spread), rows)),
    )  # fmt: skip
    return ImageTable(analysis, grid, {_name_panel(anchors[image]): strip for image, strip in strips.items()})


def _make_heads(methods: Sequence[str]) -> list[ColumnHead]:
    return [
        ColumnHead("image", row_header=True), ColumnHead("class explained"), ColumnHead("probability", number=True),
        ColumnHead("difference", "largest minus smallest, without controls", number=True),
        *(ColumnHead(method, number=True, data={"method": method}) for method in methods),
    ]  # fmt: skip


def _make_notes(images: int, rows: Sequence[GridRow]) -> Iterator[str]:
    """Say which images have no row, and which have no panel though others have one."""
    if images > len(rows):
        yield f"The {len(rows)} of {images:,} images on which the scores differ most."
    panels = sum(bool(row.cells[0].link) for row in rows)
    if 0 < panels < images:
        yield f"The maps on {panels} of these images are part of this page. run.panel(images=[...]) in Python draws any."


def _name_panel(anchor: str) -> str:
    """Return the anchor of the panel of an image, by that of its row."""
    return f"{anchor}-maps"


def _make_strips(
    analysis: NetAnalysis, metric: MetricAnalysis, pictures: RunPictures, values: pd.DataFrame
) -> dict[str, Strip]:
    """Make the strips of the first images that the run stores, by image, as many as PICTURES allow."""
    images = [str(image) for image in values.index if pictures.has(str(image))]
    scores: dict[Any, dict[Any, float]] = values.to_dict("index")
    strips = {
        image: make_strip(pictures, analysis, image, metric, scores[image])
        for image in images[: PICTURES // (len(values.columns) + 1)]
    }
    return {image: strip for image, strip in strips.items() if len(strip.tiles) > 1}


def _draw_thumbnail(pictures: RunPictures, image: str) -> str:
    """Draw an image, small, as a data URL; empty if the run does not store it."""
    if not pictures.has(image):
        return ""
    picture = Picture.fromarray(pictures.read_image(image))
    picture.thumbnail((THUMBNAIL, THUMBNAIL))
    return encode_jpeg(np.asarray(picture))


def _describe(predictions: pd.DataFrame, image: str, classes: Sequence[str]) -> tuple[Cell, Cell]:
    """Make the cells of the class explained, with the label and the prediction if they differ, and of its probability."""
    if image not in predictions.index:
        return Cell("–"), make_number_cell(nan)
    row: Any = predictions.loc[image]
    others = []
    if pd.notna(row["label"]) and row["label"] != row["target"]:
        others.append(f"not its label, {row['label_name']}")
    if pd.notna(row["predicted"]) and row["predicted"] != row["target"]:
        others.append(f"the net predicts {classes[int(row['predicted'])]}")
    probability = float(row["probability"])
    target = Cell(str(row["target_name"]), str(row["target_name"]), "; ".join(others))
    return target, make_number_cell(probability, format_number(probability))
