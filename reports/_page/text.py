"""What the reports say in words: what was run, what is missing of it and why, how the numbers were made."""

from collections.abc import Iterable
from typing import Any

from ...bench.core.formatting import number, plural
from ...bench.stats.estimate import FEW, RESAMPLES, span
from ...bench.stats.summary import Metric, Table
from ...bench.store.run import Run

MADE = (
    f"A mean is over images, with its 95 % interval: a percentile bootstrap over images ({RESAMPLES:,} resamples), for fewer "
    f"than {FEW} images Student's t within the metric's range, and for yes-or-no metrics Wilson's interval. "
    "One image has none.",
    "Methods are scored on the same images, by maps that were made once and fitted and stretched in the same way.",
    "Seconds are as measured on this machine, one image at a time: the median and the quartiles; they move with what else the "
    "machine does. Forwards (floating-point work over that of one prediction, backward passes included) and peak bytes "
    "are those of the first image, and are the same every time.",
    "A method counts as better or worse than a control only where the interval of their differences, image by image, leaves "
    "out 0 and Wilcoxon's test (of yes or no McNemar's), corrected by Holm, agrees; else the images do not settle it.",
)

OF_PAGE = (
    *MADE[:-1],
    "Two methods differ where, image by image, the interval of the mean difference leaves out 0 and Wilcoxon's signed-rank "
    "test (of yes or no McNemar's) agrees, corrected by Holm. In a ranking, neighbours are one family of corrections, the "
    "best method against all others another, methods against controls a third.",
    "How many images would settle a difference is a guess: as many as would narrow the interval, corrected for all "
    "questions, to the difference that is seen.",
    "A recommendation within 2 % of the best is by the means, of the way from the worst that the metric can be to the best "
    "method; the cheapest is by forwards, then by seconds. Controls are never recommended.",
)


def what_was_run(run: Run) -> str:
    suite, methods = run.header["suite"], run.header["methods"]
    controls = sum(about["control"] for about in methods.values())
    parts = [
        plural(len(run.header["data"].get("images", [])), "image") + f" of {suite['dataset']}",
        plural(len(run.header["nets"]), "net"),
        plural(len(methods), "method") + (f" ({plural(controls, 'control')} among them)" if controls else ""),
        plural(len(run.header["metrics"]), "metric"),
    ]
    return f"{', '.join(parts)}; {suite.get('precision', '?')} on {suite.get('device', '?')}."


def progress(tables: Iterable[Table]) -> str | None:
    """What is still missing of a run; None where it is complete."""
    short = [f"{table.net} {table.images} of {table.planned}" for table in tables if table.images < table.planned]
    return f"This run is not complete; images so far: {', '.join(short)}." if short else None


def reasons(table: Table) -> dict[str, int]:
    """The reasons why cells are empty, numbered for footnotes."""
    found = (table.entry(method, metric).reason for method in table.methods for metric in table.metrics)
    return {reason: number for number, reason in enumerate(dict.fromkeys(filter(None, found)), 1)}


def partial(table: Table) -> list[str]:
    """Which means are of fewer images than the others, and why; and which maps say nothing."""
    said: dict[str, list[str]] = {}
    for metric in table.metrics:
        for method in table.methods:
            entry = table.entry(method, metric)
            if 0 < entry.estimate.n < table.images and entry.reasons:
                why = "; ".join(f"{count} without, as {reason}" for reason, count in entry.reasons.items())
                said.setdefault(f"{entry.estimate.n} of {table.images} images ({why})", []).append(metric.spec)
    lines = [f"{', '.join(dict.fromkeys(specs))}: over {note}" for note, specs in said.items()]
    flat = [
        f"{method}: {plural(count, 'map')} of {table.images} constant, and so without a peak or an order"
        for method, count in table.constant.items()
    ]
    flat += [
        f"{method}: {plural(count, 'map')} not finite (NaN or infinite), scored as constant"
        for method, count in table.broken.items()
    ]
    return lines + flat


def leader(table: Table, metric: Metric) -> str | None:
    """Which method has the best mean by a metric, in words."""
    best = table.best(metric)
    if not best:
        return None
    estimate = table.entry(best[0], metric).estimate
    interval = f" ({span(estimate)})" if estimate.n > 1 else ""
    control = " (a control)" if any(method in table.controls for method in best) else ""
    return f"{' and '.join(best)}{control}: {number(estimate.mean)}{interval}"


def protocol(about: dict[str, Any]) -> str:
    """A protocol in one line."""
    return ", ".join(f"{key} {value}" for key, value in about.items() if key != "metric")


def same_reason(table: Table, method: str) -> str | None:
    """The one reason why a method has no score by any metric."""
    found = {table.entry(method, metric).reason for metric in table.metrics}
    return found.pop() if len(found) == 1 else None
