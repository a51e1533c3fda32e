"""A row per net, method and metric, for pandas: mean, interval, n, reason and protocol.

The cost of the method on that net is repeated on each of its rows (seconds is the median), so that

    frame.pivot(index=["net", "method"], columns="metric", values="mean")
    frame[frame["metric"] == "insertion"].plot.scatter("seconds", "mean")

need no join. Empty cells are unknown; `reason` says why. A text that a spreadsheet would compute as a formula has an
apostrophe before it. These are records of raw numbers, not the score table of the other reports (reports/_page/scores.py),
which has a column per metric and rounded numbers.
"""

from ..bench.core.spreadsheet import escape
from ..bench.stats.records import make_frame
from ..bench.store.run import Run

VERSION = 1


def render(run: Run) -> str:
    """Render the records of a run as CSV."""
    return str(make_frame(run).map(escape).to_csv(index=False, lineterminator="\n"))
