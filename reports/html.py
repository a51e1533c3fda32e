"""A self-contained page: which method to take and how certain that is, scores, curves, cost, a gallery and the protocol."""

from collections.abc import Sequence
from pathlib import Path

from ..bench.core.formatting import make_title
from ..bench.store.run import Run
from ._page import (
    answer,
    changes,
    computation,
    controls,
    curves,
    gallery,
    images,
    metrics,
    protocol,
    published,
    race,
    ranking,
    ranks,
    sanity,
    scores,
    side_by_side,
    spread,
)  # fmt: skip
from ._page.analysis import NetAnalysis, analyse
from ._page.render import fill_page
from ._page.section import Section
from ._plots.figures import draw_legend

VERSION = 3


def render(run: Run) -> str:
    """Render the page of one run."""
    return page([run])


def page(runs: Sequence[Run], files: Path | None = None) -> str:
    """Render the page of one run, or of several side by side. Figures and tables are also written to `files`, if given."""
    analyses = analyse(runs)
    sections = _make_sections(runs, analyses)
    if files is not None:
        from ._page import export  # imports matplotlib, which is slow, so only when figures are written

        export.write(sections, draw_legend(analyses[0].styles if analyses else {}), files)
    title = " and ".join(dict.fromkeys(make_title(run.name, run.header.suite.dataset) for run in runs))
    data = {"nets": answer.make_script_data(analyses)}
    return fill_page(data, title=title, runs=runs, analyses=analyses, sections=sections)


def _make_sections(runs: Sequence[Run], analyses: Sequence[NetAnalysis]) -> list[Section]:
    """Make the sections in the order of the page; sections with nothing to show are left out."""
    sections = [
        changes.make_section(runs),
        answer.make_section(analyses),
        race.make_section(analyses),
        side_by_side.make_section(runs, analyses),
        ranking.make_section(analyses),
        scores.make_section(runs, analyses),
        curves.make_section(analyses),
        spread.make_section(analyses),
        images.make_section(analyses),
        ranks.make_section(analyses),
        metrics.make_section(analyses),
        gallery.make_section(analyses),
        sanity.make_section(analyses),
        published.make_section(runs),
        controls.make_section(analyses),
        protocol.make_section(runs, analyses),
        computation.make_section(runs, analyses),
    ]
    return [section for section in sections if section]
