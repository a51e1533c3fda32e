"""What a run is shown as: numbers that are right, reasons in words, and nothing of a run's own text taken for markup."""

import io
import re
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from cambench.bench.core import formatting
from cambench.bench.show import terminal as console
from cambench.bench.stats import estimate as stats
from cambench.bench.stats import summary
from cambench.bench.stats.summary import Metric
from cambench.bench.store import run as store
from cambench.bench.store.run import Run
from cambench.reports import csv, html, markdown
from cambench.reports._page.controls import contests
from cambench.reports._plots.bands import band
from cambench.reports._tables.markdown import escape
from cambench.tools.montage import montage

from ..support import runs

REPORTS: tuple[ModuleType, ...] = (markdown, csv, html)
EVIL = "<script>alert(1)</script> | [red]x[/red] *b* $y$ \"q' &"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return store.read(runs.write(tmp_path_factory.mktemp("runs") / "whole"))


@pytest.fixture(scope="module")
def page(run: Run) -> str:
    return html.render(run)


def _set(run: Run, net: str, method: str, metric: str, values: list[float]) -> None:
    """Puts values in place of those that a method scored."""
    scores = run.table("scores")
    chosen = (scores["net"] == net) & (scores["method"] == method) & (scores["metric"] == metric)
    scores.loc[chosen, "value"] = values
    runs.rewrite(run.directory, "scores", scores)


def _printed(run: Run, net: str, width: int = 80) -> str:
    terminal = Console(width=width, file=io.StringIO(), color_system=None)
    terminal.print(console.comparison(run, net, width))
    assert isinstance(terminal.file, io.StringIO)
    return terminal.file.getvalue()


def _metric(run: Run, spec: str) -> Metric:
    return next(metric for metric in summary.metrics(run) if metric.spec == spec)


def test_means_and_costs_are_those_worked_out_by_hand(tmp_path: Path) -> None:
    run = store.read(runs.write(tmp_path / "run", images=4, nets={"resnet18": "layer4"}))
    _set(run, "resnet18", "cam", "insertion", [0.1, 0.2, 0.3, 0.8])
    _set(run, "resnet18", "cam", "pointing", [1.0, 1.0, 1.0, 0.0])
    cost = run.table("cost")
    cost.loc[cost["method"] == "cam", "seconds"] = [1.0, 2.0, 3.0, 10.0]
    runs.rewrite(run.directory, "cost", cost)
    shown = summary.table(run, "resnet18")
    estimate = shown.entry("cam", _metric(run, "insertion")).estimate
    assert estimate.mean == pytest.approx(0.35) and estimate.n == 4
    assert (estimate.low, estimate.high) == pytest.approx((0.0, 0.8447), abs=1e-4)  # Student's, cut to the range
    wilson = shown.entry("cam", _metric(run, "pointing")).estimate
    assert wilson[:3] == pytest.approx((0.75, 0.3006, 0.9544), abs=1e-4)
    assert shown.costs["cam"] == summary.Cost(2.5, (1.75, 4.75), 1.0, 1.25e6)


def test_csv_gives_pandas_what_the_tables_hold(run: Run) -> None:
    frame = pd.read_csv(io.StringIO(csv.render(run)))
    assert len(frame) == 3 * 5 * 8
    scores = run.table("scores")
    means = scores.groupby(["net", "method", "metric"])["value"].mean()
    found = frame.set_index(["net", "method", "metric"])["mean"]
    pd.testing.assert_series_equal(found.sort_index(), means.sort_index(), check_names=False)
    absent = frame[(frame["net"] == "vgg16") & (frame["method"] == "cam")]
    assert set(absent["reason"]) == {runs.NO_CAM} and set(absent["n"]) == {0} and absent["seconds"].isna().all()
    assert frame["reason"].notna().sum() == 8
    assert set(frame[frame["metric"] == "distractor"]["n"]) == {6, 0}


