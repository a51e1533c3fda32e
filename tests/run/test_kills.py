"""A run that is killed at random moments and resumed has the records of an uninterrupted run."""

import random
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from cambench.bench.store import run as store
from cambench.tests.support import kills as _kills
from cambench.tests.support import runs


def check_killed_run(tmp_path: Path, kills: int, seed: int) -> None:
    complete, killed = tmp_path / "complete", tmp_path / "killed"
    command = [sys.executable, "-m", "cambench.tests.support.kills", str(complete), str(killed), str(kills), str(seed)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert f"{kills} times killed" in result.stdout.splitlines()
    runs.assert_same(killed, complete)
    assert len(store.open_run(killed).table("predictions")) == _kills.IMAGES
    for table in ("scores", "cost", "curves", "maps"):  # the files themselves hold no duplicate or leftover rows
        counts = [len(pd.read_parquet(run / table)) for run in (killed, complete)]
        assert counts[0] == counts[1], table


def test_a_run_killed_three_times_has_the_same_records(tmp_path: Path) -> None:
    check_killed_run(tmp_path, 3, 0)


@pytest.mark.overhead
def test_a_run_killed_twenty_times_has_the_same_records(tmp_path: Path) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    check_killed_run(tmp_path, 20, seed)
