"""Reports of a run: correct numbers, reasons in words, and escaped text."""

import io
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from cambench.bench.core import formatting
from cambench.bench.core.markdown import escape
from cambench.bench.show import terminal as console
from cambench.bench.show.protocols import describe_protocols
from cambench.bench.show.score_table import make_score_table
from cambench.bench.stats import estimate as stats
from cambench.bench.stats import summary
from cambench.bench.stats.bands import compute_bands
from cambench.bench.stats.controls import compare_with_controls
from cambench.bench.stats.mean_scores import Metric
from cambench.bench.stats.notes import describe_means
from cambench.bench.store import run as store
from cambench.bench.store.run import Run
from cambench.reports import csv, html, latex, markdown
from cambench.reports import json as json_report
from cambench.reports._page.analysis import analyse
from cambench.reports._page.strips import make_strips
from cambench.tools.montage import draw_montage

from ..support import runs
from ..support.cli import bench
from ..support.comparisons import edit_header, rename_class, rename_method

REPORTS: tuple[ModuleType, ...] = (markdown, csv, html)
EVIL = "<script>alert(1)</script> | [red]x[/red] *b* $y$ \"q' &"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return store.open_run(runs.write(tmp_path_factory.mktemp("runs") / "whole"))


@pytest.fixture(scope="module")
def page(run: Run) -> str:
    return html.render(run)


def _set(run: Run, net: str, method: str, metric: str, values: list[float]) -> None:
    """Replace the values of a method by a metric on a net."""
    scores = run.table("scores")
    chosen = (scores["net"] == net) & (scores["method"] == method) & (scores["metric"] == metric)
    scores.loc[chosen, "value"] = values
    runs.rewrite(run.directory, "scores", scores)


def _printed(run: Run, net: str, width: int = 80) -> str:
    terminal = Console(width=width, file=io.StringIO(), color_system=None)
    terminal.print(console.show_methods(run, net, width))
    assert isinstance(terminal.file, io.StringIO)
    return terminal.file.getvalue()


def _metric(run: Run, spec: str) -> Metric:
    return next(metric for metric in summary.list_metrics(run) if metric.spec == spec)


def test_means_and_costs_match_a_calculation_by_hand(tmp_path: Path) -> None:
    run = store.open_run(runs.write(tmp_path / "run", images=4, nets={"resnet18": "layer4"}))
    _set(run, "resnet18", "cam", "insertion", [0.1, 0.2, 0.3, 0.8])
    _set(run, "resnet18", "cam", "pointing", [1.0, 1.0, 1.0, 0.0])
    cost = run.table("cost")
    cost.loc[cost["method"] == "cam", "seconds"] = [1.0, 2.0, 3.0, 10.0]
    runs.rewrite(run.directory, "cost", cost)
    table = summary.build_table(run, "resnet18")
    estimate = table.find_mean_score("cam", _metric(run, "insertion")).estimate
    assert estimate.mean == pytest.approx(0.35) and estimate.n == 4
    assert (estimate.low, estimate.high) == pytest.approx((0.0, 0.8447), abs=1e-4)  # Student's, cut to the range
    rate = table.find_mean_score("cam", _metric(run, "pointing")).estimate
    assert rate[:3] == pytest.approx((0.75, 0.1941, 0.9937), abs=1e-4)  # Clopper and Pearson's, of three hits in four
    assert table.costs["cam"] == summary.Cost(2.5, (1.75, 4.75), 1.0, 1.25e6)


def test_csv_contains_the_means_of_the_tables(run: Run) -> None:
    frame = pd.read_csv(io.StringIO(csv.render(run)))
    assert len(frame) == 3 * 5 * 8
    scores = run.table("scores")
    means = scores.groupby(["net", "method", "metric"], observed=True)["value"].mean()
    reported = frame.set_index(["net", "method", "metric"])["mean"]
    assert reported.to_dict() == pytest.approx(means.to_dict(), nan_ok=True)
    absent = frame[(frame["net"] == "vgg16") & (frame["method"] == "cam")]
    assert set(absent["reason"]) == {runs.NO_CAM} and set(absent["n"]) == {0} and absent["seconds"].isna().all()
    assert frame["reason"].notna().sum() == 8
    assert set(frame[frame["metric"] == "distractor"]["n"]) == {6, 0}


def test_every_report_gives_the_reason_of_a_missing_score(run: Run, page: str) -> None:
    for text in (page, markdown.render(run), _printed(run, "vgg16").replace("\n", " ")):
        assert runs.NO_CAM in text
        assert runs.NO_OTHER in text
    assert "6 of 12 images" in _printed(run, "vgg16") and "6 of 12 images" in page
    assert runs.NO_CAM not in _printed(run, "resnet18")