def test_a_reason_is_told_wherever_a_score_is_missing(run: Run, page: str) -> None:
    for text in (page, markdown.render(run), _printed(run, "vgg16").replace("\n", " ")):
        assert runs.NO_CAM in text
        assert runs.NO_OTHER in text
    assert "6 of 12 images" in _printed(run, "vgg16") and "6 of 12 images" in page
    assert runs.NO_CAM not in _printed(run, "resnet18")


def test_a_method_that_beats_no_control_is_told(tmp_path: Path) -> None:
    run = store.read(runs.write(tmp_path / "run", images=4, nets={"resnet18": "layer4"}))
    for method in ("cam", "grad_cam", "score_cam"):
        _set(run, "resnet18", method, "energy", [0.1, 0.11, 0.12, 0.13])
    _set(run, "resnet18", "centre", "energy", [0.8, 0.81, 0.82, 0.83])
    told = "the images do not settle it"  # of four the exact signed-rank test says p = .125 at the least
    assert f"energy against centre, no method is better: {told} (4 images)" in markdown.render(run)
    assert "energy against centre: <span>no method is better" in html.render(run)


def test_the_best_mean_is_bold_up_or_down_and_equals_share_it(tmp_path: Path) -> None:
    run = store.read(runs.write(tmp_path / "run", images=3, nets={"resnet18": "layer4"}))
    for metric in ("insertion", "deletion"):
        for method, value in {"cam": 0.9, "grad_cam": 0.9001, "score_cam": 0.5, "random": 0.2, "centre": 0.3}.items():
            _set(run, "resnet18", method, metric, [value] * 3)
    shown = summary.table(run, "resnet18")
    assert shown.best(_metric(run, "insertion")) == ["cam", "grad_cam"]
    assert shown.best(_metric(run, "deletion")) == ["random"]
    line = next(line for line in markdown.render(run).splitlines() if line.startswith("| grad_cam |"))
    assert line.split(" | ")[1].startswith("**.900**") and line.split(" | ")[2].startswith(".900")
    text = html.render(run)
    table = text[text.index("Mean and 95 % interval by every metric") : text.index('id="curves"')]
    assert len(re.findall(r'<td class="num "[^>]*><b>\.200</b>', table)) == 1
    assert len(re.findall(r'<td class="num "[^>]*><b>\.900</b>', table)) == 2


def test_methods_stand_in_the_order_of_the_suite(run: Run, page: str) -> None:
    rows = [line.split()[0] for line in _printed(run, "resnet18").splitlines()[3:18:3]]
    assert rows == list(runs.METHODS)
    lines = [line.split(" | ")[0][2:] for line in markdown.render(run).splitlines() if line.startswith("| ")]
    assert lines[2:7] == list(runs.METHODS)
    table = page[page.index("Mean and 95 % interval by every metric") :]
    rows = re.findall(r'<th scope="row">([\w<>]+)</th>', table)[:5]
    assert [row.replace("<wbr>", "") for row in rows] == list(runs.METHODS)


@pytest.mark.parametrize(
    ("cam", "centre", "verdict", "words"),
    [
        ([0.8, 0.81, 0.82, 0.83], [0.2, 0.21, 0.22, 0.23], "better", ".815 (.794 to .836) against .215 ("),
        ([0.2, 0.21, 0.22, 0.23], [0.8, 0.81, 0.82, 0.83], "worse", "centre scores better here: .215"),
        ([0.2, 0.4, 0.6, 0.8], [0.3, 0.5, 0.7, 0.9], "unsettled", "4 images do not settle it: the intervals overlap"),
    ],
)
def test_a_control_is_beaten_only_where_intervals_part(
    tmp_path: Path, cam: list[float], centre: list[float], verdict: str, words: str
) -> None:
    run = store.read(runs.write(tmp_path / "run", images=4, nets={"resnet18": "layer4"}))
    _set(run, "resnet18", "cam", "insertion", cam)
    _set(run, "resnet18", "centre", "insertion", centre)
    every = list(contests(summary.table(run, "resnet18")))
    assert {contest.control for contest in every} == {"random", "centre"}
    assert {contest.method for contest in every} == {"cam", "grad_cam", "score_cam"}
    (found,) = [one for one in every if (one.metric.spec, one.method, one.control) == ("insertion", "cam", "centre")]
    assert found.verdict == verdict and words in found.words


