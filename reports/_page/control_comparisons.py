"""Comparisons of methods with controls, by every metric.

A comparison is a paired test over images (bench/stats/paired.py), or a check whether two intervals overlap.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Literal

from ...bench.core.formatting import number, plural
from ...bench.stats.estimate import Estimate, format_interval
from ...bench.stats.paired import Pair, compare, pair_methods
from ...bench.stats.summary import BINARY, MeanScore, Metric, Table

Verdict = Literal["better", "worse", "unsettled", "unknown"]
VERDICTS: dict[str, Verdict] = {"ahead": "better", "behind": "worse", "undecided": "unsettled"}


@dataclass(frozen=True)
class ControlComparison:
    """A method against a control by a metric."""

    metric: Metric
    method: str
    control: str
    verdict: Verdict
    explanation: str
    pair: Pair | None = None  # of a paired test


def compare_with_controls(table: Table, *, paired: bool = False) -> Iterator[ControlComparison]:
    """Compare every method with every control, by every metric.

    If `paired`, by a paired test over images, with Holm's correction over the comparisons of a metric; otherwise by whether the
    two intervals overlap.
    """
    tested = [method for method in table.methods if method not in table.controls]
    for metric in table.metrics:
        questions = [(method, control) for method in tested for control in table.controls]
        pairs = _pairs(table, metric, questions) if paired else {}
        for method, control in questions:
            pair = pairs.get((method, control))
            verdict, explanation = _paired_verdict(pair) if pair else _interval_verdict(table, metric, method, control)
            yield ControlComparison(metric, method, control, verdict, explanation, pair)


def metrics_won(comparisons: Sequence[ControlComparison]) -> dict[str, list[str]]:
    """By method, the metrics on which it is better than every control; the method with the most comes first."""
    verdicts: dict[tuple[str, str], set[str]] = {}
    for comparison in comparisons:
        verdicts.setdefault((comparison.method, comparison.metric.spec), set()).add(comparison.verdict)
    won: dict[str, list[str]] = {}
    for (method, metric), of_metric in verdicts.items():
        if of_metric != {"unknown"}:
            won.setdefault(method, []).extend([metric] if of_metric == {"better"} else [])
    return dict(sorted(won.items(), key=lambda item: -len(item[1])))


def unbeaten_controls(comparisons: Sequence[ControlComparison]) -> dict[str, list[ControlComparison]]:
    """By metric and control, the comparisons of each control that no method beats; methods without a score are left out."""
    groups: dict[str, list[ControlComparison]] = {}
    for comparison in comparisons:
        if comparison.verdict != "unknown":
            groups.setdefault(f"{comparison.metric.spec} against {comparison.control}", []).append(comparison)
    return {key: group for key, group in groups.items() if all(comparison.verdict != "better" for comparison in group)}


def count_verdicts(comparisons: Sequence[ControlComparison]) -> dict[str, int]:
    counts = dict.fromkeys(("better", "unsettled", "worse", "unknown"), 0)
    for comparison in comparisons:
        counts[comparison.verdict] += 1
    return counts


def _pairs(table: Table, metric: Metric, questions: list[tuple[str, str]]) -> dict[tuple[str, str], Pair]:
    """The paired tests of methods and controls that have an image in common."""
    if metric.spec not in table.values:
        return {}
    values = table.values[metric.spec]
    pairs = compare(pair_methods(values, questions, better=metric.better, binary=metric.unit == BINARY))
    return {question: pair for question, pair in zip(questions, pairs, strict=True) if pair.n}


def _paired_verdict(pair: Pair) -> tuple[Verdict, str]:
    images = plural(pair.n, "image")
    if pair.n == 1:
        return "unsettled", f"one image gives no interval (the difference is {number(pair.difference.mean)})"
    difference = f"the difference is {_mean_and_interval(pair.difference)}"
    if pair.verdict == "undecided":
        return "unsettled", f"undecided on {images}: {difference}{_images_needed(pair)}"
    winner = pair.first if pair.verdict == "ahead" else pair.second
    share = pair.superiority if pair.verdict == "ahead" else 1 - pair.superiority
    p = "p < .001" if pair.corrected_p < 0.001 else f"p = {number(pair.corrected_p)}"
    return VERDICTS[pair.verdict], f"{winner} is ahead: {difference}, better on {share:.0%} of {images}, {p}"


def _images_needed(pair: Pair) -> str:
    if pair.images_needed == "never":
        return "; the means are equal, and more images would not decide it"
    return f"; {pair.images_needed_text} would decide it" if pair.images_needed_text else ""


def _interval_verdict(table: Table, metric: Metric, method: str, control: str) -> tuple[Verdict, str]:
    mean_scores: tuple[MeanScore, MeanScore] = table.mean_score(method, metric), table.mean_score(control, metric)
    if reason := mean_scores[0].reason or (mean_scores[1].reason and f"{control}: {mean_scores[1].reason}"):
        return "unknown", reason
    score, baseline = mean_scores[0].estimate, mean_scores[1].estimate
    if isnan(score.low) or isnan(baseline.low):
        return "unsettled", f"one image gives no interval ({number(score.mean)} and {number(baseline.mean)})"
    if score.overlaps(baseline):
        return (
            "unsettled",
            f"undecided on {score.n} images: the intervals overlap ({format_interval(score)} and {format_interval(baseline)})",
        )
    both = f"{_mean_and_interval(score)} against {_mean_and_interval(baseline)}, {score.n} images"
    if metric.is_better(score.mean, baseline.mean):
        return "better", both
    return "worse", f"{control} scores better: {both}"


def _mean_and_interval(estimate: Estimate) -> str:
    return f"{number(estimate.mean)} ({format_interval(estimate)})"
