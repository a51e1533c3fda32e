"""Tables for a README or an issue: mean with 95 % interval per net, costs, reasons, protocol."""

from collections.abc import Iterator

from ..bench.core.formatting import number, plural
from ..bench.published import published
from ..bench.published import table as beside
from ..bench.show.terminal import MEGABYTE, brief
from ..bench.stats.summary import Metric, Table, tables
from ..bench.store.run import Run
from ._page.controls import contests, failing, standing
from ._page.text import MADE, partial, progress, protocol, reasons, what_was_run
from ._tables.markdown import escape

VERSION = 1
SUFFIX = ".md"


def render(run: Run) -> str:
    shown = tables(run)
    lines = [f"# {escape(run.name)}", "", escape(what_was_run(run))]
    if missing := progress(shown):
        lines += ["", f"**{escape(missing)}**"]
    for table in shown:
        lines += ["", f"## {escape(table.net)}", "", *_net(table)]
    if found := published.beside(run):
        lines += ["", *beside.markdown(found).replace("\n## ", "\n### ").replace("# ", "## ", 1).splitlines()]
    lines += ["", "## Protocol", "", *_protocols(run), "", "## How the numbers were made", ""]
    lines += [f"- {line}" for line in MADE]
    lines += ["", "## Environment", ""]
    lines += [f"- {escape(key)}: {escape(value)}" for key, value in run.header["environment"].items()]
    return "\n".join(lines) + "\n"


def _net(table: Table) -> Iterator[str]:
    if not table.images:
        yield "No image is complete yet."
        return
    layer = f"Layer {escape(table.layer)}, " if table.layer else ""
    yield f"{layer}{plural(table.images, 'image')}, {escape(table.precision)}: {escape(table.accuracy)}."
    yield ""
    notes = reasons(table)
    heads = ["method", *(_head(table, metric) for metric in table.metrics), "s per image", "forwards", "peak MB"]
    yield _line(heads)
    yield _line(["---"] + ["---:"] * (len(heads) - 1))
    for method in table.methods:
        cells = [_cell(table, method, metric, notes) for metric in table.metrics]
        yield _line([escape(method), *cells, *_cost(table, method)])
    yield ""
    yield from (f"- ({note}) {escape(reason)}" for reason, note in notes.items())
    yield from (f"- {escape(line)}" for line in partial(table))
    yield from (f"- {escape(line)}" for line in _controls(table))


def _controls(table: Table) -> Iterator[str]:
    if not table.controls:
        return
    controls = " and ".join(table.controls)
    found = list(contests(table, paired=True))
    for method, won in standing(table, found).items():
        which = f": {', '.join(won)}" if won else ""
        yield f"{method} beats {controls} on {len(won)} of {len(table.metrics)} metrics{which}"
    for key, lost in failing(table, found).items():
        behind = [contest.method for contest in lost if contest.verdict == "worse"]
        count = table.count(lost[0].metric) or table.images
        open_ = "the images do not settle it" if count > 1 else "there is no interval"
        said = f"the control is better than {', '.join(behind)}" if behind else open_
        yield f"{key}, no method is better: {said} ({plural(count, 'image')})"


def _head(table: Table, metric: Metric) -> str:
    count = table.count(metric)
    return f"{escape(metric.spec)} {metric.arrow}" + ("" if count is None else f", n = {count}")


def _cell(table: Table, method: str, metric: Metric, notes: dict[str, int]) -> str:
    entry = table.entry(method, metric)
    if entry.reason:
        return f"n/a ({notes[entry.reason]})"
    estimate = entry.estimate
    mean = f"**{number(estimate.mean)}**" if method in table.best(metric) else number(estimate.mean)
    interval = f" [{number(estimate.low)}, {number(estimate.high)}]" if estimate.n > 1 else ""
    return mean + interval + ("" if table.count(metric) else f", n = {estimate.n}")


def _cost(table: Table, method: str) -> list[str]:
    if method not in table.costs:
        return ["n/a"] * 3
    cost = table.costs[method]
    low, high = cost.quartiles
    return [
        f"{brief(cost.seconds)} [{brief(low)}, {brief(high)}]",
        brief(cost.forwards),
        brief(cost.peak_bytes / MEGABYTE),
    ]


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _protocols(run: Run) -> list[str]:
    found = run.header["protocols"].items()
    return [f"- **{escape(metric)}**: {escape(protocol(about))}" for metric, about in found]
