"""LaTeX tables (booktabs) for a paper: means with 95 % intervals and costs, one table per net."""

from ..bench.show.score_table import make_score_table
from ..bench.store.run import Run
from ._page.analysis import analyse
from ._page.text import COMPUTATION, describe_run
from ._tables.latex import format_table

VERSION = 1


def render(run: Run) -> str:
    """Render the table of scores of each net as LaTeX."""
    notes = [f"% {' '.join(line.split())}" for line in (describe_run(run), *COMPUTATION)]
    tables = [
        format_table(make_score_table(analysis.table, analysis.title))
        for analysis in analyse([run])
        if analysis.table.images
    ]
    empty = [] if tables else ["% No image is complete yet."]
    return "\n".join(["% \\usepackage{booktabs} in the preamble", *notes, *empty, *tables]) + "\n"
