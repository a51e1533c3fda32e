"""What reads runs and races, on 20,000 images and on a history of 50 runs: seconds of the processor, and less than 1 GB."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cambench.tests.support import big, runs
from cambench.tests.support.comparisons import edit_header

# In a small process of its own: until a child has begun its program, it counts the memory of its parent as its own.
MEASURE = """
import resource, subprocess, sys
subprocess.run([sys.executable, "-m", "cambench", *sys.argv[1:]], check=True, stdout=subprocess.DEVNULL)
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
print(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1000)
"""


def measure(*arguments: object) -> tuple[float, float]:
    """Run a command; return the seconds of the processor, and the peak of its memory in MB."""
    command = [sys.executable, "-c", MEASURE, *map(str, arguments)]
    seconds, memory = map(float, subprocess.check_output(command, text=True).split())
    return seconds, memory


@pytest.mark.overhead
def test_long_runs_are_read_in_less_than_a_gigabyte(tmp_path: Path) -> None:
    run = big.write(tmp_path / "big", nets=3, methods=5, metrics=8, images=20_000)
    short = big.write(tmp_path / "short", nets=3, methods=5, metrics=8, images=400)
    race = Path(shutil.copytree(run, tmp_path / "race"))
    edit_header(race, lambda header: header["suite"].update(race={"confidence": 0.95, "slack": 0.02}))
    edit_header(race, lambda header: header.update(id="race"))
    runs.seal(race)
    shorts = [shutil.copytree(short, tmp_path / f"short{number}") for number in range(50)]
    commands: list[list[object]] = [
        ["history", *shorts], ["report", run, "--csv"], ["baseline", run, "--out", tmp_path / "b"], ["compare", run, run],
        ["report", race, "--csv"], ["report", race, "--markdown"],
        ["report", run, "--out", tmp_path / "page.html"], ["report", race, "--out", tmp_path / "page.html"],
    ]  # fmt: skip
    for command in commands:
        seconds, memory = measure(*command)
        print(f"{' '.join(map(str, command[:3]))}: {seconds:.0f} s, {memory:.0f} MB", flush=True)
        assert memory < 1000
