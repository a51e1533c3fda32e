"""Sentences on the certainty of a recommendation, and how they follow from the scores."""

from dataclasses import replace
from math import nan
from pathlib import Path

import pytest

from cambench.bench.core.formatting import format_number
from cambench.bench.stats.agreement import measure_agreement, measure_consistency
from cambench.bench.stats.estimate import Estimate
from cambench.bench.store import run as store
from cambench.bench.store.run import Run
from cambench.reports import html
from cambench.reports._page.analysis import NetAnalysis, analyse
from cambench.reports._page.confidence import describe_certainty, list_caveats
from cambench.reports._page.metrics import make_reliability_table

from ..support import runs

STEPS = [image / 100 for image in range(12)]


def _run(tmp_path: Path, **values: list[float]) -> Run:
    """A run of one net with these insertion scores, by method and image."""
    run = store.open_run(runs.write(tmp_path / "run", nets={"resnet18": "layer4"}))
    scores = run.table("scores")
    for method, by_image in values.items():
        scores.loc[(scores["method"] == method) & (scores["metric"] == "insertion"), "value"] = by_image
    runs.rewrite(run.directory, "scores", scores)
    return run


def _level(base: float, slope: float = 1.0) -> list[float]:
    return [base + slope * step for step in STEPS]


@pytest.fixture
def analysis(tmp_path: Path) -> NetAnalysis:
    """cam is best on each image, grad_cam and score_cam alternate, and the controls are far behind."""
    alternating = [value + (0.02 if image % 2 else -0.015) for image, value in enumerate(_level(0.6))]
    scores = {"cam": _level(0.8, 1.2), "grad_cam": alternating, "score_cam": _level(0.6)}
    (net,) = analyse([_run(tmp_path, **scores, random=_level(0.2, 0.9), centre=_level(0.3, 0.8))])
    return net


def test_a_method_with_few_images_leaves_no_image_out_of_the_consistency_and_agreement(analysis: NetAnalysis) -> None:
    values = {metric: analysis.table.values[metric].copy() for metric in ("insertion", "deletion")}
    for table in values.values():
        table.loc[table.index[1:], "score_cam"] = float("nan")
    few = replace(analysis, table=replace(analysis.table, values=values))
    without = {metric: table.drop(columns=["score_cam", "random", "centre"]) for metric, table in values.items()}
    consistency = few.by_metric["insertion"].consistency
    assert few.by_metric["insertion"].ranking.n == consistency.n == 12 and consistency.methods == 2
    assert consistency == measure_consistency(without["insertion"])
    (agreement,) = few.agreements
    assert agreement.n == 12 and agreement.methods == 2
    assert [agreement] == measure_agreement(without, {"insertion": "higher", "deletion": "lower"})


def _certainty(analysis: NetAnalysis, method: str) -> str:
    metric = analysis.by_metric["insertion"]
    (ranked,) = (ranked for ranked in metric.ranking.methods if ranked.method == method)
    return describe_certainty(metric, ranked)


def test_a_decided_first_place_names_the_methods_behind(analysis: NetAnalysis) -> None:
    assert _certainty(analysis, "cam") == (
        "Significantly better than every other method (grad_cam and score_cam) on 12 images. "
        "It beats every control (random and centre)."
    )


def test_a_method_behind_the_best_states_the_difference(analysis: NetAnalysis) -> None:
    assert _certainty(analysis, "score_cam").startswith("cam is ahead by .211 on average, which is significant on 12 ")


def test_an_undecided_first_place_states_how_many_images_would_decide_it(tmp_path: Path) -> None:
    alternating = [value + (0.02 if image % 2 else -0.01) for image, value in enumerate(_level(0.8))]
    run = _run(
        tmp_path, cam=alternating, grad_cam=_level(0.8), score_cam=_level(0.5), random=_level(0.2), centre=_level(0.1)
    )
    (analysis,) = analyse([run])
    text = _certainty(analysis, "cam")
    assert text.startswith("Significantly better than 1 of 2 other methods (score_cam) on 12 images.")
    needed = next(
        ranked.best_pair for ranked in analysis.by_metric["insertion"].ranking.methods if ranked.method == "grad_cam"
    )
    assert needed is not None
    assert f"Undecided against grad_cam ({needed.images_needed_text} would decide it)." in text
    assert _certainty(analysis, "grad_cam").startswith(
        "Undecided against cam on 12 images: cam is ahead by .005 on average ("
    )


