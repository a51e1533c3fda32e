"""The section "Published": numbers of publications and the same numbers as the runs measured them."""

from collections.abc import Sequence

from ...bench.published import published, table
from ...bench.store.run import Run
from .render import fill
from .section import Section


def make_section(runs: Sequence[Run]) -> Section | None:
    reproductions = {run.name: rows for run in runs if (rows := published.find_reproductions(run))}
    if not reproductions:
        return None
    return Section("published", "Published", fill("published.html", reproductions=reproductions, table=table))
