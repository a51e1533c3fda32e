"""What the order of equal pixels does to a mean: beside a score, and in the answer."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cambench.bench.show.answer_matrix import make_answer_matrix
from cambench.bench.stats.answer import Answer, choose_balanced, find_answer
from cambench.bench.stats.controls import compare_with_controls, find_metrics_won
from cambench.bench.stats.mean_scores import Metric
from cambench.bench.stats.notes import describe_means
from cambench.bench.stats.ranking import rank_by_metric
from cambench.bench.stats.records import make_frame
from cambench.bench.stats.standings import find_standings
from cambench.bench.stats.summary import Table, build_table
from cambench.bench.store.run import Run, open_run

from ..support import runs

IMAGES = 12
LEVELS = {"cam": 0.625, "grad_cam": 0.5625, "score_cam": 0.375, "random": 0.125, "centre": 0.25}  # exact in binary


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Table:
    """The table of a run of 12 images, whose scores `with_ties` replaces."""
    folder = tmp_path_factory.mktemp("ties") / "run"
    return build_table(open_run(runs.write(folder, nets={"resnet18": "layer4"})), "resnet18")


def with_ties(table: Table, effects: dict[str, list[float]], **levels: list[float]) -> Table:
    """The table with insertion, by default a level of each method plus image / 64, and the effects of ties on it."""
    index = table.values["insertion"].index
    insertion = {method: [level + image / 64 for image in range(IMAGES)] for method, level in LEVELS.items()} | levels
    ties = dict.fromkeys(LEVELS, [0.0] * IMAGES) | effects
    values = {"insertion": pd.DataFrame(insertion, index), "insertion_ties": pd.DataFrame(ties, index)}
    score = replace(find_metric(table, "insertion"), tie_metric="insertion_ties")
    effect = replace(score, spec="insertion_ties", better="lower", ties_of="insertion", tie_metric="")
    return replace(table, metrics=[effect, score], values=values)


def answer_by(table: Table, *metrics: str) -> Answer:
    answer = find_answer(table, metrics)
    assert answer
    return answer


def find_metric(table: Table, spec: str) -> Metric:
    return next(metric for metric in table.metrics if metric.spec == spec)


@pytest.mark.parametrize("method", ["cam", "grad_cam"])
@pytest.mark.parametrize(("effects", "state"), [((0.0, 0.124), "winner"), ((0.0, 0.126), "tie")])
def test_no_method_wins_by_less_than_the_effect_of_ties_on_either(
    plain: Table, method: str, effects: tuple[float, float], state: str
) -> None:
    """Cam is ahead of Grad-CAM by 1/16 on every image; the mean effect is .062 or .063."""
    table = with_ties(plain, {method: [*effects] * (IMAGES // 2)})
    answer = answer_by(table, "insertion")
    assert (answer.state, answer.take) == (state, "cam")
    if state == "tie":
        assert answer.top == ("cam", "grad_cam")
        assert answer.text.startswith(
            "no winner by insertion on 12 images: cam and grad_cam tie; take cam, the cheapest ("
        )
        assert answer.text.endswith(
            "; the order of equal pixels can move insertion by .063 or more, more than some scores differ"
        )
    else:
        assert "order of equal pixels" not in answer.text
    standings = {"cam": "tie", "grad_cam": "tie"} if state == "tie" else {"cam": "best", "grad_cam": "behind"}
    assert answer.by[0].standings == standings | {"score_cam": "behind"}


def test_a_method_does_not_beat_a_control_by_less_than_the_effect_of_ties(plain: Table) -> None:
    """The best method is ahead of the control by 3/8."""
    table = with_ties(plain, {"centre": [0.376] * IMAGES})
    answer = answer_by(table, "insertion")
    assert (answer.state, answer.take) == ("none", None)
    assert answer.text == (
        "no method is shown to beat the controls by insertion on 12 images; the order of equal pixels can move insertion by "
        ".376 or more, more than some scores differ"
    )
    comparisons = list(compare_with_controls(table, [find_metric(table, "insertion")]))
    assert find_metrics_won(comparisons) == {"cam": [], "grad_cam": [], "score_cam": []}
    explanation = next(one.explanation for one in comparisons if (one.method, one.control) == ("cam", "centre"))
    assert explanation == (
        "undecided on 12 images: the difference is .375 (.375 to .375); more images would not decide it: the order of equal "
        "pixels can move a mean by .376 or more"
    )


def test_only_comparisons_of_the_best_methods_are_mentioned(plain: Table) -> None:
    """Score-CAM is ahead of the control by 1/8, Grad-CAM by 5/16: the effect is between them."""
    table = with_ties(plain, {"centre": [0.2] * IMAGES})
    answer = answer_by(table, "insertion")
    assert (answer.state, answer.take) == ("winner", "cam")
    assert answer.by[0].standings["score_cam"] == "no better than a control" and answer.by[0].tie_effect == 0
    won = find_metrics_won(list(compare_with_controls(table, [find_metric(table, "insertion")])))
    assert won == {"cam": ["insertion"], "grad_cam": ["insertion"], "score_cam": []}


def test_effects_are_taken_of_the_images_that_a_ranking_compares(plain: Table) -> None:
    """Score-CAM lacks the first image, on which alone the order matters: .9, a mean of .075 over all images."""
    effects = {"grad_cam": [0.9] + [0.0] * (IMAGES - 1)}
    lacking = [float("nan"), *(0.375 + image / 64 for image in range(1, IMAGES))]
    for table, n, verdict, effect in (
        (with_ties(plain, effects, score_cam=lacking), IMAGES - 1, "ahead", 0),
        (with_ties(plain, effects), IMAGES, "undecided", 0.075),
    ):
        pair = rank_by_metric(table, find_metric(table, "insertion")).methods[0].next_pair
        assert pair and pair.n == n and pair.verdict == verdict and pair.tie_effect == pytest.approx(effect)


def write(folder: Path, values: list[float], effect: float) -> Run:
    """A run on disk in which insertion has these values for cam, and ties move each by the effect."""
    directory = runs.write(folder / "run", images=len(values), nets={"resnet18": "layer4"})
    scores = open_run(directory).table("scores")
    scores.loc[(scores["method"] == "cam") & (scores["metric"] == "insertion"), "value"] = values
    runs.rewrite(directory, "scores", scores)
    return open_run(runs.add_ties(directory, {"cam": [effect] * len(values)}))


@pytest.mark.parametrize(("effect", "moved"), [(0.1299, False), (0.13, True)])
def test_a_mean_is_marked_if_ties_move_it_by_more_than_half_the_width_of_its_interval(
    tmp_path: Path, effect: float, moved: bool
) -> None:
    """Of .4, .5, .5 and .6 the standard error is .0408, and Student's t for 3 degrees of freedom is 3.1824: ± .12992."""
    run = write(tmp_path, [0.4, 0.5, 0.5, 0.6], effect)
    table = build_table(run, "resnet18")
    insertion = find_metric(table, "insertion")
    assert table.find_tie_effect("cam", insertion) == pytest.approx(effect)
    assert table.is_moved_by_ties("cam", insertion) is moved
    assert not any(table.is_moved_by_ties("cam", metric) for metric in table.metrics if metric.spec != "insertion")
    note = "† insert: the order of equal pixels can move cam by .130 or more, more than half the width of its interval"
    assert (note in describe_means(table, lambda metric: metric.short)) is moved
    frame = make_frame(run).set_index(["method", "metric"])
    assert frame.loc[("cam", "insertion"), "tie_effect"] == pytest.approx(effect)
    sentence = "the order of equal pixels can move it by .130 or more, more than half the width of its interval"
    assert frame["note"].dropna().to_dict() == ({("cam", "insertion"): sentence} if moved else {})
    assert frame["tie_effect"].notna().sum() == len(LEVELS)


