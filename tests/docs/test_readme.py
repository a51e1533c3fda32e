"""The README is up to date: its table matches the recorded run, and the suite reproduces the run's numbers."""

import re
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from cambench.bench.cli.main import COMMANDS, main
from cambench.bench.store import run as store
from cambench.tools.readme import (
    BLOCK,
    FEATURES,
    GATE,
    README,
    RECORDS,
    SPEED,
    format_features,
    format_gate,
    format_speed,
    format_tables,
)

KEY = ["net", "image", "method", "metric"]


def test_the_table_in_the_readme_matches_the_recorded_run() -> None:
    match = BLOCK.search(README.read_text(encoding="utf-8"))
    assert match is not None
    assert match[0] == format_tables(store.open_run(RECORDS))


def test_features_in_the_readme_match_bench_list() -> None:
    match = FEATURES.search(README.read_text(encoding="utf-8"))
    assert match is not None
    assert match[0] == format_features()


def test_gate_figures_in_the_readme_match_the_records() -> None:
    match = GATE.search(README.read_text(encoding="utf-8"))
    assert match is not None
    assert match[0] == format_gate()


def test_benchmark_figures_in_the_readme_match_the_records() -> None:
    match = SPEED.search(README.read_text(encoding="utf-8"))
    assert match is not None
    assert match[0] == format_speed()


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


def test_every_command_in_the_readme_exists() -> None:
    blocks = re.findall(r"```sh\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    lines = [line.strip() for text in blocks for line in text.splitlines()]
    commands = [line.split()[1] for line in lines if line.startswith("bench ")]
    assert commands
    assert set(commands) <= set(COMMANDS)


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


def test_the_pictures_of_the_readme_exist() -> None:
    paths = re.findall(r"!\[[^\]]+\]\((\S+\.png)\)", README.read_text(encoding="utf-8"))
    assert len(paths) == 2
    assert all((README.parent / path).stat().st_size > 10_000 for path in paths)


@pytest.mark.parametrize("table", ["scores", "curves", "cost", "predictions"])
def test_the_recorded_run_can_be_read(table: str) -> None:
    assert isinstance(store.open_run(RECORDS).table(table), pd.DataFrame)
    assert not store.open_run(RECORDS).table(table).empty
