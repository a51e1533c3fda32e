"""Format the page *Which method?* from the results that ship: each sentence and cell follows from their numbers by rule."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from math import isnan

import numpy as np
import pandas as pd

from ..bench.core.formatting import format_cost, format_count, format_effect, format_number, join_names
from ..bench.core.markdown import escape, format_table
from ..bench.stats.agreement import (
    RELIABLE,
    TENTATIVE,
    Agreement,
    Consistency,
    measure_agreement,
    measure_consistency,
)
from ..bench.stats.answer import find_answer
from ..bench.stats.controls import ControlComparison, find_unbeaten_controls
from ..bench.stats.estimate import TIE
from ..bench.stats.mean_scores import Metric
from ..bench.stats.standings import MetricStandings, Standings, find_standings
from ..bench.stats.summary import Table, build_tables
from ..bench.store.header import FURTHER_DEVICE
from ..bench.store.run import Run, open_run
from ..bench.store.shipped import RESULTS, list_shipped

RUNS = ("reference", "reference-photos")
TOO_FEW = "too few images"
NOT_APPLICABLE = "does not apply"
ALIKE = 0.9  # the least correlation of two metrics that rank methods much the same
TAIL = 0.025  # of a 95 % interval
SHOWN_PAIRS = 5


@dataclass(frozen=True)
class NetResults:
    """The results on one net, with what the statistics say of them."""

    table: Table

    @property
    def metrics(self) -> list[Metric]:
        """The metrics, without those that measure how much the order of equal pixels moves another one."""
        return [metric for metric in self.table.metrics if not metric.ties_of]

    @cached_property
    def standings(self) -> Standings:
        return find_standings(self.table)

    def find_standings(self, metric: str) -> MetricStandings | None:
        """Find how the methods stand by a metric; None if too few images can tell a method from a control."""
        standings = self.standings.by_metric.get(metric)
        return None if standings is None or standings.has_too_few_images else standings

    def explain_missing(self, metric: str) -> str:
        """Explain why nothing is said of how the methods stand by a metric."""
        return TOO_FEW if metric in self.standings.by_metric else NOT_APPLICABLE

    @cached_property
    def consistency(self) -> dict[str, Consistency]:
        """Krippendorff's alpha of each metric, over the images that all ranked methods have; of metrics with enough images."""
        return {spec: measure_consistency(values) for spec, values in self._ranked_values.items()}

    @cached_property
    def agreements(self) -> list[Agreement]:
        """How alike each two metrics rank the methods; of metrics with enough images."""
        better = {spec: each.metric.better for spec, each in self.standings.by_metric.items()}
        return measure_agreement(self._ranked_values, better) if self._ranked_values else []

    @cached_property
    def _ranked_values(self) -> dict[str, pd.DataFrame]:
        """The values of the methods that are ranked, without the controls, by metric with enough images."""
        found = {spec: self.find_standings(spec) for spec in self.standings.by_metric}
        return {spec: each.select_ranked(self.table.values[spec]) for spec, each in found.items() if each}


def format_which() -> str:
    """Format the page's generated part."""
    runs = [open_run(RESULTS / name) for name in RUNS if name in list_shipped()]
    nets = [NetResults(table) for run in runs for table in build_tables(run) if table.images]
    sections: tuple[tuple[str, Callable[[], Iterator[str]]], ...] = (
        ("The answer", lambda: _describe_answers(nets)),
        ("By each metric", lambda: _format_winners(nets)),
        ("What a map costs", lambda: _format_costs(nets)),
        ("Which metrics rank methods reliably", lambda: _describe_reliability(nets)),
        ("Where metrics disagree", lambda: _describe_agreement(nets)),
        ("What the controls gain", lambda: _describe_controls(nets)),
        ("What was measured", lambda: chain.from_iterable(_describe_measurement(run, nets) for run in runs)),
    )
    lines = [line for title, format_ in sections for line in ("", f"## {title}", "", *format_())]
    return "\n".join([*lines, "", ""])


def _describe_answers(nets: Sequence[NetResults]) -> Iterator[str]:
    for net in nets:
        answer = find_answer(net.table, known=net.standings)
        if answer:
            yield f"- **{escape(answer.net)}**: {escape(answer.text)}."


def _format_winners(nets: Sequence[NetResults]) -> Iterator[str]:
    yield (
        "A winner is better than every other method that is ranked and every control; methods tie if no test tells them from "
        "the best. A method that is *not told from* them may be as good, but is not shown to beat every control. None means "
        "that no method is shown to beat every control. *n* is the number of images of the ranking; a method is compared with "
        "a control on all images that both have."
    )
    yield ""
    for net in nets:
        rows = [
            [f"`{metric.spec}`\u00a0{metric.arrow}", _describe_winner(net, metric.spec), metric.family]
            for metric in _sort_by_family(net.metrics)
        ]
        unranked = f" Not ranked, for want of images: {names}." if (names := _join_unranked(net)) else ""
        head = f"**{net.table.net}**{'.' if unranked else ''}{unranked}"
        yield from (head, "", *format_table(["metric", "best", "kind"], [False] * 3, rows), "")