def test_a_control_that_no_method_beats_is_reported(tmp_path: Path) -> None:
    run = store.open_run(runs.write(tmp_path / "run", images=4, nets={"resnet18": "layer4"}))
    for method in ("cam", "grad_cam", "score_cam"):
        _set(run, "resnet18", method, "energy", [0.1, 0.11, 0.12, 0.13])
    _set(run, "resnet18", "centre", "energy", [0.8, 0.81, 0.82, 0.83])
    reason = "the comparison is undecided"  # on 4 images, p of the exact signed-rank test is at least .125
    assert f"energy against centre: no method is better; {reason} (4 images)" in markdown.render(run)
    assert "energy against centre: <span>no method is better" in html.render(run)


def test_every_report_says_beside_a_mean_that_ties_move_it(tmp_path: Path) -> None:
    """The mean of cam is .500 ± .159, that of grad_cam .500 ± .012: ties move both by .020."""
    directory = runs.write(tmp_path / "run", images=3, nets={"resnet18": "layer4"})
    _set(store.open_run(directory), "resnet18", "cam", "insertion", [0.436, 0.5, 0.564])
    _set(store.open_run(directory), "resnet18", "grad_cam", "insertion", [0.495, 0.5, 0.505])
    run = store.open_run(runs.add_ties(directory, {"cam": [0.02] * 3, "grad_cam": [0.01, 0.02, 0.03]}))
    note = "{}: the order of equal pixels can move grad_cam by .020 or more, more than half the width of its interval"
    printed = _printed(run, "resnet18")
    means = [line.split()[:2] for line in printed.splitlines() if line.startswith(("cam ", "grad_cam "))]
    assert means[:2] == [["cam", ".500"], ["grad_cam", ".500†"]] and note.format("† insert") in runs.words(printed)
    text = markdown.render(run)
    assert "| .500† [.488 to .512, ties .020] |" in text and f"- {note.format('† insertion')}." in text
    page = html.render(run)
    assert ">.500†<small>.488 to .512, ties .020</small>" in page and f"{note.format('† insertion')}." in page
    assert text.count("†") == page.count("†") == printed.count("†") == 2
    assert r".500$^{\dagger}$" in latex.render(run)
    marked = {"net": "resnet18", "method": "grad_cam", "metric": "insertion", "tie_effect": pytest.approx(0.02)}
    records = [record for record in json.loads(json_report.render(run))["records"] if record["note"]]
    assert [{key: record[key] for key in marked} for record in records] == [marked]
    assert records[0]["note"] == f"{note.format('').removeprefix(': ').replace('grad_cam', 'it')}"


def test_what_is_said_of_a_method_with_few_images_names_their_number(tmp_path: Path) -> None:
    """score_cam has 4 of 12 images: by distractor, that it does not apply to an image is one reason, that it lacks another."""
    directory = runs.write(tmp_path / "run", nets={"resnet18": "layer4"})
    scores = store.open_run(directory).table("scores")
    score_cam = scores["method"] == "score_cam"
    lost = score_cam & (scores["image"].isin(sorted(set(scores["image"]))[4:]) | (scores["metric"] == "energy"))
    insertion = score_cam & (scores["metric"] == "insertion")
    refused_one = insertion & (scores["image"] == min(scores["image"]))
    scores = scores.assign(
        value=scores["value"].mask(refused_one), reason=scores["reason"].mask(refused_one, "a reason")
    )
    runs.rewrite(directory, "scores", scores[~lost])
    run = store.open_run(directory)
    table = summary.build_table(run, "resnet18")
    notes = describe_means(table, lambda metric: metric.spec)
    assert "insertion: over 3 of 12 images by score_cam (a reason; not computed)" in notes
    text = markdown.render(run)
    assert f"- score_cam beats random and centre on 0 of {len(runs.METRICS) - 1} metrics on 4 images." in text
    assert f" of {len(runs.METRICS)} metrics: " in text
    grid = make_score_table(table, "resnet18")
    row = next(row for row in grid.rows if row.data["method"] == "score_cam")
    cells = {head.data.get("metric"): cell.text for head, cell in zip(grid.heads, row.cells, strict=True)}
    assert cells["energy"] == "no result (1)" and "(1) not computed." in grid.notes


def test_the_pictures_of_the_answer_are_of_images_that_the_run_stores(tmp_path: Path) -> None:
    directory = runs.write(tmp_path / "run", nets={"resnet18": "layer4"})
    run = store.open_run(directory)
    (analysis,) = analyse([run])
    metric = analysis.by_metric["insertion"]
    disputed = [strip.image for strip in make_strips(analysis, metric, ["cam", "grad_cam", "score_cam"])]
    images = run.table("images")
    runs.rewrite(directory, "images", images[~images["image"].isin(disputed)])
    (analysis,) = analyse([store.open_run(directory)])
    others = [strip.image for strip in make_strips(analysis, metric, ["cam", "grad_cam", "score_cam"])]
    assert len(disputed) == len(others) == 3 and not set(disputed) & set(others)


