"""A folder to run in, without what takes most of the time."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from cambench.bench.api import execute
from cambench.bench.config.suite import Suite
from cambench.bench.core.files import check_directory
from cambench.bench.run import describe
from cambench.bench.run.describe import make_header
from cambench.bench.store.run import open_run
from cambench.bench.store.writer import Writer
from cambench.reports import csv

NET = """from torch import nn


def make(*, width: int = 4, bias: bool = True, name: str = "x"):
    assert width < 100
    layers = nn.Conv2d(3, width, 3, 2, bias=bias), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 3)
    return nn.Sequential(*layers)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a net, `net.py:make`. A run writes CSV instead of the page, and does not ask git."""

    def write_csv(directory: Path, _: object) -> None:
        (directory / "report.csv").write_text(csv.render(open_run(directory)), encoding="utf-8")

    (tmp_path / "net.py").write_text(NET, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(execute, "_write_page", write_csv)
    monkeypatch.setattr(describe, "_find_commit", lambda: "unknown")
    return tmp_path


@pytest.fixture
def begun(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, where a run is begun in `run`, then resumed, and measures nothing."""

    def begin(suite: Suite, directory: Path, make_plan: Any, *_: object, **__: object) -> int:
        shutil.rmtree(folder / "run", ignore_errors=True)
        check_directory(directory)
        for part in [*(suite.parts or [suite])] * 2:
            Writer(directory / part.name, make_header(make_plan(part))).close()
        return 0

    monkeypatch.setattr(execute, "execute", begin)
    return folder
