"""The README says what is so: its table is the kept run's, and the kept run's numbers are what the suite gives."""

import re
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from cambench.bench.cli.main import main
from cambench.bench.store import run as store
from cambench.tools.readme import BLOCK, FEATURES, GATE, README, RECORDS, SPEED, block, features, gate, speed

KEY = ["net", "image", "method", "metric"]


def test_the_table_is_that_of_the_kept_run() -> None:
    found = BLOCK.search(README.read_text())
    assert found is not None
    assert found[0] == block(store.read(RECORDS))


def test_the_features_are_those_of_bench_list() -> None:
    found = FEATURES.search(README.read_text())
    assert found is not None
    assert found[0] == features()


def test_the_gates_figures_are_those_kept() -> None:
    found = GATE.search(README.read_text())
    assert found is not None
    assert found[0] == gate()


def test_the_benchmarks_figures_are_those_kept() -> None:
    found = SPEED.search(README.read_text())
    assert found is not None
    assert found[0] == speed()


def test_the_kept_run_is_the_default_suites(tmp_path: Path) -> None:
    """The cheapest net's rows, computed anew: maps and scores may move with the processor's rounding, and no further."""
    asked = [
        "run",
        "scenes",
        "--nets",
        "squeezenet1_1",
        "--methods",
        "cam,grad_cam,random,centre",
        "--precision",
        "fp32",
    ]
    result = CliRunner(catch_exceptions=False).invoke(main, [*asked, "--out", str(tmp_path / "run")])
    assert result.exit_code == 0
    fresh = store.read(tmp_path / "run").table("scores").set_index(KEY)["value"]
    kept = store.read(RECORDS).table("scores").set_index(KEY)["value"].reindex(fresh.index)
    assert (fresh.isna() == kept.isna()).all()
    assert (fresh - kept).abs().groupby("metric").mean().max() < 0.01
    means = [table.groupby(["net", "method", "metric"]).mean() for table in (fresh, kept)]
    assert (means[0] - means[1]).abs().max() < 0.02


def test_every_command_of_the_readme_is_one_that_there_is() -> None:
    blocks = re.findall(r"```sh\n(.*?)```", README.read_text(), re.DOTALL)
    lines = [line.strip() for text in blocks for line in text.splitlines()]
    commands = [line.split()[1] for line in lines if line.startswith("bench ")]
    assert commands
    assert set(commands) <= set(main.commands)


def test_the_method_of_the_readme_runs(tmp_path: Path) -> None:
    (example,) = re.findall(r'```python\n("""My CAM.*?)```', README.read_text(), re.DOTALL)
    (tmp_path / "my_cam.py").write_text(example)
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
    assert store.read(tmp_path / "run").table("scores")["value"].notna().any()


def test_the_pictures_are_there() -> None:
    paths = re.findall(r"!\[[^\]]+\]\((\S+\.png)\)", README.read_text())
    assert len(paths) == 2
    assert all((README.parent / path).stat().st_size > 10_000 for path in paths)


@pytest.mark.parametrize("table", ["scores", "curves", "cost", "predictions"])
def test_the_kept_run_can_be_read(table: str) -> None:
    assert isinstance(store.read(RECORDS).table(table), pd.DataFrame)
    assert not store.read(RECORDS).table(table).empty
