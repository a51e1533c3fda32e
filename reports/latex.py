"""LaTeX tables (booktabs) for a paper: mean with 95 % interval per net, and costs."""

from ..bench.store.run import Run
from ._page.analysis import sheets
from ._page.scores import scores
from ._page.text import MADE, what_was_run
from ._tables.latex import tabular

VERSION = 1
SUFFIX = ".tex"


def render(run: Run) -> str:
    notes = [f"% {' '.join(line.split())}" for line in (what_was_run(run), *MADE)]
    parts = [tabular(scores(sheet)) for sheet in sheets([run]) if sheet.table.images]
    empty = [] if parts else ["% No image is complete yet."]
    return "\n".join(["% \\usepackage{booktabs} in the preamble", *notes, *empty, *parts]) + "\n"
