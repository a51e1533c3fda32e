"""Runs that differ in a known way, for the tests of what compares them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from cambench.bench.compare.compare import Comparison
from cambench.bench.compare.snapshot import Key
from cambench.bench.store import run as store
from cambench.tests.support import runs

ONE = {"squeezenet1_1": "features"}


def edited(directory: Path, change: Callable[[dict[str, Any]], object]) -> None:
    header = json.loads((directory / "run.json").read_text())
    change(header)
    (directory / "run.json").write_text(json.dumps(header))


def shifted(
    directory: Path, method: str, metric: str, by: float | None, images: int = 99, reason: str = "lost"
) -> None:
    """Moves the scores of a method's first images; by None leaves them without a value."""
    scores = store.read(directory).table("scores").assign(nan_map=None)
    rows = scores[(scores["method"] == method) & (scores["metric"] == metric) & scores["value"].notna()]
    for _, of in rows.groupby("net"):
        chosen = of.index[:images]
        if by is None:
            scores.loc[chosen, "value"], scores.loc[chosen, "reason"] = np.nan, reason
        else:
            scores.loc[chosen, "value"] += by
    runs.rewrite(directory, "scores", scores)


def found(comparison: Comparison, verdict: str) -> list[Key]:
    return [one.key for one in comparison.cells if one.verdict == verdict]
