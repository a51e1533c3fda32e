"""What reads runs, on 20,000 images and on a history of 50 runs: the seconds of the processor, and less than 1 GB of memory."""

import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cambench.tests.support import big


def measure(*arguments: object) -> tuple[float, float]:
    """Run a command; return the seconds of the processor, and the peak of its memory in MB."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "cambench", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, after.ru_maxrss / 1000  # the largest so far


@pytest.mark.overhead
def test_long_runs_are_read_in_less_than_a_gigabyte(tmp_path: Path) -> None:
    run = big.write(tmp_path / "big", nets=3, methods=5, metrics=8, images=20_000)
    short = big.write(tmp_path / "short", nets=3, methods=5, metrics=8, images=400)
    runs = [shutil.copytree(short, tmp_path / f"short{number}") for number in range(50)]
    commands: list[list[object]] = [
        ["history", *runs], ["report", run, "--csv"], ["baseline", run, "--out", tmp_path / "b"], ["compare", run, run],
        ["report", run, "--out", tmp_path / "page.html"],
    ]  # fmt: skip
    for command in commands:
        seconds, memory = measure(*command)
        print(f"{command[0]}: {seconds:.0f} s, {memory:.0f} MB")
        assert memory < 1000
