"""How far a precision moves scores, worked out by hand, and on the page."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cambench.bench.stats.drift import drifts
from cambench.bench.store import run as store
from cambench.reports import html
from cambench.tests.support import runs

KEYS = ["dataset", "image", "net", "method", "metric", "value"]


def _run(directory: Path, shift: dict[str, float]) -> store.Run:
    """A run whose first two images were scored in fp32 too: its scores less a shift by method."""
    runs.write(directory, images=4)
    run = store.read(directory)
    scores = run.table("scores")
    exact = scores[scores["image"].isin(["image 00", "image 01"])][KEYS].copy()
    exact["value"] -= exact["method"].map(shift).fillna(0.0)
    (directory / "drift").mkdir()
    part = next((directory / "scores").glob("*.parquet")).name
    exact.to_parquet(directory / "drift" / part, index=False)
    return run


def test_the_drift_is_the_mean_and_the_largest_absolute_change(tmp_path: Path) -> None:
    run = _run(tmp_path / "run", {"cam": 0.02, "grad_cam": -0.04})
    found = {one.metric: one for one in drifts(run, "resnet18")}
    assert list(found) == list(runs.METRICS)
    one = found["insertion"]
    assert one.n == 2 * len(runs.METHODS)
    assert one.mean == pytest.approx((0.02 + 0.04) / len(runs.METHODS))
    assert one.most == pytest.approx(0.04)


def test_methods_that_change_places_are_named_the_better_in_fp32_first(tmp_path: Path) -> None:
    run = _run(tmp_path / "run", {})
    scores = run.table("scores")
    rows = scores[(scores["net"] == "resnet18") & scores["image"].isin(["image 00", "image 01"])]
    for spec, (better, *_) in runs.METRICS.items():
        means = rows[rows["metric"] == spec].groupby("method")["value"].mean().drop("cam")
        ahead = float(means.max() if better == "higher" else means.min()) + (0.5 if better == "higher" else -0.5)
        cam = float(rows[(rows["metric"] == spec) & (rows["method"] == "cam")]["value"].mean())
        behind = [method for method, mean in means.items() if (mean > cam if better == "higher" else mean < cam)]
        other = _run(tmp_path / spec, {"cam": cam - ahead})  # in fp32 cam is ahead of all
        (one,) = [one for one in drifts(other, "resnet18") if one.metric == spec]
        assert sorted(one.swapped) == sorted(("cam", method) for method in behind)


def test_scores_that_are_not_there_do_not_count(tmp_path: Path) -> None:
    run = _run(tmp_path / "run", {"cam": 0.1})
    found = {one.metric: one for one in drifts(run, "vgg16")}  # on which plain CAM has no scores
    assert found["insertion"].n == 2 * (len(runs.METHODS) - 1)
    assert found["insertion"].most == 0 and not np.isnan(found["insertion"].mean)


def test_the_page_tells_the_drift_or_that_it_was_not_measured(tmp_path: Path) -> None:
    page = html.render(_run(tmp_path / "run", {"cam": 0.02}))
    assert "Drift of bf16 on resnet18" in page and "was not measured" not in page
    plain = store.read(runs.write(tmp_path / "plain", images=4))
    assert drifts(plain, "resnet18") == []
    assert "How far bf16 moves these scores from fp32 was not measured" in html.render(plain)
    assert isinstance(plain.table("drift"), pd.DataFrame)
