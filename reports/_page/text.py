"""Sentences that several reports share: what was run, what is missing and why, how the numbers are computed."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...bench.core.formatting import format_count, join_names
from ...bench.stats.estimate import FEW, HEAVY
from ...bench.stats.paired import POWER
from ...bench.stats.summary import Table
from ...bench.store.run import Run, describe_failures
from ...bench.store.shipped import is_shipped

if TYPE_CHECKING:
    from .analysis import NetAnalysis

TIES = (
    "It is also undecided if the order of equal pixels can move the mean of either by more than they differ, where a metric of "
    "the run measures that."
)

COMPUTATION = (
    f"Each score is a mean over images with a 95 % interval, cut to the range of the metric: Student's t, from {FEW} "
    f"images on corrected for skewness; where {HEAVY:.0%} of the scores or more are at an end of the range, as far as a limit "
    "that assumes nothing but the range (Gaffke's); for binary metrics Clopper and Pearson's. A single image has no interval. "
    "On fewer than 30 images, the intervals of very skewed scores, and of differences that are 0 or small on most images, "
    "contain the true mean less often than in 95 % of samples. Where most differences are exactly 0, the test protects from a "
    "false claim. Where they are small and of one sign, nothing does on a dozen images.",
    "Each map is computed once, fitted to its image and stretched to [0, 1] as the protocol says. A mean over fewer images "
    "than the others says so below the table.",
    "Seconds are those of one image alone: the median and the quartiles over the first images. Images a second are those of "
    "one batch after them. Both depend on the machine and its load. Forwards (floating-point work in units of one "
    "prediction, including backward passes) and peak bytes are measured on the first image and are the same in every run.",
    "A method is better or worse than a control only if the 95 % interval of the mean paired difference excludes 0 and the "
    "paired test is significant after Holm's correction: Wilcoxon's signed-rank test, or McNemar's test for hits and "
    f"misses. Otherwise the comparison is undecided. {TIES}",
)

PAGE_COMPUTATION = (
    *COMPUTATION[:-1],
    "Two methods differ significantly only if the 95 % interval of the mean paired difference excludes 0 and the paired test "
    "is significant after Holm's correction: Wilcoxon's signed-rank test, or McNemar's test for hits and misses. Otherwise "
    f"the comparison is undecided. {TIES} The correction is over each of three families: neighbours in a ranking, the best "
    "method against all others, and methods against controls; those that are not ranked, for want of images, are a family of "
    "their own. The best method is chosen by the same scores, so the p-values of its comparisons are also multiplied by half "
    "the number of methods.",
    "The number of images that would decide a comparison is an estimate: it is decided on that many images with a probability "
    f"of {POWER:.0%} if the true mean and spread are those observed.",
    "The answer is a winner if one method, or several with the same scores, is better than every control and than every other "
    "ranked method by each of the metrics that decide; a tie if no test tells several from the best; none if no method beats "
    "the controls. By default one metric of each kind decides: deletion and insertion, drops, and objects. The cheapest method "
    "is the one with the fewest forwards; of several, the one with the fewest seconds. Controls are never recommended.",
)


def describe_run(run: Run) -> str:
    """Describe the size of a run: its images, nets, methods and metrics, its precision and device, and the nets left out."""
    suite, methods = run.header.suite, run.header.methods
    controls = sum(method.control for method in methods.values())
    parts = [
        f"{format_count(len(run.header.data.images), 'image')} of {suite.dataset}",
        format_count(len(run.header.nets), "net"),
        format_count(len(methods), "method")
        + (f" (including {format_count(controls, 'control')})" if controls else ""),
        format_count(run.header.metric_count, "metric"),
    ]
    left_out = "".join(f" Left out: {reason}." for reason in suite.missing.values())
    return f"{', '.join(parts)}; {suite.precision} on {suite.device}.{left_out}"


def describe_hardware(run: Run) -> str:
    """Describe the machine that the seconds of a run are of."""
    environment = run.header.environment
    device = environment.get("device", "an unknown machine")
    threads = environment.get("threads")
    return (
        f"{format_count(int(threads), 'thread')} of {device}"
        if threads and run.header.suite.device == "cpu"
        else device
    )


def describe_progress(analyses: "Sequence[NetAnalysis]") -> str | None:
    """Say how many images of incomplete runs are done, which races are not over, and which images failed; None if none."""
    counts = []
    for analysis in analyses:
        table = analysis.table
        done = {method: table.count_images(method) for method in table.methods}
        behind = [f"{method} {count or 'none'}" for method, count in done.items() if count < table.images]
        if table.race is None and (behind or table.images < table.planned):
            methods = f" ({', '.join(behind)})" if behind else ""
            counts.append(f"{analysis.title} {table.images} of {table.planned}{methods}")
    shipped = all(is_shipped(analysis.run.directory) for analysis in analyses)  # nobody is asked to complete these
    incomplete = (
        "Not every run is complete" if any(analysis.run_label for analysis in analyses) else "This run is not complete"
    )
    start = "Images computed so far" if shipped else f"{incomplete}; images so far"
    runs = {analysis.run.directory: analysis.run for analysis in analyses}
    failures = [f"{failure}." for run in runs.values() if (failure := describe_failures(run))]
    races = [analysis.title for analysis in analyses if analysis.table.race and not analysis.table.race.over]
    return " ".join([
        *([f"{start}: {', '.join(counts)}."] if counts else []),
        *([f"The race on {join_names(races)} is not over: run the same command again to resume it."] if races else []),
        *failures,
    ]) or None  # fmt: skip


def find_common_reason(table: Table, method: str) -> str | None:
    """Return the reason why a method has no score, if it is the same for every metric; None otherwise."""
    reasons = {table.find_mean_score(method, metric).reason for metric in table.metrics}
    return reasons.pop() if len(reasons) == 1 else None
