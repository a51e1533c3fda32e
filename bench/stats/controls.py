"""Comparisons of methods with controls, by every metric: paired tests over images (bench/stats/paired.py)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ..core.formatting import format_count, format_number, format_p
from .estimate import Estimate, format_interval
from .frames import list_scarce
from .mean_scores import Metric, is_binary
from .paired import Pair, compare_pairs, pair_methods
from .summary import Table

ControlVerdict = Literal["better", "worse", "undecided", "unknown"]
VERDICTS: dict[str, ControlVerdict] = {"ahead": "better", "behind": "worse", "undecided": "undecided"}


@dataclass(frozen=True)
class ControlComparison:
    """A method against a control by a metric."""

    metric: Metric
    method: str
    control: str
    verdict: ControlVerdict
    explanation: str
    pair: Pair | None = None  # None if no image has a score of both


def compare_with_controls(table: Table, metrics: Sequence[Metric] | None = None) -> Iterator[ControlComparison]:
    """Compare every method with every control, by some metrics or all of them: paired tests, Holm-corrected for each metric.

    The methods that are left out of the ranking, for want of images, are a family of their own: their tests, which can hardly
    decide anything, do not make those of the others harder to pass.
    """
    tested = [method for method in table.methods if method not in table.controls]
    for metric in table.metrics if metrics is None else metrics:
        questions = [(method, control) for method in tested for control in table.controls]
        pairs = _compute_pairs(table, metric, questions)
        for method, control in questions:
            pair = pairs.get((method, control))
            reason = "" if pair else _explain_missing_pair(table, metric, method, control)
            verdict, explanation = _describe_verdict(pair) if pair else ("unknown", reason)
            yield ControlComparison(metric, method, control, verdict, explanation, pair)


def find_metrics_won(comparisons: Sequence[ControlComparison]) -> dict[str, list[str]]:
    """Return, by method, the metrics on which it is better than every control; the method with the most comes first."""
    verdicts: dict[tuple[str, str], set[str]] = {}
    for comparison in comparisons:
        verdicts.setdefault((comparison.method, comparison.metric.spec), set()).add(comparison.verdict)
    won: dict[str, list[str]] = {}
    for (method, metric), of_metric in verdicts.items():
        if of_metric != {"unknown"}:
            won.setdefault(method, []).extend([metric] if of_metric == {"better"} else [])
    return dict(sorted(won.items(), key=lambda item: -len(item[1])))


def find_unbeaten_controls(comparisons: Sequence[ControlComparison]) -> dict[str, list[ControlComparison]]:
    """Return the comparisons of each control that no method beats, by metric and control, without methods without a score."""
    groups: dict[str, list[ControlComparison]] = {}
    for comparison in comparisons:
        if comparison.verdict != "unknown":
            groups.setdefault(f"{comparison.metric.spec} against {comparison.control}", []).append(comparison)
    return {key: group for key, group in groups.items() if all(comparison.verdict != "better" for comparison in group)}


def count_verdicts(comparisons: Sequence[ControlComparison]) -> dict[str, int]:
    """Count the comparisons of each verdict."""
    counts = dict.fromkeys(("better", "undecided", "worse", "unknown"), 0)
    for comparison in comparisons:
        counts[comparison.verdict] += 1
    return counts


def _compute_pairs(table: Table, metric: Metric, questions: list[tuple[str, str]]) -> dict[tuple[str, str], Pair]:
    """Return the paired tests of methods and controls that have an image in common."""
    if metric.spec not in table.values:
        return {}
    values, ties = table.values[metric.spec], table.values.get(metric.tie_metric)
    samples = pair_methods(values, questions, better=metric.better, binary=is_binary(metric.unit), ties=ties)
    scarce = set(list_scarce(values))
    pairs = compare_pairs(samples, families=["scarce" if method in scarce else "ranked" for method, _ in questions])
    return {question: pair for question, pair in zip(questions, pairs, strict=True) if pair.n}


def _describe_verdict(pair: Pair) -> tuple[ControlVerdict, str]:
    images = format_count(pair.n, "image")
    if pair.n == 1:
        return "undecided", f"one image gives no interval (the difference is {format_number(pair.difference.mean)})"
    difference = f"the difference is {_format_mean(pair.difference)}"
    if pair.verdict == "undecided":
        return "undecided", "; ".join(filter(None, [f"undecided on {images}: {difference}", pair.decision_text]))
    winner = pair.first if pair.verdict == "ahead" else pair.second
    share = pair.superiority if pair.verdict == "ahead" else 1 - pair.superiority
    evidence = f"{difference}, better on {share:.0%} of {images}, {format_p(pair.corrected_p, 'p')}"
    return VERDICTS[pair.verdict], f"{winner} is ahead: {evidence}"


def _explain_missing_pair(table: Table, metric: Metric, method: str, control: str) -> str:
    """Explain why there is no paired test: a method without a score, or no image in common."""
    reason, reason_of_control = (table.find_mean_score(name, metric).reason for name in (method, control))
    return reason or (f"{control}: {reason_of_control}" if reason_of_control else "no image has a score of both")


def _format_mean(estimate: Estimate) -> str:
    return f"{format_number(estimate.mean)} ({format_interval(estimate)})"
