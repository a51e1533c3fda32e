"""The section "Controls": which methods are better than the controls, and which controls no method beats."""

from collections.abc import Sequence
from dataclasses import dataclass

from ...bench.stats.controls import ControlComparison, count_verdicts, find_unbeaten_controls
from .analysis import NetAnalysis
from .render import fill
from .section import Section


@dataclass(frozen=True)
class NetComparisons:
    """The comparisons on one net: how many have each verdict, and those of controls that no method beats."""

    analysis: NetAnalysis
    total: int
    counts: dict[str, int]
    unbeaten: dict[str, list[ControlComparison]]


def make_section(analyses: Sequence[NetAnalysis]) -> Section:
    """Return the comparisons of methods with controls on each net."""
    nets = [net for analysis in analyses if (net := _make_net_comparisons(analysis)).total]
    return Section("controls", "Controls", fill("controls.html", nets=nets))


def _make_net_comparisons(analysis: NetAnalysis) -> NetComparisons:
    comparisons = [comparison for metric in analysis.by_metric.values() for comparison in metric.comparisons]
    return NetComparisons(analysis, len(comparisons), count_verdicts(comparisons), find_unbeaten_controls(comparisons))
