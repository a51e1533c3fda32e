"""The drift of scores in a lower precision: values worked out by hand, and what the page says about them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cambench.bench.stats.drift import measure_drift
from cambench.bench.store import run as store
from cambench.reports import html
from cambench.tests.support import runs

KEYS = ["dataset", "image", "net", "method", "metric", "value"]


def _run(directory: Path, shift: dict[str, float]) -> store.Run:
    """Write a run whose first two images were also scored in fp32: these scores are lower by a shift for each method."""
    runs.write(directory, images=4)
    run = store.open_run(directory)
    scores = run.table("scores")
    exact = scores[scores["image"].isin(["image 00", "image 01"])][KEYS].copy()
    exact["value"] -= exact["method"].map(shift).fillna(0.0)
    (directory / "drift").mkdir()
    part = next((directory / "scores").glob("*.parquet")).name
    exact.to_parquet(directory / "drift" / part, index=False)
    return run


def test_the_drift_is_the_mean_and_the_largest_absolute_change(tmp_path: Path) -> None:
    run = _run(tmp_path / "run", {"cam": 0.02, "grad_cam": -0.04})
    drifts = {drift.metric: drift for drift in measure_drift(run, "resnet18")}
    assert list(drifts) == list(runs.METRICS)
    drift = drifts["insertion"]
    assert drift.n == 2 * len(runs.METHODS)
    assert drift.mean == pytest.approx((0.02 + 0.04) / len(runs.METHODS))
    assert drift.largest == pytest.approx(0.04)


def test_swapped_methods_are_listed_with_the_better_one_in_fp32_first(tmp_path: Path) -> None:
    run = _run(tmp_path / "run", {})
    scores = run.table("scores")
    rows = scores[(scores["net"] == "resnet18") & scores["image"].isin(["image 00", "image 01"])]
    for spec, (better, *_) in runs.METRICS.items():
        means = rows[rows["metric"] == spec].groupby("method", observed=True)["value"].mean().drop("cam")
        ahead = float(means.max() if better == "higher" else means.min()) + (0.5 if better == "higher" else -0.5)
        cam = float(rows[(rows["metric"] == spec) & (rows["method"] == "cam")]["value"].mean())
        behind = [method for method, mean in means.items() if (mean > cam if better == "higher" else mean < cam)]
        other = _run(tmp_path / spec, {"cam": cam - ahead})  # in fp32 cam is ahead of all
        (drift,) = [drift for drift in measure_drift(other, "resnet18") if drift.metric == spec]
        assert sorted(drift.swapped) == sorted(("cam", method) for method in behind)


def test_missing_scores_are_left_out(tmp_path: Path) -> None:
    run = _run(tmp_path / "run", {"cam": 0.1})
    drifts = {drift.metric: drift for drift in measure_drift(run, "vgg16")}  # vgg16 has no scores of CAM
    assert drifts["insertion"].n == 2 * (len(runs.METHODS) - 1)
    assert drifts["insertion"].largest == 0 and not np.isnan(drifts["insertion"].mean)


def test_the_page_shows_the_drift_or_says_that_it_was_not_measured(tmp_path: Path) -> None:
    page = html.render(_run(tmp_path / "run", {"cam": 0.02}))
    assert "Drift of bf16 on resnet18" in page and "was not measured" not in page
    plain = store.open_run(runs.write(tmp_path / "plain", images=4))
    assert measure_drift(plain, "resnet18") == []
    assert "How far bf16 changes these scores from fp32 was not measured" in html.render(plain)
    assert isinstance(plain.table("drift"), pd.DataFrame)