def test_bold_is_the_best_on_the_images_that_all_methods_have(tmp_path: Path) -> None:
    """On the three images that all have, cam is best; the mean of grad_cam over these, its only ones, is higher than cam's."""
    run = store.open_run(runs.write(tmp_path / "run", images=5, nets={"resnet18": "layer4"}))
    _set(run, "resnet18", "cam", "insertion", [0.9, 0.9, 0.9, 0.1, 0.1])
    _set(run, "resnet18", "grad_cam", "insertion", [0.8] * 5)
    _set(run, "resnet18", "score_cam", "insertion", [0.99] * 5)
    rows = run.table("scores")
    lost = (rows["method"] == "grad_cam") & rows["image"].isin(run.header.data.images[3:])
    lost |= (rows["method"] == "score_cam") & rows["image"].isin(run.header.data.images[1:])
    runs.rewrite(run.directory, "scores", rows[~lost])
    run = store.open_run(run.directory)
    table = summary.build_table(run, "resnet18")
    assert table.find_mean_score("grad_cam", _metric(run, "insertion")).estimate.mean == pytest.approx(0.8)
    assert table.find_mean_score("cam", _metric(run, "insertion")).estimate.mean == pytest.approx(0.58)
    assert table.find_best(_metric(run, "insertion")) == ["cam"]
    assert "Bold: the best on the images that all methods have" in markdown.render(run)


def test_the_axes_of_curves_are_those_that_the_metric_declares(tmp_path: Path) -> None:
    directory = runs.write(tmp_path / "run", images=3, nets={"resnet18": "layer4"})
    usual = ("share of pixels replaced", "score of the target")
    assert all(axis in html.render(store.open_run(directory)) for axis in usual)
    edit_header(
        directory, lambda header: [each.update(axes=["depth", "likeness"]) for each in header["metrics"].values()]
    )
    page = html.render(store.open_run(directory))
    curves = page[page.index('id="curves"') :]
    assert ">depth<" in curves and ">likeness<" in curves and not any(f">{axis}<" in curves for axis in usual)


def test_the_best_mean_is_bold_and_so_are_means_equal_to_it(tmp_path: Path) -> None:
    run = store.open_run(runs.write(tmp_path / "run", images=3, nets={"resnet18": "layer4"}))
    for metric in ("insertion", "deletion"):
        for method, value in {"cam": 0.9, "grad_cam": 0.9001, "score_cam": 0.5, "random": 0.2, "centre": 0.95}.items():
            _set(run, "resnet18", method, metric, [value] * 3)
    table = summary.build_table(run, "resnet18")
    assert table.find_best(_metric(run, "insertion")) == ["cam", "grad_cam"]
    assert table.find_best(_metric(run, "deletion")) == ["score_cam"], "a control is never the best"
    line = [line for line in markdown.render(run).splitlines() if line.startswith("| grad_cam |")][-1]
    assert line.split(" | ")[1].startswith("**.900**") and line.split(" | ")[2].startswith(".900")
    text = html.render(run)
    section = text[text.index("Mean and 95 % interval by every metric") : text.index('id="curves"')]
    assert len(re.findall(r'class="num "[^>]*><b>\.500</b>', section)) == 1
    assert len(re.findall(r'class="num "[^>]*><b>\.900</b>', section)) == 2


def test_methods_are_in_the_order_of_the_suite(run: Run, page: str) -> None:
    rows = [line.split()[0] for line in _printed(run, "resnet18").splitlines()[3:18:3]]
    assert rows == list(runs.METHODS)
    lines = [line.split(" | ")[0][2:] for line in markdown.render(run).splitlines() if line.startswith("| ")]
    assert lines[9:14] == list(runs.METHODS)
    table = page[page.index("Mean and 95 % interval by every metric") :]
    rows = re.findall(r'<th scope="row">([\w<>]+)</th>', table)[:5]
    assert [row.replace("<wbr>", "") for row in rows] == list(runs.METHODS)


def test_lower_values_win_if_lower_is_better(tmp_path: Path) -> None:
    run = store.open_run(runs.write(tmp_path / "run", images=12, nets={"resnet18": "layer4"}))
    _set(run, "resnet18", "cam", "deletion", [0.1 + 0.01 * image for image in range(12)])
    _set(run, "resnet18", "centre", "deletion", [0.8 + 0.01 * image for image in range(12)])
    comparisons = compare_with_controls(summary.build_table(run, "resnet18"))
    key = ("deletion", "cam", "centre")
    assert [pair.verdict for pair in comparisons if (pair.metric.spec, pair.method, pair.control) == key] == ["better"]


