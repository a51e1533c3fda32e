"""The table of the scores and costs on one net, for the terminal, the page, Markdown and LaTeX alike."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import isfinite

from ..core.formatting import MEGABYTE, format_cost, format_effect
from ..core.specs import DEFAULT, split_protocol
from ..stats.mean_scores import Metric
from ..stats.notes import TIES_MARK, describe_means
from ..stats.summary import Table
from .grid import Cell, ColumnHead, Grid, GridRow, make_estimate_cell, make_name_cell, make_number_cell

MISSING = "none"  # the class of cells without a number
BOLD_NOTE = (
    "Bold: the best on the images that all methods have, without those that have fewer than half as many as another."
)
COST = {"family": "cost"}
SECONDS = ColumnHead("seconds", "per image alone", short="s per\nimage", number=True, data=COST)
SPEED = ColumnHead("images a second", number=True, data=COST)
FORWARDS = ColumnHead("forwards", "per image", short="for-\nwards", number=True, data=COST)
PEAK = ColumnHead("peak MB", short="peak\nMB", number=True, data=COST)


def make_score_table(table: Table, title: str) -> Grid:
    """Make a row per method and a column per metric and per cost. `title` names the net, and the run if there are several."""
    reasons = number_reasons(table)
    best = {metric.spec: table.find_best(metric) for metric in table.metrics}
    heads = [ColumnHead("method", short="method", row_header=True)]
    costs = list(_list_costs(table))
    heads += [*(_make_head(table, metric) for metric in table.metrics), *costs]
    rows = [
        GridRow(
            [make_name_cell(method),
             *(_make_score_cell(table, method, metric, reasons, best[metric.spec]) for metric in table.metrics),
             *_make_cost_cells(table, method, costs)],
            {"method": method}, "control" if method in table.controls else "",
        )
        for method in table.methods
    ]  # fmt: skip
    notes = [f"({number}) {reason}." for reason, number in reasons.items()]
    notes += [f"{line}." for line in describe_means(table, lambda metric: metric.spec)]
    if any(table.count(metric) is None and metric.spec in table.values for metric in table.metrics):
        notes.append(BOLD_NOTE)
    return Grid(f"scores-{title}", f"Mean and 95 % interval by every metric on {title}", heads, rows, notes)


def number_reasons(table: Table) -> dict[str, int]:
    """Assign numbers to the reasons why cells are empty, for footnotes."""
    reasons = (table.find_mean_score(method, metric).reason for method in table.methods for metric in table.metrics)
    return {reason: number for number, reason in enumerate(dict.fromkeys(filter(None, reasons)), 1)}


def find_family(metric: Metric) -> str:
    """Return the family by which the page filters a metric."""
    return metric.family or "metrics"


def find_protocol(metric: Metric) -> str:
    """Return the name of the protocol of a metric."""
    return split_protocol(metric.spec)[1]


def _make_head(table: Table, metric: Metric) -> ColumnHead:
    count = table.count(metric)
    short, protocol = split_protocol(metric.short)
    return ColumnHead(
        f"{metric.spec} {metric.arrow}",
        f"n = {count}" if count else "",
        f"{metric.description} {metric.caveat}".strip(),
        "\n".join([short, *([] if protocol == DEFAULT else [f"@{protocol}"]), metric.arrow]),
        number=True,
        data={"family": find_family(metric), "protocol": find_protocol(metric), "metric": metric.spec},
    )


def _make_score_cell(table: Table, method: str, metric: Metric, reasons: dict[str, int], best: Sequence[str]) -> Cell:
    mean_score = table.find_mean_score(method, metric)
    if mean_score.reason:
        word = "n/a" if mean_score.computed else "no result"
        return Cell(f"{word} ({reasons[mean_score.reason]})", float("nan"), css=MISSING)
    cell = make_estimate_cell(mean_score.estimate, bold=method in best)
    small = [cell.small]
    if table.count(metric) is None:
        small.append(f"n = {mean_score.estimate.n}")
    if table.is_moved_by_ties(method, metric):
        cell = replace(cell, text=f"{cell.text}{TIES_MARK}")
        small.append(f"ties {format_effect(table.find_tie_effect(method, metric))}")
    return replace(cell, small=", ".join(filter(None, small)))


def _list_costs(table: Table) -> Iterator[ColumnHead]:
    """List the costs of the table: a run of few images times no batch, and has no images a second."""
    yield SECONDS
    if any(isfinite(cost.images_per_second) for cost in table.costs.values()):
        yield SPEED
    yield from (FORWARDS, PEAK)


def _make_cost_cells(table: Table, method: str, heads: Sequence[ColumnHead]) -> list[Cell]:
    cost = table.costs.get(method)
    if cost is None:
        return [Cell("n/a", float("nan"), css=MISSING)] * len(heads)
    low, high = cost.quartiles
    speed, megabytes = cost.images_per_second, cost.peak_bytes / MEGABYTE
    cells = {
        SECONDS.text: make_number_cell(
            cost.seconds, format_cost(cost.seconds), f"{format_cost(low)} to {format_cost(high)}"
        ),
        SPEED.text: make_number_cell(speed, format_cost(speed), f"in a batch of {cost.batch}"),
        FORWARDS.text: make_number_cell(cost.forwards, format_cost(cost.forwards)),
        PEAK.text: make_number_cell(megabytes, format_cost(megabytes)),
    }
    return [cells[head.text] for head in heads]
