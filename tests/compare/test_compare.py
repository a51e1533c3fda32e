"""The verdicts of bench compare, its refusals and its outputs."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from cambench.bench.compare.compare import Comparison, compare_snapshots, load_snapshot
from cambench.bench.compare.export import format_json, format_junit
from cambench.bench.compare.obrien import judge_methods, sum_improvements
from cambench.bench.compare.snapshot import Snapshot
from cambench.bench.compare.summary import list_advice, list_changes, write_headline
from cambench.bench.compare.timing import judge_seconds
from cambench.bench.compare.verdicts import PairedValues, judge_numbers
from cambench.bench.core.errors import UsageError
from cambench.bench.store import run as store
from cambench.bench.store.header import MetricScale
from cambench.tests.support import runs
from cambench.tests.support.cli import bench, refused

from ..support.comparisons import ONE_NET, edit_header, explain_another_class, find_keys, rename_method, shift_scores

SHARE = MetricScale(better="higher", unit="share", range=[0, 1], short="m")
EVIL = "a|b <i>*x*</i> [red]&\ufffe"


def cell(differences: list[float], metric: MetricScale = SHARE, *, name: str = "m", base: float = 0.5) -> PairedValues:
    start = np.full(len(differences), base)
    images = tuple(f"image {number}" for number in range(len(differences)))
    return PairedValues(("net", "method", name), images, start, start + differences, metric)


def verdict(differences: list[float], metric: MetricScale = SHARE, base: float = 0.5) -> str:
    return judge_numbers([cell(differences, metric, base=base)])[0].verdict


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return runs.write(tmp_path_factory.mktemp("runs") / "base")


@pytest.fixture
def new(tmp_path: Path) -> Path:
    """A second copy of the run, for a test to change."""
    return runs.write(tmp_path / "new")


def compare_runs(base: Path, new: Path) -> Comparison:
    return compare_snapshots(load_snapshot(base), load_snapshot(new))


# Values, one at a time


@pytest.mark.parametrize(("values", "rates"), [([0, 1, 1, 0], True), ([0, 1, 0.5, 0], False)])
def test_a_binary_metric_that_gives_shares_is_judged_as_other_values(values: list[float], rates: bool) -> None:
    metric = SHARE.model_copy(update={"unit": "yes or no"})
    number = PairedValues(("net", "method", "m"), tuple("abcd"), np.array(values), np.zeros(4), metric)
    assert number.binary is rates


def test_p_is_of_students_t_test_corrected_for_two_families() -> None:
    differences = [-0.1, -0.2, -0.3, -0.2]
    (result,) = judge_numbers([cell(differences)])
    assert result.p == pytest.approx(2 * ttest_1samp(differences, 0).pvalue) == pytest.approx(0.03249, abs=1e-4)
    assert result.verdict == "worse" and result.change
    assert (result.base, result.new, result.change.mean) == pytest.approx((0.5, 0.3, -0.2))


def test_the_correction_counts_only_the_cells_that_changed() -> None:
    changed, unchanged = cell([-0.1, -0.2, -0.3, -0.2]), cell([1e-6, -1e-6, 0, 0])
    alone = judge_numbers([changed, unchanged, unchanged])
    assert [result.verdict for result in alone] == ["worse", "same", "same"]
    together = judge_numbers([changed, cell([0.1, -0.2, 0.3, -0.2])])
    assert together[0].p == pytest.approx(2 * alone[0].p) and together[0].verdict == "unclear"


@pytest.mark.parametrize(
    ("differences", "expected"),
    [
        ([-0.009] * 5, "same"),  # within the slack, which is 1 % of the range
        ([-0.0111, -0.0112, -0.0113, -0.0114], "worse"),  # beyond the slack, and alike
        ([0.0201, 0.0202, 0.0203], "better"),
        ([-0.02] * 2, "unclear"),  # equal values have no variance: the sign test judges them, as if they were flips
        ([-0.02] * 6, "unclear"),
        ([-0.02] * 7, "worse"),
        ([-0.3], "unclear"),  # one image decides nothing
        ([-0.3, 0.0, 0.0, 0.0], "unclear"),  # only one image changed
        ([2e-6, 2e-6, 2e-6], "same"),
    ],
)
def test_a_change_is_judged_by_its_slack_and_its_significance(differences: list[float], expected: str) -> None:
    assert verdict(differences) == expected


def test_an_increase_is_worse_if_lower_is_better() -> None:
    lower = SHARE.model_copy(update={"better": "lower"})
    assert (verdict([0.02] * 7, lower), verdict([-0.02] * 7, lower)) == ("worse", "better")


def test_slack_is_declared_by_the_metric_or_a_share_of_the_range_or_mean() -> None:
    assert verdict([-0.04] * 3, SHARE.model_copy(update={"slack": 0.05})) == "same"
    unbounded = SHARE.model_copy(update={"range": [0, None]})
    assert verdict([-0.19] * 7, unbounded, base=10) == "same"
    assert verdict([-0.21] * 7, unbounded, base=10) == "worse"
    assert verdict([-1e-7] * 7, unbounded, base=1e-6) == "worse"  # the rounding tolerance is relative to the values
    assert verdict([1.9e-5] * 3, unbounded.model_copy(update={"slack": 0.0}), base=10) == "same"


def test_a_binary_metric_is_worse_from_seven_flips() -> None:
    rate = SHARE.model_copy(update={"unit": "yes or no"})
    assert verdict([-1.0] * 6 + [0.0] * 3, rate, base=1) == "unclear"  # 2 x 2 x .5^6 = .0625
    assert verdict([-1.0] * 7 + [0.0] * 3, rate, base=1) == "worse"  # .03125


def test_shares_at_the_ends_of_the_range_are_binary() -> None:
    """Two images that flip: p < .001 by Student's t-test, p = .5 by the sign test."""
    assert verdict([0.9997, 1.0], base=0) == "unclear"
    assert verdict([0.49, 0.4899]) == "better"


