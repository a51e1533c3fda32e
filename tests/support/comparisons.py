"""Edit recorded runs so that they differ in a known way, for the tests of what compares runs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

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


def rename_method(directory: Path, old: str, new: str) -> None:
    """Rename a method in the header and the tables of a run."""
    run = store.open_run(directory)
    tables = {table: run.table(table) for table in ("scores", "cost", "maps", "curves")}
    for table, rows in tables.items():
        runs.rewrite(directory, table, rows.assign(method=rows["method"].astype(str).replace(old, new)))
    methods = run.header.dump_content()["methods"]
    renamed = {new if method == old else method: facts for method, facts in methods.items()}
    edit_header(directory, lambda header: header.update(methods=renamed))


def rename_class(directory: Path, name: str) -> None:
    """Rename the class that a run explains, in its header and its predictions."""
    predictions = store.open_run(directory).table("predictions")
    runs.rewrite(directory, "predictions", predictions.assign(target_name=name, label_name=name))
    classes = [*runs.CLASSES[:3], name]
    edit_header(directory, lambda header: [net.update(classes=classes) for net in header["nets"].values()])


def explain_another_class(directory: Path, chosen: "pd.Series[bool]") -> None:
    """Let a run explain another class in the rows of its predictions that are chosen."""
    predictions = store.open_run(directory).table("predictions")
    targets, names = predictions["target"].mask(chosen, 2), predictions["target_name"].mask(chosen, runs.CLASSES[2])
    runs.rewrite(directory, "predictions", predictions.assign(target=targets, target_name=names))


def shift_scores(
    directory: Path, method: str, metric: str, shift: float | None, images: int = 99, reason: str = "lost"
) -> None:
    """Add `shift` to a method's scores on the first images of each net; None removes the values and gives a reason."""
    scores = store.open_run(directory).table("scores")
    rows = scores[(scores["method"] == method) & (scores["metric"] == metric) & scores["value"].notna()]
    for _, net_rows in rows.groupby("net", observed=True):
        chosen = net_rows.index[:images]
        if shift is None:
            scores.loc[chosen, "value"], scores.loc[chosen, "reason"] = np.nan, reason
        else:
            scores.loc[chosen, "value"] += shift
    runs.rewrite(directory, "scores", scores)


def find_keys(comparison: Comparison, verdict: str) -> list[Key]:
    """The keys of the cells with a verdict."""
    return [result.key for result in comparison.results if result.verdict == verdict]