def test_one_image_is_not_marked(tmp_path: Path) -> None:
    table = build_table(write(tmp_path, [0.5], 0.5), "resnet18")
    assert not table.is_moved_by_ties("cam", find_metric(table, "insertion"))


def test_a_metric_of_ties_does_not_decide_by_default(plain: Table) -> None:
    table = with_ties(plain, {"cam": [0.5] * IMAGES})
    ties, insertion = (replace(metric, family="deletion and insertion", better="lower") for metric in table.metrics)
    assert choose_balanced([ties, insertion]) == [insertion] and choose_balanced([ties]) == [ties]
    assert [of_metric.metric.spec for of_metric in answer_by(table).by] == ["insertion"]


def test_the_matrix_says_that_small_differences_decide_nothing(plain: Table) -> None:
    table = with_ties(plain, {})
    grid = make_answer_matrix(table, answer_by(table, "insertion"), find_standings(table), "resnet18")
    assert grid.notes[1:] == [
        "By insertion, a difference that is smaller than what the order of equal pixels does to either mean decides nothing."
    ]
    without = replace(table, values=table.values | {"insertion_ties": table.values["insertion_ties"] * np.nan})
    grid = make_answer_matrix(without, answer_by(without, "insertion"), find_standings(without), "resnet18")
    assert len(grid.notes) == 1


def test_a_method_that_is_not_computed_is_told_from_one_that_does_not_apply(tmp_path: Path) -> None:
    directory = runs.write(tmp_path / "run", nets={"vgg16": "features"})  # plain CAM does not apply to it
    scores = open_run(directory).table("scores")
    runs.rewrite(directory, "scores", scores[scores["method"] != "score_cam"])
    table = build_table(open_run(directory), "vgg16")
    matrix = make_answer_matrix(table, answer_by(table, "insertion"), find_standings(table), "vgg16")
    words = {row.cells[0].text: {cell.text for cell in row.cells[2:]} for row in matrix.rows}
    assert words["cam"] == {"n/a"} and words["score_cam"] == {"no result"}
    assert any(note.startswith("no result: it is not computed on any image") for note in matrix.notes)
    runs.rewrite(directory, "scores", scores[(scores["method"] != "score_cam") | (scores["metric"] != "energy")])
    table = build_table(open_run(directory), "vgg16")
    matrix = make_answer_matrix(table, answer_by(table, "insertion"), find_standings(table), "vgg16")
    cells = next(row.cells for row in matrix.rows if row.cells[0].text == "score_cam")
    missing = [
        head.data["metric"] for head, cell in zip(matrix.heads[2:], cells[2:], strict=True) if cell.text == "no result"
    ]
    assert missing == ["energy"]


def test_metrics_of_ties_are_not_counted_as_metrics(tmp_path: Path) -> None:
    directory = runs.add_ties(runs.write(tmp_path / "run", nets={"resnet18": "layer4"}), {})
    assert repr(open_run(directory)).endswith("12 images, 1 net, 5 methods, 8 metrics>")
