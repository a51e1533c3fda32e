"""Per-image values laid out for statistics: a row per image, or per block of images, and a column per method."""

from collections.abc import Sequence

import numpy as np
import pandas as pd


def by_method(scores: pd.DataFrame, net: str, metric: str, methods: Sequence[str] | None = None) -> pd.DataFrame:
    """The values of a metric on a net: a row per (dataset, image), a column per method in the order given; NaN for none.

    Raises ValueError where an image has two values, as scores of several runs put together have.
    """
    if not len(scores):
        return pd.DataFrame(columns=list(methods or ()), dtype=float)
    return _wide(scores[(scores["net"] == net) & (scores["metric"] == metric)], methods)


def by_metric(scores: pd.DataFrame, methods: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Of the scores of one net, the values of each metric, all laid out at once: as `by_method` gives them, row for row alike.

    Raises ValueError where an image has two values.
    """
    if not len(scores):
        return {}
    order = {method: place for place, method in enumerate(methods)}
    datasets, kinds = pd.factorize(scores["dataset"])
    names, images = pd.factorize(scores["image"])
    rows, cells = pd.factorize(datasets * len(images) + names)
    layers, metrics = pd.factorize(scores["metric"])
    columns = scores["method"].map(order).to_numpy(dtype=int)
    cube = np.full((len(metrics), len(cells), len(methods)), np.nan)
    if len(np.unique(np.ravel_multi_index((layers, rows, columns), cube.shape))) < len(scores):
        raise ValueError("an image has two values of a method by a metric")
    cube[layers, rows, columns] = scores["value"].to_numpy(dtype=np.float64)
    of = np.divmod(cells, len(images))
    index = pd.MultiIndex.from_arrays([kinds[of[0]], images[of[1]]], names=["dataset", "image"])
    return {
        str(metric): pd.DataFrame(values, index=index, columns=list(methods))
        for metric, values in zip(metrics, cube, strict=True)
    }


def blocks(scores: pd.DataFrame, metric: str, methods: Sequence[str] | None = None) -> pd.DataFrame:
    """The means of a metric, whatever the protocol: a row per (net, dataset, protocol), a column per method.

    A block's means are over the images of which all methods that apply there have a value; NaN for those that do not.
    """
    if not len(scores):
        return pd.DataFrame(columns=list(methods or ()), dtype=float)
    named = scores["metric"].str.partition("@")[0]
    rows = scores[named == metric.partition("@")[0]]
    groups = rows.groupby(["net", "dataset", "protocol"], dropna=False, sort=False)
    means = {key: complete(_wide(group, methods)).mean() for key, group in groups}
    chosen = list(methods if methods is not None else dict.fromkeys(rows["method"]))
    found = pd.DataFrame([one.reindex(chosen) for one in means.values()], columns=chosen, dtype=float)
    found.index = pd.MultiIndex.from_tuples(list(means), names=["net", "dataset", "protocol"]) if means else found.index
    return found


def complete(values: pd.DataFrame) -> pd.DataFrame:
    """The methods that have a value at all, and of them the images of which each has one."""
    known = values.dropna(axis=1, how="all")
    return known.dropna() if known.shape[1] else known.iloc[:0]


def _wide(rows: pd.DataFrame, methods: Sequence[str] | None) -> pd.DataFrame:
    order = list(methods if methods is not None else dict.fromkeys(rows["method"]))
    return rows.pivot(index=["dataset", "image"], columns="method", values="value").reindex(columns=order)
