"""How each method does against the controls: on a net by a metric, and over all.

A contest is decided image by image (bench/stats/paired.py), or by whether two intervals overlap.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Literal

from ...bench.core.formatting import number, plural
from ...bench.stats.estimate import Estimate, span
from ...bench.stats.paired import Pair, among, compare
from ...bench.stats.summary import YES_OR_NO, Entry, Metric, Table

Verdict = Literal["better", "worse", "unsettled", "unknown"]
SAYS: dict[str, Verdict] = {"ahead": "better", "behind": "worse", "undecided": "unsettled"}


@dataclass(frozen=True)
class Contest:
    """A method against a control by a metric."""

    metric: Metric
    method: str
    control: str
    verdict: Verdict
    words: str
    pair: Pair | None = None  # where it was decided image by image


def contests(table: Table, *, paired: bool = False) -> Iterator[Contest]:
    """Every method against every control, by every metric; image by image, Holm corrects over those of a metric."""
    for metric in table.metrics:
        asked = [
            (method, control) for method in table.methods for control in table.controls if method not in table.controls
        ]
        answers = _answers(table, metric, asked) if paired else {}
        for method, control in asked:
            one, other = table.entry(method, metric), table.entry(control, metric)
            pair = answers.get((method, control))
            verdict, words = _paired(pair) if pair else _verdict(metric, control, one, other)
            yield Contest(metric, method, control, verdict, words, pair)


def standing(table: Table, found: Sequence[Contest] | None = None) -> dict[str, list[str]]:
    """By method, best first: the metrics on which it is better than every control."""
    verdicts: dict[tuple[str, str], set[str]] = {}
    for contest in found or contests(table):
        verdicts.setdefault((contest.method, contest.metric.spec), set()).add(contest.verdict)
    won: dict[str, list[str]] = {}
    for (method, metric), said in verdicts.items():
        if said != {"unknown"}:
            won.setdefault(method, []).extend([metric] if said == {"better"} else [])
    return dict(sorted(won.items(), key=lambda item: -len(item[1])))


def failing(table: Table, found: Sequence[Contest] | None = None) -> dict[str, list[Contest]]:
    """The contests that no method wins: by metric and control, what is said of each method that has a score."""
    groups: dict[str, list[Contest]] = {}
    for contest in found or contests(table):
        if contest.verdict != "unknown":
            groups.setdefault(f"{contest.metric.spec} against {contest.control}", []).append(contest)
    return {key: group for key, group in groups.items() if all(contest.verdict != "better" for contest in group)}


def tally(table: Table, found: Sequence[Contest] | None = None) -> dict[str, int]:
    counts = dict.fromkeys(("better", "unsettled", "worse", "unknown"), 0)
    for contest in found or contests(table):
        counts[contest.verdict] += 1
    return counts


def overall(
    tables: list[Table], found: Mapping[str, Sequence[Contest]] | None = None
) -> tuple[dict[str, list[str]], list[str]]:
    """By metric, the methods that beat every control on every net where they apply; and the metrics by which none does so.

    `found` are the contests by net.
    """
    lists = [standing(table, (found or {}).get(table.net)) for table in tables if table.images]
    methods = list(dict.fromkeys(method for one in lists for method in one))
    specs = [metric.spec for metric in tables[0].metrics] if tables else []
    won = {
        spec: [method for method in methods if all(spec in one[method] for one in lists if method in one)]
        for spec in specs
    }
    return {spec: names for spec, names in won.items() if names}, [spec for spec, names in won.items() if not names]


def _answers(table: Table, metric: Metric, asked: list[tuple[str, str]]) -> dict[tuple[str, str], Pair]:
    """The pairs that have an image in common."""
    if metric.spec not in table.values:
        return {}
    values = table.values[metric.spec]
    pairs = compare(among(values, asked, better=metric.better, yes_or_no=metric.unit == YES_OR_NO))
    return {key: pair for key, pair in zip(asked, pairs, strict=True) if pair.n}


def _paired(pair: Pair) -> tuple[Verdict, str]:
    images = plural(pair.n, "image")
    if pair.n == 1:
        return "unsettled", f"one image gives no interval (the difference is {number(pair.difference.mean)})"
    apart = f"{number(pair.difference.mean)} ({span(pair.difference)})"
    if pair.verdict == "undecided":
        return "unsettled", f"{images} do not settle it: the difference is {apart}{_more(pair)}"
    ahead = f"{pair.one if pair.verdict == 'ahead' else pair.other} is ahead"
    share = pair.superiority if pair.verdict == "ahead" else 1 - pair.superiority
    p = "p < .001" if pair.corrected < 0.001 else f"p = {number(pair.corrected)}"
    return SAYS[pair.verdict], f"{ahead}: the difference is {apart}, better on {share:.0%} of {images}, {p}"


def _more(pair: Pair) -> str:
    if pair.needed == "never":
        return "; the means are equal, and more images would not tell them apart"
    return f"; {pair.settling} would" if pair.settling else ""


def _verdict(metric: Metric, control: str, one: Entry, other: Entry) -> tuple[Verdict, str]:
    if one.reason or other.reason:
        return "unknown", one.reason or f"{control}: {other.reason}"
    a, b = one.estimate, other.estimate
    if isnan(a.low) or isnan(b.low):
        return "unsettled", f"one image gives no interval ({number(a.mean)} and {number(b.mean)})"
    if a.overlaps(b):
        return "unsettled", f"{a.n} images do not settle it: the intervals overlap ({span(a)} and {span(b)})"
    both = f"{_shown(a)} against {_shown(b)}, {a.n} images"
    return ("better", both) if metric.ahead(a.mean, b.mean) else ("worse", f"{control} scores better here: {both}")


def _shown(estimate: Estimate) -> str:
    return f"{number(estimate.mean)} ({span(estimate)})"
