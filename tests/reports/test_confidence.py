"""How sure a recommendation is, in words that follow from the scores."""

from pathlib import Path

import pytest

from cambench.bench.store import run as store
from cambench.bench.store.run import Run
from cambench.reports import html
from cambench.reports._page.analysis import Sheet, sheets
from cambench.reports._page.answer import said
from cambench.reports._page.confidence import beware, how_sure, what

from ..support import runs

STEPS = [place / 100 for place in range(12)]


def _run(tmp_path: Path, **values: list[float]) -> Run:
    """A run of one net on which methods score by insertion as given, image by image."""
    run = store.read(runs.write(tmp_path / "run", nets={"resnet18": "layer4"}))
    scores = run.table("scores")
    for method, own in values.items():
        scores.loc[(scores["method"] == method) & (scores["metric"] == "insertion"), "value"] = own
    runs.rewrite(run.directory, "scores", scores)
    return run


def _level(base: float, slope: float = 1.0) -> list[float]:
    return [base + slope * step for step in STEPS]


@pytest.fixture
def sheet(tmp_path: Path) -> Sheet:
    """cam ahead of all on each image, grad_cam like score_cam by turns, the controls far behind."""
    turns = [step + (0.02 if place % 2 else -0.015) for place, step in enumerate(_level(0.6))]
    ways = {"cam": _level(0.8, 1.2), "grad_cam": turns, "score_cam": _level(0.6)}
    (found,) = sheets([_run(tmp_path, **ways, random=_level(0.2, 0.9), centre=_level(0.3, 0.8))])
    return found


def _place(sheet: Sheet, method: str) -> str:
    view = sheet.views["insertion"]
    (place,) = (one for one in view.ranking.places if one.method == method)
    return how_sure(view, place)


def test_a_first_place_that_is_decided_is_sure(sheet: Sheet) -> None:
    assert _place(sheet, "cam") == (
        "Sure: ahead of every other method (grad_cam and score_cam), decided image by image on 12 images. "
        "It beats every control (random and centre)."
    )


def test_what_is_behind_says_by_how_much(sheet: Sheet) -> None:
    assert _place(sheet, "score_cam").startswith("cam is ahead of it by .211 on average, decided image by image on 12 ")
    view = sheet.views["insertion"]
    (place,) = (one for one in view.ranking.places if one.method == "score_cam")
    assert what(view, place, None) == (
        f"insertion .655 ({place.estimate.low:.3f}".replace("0.", ".")
        + f" to {place.estimate.high:.3f}), ".replace("0.", ".")
        + "75.6% of what cam reaches; its cost is not measured."
    )


def test_a_first_place_that_is_not_decided_says_how_many_images_would(tmp_path: Path) -> None:
    turns = [step + (0.02 if place % 2 else -0.01) for place, step in enumerate(_level(0.8))]
    run = _run(tmp_path, cam=turns, grad_cam=_level(0.8), score_cam=_level(0.5), random=_level(0.2), centre=_level(0.1))
    (found,) = sheets([run])
    text = _place(found, "cam")
    assert text.startswith("Ahead of 1 of 2 others (score_cam), decided image by image on 12 images.")
    needed = next(p.best for p in found.views["insertion"].ranking.places if p.method == "grad_cam")
    assert needed is not None
    assert f"Not told apart from grad_cam ({needed.settling} would settle it)." in text
    assert _place(found, "grad_cam").startswith(
        "12 images do not tell it from cam, which is ahead by .005 on average ("
    )


def test_a_control_that_wins_is_a_warning(tmp_path: Path) -> None:
    ways = {"cam": _level(0.5), "grad_cam": _level(0.3, 0.9), "score_cam": _level(0.2, 0.8)}
    (found,) = sheets([_run(tmp_path, **ways, centre=_level(0.8, 1.1), random=_level(0.1))])
    lines = beware(found.views["insertion"])
    assert lines[0].startswith("Do not choose by insertion here: centre, a control, scores better than the ")
    assert "Beware: centre, a control, is better." in _place(found, "cam")


def test_a_metric_on_which_images_disagree_is_a_warning(tmp_path: Path) -> None:
    ways = ["cam", "grad_cam", "score_cam", "random", "centre"]
    turned = {method: [0.1 * ((image + place) % 5) for image in range(12)] for place, method in enumerate(ways)}
    (found,) = sheets([_run(tmp_path, **turned)])
    assert any("insertion is unreliable from image to image" in line for line in beware(found.views["insertion"]))


def test_a_metric_says_what_it_cannot_tell_where_the_run_knows_it(tmp_path: Path) -> None:
    run = _run(tmp_path, cam=_level(0.5))
    assert "It is fooled." not in html.render(run)
    run.header["metrics"]["insertion"] |= {"caveat": "It is fooled.", "family": "curves"}
    (found,) = sheets([run])
    assert beware(found.views["insertion"])[-1] == "insertion: It is fooled."
    page = html.render(run)
    assert page.count("It is fooled.") >= 3 and "<option>curves</option>" in page


def test_there_is_something_said_for_every_need(sheet: Sheet) -> None:
    found = said(sheet, sheet.views["insertion"])
    assert [one.method for one in found] == ["cam", "cam", "cam"]
