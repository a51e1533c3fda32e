"""Scores in long format, laid out by image and by block."""

import math

import pandas as pd
import pytest

from cambench.bench.stats.frames import blocks, by_method, by_metric, complete

NAN = math.nan


def _rows(
    values: dict[str, list[float]], net: str = "n", metric: str = "m", protocol: str = "default", dataset: str = "d"
) -> pd.DataFrame:
    return pd.DataFrame(
        {"dataset": dataset, "image": f"i{number}", "net": net, "method": method, "metric": metric, "value": value}
        | {"protocol": protocol}
        for method, own in values.items()
        for number, value in enumerate(own)
    )


def test_a_row_per_image_and_a_column_per_method_in_the_order_asked() -> None:
    scores = pd.concat(
        [_rows({"b": [1, 2], "a": [3, NAN]}), _rows({"b": [9]}, net="other"), _rows({"b": [9]}, metric="k")]
    )
    found = by_method(scores, "n", "m", ["a", "b", "c"])
    assert found.index.tolist() == [("d", "i0"), ("d", "i1")] and found.columns.tolist() == ["a", "b", "c"]
    assert found["b"].tolist() == [1, 2] and found["a"].tolist() == pytest.approx([3, NAN], nan_ok=True)
    assert found["c"].isna().all()
    assert by_method(scores, "n", "m").columns.tolist() == ["b", "a"]


def test_images_of_the_same_name_in_two_data_sets_are_two() -> None:
    scores = pd.concat([_rows({"a": [1]}), _rows({"a": [2]}, dataset="e")])
    assert by_method(scores, "n", "m")["a"].tolist() == [1, 2]


def test_two_values_of_an_image_are_refused() -> None:
    scores = pd.concat([_rows({"a": [1.0]}), _rows({"a": [2.0]})])
    for lay in (lambda: by_method(scores, "n", "m"), lambda: blocks(scores, "m")):
        with pytest.raises(ValueError, match="duplicate"):
            lay()


def test_no_scores_have_no_rows() -> None:
    for found in (by_method(pd.DataFrame(), "n", "m", ["a"]), blocks(pd.DataFrame(), "m", ["a"])):
        assert len(found) == 0 and found.columns.tolist() == ["a"]
    assert len(blocks(_rows({"a": [1.0]}), "other")) == 0 and len(by_method(_rows({"a": [1.0]}), "n", "other")) == 0


def test_a_block_per_net_data_set_and_protocol() -> None:
    scores = pd.concat(
        [
            _rows({"a": [1, 3], "b": [5, 7]}),
            _rows({"a": [2], "b": [NAN]}, net="other"),
            _rows({"b": [4]}, dataset="e"),
            _rows({"a": [6]}, metric="m@rise", protocol="rise"),
            _rows({"a": [6]}, metric="m[steps=3]"),
        ]
    )
    found = blocks(scores, "m", ["b", "a"])
    assert found.index.tolist() == [
        ("n", "d", "default"), ("other", "d", "default"), ("n", "e", "default"), ("n", "d", "rise")
    ]  # fmt: skip
    assert found["a"].tolist() == pytest.approx([2, 2, NAN, 6], nan_ok=True)
    assert found["b"].tolist() == pytest.approx([6, NAN, 4, NAN], nan_ok=True)
    pd.testing.assert_frame_equal(blocks(scores, "m@rise", ["b", "a"]), found)


def test_the_means_of_a_block_are_over_the_images_of_all_methods() -> None:
    found = blocks(_rows({"a": [1, 3, 9], "b": [5, 7, NAN], "c": [NAN, NAN, NAN]}), "m")
    assert found.iloc[0].tolist() == pytest.approx([2, 6, NAN], nan_ok=True)


def test_complete_keeps_methods_with_a_value_and_images_with_all() -> None:
    found = complete(pd.DataFrame({"a": [1, 2, NAN], "b": [3, NAN, 4], "c": [NAN] * 3}))
    assert found.columns.tolist() == ["a", "b"] and found.to_numpy().tolist() == [[1, 3]]


def test_all_metrics_are_laid_out_at_once_as_each_by_itself() -> None:
    rows = [
        {"dataset": dataset, "image": image, "net": "n", "method": method, "metric": metric, "value": value}
        for value, (dataset, image, method, metric) in enumerate(
            [
                ("d", "i", "a", "m"),
                ("d", "i", "b", "m"),
                ("e", "i", "a", "m"),
                ("d", "j", "a", "k"),
                ("e", "i", "b", "k"),
            ]
        )
    ]
    scores = pd.DataFrame(rows).astype({"value": float})
    found = by_metric(scores, ["b", "a", "c"])
    assert list(found) == ["m", "k"] and list(found["m"].columns) == ["b", "a", "c"]
    assert found["m"].to_numpy()[0].tolist()[:2] == [1.0, 0.0] and found["k"].to_numpy()[1, 0] == 4.0
    for metric, values in found.items():
        alone = by_method(scores, "n", metric, ["b", "a", "c"])
        pd.testing.assert_frame_equal(values.loc[alone.index], alone, check_names=False)
    with pytest.raises(ValueError, match="two values"):
        by_metric(pd.concat([scores, scores]), ["a", "b", "c"])