def _join_unranked(net: NetResults) -> str:
    """Join the names of the methods that no ranking has because they are not computed on all images."""
    rankings = [each.ranking for each in net.standings.by_metric.values()]
    left_out = [method for method in net.table.methods if all(method in ranking.left_out for ranking in rankings)]
    return ", ".join(f"`{method}`" for method in left_out if net.table.count_images(method) < net.table.images)


def _describe_winner(net: NetResults, metric: str) -> str:
    standings = net.find_standings(metric)
    if standings is None:
        return net.explain_missing(metric)
    n = standings.ranking.n
    groups = _group_top(net, standings)
    if not groups:
        return f"none (n = {n})"
    shown = ", ".join(" = ".join(f"`{name}`" for name in group) for group in groups)
    rivals = ", ".join(f"`{name}`" for name in standings.rivals)
    single = f"of the best, only {shown} beats every control" if rivals else f"winner: {shown}"
    outcome = single if len(groups) == 1 else f"tie: {shown}"
    constant = [
        f"; {count} of the {net.table.count_images(method)} maps of `{method}` are constant"
        for method, count in net.table.constant_maps.items()
        if method in standings.top
    ]
    return f"{outcome}{f'; not told from {rivals}' if rivals else ''}{''.join(constant)} (n = {n})"


def _group_top(net: NetResults, standings: MetricStandings) -> list[tuple[str, ...]]:
    """Group the methods at the top by equal scores."""
    groups: dict[tuple[str, ...], None] = {}
    for method in standings.top:
        group = next((group for group in net.standings.alike if method in group), (method,))
        groups[tuple(name for name in group if name in standings.top)] = None
    return list(groups)


def _sort_by_family(metrics: Sequence[Metric]) -> list[Metric]:
    families = list(dict.fromkeys(metric.family for metric in metrics))
    return sorted(metrics, key=lambda metric: families.index(metric.family))


def _format_costs(nets: Sequence[NetResults]) -> Iterator[str]:
    yield (
        "Work of the run's first image, in forward passes of one image: it does not depend on the machine, but that of "
        "methods that take the channels one by one, such as Score-CAM, depends on the image."
    )
    yield ""
    methods = _list_of_any(nets, lambda table: [method for method in table.methods if method not in table.controls])
    rows = [[f"`{method}`", *(_format_forwards(net.table, method) for net in nets)] for method in methods]
    heads = ["method", *(_break_at_weights(net) for net in nets)]
    yield from format_table(heads, [False, *[True] * len(nets)], rows)


def _format_forwards(table: Table, method: str) -> str:
    if method in table.costs:
        return format_cost(table.costs[method].forwards)
    return "n/a" if table.count_images(method) else "not computed"


def _describe_reliability(nets: Sequence[NetResults]) -> Iterator[str]:
    yield (
        "Krippendorff's alpha tells whether a metric ranks the methods, without the controls, alike on every image: 1 is full "
        f"agreement, 0 is chance. A metric is called reliable if the whole 95 % interval is at {RELIABLE} or "
        f"above, and unreliable if it is below {TENTATIVE}. Where alpha is low, the scores of a few images tell "
        "little about the others."
    )
    yield ""
    metrics = _list_metrics(nets)
    yield from _format_by_metric(nets, metrics, _format_alpha)
    yield ""
    for level in ("reliable", "unreliable"):
        names = [
            f"`{metric.spec}`" for metric in metrics
            if all(metric.spec in net.consistency and net.consistency[metric.spec].level == level for net in nets)
        ]  # fmt: skip
        yield f"- {level.capitalize()} on every net: {', '.join(names) if names else 'none'}."


def _list_metrics(nets: Sequence[NetResults]) -> list[Metric]:
    """List the metrics of any net, each once, by their families."""
    by_spec = {metric.spec: metric for net in nets for metric in net.metrics}
    return _sort_by_family(list(by_spec.values()))


def _list_of_any(nets: Sequence[NetResults], list_names: Callable[[Table], Sequence[str]]) -> list[str]:
    """List what any net has, each name once."""
    return list(dict.fromkeys(chain.from_iterable(list_names(net.table) for net in nets)))