@pytest.mark.parametrize("net", list(runs.NETS))
def test_the_default_suite_fits_one_table_of_eighty_columns(run: Run, net: str) -> None:
    lines = _printed(run, net).splitlines()
    assert max(map(len, lines)) <= 80
    heads = [line for line in lines if line.startswith("method")]
    assert len(heads) == 1 and "wards" in heads[0]  # the whole default suite in one table
    assert "…" not in "".join(lines)


def test_metrics_that_do_not_fit_are_in_further_tables(run: Run) -> None:
    lines = _printed(run, "resnet18", width=44).splitlines()
    assert max(map(len, lines)) <= 44
    heads = [line for line in lines if line.startswith("method")]
    assert len(heads) > 1
    text = "\n".join(lines)
    assert all(f" {short}" in text for _, short, _ in runs.METRICS.values())


def test_the_accuracy_line_counts(run: Run) -> None:
    predictions = run.table("predictions")
    line = summary.describe_accuracy(predictions[predictions["net"] == "vgg16"].assign(probability=0.925))
    assert line == (
        "top-1 5 of 6 single-object images; both true classes in the top 2 on 6 of 6 two-object images; "
        "mean probability of the class explained .925"
    )
    own = predictions[predictions["net"] == "vgg16"].assign(probability=0.925)
    more = own.assign(objects=own["objects"].where(own["objects"] != 1, 3))  # with three objects, or two of one class
    assert summary.describe_accuracy(more).startswith(
        "both true classes in the top 2 on 6 of 6 two-object images; top-1 5 of 6 other images; "
    )
    assert summary.describe_accuracy(more.assign(top2=None)).startswith("top-1 11 of 12 images; ")
    unlabelled = predictions.head(2).assign(top1=None, top2=None, probability=[0.5, 1.0])
    assert (
        summary.describe_accuracy(unlabelled)
        == "the images have no labels that the net knows; mean probability of the class explained .750"
    )


class _Page(HTMLParser):
    """Records the elements and attributes of a page, and the elements that are not closed."""

    VOID = frozenset({"meta", "link", "img", "br", "wbr", "input"})

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_well_formed_and_loads_nothing(page: str) -> None:
    parser = _Page()
    parser.feed(page)
    assert parser.open == []
    for tag, attributes in parser.seen:
        assert tag not in ("link", "iframe", "object")
        for name in ("src", "href", "xlink:href", "poster", "srcset"):
            assert (attributes.get(name) or "#").startswith(("#", "data:"))
    assert "<metadata" not in page  # matplotlib would add it to figures
    assert "@import" not in page and not re.search(r"url\((?!#)", page)
    assert sum(tag == "script" for tag, _ in parser.seen) == 2  # the data, and the script
    assert len(page) < 3_000_000


def test_the_page_has_text_for_every_picture_and_figure(page: str) -> None:
    parser = _Page()
    parser.feed(page)
    assert all(attributes.get("alt") for tag, attributes in parser.seen if tag == "img")
    assert all(attributes.get("scope") in ("row", "col") for tag, attributes in parser.seen if tag == "th")
    # best, median, worst; three images on three nets; plain CAM not on vgg16; scales; twelve images in a table on three nets,
    # each with a panel
    pictures = 14 * 3 + 3 * (3 + 5 + 5 + 4) + 3 + 12 * 3 + 12 * (6 + 6 + 5)
    assert sum(tag == "img" for tag, _ in parser.seen) == pictures
    panels, binary = 3 * 8, 2
    figures = 3 * panels + 3 * 2 + (panels - 3 * binary) + 8  # ranking and both costs, curves, images, ranks over nets
    assert sum(tag == "svg" and bool(attributes.get("aria-label")) for tag, attributes in parser.seen) == figures
    ids = [attributes["id"] for _, attributes in parser.seen if attributes.get("id")]
    assert len(ids) == len(set(ids))
    assert {attributes["href"] for tag, attributes in parser.seen if tag == "a"} <= {f"#{id_}" for id_ in ids}


def test_the_gallery_shows_best_median_and_worst(tmp_path: Path) -> None:
    run = store.open_run(runs.write(tmp_path / "run", images=5, nets={"resnet18": "layer4"}))
    _set(run, "resnet18", "cam", "insertion", [0.5, 0.1, 0.9, 0.2, 0.7])
    captions = re.findall(r"<figcaption><b>(\w+): ([.\d]+)</b> · ([^·]+) · ([^<]+)</figcaption>", html.render(run))
    assert captions[:3] == [
        ("best", ".900", "ring &amp; key", "image 02"),
        ("median", ".500", "ring &amp; key", "image 00"),
        ("worst", ".100", "ring &amp; key", "image 01"),
    ]


def test_methods_without_pictures_are_named_once_below_the_gallery(tmp_path: Path) -> None:
    page = html.render(store.open_run(runs.write(tmp_path / "run", images=3, nets={"vgg16": "features.29"})))
    below = re.findall(r'<p class="none">(No picture of [^<]+)</p>', page)
    assert below == ["No picture of cam: no global pooling: the net ends in fully connected layers."]
    assert 'class="gallery" data-method="cam"' not in page and 'class="gallery" data-method="grad_cam"' in page


