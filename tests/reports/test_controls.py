"""Methods against controls: decided image by image where the scores are given, and said in words."""

from pathlib import Path

import pytest

from cambench.bench.stats import summary
from cambench.bench.store import run as store
from cambench.bench.store.run import Run
from cambench.reports._page import controls
from cambench.reports._page.controls import Contest, contests

from ..support import runs

CONTROL = [0.2 + i / 20 for i in range(12)]  # images differ much


def _run(tmp_path: Path, cam: list[float], centre: list[float], metric: str = "insertion") -> Run:
    run = store.read(runs.write(tmp_path / "run", images=len(cam), nets={"resnet18": "layer4"}))
    scores = run.table("scores")
    for method, values in (("cam", cam), ("centre", centre)):
        scores.loc[(scores["method"] == method) & (scores["metric"] == metric), "value"] = values
    runs.rewrite(run.directory, "scores", scores)
    return run


def _found(run: Run) -> list[Contest]:
    return list(contests(summary.table(run, "resnet18"), paired=True))


def _one(run: Run, metric: str = "insertion") -> Contest:
    (one,) = (
        contest
        for contest in _found(run)
        if (contest.metric.spec, contest.method, contest.control) == (metric, "cam", "centre")
    )
    return one


@pytest.mark.parametrize(("metric", "verdict"), [("insertion", "better"), ("deletion", "worse")])
def test_a_small_difference_on_every_image_is_decided(tmp_path: Path, metric: str, verdict: str) -> None:
    run = _run(tmp_path, [value + 0.02 + i / 2000 for i, value in enumerate(CONTROL)], CONTROL, metric)
    one = _one(run, metric)
    assert one.verdict == verdict and one.pair is not None and one.pair.n == 12
    ahead = "cam" if verdict == "better" else "centre"
    assert one.words.startswith(
        f"{ahead} is ahead: the difference is .023 (.022 to .024), better on 100% of 12 images, p = .0"
    )
    unpaired = [
        contest.verdict
        for contest in contests(summary.table(run, "resnet18"))
        if (contest.metric.spec, contest.method, contest.control) == (metric, "cam", "centre")
    ]
    assert unpaired == ["unsettled"]


def test_what_is_not_settled_says_how_many_images_would(tmp_path: Path) -> None:
    one = _one(_run(tmp_path, [v + (0.05 if i % 3 else -0.06) for i, v in enumerate(CONTROL)], CONTROL))
    assert one.verdict == "unsettled" and one.pair is not None
    assert one.words == (
        f"12 images do not settle it: the difference is .013 (-.014 to .041); {one.pair.settling} would"
    )


def test_equal_means_are_never_settled(tmp_path: Path) -> None:
    one = _one(_run(tmp_path, CONTROL, CONTROL))
    assert one.verdict == "unsettled"
    assert one.words.endswith("(.000 to .000); the means are equal, and more images would not tell them apart")


def test_one_image_settles_nothing(tmp_path: Path) -> None:
    one = _one(_run(tmp_path, [0.9], [0.2]))
    assert (one.verdict, one.words) == ("unsettled", "one image gives no interval (the difference is .700)")


def test_a_method_without_scores_is_unknown_for_its_reason(tmp_path: Path) -> None:
    run = store.read(runs.write(tmp_path / "run", images=4, nets={"vgg16": "features"}))
    found = list(contests(summary.table(run, "vgg16"), paired=True))
    assert {one.words for one in found if one.method == "cam"} >= {runs.NO_CAM}
    assert {one.verdict for one in found if one.method == "cam"} == {"unknown"}
    assert all(one.pair is None for one in found if one.verdict == "unknown")
    assert all(one.pair is not None for one in found if one.verdict != "unknown")


def test_rates_are_compared_as_rates(tmp_path: Path) -> None:
    one = _one(_run(tmp_path, [1.0] * 9 + [0.0] * 3, [0.0] * 12, "pointing"), "pointing")
    assert one.pair is not None and one.pair.p == pytest.approx(2 / 2**9) and one.verdict == "better"
    assert one.pair.difference.high < 1


def test_holm_is_over_the_pairs_of_a_metric(tmp_path: Path) -> None:
    one = _one(_run(tmp_path, [value + 0.02 + i / 2000 for i, value in enumerate(CONTROL)], CONTROL))
    assert one.pair is not None and one.pair.p == 2 / 2**12
    assert one.pair.p < one.pair.corrected <= 6 * one.pair.p  # 3 methods, 2 controls


def test_summaries_are_of_the_contests_given(tmp_path: Path) -> None:
    run = _run(tmp_path, [value + 0.02 + i / 2000 for i, value in enumerate(CONTROL)], CONTROL)
    table, found = summary.table(run, "resnet18"), _found(run)
    counts = controls.tally(table, found)
    assert sum(counts.values()) == len(found) == 3 * 2 * 8
    assert (
        counts == {verdict: sum(one.verdict == verdict for one in found) for verdict in counts} != controls.tally(table)
    )
    won = {
        method: [
            metric.spec
            for metric in table.metrics
            if all(one.verdict == "better" for one in found if (one.method, one.metric) == (method, metric))
        ]
        for method in ("cam", "grad_cam", "score_cam")
    }
    assert controls.standing(table, found) == won
    assert list(controls.standing(table, found)) == sorted(won, key=lambda method: -len(won[method]))
    by_metric, lost = controls.overall([table], {"resnet18": found})
    assert {spec: set(methods) for spec, methods in by_metric.items()} == {
        spec: {method for method in won if spec in won[method]} for spec in by_metric
    }
    assert set(lost) | set(by_metric) == {metric.spec for metric in table.metrics}
    failing = controls.failing(table, found)
    assert all(one.verdict != "better" for group in failing.values() for one in group)
    keys = {f"{one.metric.spec} against {one.control}" for one in found if one.verdict == "better"}
    assert not keys & set(failing)
