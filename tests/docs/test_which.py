"""The rules of the page *Which method?*, on runs whose outcome is known."""

from pathlib import Path

import numpy as np
import pytest

from cambench.bench.core.formatting import format_number
from cambench.bench.core.markdown import escape
from cambench.bench.stats.agreement import Agreement, Consistency, measure_consistency
from cambench.bench.stats.estimate import Estimate
from cambench.bench.stats.summary import build_table
from cambench.bench.store import shipped
from cambench.bench.store.header import FURTHER_DEVICE
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
    assert find_row(which.format_which(), "By each metric", "`insertion`")[-2] == "winner: `score_cam` (n = 12)"


def test_a_control_that_no_method_beats_is_named_with_the_metrics_caveat(results: Path) -> None:
    shift_scores(results, "centre", "energy", 0.9)
    text = which.format_which()
    assert find_row(text, "By each metric", "`energy`")[-2] == "none (n = 12)"
    assert find_row(text, "What the controls gain", "`energy`")[-1] == "0 of 3"
    caveat = open_run(results).header.metrics["energy"].caveat
    assert f"- `energy`: `centre` beats 3 of 3 on squeezenet1_1. {escape(caveat)}" in text
    assert find_row(text, "What the controls gain", "`insertion`")[-1] == "3 of 3"
    assert "- `insertion`:" not in text


def test_a_control_of_which_nothing_is_known_is_said_to_be_undecided_and_no_caveat_follows(results: Path) -> None:
    rows = open_run(results).table("scores")
    energy = rows["metric"] == "energy"
    cam = rows[energy & (rows["method"] == "cam")].set_index("image")["value"]
    flipped = dict(zip(cam.index, cam.to_numpy()[::-1], strict=True))
    centre = energy & (rows["method"] == "centre")
    runs.rewrite(results, "scores", rows.assign(value=rows["value"].mask(centre, rows["image"].map(flipped))))
    assert "- `energy`: undecided: `centre` on squeezenet1_1.\n" in which.format_which()


