"""The figures and tables of a page as files for a paper."""

import csv
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner
from PIL import Image

from cambench.bench.cli.main import main
from cambench.bench.show.grid import (
    Cell,
    ColumnHead,
    Grid,
    GridRow,
    make_estimate_cell,
    make_name_cell,
    make_number_cell,
)
from cambench.bench.stats.estimate import Estimate
from cambench.bench.store import run as store
from cambench.bench.store.run import Run
from cambench.reports import csv as csv_report
from cambench.reports import html, latex
from cambench.reports._page import export
from cambench.reports._page.analysis import analyse, label_runs
from cambench.reports._plots import svg
from cambench.reports._plots.drawing import Drawing
from cambench.reports._tables import csv as _csv
from cambench.reports._tables import latex as _latex
from cambench.reports._tables import markdown as _markdown

from ..support import runs
from ..support.comparisons import rename_method

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return store.open_run(runs.write(tmp_path_factory.mktemp("runs") / "whole", images=8, nets={"resnet18": "layer4"}))


@pytest.fixture(scope="module")
def folder(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    result = CliRunner(catch_exceptions=False).invoke(main, ["report", str(run.directory), "--files", str(folder)])
    assert result.exit_code == 0 and str(folder) in result.output.replace("\n", "")
    return folder


def _grid() -> Grid:
    heads = [ColumnHead("method"), ColumnHead("a_b %", "95 %", number=True), ColumnHead("verdict")]
    rows = [
        GridRow(
            [
                make_name_cell("cam_&_co"),
                make_estimate_cell(Estimate(0.5, 0.25, 0.75, 4), bold=True),
                Cell("ahead", 0.1, "p = .1"),
            ]
        ),
        GridRow([make_name_cell("[x]"), make_number_cell(float("nan")), Cell("–", 2.0)]),
    ]
    return Grid("t", "50 % of #1", heads, rows, ["n_1 < 2"])


def test_every_figure_has_two_files_and_every_table_three(folder: Path) -> None:
    figures = {path.name for path in (folder / "figures").iterdir()}
    tables = {path.name for path in (folder / "tables").iterdir()}
    figure_names = {file.rpartition(".")[0] for file in figures}
    assert figures == {f"{name}.{suffix}" for name in figure_names for suffix in ("svg", "png")}
    metrics = [*runs.METRICS]
    expected = {"legend"} | {
        f"{kind}-resnet18-{spec}" for kind in ("ranking", "seconds", "forwards") for spec in metrics
    }
    expected |= {f"curves-resnet18-{spec}" for spec in ("insertion", "deletion")}
    binary = ("pointing", "average_increase")
    assert figure_names == expected | {f"images-resnet18-{spec}" for spec in metrics if spec not in binary}
    table_names = {file.rpartition(".")[0] for file in tables}
    assert tables == {f"{name}.{suffix}" for name in table_names for suffix in ("csv", "md", "tex")}
    expected = {
        "standings-resnet18",
        "images-resnet18",
        "scores-resnet18",
        "win-resnet18",
        "alpha-resnet18",
        "agreement-resnet18",
    }
    expected |= {"protocol-metrics", "protocol-methods", "protocol-nets-and-images"}
    assert table_names == expected | {f"ranking-resnet18-{spec}" for spec in metrics}


def test_every_figure_and_table_is_made_once(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = {Drawing: 0, Grid: 0}

    def count(kind: type, create: Callable[..., None]) -> Callable[..., None]:
        def counted(*values: Any, **options: Any) -> None:
            counts[kind] += 1
            create(*values, **options)

        return counted

    for kind in counts:
        monkeypatch.setattr(kind, "__init__", count(kind, vars(kind)["__init__"]))
    html.page([run], tmp_path)
    swatches = 2 * len(runs.METHODS)  # in the page's legend and in the legend's own file
    assert counts[Drawing] - swatches == len(list((tmp_path / "figures").glob("*.svg")))
    assert counts[Grid] == len(list((tmp_path / "tables").glob("*.csv")))


def test_a_figure_is_self_contained_in_both_formats(folder: Path) -> None:
    root = ElementTree.parse(folder / "figures" / "ranking-resnet18-insertion.svg").getroot()
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert {"cam", "grad_cam", "score_cam", "random", "centre"} <= set(texts)
    style = next(root.iter(f"{SVG}style")).text
    assert style and "@font-face" in style and "var(" not in ElementTree.tostring(root, "unicode")
    assert next(root.iter(f"{SVG}rect")).get("fill") == "#ffffff"
    with Image.open(folder / "figures" / "ranking-resnet18-insertion.png") as picture:
        assert picture.info["dpi"][0] == pytest.approx(288, abs=1)
        assert picture.size == (3 * float(root.get("width", 0)), 3 * float(root.get("height", 0)))
        assert picture.convert("RGB").getpixel((0, 0)) == (255, 255, 255)
    text = (folder / "figures" / "curves-resnet18-insertion.svg").read_text(encoding="utf-8")
    assert not re.search(r'(?:href|src)="|url\((?!data:)', text)


def test_a_csv_table_contains_the_unrounded_scores(folder: Path, run: Run) -> None:
    rows = list(csv.DictReader(io.StringIO((folder / "tables" / "scores-resnet18.csv").read_text(encoding="utf-8"))))
    scores = run.table("scores")
    values = scores[(scores["method"] == "cam") & (scores["metric"] == "insertion")]["value"]
    assert float(rows[0]["insertion ↑"]) == pytest.approx(values.mean()) and rows[0]["insertion ↑ n"] == "8"
    assert float(rows[0]["insertion ↑ low"]) < values.mean() < float(rows[0]["insertion ↑ high"])


def test_a_table_in_three_formats() -> None:
    grid = _grid()
    assert _csv.write(grid).splitlines() == [
        "method,a_b %,a_b % low,a_b % high,a_b % n,verdict",
        "cam_&_co,0.5,0.25,0.75,4.0,ahead (p = .1)",
        "[x],,,,,–",
    ]
    assert _markdown.write(grid).splitlines()[2:6] == [
        "| method | a_b %, 95 % | verdict |",
        "| --- | ---: | --- |",
        r"| cam\_&amp;\_co | **.500** [.250 to .750] | ahead [p = .1] |",
        r"| \[x\] | – | – |",
    ]
    assert _latex.format_table(grid).splitlines() == [
        r"\begin{table}", r"\centering", r"\caption{50 \% of \#1.}", r"\label{tab:t}", r"\begin{tabular}{lrl}",
        r"\toprule", r"method & a\_b \% (95 \%) & verdict \\", r"\midrule",
        r"cam\_\&\_co & \textbf{.500} {\scriptsize [.250 to .750]} & ahead {\scriptsize [p = .1]} \\",
        r"{}[x] & -- & -- \\", r"\bottomrule", r"\end{tabular}",
        r"\par\smallskip{\footnotesize n\_1 \textless{} 2}", r"\end{table}",
    ]  # fmt: skip


def test_latex_escapes_special_characters() -> None:
    assert _latex.escape(r"a\b {x} $y$ ~ ^") == (r"a\textbackslash{}b \{x\} \$y\$ \textasciitilde{} \textasciicircum{}")


def test_names_of_a_run_are_no_formulas_in_csv_and_no_commands_in_latex(tmp_path: Path) -> None:
    directory = runs.write(tmp_path / "run", images=3, nets={"=1+1 \\input{x}": "=layer"})
    rename_method(directory, "cam", "@SUM(A1)")
    run = store.open_run(directory)
    rows = list(csv.DictReader(io.StringIO(csv_report.render(run))))
    assert {row["net"] for row in rows} == {"'=1+1 \\input{x}"} and {row["layer"] for row in rows} == {"'=layer"}
    assert "'@SUM(A1)" in {row["method"] for row in rows}
    text = latex.render(run)
    assert r"=1+1 \textbackslash{}input\{x\}" in text and r"\input{" not in text


def test_a_csv_table_holds_no_formula() -> None:
    heads = [ColumnHead("=method"), ColumnHead("change", number=True)]
    grid = Grid("t", "", heads, [GridRow([make_name_cell("@SUM(A1)"), make_number_cell(-0.5)])])
    assert _csv.write(grid).splitlines() == ["'=method,change", "'@SUM(A1),-0.5"]


def test_the_latex_report_has_a_table_for_each_net(run: Run) -> None:
    text = latex.render(run)
    assert text.count(r"\begin{tabular}") == 1 == text.count(r"\bottomrule")
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert len(rows) == 1 + 5 and {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {11}
    printed = CliRunner(catch_exceptions=False).invoke(main, ["report", str(run.directory), "--latex"])
    assert printed.output.strip() == text.strip()


def test_file_names_are_safe_and_unique() -> None:
    evil = "../<script>alert(1)</script>"
    assert export.make_file_name(evil) == "script-alert-1-script"
    assert list(export.name_files([("a b", 1), ("a/b", 2), ("a:b", 3)])) == ["a-b", "a-b-2", "a-b-3"]
    drawing = Drawing(50, 20, evil)
    drawing.add_text(1, 10, evil, method=evil)
    for text in (svg.make_file(drawing), str(svg.make_element(drawing))):
        assert "<script" not in text
    assert ElementTree.fromstring(svg.make_file(drawing)).find(f"{SVG}title") is not None


def test_several_runs_share_a_page_and_are_not_averaged(run: Run, tmp_path: Path) -> None:
    other = store.open_run(runs.write(tmp_path / "other", images=5, nets={"resnet18": "layer4"}))
    other.header.protocols["insertion"]["steps"] = 100
    assert label_runs([run, other]) == ["whole", "other"]
    analyses = analyse([run, other])
    assert [analysis.title for analysis in analyses] == ["resnet18 · whole", "resnet18 · other"]
    assert [analysis.by_metric["insertion"].ranking.n for analysis in analyses] == [8, 5]
    text = html.page([run, other]).replace("<wbr>", "")
    assert (
        "protocols: insertion: steps" in text
        and text.count("not comparable<small>metric&#39;s steps: none → 100</small></td>") == 5
    )
    result = CliRunner().invoke(main, ["report", str(run.directory), str(other.directory), "--csv"])
    assert result.exit_code == 2 and "csv reports one run at a time" in result.output


@pytest.mark.parametrize(("option", "message"), [("--csv", "--files applies to the page, not to csv")])
def test_files_need_the_html_report(run: Run, tmp_path: Path, option: str, message: str) -> None:
    result = CliRunner().invoke(main, ["report", str(run.directory), option, "--files", str(tmp_path)])
    assert result.exit_code == 2 and message in result.output
