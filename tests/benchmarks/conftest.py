"""What benchmarks print, kept for the README where the variable CAMBENCH_SPEED names a file."""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pytest
import torch

from cambench.bench.run.environment import environment


@dataclass(frozen=True)
class Told:
    """A figure of a benchmark: what was compared, the figure, and what it is to reach."""

    what: str
    figure: float
    unit: str
    bound: float
    most: bool = False  # whether the bound is the most that the figure may be, or the least
    profile: str = ""  # where the time goes

    @property
    def met(self) -> bool:
        return self.figure <= self.bound if self.most else self.figure >= self.bound


@dataclass
class Board:
    """The figures of one run of the benchmarks."""

    told: list[Told] = field(default_factory=list)

    def tell(self, told: Told) -> None:
        sign = "at most" if told.most else "at least"
        print(
            f"\n{told.what}: {told.figure:.2f} {told.unit} ({sign} {told.bound:g}){told.profile and '; '}{told.profile}"
        )
        self.told.append(told)


@pytest.fixture(scope="session")
def board() -> Iterator[Board]:
    found = Board()
    yield found
    if kept := os.environ.get("CAMBENCH_SPEED"):
        rows = [asdict(told) | {"met": told.met} for told in found.told]
        made = {"environment": environment(torch.device("cpu")), "figures": rows}
        Path(kept).write_text(json.dumps(made, indent=1) + "\n")