@pytest.mark.parametrize(("images", "few"), [(5, True), (7, True), (8, False)])  # 3 methods, 2 controls: 6 tests
def test_images_on_which_no_test_can_decide_are_too_few(
    images: int, few: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (shipped, which):
        monkeypatch.setattr(module, "RESULTS", tmp_path)
    write_results(tmp_path, images=images)
    text = which.format_which()
    for section in ("By each metric", "Which metrics rank methods reliably", "What the controls gain"):
        assert ("too few images" in find_row(text, section, "`insertion`")) is few
    assert ("- **squeezenet1_1**: too few images" in text) is few


def test_a_metric_without_any_score_does_not_apply(results: Path) -> None:
    rows = open_run(results).table("scores")
    energy = rows["metric"] == "energy"
    runs.rewrite(
        results,
        "scores",
        rows.assign(value=rows["value"].mask(energy), reason=rows["reason"].mask(energy, "no object")),
    )
    text = which.format_which()
    for section in ("By each metric", "Which metrics rank methods reliably", "What the controls gain"):
        assert "does not apply" in find_row(text, section, "`energy`")
    assert f"{len(runs.METRICS) - 1} metrics on `" in text


def test_the_constant_maps_of_a_method_at_the_top_are_counted_beside_it(results: Path) -> None:
    shift_scores(results, "score_cam", "insertion", 0.5)
    rows = open_run(results).table("scores")
    few = (rows["method"] == "score_cam") & rows["image"].isin(sorted(set(rows["image"]))[:3])
    runs.rewrite(results, "scores", rows.assign(constant_map=rows["constant_map"] | few))
    cell = find_row(which.format_which(), "By each metric", "`insertion`")[-2]
    assert cell == "winner: `score_cam`; 3 of the 12 maps of `score_cam` are constant (n = 12)"


@pytest.mark.parametrize(
    ("low", "high", "words"), [(0.81, 0.9, "Reliable"), (0.79, 0.9, None), (0.5, 0.66, "Unreliable"), (0.5, 0.67, None)]
)
def test_a_metric_is_reliable_or_unreliable_if_its_whole_interval_is(
    results: Path, monkeypatch: pytest.MonkeyPatch, low: float, high: float, words: str | None
) -> None:
    found = Consistency(Estimate((low + high) / 2, low, high, 12), 3)
    monkeypatch.setattr(which, "measure_consistency", lambda _values: found)
    text = which.format_which()
    for each in ("Reliable", "Unreliable"):
        assert (f"- {each} on every net: none." in text) is (each != words)


@pytest.mark.parametrize(
    ("mean", "high", "words"), [(-0.3, -0.1, "disagree: `"), (-0.3, 0.1, ""), (0.9, 0.95, "alike: `"), (0.89, 0.95, "")]
)
def test_two_metrics_disagree_if_the_whole_interval_is_below_0_and_are_alike_from_9_on(
    results: Path, monkeypatch: pytest.MonkeyPatch, mean: float, high: float, words: str
) -> None:
    pair = Agreement("insertion", "deletion", Estimate(mean, mean - 0.1, high, 12), 3)
    monkeypatch.setattr(which, "measure_agreement", lambda _values, _better: [pair])
    (line,) = [line for line in which.format_which().splitlines() if "Rank much the same" in line]
    opposed, alike = line.split(": ", 2)[2].split(". Rank much the same: ")
    assert (opposed != "none") is words.startswith("disagree")
    assert (alike != "none.") is words.startswith("alike")


def test_a_device_that_went_on_is_named_beside_the_one_that_measured_the_seconds(results: Path) -> None:
    edit_header(results, lambda header: header["environment"].update({FURTHER_DEVICE: "another"}))
    assert "on a processor, which measured the seconds, and another, begun at" in which.format_which()


def test_a_method_with_few_images_is_named_and_leaves_the_others_theirs(results: Path) -> None:
    """One image of twelve by Score-CAM: alpha is that of the other methods, over twelve images."""
    before = find_row(which.format_which(), "Which metrics rank methods reliably", "`energy`")[-1]
    rows = open_run(results).table("scores")
    lost = (rows["method"] == "score_cam") & (rows["image"] != open_run(results).header.data.images[0])
    runs.rewrite(results, "scores", rows[~lost])
    text = which.format_which()
    assert "12 images; 1 by `score_cam`." in text
    after = find_row(text, "Which metrics rank methods reliably", "`energy`")[-1]
    values = build_table(open_run(results), "squeezenet1_1").values["energy"][["cam", "grad_cam"]]
    expected = measure_consistency(values).alpha
    assert after != before and after.startswith(f"{format_number(expected.mean)} (")
    assert expected.n == 12 and "**squeezenet1_1**. Not ranked, for want of images: `score_cam`." in text


def test_a_method_that_is_not_computed_is_said_to_be_so(results: Path) -> None:
    for table in ("scores", "cost"):
        rows = open_run(results).table(table)
        runs.rewrite(results, table, rows[rows["method"] != "score_cam"])
    text = which.format_which()
    assert find_row(text, "What a map costs", "`score_cam`")[-1] == "not computed"
    assert "2 methods, 2 controls and 8 metrics" in text and "12 images; none by `score_cam`." in text


def test_a_metric_by_which_a_method_is_not_computed_is_named(results: Path) -> None:
    assert "Not computed by" not in which.format_which()
    rows = open_run(results).table("scores")
    gone = (rows["method"] == "score_cam") & rows["metric"].isin(["energy", "insertion"])
    runs.rewrite(results, "scores", rows[~gone])
    text = which.format_which()
    assert "12 images. Not computed by `insertion` and `energy`: `score_cam`." in text


@pytest.mark.parametrize(("effect", "moved"), [(0.5, "`cam` (.500)"), (0.0, "none")])
def test_means_that_ties_move_are_named_and_their_metric_is_none_of_the_others(
    results: Path, effect: float, moved: str
) -> None:
    assert "- **squeezenet1_1**: not measured." in which.format_which()
    runs.add_ties(results, {"cam": [effect] * 4 + [np.nan] * 8})
    text = which.format_which()
    assert f"- **squeezenet1_1** (4 to 12 images): `insertion`: {moved}." in text
    assert "insertion_ties" not in text


def test_the_strongest_pairs_are_named_and_the_others_counted() -> None:
    pairs = [Agreement("a", str(index), Estimate(index / 10, 0, 0, 9), 9) for index in range(1, 8)]
    assert which._join_pairs(pairs[:6]).endswith("`a` and `2` (.200), and 1 weaker pair")
    assert which._join_pairs(pairs).endswith("`a` and `3` (.300), and 2 weaker pairs")
    assert which._join_pairs(pairs[:5]).endswith("`a` and `1` (.100)")
