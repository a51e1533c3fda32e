"""The outcome of a race from a header and scores: who is left, what to take, and the words for it."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from cambench.bench.core.errors import UsageError
from cambench.bench.stats.outcome import Race, check_ranges, find_race, make_board
from cambench.bench.store.header import Header

from ..support import runs

IMAGES = 400
METHODS = list(runs.METHODS)  # cam, grad_cam, score_cam, random, centre: the last two are controls
FORWARDS = {method: forwards for method, (_, forwards) in runs.COST.items()}
NOISE = np.random.default_rng(0).uniform(-0.02, 0.02, (IMAGES, len(METHODS)))
LEVELS = {"cam": 0.8, "grad_cam": 0.6, "score_cam": 0.5, "random": 0.2, "centre": 0.3}


def make_header(*metrics: str, **race: float) -> Header:
    content = runs.make_header([f"image {index:03}" for index in range(IMAGES)], {"resnet18": "layer4"})
    content["suite"]["race"] = {"confidence": 0.95, "slack": 0.02} | race
    for part in ("metrics", "protocols"):
        content[part] = {metric: content[part][metric] for metric in metrics}
    return Header.model_validate(content)


def make_scores(header: Header, levels: dict[str, dict[str, float]], images: int = IMAGES) -> pd.DataFrame:
    """The scores of all methods: a level for each metric and method, or LEVELS, and noise. Of a drop, 1 minus that."""
    columns: dict[str, list[Any]] = {"metric": [], "method": [], "image": [], "value": []}
    for metric in header.metrics:
        for number, (method, level) in enumerate((LEVELS | levels.get(metric, {})).items()):
            values = level + NOISE[:images, number]
            columns["metric"] += [metric] * images
            columns["method"] += [method] * images
            columns["image"] += header.data.images[:images]
            columns["value"] += (1 - values if header.metrics[metric].better == "lower" else values).tolist()
    frame = pd.DataFrame(columns)
    for column in ("metric", "method", "image"):
        frame[column] = pd.Categorical(frame[column], categories=header.names[column])
    return frame


def race(
    levels: dict[str, float] | None = None,
    *,
    images: int = IMAGES,
    forwards: dict[str, float] | None = None,
    **more: Any,
) -> Race:
    """The race by insertion, with other levels."""
    header = make_header("insertion", **more)
    found = find_race(header, make_scores(header, {"insertion": levels or {}}, images), FORWARDS | (forwards or {}))
    assert found
    return found


def test_a_run_that_is_no_race_has_no_outcome() -> None:
    content = make_header("insertion")
    plain = content.model_copy(update={"suite": content.suite.model_copy(update={"race": None})})
    assert find_race(plain, make_scores(content, {}), FORWARDS) is None


def test_the_only_method_left_wins() -> None:
    found = race({"cam": 0.5, "score_cam": 0.9, "grad_cam": 0.5})
    assert (found.outcome, found.take, found.top, found.decided) == ("winner", "score_cam", ("score_cam",), True)
    assert found.text == (
        f"score_cam is the best by insertion: the others dropped out after {found.images} images (95 % sure)"
    )
    kinds = {runner.method: runner.kind for runner in found.runners}
    assert kinds == {
        "score_cam": "left", "cam": "behind", "grad_cam": "behind", "random": "control", "centre": "control"
    }  # fmt: skip
    assert found.by_method["cam"].reason == "score_cam is surely better by insertion"
    assert found.by_method["cam"].images < IMAGES and found.by_method["score_cam"].unbeaten == ()
    assert found.standings["insertion"]["score_cam"] == "best" and found.images < IMAGES == found.planned


def test_of_methods_within_the_slack_the_cheapest_is_taken() -> None:
    found = race({"cam": 0.8, "grad_cam": 0.79, "score_cam": 0.5}, slack=0.1)
    assert (found.outcome, found.take, found.top) == ("close", "cam", ("cam", "grad_cam", "score_cam"))
    assert "take cam, the cheapest left: grad_cam and score_cam are not 10 % better by insertion after" in found.text
    assert found.by_method["grad_cam"].kind == "close"
    assert found.by_method["grad_cam"].reason == "it is not 10 % better than cam, which is no more expensive"
    expensive = race({"cam": 0.79, "grad_cam": 0.8}, slack=0.1, forwards={"cam": 9.0})
    assert expensive.take == "grad_cam"


def test_a_method_that_beats_no_control_is_not_taken() -> None:
    tied = race({"cam": 0.3, "grad_cam": 0.1, "score_cam": 0.1}, images=120)
    assert (tied.outcome, tied.take, tied.top, tied.over) == ("open", None, ("cam", "score_cam"), False)
    late = tied.by_method["score_cam"].images  # the expensive method has few images yet
    assert late < tied.images and tied.text == (
        f"no method to take after {late} to {tied.images} images: cam is not shown to beat centre, and score_cam is not shown "
        "to beat random and centre by insertion"
    )
    assert tied.by_method["cam"].unbeaten == ("centre",)
    lost = race({"cam": 0.1, "grad_cam": 0.1, "score_cam": 0.1})
    assert (lost.outcome, lost.take, lost.top) == ("none", None, ())
    assert {lost.by_method[method].kind for method in METHODS[:3]} == {"no better than a control"}
    assert lost.by_method["cam"].reason == "the control centre is surely better by insertion"
    assert set(lost.standings["insertion"].values()) == {"no better than a control"}


def test_an_open_race_names_the_cheapest_that_beats_the_controls() -> None:
    found = race({"cam": 0.8, "grad_cam": 0.8, "score_cam": 0.1}, images=100)
    assert (found.outcome, found.take, found.top) == ("open", "cam", ("cam", "grad_cam"))
    assert found.text == (
        "not decided after 96 images (100 with a round that is not complete): cam and grad_cam are left by insertion; "
        "take cam, the cheapest that beats the controls"
    )
    assert found.targets == {"cam": 120, "grad_cam": 120} and found.images == 96


def test_a_race_by_two_metrics_can_be_split() -> None:
    header = make_header("insertion", "average_drop")
    levels = {"insertion": {"cam": 0.9, "grad_cam": 0.5}, "average_drop": {"cam": 0.5, "grad_cam": 0.9}}
    found = find_race(header, make_scores(header, levels), FORWARDS)
    assert found and (found.outcome, found.take, found.top) == ("split", None, ())
    assert found.text.startswith("no method is the best by insertion and average_drop alike after ")
    # Of a drop the lowest is the best.
    assert found.standings["average_drop"]["grad_cam"] == "best" and found.standings["insertion"]["cam"] == "best"


def test_methods_with_the_same_scores_stand_and_win_as_one() -> None:
    header = make_header("insertion")
    scores = make_scores(header, {"insertion": {"score_cam": 0.1}})
    own = scores["method"] == "cam"
    scores.loc[scores["method"] == "grad_cam", "value"] = scores.loc[own, "value"].to_numpy() + 1e-4
    found = find_race(header, scores, FORWARDS)
    assert found and found.alike == (("cam", "grad_cam"),) and found.take == "cam"
    assert found.by_method["grad_cam"].kind == "same" and found.by_method["grad_cam"].images == 8
    assert found.by_method["grad_cam"].reason == "it has the same scores as cam on the first 8 images"
    assert found.standings["insertion"] == {"cam": "tie", "grad_cam": "tie", "score_cam": "no better than a control"}
    assert found.text.endswith("; grad_cam has the same scores")


@pytest.mark.parametrize("failed", [[], [15], [14], [14, 15], [3, 15]], ids=str)
def test_a_race_is_decided_after_a_round_with_failed_images(failed: list[int]) -> None:
    header = make_header("insertion")
    scores = make_scores(header, {"insertion": {"cam": 0.9, "grad_cam": 0.1, "score_cam": 0.1}})
    sound = find_race(header, scores, FORWARDS)
    assert sound and sound.outcome == "winner" and sound.images == 16
    names = {header.data.images[position] for position in failed}
    left = scores[~scores["image"].isin(names) & scores["image"].isin(header.data.images[: sound.images])]
    found = find_race(header, left, FORWARDS, names)
    assert found and (found.outcome, found.take, found.images) == ("winner", sound.take, sound.images)


def test_gaps_are_explained() -> None:
    found = race({"cam": 0.8, "grad_cam": 0.1, "score_cam": 0.79}, images=100)
    assert found.explain_gap("grad_cam") == "grad_cam dropped out"
    assert found.explain_gap("random") == "random was not needed on more"
    assert found.explain_gap("score_cam") == "score_cam is scored late, because it is expensive"


def test_scores_outside_the_range_and_metrics_without_one_are_refused() -> None:
    header = make_header("insertion")
    with pytest.raises(UsageError, match="insertion has scores outside its range, 0 to 1"):
        find_race(header, make_scores(header, {"insertion": {"cam": 1.2}}), FORWARDS)
    metric = header.metrics["insertion"].model_copy(update={"range": [0.0, None]})
    with pytest.raises(UsageError, match="insertion has no lowest or no highest value"):
        check_ranges(header.model_copy(update={"metrics": {"insertion": metric}}))


def test_no_race_is_decided_by_the_effect_of_ties() -> None:
    header = make_header("insertion")
    ties = header.metrics["insertion"].model_copy(update={"ties_of": "deletion"})
    with pytest.raises(UsageError, match="insertion measures how much the order of equal pixels moves another metric"):
        check_ranges(header.model_copy(update={"metrics": {"insertion": ties}}))
    check_ranges(header)


def test_scores_are_scaled_by_the_range_of_the_metric() -> None:
    header = make_header("average_drop")
    metric = header.metrics["average_drop"].model_copy(update={"range": [-1.0, 3.0]})
    header = header.model_copy(update={"metrics": {"average_drop": metric}})
    board = make_board(header, make_scores(header, {}, 1), FORWARDS)
    drop = 1 - (0.8 + NOISE[0, 0])
    assert board.goodness[0, 0, 0] == pytest.approx(1 - (drop + 1) / 4)
    assert board.scored.tolist() == [1] * 5 and board.images == IMAGES
