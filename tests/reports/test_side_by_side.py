"""Several runs on one page: scores with another meaning are neither compared nor ranked together."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cambench.bench.store import run as store
from cambench.bench.store.header import Header
from cambench.bench.store.run import Run
from cambench.reports._page.analysis import NetAnalysis, analyse
from cambench.reports._page.ranks import MetricRanks, rank_over_blocks
from cambench.reports._page.side_by_side import NOT_COMPARABLE, make_score_tables
from cambench.tests.support import runs

NET = {"resnet18": "layer4"}


def pair(directory: Path, change: Callable[[Header], object], **new: object) -> list[NetAnalysis]:
    """Analyse a run together with a run whose header is changed."""
    first, second = _write(directory / "first"), _write(directory / "second", **new)
    change(second.header)
    return analyse([first, second])


def _write(directory: Path, **options: object) -> Run:
    return store.read(runs.write(directory, **{"images": 5, "nets": NET, **options}))  # type: ignore[arg-type]


def reasons(analyses: list[NetAnalysis]) -> dict[tuple[str, str], str]:
    """By method and metric, why the scores of the second run are not comparable."""
    (table,) = make_score_tables(analyses)
    rows = {(row.data["method"], row.data["metric"]): row.cells[-1] for row in table.rows}
    return {key: cell.small for key, cell in rows.items() if cell.text == NOT_COMPARABLE}


def ranks(analyses: list[NetAnalysis], metric: str) -> MetricRanks:
    return next(of_metric for of_metric in rank_over_blocks(analyses) if of_metric.name == metric)


def edit_metric(header: Header) -> None:
    header.metrics["energy"].fingerprint = "77"


def edit_method(header: Header) -> None:
    header.methods["grad_cam"].version = 2


def replace_photos(directory: Path, images: int) -> None:
    predictions = store.read(directory).table("predictions")
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
    assert set(by_cell.values()) == {"metric's fingerprint: none → 77"}
    assert ranks(analyses, "energy").ranks.n == 1
    assert ranks(analyses, "energy").excluded == ("energy on resnet18 · second: metric's fingerprint: none → 77",)
    assert ranks(analyses, "pointing").excluded == ()


def test_an_edited_metric_is_not_ranked_with_blocks_of_another_protocol_either(tmp_path: Path) -> None:
    def change(header: Header) -> None:
        header.protocols["energy"]["steps"] = header.protocols["pointing"]["steps"] = 100
        edit_metric(header)

    analyses = pair(tmp_path, change)
    assert [ranks(analyses, metric).ranks.n for metric in ("energy", "pointing")] == [1, 2]


@pytest.mark.parametrize("images", [1, 5])
def test_images_with_the_same_names_and_other_pixels_are_not_comparable(tmp_path: Path, images: int) -> None:
    _write(tmp_path / "first"), _write(tmp_path / "second")
    replace_photos(tmp_path / "second", images)
    analyses = analyse([store.read(tmp_path / name) for name in ("first", "second")])
    count = "1 image" if images == 1 else "5 images"
    assert set(reasons(analyses).values()) == {f"data: the pixels of {count} differ"}
    assert len(reasons(analyses)) == 5 * 8
    assert ranks(analyses, "energy").ranks.n == (1 if images == 1 else 2)  # other photos are another block


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