def test_one_large_fall_against_many_small_gains_is_unclear() -> None:
    """The mean decreases, and most values increase."""
    rate = SHARE.model_copy(update={"unit": "yes or no"})
    assert verdict([0.02] * 11 + [-1.0], rate) == "unclear"


def test_values_at_the_ends_of_another_range_are_not_binary() -> None:
    assert verdict([-2.0, -1.9, -2.0], SHARE.model_copy(update={"range": [-1, 1]}), base=1) == "worse"


# All metrics of a method at once


def test_binary_metrics_alone_are_judged_together_by_the_sign_test() -> None:
    flips = [cell([-1.0, -1.0], SHARE.model_copy(update={"unit": "yes or no"}), base=1)]
    (overall,) = judge_methods(flips, judge_numbers(flips))
    assert overall.verdict == "unclear" and overall.p == 1  # 2 x .5


def test_improvements_are_summed_by_image_in_units_of_their_root_mean_square() -> None:
    up, down = cell([0.3, -0.4, 0.0]), cell([0.1, 0.1, 0.1], SHARE.model_copy(update={"better": "lower"}))
    rms = (0.25 / 3) ** 0.5
    assert sum_improvements([up, down]) == pytest.approx([0.3 / rms - 1, -0.4 / rms - 1, -1])


def test_many_metrics_together_are_significant_where_none_is_alone() -> None:
    rng = np.random.default_rng(3)
    cells = [cell(list(rng.normal(-0.1, 0.12, 6)), name=f"m{number}") for number in range(20)]
    alone = judge_numbers(cells)
    assert not any(result.verdict == "worse" for result in alone)
    (overall,) = judge_methods(cells, alone)
    assert overall.verdict == "worse" and overall.key == ("net", "method", "overall")


def test_rounding_errors_of_one_sign_are_not_evidence() -> None:
    biased = [cell([-1e-5, -1.1e-5, -0.9e-5, -1e-5, -1e-5, -1e-5], name=f"m{number}") for number in range(20)]
    assert judge_methods(biased, judge_numbers(biased)) == []
    flip = cell([-1.0, 0, 0, 0, 0, 0], SHARE.model_copy(update={"unit": "yes or no"}), base=1)
    (overall,) = judge_methods([*biased, flip], judge_numbers([*biased, flip]))
    assert overall.verdict == "unclear"


