"""The section "Protocol": what fixes the meaning of each number."""

from collections.abc import Sequence

from ...bench.store.run import Run
from .analysis import NetAnalysis
from .render import fill
from .section import Section


def make_section(runs: Sequence[Run], analyses: Sequence[NetAnalysis]) -> Section:
    return Section("protocol", "Protocol", fill("protocol.html", runs=runs, analyses=analyses))
