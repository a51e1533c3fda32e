"""Edit recorded runs so that they differ in a known way, for the tests of what compares runs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from cambench.bench.compare.compare import Comparison
from cambench.bench.compare.snapshot import Key
from cambench.bench.store import run as store
from cambench.tests.support import runs

ONE_NET = {"squeezenet1_1": "features"}


def edit_header(directory: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Apply `change` to the header of a run and write it back."""
    header = json.loads((directory / "run.json").read_text(encoding="utf-8"))
    change(header)
    (directory / "run.json").write_text(json.dumps(header), encoding="utf-8")


def shift_scores(
    directory: Path, method: str, metric: str, shift: float | None, images: int = 99, reason: str = "lost"
) -> None:
    """Add `shift` to a method's scores on the first images of each net; None removes the values and gives a reason."""
    scores = store.open_run(directory).table("scores").assign(nan_map=None)
    rows = scores[(scores["method"] == method) & (scores["metric"] == metric) & scores["value"].notna()]
    for _, net_rows in rows.groupby("net"):
        chosen = net_rows.index[:images]
        if shift is None:
            scores.loc[chosen, "value"], scores.loc[chosen, "reason"] = np.nan, reason
        else:
            scores.loc[chosen, "value"] += shift
    runs.rewrite(directory, "scores", scores)


def find_keys(comparison: Comparison, verdict: str) -> list[Key]:
    """The keys of the cells with a verdict."""
    return [result.key for result in comparison.results if result.verdict == verdict]