def test_there_is_no_gallery_where_maps_of_few_images_are_kept(tmp_path: Path) -> None:
    directory = runs.write(tmp_path / "run", images=5, nets={"resnet18": "layer4"})
    maps = store.open_run(directory).table("maps")
    kept = maps["image"].isin(["image 00", "image 01"])
    for first, shown in ((maps["image"] != "", True), (kept, False)):
        runs.rewrite(directory, "maps", maps[first])
        assert ('id="gallery"' in html.render(store.open_run(directory))) == shown


def test_the_text_of_a_run_is_escaped(tmp_path: Path) -> None:
    directory = runs.write(tmp_path / "run", images=3, nets={f"net {EVIL}": f"layer {EVIL}"}, prefix=EVIL)
    rename_class(directory, EVIL)
    run = store.open_run(directory)
    scores = run.table("scores")
    scores.loc[scores["method"] == "cam", "value"] = np.nan
    scores.loc[scores["method"] == "cam", "reason"] = EVIL
    runs.rewrite(directory, "scores", scores)
    run.header.suite.name = run.header.environment["python"] = EVIL
    parser = _Page()
    parser.feed(html.render(run))
    assert sum(tag == "script" for tag, _ in parser.seen) == 2 and parser.open == []
    text = markdown.render(run)
    assert "<script>" not in text and f"net {escape(EVIL)}" in text
    assert "[red]x[/red]" in _printed(run, f"net {EVIL}").replace("\n", "")
    assert EVIL in set(pd.read_csv(io.StringIO(csv.render(run)))["reason"])


def test_settings_that_all_metrics_share_are_shown_once(run: Run) -> None:
    text = markdown.render(run).partition("## Protocol")[2].partition("##")[0]
    lines = text.strip().splitlines()
    assert len(lines) == len(run.header.metrics) + 1 and lines[-1].startswith("- All metrics: ")
    assert not re.search(r"\bNone\b|\{\}|\bname ", text)
    for spec, settings in run.header.protocols.items():
        (own,) = [line for line in lines if line.startswith(f"- **{escape(spec)}**: ")]
        words = f"{own}, {lines[-1]}"
        for key, value in settings.items():
            if key not in ("name", "metric") and value is not None and value not in ("", {}):
                assert f"{key} {value}" in words.replace("\\", ""), "every number that fixes a score is there"
    (only,) = list(
        describe_protocols(run.header.model_copy(update={"protocols": {"energy": {"metric": "energy"}}})).own
    )
    assert only == "energy"


def test_images_a_second_are_shown_where_batches_were_timed(run: Run, tmp_path: Path) -> None:
    assert "images a second" not in markdown.render(run)
    directory = Path(shutil.copytree(run.directory, tmp_path / "timed"))
    cost = Run(directory, run.header).table("cost")
    runs.rewrite(directory, "cost", cost.assign(batch=8, batch_seconds=0.5))
    assert "images a second" in (text := markdown.render(Run(directory, run.header))) and "in a batch of 8" in text


def test_the_rows_of_a_markdown_table_have_equally_many_cells(run: Run) -> None:
    rows = [line for line in markdown.render(run).splitlines() if line.startswith("|")]
    assert len(rows) == 3 * 2 * (2 + 5)
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {11, 13}  # standings, and means
    assert escape("a|b\nc") == r"a\|b c" and escape("grad_cam") == "grad_cam"


@pytest.mark.parametrize("report", REPORTS)
def test_an_empty_run_is_reported_as_empty(tmp_path: Path, report: ModuleType) -> None:
    run = store.open_run(runs.write(tmp_path / "run", images=1))
    for table in runs.TABLES:
        shutil.rmtree(tmp_path / "run" / table, ignore_errors=True)
    text = report.render(run)
    assert "No image is complete yet" in text or report is csv
    assert "no image is complete yet" in _printed(run, "vgg16")


@pytest.mark.parametrize("report", REPORTS)
def test_an_incomplete_run_states_how_many_images_are_done(tmp_path: Path, report: ModuleType) -> None:
    directory = runs.write(tmp_path / "run", images=4)
    for name in ("scores", "curves", "maps", "predictions", "cost"):
        frame = store.open_run(directory).table(name)
        keep = (frame["net"] == "squeezenet1_1") | ((frame["net"] == "resnet18") & (frame["image"] == "image 00"))
        runs.rewrite(directory, name, frame[keep])
    run = store.open_run(directory)
    text = report.render(run)
    if report is not csv:
        assert "images so far: resnet18 1 of 4, vgg16 0 of 4" in text
    assert "resnet18, layer4: 1 of 4 images" in _printed(run, "resnet18")
    assert "both true classes in the top 2 on 1 of 1" in _printed(run, "resnet18")


