"""What bench compare calls worse, what it leaves alone, and what it says."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from cambench.bench.compare.compare import Comparison, compare, load
from cambench.bench.compare.obrien import improvement, overall
from cambench.bench.compare.snapshot import Recorded
from cambench.bench.compare.timing import judged as seconds_judged
from cambench.bench.compare.verdicts import Paired, judged
from cambench.bench.core.errors import UsageError
from cambench.bench.store import run as store
from cambench.tests.support import runs
from cambench.tests.support.cli import bench, refused

from ..support.comparisons import ONE, edited, found, shifted

SHARE: dict[str, Any] = {"better": "higher", "unit": "share", "range": [0, 1], "short": "m", "protocol": {}}
EVIL = "a|b <i>*x*</i> [red]&\x01"


def cell(differences: list[float], metric: dict[str, Any] = SHARE, *, name: str = "m", base: float = 0.5) -> Paired:
    start = np.full(len(differences), base)
    images = tuple(f"image {number}" for number in range(len(differences)))
    return Paired(("net", "method", name), images, start, start + differences, metric)


def verdict(differences: list[float], metric: dict[str, Any] = SHARE, base: float = 0.5) -> str:
    return judged([cell(differences, metric, base=base)])[0].verdict


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return runs.write(tmp_path_factory.mktemp("runs") / "base")


@pytest.fixture
def new(tmp_path: Path) -> Path:
    """The same run once more, for a test to change."""
    return runs.write(tmp_path / "new")


def of(base: Path, new: Path) -> Comparison:
    return compare(load(base), load(new))


# Values, one at a time


def test_a_p_value_is_students_corrected_for_the_two_families() -> None:
    differences = [-0.1, -0.2, -0.3, -0.2]
    (one,) = judged([cell(differences)])
    assert one.p == pytest.approx(2 * ttest_1samp(differences, 0).pvalue) == pytest.approx(0.03249, abs=1e-4)
    assert one.verdict == "worse" and one.change
    assert (one.base, one.new, one.change.mean) == pytest.approx((0.5, 0.3, -0.2))


def test_all_that_changed_is_corrected_for_and_what_did_not_is_not() -> None:
    changed, still = cell([-0.1, -0.2, -0.3, -0.2]), cell([1e-6, -1e-6, 0, 0])
    alone = judged([changed, still, still])
    assert [one.verdict for one in alone] == ["worse", "same", "same"]
    together = judged([changed, cell([0.1, -0.2, 0.3, -0.2])])
    assert together[0].p == pytest.approx(2 * alone[0].p) and together[0].verdict == "unclear"


@pytest.mark.parametrize(
    ("differences", "expected"),
    [
        ([-0.009] * 5, "same"),  # within the slack, 1 % of the range
        ([-0.011] * 5, "worse"),  # all alike, beyond it
        ([-0.011, -0.011], "worse"),
        ([0.02, 0.02], "better"),
        ([-0.3], "unclear"),  # of one image nothing can be told
        ([-0.3, 0.0, 0.0, 0.0], "unclear"),  # one image alone
        ([2e-6, 2e-6, 2e-6], "same"),
    ],
)
def test_a_change_is_called_where_it_exceeds_the_slack_and_the_images_agree(
    differences: list[float], expected: str
) -> None:
    assert verdict(differences) == expected


def test_a_metric_of_which_lower_is_better_gets_worse_upwards() -> None:
    lower = SHARE | {"better": "lower"}
    assert (verdict([0.02] * 3, lower), verdict([-0.02] * 3, lower)) == ("worse", "better")


def test_slack_is_what_the_metric_declares_or_a_share_of_a_mean_without_range() -> None:
    assert verdict([-0.04] * 3, SHARE | {"slack": 0.05}) == "same"
    endless = SHARE | {"range": [0, None]}
    assert verdict([-0.19] * 3, endless, base=10) == "same"
    assert verdict([-0.21] * 3, endless, base=10) == "worse"
    assert verdict([-1e-7] * 3, endless, base=1e-6) == "worse"  # rounding too is of the size of the values
    assert verdict([1.9e-5] * 3, endless | {"slack": 0.0}, base=10) == "same"


def test_yes_or_no_takes_seven_images_that_flip() -> None:
    rate = SHARE | {"unit": "yes or no"}
    assert verdict([-1.0] * 6 + [0.0] * 3, rate, base=1) == "unclear"  # 2 x 2 x .5^6 = .0625
    assert verdict([-1.0] * 7 + [0.0] * 3, rate, base=1) == "worse"  # .03125


def test_shares_at_the_ends_of_their_range_are_yes_or_no() -> None:
    """Two images that flip: by Student's t no chance in a thousand, by the coin one in two."""
    assert verdict([0.9997, 1.0], base=0) == "unclear"
    assert verdict([0.49, 0.4899]) == "better"


