"""Runs in which an image failed: they are compared on the others, but an image that fails only in the new run is an error."""

from pathlib import Path

import pandas as pd
import pytest

from cambench.bench.compare.snapshot import take_snapshot
from cambench.bench.store.run import open_run

from ..support import runs
from ..support.cli import bench, refused
from ..support.runs import words

FAILED = "image 03"


def lose(directory: Path, images: list[str], nets: list[str]) -> Path:
    """Let images of a run fail on some nets: their rows are gone, and a row says why."""
    run = open_run(directory)
    for table in ("scores", "curves", "maps", "predictions", "cost"):
        rows = run.table(table)
        runs.rewrite(directory, table, rows[~(rows["image"].isin(images) & rows["net"].isin(nets))])
    failures = [
        {"dataset": "scenes", "image": image, "net": net, "reason": f"{image}: it is truncated"}
        for net in nets for image in images
    ]  # fmt: skip
    runs.rewrite(directory, "failures", pd.DataFrame(failures))
    return directory


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    return runs.write(tmp_path / "whole")


@pytest.fixture
def failed(tmp_path: Path) -> Path:
    """A run with the same values as `whole`, in which an image failed on one of three nets."""
    return lose(runs.write(tmp_path / "failed"), [FAILED], ["resnet18"])


def test_a_run_with_a_failed_image_is_compared_on_the_others(failed: Path, tmp_path: Path) -> None:
    result = bench("compare", failed, failed)
    assert result.exit_code == 0 and f"1 image left out: failed in {failed}" in words(result.output)
    assert "11 images" in words(result.output) and result.output.count("left out") == 1
    recorded = bench("baseline", failed, "--out", tmp_path / "b.baseline")
    assert recorded.exit_code == 0 and "failed and are not in the baseline (" in recorded.stderr
    text = (tmp_path / "b.baseline").read_text(encoding="utf-8")
    assert FAILED not in text and "image 04" in text
    result = bench("compare", tmp_path / "b.baseline", failed)
    assert result.exit_code == 0 and "worse" not in result.output and "not comparable" not in result.output


def test_an_image_that_failed_in_the_new_run_alone_is_an_error(whole: Path, failed: Path) -> None:
    message = f"{FAILED} failed on resnet18 in {failed}, and has scores in {whole}: {FAILED}: it is truncated"
    assert message in refused("compare", whole, failed)
    result = bench("compare", failed, whole)
    assert result.exit_code == 0 and "only in" not in result.output
    assert f"1 image left out: failed in {failed}" in words(result.output)


def test_on_nets_on_which_it_did_not_fail_an_image_is_compared(whole: Path, failed: Path) -> None:
    result = bench("compare", whole, failed, "--nets", "vgg16")
    assert result.exit_code == 0 and "12 images" in words(result.output) and "left out" not in result.output


def test_a_history_goes_on_over_a_run_with_a_failed_image(whole: Path, failed: Path, tmp_path: Path) -> None:
    result = bench("history", whole, failed, runs.write(tmp_path / "last"))
    assert result.exit_code == 0 and "Run 2 → 3: nothing changed" in words(result.output)


def test_runs_of_which_each_lost_the_images_of_the_other_are_not_comparable(whole: Path, tmp_path: Path) -> None:
    names = open_run(whole).header.data.images
    halves = [lose(runs.write(tmp_path / name), part, ["resnet18"])
              for name, part in (("a", names[:6]), ("b", names[6:]))]  # fmt: skip
    message = "no image in common that did not fail in one of them"
    result = bench("history", whole, *halves)
    assert result.exit_code == 0 and message in words(result.output)


def test_runs_in_which_the_same_image_failed_are_named_together(failed: Path, tmp_path: Path) -> None:
    other = lose(runs.write(tmp_path / "other"), [FAILED, "image 04"], ["resnet18"])
    text = words(bench("compare", other, failed).output)
    assert f"1 image left out: failed in {other} and {failed}" in text
    assert f"1 image left out: failed in {other}" in text and "10 images" in text


def test_an_image_on_which_a_late_method_failed_has_no_scores(tmp_path: Path) -> None:
    """`bench run --time` scores it by cheap methods first."""
    directory = runs.write(tmp_path / "run")
    run = open_run(directory)
    rows = run.table("scores")
    late = (rows["image"] == FAILED) & (rows["net"] == "resnet18") & (rows["method"] == "grad_cam")
    runs.rewrite(directory, "scores", rows[~late])
    reason = f"{FAILED}: it is truncated"
    failure = {"dataset": "scenes", "image": FAILED, "net": "resnet18", "reason": reason}
    runs.rewrite(directory, "failures", pd.DataFrame([failure]))
    result = bench("compare", directory, directory)
    assert result.exit_code == 0 and "11 images" in words(result.output)


@pytest.mark.parametrize("table", ["scores", "predictions"])
def test_a_failure_on_one_net_hides_nothing_that_another_net_lacks(failed: Path, table: str) -> None:
    rows = open_run(failed).table(table)
    lost = (rows["image"] == "image 05") & (rows["net"] == "vgg16")
    runs.rewrite(failed, table, rows[~lost])
    message = "is damaged: it has" if table == "scores" else "is not finished: 11 of 12 images on vgg16 are done"
    assert message in refused("compare", failed, failed)


def test_the_values_of_the_other_images_stay_with_their_images(failed: Path) -> None:
    """The images after the one that failed have other places in the scores of a snapshot."""
    run = open_run(failed)
    snapshot, rows = take_snapshot(run), run.table("scores")
    rows = rows[(rows["net"] == "vgg16") & (rows["metric"] == "insertion")]
    for method in ("grad_cam", "random"):
        values = rows[rows["method"] == method].set_index("image")["value"]
        found = snapshot.scores["vgg16", method, "insertion"].values
        assert {name: found[place] for name, place in snapshot.positions.items()} == values.to_dict()
    snapshot = snapshot.leave_out(snapshot.list_failed(["vgg16", "resnet18"]))
    for method in ("grad_cam", "random"):
        values = rows[rows["method"] == method].set_index("image")["value"].drop(FAILED)
        found = snapshot.scores["vgg16", method, "insertion"].values
        assert {name: found[place] for name, place in snapshot.positions.items()} == values.to_dict()
    reasons = snapshot.scores["vgg16", "cam", "insertion"].reasons
    assert list(reasons) == list(range(11)) and len({*reasons.values()}) == 1


def test_a_run_in_which_all_images_failed_is_refused(tmp_path: Path) -> None:
    directory = runs.write(tmp_path / "run", images=3)
    names = open_run(directory).header.data.images
    lose(directory, names, list(open_run(directory).header.nets))
    assert "has no image that did not fail: image 00: it is truncated" in refused("baseline", directory)
