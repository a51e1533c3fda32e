"""The answer of a run: the winner, a tie with its cheapest method, no method, or another method by each metric."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cambench.bench.core.errors import UsageError
from cambench.bench.core.formatting import format_cost, join_names
from cambench.bench.core.markdown import escape
from cambench.bench.show.answer_matrix import make_answer_matrix
from cambench.bench.stats.answer import describe_answers, find_answer, find_answers
from cambench.bench.stats.estimate import estimate_mean
from cambench.bench.stats.mean_scores import BINARY, Metric
from cambench.bench.stats.ranking import rank_by_metric
from cambench.bench.stats.standings import find_standings
from cambench.bench.stats.summary import Cost, Table, build_table
from cambench.bench.store.run import open_run
from cambench.reports import html, markdown

from ..support import runs

IMAGES = 12
FAMILIES = {
    "average_gain": "drops",
    "insertion": "deletion and insertion",
    "average_drop": "drops",
    "pointing": "objects",
}
RNG = np.random.default_rng(0)
NOISE = RNG.normal(0, 0.01, (IMAGES, 5))  # of each method on each image
LEVELS = {"cam": 0.8, "grad_cam": 0.8, "score_cam": 0.6, "random": 0.3, "centre": 0.4}


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return build_table(open_run(runs.write(tmp_path / "run", images=IMAGES, nets={"resnet18": "layer4"})), "resnet18")


def with_scores(table: Table, **levels: dict[str, float]) -> Table:
    """The table with scores by these metrics: a level of each method and noise. For a drop, 1 minus that."""
    index = table.values["insertion"].index
    metrics = [
        Metric(name, name, "lower" if name == "average_drop" else "higher", "share", "", (0, 1), FAMILIES[name])
        for name in levels
    ]
    values = {}
    for metric in metrics:
        scores = np.array([list((LEVELS | levels[metric.spec]).values())]) + NOISE
        values[metric.spec] = pd.DataFrame(1 - scores if metric.better == "lower" else scores, index, list(LEVELS))
    return replace(table, metrics=metrics, values=values)


def test_a_method_that_was_run_alone_is_not_called_best(table: Table) -> None:
    alone = replace(with_scores(table, insertion={}), methods=["cam"], controls=[])
    alone = replace(alone, values={spec: values[["cam"]] for spec, values in alone.values.items()})
    answer = find_answer(alone)
    assert answer and answer.take == "cam"
    assert answer.text.startswith("only cam was run, on 12 images: insertion .798 (")
    assert "is best" not in answer.text


@pytest.mark.parametrize("count", [5, 6, 12])
def test_the_answer_says_that_the_maps_of_the_method_to_take_are_constant(table: Table, count: int) -> None:
    shown = replace(with_scores(table, insertion={"cam": 0.9}), constant_maps={"cam": count, "grad_cam": 12})
    answer = find_answer(shown)
    warning = f"; but {count} of the 12 maps of cam are constant, and show nothing"
    assert (
        answer
        and answer.take == "cam"
        and (warning in answer.text) == (count >= 6)
        and "of grad_cam" not in answer.text
    )


def test_the_only_method_that_is_ahead_of_all_others_wins(table: Table) -> None:
    answer = find_answer(with_scores(table, insertion={"cam": 0.9}, average_drop={"cam": 0.9}))
    assert answer and (answer.state, answer.take, answer.top) == ("winner", "cam", ("cam",))
    assert answer.text.startswith(
        "cam is best by insertion and average_drop on 12 images: insertion .898 (.894 to .902), "
    )
    assert answer.text.endswith(" ms an image")


def test_of_methods_that_no_test_tells_apart_the_cheapest_is_to_be_taken(table: Table) -> None:
    scored = with_scores(table, insertion={})
    answer = find_answer(scored)
    assert answer and (answer.state, answer.take, answer.top) == ("tie", "cam", ("cam", "grad_cam"))
    assert answer.text.startswith("no winner by insertion on 12 images: cam and grad_cam tie; take cam, the cheapest (")
    assert answer.by[0].standings == {"cam": "tie", "grad_cam": "tie", "score_cam": "behind"}
    expensive = scored.costs | {"cam": replace(scored.costs["cam"], forwards=600.0)}
    answer = find_answer(replace(scored, costs=expensive))
    assert answer and answer.take == "grad_cam"


@pytest.mark.parametrize(("level", "verb"), [(0.8, "is shown to beat"), (0.95, "beats")])
def test_no_method_is_to_be_taken_that_is_no_better_than_a_control(table: Table, level: float, verb: str) -> None:
    answer = find_answer(with_scores(table, insertion={"centre": level}))
    assert answer and (answer.state, answer.take, answer.top) == ("none", None, ())
    assert answer.text == f"no method {verb} the controls by insertion on 12 images"
    assert set(answer.by[0].standings.values()) == {"no better than a control"}


def test_a_method_that_ties_by_one_metric_and_is_behind_by_another_is_not_taken(table: Table) -> None:
    answer = find_answer(with_scores(table, insertion={}, average_drop={"cam": 0.7}, pointing={}))
    assert answer and (answer.state, answer.take) == ("winner", "grad_cam")


def test_different_methods_may_be_best_by_different_metrics(table: Table) -> None:
    answer = find_answer(with_scores(table, insertion={"cam": 0.9}, average_drop={"grad_cam": 0.9}))
    assert answer and (answer.state, answer.take) == ("split", None)
    assert answer.text == (
        "no method is best by insertion and average_drop alike on 12 images: by insertion cam is best (4.31 ms an image); by "
        "average_drop grad_cam is best (9.98 ms an image)"
    )


def test_by_the_other_metrics_a_method_may_be_best(table: Table) -> None:
    answer = find_answer(with_scores(table, insertion={"centre": 0.9}, average_drop={}, pointing={}))
    assert answer and (answer.state, answer.take) == ("split", None)
    assert answer.text == (
        "no method is best by insertion, average_drop and pointing alike on 12 images: by average_drop and pointing cam and "
        "grad_cam tie (the cheapest: cam, 4.31 ms an image); by insertion no method beats the controls"
    )


def test_of_several_other_metrics_each_may_have_another_best_method(table: Table) -> None:
    levels = {"insertion": {"centre": 0.9}, "average_drop": {"cam": 0.9}, "pointing": {"score_cam": 0.9}}
    answer = find_answer(with_scores(table, **levels))
    assert answer and (answer.state, answer.take) == ("split", None)
    assert answer.text == (
        "no method is best by insertion, average_drop and pointing alike on 12 images: by average_drop cam is best (4.31 ms an "
        "image); by pointing score_cam is best (2.46 s an image); by insertion no method beats the controls"
    )


def test_if_no_method_beats_the_controls_by_any_metric_there_is_none(table: Table) -> None:
    answer = find_answer(with_scores(table, insertion={"centre": 0.9}, average_drop={"centre": 0.9}))
    assert answer and (answer.state, answer.take) == ("none", None)
    assert answer.text == "no method beats the controls by insertion and average_drop on 12 images"


def test_methods_that_score_alike_are_best_together_by_one_metric(table: Table) -> None:
    scored = with_scores(table, insertion={"cam": 0.9, "grad_cam": 0.9}, average_drop={"score_cam": 0.9})
    for values in scored.values.values():
        values["grad_cam"] = values["cam"]
    answer = find_answer(scored)
    assert answer and answer.state == "split"
    assert ": by insertion cam = grad_cam are best (the cheapest: cam, 4.31 ms an image); by" in answer.text


def test_the_price_is_in_forward_passes_where_seconds_were_not_measured(table: Table) -> None:
    costs = {method: replace(cost, seconds=float("nan")) for method, cost in table.costs.items()}
    untimed = replace(with_scores(table, insertion={"cam": 0.9}), costs=costs)
    answer = find_answer(untimed)
    assert answer and answer.text.endswith(f", {format_cost(costs['cam'].forwards)} forward passes an image")
    answer = find_answer(replace(untimed, costs={}))
    assert answer and answer.text.endswith(", its seconds were not measured")


def test_metrics_with_degrees_decide_before_hits_and_misses(table: Table) -> None:
    scored = with_scores(table, average_drop={}, pointing={})
    hits = replace(scored.metrics[1], spec="average_increase", unit=BINARY, family="drops")
    scored.values["average_increase"] = scored.values["pointing"].round()
    answer = find_answer(replace(scored, metrics=[hits, *scored.metrics]))
    assert answer and [of_metric.metric.spec for of_metric in answer.by] == ["average_drop", "pointing"]


def test_equal_hits_and_misses_alone_do_not_make_methods_alike(table: Table) -> None:
    scored = with_scores(table, pointing={})
    scored.values["pointing"]["grad_cam"] = scored.values["pointing"]["cam"]
    answer = find_answer(replace(scored, metrics=[replace(scored.metrics[0], unit=BINARY)]))
    assert answer and answer.alike == ()


def test_methods_that_differ_on_one_image_are_not_alike(table: Table) -> None:
    scored = with_scores(table, insertion={})
    scored.values["insertion"]["grad_cam"] = scored.values["insertion"]["cam"]
    scored.values["insertion"]["grad_cam"] += np.where(np.arange(IMAGES) == 3, 0.01, 0)
    answer = find_answer(scored)
    assert answer and answer.alike == ()


def test_small_scores_are_alike_only_within_their_own_rounding(table: Table) -> None:
    """On a net that hardly reacts, a difference of .0003 is a third of the range of the scores."""
    for scale, alike in ((1.0, (("cam", "grad_cam"),)), (1e-3, ())):
        scored = with_scores(table, insertion={})
        values = scored.values["insertion"]
        values["cam"] = scale * np.linspace(0, 1, IMAGES)
        values["grad_cam"] = values["cam"] + 0.0003
        answer = find_answer(scored)
        assert answer and answer.alike == alike


def test_forwards_that_differ_by_rounding_are_equal_and_seconds_decide() -> None:
    cheap, expensive = (
        Cost(seconds, (seconds, seconds), forwards, 0.0) for seconds, forwards in ((0.02, 1.003), (0.03, 1.0))
    )
    assert cheap.price < expensive.price < replace(cheap, forwards=1.2).price


def test_the_matrix_merges_methods_with_the_same_scores_and_puts_controls_last(table: Table) -> None:
    scored = with_scores(table, insertion={}, average_drop={})
    for values in scored.values.values():
        values["grad_cam"] = values["cam"]
    answer = find_answer(scored)
    assert answer
    grid = make_answer_matrix(scored, answer, find_standings(scored), "resnet18")
    assert [row.cells[0].text for row in grid.rows] == ["cam = grad_cam", "score_cam", "random", "centre"]
    words = [[cell.text for cell in row.cells[2:]] for row in grid.rows[:2]]
    assert words == [["best", "best"], ["behind", "behind"]]
    assert [head.small for head in grid.heads[2:]] == ["decides", "decides"]


def test_the_matrix_begins_with_the_method_to_take(table: Table) -> None:
    scored = with_scores(table, insertion={})
    answer = find_answer(scored)
    assert answer and answer.top == ("cam", "grad_cam")
    for top in (("cam", "grad_cam"), ("grad_cam", "cam")):  # that of a race need not be the cheapest
        grid = make_answer_matrix(scored, replace(answer, top=top), find_standings(scored), "resnet18")
        assert tuple(row.cells[0].text for row in grid.rows[:2]) == top


def test_the_matrix_says_of_a_method_with_few_images_that_it_is_not_ranked(tmp_path: Path) -> None:
    """Score-CAM has two images of twelve, but a mean over them."""
    run = open_run(runs.write(tmp_path / "run", nets={"resnet18": "layer4"}))
    rows = run.table("scores")
    lost = (rows["method"] == "score_cam") & rows["image"].isin(run.header.data.images[2:])
    runs.rewrite(run.directory, "scores", rows[~lost])
    few = build_table(open_run(run.directory), "resnet18")
    answer = find_answer(few)
    assert answer
    grid = make_answer_matrix(few, answer, find_standings(few), "resnet18")
    (row,) = [row for row in grid.rows if row.cells[0].text == "score_cam"]
    assert {cell.text for cell in row.cells[2:]} == {"few images"} and all(cell.small for cell in row.cells[2:])
    assert grid.notes[-1].startswith("few images: it has scores on fewer than half")


def test_methods_that_score_alike_win_together(table: Table) -> None:
    scored = with_scores(table, insertion={})
    scored.values["insertion"]["grad_cam"] = scored.values["insertion"]["cam"] + 1e-8
    answer = find_answer(scored)
    assert answer and (answer.state, answer.take, answer.top) == ("winner", "cam", ("cam", "grad_cam"))
    assert answer.alike == (("cam", "grad_cam"),) and answer.text.endswith("; grad_cam has the same scores")
    scored.values["insertion"]["score_cam"] = scored.values["insertion"]["cam"].to_numpy()[::-1]
    answer = find_answer(scored)
    assert answer and answer.state == "tie" and "cam = grad_cam and score_cam tie" in answer.text


def test_one_metric_can_be_chosen_and_an_unknown_one_is_refused(table: Table, tmp_path: Path) -> None:
    scored = with_scores(table, insertion={"cam": 0.9}, average_drop={"grad_cam": 0.9})
    answer = find_answer(scored, ["average_drop"])
    assert answer and answer.take == "grad_cam"
    with pytest.raises(UsageError, match="this run has no scores by insert: did you mean 'insertion'"):
        find_answer(scored, ["insert"])
    assert [answer.net for answer in find_answers(open_run(tmp_path / "run"))] == ["resnet18"]


def test_without_controls_and_without_scores(table: Table) -> None:
    answer = find_answer(replace(with_scores(table, insertion={"cam": 0.9}), controls=[]))
    assert answer and answer.take == "cam"
    assert answer.text.endswith("; no control was run, so this may be no better than a random map")
    assert find_answer(replace(table, values={}, metrics=[])) is None


def test_a_method_that_ties_with_its_equals_alone_is_best_in_the_matrix(table: Table) -> None:
    scored = with_scores(table, insertion={"cam": 0.9, "grad_cam": 0.9})
    scored.values["insertion"]["grad_cam"] = scored.values["insertion"]["cam"]
    for rival, word in ((None, "best"), ("score_cam", "tie")):
        if rival:
            scored.values["insertion"][rival] = scored.values["insertion"]["cam"].to_numpy()[::-1]
        answer = find_answer(scored)
        assert answer
        grid = make_answer_matrix(scored, answer, find_standings(scored), "a net")
        (row,) = [row for row in grid.rows if row.cells[0].text == "cam = grad_cam"]
        assert row.cells[2].text == word


def test_a_net_with_images_and_no_score_is_named(tmp_path: Path) -> None:
    directory = runs.write(tmp_path / "run", images=3, nets={"resnet18": "layer4"})
    whole = dict(describe_answers(open_run(directory)))
    assert list(whole) == ["resnet18"] and "nothing to compare" not in whole["resnet18"]
    scores = open_run(directory).table("scores")
    runs.rewrite(directory, "scores", scores.assign(value=np.nan, reason="no object"))
    run = open_run(directory)
    metrics = join_names(list(run.header.metrics))
    absence = f"no method has a score by any metric ({metrics}), so there is nothing to compare"
    assert dict(describe_answers(run)) == {"resnet18": absence}
    assert f"<p><b>resnet18</b>: {absence}.</p>" in html.render(run)
    assert f"- **resnet18**: {escape(absence)}." in markdown.render(run)


def test_methods_that_tie_are_named_best_first_by_one_metric_and_in_the_order_of_the_run_by_several(
    table: Table,
) -> None:
    tied = {"score_cam": 0.8}
    scored = with_scores(table, insertion=dict.fromkeys(LEVELS, 0.5), average_drop=tied, pointing=tied)
    forwards = dict(zip(LEVELS, (5.0, 4.0, 3.0, 2.0, 1.0), strict=True))
    scored = replace(
        scored, costs={name: replace(table.costs[name], forwards=count) for name, count in forwards.items()}
    )
    names = {"average_drop": "grad_cam, score_cam and cam", "average_drop and pointing": "cam, grad_cam and score_cam"}
    for by, tied_names in names.items():
        answer = find_answer(scored, ["insertion", *by.split(" and ")])
        assert answer and answer.state == "split"
        assert f": by {by} {tied_names} tie (the cheapest: score_cam, 2.46 s an image); by" in answer.text


def test_a_method_is_below_a_control_or_not_told_from_it(table: Table) -> None:
    """score_cam is worse than centre; grad_cam is as often better as worse."""
    scored = with_scores(table, insertion={"score_cam": 0.1})
    scored.values["insertion"]["grad_cam"] = 0.4 + 0.9 * (np.arange(IMAGES) % 2 - 0.5)
    answer = find_answer(scored)
    assert answer
    grid = make_answer_matrix(scored, answer, find_standings(scored), "a net")
    words = {row.cells[0].text: row.cells[2].text for row in grid.rows}
    assert (words["grad_cam"], words["score_cam"]) == ("unsure", "< control")


def test_the_means_beside_the_standings_are_those_of_the_ranking(table: Table) -> None:
    scored = with_scores(table, insertion={})
    scored.values["insertion"].loc[scored.values["insertion"].index[7:], "score_cam"] = np.nan
    scored = replace(scored, mean_scores={})
    answer, standings = find_answer(scored), find_standings(scored)
    assert answer
    grid = make_answer_matrix(scored, answer, standings, "a net")
    assert grid.heads[2].small == "decides, n\u00a0=\u00a07"
    expected = scored.values["insertion"].iloc[:7].mean()
    cells = {row.cells[0].text: row.cells[2].value for row in grid.rows}
    assert cells["cam"] == pytest.approx(expected["cam"]) and cells["score_cam"] == pytest.approx(expected["score_cam"])


def test_a_method_that_ties_with_the_best_but_beats_no_control_is_left_out(table: Table) -> None:
    scored = with_scores(table, insertion={"score_cam": 0.1})
    scored.values["insertion"]["grad_cam"] = 0.55 + 0.9 * (np.arange(IMAGES) % 2 - 0.5)
    answer = find_answer(scored)
    assert answer and answer.by[0].standings == {
        "cam": "tie", "grad_cam": "no better than a control", "score_cam": "no better than a control",
    }  # fmt: skip
    assert (answer.state, answer.take, answer.top) == ("tie", "cam", ("cam",))
    assert (
        "cam is the only one of the best shown to beat the controls, and no test tells it from grad_cam; take cam ("
        in answer.text
    )
    grid = make_answer_matrix(scored, answer, find_standings(scored), "a net")
    words = {row.cells[0].text: row.cells[2].text for row in grid.rows}
    assert (words["cam"], words["grad_cam"]) == ("top", "unsure") and grid.notes[-1].startswith("top: ")


@pytest.mark.parametrize(("count", "state"), [(5, "open"), (6, "tie")])
def test_on_images_that_are_too_few_to_tell_the_best_no_method_is_taken(table: Table, count: int, state: str) -> None:
    """Two methods without a control: one test, and 2 * 2 ** -6 < .05. The cheap one is worse on every image but one."""
    scored = with_scores(table, insertion={"cam": 0.5})
    values = scored.values["insertion"][["cam", "grad_cam"]].iloc[:count].copy()
    values.iloc[0] = values.iloc[0, ::-1].to_numpy()
    alone = replace(scored, methods=["cam", "grad_cam"], controls=[], values={"insertion": values})
    answer = find_answer(alone)
    assert answer and (answer.state, answer.take) == (state, "cam" if state == "tie" else None)
    if state == "open":
        assert answer.text == "5 images are too few to tell the best method from the others by insertion: 6 at least"


def test_by_a_metric_with_too_few_images_to_tell_the_best_no_method_is_named(table: Table) -> None:
    """On 7 images three methods can be shown to beat a control (3 tests), but not the best of them another (4.5 tests)."""
    high, low = {"cam": 0.8, "grad_cam": 0.8, "score_cam": 0.2}, {"cam": 0.2, "grad_cam": 0.2, "score_cam": 0.8}
    scored = with_scores(table, insertion=high, average_gain=low)
    names = ["cam", "grad_cam", "score_cam", "random"]
    values = {spec: frame[names].iloc[:7] for spec, frame in scored.values.items()}
    answer = find_answer(replace(scored, methods=names, controls=["random"], values=values))
    assert answer and (answer.state, answer.take) == ("split", None)
    assert answer.text.endswith(
        "by insertion it takes 8 images to tell the best method; by average_gain it takes 8 images to tell the best method"
    )


def test_a_tie_by_one_of_several_metrics_leaves_no_tied_method_unnamed(table: Table) -> None:
    """By insertion cam and score_cam are at the top. grad_cam ties with them, but beats no control; by average_gain it wins."""
    scored = with_scores(table, insertion={"score_cam": 0.8}, average_gain={"grad_cam": 0.95})
    scored.values["insertion"]["grad_cam"] = 0.55 + 0.9 * (np.arange(IMAGES) % 2 - 0.5)
    answer = find_answer(scored, ["insertion", "average_gain"])
    assert answer and answer.state == "split" and answer.by[0].rivals == ["grad_cam"]
    assert "by insertion score_cam and cam are the only ones of the best shown to beat the controls" in answer.text
    assert "tie" not in answer.text


def test_the_answer_names_the_methods_that_have_too_few_images_to_be_ranked(table: Table) -> None:
    scored = with_scores(table, insertion={"cam": 0.9})
    scored.values["insertion"].loc[scored.values["insertion"].index[IMAGES // 2 - 1 :], "score_cam"] = np.nan
    answer = find_answer(scored)
    assert answer and "; not ranked, for want of images: score_cam" in answer.text
    whole = find_answer(with_scores(table, insertion={"cam": 0.9}))
    assert whole and "not ranked" not in whole.text


@pytest.mark.parametrize(("count", "few"), [(1, True), (7, True), (8, False)])  # 6 tests: 6 * 2 ** (1 - 8) < .05
def test_few_images_are_no_evidence_against_a_method(table: Table, count: int, few: bool) -> None:
    scored = with_scores(table, insertion={})
    values = scored.values["insertion"].iloc[:count].copy()
    values["centre"] = values["cam"].to_numpy()[::-1] + 0.001
    answer = find_answer(replace(scored, values={"insertion": values}))
    assert answer and (answer.state, answer.take) == ("open" if few else "none", None)
    images = "1 image is" if count == 1 else f"{count} images are"
    sentence = f"{images} too few to show that a method beats the controls by insertion: 8 at least"
    assert (answer.text == sentence) is few


@pytest.mark.parametrize(("different", "state"), [(7, "open"), (8, "none"), (0, "none")])
def test_images_on_which_methods_equal_the_controls_are_no_evidence_either(
    table: Table, different: int, state: str
) -> None:
    """All methods and controls are equal but for some images, on which half of the differences have each sign."""
    scored = with_scores(table, insertion={})
    values = scored.values["insertion"] * 0 + 0.5
    signs = np.where(np.arange(different) % 2, 1, -1)[:, None]
    values.iloc[:different, :3] += 0.1 * signs
    answer = find_answer(replace(scored, values={"insertion": values}), ["insertion"])
    assert answer and (answer.state, answer.take) == (state, None)
    sentence = (
        "by insertion, a method and a control differ on 7 of 12 images at most, too few to show that one beats the other: "
        "8 at least"
    )
    assert (answer.text == sentence) is (state == "open")


def test_metrics_that_apply_to_fewer_images_have_their_number_said(table: Table) -> None:
    scored = with_scores(table, insertion={"cam": 0.9}, pointing={"cam": 0.9})
    scored.values["pointing"].iloc[10:] = np.nan
    answer = find_answer(scored)
    assert answer and answer.text.startswith("cam is best by insertion and pointing on 10 to 12 images: ")
    assert answer.images == 10


def test_a_metric_that_is_the_same_for_all_does_not_decide_by_default(table: Table) -> None:
    scored = with_scores(table, insertion={}, average_gain={}, average_drop={"cam": 0.9})
    answer = find_answer(scored)
    assert answer and [each.metric.spec for each in answer.by] == ["insertion", "average_gain"]
    scored.values["average_gain"].iloc[:] = 0.0
    answer = find_answer(scored)
    assert answer and [each.metric.spec for each in answer.by] == ["insertion", "average_drop"]
    chosen = find_answer(scored, ["average_gain"])
    assert chosen and chosen.state == "none"


def test_methods_that_alone_beat_the_controls_are_told_from_others_that_tie(table: Table) -> None:
    scored = with_scores(table, insertion={"score_cam": 0.8})
    scored.values["insertion"]["grad_cam"] = scored.values["insertion"]["cam"]
    scored.values["insertion"]["score_cam"] = 0.55 + 0.9 * (np.arange(IMAGES) % 2 - 0.5)
    answer = find_answer(scored)
    assert answer and (answer.state, answer.top) == ("tie", ("cam", "grad_cam"))
    assert (
        "cam = grad_cam are the only ones of the best shown to beat the controls, and no test tells them from score_cam; take "
        "cam, the cheapest" in answer.text
    )


def test_rates_are_ranked_as_rates(table: Table) -> None:
    metric = next(metric for metric in table.metrics if metric.spec == "pointing")
    first = rank_by_metric(table, metric).methods[0]
    assert first.estimate == estimate_mean(table.values["pointing"][first.method], binary=True, bounds=(0, 1))
