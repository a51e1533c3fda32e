"""Comparisons of methods with controls, and their explanations in words."""

from pathlib import Path

import numpy as np
import pytest

from cambench.bench.stats import controls, summary
from cambench.bench.stats.controls import ControlComparison, compare_with_controls
from cambench.bench.store import run as store
from cambench.bench.store.run import Run

from ..support import runs

CONTROL = [0.2 + i / 20 for i in range(12)]  # the images differ strongly


def _run(tmp_path: Path, cam: list[float], centre: list[float], metric: str = "insertion") -> Run:
    run = store.open_run(runs.write(tmp_path / "run", images=len(cam), nets={"resnet18": "layer4"}))
    scores = run.table("scores")
    for method, values in (("cam", cam), ("centre", centre)):
        scores.loc[(scores["method"] == method) & (scores["metric"] == metric), "value"] = values
    runs.rewrite(run.directory, "scores", scores)
    return run


def _compare(run: Run) -> list[ControlComparison]:
    return list(compare_with_controls(summary.build_table(run, "resnet18")))


def _comparison(run: Run, metric: str = "insertion") -> ControlComparison:
    (selected,) = (
        comparison
        for comparison in _compare(run)
        if (comparison.metric.spec, comparison.method, comparison.control) == (metric, "cam", "centre")
    )
    return selected


@pytest.mark.parametrize(("metric", "verdict"), [("insertion", "better"), ("deletion", "worse")])
def test_a_small_difference_on_every_image_is_decided(tmp_path: Path, metric: str, verdict: str) -> None:
    run = _run(tmp_path, [value + 0.02 + i / 2000 for i, value in enumerate(CONTROL)], CONTROL, metric)
    comparison = _comparison(run, metric)
    assert comparison.verdict == verdict and comparison.pair is not None and comparison.pair.n == 12
    winner = "cam" if verdict == "better" else "centre"
    assert comparison.explanation.startswith(
        f"{winner} is ahead: the difference is .023 (.022 to .024), better on 100% of 12 images, p = .0"
    )


def test_an_undecided_comparison_states_how_many_images_would_decide_it(tmp_path: Path) -> None:
    comparison = _comparison(_run(tmp_path, [v + (0.05 if i % 3 else -0.06) for i, v in enumerate(CONTROL)], CONTROL))
    assert comparison.verdict == "undecided" and comparison.pair is not None
    assert comparison.explanation == (
        f"undecided on 12 images: the difference is .013 (-.028 to .048); {comparison.pair.images_needed_text} would decide it"
    )


def test_equal_means_are_never_decided(tmp_path: Path) -> None:
    comparison = _comparison(_run(tmp_path, CONTROL, CONTROL))
    assert comparison.verdict == "undecided"
    assert comparison.explanation.endswith("(.000 to .000); more images would not decide it")


def test_one_image_decides_nothing(tmp_path: Path) -> None:
    comparison = _comparison(_run(tmp_path, [0.9], [0.2]))
    assert (comparison.verdict, comparison.explanation) == (
        "undecided",
        "one image gives no interval (the difference is .700)",
    )


def test_a_method_without_scores_is_unknown_with_its_reason(tmp_path: Path) -> None:
    run = store.open_run(runs.write(tmp_path / "run", images=4, nets={"vgg16": "features"}))
    comparisons = list(compare_with_controls(summary.build_table(run, "vgg16")))
    assert {comparison.explanation for comparison in comparisons if comparison.method == "cam"} >= {runs.NO_CAM}
    assert {comparison.verdict for comparison in comparisons if comparison.method == "cam"} == {"unknown"}
    assert all(comparison.pair is None for comparison in comparisons if comparison.verdict == "unknown")
    assert all(comparison.pair is not None for comparison in comparisons if comparison.verdict != "unknown")


def test_a_method_and_a_control_without_a_common_image_are_not_compared(tmp_path: Path) -> None:
    half = [0.5] * 6 + [float("nan")] * 6
    comparison = _comparison(_run(tmp_path, half, half[::-1]))
    assert (comparison.verdict, comparison.explanation) == ("unknown", "no image has a score of both")


def test_binary_metrics_are_compared_by_mcnemars_test(tmp_path: Path) -> None:
    comparison = _comparison(_run(tmp_path, [1.0] * 9 + [0.0] * 3, [0.0] * 12, "pointing"), "pointing")
    assert (
        comparison.pair is not None and comparison.pair.p == pytest.approx(2 / 2**9) and comparison.verdict == "better"
    )
    assert comparison.pair.difference.high < 1


def test_holms_correction_is_over_the_pairs_of_a_metric(tmp_path: Path) -> None:
    comparison = _comparison(_run(tmp_path, [value + 0.02 + i / 2000 for i, value in enumerate(CONTROL)], CONTROL))
    assert comparison.pair is not None and comparison.pair.p == 2 / 2**12
    assert comparison.pair.p < comparison.pair.corrected_p <= 6 * comparison.pair.p  # 3 methods, 2 controls


def test_methods_with_few_images_are_a_family_of_their_own(tmp_path: Path) -> None:
    run = store.open_run(runs.write(tmp_path / "run", nets={"resnet18": "layer4"}))
    table = summary.build_table(run, "resnet18")
    (metric,) = [metric for metric in table.metrics if metric.spec == "insertion"]
    whole = {(c.method, c.control): c for c in compare_with_controls(table, [metric])}
    table.values["insertion"].loc[table.values["insertion"].index[5:], "score_cam"] = np.nan
    split = {(c.method, c.control): c for c in compare_with_controls(table, [metric])}
    for method, tests in (("cam", 4), ("grad_cam", 4), ("score_cam", 2)):
        found = [split[method, control].pair for control in table.controls]
        assert all(pair and pair.p <= pair.corrected_p <= min(1, tests * pair.p) for pair in found)
    least = min(pair.p for (method, _), each in split.items() if (pair := each.pair) and method != "score_cam")
    corrected = [pair.corrected_p for each in split.values() if (pair := each.pair) and pair.p == least]
    assert corrected and min(corrected) == pytest.approx(4 * least)
    assert whole.keys() == split.keys()


def test_summaries_use_only_the_given_comparisons(tmp_path: Path) -> None:
    run = _run(tmp_path, [value + 0.02 + i / 2000 for i, value in enumerate(CONTROL)], CONTROL)
    table, comparisons = summary.build_table(run, "resnet18"), _compare(run)
    counts = controls.count_verdicts(comparisons)
    assert sum(counts.values()) == len(comparisons) == 3 * 2 * 8
    assert counts == {verdict: sum(comparison.verdict == verdict for comparison in comparisons) for verdict in counts}
    won = {
        method: [
            metric.spec
            for metric in table.metrics
            if all(
                comparison.verdict == "better"
                for comparison in comparisons
                if (comparison.method, comparison.metric) == (method, metric)
            )
        ]
        for method in ("cam", "grad_cam", "score_cam")
    }
    assert controls.find_metrics_won(comparisons) == won
    assert list(controls.find_metrics_won(comparisons)) == sorted(won, key=lambda method: -len(won[method]))
    unbeaten = controls.find_unbeaten_controls(comparisons)
    assert all(comparison.verdict != "better" for group in unbeaten.values() for comparison in group)
    keys = {
        f"{comparison.metric.spec} against {comparison.control}"
        for comparison in comparisons
        if comparison.verdict == "better"
    }
    assert not keys & set(unbeaten)