def _format_by_metric(
    nets: Sequence[NetResults], metrics: Sequence[Metric], format_cell: Callable[[NetResults, str], str]
) -> Iterator[str]:
    """Format a table with a row per metric and a column per net."""
    rows = [[f"`{metric.spec}`", *(format_cell(net, metric.spec) for net in nets)] for metric in metrics]
    yield from format_table(["metric", *(_break_at_weights(net) for net in nets)], [False, *[True] * len(nets)], rows)


def _break_at_weights(net: NetResults) -> str:
    """Return the name of a net, which may be broken before the name of its weights."""
    return net.table.net.replace("@", "<wbr>@")


def _format_alpha(net: NetResults, metric: str) -> str:
    if metric not in net.consistency:
        return net.explain_missing(metric)
    alpha = net.consistency[metric].alpha
    if isnan(alpha.mean):
        return "not defined"
    return f"{format_number(alpha.mean)} ({format_number(alpha.low)} to {format_number(alpha.high)})"


def _describe_agreement(nets: Sequence[NetResults]) -> Iterator[str]:
    most = max(len(net.agreements) for net in nets)
    yield (
        "Spearman's correlation, within images, of how two metrics rank the methods, without the controls. Two metrics "
        "disagree if the whole 95 % interval is below 0, and rank much the same if the correlation is "
        f"{ALIKE} or more. Each pair is judged alone: about {most * TAIL:.0f} of the {most} pairs of a net "
        "would be said to disagree by chance if no two metrics were related."
    )
    yield ""
    for net in nets:
        opposed = [pair for pair in net.agreements if pair.rho.high < 0]
        alike = [pair for pair in net.agreements if pair.rho.mean >= ALIKE]
        known = (
            f"disagree: {_join_pairs(opposed)}. Rank much the same: {_join_pairs(alike)}."
            if net.agreements
            else TOO_FEW
        )
        yield f"- **{net.table.net}**: {known}"


def _join_pairs(pairs: Sequence[Agreement]) -> str:
    """Join the pairs that are related most, and count the others."""
    ordered = sorted(pairs, key=lambda pair: -abs(pair.rho.mean))
    names = [f"`{pair.first}` and `{pair.second}` ({format_number(pair.rho.mean)})" for pair in ordered[:SHOWN_PAIRS]]
    others = len(ordered) - SHOWN_PAIRS
    more = f", and {format_count(others, 'weaker pair')}" if others > 0 else ""
    return ", ".join(names) + more if names else "none"


def _describe_controls(nets: Sequence[NetResults]) -> Iterator[str]:
    yield (
        "A control does not look at the net. The table counts the methods that are shown to beat every control. Below it stand "
        "the controls that no method is shown to beat: how many of the methods a control is itself shown to beat, or that no "
        "comparison with it is decided, which more images may change."
    )
    yield ""
    metrics = _list_metrics(nets)
    yield from _format_by_metric(nets, metrics, _count_winners)
    yield ""
    for metric in metrics:
        if text := _describe_gains(nets, metric):
            yield f"- `{metric.spec}`: {text}"


def _describe_gains(nets: Sequence[NetResults], metric: Metric) -> str:
    """Say which controls no method is shown to beat by a metric, and the caveat of the metric if a control gains by it."""
    gains, undecided = dict[str, list[str]](), dict[str, list[str]]()
    for net in nets:
        for group in _list_unbeaten(net, metric.spec):
            beaten, control = _count_beaten(group), group[0].control
            if beaten:
                gains.setdefault(control, []).append(f"{beaten} of {len(group)} on {net.table.net}")
            else:
                undecided.setdefault(control, []).append(net.table.net)
    texts = [f"`{control}` beats {', '.join(counts)}" for control, counts in gains.items()]
    if undecided:
        names = [f"`{control}` on {', '.join(of_nets)}" for control, of_nets in undecided.items()]
        texts.append(f"undecided: {'; '.join(names)}")
    if texts:
        return f"{'; '.join(texts)}.{f' {escape(metric.caveat)}' if gains else ''}"
    constant = all(_are_controls_constant(net.table, metric) for net in nets)
    return "each control has the same value on every image, so to beat it says little." if constant else ""


def _are_controls_constant(table: Table, metric: Metric) -> bool:
    """Tell whether every control has the same value of a metric on every image."""
    if metric.spec not in table.values or not table.controls:
        return False
    values = table.values[metric.spec][table.controls].to_numpy(dtype=np.float64)
    return not np.isnan(values).all() and bool(np.nanmax(values) - np.nanmin(values) <= TIE)


def _count_beaten(group: Sequence[ControlComparison]) -> int:
    """Count the methods that a control beats."""
    return sum(comparison.verdict == "worse" for comparison in group)


def _count_winners(net: NetResults, metric: str) -> str:
    known = net.find_standings(metric)
    if known is None:
        return net.explain_missing(metric)
    scored = [standing for standing in known.standings.values() if standing != "no score"]
    return f"{sum(standing != 'no better than a control' for standing in scored)} of {len(scored)}"