def test_noise_gives_a_false_alarm_at_most_once_in_twenty_times() -> None:
    """400 comparisons of twelve correlated metrics on 5 images."""
    rng = np.random.default_rng(0)
    alarms = 0
    for _ in range(400):
        common = rng.standard_t(3, 5)
        cells = [cell(list(0.03 * (common + rng.standard_t(3, 5))), name=f"m{number}") for number in range(12)]
        results = judge_numbers(cells)
        alarms += any(result.verdict in ("worse", "better") for result in (*results, *judge_methods(cells, results)))
    assert alarms <= 28  # at most 20 are expected; 28 is two standard deviations more


# Runs


def test_a_run_is_the_same_as_itself(base: Path) -> None:
    result = bench("compare", base, base)
    assert result.exit_code == 0
    cells = 3 * 5 * 8 + 2 * 14  # plain CAM does not apply to vgg16, so it has no costs there
    assert f"{cells} numbers over 12 images: {cells} same" in result.output


def test_a_worse_method_is_shown_with_its_evidence(base: Path, new: Path) -> None:
    shift_scores(new, "grad_cam", "insertion", -0.1)
    comparison = compare_runs(base, new)
    assert find_keys(comparison, "worse") == [("all 3 nets", "grad_cam", "overall"), *(
        (net, "grad_cam", "insertion") for net in runs.NETS
    )]  # fmt: skip
    result = bench("compare", base, new)
    assert result.exit_code == 1
    assert max(map(len, result.output.splitlines())) <= 80
    (line,) = [line for line in result.output.splitlines() if line.startswith("worse") and "insert ↑" in line][:1] or [
        ""
    ]
    assert "-.100" in line and ".003" in line  # equal differences: the sign test, Holm of 3 nets, times 2


def test_the_first_line_names_the_worst_change_with_its_numbers(base: Path, new: Path) -> None:
    """Of several verdicts the worst, and of this the change that is largest in slacks."""
    for method, metric, step in (("cam", "insertion", 0.3), ("grad_cam", "insertion", -0.05), ("cam", "deletion", 0.2)):
        shift_scores(new, method, metric, step)
    comparison = compare_runs(base, new)
    rows = [store.open_run(run).table("scores") for run in (base, new)]
    net = max(("squeezenet1_1", "resnet18"), key=lambda net: change_of(comparison, net))
    chosen = [(frame["net"] == net) & (frame["method"] == "cam") & (frame["metric"] == "deletion") for frame in rows]
    before, after = (frame[mask]["value"].mean() for frame, mask in zip(rows, chosen, strict=True))
    first = bench("compare", base, new).output.split("; ")[0].replace("\n", " ")
    assert first == f"Failed: deletion of cam on {net} is worse, {before:.3f} → {after:.3f}".replace("0.", ".")


def change_of(comparison: Comparison, net: str) -> float:
    """The change of CAM's deletion on a net."""
    return next(
        result.change.mean for result in comparison.results if result.key == (net, "cam", "deletion") and result.change
    )


def test_a_verdict_without_numbers_leads_too(base: Path, new: Path) -> None:
    rename_method(new, "cam", "my_cam")
    assert bench("compare", base, new).output.startswith("Failed: 8 metrics of cam on 3 nets are gone; ")
    assert bench("compare", base, base).output.startswith("Passed: 148 numbers over 12 images: 148 same\n")


def test_better_passes(base: Path, new: Path) -> None:
    shift_scores(new, "grad_cam", "insertion", 0.1)
    assert bench("compare", base, new).exit_code == 0


def test_unclear_results_fail_with_strict(base: Path, new: Path) -> None:
    shift_scores(new, "grad_cam", "insertion", -0.4, images=1)
    assert bench("compare", base, new).exit_code == 0
    strict = bench("compare", base, new, "--strict")
    assert strict.exit_code == 1 and strict.output.startswith("Failed: insertion of grad_cam on ")


