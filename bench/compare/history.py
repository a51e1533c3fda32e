"""Each metric over many runs, and where it changed.

Each run is compared with the run of the last change, and a verdict of better or worse is a change. So a slow drift is found as
soon as it is significant, even if no two neighbouring runs differ.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from math import nan

import numpy as np

from ..core.errors import UsageError
from ..core.spreadsheet import escape
from .compare import compare_snapshots, find_mismatch
from .snapshot import COUNTED, Key, Snapshot
from .verdicts import OVERALL, NumberResult, Verdict

ALL_NETS = "all nets"


@dataclass(frozen=True)
class HistoryEntry:
    """One run of a series, and the verdict against the run of the last change."""

    run: int  # its index
    mean: float
    verdict: Verdict
    against: int = -1  # the index of the run of the last change; -1: none

    @property
    def changes(self) -> bool:
        return self.verdict in ("better", "worse", "broken", "fixed", "not comparable")


@dataclass(frozen=True)
class Series:
    """A metric, or a cost, of a method on a net in the order of the runs, without the runs that do not have it."""

    key: Key
    better: str  # higher or lower; empty for all metrics together
    short: str
    entries: list[HistoryEntry] = field(default_factory=list)


def make_history(runs: Sequence[Snapshot]) -> list[Series]:
    """Make a series for each metric and cost. Raise UsageError for fewer than two runs."""
    if len(runs) < 2:
        raise UsageError("a history needs at least two runs: name run directories or baselines")

    @cache
    def compare_runs(base: int, new: int) -> dict[Key, NumberResult]:
        if find_mismatch(runs[base], runs[new]):
            return {}
        return {result.key: result for result in compare_snapshots(runs[base], runs[new]).results}

    by_key: dict[Key, Series] = {}
    for index, run in enumerate(runs):
        for key, mean in _compute_means(run).items():
            series = by_key.setdefault(key, _make_series(run, key))
            last = next((entry.run for entry in reversed(series.entries) if entry.changes), None)
            first = series.entries[0].run if series.entries else -1
            against = first if last is None else last
            verdict: Verdict = "new" if against < 0 else _find_verdict(compare_runs(against, index), key)
            series.entries.append(HistoryEntry(index, mean, verdict, against))
    groups = list(dict.fromkeys(key[:2] for key in by_key))
    return sorted(by_key.values(), key=lambda series: groups.index(series.key[:2]))


def _find_verdict(results: dict[Key, NumberResult], key: Key) -> Verdict:
    """Find the verdict on a number, or that of a method by all of its metrics."""
    if key[2] != OVERALL:
        return results[key].verdict if key in results else "not comparable"
    method_results = [result for result in results.values() if result.key[1] == key[1]]
    verdicts = {result.verdict for result in method_results}
    if not method_results or "not comparable" in verdicts:
        return "not comparable"
    if "broken" in verdicts:
        return "broken"
    return next((result.verdict for result in method_results if result.key[2] == OVERALL), "same")


def _compute_means(run: Snapshot) -> dict[Key, float]:
    """Compute the mean of each number; NaN if it has no value.

    For each method, all metrics together are a number too, which has no mean (NaN).
    """
    means: dict[Key, float] = {
        (ALL_NETS, method, OVERALL): nan for method in dict.fromkeys(key[1] for key in run.scores)
    }
    for key, scores in run.scores.items():
        values = scores.values[~np.isnan(scores.values)]
        means[key] = float(values.mean()) if values.size else nan
    return means | {(*key, name): cost[name] for key, cost in run.costs.items() for name in COUNTED}


def _make_series(run: Snapshot, key: Key) -> Series:
    metric = run.metrics.get(key[2])
    better = "" if key[2] == OVERALL else metric.better if metric else "lower"
    return Series(key, better, metric.short if metric else key[2])


def format_csv(runs: Sequence[Snapshot], history: Sequence[Series]) -> str:
    """Format the history as CSV, with a row per run and number."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["run", "net", "method", "metric", "mean", "verdict", "against"])
    for series in history:
        for entry in series.entries:
            against = runs[entry.against].name if entry.against >= 0 else ""
            names = map(escape, (runs[entry.run].name, *series.key))
            rows.writerow([*names, f"{entry.mean:.9g}", entry.verdict, escape(against)])
    return text.getvalue()