def test_less_is_better_where_the_metric_says_so(tmp_path: Path) -> None:
    run = store.read(runs.write(tmp_path / "run", images=4, nets={"resnet18": "layer4"}))
    _set(run, "resnet18", "cam", "deletion", [0.1, 0.11, 0.12, 0.13])
    _set(run, "resnet18", "centre", "deletion", [0.8, 0.81, 0.82, 0.83])
    every = contests(summary.table(run, "resnet18"))
    assert [
        one.verdict for one in every if (one.metric.spec, one.method, one.control) == ("deletion", "cam", "centre")
    ] == ["better"]


@pytest.mark.parametrize("net", list(runs.NETS))
def test_the_terminal_is_filled_and_not_overrun(run: Run, net: str) -> None:
    lines = _printed(run, net).splitlines()
    assert max(map(len, lines)) <= 80
    heads = [line for line in lines if line.startswith("method")]
    assert len(heads) == 1 and "wards" in heads[0]  # all of the default suite in one table
    assert "…" not in "".join(lines)


def test_more_metrics_than_fit_make_several_tables(run: Run) -> None:
    lines = _printed(run, "resnet18", width=44).splitlines()
    assert max(map(len, lines)) <= 44
    heads = [line for line in lines if line.startswith("method")]
    assert len(heads) > 1
    text = "\n".join(lines)
    assert all(f" {short}" in text for _, short, _ in runs.METRICS.values())


def test_the_accuracy_line_counts(run: Run) -> None:
    predictions = run.table("predictions")
    line = summary.accuracy(predictions[predictions["net"] == "vgg16"].assign(probability=0.925))
    assert line == (
        "top-1 5 of 6 single-object images; both true classes in the top 2 on 6 of 6 two-object images; "
        "mean probability of the class explained .925"
    )
    unlabelled = predictions.head(2).assign(top1=None, top2=None, probability=[0.5, 1.0])
    assert (
        summary.accuracy(unlabelled)
        == "the images have no labels that the net knows; mean probability of the class explained .750"
    )


class _Page(HTMLParser):
    """Follows which elements and attributes a page has, and which elements stay open."""

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
    assert "<metadata" not in page  # of the figures: addresses that no one needs
    assert "@import" not in page and not re.search(r"url\((?!#)", page)
    assert sum(tag == "script" for tag, _ in parser.seen) == 2  # the data, and what reads it
    assert len(page) < 3_000_000


def test_the_page_can_be_read_without_seeing_it(page: str) -> None:
    parser = _Page()
    parser.feed(page)
    assert all(attributes.get("alt") for tag, attributes in parser.seen if tag == "img")
    assert all(attributes.get("scope") in ("row", "col") for tag, attributes in parser.seen if tag == "th")
    pictures = 14 * 3 + 3 * (3 + 5 + 5 + 4)  # best, median, worst; three images on three nets; plain CAM not on vgg16
    assert sum(tag == "img" for tag, _ in parser.seen) == pictures
    views, rates = 3 * 8, 2
    figures = 3 * views + 3 * 2 + (views - 3 * rates) + 8  # ranking and both costs, curves, images, ranks over nets
    assert sum(tag == "svg" and bool(attributes.get("aria-label")) for tag, attributes in parser.seen) == figures
    ids = [attributes["id"] for _, attributes in parser.seen if attributes.get("id")]
    assert len(ids) == len(set(ids))
    assert {attributes["href"] for tag, attributes in parser.seen if tag == "a"} <= {f"#{one}" for one in ids}


def test_the_gallery_shows_best_median_and_worst(tmp_path: Path) -> None:
    run = store.read(runs.write(tmp_path / "run", images=5, nets={"resnet18": "layer4"}))
    _set(run, "resnet18", "cam", "insertion", [0.5, 0.1, 0.9, 0.2, 0.7])
    captions = re.findall(r"<figcaption><b>(\w+): ([.\d]+)</b> · ([^·]+) · ([^<]+)</figcaption>", html.render(run))
    assert captions[:3] == [
        ("best", ".900", "ring &amp; key", "image 02"),
        ("median", ".500", "ring &amp; key", "image 00"),
        ("worst", ".100", "ring &amp; key", "image 01"),
    ]