def _list_unbeaten(net: NetResults, metric: str) -> list[list[ControlComparison]]:
    """List the comparisons of the ranked methods with each control that none of them is shown to beat by a metric."""
    known = net.find_standings(metric)
    if known is None:
        return []
    ranked = [each for each in known.comparisons if each.method not in known.ranking.left_out]
    return list(find_unbeaten_controls(ranked).values())


def _name_devices(environment: Mapping[str, str]) -> str:
    """Name the device on which a run was begun, and the one that went on with it."""
    further = environment.get(FURTHER_DEVICE)
    first = environment["device"]
    return f"{first}, which measured the seconds, and {further}" if further else first


def _describe_measurement(run: Run, nets: Sequence[NetResults]) -> Iterator[str]:
    header, environment = run.header, run.header.environment
    tables = [net.table for net in nets if net.table.net in header.nets]
    computed = [method for method in header.methods if any(table.count_images(method) for table in tables)]
    controls = sum(header.methods[method].control for method in computed)
    scored = {metric for net in nets if net.table.net in header.nets for metric in net.standings.by_metric}
    yield (
        f"{format_count(len(computed) - controls, 'method')}, {format_count(controls, 'control')} and "
        f"{format_count(len(scored), 'metric')} on `{header.suite.dataset}`, {header.suite.precision}, with torch "
        f"{environment['torch']} on {_name_devices(environment)}, begun at commit {environment['commit']}. Images:"
    )
    yield ""
    yield from map(_describe_table, tables)
    yield ""
    yield (
        "Means that the order of equal pixels moves by more than half the width of their 95 % interval, and by how much at "
        "least, as measured on the images in brackets:"
    )
    yield ""
    yield from map(_describe_ties, tables)
    yield ""


def _describe_table(table: Table) -> str:
    texts = (
        f"{_describe_counts(table)}.", _describe_missing_metrics(table), f"{escape(table.accuracy.capitalize())}.",
        _describe_constant_maps(table),
    )  # fmt: skip
    return f"- **{table.net}**: {' '.join(filter(None, texts))}"


def _describe_ties(table: Table) -> str:
    """Say which means the order of equal pixels moves by more than half their interval, and on how many images it is known."""
    measured = [metric for metric in table.metrics if table.knows_ties(metric)]
    counts = {count for metric in measured for count in table.values[metric.tie_metric].notna().sum() if count}
    if not counts:
        return f"- **{table.net}**: not measured."
    texts = [f"`{metric.spec}`: {_list_moved(table, metric)}" for metric in measured]
    images = format_count(max(counts), "image") if len(counts) == 1 else f"{min(counts)} to {max(counts)} images"
    return f"- **{table.net}** ({images}): {'; '.join(texts)}."


def _list_moved(table: Table, metric: Metric) -> str:
    """List the methods whose mean ties move, with the effect, and those of which it is not known."""
    effects = {method: table.find_tie_effect(method, metric) for method in table.methods if table.count_images(method)}
    moved = [
        f"`{method}` ({format_effect(effects[method])})" for method in effects if table.is_moved_by_ties(method, metric)
    ]
    unknown = [f"`{method}`" for method, effect in effects.items() if isnan(effect)]
    note = f" (not measured for {', '.join(unknown)})" if unknown else ""
    return f"{', '.join(moved) if moved else 'none'}{note}"


def _describe_missing_metrics(table: Table) -> str:
    """Say by which metrics methods that have images were not computed, those of ties apart."""
    missing: dict[str, list[str]] = {}
    for method in table.methods:
        metrics = [
            f"`{metric.spec}`" for metric in table.metrics
            if not metric.ties_of and not table.find_mean_score(method, metric).computed
        ]  # fmt: skip
        if metrics and table.count_images(method):
            missing.setdefault(join_names(metrics), []).append(f"`{method}`")
    texts = [f"Not computed by {metrics}: {', '.join(methods)}." for metrics, methods in missing.items()]
    return " ".join(texts)


def _describe_constant_maps(table: Table) -> str:
    counts = [f"{count} of `{method}`" for method, count in table.constant_maps.items() if method not in table.controls]
    return f"Maps that are constant, and show nothing, are scored too: {', '.join(counts)}." if counts else ""


def _describe_counts(table: Table) -> str:
    """Say on how many images methods were computed: most of them, and the others by name."""
    by_count: dict[int, list[str]] = {}
    for method in table.methods:
        by_count.setdefault(table.count_images(method), []).append(f"`{method}`")
    most, *fewer = sorted(by_count, reverse=True)
    rest = [f"{count or 'none'} by {', '.join(by_count[count])}" for count in fewer]
    return "; ".join([format_count(most, "image"), *rest])
