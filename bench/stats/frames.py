"""Per-image values as tables for statistics: one row per image, one column per method."""

from collections.abc import Sequence

import numpy as np
import pandas as pd


def pivot_scores(scores: pd.DataFrame, methods: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Arrange the scores of one net as one table of values per metric, by its spec.

    Each table has one row per (dataset, image), the same rows for all metrics, and one column per method, in the order given.
    A missing value is NaN. Raise ValueError if an image has two values of a method by a metric, as in the joined scores of
    several runs.
    """
    if not len(scores):
        return {}
    order = {method: index for index, method in enumerate(methods)}
    dataset_codes, datasets = pd.factorize(scores["dataset"])
    image_codes, images = pd.factorize(scores["image"])
    rows, row_keys = pd.factorize(dataset_codes * len(images) + image_codes)
    layers, metrics = pd.factorize(scores["metric"])
    columns = scores["method"].map(order).to_numpy(dtype=int)
    # DataFrame.pivot would sort the images; their order is that of the run.
    cube = np.full((len(metrics), len(row_keys), len(methods)), np.nan)
    filled = np.zeros(cube.shape, dtype=bool)
    filled[layers, rows, columns] = True
    if filled.sum() < len(scores):
        raise ValueError("an image has two values of a method by a metric")
    cube[layers, rows, columns] = scores["value"].to_numpy(dtype=np.float64)
    row_datasets, row_images = np.divmod(row_keys, len(images))
    index = pd.MultiIndex.from_arrays([datasets[row_datasets], images[row_images]], names=["dataset", "image"])
    return {
        str(metric): pd.DataFrame(values, index=index, columns=list(methods))
        for metric, values in zip(metrics, cube, strict=True)
    }


def keep_complete(values: pd.DataFrame) -> pd.DataFrame:
    """Keep the methods that have any value, and the images for which all of these methods have one."""
    scored = values.dropna(axis=1, how="all")
    return scored.dropna() if scored.shape[1] else scored.iloc[:0]


def keep_ranked(values: pd.DataFrame) -> pd.DataFrame:
    """Keep the methods that are not scarce, and the images for which all of these methods have a value."""
    return keep_complete(values.drop(columns=list_scarce(values)))


def list_scarce(values: pd.DataFrame) -> list[str]:
    """List the methods without any value, or with values on fewer than half as many images as another."""
    counts = values.notna().sum()
    return [str(method) for method in values.columns[counts < max(1, counts.max() / 2)]]
