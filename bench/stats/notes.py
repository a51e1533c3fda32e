"""Notes below a table of mean scores: on images and labels, ties, means over fewer images, and maps without information."""

from collections.abc import Callable

from ..core.formatting import format_count, format_effect, join_names
from .mean_scores import NOT_COMPUTED, Metric
from .summary import Table

TIES_MARK = "†"  # of a mean that ties, the order of equal pixels, can move by more than half the width of its interval
BEYOND = "more than half the width of its interval"


def describe_tie_effect(table: Table, method: str, metric: Metric) -> str:
    """Say how much ties can move a mean score, if that is more than half the width of its interval; else return no text."""
    if not table.is_moved_by_ties(method, metric):
        return ""
    return f"the order of equal pixels can move it by {format_effect(table.find_tie_effect(method, metric))} or more, {BEYOND}"


def describe_means(table: Table, name: Callable[[Metric], str]) -> list[str]:
    """Describe means that ties can move, means over fewer images than are complete, and constant and non-finite maps.

    The last notes say how images were read.

    `name` gives the name of a metric as the heads of the table show it.
    """
    constant = [
        f"{method}: {format_count(count, 'map')} constant, without information"
        for method, count in table.constant_maps.items()
    ]
    not_finite = [
        f"{method}: {format_count(count, 'map')} not finite (NaN or infinite), scored as constant"
        for method, count in table.nonfinite_maps.items()
    ]
    return _describe_ties(table, name) + _describe_fewer_images(table, name) + constant + not_finite + table.image_notes


def _describe_ties(table: Table, name: Callable[[Metric], str]) -> list[str]:
    """Write a note per metric: the methods whose mean ties can move by more than half the width of its interval."""
    notes = []
    for metric in table.metrics:
        moved = [method for method in table.methods if table.is_moved_by_ties(method, metric)]
        effects = [f"{method} by {format_effect(table.find_tie_effect(method, metric))} or more" for method in moved]
        if effects:
            each = "each " if len(effects) > 1 else ""
            notes.append(
                f"{TIES_MARK} {name(metric)}: the order of equal pixels can move {join_names(effects)}, {each}{BEYOND}"
            )
    return notes


def _explain_gap(table: Table, method: str) -> str:
    return table.race.explain_gap(method) if table.race else NOT_COMPUTED


def _describe_fewer_images(table: Table, name: Callable[[Metric], str]) -> list[str]:
    """Write a note per number of images, reason and methods: the metrics with such a mean. All methods are not named."""
    names: dict[str, list[str]] = {}  # by note, in the order of the table
    for metric in table.metrics:
        methods: dict[tuple[int, str], list[str]] = {}  # by number of images and reason
        scored = [method for method in table.methods if table.find_mean_score(method, metric).estimate.n]
        for method in scored:
            mean_score = table.find_mean_score(method, metric)
            if mean_score.estimate.n < table.images:
                missing = mean_score.estimate.n + sum(mean_score.reasons.values()) < table.images
                why = "; ".join([*mean_score.reasons, *([_explain_gap(table, method)] if missing else [])])
                methods.setdefault((mean_score.estimate.n, why), []).append(method)
        for (count, why), group in methods.items():
            by = "" if group == scored else f" by {', '.join(group)}"
            names.setdefault(f"over {count} of {table.images} images{by} ({why})", []).append(name(metric))
    return [f"{', '.join(metrics)}: {note}" for note, metrics in names.items()]
