"""Scores in long format as tables with one row per image and one column per method."""

import math

import pandas as pd
import pytest

from cambench.bench.stats.frames import keep_complete, pivot_scores

NAN = math.nan


def _rows(values: dict[str, list[float]], metric: str = "m", dataset: str = "d") -> pd.DataFrame:
    """Scores of the images i0, i1, ... by method."""
    return pd.DataFrame(
        {"dataset": dataset, "image": f"i{index}", "net": "n", "method": method, "metric": metric, "value": value}
        for method, scores in values.items()
        for index, value in enumerate(scores)
    )


def test_one_row_per_image_and_one_column_per_method_in_the_given_order() -> None:
    scores = pd.concat([_rows({"b": [1, 2], "a": [3, NAN]}), _rows({"b": [9]}, metric="k")])
    values = pivot_scores(scores, ["a", "b", "c"])["m"]
    assert values.index.tolist() == [("d", "i0"), ("d", "i1")] and values.columns.tolist() == ["a", "b", "c"]
    assert values["b"].tolist() == [1, 2] and values["a"].tolist() == pytest.approx([3, NAN], nan_ok=True)
    assert values["c"].isna().all()
    assert pivot_scores(scores, ["b", "a"])["m"].columns.tolist() == ["b", "a"]


def test_images_of_the_same_name_in_two_data_sets_are_two_images() -> None:
    scores = pd.concat([_rows({"a": [1]}), _rows({"a": [2]}, dataset="e")])
    assert pivot_scores(scores, ["a"])["m"]["a"].tolist() == [1, 2]


def test_two_values_of_an_image_are_an_error() -> None:
    scores = pd.concat([_rows({"a": [1.0]}), _rows({"a": [2.0]})])
    with pytest.raises(ValueError, match="two values"):
        pivot_scores(scores, ["a"])


def test_no_scores_have_no_tables() -> None:
    assert pivot_scores(pd.DataFrame(), ["a"]) == {}
    assert "other" not in pivot_scores(_rows({"a": [1.0]}), ["a"])


def test_complete_values_have_no_empty_methods_and_no_incomplete_images() -> None:
    complete = keep_complete(pd.DataFrame({"a": [1, 2, NAN], "b": [3, NAN, 4], "c": [NAN] * 3}))
    assert complete.columns.tolist() == ["a", "b"] and complete.to_numpy().tolist() == [[1, 3]]


def test_all_metrics_have_the_same_rows_and_the_values_of_pandas_pivot() -> None:
    keys = [
        ("d", "i", "a", "m"),
        ("d", "i", "b", "m"),
        ("e", "i", "a", "m"),
        ("d", "j", "a", "k"),
        ("e", "i", "b", "k"),
    ]
    scores = pd.DataFrame(keys, columns=["dataset", "image", "method", "metric"]).assign(value=[0.0, 1, 2, 3, 4])
    tables = pivot_scores(scores, ["b", "a", "c"])
    assert list(tables) == ["m", "k"] and list(tables["m"].columns) == ["b", "a", "c"]
    assert tables["m"].index.equals(tables["k"].index)
    assert tables["m"].to_numpy()[0].tolist()[:2] == [1.0, 0.0] and tables["k"].to_numpy()[1, 0] == 4.0
    for metric, values in tables.items():
        rows = scores[scores["metric"] == metric]
        expected = rows.pivot(index=["dataset", "image"], columns="method", values="value").reindex(
            columns=["b", "a", "c"]
        )
        pd.testing.assert_frame_equal(values.loc[expected.index], expected, check_names=False)
    with pytest.raises(ValueError, match="two values"):
        pivot_scores(pd.concat([scores, scores]), ["a", "b", "c"])