@pytest.mark.parametrize("table", ["curves", "maps", "images"])
@pytest.mark.parametrize("report", REPORTS)
def test_a_table_may_be_missing(tmp_path: Path, report: ModuleType, table: str) -> None:
    directory = runs.write(tmp_path / "run", images=2, nets={"vgg16": "features"})
    for file in [*directory.glob(f"{table}.parquet"), *directory.glob(f"{table}/*")]:
        file.unlink()
    assert report.render(store.open_run(directory))


def test_one_image_has_no_interval(tmp_path: Path) -> None:
    run = store.open_run(runs.write(tmp_path / "run", images=1, nets={"resnet18": "layer4"}))
    assert "nan" not in (markdown.render(run) + _printed(run, "resnet18")).lower()
    assert ">nan" not in html.render(run)
    comparisons = list(compare_with_controls(summary.build_table(run, "resnet18")))
    assert {comparison.verdict for comparison in comparisons} <= {"undecided", "unknown"}


@pytest.mark.parametrize("report", [markdown, html])
def test_one_image_is_singular_in_every_sentence(tmp_path: Path, report: ModuleType) -> None:
    run = store.open_run(runs.write(tmp_path / "run", images=1, nets={"resnet18": "layer4"}))
    scores = run.table("scores").assign(constant_map=True)
    runs.rewrite(run.directory, "scores", scores)
    text = report.render(run) + _printed(run, "resnet18")
    assert not re.findall(r".{0,40}\b1 (?:\S+ )?(?:images|maps|nets|methods|metrics|comparisons)\b", text)
    assert "1 image, bf16; mean, no interval\n" in _printed(run, "resnet18")
    if report is markdown:
        assert "no method is better; there is no interval (1 image)" in text


def test_the_terminal_shows_both_ends_of_each_interval(tmp_path: Path) -> None:
    run = store.open_run(runs.write(tmp_path / "run", images=3, nets={"resnet18": "layer4"}))
    _set(run, "resnet18", "cam", "insertion", [0.0, 0.1, 0.2])
    _set(run, "resnet18", "cam", "pointing", [1.0, 1.0, 1.0])
    lines = _printed(run, "resnet18").splitlines()
    assert lines[0].endswith("mean and its 95 % interval")
    row = next(number for number, line in enumerate(lines) if line.startswith("cam "))
    assert [line.split()[:2] for line in lines[row : row + 3]] == [["cam", ".100"], ["low", ".000"], ["high", ".730"]]
    assert [line.split()[6] for line in lines[row : row + 3]] == ["1.00", ".292", "1.00"]


def test_rows_stay_aligned_for_a_method_without_scores_or_with_a_long_name(tmp_path: Path) -> None:
    directory = runs.write(tmp_path / "run", images=3, nets={"resnet18": "layer4"})
    rename_method(directory, "score_cam", "score_cam[fill=black,channels=16]")
    run = store.open_run(directory)
    scores = run.table("scores")
    scores.loc[scores["method"] == "cam", "value"] = np.nan
    scores.loc[scores["method"] == "cam", "reason"] = runs.NO_CAM
    runs.rewrite(directory, "scores", scores)
    lines = _printed(run, "resnet18").splitlines()
    names = [line.split()[0] for line in lines[3:15]]
    assert names[:4] == ["cam", "grad_cam", "low", "high"]
    start = names.index("score_cam[fill=bl")
    assert names[start : start + 4] == ["score_cam[fill=bl", "ack,channels=16]", "low", "high"]


def test_numbers_have_three_significant_digits() -> None:
    expected = {
        0.7812: ".781",
        1.0: "1.00",
        0.9996: "1.00",
        12.34: "12.3",
        513.4: "513",
        -0.034: "-.034",
        0.0: ".000",
        -0.0004: ".000",
    }
    assert {value: formatting.format_number(value) for value in expected} == expected
    assert formatting.format_number(float("nan")) == "-"
    assert [formatting.format_cost(value) for value in (0.0, 0.0021, 0.00002, 2.461)] == ["0", ".0021", "2e-05", "2.46"]


def test_the_terminal_and_the_reports_say_alike_which_scores_and_maps_are_missing(tmp_path: Path) -> None:
    run = store.open_run(runs.write(tmp_path / "run", images=4, nets={"resnet18": "layer4"}))
    scores = run.table("scores")
    first = (scores["image"] == "image 00") & (scores["method"] == "cam")
    lost = first & (scores["metric"] == "insertion")
    scores.loc[lost, "value"], scores.loc[lost, "reason"] = np.nan, "it is lost"
    runs.rewrite(run.directory, "scores", scores.assign(constant_map=first))
    for text in (_printed(run, "resnet18"), markdown.render(run), html.render(run)):
        shown = " ".join(text.split())
        assert "over 3 of 4 images by cam (it is lost)" in shown and "cam: 1 map constant, without information" in shown


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.79986, ".7999"), (0.799996, ".799996"), (0.7994, ".799"), (0.8, ".800"), (0.80001, ".800"), (0.66696, ".66696"),
     (-0.2, "-.200"), (0.9999, "1.00"), (float("nan"), "-")],
)  # fmt: skip
def test_a_number_beside_a_bound_shows_on_which_side_it_lies(value: float, text: str) -> None:
    assert formatting.format_beside(value, (0.8, 0.667)) == text


