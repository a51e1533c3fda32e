"""The section "Over nets": mean ranks of methods over nets, data sets and protocols."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd

from ...bench.core.formatting import format_count
from ...bench.core.specs import split_protocol
from ...bench.stats.frames import keep_ranked
from ...bench.stats.friedman import Ranks, rank_in_blocks
from ...bench.stats.mean_scores import Metric
from ...bench.store.comparability import (
    find_algorithm_difference,
    find_image_difference,
    find_method_difference,
    find_metric_difference,
    find_net_difference,
    select_method_facts,
    select_metric_facts,
    select_net_facts,
)
from ...bench.store.header import MetricFacts
from .._plots import cd
from .._plots.drawing import Drawing
from .analysis import NetAnalysis
from .render import fill
from .section import Section


@dataclass(frozen=True)
class MetricRanks:
    """Mean ranks by one metric over blocks. A block is a net, a set of images and a protocol."""

    metric: Metric
    ranks: Ranks
    diagram: Drawing | None  # None if fewer than two methods, or over fewer than two blocks, are ranked
    images: tuple[int, ...]  # of each block
    excluded: tuple[str, ...] = ()  # the blocks of another metric of the same name, with the reason

    @property
    def name(self) -> str:
        """The metric without its protocol."""
        return split_protocol(self.metric.spec)[0]

    @property
    def blocks(self) -> str:
        """How many blocks there are, of how many images, and which methods are left out."""
        left_out, least, most = self.ranks.left_out, min(self.images, default=0), max(self.images, default=0)
        images = format_count(most, "image") if least == most else f"{least} to {most} images"
        note = f"; left out, for lack of scores in some block: {', '.join(left_out)}" if left_out else ""
        return f"{format_count(self.ranks.n, 'block')} of {images}{note}"


def make_section(analyses: Sequence[NetAnalysis]) -> Section | None:
    """Return the mean ranks of the methods over the nets and data sets, for each metric; None with one block alone."""
    ranks = rank_over_blocks(analyses)
    if not any(of_metric.ranks.n > 1 or of_metric.excluded for of_metric in ranks):
        return None
    figures = [(f"ranks-{metric.name}", metric.diagram) for metric in ranks if metric.diagram]
    return Section("ranks", "Over nets", fill("ranks.html", ranks=ranks), figures)


def rank_over_blocks(analyses: Sequence[NetAnalysis]) -> list[MetricRanks]:
    """Rank the methods by each metric; blocks of different protocols are ranked together."""
    blocks: dict[str, _Blocks] = {}
    for analysis in analyses:
        for spec in analysis.by_metric:
            name = split_protocol(spec)[0]
            blocks.setdefault(name, _Blocks(analysis, spec)).add(analysis, spec)
    controls = {control for analysis in analyses for control in analysis.table.controls}
    return [_rank(of_metric, controls) for of_metric in blocks.values()]


def _rank(blocks: "_Blocks", controls: set[str]) -> MetricRanks:
    """Rank the methods over the blocks of one metric, and draw the diagram."""
    # A method that does not apply to some block would be left out of all; with few blocks, the page says so in words.
    metric = blocks.first.by_metric[blocks.spec].metric
    ranks = rank_in_blocks(pd.DataFrame(blocks.means), metric.better)
    diagram = cd.draw_diagram(ranks, controls) if ranks.n > 1 else None
    return MetricRanks(metric, ranks, diagram, tuple(blocks.images), tuple(blocks.excluded))


@dataclass
class _Blocks:
    """The blocks measured by one metric, as the first run defines it."""

    first: NetAnalysis
    spec: str  # of the metric in the first run
    measured: list[tuple[NetAnalysis, str]] = field(default_factory=list)
    means: list[pd.Series] = field(default_factory=list)  # by method
    images: list[int] = field(default_factory=list)
    excluded: list[str] = field(default_factory=list)

    def add(self, analysis: NetAnalysis, spec: str) -> None:
        if reason := find_algorithm_difference(
            _find_metric_facts(self.first, self.spec), _find_metric_facts(analysis, spec)
        ):
            self.excluded.append(f"{spec} on {analysis.title}: {reason}")
        elif not any(_is_same_block(*block, analysis, spec) for block in self.measured):
            values = keep_ranked(analysis.table.values[spec])
            means = values.mean()
            self.measured.append((analysis, spec))
            self.images += [len(values)] if len(values) else []
            self.means.append(
                means.drop([method for method in means.index if self._is_different(analysis, str(method))])
            )

    def _is_different(self, analysis: NetAnalysis, method: str) -> bool:
        """Tell whether an earlier block was measured with another method of the same name."""
        new = select_method_facts(analysis.run.header.methods[method])
        headers = (block.run.header.methods for block, _ in self.measured)
        return any(
            method in header and find_method_difference(select_method_facts(header[method]), new) for header in headers
        )


def _find_metric_facts(analysis: NetAnalysis, spec: str) -> MetricFacts:
    header = analysis.run.header
    return select_metric_facts(header.metrics[spec], header.protocols[spec])


def _is_same_block(first: NetAnalysis, first_spec: str, second: NetAnalysis, second_spec: str) -> bool:
    """Tell whether two runs measured the same block, so that they can be compared: it counts once, with the first's values."""
    net = first.table.net
    return (
        net == second.table.net
        and not find_net_difference(
            select_net_facts(first.run.header.nets[net]), select_net_facts(second.run.header.nets[net])
        )
        and not find_metric_difference(_find_metric_facts(first, first_spec), _find_metric_facts(second, second_spec))
        and not find_image_difference(first.images, second.images)
    )
