"""A run that was killed, wherever it was, and gone on with, has the records of one that was not."""

import random
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from cambench.bench.store import run as store
from cambench.tests.support import kills as _kills
from cambench.tests.support import runs


def resumed(tmp_path: Path, kills: int, seed: int) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    command = [sys.executable, "-m", "cambench.tests.support.kills", str(whole), str(killed), str(kills), str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{kills} times killed")
    runs.same(killed, whole)
    assert len(store.read(killed).table("predictions")) == _kills.IMAGES
    for table in ("scores", "cost", "curves", "maps"):  # nothing is doubled or left over in the files themselves either
        counts = [len(pd.read_parquet(run / table)) for run in (killed, whole)]
        assert counts[0] == counts[1], table


def test_a_run_killed_four_times_goes_on_to_the_same_records(tmp_path: Path) -> None:
    resumed(tmp_path, 4, 0)


@pytest.mark.overhead
def test_a_run_killed_twenty_times_goes_on_to_the_same_records(tmp_path: Path) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    resumed(tmp_path, 20, seed)
