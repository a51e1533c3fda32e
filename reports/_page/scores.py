"""The scores: a table a net, metrics beside each other; numbers made of several means; the values image by image."""

from collections.abc import Iterator, Sequence

from ...bench.show.terminal import MEGABYTE, brief
from ...bench.stats.aggregates import ADCC, adcc, win
from ...bench.stats.summary import Metric
from .._plots import figures
from .._plots.bands import bands
from .._plots.drawing import Drawing
from .._tables.grid import Cell, Grid, Head, Row, estimated, figure, name
from .analysis import Sheet
from .text import partial, reasons


def scores(sheet: Sheet) -> Grid:
    """Every method by every metric, and its cost."""
    table, notes = sheet.table, reasons(sheet.table)
    heads = [Head("method"), *(_head(sheet, metric) for metric in table.metrics)]
    heads += [
        Head("seconds", "per image", number=True, data={"family": "cost"}),
        Head("forwards", "per image", number=True, data={"family": "cost"}),
        Head("peak MB", number=True, data={"family": "cost"}),
    ]
    rows = [
        Row(
            [name(method), *(_cell(sheet, method, metric, notes) for metric in table.metrics), *_costs(sheet, method)],
            {"method": method}, "control" if method in table.controls else "",
        )
        for method in table.methods
    ]  # fmt: skip
    said = [f"({place}) {reason}." for reason, place in notes.items()]
    said += [f"{line}." for line in partial(table)]
    return Grid(f"scores-{sheet.title}", f"Mean and 95 % interval by every metric on {sheet.title}", heads, rows, said)


def families(sheets: list[Sheet]) -> list[str]:
    """The kinds of metrics, in the order of the run."""
    return [*dict.fromkeys(_family(metric) for sheet in sheets for metric in sheet.table.metrics), "cost"]


def protocols(sheets: list[Sheet]) -> list[str]:
    return list(dict.fromkeys(_protocol(metric) for sheet in sheets for metric in sheet.table.metrics))


def derived(sheet: Sheet) -> list[Grid]:
    """ADCC of means, and win, by each protocol that has what they are made of."""
    found: list[Grid] = []
    for protocol in dict.fromkeys(metric.spec.partition("@")[2] for metric in sheet.table.metrics):
        parts = [f"{part}@{protocol}" if protocol else part for part in ADCC]
        title = f"{sheet.title} {protocol}".strip()
        if all(part in sheet.views for part in parts):
            found.append(_adcc(sheet, parts, title))
        if parts[0] in sheet.views:
            found.append(_wins(sheet, parts[0], title))
    return found


def spreads(sheet: Sheet) -> Iterator[tuple[str, Drawing]]:
    """By metric, the values image by image, the best method on top; of rates there is nothing to draw."""
    for spec, view in sheet.views.items():
        values = sheet.table.values[spec]
        own = {place.method: values[place.method].dropna().to_numpy() for place in view.ranking.places}
        if view.metric.unit != "yes or no" and any(len(one) > 1 for one in own.values()):
            yield spec, figures.spread(own, view.metric, sheet.title, sheet.styles)


def curves(shown: Sequence[Sheet]) -> list[tuple[Sheet, str, Drawing]]:
    """A figure for each net and each metric that has curves."""
    found = []
    for sheet in shown:
        for metric in sheet.table.metrics:
            rows = sheet.curves[sheet.curves["metric"] == metric.spec] if len(sheet.curves) else sheet.curves
            own = rows[[len(one) > 1 for one in rows["shares"]]] if len(rows) else rows
            if len(own):
                made = bands(own, sheet.table.methods)
                found.append((sheet, metric.spec, figures.curves(made, metric, sheet.title, sheet.styles)))
    return found


def _adcc(sheet: Sheet, parts: list[str], title: str) -> Grid:
    rows = []
    for method in sheet.table.methods:
        estimate = adcc(*(sheet.table.values[part][method] for part in parts))
        rows.append(Row([name(method), estimated(estimate), Cell(str(estimate.n), estimate.n)], {"method": method}))
    heads = [Head("method"), Head("ADCC of means ↑", "95 % interval", number=True), Head("n", number=True)]
    note = "The harmonic mean of the means of coherency, 1 - complexity and 1 - average drop."
    return Grid(f"adcc-{title}", f"ADCC of means on {title}", heads, rows, [note])


def _wins(sheet: Sheet, spec: str, title: str) -> Grid:
    values = sheet.table.values[spec].dropna(axis=1, how="all")
    rows, count = [], 0
    for method in values:
        cells = [name(str(method))]
        for other in values:
            found = win(values[method], values[other]) if method != other else None
            count = max(count, found.n if found else 0)
            cells.append(figure(100 * found.mean, f"{100 * found.mean:.0f}") if found else Cell("–", float("nan")))
        rows.append(Row(cells, {"method": str(method)}))
    heads = [Head("wins over →"), *(Head(str(other), number=True) for other in values)]
    note = f"The share of images, in per cent, where a method's drop is smaller than the other's; n = {count}."
    return Grid(f"win-{title}", f"Win % by {spec} on {title}", heads, rows, [note])


def _head(sheet: Sheet, metric: Metric) -> Head:
    count = sheet.table.count(metric)
    data = {"family": _family(metric), "protocol": _protocol(metric), "metric": metric.spec}
    said = f"{metric.description} {metric.caveat}".strip()
    return Head(f"{metric.spec} {metric.arrow}", f"n = {count}" if count else "", said, True, data)


def _family(metric: Metric) -> str:
    return metric.family or "metrics"


def _protocol(metric: Metric) -> str:
    return metric.spec.partition("@")[2] or "default"


def _cell(sheet: Sheet, method: str, metric: Metric, notes: dict[str, int]) -> Cell:
    entry = sheet.table.entry(method, metric)
    if entry.reason:
        return Cell(f"n/a ({notes[entry.reason]})", float("nan"), css="none")
    cell = estimated(entry.estimate, bold=method in sheet.table.best(metric))
    if sheet.table.count(metric) is not None:
        return cell
    small = f"{cell.small}, n = {entry.estimate.n}".removeprefix(", ")
    return Cell(cell.text, cell.value, small, cell.css, cell.bold, cell.estimate)


def _costs(sheet: Sheet, method: str) -> list[Cell]:
    cost = sheet.table.costs.get(method)
    if cost is None:
        return [Cell("n/a", float("nan"), css="none")] * 3
    low, high = cost.quartiles
    return [
        figure(cost.seconds, brief(cost.seconds), f"{brief(low)} to {brief(high)}"),
        figure(cost.forwards, brief(cost.forwards)),
        figure(cost.peak_bytes / MEGABYTE, brief(cost.peak_bytes / MEGABYTE)),
    ]
