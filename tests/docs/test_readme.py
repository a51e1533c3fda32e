"""The README and the generated parts of the documentation are up to date, and the suite reproduces the kept run's numbers."""

import re
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from scipy.stats import skew

from cambench.bench.cli.main import COMMANDS, main
from cambench.bench.core import plugins
from cambench.bench.core.plugins import METHOD, METRIC
from cambench.bench.store import run as store
from cambench.tools.figures import RECORDS, format_results
from cambench.tools.pages import PARTS, ROOT, Part

README = ROOT / "README.md"
KEY = ["net", "image", "method", "metric"]


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_generated_parts_are_up_to_date(part: Part) -> None:
    """`python -m cambench.tools.pages` writes them."""
    assert part.read() == part.format()


def test_a_part_is_written_between_its_comments(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- some -->\nold\n<!-- end of some -->\nafter\n", encoding="utf-8")
    part = Part(str(page), "some", lambda: "\nnew \\1\n")
    part.write()
    assert page.read_text(encoding="utf-8") == "before\n<!-- some -->\n\nnew \\1\n<!-- end of some -->\nafter\n"
    assert part.read() == part.format()


def test_the_table_of_results_has_the_means_and_intervals_of_the_kept_run() -> None:
    scores = store.open_run(RECORDS).table("scores")
    values = scores[(scores["net"] == "resnet18") & (scores["metric"] == "insertion")].groupby("method", observed=True)
    (line,) = [line for line in format_results().splitlines() if line.startswith("| `score_cam`")]
    cell = line.split("|")[2].strip()
    mean, low, high = (float(number) for number in re.findall(r"\.\d+", cell))
    assert cell == f"{mean:.3f} ({low:.3f} to {high:.3f})".replace("0.", ".")
    assert mean == round(values["value"].mean()["score_cam"], 3)
    error = values["value"].std()["score_cam"] / 12**0.5
    assert high == pytest.approx(mean + 2.201 * error, abs=0.001)  # Student's, for 11 degrees of freedom
    skewness = skew(values["value"].get_group("score_cam"), bias=False)
    assert low == pytest.approx(mean - (2.201 - skewness * (1 + 2 * 2.201**2) / (6 * 12**0.5)) * error, abs=0.001)
    assert sum(line.startswith("| `") for line in format_results().splitlines()) == 5


@pytest.mark.parametrize(("page", "kind"), [("methods.md", METHOD), ("metrics.md", METRIC)])
def test_every_plugin_has_a_section_with_an_example_that_works(page: str, kind: plugins.Kind) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    sections = re.findall(r"^### `(\w+)`\n(.*?)(?=^### |\Z)", text, re.DOTALL | re.MULTILINE)
    assert [name for name, _ in sections] == plugins.list_names(kind)
    for name, section in sections:
        (example,) = re.findall(rf"^bench run --{kind.word}s '?([^'\n]+)'?$", section, re.MULTILINE)
        plugin = plugins.find(kind, example)
        assert plugin.name == name
        assert all(f"| `{setting}` |" in section for setting in plugin.settings)


def test_the_recorded_run_is_reproduced_by_the_default_suite(tmp_path: Path) -> None:
    """The rows of the cheapest net are computed again; they may differ by the processor's rounding only."""
    command = [
        "run",
        "scenes",
        "--nets",
        "squeezenet1_1",
        "--methods",
        "cam,grad_cam,random,centre",
        "--precision",
        "fp32",
        "--images",
        "4",
    ]
    result = CliRunner(catch_exceptions=False).invoke(main, [*command, "--out", str(tmp_path / "run")])
    assert result.exit_code == 0
    fresh = store.open_run(tmp_path / "run").table("scores").set_index(KEY)["value"]
    kept = store.open_run(RECORDS).table("scores").set_index(KEY)["value"].reindex(fresh.index)
    assert (fresh.isna() == kept.isna()).all()
    assert (fresh - kept).abs().groupby("metric").mean().max() < 0.01
    means = [table.groupby(["net", "method", "metric"]).mean() for table in (fresh, kept)]
    assert (means[0] - means[1]).abs().max() < 0.02


@pytest.mark.parametrize("page", [README, *sorted((ROOT / "docs").glob("*.md"))], ids=lambda page: page.name)
def test_every_command_in_a_page_exists(page: Path) -> None:
    blocks = re.findall(r"```(?:sh)?\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    lines = [line.strip() for text in blocks for line in text.splitlines()]
    assert {line.split()[1] for line in lines if line.startswith("bench ")} <= set(COMMANDS)


def test_the_readme_is_short_and_its_code_narrow() -> None:
    lines = README.read_text(encoding="utf-8").splitlines()
    code = [
        line for block in re.findall(r"```\w*\n(.*?)```", "\n".join(lines), re.DOTALL) for line in block.splitlines()
    ]
    assert len(lines) <= 160
    assert code and max(map(len, code)) <= 100


def test_the_method_of_the_readme_runs(tmp_path: Path) -> None:
    (example,) = re.findall(r'```python\n("""My CAM.*?)```', README.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "my_cam.py").write_text(example, encoding="utf-8")
    asked = [
        "run",
        "smoke",
        "--nets",
        "squeezenet1_1",
        "--images",
        "1",
        "--methods",
        f"{tmp_path / 'my_cam.py'}[power=2]",
    ]
    result = CliRunner(catch_exceptions=False).invoke(main, [*asked, "--out", str(tmp_path / "run")])
    assert result.exit_code == 0
    assert store.open_run(tmp_path / "run").table("scores")["value"].notna().any()


@pytest.mark.parametrize("table", ["scores", "curves", "cost", "predictions"])
def test_the_recorded_run_can_be_read(table: str) -> None:
    assert isinstance(store.open_run(RECORDS).table(table), pd.DataFrame)
    assert not store.open_run(RECORDS).table(table).empty
