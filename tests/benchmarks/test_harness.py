"""What a run costs besides the net: processor time and operators of torch for an image, on a net that costs almost nothing.

The code of BEFORE, which worked image by image, is measured in turn with the present code, each in a process of its own.

Not part of a plain `pytest`: run `pytest -m overhead -s tests/benchmarks/test_harness.py` in a git checkout.
"""

import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

import cambench
from cambench.tests.support.board import Board, Figure

pytestmark = pytest.mark.overhead

CHECKOUT = Path(cambench.__path__[0])
BEFORE = "07e73c7"
ROUNDS = 2  # of each, in turn; the least time of a row counts
AT_MOST = {  # of the time and of the operators before
    "13 methods by 7 metrics": (0.36, 0.20),
    "1 method by insertion": (0.43, 0.30),
    "13 methods by ROAD": (0.95, 0.25),
    "13 methods by PIC, pasted": (0.55, 0.10),
}

Measured = dict[str, tuple[float, float]]  # by row: milliseconds and operators for an image


@pytest.fixture
def before(tmp_path: Path) -> Path:
    """The folder of a package cambench of the earlier commit."""
    found = subprocess.run(["git", "archive", BEFORE], cwd=CHECKOUT, capture_output=True, check=False)
    if found.returncode:
        pytest.skip(f"the commit {BEFORE} is not here")
    with tarfile.open(fileobj=io.BytesIO(found.stdout)) as archive:
        archive.extractall(tmp_path / "cambench", filter="data")
    return tmp_path


def _measure(package: Path) -> Measured:
    environment = {**os.environ, "PYTHONPATH": str(package)}
    command = [sys.executable, str(Path(__file__).with_name("harness.py"))]
    done = subprocess.run(command, cwd=package, env=environment, capture_output=True, text=True, check=True)
    measured: Measured = json.loads(done.stdout)
    return measured


def _take_least(rounds: list[Measured]) -> Measured:
    return {row: (min(measured[row][0] for measured in rounds), rounds[0][row][1]) for row in rounds[0]}


def test_what_a_run_costs_besides_the_net(board: Board, before: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    now = tmp_path_factory.mktemp("now")
    (now / "cambench").symlink_to(CHECKOUT)
    rounds = [(_measure(before), _measure(now)) for _ in range(ROUNDS)]
    earlier, present = (_take_least([pair[side] for pair in rounds]) for side in (0, 1))
    for row, (milliseconds, operators) in present.items():
        label = f"{row} on scenes of 64 px, for an image and without the passes of perturbed images"
        then_milliseconds, then_operators = earlier[row]
        most_time, most_operators = AT_MOST[row]
        time_figure = milliseconds / then_milliseconds, "of the time before"
        board.add(Figure(f"{label}: processor time", *time_figure, most_time, most=True))
        operators_figure = operators / then_operators, "of the operators before"
        board.add(Figure(f"{label}: operators", *operators_figure, most_operators, most=True))
        print(
            f"{milliseconds:.1f} ms (before: {then_milliseconds:.1f}), {operators:.0f} operators ({then_operators:.0f})"
        )
    assert present.keys() == AT_MOST.keys()
    assert not [figure.what for figure in board.figures if not figure.met]