def test_lost_values_are_broken_and_gained_values_are_noted(base: Path, new: Path) -> None:
    shift_scores(new, "grad_cam", "insertion", None, images=3, reason="the gradient is gone")
    comparison = compare_runs(base, new)
    assert find_keys(comparison, "broken") == [(net, "grad_cam", "insertion") for net in runs.NETS]
    result = bench("compare", base, new)
    assert result.exit_code == 1
    assert "no value on 3 of 12 images: the gradient is gone" in " ".join(result.output.split())
    assert "all 3 nets; grad_cam; insertion" in " ".join(result.output.split())
    back = bench("compare", new, base)
    assert back.exit_code == 0 and "judged on 9 images; 3 more with a value now" in " ".join(back.output.split())


def test_a_metric_that_had_no_values_is_fixed(base: Path, new: Path) -> None:
    shift_scores(new, "grad_cam", "insertion", None, images=12, reason="the gradient is gone")
    assert find_keys(compare_runs(new, base), "fixed") == [(net, "grad_cam", "insertion") for net in runs.NETS]


def test_a_gained_value_does_not_hide_a_decrease(base: Path, new: Path) -> None:
    shift_scores(incomplete := runs.write(new.parent / "less"), "grad_cam", "insertion", None, images=1, reason="none")
    shift_scores(new, "grad_cam", "insertion", -0.3)
    assert (next(iter(runs.NETS)), "grad_cam", "insertion") in find_keys(compare_runs(incomplete, new), "worse")


def test_the_slack_is_that_of_the_base(base: Path, new: Path) -> None:
    shift_scores(new, "grad_cam", "insertion", -0.1)
    base_snapshot, new_snapshot = load_snapshot(base), load_snapshot(new)
    metrics = {spec: facts.model_copy(update={"slack": 0.5}) for spec, facts in new_snapshot.metrics.items()}
    assert compare_snapshots(base_snapshot, replace(new_snapshot, metrics=metrics)).failed


def test_a_run_without_a_score_or_its_costs_is_damaged(base: Path, new: Path) -> None:
    scores = store.open_run(new).table("scores")
    runs.rewrite(new, "scores", scores.iloc[:-1])
    assert "is damaged: it has" in refused("compare", base, new)
    again = runs.write(new.parent / "again")
    (again / "cost" / "part-00000.parquet").unlink()
    assert "cost/part-00000.parquet is missing: run the same command again" in refused("compare", base, again)


@pytest.mark.parametrize("option", ["--nets", "--methods", "--metrics"])
def test_an_empty_selection_is_refused(base: Path, option: str) -> None:
    assert refused("compare", base, base, option, ",").endswith(
        f"{option} is empty: name at least one, or leave the option out"
    )


def test_an_output_overwrites_neither_a_run_nor_another_output(base: Path, new: Path, tmp_path: Path) -> None:
    before = (new / "run.json").read_text(encoding="utf-8")
    assert "would be overwritten" in refused("compare", base, new, "--json", new / "run.json")
    assert (new / "run.json").read_text(encoding="utf-8") == before
    for record in ("run.json", "scores/part-00000.parquet", "parts/part-00000.json"):
        for command in (
            ["report", new, "--csv", "--out"],
            ["baseline", base, "--out"],
            ["history", base, new, "--csv"],
        ):
            assert "is part of a run and would be overwritten" in refused(*command, new / record)
    assert "is what is compared and would be overwritten" in refused("history", base, tmp_path, "--csv", base)
    assert (new / "run.json").read_text(encoding="utf-8") == before
    same = tmp_path / "same.out"
    assert "two outputs cannot both be written to" in refused("compare", base, new, "--json", same, "--junit", same)
    assert "is not the name of a file" in refused("compare", base, new, "--json", "")
    assert "is not the name of a file" in refused("compare", base, new, "--json", tmp_path)


def test_an_output_may_be_a_link_or_a_device(base: Path, tmp_path: Path) -> None:
    (tmp_path / "link.json").symlink_to(tmp_path / "to.json")
    assert bench("compare", base, base, "--json", tmp_path / "link.json").exit_code == 0
    assert (tmp_path / "link.json").is_symlink() and json.loads((tmp_path / "to.json").read_text(encoding="utf-8"))
    assert bench("compare", base, base, "--json", "/dev/null").exit_code == 0
    assert not Path("/dev/null").is_file()


