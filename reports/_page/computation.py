"""The section "How the numbers are computed": the statistics, the environment, and the drift of the precision."""

from collections.abc import Sequence

from ...bench.store.run import Run, describe_failures
from .analysis import NetAnalysis
from .drift import describe_unmeasured_drift, make_drift_table
from .render import fill
from .section import Section
from .text import PAGE_COMPUTATION


def make_section(runs: Sequence[Run], analyses: Sequence[NetAnalysis]) -> Section:
    """Return how the numbers are computed, the environment of each run, and what its precision changed."""
    drifts = [grid for analysis in analyses if (grid := make_drift_table(analysis))]
    html = fill(
        "computation.html",
        lines=PAGE_COMPUTATION,
        environments=[(run, _describe_environment(run)) for run in runs],
        drifts=drifts,
    )
    return Section("computation", "How the numbers are computed", html, tables=drifts)


def _describe_environment(run: Run) -> dict[str, str]:
    notes = {"precision": describe_unmeasured_drift(run), "failed": describe_failures(run)}
    return {**run.header.environment, **{key: note for key, note in notes.items() if note}}
