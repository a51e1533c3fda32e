"""The rules of the page *Which method?*, on runs whose outcome is known."""

from pathlib import Path

import pytest

from cambench.bench.store import shipped
from cambench.bench.store.run import open_run
from cambench.tests.support import runs
from cambench.tests.support.comparisons import edit_header, shift_scores
from cambench.tools import which

NET = {"squeezenet1_1": "features"}


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run in the place of the results that ship."""
    for module in (shipped, which):
        monkeypatch.setattr(module, "RESULTS", tmp_path)
    return write_results(tmp_path)


def write_results(folder: Path, images: int = 12) -> Path:
    directory = runs.write(folder / "reference", nets=NET, images=images)
    edit_header(directory, lambda header: header["environment"].update(device="a processor", commit="0123abc"))
    return directory


def find_row(text: str, section: str, start: str) -> list[str]:
    """Find the cells of the row of a section's table that begins with a text."""
    part = text.split(f"## {section}\n")[1].split("\n## ")[0]
    (line,) = [line for line in part.splitlines() if line.startswith("|") and start in line]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_method_that_beats_all_others_wins_and_its_images_are_counted(results: Path) -> None:
    shift_scores(results, "score_cam", "insertion", 0.5)
    assert find_row(which.format_which(), "By each metric", "`insertion`")[-1] == "winner: `score_cam` (n = 12)"


def test_a_control_that_no_method_beats_is_named_with_the_metrics_caveat(results: Path) -> None:
    shift_scores(results, "centre", "energy", 0.9)
    text = which.format_which()
    assert find_row(text, "By each metric", "`energy`")[-1] == "none (n = 12)"
    assert find_row(text, "What the controls gain", "`energy`")[-1] == "0 of 3"
    assert "- `energy`: `centre` on 1 net." in text
    assert find_row(text, "What the controls gain", "`insertion`")[-1] == "3 of 3"
    assert "- `insertion`:" not in text


def test_fewer_than_six_images_decide_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (shipped, which):
        monkeypatch.setattr(module, "RESULTS", tmp_path)
    write_results(tmp_path, images=5)
    text = which.format_which()
    for section in ("By each metric", "Which metrics rank methods reliably", "What the controls gain"):
        assert find_row(text, section, "`insertion`")[-1] == "too few images"
    assert "- **squeezenet1_1**: too few images" in text
    assert "`centre` on" not in text


def test_a_method_with_few_images_is_named_and_leaves_the_others_theirs(results: Path) -> None:
    """One image of twelve by Score-CAM: alpha is that of the other methods, over twelve images."""
    before = find_row(which.format_which(), "Which metrics rank methods reliably", "`energy`")[-1]
    rows = open_run(results).table("scores")
    lost = (rows["method"] == "score_cam") & (rows["image"] != open_run(results).header.data.images[0])
    runs.rewrite(results, "scores", rows[~lost])
    text = which.format_which()
    assert "12 images; 1 by `score_cam`." in text
    after = find_row(text, "Which metrics rank methods reliably", "`energy`")[-1]
    assert after != before and "-" not in after.replace("(-", "(")


def test_a_method_that_is_not_computed_is_said_to_be_so(results: Path) -> None:
    for table in ("scores", "cost"):
        rows = open_run(results).table(table)
        runs.rewrite(results, table, rows[rows["method"] != "score_cam"])
    text = which.format_which()
    assert find_row(text, "What a map costs", "`score_cam`")[-1] == "not computed"
    assert "2 methods, 2 controls and 8 metrics" in text and "12 images; none by `score_cam`." in text