def test_what_a_run_says_is_never_markup(tmp_path: Path) -> None:
    directory = runs.write(tmp_path / "run", images=3, nets={f"net {EVIL}": f"layer {EVIL}"}, prefix=EVIL)
    run = store.read(directory)
    scores, predictions = run.table("scores"), run.table("predictions")
    scores.loc[scores["method"] == "cam", "value"] = np.nan
    scores.loc[scores["method"] == "cam", "reason"] = EVIL
    runs.rewrite(directory, "scores", scores)
    runs.rewrite(directory, "predictions", predictions.assign(target_name=EVIL))
    run.header["suite"]["name"] = run.header["environment"]["python"] = EVIL
    parser = _Page()
    parser.feed(html.render(run))
    assert sum(tag == "script" for tag, _ in parser.seen) == 2 and parser.open == []
    text = markdown.render(run)
    assert "<script>" not in text and f"net {escape(EVIL)}" in text
    assert "[red]x[/red]" in _printed(run, f"net {EVIL}").replace("\n", "")
    assert EVIL in set(pd.read_csv(io.StringIO(csv.render(run)))["reason"])


def test_markdown_tables_have_as_many_cells_in_each_row(run: Run) -> None:
    rows = [line for line in markdown.render(run).splitlines() if line.startswith("|")]
    assert len(rows) == 3 * (2 + 5)
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {13}
    assert escape("a|b\nc") == r"a\|b c" and escape("grad_cam") == "grad_cam"


@pytest.mark.parametrize("report", REPORTS)
def test_an_empty_run_is_reported_in_words(tmp_path: Path, report: ModuleType) -> None:
    run = store.read(runs.write(tmp_path / "run", images=0))
    text = report.render(run)
    assert "No image is complete yet" in text or report is csv
    assert "no image is complete yet" in _printed(run, "vgg16")


@pytest.mark.parametrize("report", REPORTS)
def test_a_run_in_progress_says_how_far_it_is(tmp_path: Path, report: ModuleType) -> None:
    directory = runs.write(tmp_path / "run", images=4)
    for name in ("scores", "curves", "maps"):
        frame = store.read(directory).table(name)
        keep = (frame["net"] == "squeezenet1_1") | ((frame["net"] == "resnet18") & (frame["image"] == "image 00"))
        runs.rewrite(directory, name, frame[keep])
    run = store.read(directory)
    text = report.render(run)
    if report is not csv:
        assert "images so far: resnet18 1 of 4, vgg16 0 of 4" in text
    assert "resnet18, layer4: 1 of 4 images" in _printed(run, "resnet18")
    assert "both true classes in the top 2 on 1 of 1" in _printed(run, "resnet18")


@pytest.mark.parametrize("table", ["curves", "maps", "images", "cost", "predictions"])
@pytest.mark.parametrize("report", REPORTS)
def test_a_table_may_be_missing(tmp_path: Path, report: ModuleType, table: str) -> None:
    directory = runs.write(tmp_path / "run", images=2, nets={"vgg16": "features"})
    for file in [*directory.glob(f"{table}.parquet"), *directory.glob(f"{table}/*")]:
        file.unlink()
    assert report.render(store.read(directory))


def test_one_image_has_no_interval(tmp_path: Path) -> None:
    run = store.read(runs.write(tmp_path / "run", images=1, nets={"resnet18": "layer4"}))
    assert "nan" not in (markdown.render(run) + _printed(run, "resnet18")).lower()
    assert ">nan" not in html.render(run)
    found = list(contests(summary.table(run, "resnet18")))
    assert {contest.verdict for contest in found} <= {"unsettled", "unknown"}


