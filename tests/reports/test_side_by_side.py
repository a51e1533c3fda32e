"""Several runs on one page: scores with another meaning are neither compared nor ranked together."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from cambench.bench.compare.compare import compare_snapshots, load_snapshot
from cambench.bench.compare.snapshot import Key, Snapshot, take_snapshot
from cambench.bench.compare.summary import write_headline
from cambench.bench.compare.verdicts import NumberResult
from cambench.bench.core.errors import UsageError
from cambench.bench.show.grid import Cell
from cambench.bench.store import run as store
from cambench.bench.store import shipped
from cambench.bench.store.header import Header
from cambench.bench.store.run import Run
from cambench.reports import html
from cambench.reports._page import changes
from cambench.reports._page.analysis import NetAnalysis, analyse
from cambench.reports._page.ranks import MetricRanks, rank_over_blocks
from cambench.reports._page.side_by_side import NOT_COMPARABLE, make_score_tables
from cambench.tests.support import runs
from cambench.tests.support.comparisons import explain_another_class, shift_scores

NET = {"resnet18": "layer4"}


def pair(directory: Path, change: Callable[[Header], object], **new: object) -> list[NetAnalysis]:
    """Analyse a run together with a run whose header is changed."""
    first, second = _write(directory / "first"), _write(directory / "second", **new)
    change(second.header)
    return analyse([first, second])


def _write(directory: Path, **options: object) -> Run:
    return store.open_run(runs.write(directory, **{"images": 5, "nets": NET, **options}))  # type: ignore[arg-type]


def reasons(analyses: list[NetAnalysis]) -> dict[tuple[str, str], str]:
    """By method and metric, why the scores of the second run are not comparable."""
    (table,) = make_score_tables(analyses)
    rows = {(row.data["method"], row.data["metric"]): row.cells[-1] for row in table.rows}
    return {key: cell.small for key, cell in rows.items() if cell.text == NOT_COMPARABLE}


def means(analyses: list[NetAnalysis]) -> dict[tuple[str, str], list[Cell]]:
    """By method and metric, the cells of the runs."""
    (table,) = make_score_tables(analyses)
    return {(row.data["method"], row.data["metric"]): row.cells[2:] for row in table.rows}


def compare_first_two(directory: Path) -> dict[Key, NumberResult]:
    """What bench compare says about the first and the second run, without costs and all metrics together."""
    results = compare_snapshots(*(load_snapshot(directory / name) for name in ("first", "second"))).results
    return {result.key: result for result in results if result.key[2] in runs.METRICS}


def assert_page_agrees_with_compare(analyses: list[NetAnalysis], results: dict[Key, NumberResult], n: int) -> None:
    cells = means(analyses)
    for (_, method, metric), result in results.items():
        base, new = cells[method, metric]
        assert base.estimate and new.estimate
        assert (base.estimate.mean, new.estimate.mean) == pytest.approx((result.base, result.new)), (method, metric)
        assert base.estimate.n == new.estimate.n
        assert base.estimate.n == n or metric == "distractor"


def ranks(analyses: list[NetAnalysis], metric: str) -> MetricRanks:
    return next(of_metric for of_metric in rank_over_blocks(analyses) if of_metric.name == metric)


def edit_metric(header: Header) -> None:
    header.metrics["energy"].fingerprint = "77"


def edit_method(header: Header) -> None:
    header.methods["grad_cam"].version = 2


def explain_another_class_last(directory: Path, images: int) -> None:
    predictions = store.open_run(directory).table("predictions")
    explain_another_class(directory, predictions["image"].isin(sorted(set(predictions["image"]))[-images:]))


def replace_photos(directory: Path, images: int) -> None:
    predictions = store.open_run(directory).table("predictions")
    chosen = predictions["image"].isin(sorted(set(predictions["image"]))[-images:])
    hashes = predictions["sha256"].mask(chosen, "f" * 64)
    runs.rewrite(directory, "predictions", predictions.assign(sha256=hashes))


def test_the_same_experiment_is_compared_and_is_one_block(tmp_path: Path) -> None:
    analyses = pair(tmp_path, lambda _: None)
    assert reasons(analyses) == {}
    assert {of_metric.ranks.n for of_metric in rank_over_blocks(analyses)} == {1}


def test_a_metric_edited_without_a_new_version_is_not_comparable(tmp_path: Path) -> None:
    analyses = pair(tmp_path, edit_metric)
    by_cell = reasons(analyses)
    assert {metric for _, metric in by_cell} == {"energy"} and len(by_cell) == 5
    assert set(by_cell.values()) == {"metric's file: none → 77"}
    assert ranks(analyses, "energy").ranks.n == 1
    assert ranks(analyses, "energy").excluded == ("energy on resnet18 · second: metric's file: none → 77",)
    assert ranks(analyses, "pointing").excluded == ()


def test_an_edited_metric_is_not_ranked_with_blocks_of_another_protocol_either(tmp_path: Path) -> None:
    def change(header: Header) -> None:
        header.protocols["energy"]["steps"] = header.protocols["pointing"]["steps"] = 100
        edit_metric(header)

    analyses = pair(tmp_path, change)
    assert [ranks(analyses, metric).ranks.n for metric in ("energy", "pointing")] == [1, 2]


def test_images_with_the_same_names_and_other_pixels_are_not_comparable(tmp_path: Path) -> None:
    analyses = pair(tmp_path, lambda _: None)
    replace_photos(tmp_path / "second", 5)
    reason = "no image in common: the pixels of 5 images with the same name differ"
    assert set(reasons(analyses).values()) == {reason}
    assert len(reasons(analyses)) == 5 * 8
    assert ranks(analyses, "energy").ranks.n == 2  # other photos are another block
    with pytest.raises(UsageError, match=reason):
        compare_first_two(tmp_path)


def test_an_image_with_other_pixels_is_left_out_of_the_means(tmp_path: Path) -> None:
    analyses = pair(tmp_path, lambda _: None)
    replace_photos(tmp_path / "second", 1)
    assert_page_agrees_with_compare(analyses, compare_first_two(tmp_path), n=4)
    assert ranks(analyses, "energy").ranks.n == 1


def test_an_image_with_another_explained_class_is_left_out_of_the_means(tmp_path: Path) -> None:
    analyses = pair(tmp_path, lambda _: None)
    explain_another_class_last(tmp_path / "second", 2)
    assert_page_agrees_with_compare(analyses, compare_first_two(tmp_path), n=3)


def test_runs_that_explain_other_classes_are_not_comparable(tmp_path: Path) -> None:
    analyses = pair(tmp_path, lambda _: None)
    explain_another_class_last(tmp_path / "second", 5)
    results = compare_first_two(tmp_path)
    whys = {result.key[1:]: result.why for result in results.values() if result.verdict == "not comparable"}
    assert reasons(analyses) == whys and len(whys) == 5 * 8
    assert set(whys.values()) == {"no image in both has the same explained class"}
    assert ranks(analyses, "energy").ranks.n == 2


def test_the_means_of_a_run_and_its_subset_are_over_the_subset(tmp_path: Path) -> None:
    analyses = pair(tmp_path, lambda _: None, images=3)
    assert_page_agrees_with_compare(analyses, compare_first_two(tmp_path), n=3)


def test_a_value_that_one_run_lacks_is_left_out_of_both_means(tmp_path: Path) -> None:
    analyses = pair(tmp_path, lambda _: None)
    shift_scores(tmp_path / "first", "grad_cam", "energy", None, images=2)
    analyses = analyse([analysis.run for analysis in analyses])
    assert {cell.estimate.n for cell in means(analyses)["grad_cam", "energy"] if cell.estimate} == {3}
    shift_scores(tmp_path / "first", "grad_cam", "energy", None)
    analyses = analyse([analysis.run for analysis in analyses])
    assert [cell.estimate.n if cell.estimate else 0 for cell in means(analyses)["grad_cam", "energy"]] == [0, 5]


def test_a_third_run_is_compared_with_the_images_that_the_others_share(tmp_path: Path) -> None:
    three = [_write(tmp_path / "first"), _write(tmp_path / "second", images=3), _write(tmp_path / "third")]
    replace_photos(tmp_path / "third", 4)
    assert {cell.estimate.n for cell in means(analyse(three))["grad_cam", "energy"] if cell.estimate} == {1}
    replace_photos(tmp_path / "second", 3)
    assert [cell.text == NOT_COMPARABLE for cell in means(analyse(three))["cam", "energy"]] == [False, True, False]


def test_a_method_of_another_version_is_left_out_of_the_ranks(tmp_path: Path) -> None:
    analyses = pair(tmp_path, edit_method, prefix="photo")
    assert ranks(analyses, "energy").ranks.n == 2
    assert ranks(analyses, "energy").ranks.left_out == ("grad_cam",)


def test_a_users_own_method_with_changed_code_is_comparable(tmp_path: Path) -> None:
    def change(header: Header) -> None:
        header.methods["grad_cam"].fingerprint = "77"

    assert reasons(pair(tmp_path, change)) == {}


def test_runs_on_different_subsets_of_a_data_set_are_comparable(tmp_path: Path) -> None:
    assert reasons(pair(tmp_path, lambda _: None, images=3)) == {}


def test_the_page_begins_with_what_changed(tmp_path: Path) -> None:
    directories = [_write(tmp_path / name).directory for name in ("first", "second", "third")]
    shift_scores(directories[1], "grad_cam", "insertion", -0.1)
    shift_scores(directories[1], "grad_cam", "insertion", -0.01, images=2)  # equal ones need the sign test
    opened = [store.open_run(directory) for directory in directories]
    text = html.page(opened).replace("<wbr>", "")
    assert text.index('<section id="changes">') < text.index('<section id="answer">')
    comparison = compare_snapshots(*(load_snapshot(directory) for directory in directories[:2]))
    headline = write_headline(comparison)
    assert "insertion of grad_cam on resnet18 is worse" in headline
    assert f'<p class="warn">{headline}.</p>' in text
    assert re.search(r'<th scope="row">worse</th>\s*<td[^>]*>resnet18</td>\s*<td[^>]*>grad_cam</td>', text)
    assert '<h3>first → third</h3>\n<p class="lede">Passed: ' in text


def test_the_first_run_is_read_once_for_all_comparisons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[str] = []

    def take(run: Run, name: str, *, partial: bool = False) -> Snapshot:
        taken.append(name)
        return take_snapshot(run, name, partial=partial)

    monkeypatch.setattr(changes, "take_snapshot", take)
    assert changes.make_section([_write(tmp_path / name) for name in ("first", "second", "third")])
    assert sorted(taken) == ["first", "second", "third"]


def test_shipped_results_are_compared_with_a_run_as_far_as_they_are_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = _write(tmp_path / "shipped" / "first"), _write(tmp_path / "second")
    rows = first.table("scores")
    few = (rows["method"] == "score_cam") & (rows["image"] != first.header.data.images[0])
    runs.rewrite(first.directory, "scores", rows[~few])
    opened = [store.open_run(first.directory), second]
    assert "Not compared: first is damaged" in html.page(opened)
    monkeypatch.setattr(shipped, "RESULTS", tmp_path / "shipped")
    page = html.page(opened)
    assert "Not compared" not in page and "Passed: " in page
    assert "Images computed so far: " not in page, "the other run does not ship"


def test_a_run_that_is_not_finished_is_not_compared(tmp_path: Path) -> None:
    first, second = _write(tmp_path / "first"), _write(tmp_path / "second")
    second.header.data.images.append("one more")
    assert "Not compared: second is not finished: 5 of 6 images" in html.page([first, second])


def test_a_page_of_several_runs_says_which_one_is_not_complete(tmp_path: Path) -> None:
    whole, part = _write(tmp_path / "whole"), _write(tmp_path / "part")
    for name in ("scores", "curves", "maps", "predictions", "cost"):
        frame = part.table(name)
        runs.rewrite(part.directory, name, frame[frame["image"].astype(str) <= "image 02"])
    page = html.page([whole, store.open_run(part.directory)])
    assert "Not every run is complete; images so far: resnet18 · part 3 of 5." in page


def test_a_method_with_few_images_on_a_net_takes_none_from_the_ranks_of_the_others(tmp_path: Path) -> None:
    directory = runs.write(tmp_path / "run", nets={"resnet18": "layer4", "squeezenet1_1": "features"})
    scores = store.open_run(directory).table("scores")
    few = (scores["net"] == "resnet18") & (scores["method"] == "score_cam")
    few &= scores["image"].isin(sorted(set(scores["image"]))[4:])
    before = ranks(analyse([store.open_run(directory)]), "insertion")
    runs.rewrite(directory, "scores", scores[~few])
    after = ranks(analyse([store.open_run(directory)]), "insertion")
    assert before.images == after.images == (12, 12)
    assert after.blocks == "2 blocks of 12 images; left out, for lack of scores in some block: score_cam"
