"""What a comparison has to show, whoever shows it: rows of what changed, sentences of what is no number, and what to do."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isnan

from ..core.formatting import number, plural
from ..stats.estimate import span
from .compare import Comparison
from .snapshot import COUNTED
from .timing import SECONDS, ratios
from .verdicts import OVERALL, Judged, Verdict

ORDER: tuple[Verdict, ...] = ("worse", "broken", "gone", "not comparable", "unclear", "better", "fixed", "new", "same")
MEGABYTE = 1e6
MOVED = 1.5  # a ratio of seconds that is worth a word
ADVICE: dict[Verdict, str] = {
    "worse": "worse: beyond the slack, and the images agree (of costs: any more); find the change that did it",
    "broken": "broken: there were values and now there are none, for the reason given",
    "gone": "gone: what is recorded was not run; run it, or record the baseline without it",
    "not comparable": "not comparable: the numbers mean something else now, for the reason given",
    "unclear": "unclear: beyond the slack, but so few images (of seconds: runs) do not tell; take more, or fail with --strict",
}


@dataclass(frozen=True)
class Row:
    """A changed number, in the words of a table's cells."""

    cell: Judged
    base: str
    new: str
    change: str
    interval: str
    p: str


def rows(comparison: Comparison) -> list[Row]:
    """What changed in numbers: by net and method, the worst first."""
    shown = [cell for cell in comparison.cells if cell.verdict != "same" and _numeric(cell)]
    groups: dict[tuple[str, str], list[Judged]] = {}
    for cell in shown:
        groups.setdefault(cell.key[:2], []).append(cell)
    ordered = sorted(groups.values(), key=lambda group: min(ORDER.index(cell.verdict) for cell in group))
    return [_row(cell) for group in ordered for cell in sorted(group, key=lambda cell: ORDER.index(cell.verdict))]


def _numeric(cell: Judged) -> bool:
    return cell.key[2] == OVERALL or not isnan(cell.base)


def _row(cell: Judged) -> Row:
    if cell.key[2] == OVERALL:
        return Row(cell, "", "", "", cell.why, _p(cell))
    if cell.change is None:
        scale = MEGABYTE if cell.key[2] == "peak_bytes" else 1
        times = f"x {cell.new / cell.base:.4g}" if cell.base else "from 0"
        return Row(
            cell,
            figure(cell.base / scale),
            figure(cell.new / scale),
            times,
            "runs" if cell.key[2] == SECONDS else "exact",
            _p(cell),
        )
    interval = "one image" if isnan(cell.change.low) else span(cell.change)
    change = ("+" if cell.change.mean > 0 else "") + figure(cell.change.mean)
    return Row(cell, figure(cell.base), figure(cell.new), change, interval, _p(cell))


def _p(cell: Judged) -> str:
    return "" if isnan(cell.p) else "<.001" if cell.p < 0.001 else number(cell.p)


def figure(value: float) -> str:
    """A number as tables show it, small ones with two digits."""
    return number(value) if not value or abs(value) >= 0.01 else f"{value:.1e}"


def label(cell: Judged) -> str:
    """A metric's or cost's name with its direction."""
    if cell.key[2] == OVERALL:
        return OVERALL
    name = {"peak_bytes": "peak MB"}.get(cell.key[2], cell.short)
    return f"{name} {'↑' if cell.better == 'higher' else '↓'}"


def sentences(comparison: Comparison) -> list[tuple[Verdict, str]]:
    """What is no number, in as few sentences as it takes."""
    found: dict[tuple[Verdict, str], list[Judged]] = {}
    for cell in comparison.cells:
        if cell.verdict != "same" and not _numeric(cell):
            found.setdefault((cell.verdict, cell.why), []).append(cell)
    ordered = sorted(found.items(), key=lambda one: ORDER.index(one[0][0]))
    return [
        (verdict, f"{who}: {why}" if why else who)
        for (verdict, why), cells in ordered
        for who in _who(cells, comparison.cells)
    ]


def _who(cells: Sequence[Judged], among: Sequence[Judged]) -> Iterator[str]:
    """The cells by net, method and metric; those of the same metrics together, those of the same methods, of the same nets."""
    metrics: dict[tuple[str, str], tuple[str, ...]] = {}
    for cell in cells:
        metrics[cell.key[:2]] = (*metrics.get(cell.key[:2], ()), cell.key[2])
    methods: dict[tuple[str, tuple[str, ...]], tuple[str, ...]] = {}
    for (net, method), of in metrics.items():
        methods[net, of] = (*methods.get((net, of), ()), method)
    nets: dict[tuple[tuple[str, ...], tuple[str, ...]], tuple[str, ...]] = {}
    for (net, of), one in methods.items():
        nets[one, of] = (*nets.get((one, of), ()), net)
    scored = [cell.key for cell in among if cell.key[2] not in (OVERALL, SECONDS, *COUNTED)]
    whole = [len({key[place] for key in scored}) for place in range(3)]
    for (some, of), where in nets.items():
        words = zip(("net", "method", "metric"), (where, some, of), whole, strict=True)
        yield "; ".join(_named(*one) for one in words)


def _named(word: str, names: Sequence[str], whole: int) -> str:
    return f"all {plural(whole, word)}" if len(names) == whole > 1 else ", ".join(names)


def headline(comparison: Comparison) -> str:
    """What was compared and how it came out, in a line."""
    counts = comparison.counts
    told = ", ".join(f"{counts[verdict]} {verdict}" for verdict in ORDER if counts[verdict])
    passed = "Passed, not all of it clear" if counts["unclear"] else "Passed"
    how = "Failed" if comparison.failed else passed
    return f"{how}: {plural(len(comparison.cells), 'number')} over {plural(comparison.images, 'image')}: {told}"


def notes(comparison: Comparison) -> list[str]:
    """What was left out, and methods whose seconds moved far though nobody asked to judge them."""
    if any(cell.key[2] == SECONDS for cell in comparison.cells):
        return list(comparison.notes)
    moved = [
        f"{method} on {net} {number(base)} → {number(new)}"
        for (net, method), (base, new) in ratios(comparison.base, comparison.new).items()
        if max(base, new) > MOVED * min(base, new)
    ]
    said = f"seconds in bare predictions, not judged (--judge-seconds): {'; '.join(moved)}"
    return [*comparison.notes, *([said] if moved else [])]


def advice(comparison: Comparison) -> list[str]:
    """What the verdicts that occur mean, and what to do about them."""
    said = [text for verdict, text in ADVICE.items() if comparison.counts[verdict]]
    meant = comparison.failed and comparison.remedy
    return [*said, f"all of it is meant? record the baseline anew: {comparison.remedy}"] if meant else said
