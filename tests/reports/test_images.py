"""The page's table of images, and the dots that lead to its rows."""

import base64
import io
import re
from html import unescape
from pathlib import Path
from typing import Any

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
        r'<tr id="s0-image-\d"[^>]*>\s*<th scope="row"><a [^>]*><img src="data:image/jpeg;base64,([^"]+)"',
        page,
    )
    assert len(pictures) == 6
    assert {Image.open(io.BytesIO(base64.b64decode(picture))).size for picture in pictures} == {(56, 56)}


def test_a_label_and_a_prediction_that_are_not_the_class_explained_are_named(tmp_path: Path) -> None:
    folder = runs.write(tmp_path / "run", images=3, nets={"resnet18": "layer4"})
    run = store.open_run(folder)
    classes = run.header.nets["resnet18"].classes
    rows = run.table("predictions")
    other: dict[str, Any] = {"label": [3, 1, None], "label_name": [classes[3], classes[1], None]}
    other |= {"predicted": [3, 0, None], "top1": [True, False, None]}
    runs.rewrite(folder, "predictions", rows.assign(**other))
    (table,) = [
        grid
        for section in [images.make_section(analyse([store.open_run(folder)]))]
        if section
        for grid in section.tables
    ]
    notes = {str(row.cells[0].text): row.cells[1].small for row in table.rows}
    assert notes == {
        "image 00": "", "image 01": f"not its label, {classes[1]}; the net predicts {classes[0]}", "image 02": "",
    }  # fmt: skip


def list_panels(page: str) -> dict[str, list[str]]:
    """The alternative texts of the pictures of each panel, by the image that its link names."""
    links = re.findall(r'<a href="#([^"]+-maps)"[^>]*>.*?</a>', page, re.DOTALL)
    names = re.findall(r'<a href="#[^"]+-maps"[^>]*><img [^>]*><span>(.*?)</span></a>', page)
    panels = {
        anchor: [unescape(text) for text in re.findall(r'alt="([^"]+)"', panel.split("</div></div>")[0])]
        for anchor, panel in (part.split('">', 1) for part in page.split('<div class="maps" id="')[1:])
    }
    assert set(links) == set(panels)
    return {name.replace("<wbr>", ""): panels[anchor] for anchor, name in zip(links, names, strict=True)}


def test_the_panel_of_an_image_has_the_map_of_each_method(run: Run, page: str) -> None:
    predictions = run.table("predictions").set_index("image")["target_name"]
    methods = [method for method in run.header.methods if method in set(run.table("maps")["method"])]
    expected = {
        str(image): [f"{image}, {name}", *(f"Map of {method} for {name} on {image}" for method in methods)]
        for image, name in predictions.items()
    }
    assert len(expected) == 6 and len(methods) > 2
    assert list_panels(page) == expected


def test_a_page_has_a_limited_number_of_panels_and_says_so(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    columns = 1 + run.table("scores").dropna(subset=["value"])["method"].nunique()
    monkeypatch.setattr(images, "PICTURES", 2 * columns + 1)
    page = html.page([run])
    assert len(list_panels(page)) == 2
    assert "The maps on 2 of these images are part of this page." in page


def test_a_net_without_scores_has_no_anchors(tmp_path: Path) -> None:
    empty = runs.write(tmp_path / "run", images=2, nets={"resnet18": "layer4"})
    scores = store.open_run(empty).table("scores").assign(value=float("nan"), reason="none")
    runs.rewrite(empty, "scores", scores)
    analysis: NetAnalysis = analyse([store.open_run(empty)])[0]
    assert images.list_anchors(analysis) == {}