@pytest.mark.parametrize(
    ("value", "bound", "text"),
    [
        (10.79996, 10.8, "10.79996"),
        (-10.80004, -10.8, "-10.80004"),
        (-0.80004, -0.8, "-.80004"),
        (20.0123, 20.03, "20.0"),
    ],
)
def test_a_number_beside_a_bound_keeps_its_digits(value: float, bound: float, text: str) -> None:
    assert formatting.format_beside(value, (bound,)) == text


def test_a_p_value_has_a_lowest_text() -> None:
    assert [formatting.format_p(p) for p in (0.0004, 0.001, 0.25, float("nan"))] == ["<.001", ".001", ".250", ""]
    assert [formatting.format_p(p, "p") for p in (0.0004, 0.012)] == ["p < .001", "p = .012"]


def make_curves(method: str, shares: list[list[float]], scores: list[list[float]]) -> pd.DataFrame:
    images = [f"image {number}" for number in range(len(scores))]
    return pd.DataFrame({"dataset": "scenes", "image": images, "method": method, "shares": shares, "scores": scores})


@pytest.mark.parametrize("n", [2, 3, 7, 8, 12])
def test_a_band_is_the_interval_of_each_mean_and_has_no_width_for_equal_values(n: int) -> None:
    middle = np.random.default_rng(5).beta(2, 3, n)
    curves = [[0.0, value, 1.0] for value in middle]
    rows = make_curves("cam", [[0.0, 0.5, 1.0]] * n, curves)
    band = compute_bands(rows, ["cam"]).by_method["cam"]
    expected = stats.estimate_mean(middle, bounds=(0, 1))
    assert band.mean == pytest.approx([0, expected.mean, 1])
    assert band.low == pytest.approx([0, expected.low, 1], abs=0.01)
    assert band.high == pytest.approx([0, expected.high, 1], abs=0.01)


def test_the_band_of_one_curve_has_no_width() -> None:
    rows = make_curves("cam", [[0.0, 1.0]], [[0.2, 0.9]])
    band = compute_bands(rows, ["cam"]).by_method["cam"]
    assert band.low.tolist() == band.mean.tolist() == band.high.tolist() == [0.2, 0.9]


def test_curves_are_means_over_the_images_that_all_methods_have_and_methods_with_few_images_are_left_out() -> None:
    heights = {"cam": [0.1, 0.2, 0.9, 0.9], "expensive": [0.5, 0.6], "scarce": [0.7]}
    rows = [make_curves(method, [[0.0, 1.0]] * len(ys), [[y, y] for y in ys]) for method, ys in heights.items()]
    bands = compute_bands(pd.concat(rows), ["expensive", "scarce", "cam"])
    assert {method: band.mean.tolist() for method, band in bands.by_method.items()} == {
        "expensive": pytest.approx([0.55, 0.55]),
        "cam": pytest.approx([0.15, 0.15]),
    }
    assert (list(bands.by_method), bands.images, bands.left_out) == (["expensive", "cam"], 2, ["scarce"])
    apart = compute_bands(pd.concat([rows[0].iloc[2:], rows[1]]), ["cam", "expensive"])
    assert (apart.by_method, apart.images, apart.left_out) == ({}, 0, [])


def test_a_figure_of_curves_says_on_how_many_images_it_is_and_which_methods_it_lacks(tmp_path: Path) -> None:
    directory = runs.write(tmp_path / "run", images=5, nets={"resnet18": "layer4"})
    curves = store.open_run(directory).table("curves")
    image = curves["image"].astype(str)
    expensive, scarce = (curves["method"] == method for method in ("score_cam", "cam"))
    runs.rewrite(directory, "curves", curves[~(expensive & (image > "image 02")) & ~(scarce & (image > "image 00"))])
    page = html.render(store.open_run(directory))
    assert "<figcaption>resnet18, insertion: 3 images (on too few: cam)</figcaption>" in page
    apart = (expensive & (image > "image 01")) | (~expensive & (image <= "image 01"))
    runs.rewrite(directory, "curves", curves[apart & ~scarce])
    page = html.render(store.open_run(directory))
    assert "<figcaption>resnet18, insertion: no image has a curve of all methods</figcaption></figure>" in page