@pytest.mark.parametrize("report", [markdown, html])
def test_one_image_is_one_image(tmp_path: Path, report: ModuleType) -> None:
    run = store.read(runs.write(tmp_path / "run", images=1, nets={"resnet18": "layer4"}))
    scores = run.table("scores").assign(constant_map=True)
    runs.rewrite(run.directory, "scores", scores)
    told = report.render(run) + _printed(run, "resnet18")
    assert not re.findall(r".{0,40}\b1 (?:\S+ )?(?:images|maps|nets|methods|metrics|comparisons)\b", told)
    assert "1 image, bf16; mean, no interval\n" in _printed(run, "resnet18")
    if report is markdown:
        assert "no method is better: there is no interval (1 image)" in told


def test_the_terminal_shows_the_ends_of_each_interval_and_not_its_half(tmp_path: Path) -> None:
    run = store.read(runs.write(tmp_path / "run", images=3, nets={"resnet18": "layer4"}))
    _set(run, "resnet18", "cam", "insertion", [0.0, 0.1, 0.2])
    _set(run, "resnet18", "cam", "pointing", [1.0, 1.0, 1.0])
    lines = _printed(run, "resnet18").splitlines()
    assert lines[0].endswith("mean and its 95 % interval")
    row = next(number for number, line in enumerate(lines) if line.startswith("cam "))
    assert [line.split()[:2] for line in lines[row : row + 3]] == [["cam", ".100"], ["low", ".000"], ["high", ".348"]]
    assert [line.split()[6] for line in lines[row : row + 3]] == ["1.00", ".439", "1.00"]


def test_a_method_without_scores_or_with_a_long_name_keeps_its_rows_in_line(tmp_path: Path) -> None:
    directory = runs.write(tmp_path / "run", images=3, nets={"resnet18": "layer4"})
    run, long = store.read(directory), "score_cam[fill=black,channels=16]"
    scores = run.table("scores").replace({"method": {"score_cam": long}})
    scores.loc[scores["method"] == "cam", "value"] = np.nan
    scores.loc[scores["method"] == "cam", "reason"] = runs.NO_CAM
    runs.rewrite(directory, "scores", scores)
    run.header["methods"] = {long if key == "score_cam" else key: value for key, value in run.header["methods"].items()}
    lines = _printed(run, "resnet18").splitlines()
    names = [line.split()[0] for line in lines[3:15]]
    assert names[:4] == ["cam", "grad_cam", "low", "high"]
    start = names.index("score_cam[fill=bl")
    assert names[start : start + 4] == ["score_cam[fill=bl", "ack,channels=16]", "low", "high"]


def test_numbers_are_short_and_keep_three_figures() -> None:
    shown = {0.7812: ".781", 1.0: "1.00", 0.9996: "1.00", 12.34: "12.3", 513.4: "513", -0.034: "-.034", 0.0: ".000"}
    assert {value: formatting.number(value) for value in shown} == shown
    assert formatting.number(float("nan")) == "-"
    assert [console.brief(value) for value in (0.0, 0.0021, 0.00002, 2.461)] == ["0", ".0021", "2e-05", "2.46"]


@pytest.mark.parametrize("n", [2, 3, 7, 8, 12])
def test_a_band_is_the_interval_of_each_mean_and_closes_where_all_images_agree(n: int) -> None:
    middle = np.random.default_rng(5).beta(2, 3, n)
    found = band(pd.DataFrame({"shares": [[0.0, 0.5, 1.0]] * n, "scores": [[0.0, value, 1.0] for value in middle]}))
    expected = stats.mean(middle, within=(0, 1))
    assert found.mean == pytest.approx([0, expected.mean, 1])
    assert found.low == pytest.approx([0, expected.low, 1], abs=0.01)
    assert found.high == pytest.approx([0, expected.high, 1], abs=0.01)


def test_one_curve_has_a_band_without_width() -> None:
    found = band(pd.DataFrame({"shares": [[0.0, 1.0]], "scores": [[0.2, 0.9]]}))
    assert found.low.tolist() == found.mean.tolist() == found.high.tolist() == [0.2, 0.9]


def test_the_montage_is_a_picture(run: Run) -> None:
    assert montage(run, images=2).startswith(b"\x89PNG")