def test_a_control_better_than_the_best_method_is_a_warning(tmp_path: Path) -> None:
    scores = {"cam": _level(0.5), "grad_cam": _level(0.3, 0.9), "score_cam": _level(0.2, 0.8)}
    (analysis,) = analyse([_run(tmp_path, **scores, centre=_level(0.8, 1.1), random=_level(0.1))])
    lines = list_caveats(analysis.by_metric["insertion"])
    assert lines[0].startswith("Do not choose by insertion here: centre, a control, scores better than the ")
    assert "Caveat: centre, a control, is better." in _certainty(analysis, "cam")


@pytest.mark.parametrize(
    ("alpha", "words"),
    [
        ((0.2, -0.1, 0.66), "Images disagree on how insertion ranks the methods"),
        ((0.2, -0.1, 0.67), "Images are not shown to agree on how insertion ranks the methods"),
        ((0.9, 0.79, 0.95), "Images are not shown to agree on how insertion ranks the methods"),
        ((0.9, 0.81, 0.95), ""),
    ],
)
def test_a_metric_that_is_not_shown_to_be_reliable_is_a_warning(
    analysis: NetAnalysis, alpha: tuple[float, float, float], words: str
) -> None:
    metric = analysis.by_metric["insertion"]
    metric = replace(metric, consistency=replace(metric.consistency, alpha=Estimate(*alpha, 12)))
    found = [line for line in list_caveats(metric) if "Krippendorff" in line]
    assert len(found) == bool(words) and all(line.startswith(words) for line in found)


@pytest.mark.parametrize("mean", [-0.2, 0.7])
def test_an_alpha_without_an_interval_proves_nothing(analysis: NetAnalysis, mean: float) -> None:
    metric = analysis.by_metric["insertion"]
    metric = replace(metric, consistency=replace(metric.consistency, alpha=Estimate(mean, nan, nan, 2)))
    (line,) = [line for line in list_caveats(metric) if "Krippendorff" in line]
    assert line.startswith("Images are not shown to agree on how insertion ranks the methods: Krippendorff's alpha is ")
    assert "(on too few images for an interval; 1 is full agreement, and it is reliable if the interval is at" in line


def test_the_caveat_of_a_metric_is_shown(tmp_path: Path) -> None:
    run = _run(tmp_path, cam=_level(0.5))
    assert "It is fooled." not in html.render(run)
    insertion = run.header.metrics["insertion"]
    insertion.caveat, insertion.family = "It is fooled.", "curves"
    (analysis,) = analyse([run])
    assert list_caveats(analysis.by_metric["insertion"])[-1] == "insertion: It is fooled."
    page = html.render(run)
    assert page.count("It is fooled.") >= 3 and "<option>curves</option>" in page


def test_an_alpha_just_below_a_threshold_is_not_rounded_to_it(analysis: NetAnalysis) -> None:
    metric = analysis.by_metric["insertion"]
    alpha = metric.consistency.alpha._replace(mean=0.79986, low=0.7, high=0.85)
    metric = replace(metric, consistency=replace(metric.consistency, alpha=alpha))
    (sentence,) = [line for line in list_caveats(metric) if "Krippendorff" in line]
    interval = f"{format_number(alpha.low)} to {format_number(alpha.high)}"
    assert (
        f"alpha is .7999 ({interval}; 1 is full agreement, and it is reliable if all of this is at least 0.8)"
        in sentence
    )
    analysis.by_metric["insertion"] = metric
    row = next(row for row in make_reliability_table(analysis).rows if row.data["metric"] == "insertion")
    assert [cell.text for cell in row.cells[1:3]] == [".7999", "tentative"]