def test_a_job_summary_that_cannot_be_written_does_not_change_the_exit_code(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "missing" / "summary.md"))
    result = bench("compare", base, base)
    assert result.exit_code == 0 and "cannot be written" in result.stderr


def test_a_map_that_is_not_finite_has_no_value(base: Path, new: Path) -> None:
    scores = store.open_run(new).table("scores")
    runs.rewrite(new, "scores", scores.assign(nan_map=scores["method"] == "score_cam"))
    comparison = compare_runs(base, new)
    assert {key[1] for key in find_keys(comparison, "broken")} == {"score_cam"}
    assert "not finite" in next(result.why for result in comparison.results if result.verdict == "broken")


def test_a_missing_method_fails_and_a_new_one_does_not(base: Path, new: Path) -> None:
    for table in ("scores", "cost"):
        rows = store.open_run(new).table(table)
        runs.rewrite(new, table, rows[rows["method"] != "centre"])
    edit_header(new, lambda header: header["methods"].pop("centre"))
    assert len(find_keys(compare_runs(base, new), "gone")) == 3 * 8
    assert bench("compare", base, new).exit_code == 1
    assert bench("compare", base, new, "--methods", "cam,grad_cam").exit_code == 0
    assert len(find_keys(compare_runs(new, base), "new")) == 3 * 8
    assert bench("compare", new, base).exit_code == 0