def test_one_large_fall_against_many_small_gains_is_not_called() -> None:
    """The mean falls, the sign test rises."""
    rate = SHARE | {"unit": "yes or no"}
    assert verdict([0.02] * 11 + [-1.0], rate) == "unclear"


def test_a_correlation_that_turns_from_end_to_end_is_a_difference_like_others() -> None:
    assert verdict([-2.0] * 4, SHARE | {"range": [-1, 1]}, base=1) == "worse"


# All metrics of a method at once


def test_flips_alone_are_counted_by_all_metrics_together_too() -> None:
    flips = [cell([-1.0, -1.0], SHARE | {"unit": "yes or no"}, base=1)]
    (whole,) = overall(flips, judged(flips))
    assert whole.verdict == "unclear" and whole.p == 1  # 2 x .5


def test_improvements_are_added_by_image_in_units_of_their_spread() -> None:
    up, down = cell([0.3, -0.4, 0.0]), cell([0.1, 0.1, 0.1], SHARE | {"better": "lower"})
    rms = (0.25 / 3) ** 0.5
    assert improvement([up, down]) == pytest.approx([0.3 / rms - 1, -0.4 / rms - 1, -1])


def test_many_metrics_together_tell_what_none_tells_alone() -> None:
    rng = np.random.default_rng(3)
    cells = [cell(list(rng.normal(-0.1, 0.12, 6)), name=f"m{number}") for number in range(20)]
    alone = judged(cells)
    assert not any(one.verdict == "worse" for one in alone)
    (whole,) = overall(cells, alone)
    assert whole.verdict == "worse" and whole.key == ("net", "method", "overall")


def test_rounding_that_leans_to_one_side_is_not_evidence() -> None:
    leaning = [cell([-1e-5, -1.1e-5, -0.9e-5, -1e-5, -1e-5, -1e-5], name=f"m{number}") for number in range(20)]
    assert overall(leaning, judged(leaning)) == []
    flip = cell([-1.0, 0, 0, 0, 0, 0], SHARE | {"unit": "yes or no"}, base=1)
    (whole,) = overall([*leaning, flip], judged([*leaning, flip]))
    assert whole.verdict == "unclear"


def test_noise_is_called_worse_or_better_once_in_twenty_times_at_most() -> None:
    """Twelve correlated metrics on 5 images, 400 times."""
    rng = np.random.default_rng(0)
    alarms = 0
    for _ in range(400):
        common = rng.standard_t(3, 5)
        cells = [cell(list(0.03 * (common + rng.standard_t(3, 5))), name=f"m{number}") for number in range(12)]
        each = judged(cells)
        alarms += any(one.verdict in ("worse", "better") for one in (*each, *overall(cells, each)))
    assert alarms <= 28  # 20 expected at most; 28 is two standard deviations more


# Runs


def test_a_run_is_the_same_as_itself(base: Path) -> None:
    result = bench("compare", base, base)
    assert result.exit_code == 0
    cells = 3 * 5 * 8 + 2 * 14  # plain CAM costs nothing on vgg16, where it does not apply
    assert f"{cells} numbers over 12 images: {cells} same" in result.output


def test_what_got_worse_is_told_with_its_evidence(base: Path, new: Path) -> None:
    shifted(new, "grad_cam", "insertion", -0.1)
    comparison = of(base, new)
    assert found(comparison, "worse") == [("all 3 nets", "grad_cam", "overall"), *(
        (net, "grad_cam", "insertion") for net in runs.NETS
    )]  # fmt: skip
    result = bench("compare", base, new)
    assert result.exit_code == 1
    assert max(map(len, result.output.splitlines())) <= 80
    (line,) = [line for line in result.output.splitlines() if line.startswith("worse") and "insert ↑" in line][:1] or [
        ""
    ]
    assert "-.100" in line and "<.001" in line


