"""The contents of a comparison in any output: rows of changed numbers, sentences on the other verdicts, and advice."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isnan

from ..core.formatting import MEGABYTE, format_count, format_number, format_p
from ..stats.estimate import format_interval
from .compare import Comparison
from .snapshot import COUNTED
from .timing import SECONDS, compute_median_seconds
from .verdicts import OVERALL, NumberResult, Verdict

ORDER: tuple[Verdict, ...] = ("worse", "broken", "gone", "not comparable", "unclear", "better", "fixed", "new", "same")
TINY = 1e-300  # for a metric without slack, of which any change is a large one
MOST_DIGITS = 12
NOTED = 1.5  # a ratio of seconds that is worth a note
ADVICE: dict[Verdict, str] = {
    "worse": "worse: beyond the slack and significant (costs: beyond the slack); find the change that caused it",
    "broken": "broken: the base has values and the new run has none, for the reason given",
    "gone": "gone: in the base but not in the new run; run it, or record the baseline without it",
    "not comparable": "not comparable: the numbers are defined differently, for the reason given",
    "unclear": "unclear: beyond the slack, but not significant; use more images (seconds: runs); a strict comparison fails",
}


@dataclass(frozen=True)
class ChangeRow:
    """A changed number as the texts of a table row."""

    result: NumberResult
    base: str
    new: str
    change: str
    interval: str
    p: str


def list_changes(comparison: Comparison) -> list[ChangeRow]:
    """List the changed numbers by net and method, the worst verdict first."""
    changed = [result for result in comparison.results if result.verdict != "same" and _is_numeric(result)]
    groups: dict[tuple[str, str], list[NumberResult]] = {}
    for result in changed:
        groups.setdefault(result.key[:2], []).append(result)
    ordered = sorted(groups.values(), key=lambda group: min(ORDER.index(result.verdict) for result in group))
    return [
        _make_row(result)
        for group in ordered
        for result in sorted(group, key=lambda result: ORDER.index(result.verdict))
    ]


def _is_numeric(result: NumberResult) -> bool:
    return result.key[2] == OVERALL or not isnan(result.base)


def _make_row(result: NumberResult) -> ChangeRow:
    if result.key[2] == OVERALL:
        return ChangeRow(result, "", "", "", result.why, format_p(result.p))
    if result.change is None:
        scale = MEGABYTE if result.key[2] == "peak_bytes" else 1
        times = "x " + _format_apart(1.0, result.new / result.base)[1] if result.base else "from 0"
        return ChangeRow(
            result,
            *_format_apart(result.base / scale, result.new / scale),
            times,
            "runs" if result.key[2] == SECONDS else "exact",
            format_p(result.p),
        )
    interval = "one image" if isnan(result.change.low) else format_interval(result.change)
    change = ("+" if result.change.mean > 0 else "") + format_figure(result.change.mean)
    return ChangeRow(
        result, format_figure(result.base), format_figure(result.new), change, interval, format_p(result.p)
    )


def format_figure(value: float) -> str:
    """Format a number for a table; small numbers have two digits."""
    return format_number(value) if not value or abs(value) >= 0.01 else f"{value:.1e}"


def _format_apart(base: float, new: float) -> tuple[str, str]:
    """Format two costs with as many digits as tell them apart."""
    figures = format_figure(base), format_figure(new)
    if figures[0] != figures[1] or base == new:
        return figures
    digits = next(
        (digits for digits in range(4, MOST_DIGITS) if f"{base:.{digits}g}" != f"{new:.{digits}g}"), MOST_DIGITS
    )
    return f"{base:.{digits}g}", f"{new:.{digits}g}"


def format_label(result: NumberResult) -> str:
    """Format the label of a metric or cost: its name and direction."""
    if result.key[2] == OVERALL:
        return OVERALL
    name = {"peak_bytes": "peak MB"}.get(result.key[2], result.short)
    return f"{name} {'↑' if result.better == 'higher' else '↓'}"


def write_sentences(comparison: Comparison) -> list[tuple[Verdict, str]]:
    """Describe the verdicts without numbers, in as few sentences as possible."""
    groups: dict[tuple[Verdict, str], list[NumberResult]] = {}
    for result in comparison.results:
        if result.verdict != "same" and not _is_numeric(result):
            groups.setdefault((result.verdict, result.why), []).append(result)
    ordered = sorted(groups.items(), key=lambda group: ORDER.index(group[0][0]))
    return [
        (verdict, f"{names}: {why}" if why else names)
        for (verdict, why), results in ordered
        for names in _name_results(results, comparison.results)
    ]


def _name_results(results: Sequence[NumberResult], all_results: Sequence[NumberResult]) -> Iterator[str]:
    """Name the nets, methods and metrics of results. Methods with the same metrics share a text, and so do nets."""
    metrics: dict[tuple[str, str], tuple[str, ...]] = {}
    for result in results:
        metrics[result.key[:2]] = (*metrics.get(result.key[:2], ()), result.key[2])
    methods: dict[tuple[str, tuple[str, ...]], tuple[str, ...]] = {}
    for (net, method), specs in metrics.items():
        methods[net, specs] = (*methods.get((net, specs), ()), method)
    nets: dict[tuple[tuple[str, ...], tuple[str, ...]], tuple[str, ...]] = {}
    for (net, specs), names in methods.items():
        nets[names, specs] = (*nets.get((names, specs), ()), net)
    keys = [result.key for result in all_results if result.key[2] not in (OVERALL, SECONDS, *COUNTED)]
    totals = [len({key[part] for key in keys}) for part in range(3)]
    for (names, specs), net_names in nets.items():
        parts = zip(("net", "method", "metric"), (net_names, names, specs), totals, strict=True)
        yield "; ".join(_join_names(*part) for part in parts)


def _join_names(word: str, names: Sequence[str], total: int) -> str:
    """Join names with commas; all of them are counted instead."""
    return f"all {format_count(total, word)}" if len(names) == total > 1 else ", ".join(names)


def write_headline(comparison: Comparison) -> str:
    """Describe the outcome of a comparison in one line: the change that matters most, and the count of each verdict."""
    passed = "Passed, with unclear results" if comparison.counts["unclear"] else "Passed"
    numbers, images = format_count(len(comparison.results), "number"), format_count(comparison.images, "image")
    if comparison.lost:
        all_images = len(comparison.base.image_hashes)
        images = f"{all_images - comparison.lost} of {format_count(all_images, 'image')}"
    parts = [f"{numbers} over {images}: {count_verdicts(comparison)}"]
    if worst := describe_worst_change(comparison):
        parts.insert(0, worst)
    if comparison.failed and not any(map(comparison.fails, comparison.results)):
        parts.insert(0, describe_lost(comparison))
    return f"{'Failed' if comparison.failed else passed}: {'; '.join(parts)}"


def describe_lost(comparison: Comparison) -> str:
    """Say how many images of the base are not compared."""
    count = comparison.lost
    return f"{format_count(count, 'image')} of the base {'is' if count == 1 else 'are'} not compared"


def count_verdicts(comparison: Comparison) -> str:
    """Count the results with each verdict, the worst verdict first."""
    return ", ".join(f"{count} {verdict}" for verdict in ORDER if (count := comparison.counts[verdict]))


def describe_worst_change(comparison: Comparison) -> str:
    """Describe the change with the worst verdict, and of several the largest, in slacks; empty if nothing changed."""
    changed = [result for result in comparison.results if result.verdict != "same"]
    if not changed:
        return ""
    worst = min(changed, key=lambda result: (ORDER.index(result.verdict), -_count_slacks(result)))
    net, method, metric = worst.key
    if metric == OVERALL:
        return f"{method} on {net} is {worst.verdict} by all metrics together"
    if not _is_numeric(worst):
        return _describe_all_of(worst, changed)
    row = _make_row(worst)
    return f"{metric} of {method} on {net} is {worst.verdict}, {row.base} → {row.new}"


def _describe_all_of(worst: NumberResult, changed: Sequence[NumberResult]) -> str:
    """Describe a verdict without numbers for all metrics and nets of a method that have it."""
    _, method, _ = worst.key
    keys = [result.key for result in changed if result.verdict == worst.verdict and result.key[1] == method]
    nets, metrics = (list(dict.fromkeys(key[part] for key in keys)) for part in (0, 2))
    place = nets[0] if len(nets) == 1 else format_count(len(nets), "net")
    if len(metrics) == 1:
        return f"{metrics[0]} of {method} on {place} is {worst.verdict}"
    return f"{format_count(len(metrics), 'metric')} of {method} on {place} are {worst.verdict}"


def _count_slacks(result: NumberResult) -> float:
    """Return how large a change is, in units of the slack; 0 for a cost, and for all metrics together."""
    return abs(result.change.mean) / max(result.slack, TINY) if result.change else 0.0


def list_notes(comparison: Comparison) -> list[str]:
    """List what was left out, and large changes of seconds, which are judged only with --judge-seconds."""
    if any(result.key[2] == SECONDS for result in comparison.results):
        return [*comparison.notes, "seconds are in bare predictions"]
    changes = [
        f"{method} on {net} {format_number(base)} → {format_number(new)}"
        for (net, method), (base, new) in compute_median_seconds(comparison.base, comparison.new).items()
        if max(base, new) > NOTED * min(base, new)
    ]
    note = f"seconds in bare predictions, not judged (--judge-seconds): {'; '.join(changes)}"
    return [*comparison.notes, *([note] if changes else [])]


def list_advice(comparison: Comparison) -> list[str]:
    """Explain each failing or unclear verdict that occurs, and what to do."""
    sentences = [text for verdict, text in ADVICE.items() if comparison.counts[verdict]]
    if comparison.strict and comparison.lost:
        sentences.append(f"{describe_lost(comparison)}, for the reasons above: that fails a strict comparison")
    if comparison.failed and comparison.remedy:
        sentences.append(f"if all changes are intended, record the baseline again: {comparison.remedy}")
    return sentences
