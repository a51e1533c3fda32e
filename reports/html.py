"""One self-contained page: what to take and how sure that is, scores, curves, cost, a gallery, and how it was made."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from ..bench import beside, failures, published
from ..bench.store import Run
from ..bench.wording import titled
from . import _answer, _beside, _contests, _drift, _files, _metrics, _scores, _sure, _words
from ._drawing import swatch
from ._gallery import galleries
from ._page import filled
from ._pictures import strips
from ._sheets import Sheet, sheets
from ._svg import element

VERSION = 2
SUFFIX = ".html"


def render(run: Run) -> str:
    return page([run])


def page(runs: Sequence[Run], files: Path | None = None) -> str:
    """The page of one run, or of several beside each other; its figures and tables also go into a folder, if one is named."""
    shown = sheets(runs)
    if files is not None:
        _files.write(runs, shown, files)
    return filled(
        "report.html",
        runs=runs,
        run=runs[0],
        title=" and ".join(dict.fromkeys(titled(run.name, run.header["suite"]["dataset"]) for run in runs)),
        sheets=shown,
        words=_words,
        legend=legend(shown),
        **_sections(runs, shown),
        data={"sheets": _answer.data(shown)},
    )


def _sections(runs: Sequence[Run], shown: list[Sheet]) -> dict[str, Any]:
    """What each section of the template is made of; the order is that of the page."""
    first = next((sheet for sheet in shown if sheet.first), None)
    return {
        "first": first,
        "said": _answer.said(first, first.first) if first and first.first else [],
        "glance": _answer.glance(shown),
        "sure": _sure,
        "views": _answer.shown(shown),
        "differences": _beside.differences(runs),
        "sides": _beside.sides(shown, runs),
        "scores": {sheet.key: _scores.scores(sheet) for sheet in shown},
        "derived": [grid for sheet in shown for grid in _scores.derived(sheet)],
        "families": _scores.families(shown),
        "protocols": _scores.protocols(shown),
        "curves": _scores.curves(shown),
        "spreads": {sheet.key: list(_scores.spreads(sheet)) for sheet in shown},
        "agreements": [grid for sheet in shown if (grid := _metrics.agreements(sheet))],
        "steadiness": [_metrics.steadiness(sheet) for sheet in shown if sheet.views],
        "ranks": _metrics.ranks(shown),
        "blocks_said": _metrics.blocks_said,
        "galleries": list(galleries(shown)),
        "strips": {sheet.title: found for sheet in shown if (found := strips(sheet.run, sheet.table.net))},
        "beside": beside,
        "published": {run.name: numbers for run in runs if (numbers := published.beside(run))},
        "controls": [(sheet, found, _contests.failing(sheet.table, found)) for sheet, found in _duels(shown)],
        "tally": _contests.tally,
        "drifts": [grid for sheet in shown if (grid := _drift.drift(sheet))],
        "undrifted": {run.directory: _drift.unmeasured(run) for run in runs},
        "failed": {run.directory: failures.sentence(run) for run in runs},
    }


def legend(shown: list[Sheet]) -> dict[str, Markup]:
    return {method: element(swatch(style)) for method, style in shown[0].styles.items()} if shown else {}


def _duels(shown: list[Sheet]) -> list[tuple[Sheet, list[_contests.Contest]]]:
    found = [(sheet, [one for view in sheet.views.values() for one in view.contests]) for sheet in shown]
    return [(sheet, duels) for sheet, duels in found if duels]
