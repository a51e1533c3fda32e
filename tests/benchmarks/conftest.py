"""The figures of the benchmarks, written for docs/speed.md to the file that the variable CAMBENCH_SPEED names."""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from cambench.bench.run.describe import describe_environment

from ..support.board import Board


@pytest.fixture(scope="session")
def board() -> Iterator[Board]:
    board = Board()
    yield board
    if file := os.environ.get("CAMBENCH_SPEED"):
        rows = [asdict(figure) | {"met": figure.met} for figure in board.figures]
        content = {"environment": describe_environment(torch.device("cpu")), "figures": rows}
        Path(file).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
