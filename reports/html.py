"""One self-contained page: what to take and how sure that is, scores, curves, cost, a gallery, and how it was made."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from ..bench.core.formatting import titled
from ..bench.published import published, table
from ..bench.store.run import Run, failures_sentence
from ._page import answer, confidence, controls, drift, export, metrics, scores, side_by_side, text
from ._page.analysis import Sheet, sheets
from ._page.gallery import galleries
from ._page.pictures import strips
from ._page.render import filled
from ._plots.drawing import swatch
from ._plots.svg import element

VERSION = 2
SUFFIX = ".html"


def render(run: Run) -> str:
    return page([run])


def page(runs: Sequence[Run], files: Path | None = None) -> str:
    """The page of one run, or of several beside each other; its figures and tables also go into a folder, if one is named."""
    shown = sheets(runs)
    if files is not None:
        export.write(runs, shown, files)
    return filled(
        "report.html",
        runs=runs,
        run=runs[0],
        title=" and ".join(dict.fromkeys(titled(run.name, run.header["suite"]["dataset"]) for run in runs)),
        sheets=shown,
        words=text,
        legend=legend(shown),
        **_sections(runs, shown),
        data={"sheets": answer.data(shown)},
    )


def _sections(runs: Sequence[Run], shown: list[Sheet]) -> dict[str, Any]:
    """What each section of the template is made of; the order is that of the page."""
    first = next((sheet for sheet in shown if sheet.first), None)
    return {
        "first": first,
        "said": answer.said(first, first.first) if first and first.first else [],
        "glance": answer.glance(shown),
        "sure": confidence,
        "views": answer.shown(shown),
        "differences": side_by_side.differences(runs),
        "sides": side_by_side.sides(shown, runs),
        "scores": {sheet.key: scores.scores(sheet) for sheet in shown},
        "derived": [grid for sheet in shown for grid in scores.derived(sheet)],
        "families": scores.families(shown),
        "protocols": scores.protocols(shown),
        "curves": scores.curves(shown),
        "spreads": {sheet.key: list(scores.spreads(sheet)) for sheet in shown},
        "agreements": [grid for sheet in shown if (grid := metrics.agreements(sheet))],
        "steadiness": [metrics.steadiness(sheet) for sheet in shown if sheet.views],
        "ranks": metrics.ranks(shown),
        "blocks_said": metrics.blocks_said,
        "galleries": list(galleries(shown)),
        "strips": {sheet.title: found for sheet in shown if (found := strips(sheet.run, sheet.table.net))},
        "beside": table,
        "published": {run.name: numbers for run in runs if (numbers := published.beside(run))},
        "controls": [(sheet, found, controls.failing(sheet.table, found)) for sheet, found in _duels(shown)],
        "tally": controls.tally,
        "drifts": [grid for sheet in shown if (grid := drift.drift(sheet))],
        "undrifted": {run.directory: drift.unmeasured(run) for run in runs},
        "failed": {run.directory: failures_sentence(run) for run in runs},
    }


def legend(shown: list[Sheet]) -> dict[str, Markup]:
    return {method: element(swatch(style)) for method, style in shown[0].styles.items()} if shown else {}


def _duels(shown: list[Sheet]) -> list[tuple[Sheet, list[controls.Contest]]]:
    found = [(sheet, [one for view in sheet.views.values() for one in view.contests]) for sheet in shown]
    return [(sheet, duels) for sheet, duels in found if duels]
