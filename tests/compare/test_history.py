"""A metric over many runs: what changed, and when."""

from pathlib import Path

import pytest

from cambench.bench.compare.compare import load
from cambench.bench.compare.history import Series, history
from cambench.bench.compare.terminal import course
from cambench.tests.support import runs as _runs
from cambench.tests.support.cli import bench, refused
from cambench.tests.support.comparisons import ONE, edited, shifted

KEY = ("squeezenet1_1", "grad_cam", "insertion")


def series(runs: list[Path], key: tuple[str, str, str] = KEY) -> Series:
    return next(one for one in history([load(run) for run in runs]) if one.key == key)


@pytest.fixture
def slide(tmp_path: Path) -> list[Path]:
    """Seven runs: by .004 worse each time, which alone is less than the slack."""
    runs = []
    for number in range(7):
        runs.append(_runs.write(tmp_path / f"run{number}", nets=ONE))
        if number:
            shifted(runs[-1], "grad_cam", "insertion", -0.004 * number)
    return runs


def test_a_slow_slide_is_found_where_it_has_become_a_difference(slide: list[Path]) -> None:
    points = series(slide).points
    assert [point.verdict for point in points] == ["new", "same", "same", "worse", "same", "same", "worse"]
    assert [point.against for point in points] == [-1, 0, 0, 0, 3, 3, 3]
    assert points[3].mean == pytest.approx(points[0].mean - 0.012)
    whole = series(slide, ("all nets", "grad_cam", "overall"))
    assert [point.run for point in whole.points if point.changes] == [3, 6]
    others = [one for one in history([load(run) for run in slide]) if one.key[1] != "grad_cam"]
    assert others and not any(point.changes for one in others for point in one.points)


def test_a_baseline_stands_for_its_run(slide: list[Path], tmp_path: Path) -> None:
    assert bench("baseline", slide[0], "--out", tmp_path / "b").exit_code == 0
    assert [point.verdict for point in series([tmp_path / "b", *slide[1:4]]).points] == ["new", "same", "same", "worse"]


def test_another_meaning_begins_anew(slide: list[Path]) -> None:
    for run in slide[2:]:
        edited(run, lambda header: header["methods"]["grad_cam"].update(version=2))
    points = series(slide[:6]).points
    assert [point.verdict for point in points] == ["new", "same", "not comparable", "same", "same", "worse"]
    assert points[5].against == 2


def test_it_is_shown_in_eighty_columns(slide: list[Path]) -> None:
    result = bench("history", *slide, "--methods", "grad_cam", "--metrics", "insertion,deletion")
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0] == "2 numbers over 7 runs: 2 changes"
    (row,) = [line for line in lines if line.startswith("insert ↑")]
    assert "█▇▅▅▃▂▁" in row.replace("▆", "▅").replace("▄", "▅") and "worse at 4" in row


def test_the_course_has_a_block_per_run(slide: list[Path]) -> None:
    assert course(series(slide), 7)[0] == "█" and course(series(slide), 7)[-1] == "▁"
    assert course(series(slide, ("squeezenet1_1", "cam", "insertion")), 7) == "▄" * 7


def test_csv_has_a_row_per_run_and_cell(slide: list[Path]) -> None:
    result = bench("history", *slide[:4], "--methods", "grad_cam", "--metrics", "insertion", "--csv", "-")
    rows = [line.split(",") for line in result.output.splitlines()]
    assert rows[0] == ["run", "net", "method", "metric", "mean", "verdict", "against"]
    assert len(rows) == 1 + 4
    assert rows[4][:4] == [str(slide[3]), *KEY] and rows[4][5:] == ["worse", str(slide[0])]


def test_one_run_has_no_history(slide: list[Path]) -> None:
    assert "two runs or more" in refused("history", slide[0])
    assert "has no metric 'insert'" in refused("history", *slide[:2], "--metrics", "insert")
