"""The contents of a comparison in any output: rows of changed numbers, sentences on the other verdicts, and advice."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isnan

from ..core.formatting import MEGABYTE, format_count, format_number, format_p
from ..stats.estimate import format_interval
from .compare import Comparison
from .snapshot import COUNTED
from .timing import SECONDS, compute_median_seconds
from .verdicts import OVERALL, CellResult, Verdict

ORDER: tuple[Verdict, ...] = ("worse", "broken", "gone", "not comparable", "unclear", "better", "fixed", "new", "same")
NOTED = 1.5  # a ratio of seconds that is worth a note
ADVICE: dict[Verdict, str] = {
    "worse": "worse: beyond the slack and significant (for costs: any increase); find the change that caused it",
    "broken": "broken: the base has values and the new run has none, for the reason given",
    "gone": "gone: in the base but not in the new run; run it, or record the baseline without it",
    "not comparable": "not comparable: the numbers are defined differently, for the reason given",
    "unclear": "unclear: beyond the slack, but not significant; use more images (for seconds: runs), or fail with --strict",
}


@dataclass(frozen=True)
class ChangeRow:
    """A changed number as the texts of a table row."""

    cell: CellResult
    base: str
    new: str
    change: str
    interval: str
    p: str


def list_changes(comparison: Comparison) -> list[ChangeRow]:
    """List the changed numbers by net and method, the worst verdict first."""
    changed = [cell for cell in comparison.cells if cell.verdict != "same" and _is_numeric(cell)]
    groups: dict[tuple[str, str], list[CellResult]] = {}
    for cell in changed:
        groups.setdefault(cell.key[:2], []).append(cell)
    ordered = sorted(groups.values(), key=lambda group: min(ORDER.index(cell.verdict) for cell in group))
    return [_make_row(cell) for group in ordered for cell in sorted(group, key=lambda cell: ORDER.index(cell.verdict))]


def _is_numeric(cell: CellResult) -> bool:
    return cell.key[2] == OVERALL or not isnan(cell.base)


def _make_row(cell: CellResult) -> ChangeRow:
    if cell.key[2] == OVERALL:
        return ChangeRow(cell, "", "", "", cell.why, format_p(cell.p))
    if cell.change is None:
        scale = MEGABYTE if cell.key[2] == "peak_bytes" else 1
        times = f"x {cell.new / cell.base:.4g}" if cell.base else "from 0"
        return ChangeRow(
            cell,
            format_figure(cell.base / scale),
            format_figure(cell.new / scale),
            times,
            "runs" if cell.key[2] == SECONDS else "exact",
            format_p(cell.p),
        )
    interval = "one image" if isnan(cell.change.low) else format_interval(cell.change)
    change = ("+" if cell.change.mean > 0 else "") + format_figure(cell.change.mean)
    return ChangeRow(cell, format_figure(cell.base), format_figure(cell.new), change, interval, format_p(cell.p))


def format_figure(value: float) -> str:
    """Format a number for a table; small numbers have two digits."""
    return format_number(value) if not value or abs(value) >= 0.01 else f"{value:.1e}"


def label(cell: CellResult) -> str:
    """Label a metric or cost with its name and direction."""
    if cell.key[2] == OVERALL:
        return OVERALL
    name = {"peak_bytes": "peak MB"}.get(cell.key[2], cell.short)
    return f"{name} {'↑' if cell.better == 'higher' else '↓'}"


def write_sentences(comparison: Comparison) -> list[tuple[Verdict, str]]:
    """Describe the verdicts without numbers, in as few sentences as possible."""
    groups: dict[tuple[Verdict, str], list[CellResult]] = {}
    for cell in comparison.cells:
        if cell.verdict != "same" and not _is_numeric(cell):
            groups.setdefault((cell.verdict, cell.why), []).append(cell)
    ordered = sorted(groups.items(), key=lambda group: ORDER.index(group[0][0]))
    return [
        (verdict, f"{names}: {why}" if why else names)
        for (verdict, why), cells in ordered
        for names in _name_cells(cells, comparison.cells)
    ]


def _name_cells(cells: Sequence[CellResult], all_cells: Sequence[CellResult]) -> Iterator[str]:
    """Name the nets, methods and metrics of cells. Methods with the same metrics share a text, and so do nets."""
    metrics: dict[tuple[str, str], tuple[str, ...]] = {}
    for cell in cells:
        metrics[cell.key[:2]] = (*metrics.get(cell.key[:2], ()), cell.key[2])
    methods: dict[tuple[str, tuple[str, ...]], tuple[str, ...]] = {}
    for (net, method), specs in metrics.items():
        methods[net, specs] = (*methods.get((net, specs), ()), method)
    nets: dict[tuple[tuple[str, ...], tuple[str, ...]], tuple[str, ...]] = {}
    for (net, specs), names in methods.items():
        nets[names, specs] = (*nets.get((names, specs), ()), net)
    keys = [cell.key for cell in all_cells if cell.key[2] not in (OVERALL, SECONDS, *COUNTED)]
    totals = [len({key[part] for key in keys}) for part in range(3)]
    for (names, specs), net_names in nets.items():
        parts = zip(("net", "method", "metric"), (net_names, names, specs), totals, strict=True)
        yield "; ".join(_join_names(*part) for part in parts)


def _join_names(word: str, names: Sequence[str], total: int) -> str:
    """Join names with commas; all of them are counted instead."""
    return f"all {format_count(total, word)}" if len(names) == total > 1 else ", ".join(names)


def write_headline(comparison: Comparison) -> str:
    """Describe the outcome of a comparison in one line."""
    counts = comparison.counts
    verdicts = ", ".join(f"{counts[verdict]} {verdict}" for verdict in ORDER if counts[verdict])
    passed = "Passed, with unclear results" if counts["unclear"] else "Passed"
    outcome = "Failed" if comparison.failed else passed
    numbers, images = format_count(len(comparison.cells), "number"), format_count(comparison.images, "image")
    return f"{outcome}: {numbers} over {images}: {verdicts}"


def list_notes(comparison: Comparison) -> list[str]:
    """List what was left out, and large changes of seconds, which are judged only with --judge-seconds."""
    if any(cell.key[2] == SECONDS for cell in comparison.cells):
        return list(comparison.notes)
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
    if comparison.failed and comparison.remedy:
        sentences.append(f"if all changes are intended, record the baseline again: {comparison.remedy}")
    return sentences