CHANGES: dict[
    str, tuple[Callable[[dict[str, Any]], object], int, str]
] = {  # the change, the number of cells, the reason
    "protocol": (lambda h: h["protocols"]["insertion"].update(fit="nearest"), 15, "metric's fit: bilinear → nearest"),
    "metric": (lambda h: h["protocols"]["insertion"].update(version=2), 15, "metric's version: 1 → 2"),
    "unit": (lambda h: h["metrics"]["energy"].update(unit="mass"), 15, "metric's unit: share → mass"),
    "method": (lambda h: h["methods"]["grad_cam"].update(version=2), 24, "method's version: 1 → 2"),
    "setting": (lambda h: h["methods"]["grad_cam"].update(settings={"of": "x"}), 24, "method's of: none → x"),
    "layer": (lambda h: h["nets"]["resnet18"].update(layer="layer3"), 40, "net's layer: layer4 → layer3"),
    "weights": (lambda h: h["nets"]["resnet18"].update(fingerprint="99"), 40, "net's weights: 0123abcd → 99"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_numbers_with_another_meaning_are_not_comparable(base: Path, new: Path, what: str) -> None:
    change, cells, reason = CHANGES[what]
    edit_header(new, change)
    comparison = compare_runs(base, new)
    assert len(find_keys(comparison, "not comparable")) == cells
    assert {result.why for result in comparison.results if result.verdict == "not comparable"} == {reason}
    assert bench("compare", base, new).exit_code == 1


def test_the_code_of_a_users_own_method_may_differ(base: Path, new: Path) -> None:
    edit_header(new, lambda header: header["methods"]["grad_cam"].update(fingerprint="77"))
    assert bench("compare", base, new).exit_code == 0


def test_images_with_other_pixels_are_left_out(base: Path, new: Path) -> None:
    predictions = store.open_run(new).table("predictions")
    changed = predictions["image"].isin(["image 00", "image 01"])
    runs.rewrite(new, "predictions", predictions.assign(sha256=predictions["sha256"].mask(changed, "f" * 64)))
    comparison = compare_runs(base, new)
    assert comparison.images == 10
    assert comparison.notes[0] == "2 images left out: the pixels differ"
    assert "costs not judged: they are measured on the first image, which differs" in comparison.notes


def test_images_with_another_explained_class_are_left_out(base: Path, new: Path) -> None:
    predictions = store.open_run(new).table("predictions")
    other = (predictions["image"] == "image 03") & (predictions["net"] == "vgg16")
    explain_another_class(new, other)
    comparison = compare_runs(base, new)
    assert comparison.notes == ("1 image left out on vgg16: the explained class differs (image 03: 3 → 2)",)
    assert not comparison.failed


def test_more_forwards_are_worse_and_bytes_are_judged_only_with_the_same_torch(base: Path, new: Path) -> None:
    cost = store.open_run(new).table("cost")
    more = cost.assign(forwards=cost["forwards"] * 1.001, peak_bytes=cost["peak_bytes"] * 1.001)
    runs.rewrite(new, "cost", more)
    assert {key[2] for key in find_keys(compare_runs(base, new), "worse")} == {"forwards", "peak_bytes"}
    edit_header(new, lambda header: header["environment"].update(torch="3.0"))
    comparison = compare_runs(base, new)
    assert {key[2] for key in find_keys(comparison, "worse")} == {"forwards"}
    assert comparison.notes == ("peak_bytes not judged: torch 2.11.0 → 3.0",)


# Refusals


def test_refusals_give_the_reason(base: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "holds no run" in refused("compare", base, tmp_path / "empty")
    assert "there is no run or baseline at" in refused("compare", tmp_path / "nothing", base)
    other = runs.write(tmp_path / "other", nets={"alexnet": "features"})
    assert "no net in common: squeezenet1_1, resnet18, vgg16, and alexnet" in refused("compare", base, other)
    photos = runs.write(tmp_path / "photos", prefix="photo")
    assert "no image in common: no name is in both" in refused("compare", base, photos)
    assert "has no method 'lrp'" in refused("compare", base, base, "--methods", "lrp")


def test_an_incomplete_run_is_refused(base: Path, new: Path) -> None:
    edit_header(new, lambda header: header["data"]["images"].append("image 12"))
    assert "not finished: 12 of 13 images on squeezenet1_1 are done" in refused("compare", base, new)
    runs.rewrite(new, "scores", store.open_run(new).table("scores").head(0))
    assert "has no complete image yet" in refused("compare", base, new)


# For other programs


@pytest.fixture
def evil(base: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Two runs that differ, with a method whose name is markup in every output format."""
    pair = []
    for name, quality in (("one", 0.0), ("two", -0.2)):
        directory = runs.write(tmp_path / name, nets=ONE_NET)
        shift_scores(directory, "grad_cam", "insertion", quality)
        rename_method(directory, "grad_cam", EVIL)
        pair.append(directory)
    return pair[0], pair[1]


def test_names_with_markup_are_escaped(evil: tuple[Path, Path], tmp_path: Path) -> None:
    xml, md = tmp_path / "c.xml", tmp_path / "c.md"
    result = bench("compare", *evil, "--junit", xml, "--markdown", md)
    assert result.exit_code == 1
    assert "[red]" in result.output
    root = ElementTree.parse(xml).getroot()
    (suite,) = root
    assert suite.get("failures") == str(len(root.findall(".//failure"))) == "2"
    names = {case.get("classname") for case in suite}
    assert f"squeezenet1_1.{EVIL[:-1]}�" in names
    rows = [line for line in md.read_text(encoding="utf-8").splitlines() if line.startswith("| **worse**")]
    assert rows and all(r"a\|b &lt;i&gt;\*x\*&lt;/i&gt; \[red\]&amp;" in row for row in rows)
    assert {len(row.replace(r"\|", "").split("|")) for row in rows} == {11}


def test_json_contains_every_number(base: Path, new: Path) -> None:
    shift_scores(new, "grad_cam", "insertion", -0.1)
    result = bench("compare", base, new, "--json", "-")
    content = json.loads(result.output)
    assert content["failed"] is True and content["counts"]["worse"] == 4
    (changed,) = [
        cell for cell in content["cells"] if (cell["net"], cell["metric"]) == ("vgg16", "insertion") and cell["change"]
    ]
    assert changed["change"] == pytest.approx(-0.1) and changed["low"] == pytest.approx(-0.1)
    assert changed["p"] == pytest.approx(2 * 3 * 2 * 0.5**12)  # the sign test, Holm of 3 nets, two families


def test_the_comparison_is_appended_to_the_job_summary(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("before\n", encoding="utf-8")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    assert bench("compare", base, base).exit_code == 0
    assert summary.read_text(encoding="utf-8").startswith("before\n### Passed: ")


# Costs and images


def test_a_cost_has_a_slack_and_its_figures_differ_where_it_is_judged(base: Path, new: Path) -> None:
    def change(**costs: float) -> Comparison:
        rows = store.open_run(base).table("cost")
        counted = rows["forwards"].notna()
        for name, more in costs.items():
            rows.loc[counted, name] += more
        runs.rewrite(new, "cost", rows)
        return compare_runs(base, new)

    assert not find_keys(change(forwards=0.0003, peak_bytes=8), "worse")
    assert len(find_keys(change(forwards=0.02), "worse")) == len(find_keys(change(peak_bytes=20_000), "worse")) > 0
    rows = [row for row in list_changes(change(forwards=0.02)) if row.result.key[1] == "score_cam"]
    assert rows and all(row.base != row.new for row in rows)


def test_images_that_are_missing_fail_a_strict_comparison(base: Path) -> None:
    whole = load_snapshot(base)
    few = replace(whole.leave_out([f"image {number:02}" for number in range(8, 12)]), name="few")
    comparison = compare_snapshots(whole, few)
    assert not comparison.failed and "over 8 of 12 images" in write_headline(comparison)
    strict = compare_snapshots(whole, few, strict=True)
    assert strict.failed and write_headline(strict).startswith("Failed: 4 images of the base are not compared; ")
    assert any(advice.startswith("4 images of the base are not compared") for advice in list_advice(strict))
    root = ElementTree.fromstring(format_junit(strict))
    assert [failure.get("message") for failure in root.iter("failure")] == ["4 images of the base are not compared"]
    assert json.loads(format_json(strict))["lost"] == 4
    assert not compare_snapshots(few, whole, strict=True).failed


def test_images_of_another_explained_class_fail_a_strict_comparison(base: Path) -> None:
    whole = load_snapshot(base)
    targets = {net: {image: target + 1 if image == "image 03" else target for image, target in by_image.items()}
               for net, by_image in whole.targets.items()}  # fmt: skip
    others = replace(whole, name="others", targets=targets)
    assert not compare_snapshots(whole, others).failed
    strict = compare_snapshots(whole, others, strict=True)
    assert strict.failed and strict.lost == 1 and "over 11 of 12 images" in write_headline(strict)


def test_an_interval_stays_within_the_differences_that_the_range_allows() -> None:
    (result,) = judge_numbers([cell([-0.9, 0.2], SHARE, base=0.95)])
    assert result.change is not None and (result.change.low, result.change.high) == (-1, 1)


# Seconds


NET, SLOW, STEADY = next(iter(runs.NETS)), "score_cam", "grad_cam"


def timed(name: str, factor: float, seed: int, base: Snapshot) -> Snapshot:
    rng = np.random.default_rng(seed)
    slow = {f"image {number}": factor * (1 + number) * float(rng.uniform(0.95, 1.05)) for number in range(8)}
    steady = {image: 1 + number * 0.1 for number, image in enumerate(slow)}
    return replace(base, name=name, seconds={(NET, SLOW): slow, (NET, STEADY): steady})


def test_seconds_are_judged_over_repeated_runs(base: Path) -> None:
    start = load_snapshot(base)
    pairs = [(timed(f"b{seed}", 1, seed, start), timed(f"n{seed}", 1.5, 10 + seed, start)) for seed in range(3)]
    by_method = {result.key[1]: result for result in judge_seconds(pairs, 1.3)}
    assert (by_method[SLOW].verdict, by_method[STEADY].verdict) == ("worse", "same")
    assert by_method[SLOW].new / by_method[SLOW].base == pytest.approx(1.5, rel=0.1)
    assert {result.verdict for result in judge_seconds(pairs, 2)} == {"same"}
    assert {result.verdict for result in judge_seconds([(new, old) for old, new in pairs], 1.3)} == {"better", "same"}


def test_seconds_are_unclear_if_one_new_run_is_not_slower(base: Path) -> None:
    start = load_snapshot(base)
    pairs = [
        (timed(f"b{seed}", 1, seed, start), timed(f"n{seed}", 1.5 if seed else 1, 10 + seed, start))
        for seed in range(3)
    ]
    assert judge_seconds(pairs, 1.3)[0].verdict == "unclear"


@pytest.mark.parametrize(
    ("key", "value", "difference"),
    [("device", "EPYC (avx2)", r"device Xeon \(avx2\) → EPYC \(avx2\)"), ("threads", "1", "threads 2 → 1")],
)
def test_seconds_of_different_processors_or_threads_are_refused(
    base: Path, key: str, value: str, difference: str
) -> None:
    environment = {"device": "Xeon (avx2)", "torch": "2.15.0", "threads": "2"}
    start = replace(load_snapshot(base), environment=environment)
    other = replace(start, environment=environment | {key: value})
    pairs = [(timed(f"b{seed}", 1, seed, start), timed(f"n{seed}", 1, seed, other)) for seed in range(3)]
    with pytest.raises(UsageError, match=f"b0 and n0 differ: {difference}"):
        judge_seconds(pairs, 1.3)


def test_too_few_runs_or_runs_without_seconds_are_refused(base: Path) -> None:
    command = ["compare", base, base, "--judge-seconds", "1.3"]
    assert "seconds need at least 3 pairs of runs, not 1" in refused(*command)
    repeat = ["--repeat", base, base]
    assert "has no seconds of bare predictions" in refused(*command, *repeat, *repeat)
    assert "--repeat has no effect without --judge-seconds" in refused("compare", base, base, *repeat)
    with pytest.raises(UsageError, match="has no seconds"):
        judge_seconds([(load_snapshot(base), load_snapshot(base))] * 3, 1.3)


def test_a_run_that_is_named_twice_is_no_repetition(base: Path) -> None:
    start = load_snapshot(base)
    pair = timed("b", 1, 0, start), timed("n", 1.5, 1, start)
    with pytest.raises(UsageError, match="b is given twice: seconds need 3 runs of their own"):
        judge_seconds([pair] * 3, 1.3)


def test_seconds_are_in_units_of_a_bare_prediction(new: Path) -> None:
    predictions = store.open_run(new).table("predictions")
    runs.rewrite(new, "predictions", predictions.assign(seconds=0.002))
    ratios = load_snapshot(new).seconds["resnet18", "score_cam"]
    cost = store.open_run(new).table("cost").set_index(["net", "method", "image"])["seconds"]
    assert ratios["image 04"] == pytest.approx(cost["resnet18", "score_cam", "image 04"] / 0.002)


def test_seconds_are_judged_from_the_command_line(base: Path, tmp_path: Path) -> None:
    """Three runs on each side; the new ones take twice as long."""
    directories: list[object] = []
    for number in range(3):
        for side, factor in (("b", 1.0), ("n", 2.0)):
            directory = runs.write(tmp_path / f"{side}{number}", nets=ONE_NET)
            runs.rewrite(directory, "predictions", store.open_run(directory).table("predictions").assign(seconds=0.002))
            cost = store.open_run(directory).table("cost")
            runs.rewrite(directory, "cost", cost.assign(seconds=cost["seconds"] * (factor + number / 100)))
            directories.append(directory)
    pairs = [*directories[:2], *("--repeat", *directories[2:4]), *("--repeat", *directories[4:])]
    result = bench("compare", *pairs, "--judge-seconds", "1.3", "--methods", "score_cam")
    assert result.exit_code == 1
    (row,) = [line.split() for line in result.output.splitlines() if "seconds" in line and line.startswith("worse")]
    assert row[-4:] == ["x", "1.99", "runs", "<.001"]  # 2.01 over 1.01: the medians of three runs
    unjudged = bench("compare", *directories[:2], "--methods", "score_cam")
    assert unjudged.exit_code == 0 and "not judged (--judge-seconds)" in " ".join(unjudged.output.split())
