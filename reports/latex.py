"""LaTeX tables (booktabs) for a paper: mean with 95 % interval per net, and costs."""

from ..bench.store import Run
from ._latex import tabular
from ._scores import scores
from ._sheets import sheets
from ._words import MADE, what_was_run

VERSION = 1
SUFFIX = ".tex"


def render(run: Run) -> str:
    notes = [f"% {' '.join(line.split())}" for line in (what_was_run(run), *MADE)]
    parts = [tabular(scores(sheet)) for sheet in sheets([run]) if sheet.table.images]
    empty = [] if parts else ["% No image is complete yet."]
    return "\n".join(["% \\usepackage{booktabs} in the preamble", *notes, *empty, *parts]) + "\n"
