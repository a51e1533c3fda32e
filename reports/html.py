"""One self-contained page: who beats the controls, scores with intervals, curves, cost, a gallery, and how it was made."""

from math import isinf, isnan
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from ..bench import beside, published
from ..bench.console import MEGABYTE, brief
from ..bench.store import Run
from ..bench.tables import Metric, Table, metrics, tables
from ..bench.wording import number
from . import _contests, _words
from ._contests import contests
from ._figures import cost_panel, curve_panel
from ._pictures import Pictures, Shown, gallery, ranking, strips
from ._svg import Style, styles, swatch

VERSION = 1
SUFFIX = ".html"

SIGNS = {"better": "●", "unsettled": "○", "worse": "✕", "unknown": "–"}
SAYINGS = {
    "better": "better than every control",
    "unsettled": "not settled",
    "worse": "a control is better",
    "unknown": "no score",
}


def render(run: Run) -> str:
    shown = tables(run)
    drawn = styles(shown[0].methods, shown[0].controls) if shown else {}
    return _template().render(
        run=run,
        header=run.header,
        tables=shown,
        words=_words,
        overall=_contests.overall(shown),
        tally={table.net: _contests.tally(table) for table in shown},
        failing={table.net: _contests.failing(table) for table in shown},
        legend={method: swatch(style) for method, style in drawn.items()},
        curves=_curves(run, shown, drawn),
        costs=_costs(run, shown, drawn),
        pictures=_gallery(run, shown),
        strips={table.net: found for table in shown if (found := strips(run, table.net))},
        beside=beside,
        published=published.beside(run),
        ranking=ranking(run),
        standing={table.net: _standing(table) for table in shown},
        duels={table.net: list(contests(table)) for table in shown},
        leaders={table.net: _leaders(run, table) for table in shown},
        bar=_bar,
        cells=_cells,
        same_reason=_same_reason,
        SIGNS=SIGNS,
        SAYINGS=SAYINGS,
        MEGABYTE=MEGABYTE,
        isnan=isnan,
    )


def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"number": number, "brief": brief, "protocol": _words.protocol, "breakable": _breakable}
    return environment.get_template("report.html")


def _breakable(spec: str) -> Markup:
    """A name that may go on in the next line after an underscore or a colon."""
    return Markup(":<wbr>").join(Markup("_<wbr>").join(part.split("_")) for part in spec.split(":"))


def _drawn(run: Run) -> list[Metric]:
    """The metrics with curves; the others where there is none."""
    rows = run.table("curves")
    found = [metric for metric in metrics(run) if len(rows) and metric.spec in set(rows["metric"])]
    return found or metrics(run)[:2]


def _curves(run: Run, shown: list[Table], drawn: dict[str, Style]) -> dict[str, list[Markup]]:
    """By metric, a panel per net."""
    rows = run.table("curves")
    found: dict[str, list[Markup]] = {}
    if len(rows):
        for metric in metrics(run):
            for table in shown:
                own = rows[(rows["metric"] == metric.spec) & (rows["net"] == table.net)]
                if len(own):
                    found.setdefault(metric.spec, []).append(
                        _titled(table.net, curve_panel(own, metric, table.net, drawn))
                    )
    return found


def _costs(run: Run, shown: list[Table], drawn: dict[str, Style]) -> dict[str, list[Markup]]:
    """By net, each metric with curves against seconds, then against forwards."""
    return {
        table.net: [
            cost_panel(table, metric, axis, drawn) for axis in ("seconds", "forwards") for metric in _drawn(run)
        ]
        for table in shown
        if table.costs
    }


def _titled(title: str, figure: Markup) -> Markup:
    return Markup("<figure class=panel><figcaption>{}</figcaption>{}</figure>").format(title, figure)


def _gallery(run: Run, shown: list[Table]) -> dict[str, dict[str, list[Shown]]]:
    """By net and method, what is shown of it."""
    metric = ranking(run)
    if metric is None:
        return {}
    pictures, scores = Pictures(run), run.table("scores")
    return {
        table.net: {method: gallery(pictures, scores, table.net, method, metric) for method in table.methods}
        for table in shown
        if table.images
    }


def _standing(table: Table) -> dict[str, dict[str, str]]:
    """By method, best first, and by metric: how it does against all controls together."""
    verdicts: dict[tuple[str, str], list[str]] = {}
    for contest in contests(table):
        verdicts.setdefault((contest.method, contest.metric.spec), []).append(contest.verdict)
    return {
        method: {metric.spec: _together(verdicts[method, metric.spec]) for metric in table.metrics}
        for method in _contests.standing(table)
    }


def _together(verdicts: list[str]) -> str:
    """The worst that is said."""
    return next(verdict for verdict in ("worse", "unsettled", "unknown", "better") if verdict in verdicts)


def _leaders(run: Run, table: Table) -> dict[str, str]:
    said = {f"{metric.spec} {metric.arrow}": _words.leader(table, metric) for metric in _drawn(run)}
    return {head: words for head, words in said.items() if words}


def _bar(metric: Metric, low: float, high: float) -> tuple[float, float]:
    """How an interval lies in the range of its metric, as left and width in per cent."""
    least, most = metric.range
    if isinf(most - least) or low < least or high > most:
        return 0.0, 0.0
    scale = 100 / ((most - least) or 1)
    return round((low - least) * scale, 1), round(max((high - low) * scale, 1.5), 1)


def _cells(table: Table, method: str) -> list[tuple[list[Metric], str | None]]:
    """A method's row: a metric each, but neighbours that have no score for the same reason together."""
    cells: list[tuple[list[Metric], str | None]] = []
    for metric in table.metrics:
        reason = table.entry(method, metric).reason
        if reason and cells and cells[-1][1] == reason:
            cells[-1][0].append(metric)
        else:
            cells.append(([metric], reason))
    return cells


def _same_reason(table: Table, method: str) -> str | None:
    """The one reason why a method has no score by any metric."""
    found = {table.entry(method, metric).reason for metric in table.metrics}
    return found.pop() if len(found) == 1 else None
