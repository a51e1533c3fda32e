"""The page's table of images, and the dots that lead to its rows."""

import base64
import io
import re
from pathlib import Path

import pytest
from PIL import Image

from cambench.bench.core.formatting import format_number
from cambench.bench.store import run as store
from cambench.bench.store.run import Run
from cambench.reports import html
from cambench.reports._page import images
from cambench.reports._page.analysis import NetAnalysis, analyse
from cambench.reports._page.spread import make_section
from cambench.reports._plots.drawing import Dots, Drawing, Link
from cambench.reports._plots.svg import make_element, make_file

from ..support import runs

LINK = re.compile(r'<a href="#([^"]+)"><title>([^<]+)</title>')


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return store.open_run(runs.write(tmp_path_factory.mktemp("images") / "run", images=6, nets={"resnet18": "layer4"}))


@pytest.fixture(scope="module")
def page(run: Run) -> str:
    return html.page([run])


def test_each_dot_leads_to_the_row_of_its_image_and_says_its_score(run: Run, page: str) -> None:
    scores = run.table("scores")
    section = page[page.index('<section id="spread">') : page.index('<section id="images">')]
    metrics = [metric for metric, (_, _, unit) in runs.METRICS.items() if unit != "yes or no"]
    values = scores[scores["metric"].isin(metrics)].dropna(subset=["value"])
    expected = sorted(
        f"{image}: {format_number(value)}" for image, value in zip(values["image"], values["value"], strict=True)
    )
    links = LINK.findall(section)
    assert sorted(title for _, title in links) == expected
    for anchor, title in links:
        (row,) = re.findall(rf'<tr id="{anchor}"[^>]*>\s*<th scope="row">(.*?)</th>', page, re.DOTALL)
        assert re.sub("<[^>]*>", "", row) == title.partition(":")[0]


def test_a_dot_is_where_its_score_is() -> None:
    links = [Link("a", "first"), None, Link("c", "third")]
    drawing = Drawing(50, 20, "dots")
    drawing.add_dots([(30, 5), (10, 5), (20, 5)], "s0", links=links)
    text = str(make_element(drawing))
    assert re.findall(r'<a href="#(.)"><title>(\w+)</title><path d="M([\d.]+) ', text) == [
        ("a", "first", "30.0"), ("c", "third", "20.0"),
    ]  # fmt: skip
    assert text.count("<path") == 3 and '<path d="M10.0 5.0h0"' in text
    assert "<a " not in make_file(drawing), "a figure of a paper leads nowhere"


def test_links_follow_the_values_in_whatever_order_they_are(run: Run) -> None:
    (analysis,) = analyse([run])
    section = make_section([analysis])
    assert section is not None
    drawing = dict(section.figures)["images-resnet18-insertion"]
    for dots in (shape for shape in drawing.shapes if isinstance(shape, Dots)):
        titles = [float(link.title.partition(": ")[2]) for link in dots.links if link]
        xs = [x for x, _ in dots.points]
        assert sorted(range(6), key=xs.__getitem__) == sorted(range(6), key=titles.__getitem__)


def test_images_that_the_table_leaves_out_have_no_link(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "IMAGES", 2)
    page = html.page([run])
    assert page.count('<tr id="s0-image-') == 2
    anchors = {anchor for anchor, _ in LINK.findall(page)}
    assert anchors == {"s0-image-0", "s0-image-1"}


def test_a_row_has_a_small_picture_of_its_image(run: Run, page: str) -> None:
    pictures = re.findall(
        r'<tr id="s0-image-\d"[^>]*>\s*<th scope="row"><img src="data:image/jpeg;base64,([^"]+)"', page
    )
    assert len(pictures) == 6
    assert {Image.open(io.BytesIO(base64.b64decode(picture))).size for picture in pictures} == {(56, 56)}


def test_a_net_without_scores_has_no_anchors(tmp_path: Path) -> None:
    empty = runs.write(tmp_path / "run", images=2, nets={"resnet18": "layer4"})
    scores = store.open_run(empty).table("scores").assign(value=float("nan"), reason="none")
    runs.rewrite(empty, "scores", scores)
    analysis: NetAnalysis = analyse([store.open_run(empty)])[0]
    assert images.list_anchors(analysis) == {}
