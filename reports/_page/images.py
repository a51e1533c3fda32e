"""The section "Images": for each image the class explained, its probability, and the score of each method."""

from collections.abc import Sequence
from math import nan
from typing import Any

import pandas as pd

from ...bench.core.formatting import format_number
from ...bench.show.grid import Cell, ColumnHead, Grid, GridRow, make_name_cell, make_number_cell
from .analysis import MetricAnalysis, NetAnalysis
from .render import fill
from .section import Section

IMAGES = 100  # in a table, at most


def make_section(analyses: Sequence[NetAnalysis]) -> Section | None:
    """Return a table of the images for each net that has scores; None if no net has."""
    tables = [(analysis, _make_table(analysis, metric)) for analysis in analyses if (metric := analysis.primary)]
    if not tables:
        return None
    return Section("images", "Images", fill("images.html", tables=tables), tables=[grid for _, grid in tables])


def _make_table(analysis: NetAnalysis, metric: MetricAnalysis) -> Grid:
    """Make a row for each image, those on which the scores of the methods differ most first."""
    values = analysis.table.values[metric.metric.spec].droplevel("dataset")
    methods = [method for method in analysis.table.methods if values[method].notna().any()]
    tested = values[[method for method in methods if method not in analysis.table.controls]]
    spread = (tested.max(axis=1) - tested.min(axis=1)).fillna(0).sort_values(ascending=False, kind="stable")
    predictions = analysis.run.table("predictions", net=analysis.table.net).set_index("image")
    heads = [
        ColumnHead("image", row_header=True), ColumnHead("class explained"), ColumnHead("probability", number=True),
        ColumnHead("difference", "largest minus smallest", number=True),
        *(ColumnHead(method, number=True, data={"method": method}) for method in methods),
    ]  # fmt: skip
    rows = [
        GridRow([
            make_name_cell(str(image)), *_describe(predictions, str(image)), make_number_cell(float(difference)),
            *(make_number_cell(float(values[method].get(image, nan))) for method in methods),
        ])
        for image, difference in spread.iloc[:IMAGES].items()
    ]  # fmt: skip
    notes = [f"The {IMAGES} of {len(spread):,} images on which the scores differ most."] if len(spread) > IMAGES else []
    caption = f"{metric.metric.spec} of each image on {analysis.title}, {metric.metric.better} is better"
    return Grid(f"images-{analysis.title}", caption, heads, rows, notes)


def _describe(predictions: pd.DataFrame, image: str) -> tuple[Cell, Cell]:
    """Make the cells of the class explained and of its probability."""
    if image not in predictions.index:
        return Cell("–"), make_number_cell(nan)
    row: Any = predictions.loc[image]
    wrong = row["top1"] is False or row["top1"] == 0
    probability = float(row["probability"])
    target = Cell(str(row["target_name"]), str(row["target_name"]), "not its label" if wrong else "")
    return target, make_number_cell(probability, format_number(probability))
