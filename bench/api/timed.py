"""Computes a run within a time: cheap methods on a few images of every net, then on all; dear methods where they fit."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from time import monotonic

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from ..core.formatting import format_count, format_time
from ..core.plugins import Plugin
from ..run.plan import Plan, Round
from ..store.run import Run
from ..store.writer import Writer

FIRST = 4  # images of each net before the others


def measure_within(
    plan: Plan, writer: Writer, console: Console, engine: Plugin, seconds: float, show: Callable[[str], None]
) -> None:
    """Measure as much of what the directory lacks as fits into the time, and say what does not.

    `show` prints the table of a net: after its first images, and at the end.
    """
    run, deadline = Run(writer.directory, writer.header), monotonic() + seconds
    missing: list[str] = []
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("")
        schedule = partial(_schedule, plan, run, deadline, show, missing)
        with closing(engine(replace(plan, schedule=schedule), writer)) as computed:
            for net, image in computed:
                progress.update(task, description=f"{net}: {image}, {format_time(deadline - monotonic())} left")
                if monotonic() > deadline:
                    break
    writer.flush()
    for net in plan.suite.nets:
        show(net)
    if unfinished := [*_list_unfinished(plan, run), *missing]:
        console.print(f"the time is up. Not computed: {'; '.join(unfinished)}.", soft_wrap=True, markup=False)
        console.print("The same command goes on, and without --time to the end.", markup=False)


def _schedule(
    plan: Plan, run: Run, deadline: float, show: Callable[[str], None], missing: list[str]
) -> Iterator[Round]:
    """Yield rounds of cheap methods, then a round of each dear one if it is likely to end in time."""
    cheap = [method.spec for method in plan.methods if not method.dear]
    for start, stop in ((0, FIRST), (FIRST, len(plan.indices))):
        for net in plan.suite.nets:
            yield from _list_rounds(plan, run, net, cheap, start, stop)
            if not start:
                show(net)
    for net in _sort_by_speed(plan, run):
        for method in (method.spec for method in plan.methods if method.dear):
            yield from _try_dear_method(plan, run, net, method, deadline, missing)


def _try_dear_method(
    plan: Plan, run: Run, net: str, method: str, deadline: float, missing: list[str]
) -> Iterator[Round]:
    """Yield the round of a dear method on one image and, if the others are likely to end in time, that of the others."""
    began = monotonic()
    first = list(_list_rounds(plan, run, net, [method], 0, 1))
    yield from first
    seconds = (monotonic() - began) / 2  # the first image is explained twice, to count the work
    rest = list(_list_rounds(plan, run, net, [method], 1, len(plan.indices)))
    count = sum(len(group) for planned in rest for group in planned.groups[net])
    if first and monotonic() + seconds * count > deadline:
        missing.append(f"{method} on {net}, {format_count(count, 'image')} (about {format_time(seconds * count)})")
    else:
        yield from rest


def _list_rounds(plan: Plan, run: Run, net: str, methods: Sequence[str], start: int, stop: int) -> Iterator[Round]:
    """Yield the rounds of methods on the images at these positions of the run: one for each set of methods that is not done."""
    scores = run.table("scores", columns=["image", "method"], net=net)
    done: dict[str, set[str]] = {}
    for image, method in zip(scores["image"], scores["method"], strict=True):
        done.setdefault(image, set()).add(method)
    by_methods: dict[tuple[str, ...], set[int]] = {}
    for index in plan.indices[start:stop]:
        of_image = done.get(plan.images.name(index), set())
        by_methods.setdefault(tuple(method for method in methods if method not in of_image), set()).add(index)
    for left, indices in by_methods.items():
        groups = [[index for index in group if index in indices] for group in plan.groups]
        if left:
            yield Round({net: [group for group in groups if group]}, left)


def _sort_by_speed(plan: Plan, run: Run) -> list[str]:
    """List the nets, the one that predicts fastest first."""
    seconds = run.table("predictions", columns=["net", "seconds"]).groupby("net", observed=True)["seconds"].median()
    return sorted(plan.suite.nets, key=lambda net: float(seconds.get(net, 0.0)))


def _list_unfinished(plan: Plan, run: Run) -> Iterator[str]:
    """Describe the nets on which the cheap methods are not done on all images."""
    cheap = [method.spec for method in plan.methods if not method.dear]
    for net in plan.suite.nets:
        left = [*_list_rounds(plan, run, net, cheap, 0, len(plan.indices))]
        if count := sum(len(group) for planned in left for group in planned.groups[net]):
            yield f"{format_count(count, 'image')} on {net}"
