"""How each method does against the controls: on a net by a metric, and over all."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isnan
from typing import Literal

from ..bench.tables import Entry, Metric, Table, number, span

Verdict = Literal["better", "worse", "unsettled", "unknown"]


@dataclass(frozen=True)
class Contest:
    """A method against a control by a metric; better or worse only where their 95 % intervals do not overlap."""

    metric: Metric
    method: str
    control: str
    verdict: Verdict
    words: str


def contests(table: Table) -> Iterator[Contest]:
    """Every method against every control, by every metric."""
    for metric in table.metrics:
        for method in table.methods:
            for control in table.controls:
                if method not in table.controls:
                    verdict, words = _verdict(
                        metric, control, table.entry(method, metric), table.entry(control, metric)
                    )
                    yield Contest(metric, method, control, verdict, words)


def standing(table: Table) -> dict[str, list[str]]:
    """By method, best first: the metrics on which it is better than every control."""
    verdicts: dict[tuple[str, str], set[str]] = {}
    for contest in contests(table):
        verdicts.setdefault((contest.method, contest.metric.spec), set()).add(contest.verdict)
    won: dict[str, list[str]] = {}
    for (method, metric), found in verdicts.items():
        if found != {"unknown"}:
            won.setdefault(method, []).extend([metric] if found == {"better"} else [])
    return dict(sorted(won.items(), key=lambda item: -len(item[1])))


def failing(table: Table) -> dict[str, list[Contest]]:
    """The contests that no method wins: by metric and control, what is said of each method that has a score."""
    groups: dict[str, list[Contest]] = {}
    for contest in contests(table):
        if contest.verdict != "unknown":
            groups.setdefault(f"{contest.metric.spec} against {contest.control}", []).append(contest)
    return {key: found for key, found in groups.items() if all(contest.verdict != "better" for contest in found)}


def tally(table: Table) -> dict[str, int]:
    counts = dict.fromkeys(("better", "unsettled", "worse", "unknown"), 0)
    for contest in contests(table):
        counts[contest.verdict] += 1
    return counts


def overall(tables: list[Table]) -> tuple[dict[str, list[str]], list[str]]:
    """By metric, the methods that beat every control on every net where they apply; and the metrics by which none does so."""
    lists = [standing(table) for table in tables if table.images]
    methods = list(dict.fromkeys(method for one in lists for method in one))
    specs = [metric.spec for metric in tables[0].metrics] if tables else []
    won = {
        spec: [method for method in methods if all(spec in one[method] for one in lists if method in one)]
        for spec in specs
    }
    return {spec: found for spec, found in won.items() if found}, [spec for spec, found in won.items() if not found]


def _verdict(metric: Metric, control: str, one: Entry, other: Entry) -> tuple[Verdict, str]:
    if one.reason or other.reason:
        return "unknown", one.reason or f"{control}: {other.reason}"
    a, b = one.estimate, other.estimate
    if isnan(a.low) or isnan(b.low):
        return "unsettled", f"one image gives no interval ({number(a.mean)} and {number(b.mean)})"
    if a.overlaps(b):
        return "unsettled", f"{a.n} images do not settle it: the intervals overlap ({span(a)} and {span(b)})"
    both = f"{number(a.mean)} ({span(a)}) against {number(b.mean)} ({span(b)}), {a.n} images"
    return ("better", both) if metric.ahead(a.mean, b.mean) else ("worse", f"{control} scores better here: {both}")