def test_better_passes(base: Path, new: Path) -> None:
    shifted(new, "grad_cam", "insertion", 0.1)
    assert bench("compare", base, new).exit_code == 0


def test_what_is_unclear_fails_if_asked(base: Path, new: Path) -> None:
    shifted(new, "grad_cam", "insertion", -0.4, images=1)
    assert bench("compare", base, new).exit_code == 0
    strict = bench("compare", base, new, "--strict")
    assert strict.exit_code == 1 and "\nFailed: " in strict.output


def test_values_that_are_lost_are_broken_and_those_found_are_fixed(base: Path, new: Path) -> None:
    shifted(new, "grad_cam", "insertion", None, images=3, reason="the gradient is gone")
    comparison = of(base, new)
    assert found(comparison, "broken") == [(net, "grad_cam", "insertion") for net in runs.NETS]
    said = bench("compare", base, new)
    assert said.exit_code == 1
    assert "no value on 3 of 12 images: the gradient is gone" in " ".join(said.output.split())
    assert "all 3 nets; grad_cam; insertion" in " ".join(said.output.split())
    back = bench("compare", new, base)
    assert back.exit_code == 0 and "judged on 9 images; 3 more have a value now" in " ".join(back.output.split())


def test_what_has_values_for_the_first_time_is_fixed(base: Path, new: Path) -> None:
    shifted(new, "grad_cam", "insertion", None, images=12, reason="the gradient is gone")
    assert found(of(new, base), "fixed") == [(net, "grad_cam", "insertion") for net in runs.NETS]


def test_a_value_that_is_gained_hides_no_fall(base: Path, new: Path) -> None:
    shifted(base_less := runs.write(new.parent / "less"), "grad_cam", "insertion", None, images=1, reason="none")
    shifted(new, "grad_cam", "insertion", -0.3)
    assert (next(iter(runs.NETS)), "grad_cam", "insertion") in found(of(base_less, new), "worse")


def test_the_slack_is_the_bases(base: Path, new: Path) -> None:
    shifted(new, "grad_cam", "insertion", -0.1)
    one, other = load(base), load(new)
    loose = {spec: told | {"slack": 0.5} for spec, told in other.metrics.items()}
    assert compare(one, replace(other, metrics=loose)).failed


def test_a_run_that_lost_a_score_or_its_costs_is_damaged(base: Path, new: Path) -> None:
    scores = store.read(new).table("scores")
    runs.rewrite(new, "scores", scores.iloc[:-1])
    assert "is damaged: it has" in refused("compare", base, new)
    again = runs.write(new.parent / "again")
    (again / "cost" / "part-00000.parquet").unlink()
    assert "its table of costs is gone" in refused("compare", base, again)


@pytest.mark.parametrize("option", ["--nets", "--methods", "--metrics"])
def test_a_choice_of_nothing_is_refused(base: Path, option: str) -> None:
    assert refused("compare", base, base, option, ",").endswith(
        f"{option} names none: name one at least, or leave it out"
    )


def test_outputs_spare_what_is_compared_and_each_other(base: Path, new: Path, tmp_path: Path) -> None:
    before = (new / "run.json").read_text()
    assert "is not written over" in refused("compare", base, new, "--json", new / "run.json")
    assert (new / "run.json").read_text() == before
    same = tmp_path / "same.out"
    assert "two outputs cannot both be" in refused("compare", base, new, "--json", same, "--junit", same)
    assert "is no name of a file" in refused("compare", base, new, "--json", "")
    assert "is no name of a file" in refused("compare", base, new, "--json", tmp_path)


def test_a_device_stays_a_device_and_a_link_a_link(base: Path, tmp_path: Path) -> None:
    (tmp_path / "link.json").symlink_to(tmp_path / "to.json")
    assert bench("compare", base, base, "--json", tmp_path / "link.json").exit_code == 0
    assert (tmp_path / "link.json").is_symlink() and json.loads((tmp_path / "to.json").read_text())
    assert bench("compare", base, base, "--json", "/dev/null").exit_code == 0
    assert not Path("/dev/null").is_file()


