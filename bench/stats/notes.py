"""Notes below a table of mean scores: on images and labels, means over fewer images, and maps without information."""

from collections.abc import Callable

from ..core.formatting import format_count
from .mean_scores import Metric
from .summary import Table


def describe_gaps(table: Table, name: Callable[[Metric], str]) -> list[str]:
    """Describe means over fewer images than are complete, constant and non-finite maps, and how images were read.

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
    return _describe_fewer_images(table, name) + constant + not_finite + table.image_notes


def _explain_gap(table: Table, method: str) -> str:
    return table.race.explain_gap(method) if table.race else "no result yet"


def _describe_fewer_images(table: Table, name: Callable[[Metric], str]) -> list[str]:
    """Write a note per number of images and reason: the metrics with such a mean."""
    names: dict[str, dict[str, None]] = {}  # by note, in the order of the table
    for metric in table.metrics:
        for method in table.methods:
            mean_score = table.find_mean_score(method, metric)
            if 0 < mean_score.estimate.n < table.images:
                why = "; ".join(mean_score.reasons) or _explain_gap(table, method)
                note = f"over {mean_score.estimate.n} of {table.images} images ({why})"
                names.setdefault(note, {})[name(metric)] = None
    return [f"{', '.join(metrics)}: {note}" for note, metrics in names.items()]
