"""Sentences on the certainty of a recommendation: which comparisons are decided, how many images would decide the others."""

from collections.abc import Sequence
from math import isnan

from ...bench.core.formatting import format_beside, format_count, format_number, join_names
from ...bench.stats.agreement import RELIABLE, TENTATIVE
from ...bench.stats.estimate import format_interval
from ...bench.stats.paired import Pair
from ...bench.stats.ranking import RankedMethod
from .analysis import MetricAnalysis


def describe_certainty(metric: MetricAnalysis, ranked: RankedMethod) -> str:
    """Name the methods and controls from which a method differs significantly, and those from which it does not."""
    best = metric.ranking.best
    if best is None:
        return ""
    sentences = _describe_best(metric) if ranked.method == best.method else _describe_other(metric, best.method, ranked)
    return " ".join([*sentences, *_describe_controls(metric, ranked.method)])


def list_caveats(metric: MetricAnalysis) -> list[str]:
    """List the reasons not to choose a method by this metric alone."""
    of_metric = [f"{metric.metric.spec}: {metric.metric.caveat}"] if metric.metric.caveat else []
    return [*_list_control_warnings(metric), *_describe_inconsistency(metric), *of_metric]


def _describe_best(metric: MetricAnalysis) -> list[str]:
    others = [ranked for ranked in metric.ranking.methods if not ranked.control and ranked.best_pair]
    if not others:
        return ["It is the only method with a score."]
    behind = [ranked.method for ranked in others if ranked.best_pair and ranked.best_pair.verdict == "ahead"]
    undecided = [ranked for ranked in others if ranked.best_pair and ranked.best_pair.verdict != "ahead"]
    images = format_count(metric.ranking.n, "image")
    if not behind:
        sentences = [f"The first place is undecided on {images}."]
    elif not undecided:
        sentences = [f"Significantly better than every other method ({join_names(behind)}) on {images}."]
    else:
        rivals = f"{len(behind)} of {len(others)} other methods ({join_names(behind)})"
        sentences = [f"Significantly better than {rivals} on {images}."]
    if undecided:
        names = [ranked.method + _describe_images_needed(ranked.best_pair) for ranked in undecided]
        sentences.append(f"Undecided against {join_names(names)}.")
    return sentences


def _describe_other(metric: MetricAnalysis, best: str, ranked: RankedMethod) -> list[str]:
    pair, images = ranked.best_pair, format_count(metric.ranking.n, "image")
    if pair is None:
        return []
    difference = f"{best} is ahead by {format_number(abs(pair.difference.mean))} on average"
    if pair.verdict == "ahead":
        return [f"{difference}, which is significant on {images}."]
    return [f"Undecided against {best} on {images}: {difference}{_describe_images_needed(pair)}."]


def _describe_images_needed(pair: Pair | None) -> str:
    return f" ({pair.decision_text})" if pair and pair.decision_text else ""


def _describe_controls(metric: MetricAnalysis, method: str) -> list[str]:
    comparisons = [comparison for comparison in metric.comparisons if comparison.method == method]
    if not comparisons:
        return ["This run has no control, so it does not show whether the method explains anything."]
    won, lost, undecided = (
        [comparison.control for comparison in comparisons if comparison.verdict in verdicts]
        for verdicts in (("better",), ("worse",), ("undecided", "unknown"))
    )
    if len(won) == len(comparisons):
        return [f"It beats every control ({join_names(won)})."]
    sentences = [f"It beats {join_names(won)}."] if won else []
    sentences += [f"Caveat: {join_names(lost)}, {_format_controls(lost, 'is')} better."] if lost else []
    sentences += (
        [f"Caveat: undecided against {join_names(undecided)}, {_format_controls(undecided)}."] if undecided else []
    )
    return sentences


def _list_control_warnings(metric: MetricAnalysis) -> list[str]:
    """List warnings about controls that score as well as the best method."""
    best, spec = metric.ranking.best, metric.metric.spec
    pairs = [
        (ranked.method, ranked.best_pair) for ranked in metric.ranking.methods if ranked.control and ranked.best_pair
    ]
    ahead = [control for control, pair in pairs if pair.verdict == "behind"]
    level = [control for control, pair in pairs if pair.verdict == "undecided"]
    sentences = []
    if best and ahead:
        sentences.append(
            f"Do not choose by {spec} here: {join_names(ahead)}, {_format_controls(ahead, 'scores')} better than the best "
            f"method, {best.method}. Either the metric rewards something else, or these maps are not informative."
        )
    if best and level:
        sentences.append(
            f"By {spec}, {best.method}, which has the best mean, is undecided against {join_names(level)}, "
            f"{_format_controls(level)}."
        )
    return sentences


def _format_controls(names: Sequence[str], verb: str = "") -> str:
    """Return `a control` or `controls`, depending on the number of names; with the verb `is` or `scores` in that form."""
    several = {"is": "are", "scores": "score"}.get(verb, "")
    noun, form = ("a control", verb) if len(names) == 1 else ("controls", several)
    return f"{noun}, {form}" if verb else noun


def _describe_inconsistency(metric: MetricAnalysis) -> list[str]:
    spec, alpha = metric.metric.spec, format_beside(metric.consistency.alpha.mean, (RELIABLE, TENTATIVE))
    known, level = not isnan(metric.consistency.alpha.low), metric.consistency.level
    if level == "unreliable" and known:
        return [
            f"Images disagree on how {spec} ranks the methods: Krippendorff's alpha is {alpha} (1 is full agreement, below "
            f"{TENTATIVE} is unreliable), so the means say little about a single image."
        ]
    if level in ("tentative", "unreliable"):
        interval = format_interval(metric.consistency.alpha) if known else "on too few images for an interval"
        return [
            f"Images are not shown to agree on how {spec} ranks the methods: Krippendorff's alpha is {alpha} ({interval}; 1 is "
            f"full agreement, and it is reliable if {'all of this' if known else 'the interval'} is at least {RELIABLE})."
        ]
    return []