def test_a_summary_that_cannot_be_written_changes_no_verdict(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "missing" / "summary.md"))
    result = bench("compare", base, base)
    assert result.exit_code == 0 and "cannot be written" in result.stderr


def test_a_map_that_is_not_finite_has_no_value(base: Path, new: Path) -> None:
    scores = store.read(new).table("scores")
    runs.rewrite(new, "scores", scores.assign(nan_map=scores["method"] == "score_cam"))
    comparison = of(base, new)
    assert {key[1] for key in found(comparison, "broken")} == {"score_cam"}
    assert "not finite" in next(one.why for one in comparison.cells if one.verdict == "broken")


def test_what_is_gone_fails_and_what_is_new_does_not(base: Path, new: Path) -> None:
    edited(new, lambda header: header["methods"].pop("centre"))
    for table in ("scores", "cost"):
        rows = store.read(new).table(table)
        runs.rewrite(new, table, rows[rows["method"] != "centre"])
    assert len(found(of(base, new), "gone")) == 3 * 8
    assert bench("compare", base, new).exit_code == 1
    assert bench("compare", base, new, "--methods", "cam,grad_cam").exit_code == 0
    assert len(found(of(new, base), "new")) == 3 * 8
    assert bench("compare", new, base).exit_code == 0


CHANGES: dict[str, tuple[Callable[[dict[str, Any]], object], int, str]] = {  # the change, the cells, the words
    "protocol": (lambda h: h["protocols"]["insertion"].update(fit="nearest"), 15, "metric's fit: bilinear → nearest"),
    "metric": (lambda h: h["protocols"]["insertion"].update(version=2), 15, "metric's version: 1 → 2"),
    "unit": (lambda h: h["metrics"]["energy"].update(unit="mass"), 15, "metric's unit: share → mass"),
    "method": (lambda h: h["methods"]["grad_cam"].update(version=2), 24, "method's version: 1 → 2"),
    "setting": (lambda h: h["methods"]["grad_cam"].update(settings={"of": "x"}), 24, "method's of: none → x"),
    "layer": (lambda h: h["nets"]["resnet18"].update(layer="layer3"), 40, "net's layer: layer4 → layer3"),
    "weights": (lambda h: h["nets"]["resnet18"].update(fingerprint="99"), 40, "net's fingerprint: 0123abcd → 99"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_numbers_that_mean_something_else_are_not_compared(base: Path, new: Path, what: str) -> None:
    change, cells, words = CHANGES[what]
    edited(new, change)
    comparison = of(base, new)
    assert len(found(comparison, "not comparable")) == cells
    assert {one.why for one in comparison.cells if one.verdict == "not comparable"} == {words}
    assert bench("compare", base, new).exit_code == 1


def test_a_users_own_method_may_have_changed(base: Path, new: Path) -> None:
    edited(new, lambda header: header["methods"]["grad_cam"].update(fingerprint="77"))
    assert bench("compare", base, new).exit_code == 0


def test_images_are_the_same_by_their_pixels(base: Path, new: Path) -> None:
    predictions = store.read(new).table("predictions")
    spoilt = predictions["image"].isin(["image 00", "image 01"])
    runs.rewrite(new, "predictions", predictions.assign(sha256=predictions["sha256"].mask(spoilt, "f" * 64)))
    comparison = of(base, new)
    assert comparison.images == 10
    assert comparison.notes[0] == "2 images left out: the pixels differ"
    assert "costs not judged: the first image, of which they are, is another" in comparison.notes


def test_images_that_explain_another_class_are_left_out(base: Path, new: Path) -> None:
    predictions = store.read(new).table("predictions")
    other = (predictions["image"] == "image 03") & (predictions["net"] == "vgg16")
    runs.rewrite(new, "predictions", predictions.assign(target=predictions["target"].mask(other, 5)))
    comparison = of(base, new)
    assert comparison.notes == ("1 image left out on vgg16: another class is explained (image 03: 3 → 5)",)
    assert not comparison.failed


def test_more_work_is_worse_and_bytes_are_judged_beside_the_same_library(base: Path, new: Path) -> None:
    cost = store.read(new).table("cost")
    more = cost.assign(forwards=cost["forwards"] * 1.001, peak_bytes=cost["peak_bytes"] * 1.001)
    runs.rewrite(new, "cost", more)
    assert {key[2] for key in found(of(base, new), "worse")} == {"forwards", "peak_bytes"}
    edited(new, lambda header: header["environment"].update(torch="3.0"))
    comparison = of(base, new)
    assert {key[2] for key in found(comparison, "worse")} == {"forwards"}
    assert comparison.notes == ("peak_bytes not judged: torch 2.11.0 → 3.0",)


# Refusals


def test_what_cannot_be_compared_is_refused_in_a_sentence(base: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "holds no run" in refused("compare", base, tmp_path / "empty")
    assert "there is no run and no baseline" in refused("compare", tmp_path / "nothing", base)
    other = runs.write(tmp_path / "other", nets={"alexnet": "features"})
    assert "no net in common: squeezenet1_1, resnet18, vgg16, and alexnet" in refused("compare", base, other)
    photos = runs.write(tmp_path / "photos", prefix="photo")
    assert "no image in common: not even a name is in both" in refused("compare", base, photos)
    assert "has no method 'lrp'" in refused("compare", base, base, "--methods", "lrp")


def test_half_a_run_is_refused(base: Path, new: Path) -> None:
    edited(new, lambda header: header["data"]["images"].append("image 12"))
    assert "not finished: 12 of 13 images on squeezenet1_1 are done" in refused("compare", base, new)
    runs.rewrite(new, "scores", store.read(new).table("scores").head(0))
    assert "has no complete image yet" in refused("compare", base, new)


# For other programs


@pytest.fixture
def evil(base: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Two runs that differ, of a method whose name is markup everywhere."""
    pair = []
    for name, quality in (("one", 0.0), ("two", -0.2)):
        directory = runs.write(tmp_path / name, nets=ONE)
        shifted(directory, "grad_cam", "insertion", quality)
        edited(directory, lambda header: header["methods"].update({EVIL: header["methods"].pop("grad_cam")}))
        for table in ("scores", "cost"):
            rows = store.read(directory).table(table)
            runs.rewrite(directory, table, rows.assign(method=rows["method"].replace("grad_cam", EVIL)))
        pair.append(directory)
    return pair[0], pair[1]


def test_names_with_markup_stay_names(evil: tuple[Path, Path], tmp_path: Path) -> None:
    xml, md = tmp_path / "c.xml", tmp_path / "c.md"
    result = bench("compare", *evil, "--junit", xml, "--markdown", md)
    assert result.exit_code == 1
    assert "[red]" in result.output
    root = ElementTree.parse(xml).getroot()
    (suite,) = root
    assert suite.get("failures") == str(len(root.findall(".//failure"))) == "2"
    names = {case.get("classname") for case in suite}
    assert f"squeezenet1_1.{EVIL[:-1]}�" in names
    rows = [line for line in md.read_text().splitlines() if line.startswith("| **worse**")]
    assert rows and all(r"a\|b &lt;i&gt;\*x\*&lt;/i&gt; \[red\]&amp;" in row for row in rows)
    assert {len(row.replace(r"\|", "").split("|")) for row in rows} == {11}


def test_json_holds_every_number(base: Path, new: Path) -> None:
    shifted(new, "grad_cam", "insertion", -0.1)
    result = bench("compare", base, new, "--json", "-")
    told = json.loads(result.output)
    assert told["failed"] is True and told["counts"]["worse"] == 4
    (one,) = [
        cell for cell in told["cells"] if (cell["net"], cell["metric"]) == ("vgg16", "insertion") and cell["change"]
    ]
    assert one["change"] == pytest.approx(-0.1) and one["low"] == pytest.approx(-0.1) and one["p"] == 0


def test_the_summary_of_a_job_is_added_to(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    assert bench("compare", base, base).exit_code == 0
    assert summary.read_text().startswith("before\n### Passed: ")


# Seconds


NET, SLOW, STEADY = next(iter(runs.NETS)), "score_cam", "grad_cam"


def timed(name: str, factor: float, seed: int, base: Recorded) -> Recorded:
    rng = np.random.default_rng(seed)
    of = {f"image {number}": factor * (1 + number) * float(rng.uniform(0.95, 1.05)) for number in range(8)}
    steady = {image: 1 + number * 0.1 for number, image in enumerate(of)}
    return replace(base, name=name, seconds={(NET, SLOW): of, (NET, STEADY): steady})


def test_seconds_are_judged_over_repeated_runs(base: Path) -> None:
    start = load(base)
    pairs = [(timed("b", 1, seed, start), timed("n", 1.5, 10 + seed, start)) for seed in range(3)]
    by_method = {one.key[1]: one for one in seconds_judged(pairs, 1.3)}
    assert (by_method[SLOW].verdict, by_method[STEADY].verdict) == ("worse", "same")
    assert by_method[SLOW].new / by_method[SLOW].base == pytest.approx(1.5, rel=0.1)
    assert {one.verdict for one in seconds_judged(pairs, 2)} == {"same"}
    assert {one.verdict for one in seconds_judged([(new, old) for old, new in pairs], 1.3)} == {"better", "same"}


def test_one_run_that_is_not_slower_leaves_it_unclear(base: Path) -> None:
    start = load(base)
    pairs = [(timed("b", 1, seed, start), timed("n", 1.5 if seed else 1, 10 + seed, start)) for seed in range(3)]
    assert seconds_judged(pairs, 1.3)[0].verdict == "unclear"


def test_seconds_of_unlike_devices_are_not_judged(base: Path) -> None:
    start = load(base)
    other = replace(start, made=start.made | {"device": "cuda"})
    pairs = [(timed("b", 1, seed, start), timed("n", 1, seed, other)) for seed in range(3)]
    with pytest.raises(UsageError, match="b has device cpu, n cuda"):
        seconds_judged(pairs, 1.3)


def test_too_few_runs_or_runs_without_seconds_are_refused(base: Path) -> None:
    asked = ["compare", base, base, "--judge-seconds", "1.3"]
    assert "seconds of 1 runs a side prove nothing: name 3 pairs or more" in refused(*asked)
    again = ["--repeat", base, base]
    assert "does not know the seconds of a bare prediction" in refused(*asked, *again, *again)
    assert "--repeat names runs for --judge-seconds" in refused("compare", base, base, *again)
    with pytest.raises(UsageError, match="does not know"):
        seconds_judged([(load(base), load(base))] * 3, 1.3)


def test_seconds_are_told_in_predictions(new: Path) -> None:
    predictions = store.read(new).table("predictions")
    runs.rewrite(new, "predictions", predictions.assign(seconds=0.002))
    ratios = load(new).seconds["resnet18", "score_cam"]
    cost = store.read(new).table("cost").set_index(["net", "method", "image"])["seconds"]
    assert ratios["image 04"] == pytest.approx(cost["resnet18", "score_cam", "image 04"] / 0.002)


def test_seconds_are_told_as_a_ratio_of_runs(base: Path, tmp_path: Path) -> None:
    """From the command line: three runs a side, of which the new ones take twice as long."""
    asked: list[object] = []
    for number in range(3):
        for side, factor in (("b", 1.0), ("n", 2.0)):
            directory = runs.write(tmp_path / f"{side}{number}", nets=ONE)
            runs.rewrite(directory, "predictions", store.read(directory).table("predictions").assign(seconds=0.002))
            cost = store.read(directory).table("cost")
            runs.rewrite(directory, "cost", cost.assign(seconds=cost["seconds"] * (factor + number / 100)))
            asked.append(directory)
    pairs = [*asked[:2], *("--repeat", *asked[2:4]), *("--repeat", *asked[4:])]
    result = bench("compare", *pairs, "--judge-seconds", "1.3", "--methods", "score_cam")
    assert result.exit_code == 1
    (row,) = [line.split() for line in result.output.splitlines() if "seconds" in line and line.startswith("worse")]
    assert row[-4:] == ["x", "1.99", "runs", "<.001"]  # 2.01 over 1.01: the medians of three runs
    unjudged = bench("compare", *asked[:2], "--methods", "score_cam")
    assert unjudged.exit_code == 0 and "not judged (--judge-seconds)" in " ".join(unjudged.output.split())
