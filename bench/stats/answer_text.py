"""The answer of a run for one net, in one sentence."""

from collections.abc import Sequence
from dataclasses import replace
from math import isnan
from typing import Literal

from ..core.formatting import format_cost, format_count, format_duration, format_effect, format_number, join_names
from .estimate import Estimate, format_interval
from .standings import Evidence, MetricStandings
from .summary import Table

State = Literal["winner", "tie", "none", "split", "open"]

NO_CONTROL = "; no control was run, so this may be no better than a random map"


def describe(evidence: Evidence, state: State) -> str:
    """Describe which method to take, whether that is certain, and what it costs."""
    text = _SENTENCES[state](evidence)
    text += _describe_unranked(evidence)
    text += _describe_ties(evidence.by) if state != "winner" else ""
    if not evidence.top or state == "open":
        return text
    text += _describe_constant_maps(evidence.table, evidence.cheapest_first[0])
    return text + (NO_CONTROL if not evidence.table.controls else "")


def _describe_unranked(evidence: Evidence) -> str:
    """Name the methods that have scores on too few images to be ranked; empty without any."""
    table = evidence.table
    left_out = {
        method
        for of_metric in evidence.by
        for method in of_metric.ranking.left_out
        if table.values[of_metric.metric.spec][method].notna().any()
    }
    few = [method for method in table.methods if method in left_out and method not in table.controls]
    return f"; not ranked, for want of images: {join_names(few)}" if few and not table.race else ""


def _describe_constant_maps(table: Table, method: str) -> str:
    """Warn of a method to take that shows nothing on half of its images, or on more; empty for another."""
    count, images = table.constant_maps.get(method, 0), table.count_images(method)
    return (
        f"; but {count} of the {images} maps of {method} are constant, and show nothing" if 2 * count >= images else ""
    )


def describe_absence(table: Table) -> str:
    """Say that there is no answer for a net that has images."""
    metrics = join_names([metric.spec for metric in table.metrics if not metric.ties_of])
    return f"no method has a score by any metric ({metrics}), so there is nothing to compare"


def _describe_winner(evidence: Evidence) -> str:
    winner, *same = evidence.cheapest_first
    first = evidence.by[0]
    estimate = next(ranked.estimate for ranked in first.ranking.methods if ranked.method == winner)
    score = f"{first.metric.spec} {_format_score(estimate)}"
    note = f"; {join_names(same)} {'has' if len(same) == 1 else 'have'} the same scores" if same else ""
    images, price = _format_images(evidence), _format_price(evidence.table, winner)
    if len(evidence.table.methods) == 1:
        return f"only {winner} was run, on {images}: {score}, {price}"
    return f"{winner} is best by {_join_metrics(evidence)} on {images}: {score}, {price}{note}"


def _describe_tie(evidence: Evidence) -> str:
    """Say that methods tie, or that of them only those at the top are shown to beat the controls."""
    top, rivals = evidence.cheapest_first, evidence.rivals
    names, metrics, images = _join_alike(top, evidence.alike), _join_metrics(evidence), _format_images(evidence)
    them = "it" if len(top) == 1 else "them"
    only = f"{_describe_only(names, top)}, and no test tells {them} from {join_names(rivals)}"
    cheapest = ", the cheapest" if len(top) > 1 else ""
    return (
        f"no winner by {metrics} on {images}: {only if rivals else f'{names} tie'}; take {top[0]}{cheapest} "
        f"({_format_price(evidence.table, top[0])})"
    )


def _describe_split(evidence: Evidence) -> str:
    """Say which methods are best by each metric, and by which metrics no method beats the controls."""
    failed, decided = evidence.select(decided=False), evidence.select(decided=True) or evidence
    parts = [
        *_list_best(decided),
        *([f"by {_join_metrics(failed)} no method {_describe_failure(failed)}"] if failed else []),
    ]
    return f"no method is best by {_join_metrics(evidence)} alike on {_format_images(evidence)}: {'; '.join(parts)}"


def _describe_none(evidence: Evidence) -> str:
    """Say that no method beats the controls, or that this is not known by some metrics, and what the others say."""
    if not evidence.table.controls:
        return f"no method is best by {_join_metrics(evidence)} on {_format_images(evidence)}"
    failed, decided = evidence.select(decided=False) or evidence, evidence.select(decided=True)
    if failed.is_too_little:
        return "; ".join([_describe_shortage(failed), *(_list_best(decided) if decided else [])])
    return f"no method {_describe_failure(failed)} by {_join_metrics(failed)} on {_format_images(failed)}"


