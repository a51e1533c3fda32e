"""The figures and tables of a page as files: drawn and written so that a paper can take them."""

import csv
import io
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner
from PIL import Image

from cambench.bench.cli.main import main
from cambench.bench.stats.estimate import Estimate
from cambench.bench.store import run as store
from cambench.bench.store.run import Run
from cambench.reports import html, latex
from cambench.reports._page import export
from cambench.reports._page.analysis import names, sheets
from cambench.reports._plots import svg
from cambench.reports._plots.drawing import Drawing
from cambench.reports._tables import latex as _latex
from cambench.reports._tables.grid import Cell, Grid, Head, Row, estimated, figure, name

from ..support import runs

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return store.read(runs.write(tmp_path_factory.mktemp("runs") / "whole", images=8, nets={"resnet18": "layer4"}))


@pytest.fixture(scope="module")
def folder(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("files")
    done = CliRunner(catch_exceptions=False).invoke(main, ["report", str(run.directory), "--files", str(found)])
    assert done.exit_code == 0 and str(found) in done.output.replace("\n", "")
    return found


def _grid() -> Grid:
    heads = [Head("method"), Head("a_b %", "95 %", number=True), Head("verdict")]
    rows = [
        Row([name("cam_&_co"), estimated(Estimate(0.5, 0.25, 0.75, 4), bold=True), Cell("ahead", 0.1, "p = .1")]),
        Row([name("[x]"), figure(float("nan")), Cell("–", 2.0)]),
    ]
    return Grid("t", "50 % of #1", heads, rows, ["n_1 < 2"])


def test_every_figure_is_there_twice_and_every_table_three_times(folder: Path) -> None:
    figures = {path.name for path in (folder / "figures").iterdir()}
    tables = {path.name for path in (folder / "tables").iterdir()}
    drawn = {one.rpartition(".")[0] for one in figures}
    assert figures == {f"{one}.{suffix}" for one in drawn for suffix in ("svg", "png")}
    metrics = [*runs.METRICS]
    expected = {"legend"} | {f"{kind}-resnet18-{one}" for kind in ("ranking", "seconds", "forwards") for one in metrics}
    expected |= {f"curves-resnet18-{one}" for one in ("insertion", "deletion")} | {f"ranks-{one}" for one in metrics}
    rates = ("pointing", "average_increase")
    assert drawn == expected | {f"images-resnet18-{one}" for one in metrics if one not in rates}
    made = {one.rpartition(".")[0] for one in tables}
    assert tables == {f"{one}.{suffix}" for one in made for suffix in ("csv", "md", "tex")}
    own = {"recommended", "scores-resnet18", "win-resnet18", "alpha-resnet18", "agreement-resnet18"}
    assert made == own | {f"ranking-resnet18-{one}" for one in metrics}


def test_a_figure_stands_on_its_own_in_both_forms(folder: Path) -> None:
    root = ElementTree.parse(folder / "figures" / "ranking-resnet18-insertion.svg").getroot()
    texts = [one.text for one in root.iter(f"{SVG}text")]
    assert {"cam", "grad_cam", "score_cam", "random", "centre"} <= set(texts)
    style = next(root.iter(f"{SVG}style")).text
    assert style and "@font-face" in style and "var(" not in ElementTree.tostring(root, "unicode")
    assert next(root.iter(f"{SVG}rect")).get("fill") == "#ffffff"
    with Image.open(folder / "figures" / "ranking-resnet18-insertion.png") as picture:
        assert picture.info["dpi"][0] == pytest.approx(288, abs=1)
        assert picture.size == (3 * float(root.get("width", 0)), 3 * float(root.get("height", 0)))
        assert picture.convert("RGB").getpixel((0, 0)) == (255, 255, 255)
    text = (folder / "figures" / "curves-resnet18-insertion.svg").read_text()
    assert not re.search(r'(?:href|src)="|url\((?!data:)', text)


def test_a_csv_holds_the_numbers_of_the_scores(folder: Path, run: Run) -> None:
    rows = list(csv.DictReader(io.StringIO((folder / "tables" / "scores-resnet18.csv").read_text())))
    scores = run.table("scores")
    own = scores[(scores["method"] == "cam") & (scores["metric"] == "insertion")]["value"]
    assert float(rows[0]["insertion ↑"]) == pytest.approx(own.mean()) and rows[0]["insertion ↑ n"] == "8"
    assert float(rows[0]["insertion ↑ low"]) < own.mean() < float(rows[0]["insertion ↑ high"])


def test_one_table_in_three_forms() -> None:
    grid = _grid()
    assert export._csv(grid).splitlines() == [
        "method,a_b %,a_b % low,a_b % high,a_b % n,verdict",
        "cam_&_co,0.5,0.25,0.75,4.0,ahead (p = .1)",
        "[x],,,,,–",
    ]
    assert export._markdown(grid).splitlines()[2:6] == [
        "| method | a_b %, 95 % | verdict |",
        "| --- | ---: | --- |",
        r"| cam_&amp;_co | .500 \[.250 to .750\] | ahead \[p = .1\] |".replace("cam_&amp;_co", r"cam\_&amp;\_co"),
        r"| \[x\] | – | – |",
    ]
    assert _latex.tabular(grid).splitlines() == [
        r"\begin{table}", r"\centering", r"\caption{50 \% of \#1.}", r"\label{tab:t}", r"\begin{tabular}{lrl}",
        r"\toprule", r"method & a\_b \% (95 \%) & verdict \\", r"\midrule",
        r"cam\_\&\_co & \textbf{.500} {\scriptsize [.250 to .750]} & ahead {\scriptsize [p = .1]} \\",
        r"{}[x] & -- & -- \\", r"\bottomrule", r"\end{tabular}",
        r"\par\smallskip{\footnotesize n\_1 \textless{} 2}", r"\end{table}",
    ]  # fmt: skip


def test_latex_escapes_whatever_a_name_holds() -> None:
    assert _latex.escape(r"a\b {x} $y$ ~ ^") == (r"a\textbackslash{}b \{x\} \$y\$ \textasciitilde{} \textasciicircum{}")


def test_the_latex_report_has_a_table_a_net(run: Run) -> None:
    text = latex.render(run)
    assert text.count(r"\begin{tabular}") == 1 == text.count(r"\bottomrule")
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert len(rows) == 1 + 5 and {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {11}
    printed = CliRunner(catch_exceptions=False).invoke(main, ["report", str(run.directory), "--latex"])
    assert printed.output.strip() == text.strip()


def test_names_of_files_are_safe_and_do_not_meet() -> None:
    evil = "../<script>alert(1)</script>"
    assert export.slug(evil) == "script-alert-1-script"
    assert list(export._named([("a b", 1), ("a/b", 2), ("a:b", 3)])) == ["a-b", "a-b-2", "a-b-3"]
    drawing = Drawing(50, 20, evil)
    drawing.text(1, 10, evil, of=evil)
    for text in (svg.file(drawing), str(svg.element(drawing))):
        assert "<script" not in text
    assert ElementTree.fromstring(svg.file(drawing)).find(f"{SVG}title") is not None


def test_several_runs_share_a_page_but_never_a_number(run: Run, tmp_path: Path) -> None:
    other = store.read(runs.write(tmp_path / "other", images=5, nets={"resnet18": "layer4"}))
    other.header["protocols"]["insertion"]["steps"] = 100
    assert names([run, other]) == ["whole", "other"]
    shown = sheets([run, other])
    assert [sheet.title for sheet in shown] == ["resnet18 · whole", "resnet18 · other"]
    assert [sheet.views["insertion"].ranking.n for sheet in shown] == [8, 5]
    text = html.page([run, other]).replace("<wbr>", "")
    assert "protocols: insertion: steps" in text and text.count("another protocol</td>") == 5
    done = CliRunner().invoke(main, ["report", str(run.directory), str(other.directory), "--csv"])
    assert done.exit_code == 2 and "csv reports one run at a time" in done.output


@pytest.mark.parametrize(("form", "said"), [("--csv", "--files goes with the page, not with csv")])
def test_files_go_with_the_page(run: Run, tmp_path: Path, form: str, said: str) -> None:
    done = CliRunner().invoke(main, ["report", str(run.directory), form, "--files", str(tmp_path)])
    assert done.exit_code == 2 and said in done.output