@pytest.mark.parametrize(
    ("level", "note"), [(0.1, "cam, grad_cam, score_cam (8 to 12 images)."), (0.9, "cam, grad_cam (12 images).")]
)
def test_notes_on_controls_count_the_images_of_their_comparisons_and_no_metric_of_ties(
    level: float, note: str, tmp_path: Path
) -> None:
    directory = runs.add_ties(runs.write(tmp_path / "run", nets={"resnet18": "layer4"}), {})
    run = store.open_run(directory)
    for method in run.header.methods:
        of_method = {"centre": 0.9, "score_cam": level}.get(method, 0.1)
        _set(run, "resnet18", method, "energy", [of_method + 0.001 * image for image in range(12)])
    rows = store.open_run(directory).table("scores")
    few = (rows["method"] == "score_cam") & (rows["image"].astype(str) >= "image 08")
    runs.rewrite(directory, "scores", rows[~few])
    text = markdown.render(store.open_run(directory))
    assert f"energy against centre: no method is better; the control is better than {note}" in text
    assert " of 8 metrics" in text and "of 9 metrics" not in text and "insertion_ties against" not in text


def test_a_series_of_maps_without_a_curve_is_left_out(tmp_path: Path) -> None:
    directory = runs.write(tmp_path / "run", images=2, nets={"resnet18": "layer4"})
    run = store.open_run(directory)
    maps = run.table("maps").query("method == 'cam' or method == 'grad_cam'")
    steps = [maps.assign(metric="insertion", share=share) for share in run.table("curves")["shares"].iloc[0]]
    runs.rewrite(directory, "strips", pd.concat(steps))
    curves = run.table("curves")
    shown = [html.render(store.open_run(directory)).split('id="sanity"')[1].split("</section>")[0]]
    for kept in (curves["method"] != "cam", curves["method"] == "none"):
        runs.rewrite(directory, "curves", curves[kept])
        shown.append(html.render(store.open_run(directory)).partition('id="sanity"')[2].partition("</section>")[0])
    assert [section.count("<img") for section in shown] == [2 * len(steps), len(steps), 0]


def test_the_montage_is_a_png(run: Run) -> None:
    assert draw_montage(run, images=2).startswith(b"\x89PNG")


def test_the_score_and_the_notes_of_a_multi_label_net_are_reported(tmp_path: Path) -> None:
    directory = runs.write(tmp_path / "run", images=3, nets={"resnet18": "layer4", "mine": "conv"})
    header = json.loads((directory / "run.json").read_text(encoding="utf-8"))
    note = "its class scores are the probabilities that it returns"
    header["nets"]["mine"] |= {"scores": "sigmoid", "notes": [note]}
    header["suite"]["name"] = "mine"
    (directory / "run.json").write_text(json.dumps(header), encoding="utf-8")
    run = store.open_run(directory)
    both = "score softmax or sigmoid, target predicted"
    for text in (markdown.render(run), html.render(run)):
        assert both in text and note in text and "scenes (suite mine)" in text
    table = pd.read_csv(io.StringIO(csv.render(run)))
    assert {
        net: set(rows["protocol"].str.extract(r"(score \w+),")[0]) for net, rows in table.groupby("net", observed=True)
    } == {
        "resnet18": {"score softmax"},
        "mine": {"score sigmoid"},
    }


def test_a_report_begins_with_the_images_that_failed(tmp_path: Path) -> None:
    run = store.open_run(runs.write(tmp_path / "run", images=4, nets={"resnet18": "layer4"}))
    for table in ("scores", "curves", "predictions"):
        rows = run.table(table)
        runs.rewrite(run.directory, table, rows[rows["image"] != "image 03"])
    failure = {"dataset": "scenes", "image": "image 03", "net": "resnet18", "reason": "it is truncated"}
    runs.rewrite(run.directory, "failures", pd.DataFrame([failure]))
    page, banner = (
        html.render(store.open_run(run.directory)),
        "1 image of 4 failed on 1 net, the first image 03 on resnet18: it",
    )
    assert banner in page and page.index(banner) < page.index("The answer</h2>")
    assert banner in markdown.render(store.open_run(run.directory))


OWN_REPORT = '''"""My report: the answer and the means."""


def render(run):
    return f"{run.answer()[0].net} {len(run.summary())}"


def page(runs, files):
    return f"{len(runs)} runs together"
'''


def test_a_report_of_a_users_own_gets_runs_as_load_returns_them(tmp_path: Path) -> None:
    directory = runs.write(tmp_path / "run", images=3, nets={"resnet18": "layer4"})
    (tmp_path / "mine.py").write_text(OWN_REPORT, encoding="utf-8")
    own = ("--format", tmp_path / "mine.py")
    assert bench("report", directory, *own).output.strip() == "resnet18 40"
    assert bench("report", directory, directory, *own).output.strip() == "2 runs together"
