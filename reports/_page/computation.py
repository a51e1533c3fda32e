"""The section "How the numbers are computed": the statistics, the environment, and the drift of the precision."""

from collections.abc import Sequence

from ...bench.store.run import Run, describe_failures
from .analysis import NetAnalysis
from .drift import make_drift_table, unmeasured_drift
from .render import fill
from .section import Section
from .text import PAGE_COMPUTATION


def make_section(runs: Sequence[Run], analyses: Sequence[NetAnalysis]) -> Section:
    """How the numbers are computed, the environment of each run, and what its precision changed."""
    drifts = [grid for analysis in analyses if (grid := make_drift_table(analysis))]
    html = fill(
        "computation.html",
        lines=PAGE_COMPUTATION,
        environments=[(run, _environment(run)) for run in runs],
        drifts=drifts,
    )
    return Section("computation", "How the numbers are computed", html, tables=drifts)


def _environment(run: Run) -> dict[str, str]:
    notes = {"precision": unmeasured_drift(run), "failed": describe_failures(run)}
    return {**run.header.environment, **{key: note for key, note in notes.items() if note}}
