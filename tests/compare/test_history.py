"""The history of a metric over many runs: what changed, and when."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest

from cambench.bench.compare.compare import load_snapshot
from cambench.bench.compare.history import ALL_NETS, Series, make_history
from cambench.bench.compare.terminal import draw_course
from cambench.bench.compare.verdicts import OVERALL
from cambench.bench.store.run import open_run
from cambench.tests.support import runs as _runs
from cambench.tests.support.cli import bench, refused
from cambench.tests.support.comparisons import ONE_NET, edit_header, rename_method, shift_scores

KEY = ("squeezenet1_1", "grad_cam", "insertion")


def series(runs: list[Path], key: tuple[str, str, str] = KEY) -> Series:
    return next(series for series in make_history([load_snapshot(run) for run in runs]) if series.key == key)


@pytest.fixture
def drift(tmp_path: Path) -> list[Path]:
    """Seven runs, each worse by .004 than the one before, which is less than the slack."""
    runs = []
    for number in range(7):
        runs.append(_runs.write(tmp_path / f"run{number}", nets=ONE_NET))
        if number:
            shift_scores(runs[-1], "grad_cam", "insertion", -0.004 * number)
    return runs


def test_a_slow_drift_is_found_once_it_is_significant(drift: list[Path]) -> None:
    entries = series(drift).entries
    assert [entry.verdict for entry in entries] == ["new", "same", "same", "worse", "same", "same", "worse"]
    assert [entry.against for entry in entries] == [-1, 0, 0, 0, 3, 3, 3]
    assert entries[3].mean == pytest.approx(entries[0].mean - 0.012)
    overall = series(drift, ("all nets", "grad_cam", "overall"))
    assert [entry.run for entry in overall.entries if entry.changes] == [3, 6]
    others = [series for series in make_history([load_snapshot(run) for run in drift]) if series.key[1] != "grad_cam"]
    assert others and not any(entry.changes for other in others for entry in other.entries)


def test_a_baseline_can_replace_its_run(drift: list[Path], tmp_path: Path) -> None:
    assert bench("baseline", drift[0], "--out", tmp_path / "b").exit_code == 0
    assert [entry.verdict for entry in series([tmp_path / "b", *drift[1:4]]).entries] == [
        "new",
        "same",
        "same",
        "worse",
    ]


def test_a_change_of_meaning_is_the_new_point_of_comparison(drift: list[Path]) -> None:
    for run in drift[2:]:
        edit_header(run, lambda header: header["methods"]["grad_cam"].update(version=2))
    entries = series(drift[:6]).entries
    assert [entry.verdict for entry in entries] == ["new", "same", "not comparable", "same", "same", "worse"]
    assert entries[5].against == 2


def test_runs_without_a_net_or_an_image_in_common_are_not_comparable(tmp_path: Path) -> None:
    first = _runs.write(tmp_path / "first", nets=ONE_NET)
    photos = _runs.write(tmp_path / "photos", nets=ONE_NET, prefix="photo")
    other = _runs.write(tmp_path / "other", nets={"resnet18": "layer4"})
    assert [entry.verdict for entry in series([first, photos, photos]).entries] == ["new", "not comparable", "same"]
    overall = series([first, other], ("all nets", "grad_cam", "overall"))
    assert [entry.verdict for entry in overall.entries] == ["new", "not comparable"]


def test_a_history_fits_into_eighty_columns(drift: list[Path]) -> None:
    result = bench("history", *drift, "--methods", "grad_cam", "--metrics", "insertion,deletion")
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[:2] == ["Run 6 → 7: nothing changed", "2 numbers over 7 runs: 2 changes"]
    (row,) = [line for line in lines if line.startswith("insert ↑")]
    assert "█▇▅▅▃▂▁" in row.replace("▆", "▅").replace("▄", "▅") and "worse at 4" in row


def test_a_history_begins_with_what_changed_in_the_last_run(drift: list[Path], tmp_path: Path) -> None:
    same = bench("history", drift[0], drift[0], "--methods", "grad_cam").output
    assert "insert" in same and "overall" not in same, "what has neither a mean nor a change is left out"
    lines = " ".join(bench("history", drift[0], drift[5], drift[1]).output.split())
    assert lines.startswith("Run 2 → 3: insertion of grad_cam on squeezenet1_1 is better, ")
    photos = _runs.write(tmp_path / "photos", nets=ONE_NET, prefix="photo")
    assert bench("history", drift[0], photos).output.startswith("Run 1 → 2: not comparable: no image in common")


def test_a_history_of_some_metrics_begins_with_a_change_of_these(tmp_path: Path) -> None:
    first, second = (_runs.write(tmp_path / name, nets=ONE_NET) for name in ("first", "second"))
    costs = open_run(second).table("cost")
    _runs.rewrite(second, "cost", costs.assign(forwards=2 * costs["forwards"] + 1))
    assert bench("history", first, second).output.startswith("Run 1 → 2: forwards of ")
    chosen = ("history", first, second, "--metrics", "insertion")
    assert bench(*chosen).output.startswith("Run 1 → 2: nothing changed\n")
    shift_scores(second, "grad_cam", "insertion", -0.1)
    shift_scores(second, "grad_cam", "deletion", 0.2)
    headline = " ".join(bench(*chosen).output.split())
    assert headline.startswith("Run 1 → 2: insertion of grad_cam on squeezenet1_1 is worse, ")
    assert " (1 worse, 4 same) " in headline


def test_a_history_begins_with_what_is_certain(tmp_path: Path) -> None:
    base, new = (_runs.write(tmp_path / name, nets=ONE_NET) for name in ("base", "new"))
    shift_scores(new, "grad_cam", "insertion", 0.2)
    rows = open_run(new).table("scores")
    noisy = rows.index[(rows["method"] == "grad_cam") & (rows["metric"] == "deletion")]
    rows.loc[noisy, "value"] += np.where(np.arange(len(noisy)) % 2, 0.3, -0.28)
    _runs.rewrite(new, "scores", rows)
    first = _runs.words(bench("history", base, new).output)
    assert "unclear" in first and "Run 1 → 2: insertion of grad_cam on squeezenet1_1 is better" in first
    rest = _runs.words(bench("history", base, new, "--metrics", "deletion").output)
    assert "Run 1 → 2: deletion of grad_cam on squeezenet1_1 is unclear" in rest


def test_what_holds_no_finished_run_is_left_out_of_a_history(drift: list[Path], tmp_path: Path) -> None:
    empty, race = tmp_path / "empty", _runs.write(tmp_path / "race", nets=ONE_NET)
    empty.mkdir()
    edit_header(race, lambda header: header["suite"].update(race={"confidence": 0.1, "slack": 0.02}))
    result = bench("history", race, drift[0], empty, drift[3], "--csv", "-")
    assert result.exit_code == 0 and result.stdout == bench("history", drift[0], drift[3], "--csv", "-").stdout
    first, second = result.stderr.splitlines()
    assert first.startswith(f"left out: {race} is a race, ")
    assert second == f"left out: {empty} holds no run: it has no run.json"
    assert refused("history", drift[0], race).startswith(f"bench: {race} is a race, ")
    assert "there is no run or baseline at" in refused("history", *drift[:2], tmp_path / "mistyped")


def test_the_course_has_a_block_for_each_run(drift: list[Path]) -> None:
    assert draw_course(series(drift), 7)[0] == "█" and draw_course(series(drift), 7)[-1] == "▁"
    assert draw_course(series(drift, ("squeezenet1_1", "cam", "insertion")), 7) == "▄" * 7


def test_csv_has_a_row_for_each_run_and_cell(drift: list[Path]) -> None:
    result = bench("history", *drift[:4], "--methods", "grad_cam", "--metrics", "insertion", "--csv", "-")
    rows = [line.split(",") for line in result.output.splitlines()]
    assert rows[0] == ["run", "net", "method", "metric", "mean", "verdict", "against"]
    assert len(rows) == 1 + 4
    assert rows[4][:4] == [str(drift[3]), *KEY] and rows[4][5:] == ["worse", str(drift[0])]


def test_csv_holds_no_formula(tmp_path: Path) -> None:
    run = _runs.write(tmp_path / "=run", images=2, nets={"=1+1": "features"})
    rows = list(csv.DictReader(io.StringIO(bench("history", run, run, "--csv", "-").output)))
    assert {row["net"] for row in rows} == {"'=1+1", "all nets"}


def test_too_few_runs_and_unknown_metrics_are_refused(drift: list[Path]) -> None:
    assert "needs at least two runs" in refused("history", drift[0])
    assert "no run has a metric 'insert'" in refused("history", *drift[:2], "--metrics", "insert")


def test_a_method_that_an_older_run_lacks_is_shown_for_the_others(drift: list[Path]) -> None:
    rename_method(drift[0], "cam", "older")
    result = bench("history", *drift[:3], "--methods", "cam")
    assert result.exit_code == 0 and "squeezenet1_1, cam" in result.output and "grad_cam" not in result.output


def test_a_number_that_loses_its_values_is_a_change(drift: list[Path]) -> None:
    scores = open_run(drift[1]).table("scores")
    lost = (scores["method"] == "grad_cam") & (scores["metric"] == "insertion")
    _runs.rewrite(drift[1], "scores", scores.assign(
        value=scores["value"].mask(lost), reason=scores["reason"].mask(lost, "the map is empty")))  # fmt: skip
    entries = series(drift[:3]).entries
    assert [entry.verdict for entry in entries] == ["new", "broken", "fixed"] and all(
        entry.changes for entry in entries[1:]
    )
    assert "broken at 2" in bench("history", *drift[:2]).output
    overall = series(drift[:2], (ALL_NETS, "grad_cam", OVERALL))
    assert overall.entries[1].verdict == "broken"


def test_means_over_different_images_are_marked(tmp_path: Path) -> None:
    few, all_images = _runs.write(tmp_path / "few", images=4, nets=ONE_NET), _runs.write(tmp_path / "all", nets=ONE_NET)
    assert "The runs have different images" in bench("history", few, all_images).output
    assert "different images" not in bench("history", all_images, all_images).output
