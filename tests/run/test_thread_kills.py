"""A run loses nothing when it is killed while another thread reads or writes, and ends if that thread fails."""

import errno
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from cambench.bench.api import execute
from cambench.bench.data import prefetch
from cambench.bench.data.types import Images
from cambench.bench.run import session
from cambench.bench.store import parts, writer
from cambench.bench.store.run import open_run
from cambench.tests.support import runs, thread_kills
from cambench.tests.support.cli import bench

ENDS = {"SIGKILL": -signal.SIGKILL, "SIGTERM": 130, "SIGINT": 130}


def test_a_run_killed_while_threads_read_or_write_has_the_same_records(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "cambench.tests.support.thread_kills", str(tmp_path)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600).stderr.splitlines()
    killed = [f"{moment}-{name} {ENDS[name]} 0" for moment, name in thread_kills.KILLS]
    assert lines == killed
    for line in killed:
        run = tmp_path / line.partition(" ")[0]
        runs.assert_same(run, tmp_path / "whole")
        for table in ("predictions", "scores", "maps"):  # the files themselves hold no duplicate rows
            counts = [len(pd.read_parquet(directory / table)) for directory in (run, tmp_path / "whole")]
            assert counts[0] == counts[1], f"{line}, {table}"
        assert not list(run.rglob("*.partial"))


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A suite of a few images, a part for each, read ahead as for a GPU."""

    def read_ahead(images: Images, indices: Sequence[int], device: torch.device, *, thread_safe: bool = False) -> Any:
        return prefetch._read_ahead(images, indices, 2)

    (tmp_path / "net.py").write_text(thread_kills.NET, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(session, "prefetch", read_ahead)
    monkeypatch.setattr(writer, "MAX_HELD", 1)
    monkeypatch.setattr(execute, "_write_page", lambda *_: None)
    return thread_kills.SUITE


@pytest.mark.parametrize(
    ("number", "reason"), [(errno.ENOSPC, "the disk is full"), (errno.EACCES, "it may not be written")]
)
def test_a_run_whose_writer_fails_ends_in_one_sentence_and_is_resumed(
    suite: list[str], monkeypatch: pytest.MonkeyPatch, number: int, reason: str
) -> None:
    assert bench(*suite, "--out", "whole").exit_code == 0
    written, write = list[Path](), parts._write_bytes

    def fail(file: Path, content: bytes) -> None:
        written.append(file)
        if len(written) > 7:
            raise OSError(number, "failed")
        write(file, content)

    with monkeypatch.context() as patch:
        patch.setattr(parts, "_write_bytes", fail)
        result = bench(*suite, "--out", "run")
    assert result.exit_code == 2
    (sentence,) = result.stderr.splitlines()
    assert sentence.startswith(f"bench: run cannot be written: {reason}")
    assert bench(*suite, "--out", "run").exit_code == 0
    runs.assert_same(Path("run"), Path("whole"))


DATA = """import numpy as np
from cambench import Image
THREAD_SAFE = True


class Images:
    classes = ()

    def __len__(self):
        return 6

    def name(self, index):
        return str(index)

    def __getitem__(self, index):
        {change}
        return Image(str(index), np.full((32, 32, 3), 40 * index + 9, np.uint8), None)


def load():
    return Images()
"""


@pytest.mark.parametrize("raised", ["ValueError('x')", "SystemExit(1)", "MemoryError", "GeneratorExit"])
def test_an_image_that_a_reader_cannot_read_fails_alone(suite: list[str], raised: str) -> None:
    Path("data.py").write_text(DATA.format(change=f"if index == 4: raise {raised}"), encoding="utf-8")
    result = bench(*suite, "--dataset", "./data.py", "--out", "run")
    assert result.exit_code == 3 and not result.stderr
    failures = open_run(Path("run")).table("failures")
    assert failures["image"].tolist() == ["4"]
    assert failures["reason"][0].startswith(f"data.py fails: line 16 raises {raised.partition('(')[0]}")
    assert sorted(open_run(Path("run")).table("predictions")["image"]) == ["0", "1", "2", "3", "5"]


def test_a_lost_device_in_a_reader_ends_the_run(suite: list[str]) -> None:
    change = "if index == 4:\n            import cambench\n            raise cambench.Fatal('the device is lost')"
    Path("data.py").write_text(DATA.format(change=change), encoding="utf-8")
    result = bench(*suite, "--dataset", "./data.py", "--out", "run")
    assert (result.exit_code, result.stderr) == (2, "bench: the device is lost\n")
    assert sorted(open_run(Path("run")).table("predictions")["image"]) == ["0", "1", "2"]
