"""A metric over many runs, and where it changed.

A change is what the gate calls one: better or worse than in the run of the last change. So a slow slide is found where it has
become a difference that the images tell, though no two neighbours differ.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from math import nan

from ..core.errors import UsageError
from .compare import compare
from .snapshot import COUNTED, Key, Recorded
from .verdicts import OVERALL, Judged, Verdict

EVERY = "all nets"


@dataclass(frozen=True)
class Point:
    """A run of a series: the mean there, and the verdict against the run of the last change (its place; -1: none before)."""

    run: int
    mean: float
    verdict: Verdict
    against: int = -1

    @property
    def changes(self) -> bool:
        return self.verdict in ("better", "worse", "not comparable")


@dataclass(frozen=True)
class Series:
    """A metric, or a cost, of a method on a net in the order of the runs; runs without it are left out."""

    key: Key
    better: str  # higher or lower; empty of all metrics together
    short: str
    points: list[Point] = field(default_factory=list)


def history(runs: Sequence[Recorded]) -> list[Series]:
    """A series for each metric and cost. Raises UsageError for fewer than two runs."""
    if len(runs) < 2:
        raise UsageError("a history is of two runs or more: name their directories, or baselines")

    @cache
    def between(one: int, other: int) -> dict[Key, Judged]:
        try:
            return {cell.key: cell for cell in compare(runs[one], runs[other]).cells}
        except UsageError:  # nothing in common
            return {}

    found: dict[Key, Series] = {}
    for place, run in enumerate(runs):
        for key, mean in _means(run).items():
            series = found.setdefault(key, _series(run, key))
            last = next((point.run for point in reversed(series.points) if point.changes), None)
            first = series.points[0].run if series.points else -1
            against = first if last is None else last
            verdict: Verdict = "new" if against < 0 else _verdict(between(against, place), key)
            series.points.append(Point(place, mean, verdict, against))
    groups = list(dict.fromkeys(key[:2] for key in found))
    return sorted(found.values(), key=lambda series: groups.index(series.key[:2]))


def _verdict(cells: dict[Key, Judged], key: Key) -> Verdict:
    if key[2] != OVERALL:
        return cells[key].verdict if key in cells else "not comparable"
    own = [cell for cell in cells.values() if cell.key[1] == key[1]]
    if not own or any(cell.verdict == "not comparable" for cell in own):
        return "not comparable"
    return next((cell.verdict for cell in own if cell.key[2] == OVERALL), "same")


def _means(run: Recorded) -> dict[Key, float]:
    """By cell the mean of its values, NaN of none; and for each method all of its metrics together, which have no mean."""
    found: dict[Key, float] = {(EVERY, method, OVERALL): nan for method in dict.fromkeys(key[1] for key in run.scores)}
    for key, of in run.scores.items():
        values = [one for one in of.values() if isinstance(one, float)]
        found[key] = sum(values) / len(values) if values else nan
    return found | {(*key, name): cost[name] for key, cost in run.costs.items() for name in COUNTED}


def _series(run: Recorded, key: Key) -> Series:
    metric = run.metrics.get(key[2])
    better = "" if key[2] == OVERALL else metric["better"] if metric else "lower"
    return Series(key, better, metric["short"] if metric else key[2])


def as_csv(runs: Sequence[Recorded], found: Sequence[Series]) -> str:
    """A row per run and cell."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["run", "net", "method", "metric", "mean", "verdict", "against"])
    for series in found:
        for point in series.points:
            against = runs[point.against].name if point.against >= 0 else ""
            rows.writerow([runs[point.run].name, *series.key, f"{point.mean:.9g}", point.verdict, against])
    return text.getvalue()