def _describe_open(evidence: Evidence) -> str:
    """Say that there are too few images: to tell the best method from the others, or a method from the controls."""
    if not evidence.top:
        return _describe_none(evidence)
    undecidable = replace(evidence, by=tuple(evidence.undecidable))
    least = max(each.ranking.decisive_images for each in undecidable.by)
    metrics = _join_metrics(undecidable)
    return f"{_describe_few(undecidable)} to tell the best method from the others by {metrics}: {least} at least"


_SENTENCES = {
    "winner": _describe_winner, "tie": _describe_tie, "none": _describe_none, "split": _describe_split,
    "open": _describe_open,
}  # fmt: skip


def _describe_shortage(failed: Evidence) -> str:
    """Say how many images it takes to show that a method beats the controls."""
    images, least = _format_images(failed), max(each.decisive_images for each in failed.by)
    if failed.images < least:
        metrics = _join_metrics(failed)
        return f"{_describe_few(failed)} to show that a method beats the controls by {metrics}: {least} at least"
    most = max(each.different_images for each in failed.by)
    return (
        f"by {_join_metrics(failed)}, a method and a control differ on {most} of {images} at most, too few to show that one "
        f"beats the other: {least} at least"
    )


def _describe_failure(failed: Evidence) -> str:
    """Say of no method that it beats the controls, or, where some comparisons are undecided, that it is shown to."""
    known = all(
        any(comparison.verdict == "worse" for comparison in each.comparisons if comparison.method == method)
        for each in failed.by for method in each.standings if each.standings[method] != "no score"
    )  # fmt: skip
    return f"{'beats' if known else 'is shown to beat'} the controls"


def _list_best(decided: Evidence) -> list[str]:
    """Say which methods are best by metrics by which some method beats the controls: by all together, or else by each."""
    alone = [replace(decided, by=(of_metric,)) for of_metric in decided.by]
    return [f"by {_join_metrics(each)} {_describe_top(each)}" for each in ([decided] if decided.top else alone)]


def _describe_top(evidence: Evidence) -> str:
    """Say that a method is best, that several tie, or that only one of those that tie is shown to beat the controls."""
    top = evidence.by[0].top if len(evidence.by) == 1 else evidence.top
    names, cheapest = _join_alike(top, evidence.alike), evidence.cheapest_first[0]
    if evidence.undecidable and not evidence.has_one_best:
        least = max(each.ranking.decisive_images for each in evidence.undecidable)
        return f"it takes {least} images to tell the best method"
    outcome = _describe_only(names, top) if evidence.rivals else f"{names} tie"
    if evidence.has_one_best:
        outcome = f"{names} {'is' if len(top) == 1 else 'are'} best"
    price = _format_price(evidence.table, cheapest)
    return f"{outcome} ({f'the cheapest: {cheapest}, ' if len(top) > 1 else ''}{price})"


def _describe_only(names: str, top: Sequence[str]) -> str:
    """Say that of the best methods only these are shown to beat the controls."""
    be = "is the only one" if len(top) == 1 else "are the only ones"
    return f"{names} {be} of the best shown to beat the controls"


def _describe_ties(by: Sequence[MetricStandings]) -> str:
    """Say by which metrics ties alone keep comparisons undecided."""
    moved = [f"{each.metric.spec} by {format_effect(each.tie_effect)} or more" for each in by if each.tie_effect]
    return f"; the order of equal pixels can move {join_names(moved)}, more than some scores differ" if moved else ""


def _join_metrics(evidence: Evidence) -> str:
    return join_names([of_metric.metric.spec for of_metric in evidence.by])


def _describe_few(evidence: Evidence) -> str:
    images = _format_images(evidence)
    return f"{images} {'is' if images == '1 image' else 'are'} too few"


def _format_images(evidence: Evidence) -> str:
    """Format the number of images on which methods were compared."""
    least, most = evidence.images, evidence.most_images
    return format_count(least, "image") if least == most else f"{least} to {most} images"


def _format_score(estimate: Estimate) -> str:
    interval = "" if isnan(estimate.low) else f" ({format_interval(estimate)})"
    return f"{format_number(estimate.mean)}{interval}"


def _format_price(table: Table, method: str) -> str:
    """Format the seconds of a map, or the forward passes where these alone are known."""
    cost = table.costs.get(method)
    if cost and not isnan(cost.seconds):
        return f"{format_duration(cost.seconds)} an image"
    if cost and not isnan(cost.forwards):
        return f"{format_cost(cost.forwards)} forward passes an image"
    return "its seconds were not measured"


def _join_alike(top: Sequence[str], alike: Sequence[tuple[str, ...]]) -> str:
    """Join the names of methods, those with the same scores by an equals sign."""
    parts: dict[tuple[str, ...], list[str]] = {}
    for method in top:
        group = next((group for group in alike if method in group), (method,))
        parts.setdefault(group, []).append(method)
    return join_names([" = ".join(group) for group in parts.values()])
