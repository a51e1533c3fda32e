"""The first section of a page of several runs, "What changed": each run compared with the first one, as by bench compare."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial

from ...bench.compare.compare import Comparison, compare_snapshots
from ...bench.compare.snapshot import take_snapshot
from ...bench.compare.summary import ChangeRow, format_label, list_changes, write_headline, write_sentences
from ...bench.core.errors import UsageError
from ...bench.show.grid import Cell, ColumnHead, Grid, GridRow, make_name_cell
from ...bench.store.run import Run
from ...bench.store.shipped import is_shipped
from .analysis import label_runs
from .render import fill
from .section import Section

NONE = "–"
ROWS = 12  # of a table, at most: the page has all numbers below
HEADS = (
    ColumnHead("verdict", row_header=True), ColumnHead("net"), ColumnHead("method"), ColumnHead("metric"),
    ColumnHead("base", number=True), ColumnHead("new", number=True), ColumnHead("change", "95 % interval", number=True),
    ColumnHead("p", number=True),
)  # fmt: skip


@dataclass(frozen=True)
class Changes:
    """What changed from the first run to another one."""

    title: str
    headline: str
    failed: bool
    sentences: list[tuple[str, str]]  # verdicts on what has no numbers
    table: Grid | None


def make_section(runs: Sequence[Run]) -> Section | None:
    """Return what changed from the first run to each other one; None for a single run."""
    if len(runs) < 2:
        return None
    changes = list(_compare(runs))
    tables = [each.table for each in changes if each.table]
    return Section("changes", "What changed", fill("changes.html", changes=changes), tables=tables)


def _compare(runs: Sequence[Run]) -> Iterator[Changes]:
    labels = label_runs(runs)
    shipped = is_shipped(runs[0].directory)  # not all of these are computed: what the other run has too is compared
    take_base = cache(partial(take_snapshot, runs[0], labels[0], partial=shipped))
    for run, label in zip(runs[1:], labels[1:], strict=True):
        title = f"{labels[0]} → {label}"
        try:
            after = take_snapshot(run, label)
            before = take_base().select_shared(after) if shipped else take_base()
            comparison = compare_snapshots(before, after)
        except UsageError as error:
            yield Changes(title, f"Not compared: {error}", failed=False, sentences=[], table=None)
        else:
            yield _describe(title, comparison)


def _describe(title: str, comparison: Comparison) -> Changes:
    rows = list_changes(comparison)
    left = len(rows) - ROWS
    notes = [f"{left} more changed: bench compare lists them."] if left > 0 else []
    table = Grid(
        f"changes-{comparison.new.name}", f"Changes, {title}", list(HEADS), list(map(_make_row, rows[:ROWS])), notes
    )
    sentences: list[tuple[str, str]] = list(write_sentences(comparison))
    return Changes(title, write_headline(comparison), comparison.failed, sentences, table if rows else None)


def _make_row(row: ChangeRow) -> GridRow:
    result = row.result
    net, method, _ = result.key
    cells = [
        make_name_cell(result.verdict), Cell(net), Cell(method), Cell(format_label(result)),
        Cell(row.base or NONE, result.base), Cell(row.new or NONE, result.new),
        Cell(row.change or NONE, result.new - result.base, row.interval), Cell(row.p, result.p),
    ]  # fmt: skip
    return GridRow(cells)
