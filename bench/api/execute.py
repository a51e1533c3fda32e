"""Runs a suite part by part; shows progress, a table per net and the page's path. Ctrl-C keeps what is done."""

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.text import Text

from ..config.defaults import DEFAULTS
from ..config.suite import Suite
from ..core import plugins
from ..core.errors import DONE, FAILED, INTERRUPTED, MissingWeights
from ..core.files import check_directory, write_text
from ..core.formatting import format_count, format_time, join_names, make_title
from ..core.plugins import REPORT, Plugin
from ..core.profiling import time_span
from ..data.checked import list_notes
from ..data.labels import abbreviate, describe_order, find_missing_classes, has_two_orders
from ..forward.device import is_tested
from ..published import published, table
from ..run.describe import make_header
from ..run.forecast import time_passes
from ..run.loaded_nets import LoadedNets
from ..run.plan import COMPILED_IMAGES, Plan
from ..show import terminal
from ..show.terminal import WIDTH
from ..stats.answer import describe_answers
from ..stats.outcome import check_ranges
from ..store import run as store
from ..store.comparability import find_timing_difference
from ..store.header import Header
from ..store.writer import Writer
from .progress import Deadline, Forecast, follow
from .race import measure_race
from .timed import measure_within

LONG = 600  # seconds: a run that takes longer is told how to be shorter
ADVICE = "--time 4min computes what fits into a time that you choose, cheap methods first"


class MakePlan(Protocol):
    """Makes the plan of a suite, or of a part of one, which shares its nets with other parts."""

    def __call__(self, suite: Suite, *, loaded: LoadedNets | None = None, skip_missing: bool = False) -> Plan: ...


def execute(
    suite: Suite, directory: Path, make_plan: MakePlan, console: Console, engine: Plugin, *, budget: float | None = None
) -> int:
    """Run a suite into a directory, each of its parts into a subdirectory; what is there already is not measured again.

    `budget` is the seconds after which a race ends undecided, or a run stops. A net whose weights are missing is left out,
    unless no other net is left: then MissingWeights is raised.
    Return the exit code: DONE, FAILED or INTERRUPTED.
    """
    check_directory(directory)
    loaded = LoadedNets()  # a net of several parts is loaded once
    plans = _make_plans(suite, directory, make_plan, loaded)
    missing = {spec: str(reason) for spec, reason in loaded.missing.items()}
    for reason in missing.values():
        console.print(f"left out: {reason}", soft_wrap=True, markup=False)
    codes = [DONE]
    for path, plan in plans.items():
        codes.append(_execute_part(plan, path, console, engine, budget))
        if codes[-1] == INTERRUPTED:
            return INTERRUPTED
    if suite.parts:
        _show_published(suite, directory, missing, console)
    if missing:
        console.print(f"not measured, because the weights are missing: {join_names(list(missing))}", markup=False)
        codes.append(FAILED)
    return max(codes)


def _make_plans(suite: Suite, directory: Path, make_plan: MakePlan, loaded: LoadedNets) -> dict[Path, Plan]:
    """Make the plans of a suite, or of its parts, by their directories, without the parts whose nets are all missing.

    They are made before the first one runs, so that a wrong value in any part is reported at once. Raise MissingWeights if no
    plan is left.
    """
    parts = {directory / part.name: part for part in suite.parts} or {directory: suite}
    plans: dict[Path, Plan] = {}
    for path, part in parts.items():
        with contextlib.suppress(MissingWeights):
            plans[path] = make_plan(part, loaded=loaded, skip_missing=True)
    if not plans:
        raise next(iter(loaded.missing.values()))
    return plans


def _execute_part(plan: Plan, directory: Path, console: Console, engine: Plugin, budget: float | None = None) -> int:
    """Run a plan into a directory; return the exit code."""
    header = make_header(plan)
    header.environment |= engine.environment
    if plan.suite.race is not None:
        check_ranges(header)
    writer = Writer(directory, header)
    plan = replace(plan, image_hashes=writer.image_hashes)
    show_plan(plan, len(writer.done), console)
    _note_other_timing(plan, writer, header, console)
    try:
        _measure(plan, writer, console, engine, budget)
        _write_page(directory, console)
        _show_answers(directory, console)
    except KeyboardInterrupt:
        console.print(f"interrupted; {directory} keeps what is done; run the same command to resume", markup=False)
        return INTERRUPTED
    finally:
        try:
            writer.flush()
        finally:
            writer.close()
    return _report_failures(directory, console)


def _note_other_timing(plan: Plan, writer: Writer, header: Header, console: Console) -> None:
    """Print why the seconds of a run that is resumed cannot be compared with those that it holds, if they cannot."""
    is_resumed = (writer.done or writer.begun) and len(writer.done) < plan.cell_count
    if is_resumed and (difference := find_timing_difference(writer.header.environment, header.environment)):
        console.print(f"seconds measured from now on do not compare with those before: {difference}", markup=False)


def show_plan(plan: Plan, done: int, console: Console) -> None:
    """Print what runs where, and what the reader should know of the data set and the nets."""
    suite, count = plan.suite, len(plan.indices)
    before = f"; {done} of {plan.cell_count} done before" if done else ""
    counts = f"{format_count(count, 'image')}, {format_count(len(plan.methods), 'method')}"
    console.print(
        f"{make_title(suite.name, suite.dataset)}: {counts}, {plan.precision} on {plan.device}{before}", markup=False
    )
    if count < suite.images:
        console.print(
            f"the data set has {format_count(count, 'image')}, fewer than {suite.images}: all of them are used"
        )
    if suite.compile and not plan.compiled:
        console.print(f"nets are not compiled: that takes longer than it saves on fewer than {COMPILED_IMAGES} images")
    if not is_tested(plan.device):
        console.print(
            f"devices of the kind {plan.device.type} have not been tested: compare a few images with --device cpu",
            markup=False,
        )
    for note in list_notes(plan.images):
        console.print(note, markup=False)
    for net, entry in plan.nets.items():
        for note in [*entry.notes, *_describe_labels(plan, net)]:
            console.print(f"{net}: {note}", markup=False)


def _describe_labels(plan: Plan, net: str) -> list[str]:
    """Say how labels are numbered if there are two ways, and which of the data set's classes a net lacks."""
    classes, order = plan.nets[net].classes, plan.suite.label_order
    names, notes = find_missing_classes(plan.images, classes, order), []
    if has_two_orders(plan.images.classes, classes):
        notes.append(
            f"the data set's classes are named by numbers, and {describe_order(order)}: --label-order changes that"
        )
    if not names:
        return notes
    return [
        *notes,
        f"lacks {len(names)} of the data set's {len(plan.images.classes)} classes ({abbreviate(names)}): "
        "on this net, images of these classes have no label and no object to point at",
    ]


def _measure(plan: Plan, writer: Writer, console: Console, engine: Plugin, budget: float | None) -> None:
    """Measure what the directory lacks: a race, what fits into a time, or everything."""
    show = partial(_show_table, writer.directory, console=console)
    if plan.suite.race is not None:
        measure_race(plan, writer, console, engine, budget)
        for net in plan.suite.nets:
            show(net)
    elif budget is not None:
        measure_within(plan, writer, console, engine, seconds=budget, show=show)
    else:
        _measure_all(plan, writer, console, engine)


def _measure_all(plan: Plan, writer: Writer, console: Console, engine: Plugin) -> None:
    """Measure what the directory lacks; show progress, and the table of each net as soon as the net is complete."""
    groups = {net: [len(group) for group in groups] for net, groups in plan.list_remaining(writer.done).items()}
    forecast, advised = Forecast(groups, time_passes(plan, groups), is_concurrent=engine.concurrent), False

    def describe(net: str, _: str) -> tuple[str, float | None]:
        nonlocal advised
        forecast.record(net)
        seconds, done = forecast.seconds, len(plan.indices) - forecast.left[net]
        left = "" if seconds is None else f"about {format_time(seconds)} left"
        if seconds is not None and seconds > LONG and not advised:
            advised = True
            console.print(f"{left}; {ADVICE}", soft_wrap=True, markup=False)
        if not forecast.left[net]:
            _show_table(writer.directory, net, console)
        return f"{net}: {done} of {len(plan.indices)} images{left and f', {left}'}", forecast.share

    for net in plan.suite.nets:
        if not forecast.left[net]:
            _show_table(writer.directory, net, console)
    follow(engine, plan, writer, console, describe=describe, deadline=Deadline.after(None))


def _show_table(directory: Path, net: str, console: Console) -> None:
    with time_span("reporting"):
        console.print(terminal.show_methods(store.open_run(directory), net))


def _write_page(directory: Path, console: Console) -> None:
    page = directory / "report.html"
    with time_span("reporting"):
        write_text(page, plugins.find(REPORT, DEFAULTS.report)(store.open_run(directory)))
    console.print(f"report: {page}", soft_wrap=True, markup=False)


def _show_answers(directory: Path, console: Console) -> None:
    """Print which method to take on each net."""
    with time_span("reporting"):
        answers = list(describe_answers(store.open_run(directory)))
    for net, text in answers:
        console.print(Text.assemble((f"{net}: ", "bold"), text))


def _report_failures(directory: Path, console: Console) -> int:
    """Print which images failed; return the exit code."""
    failures = store.describe_failures(store.open_run(directory))
    if not failures:
        return DONE
    console.print(f"{failures}; the same command tries the failed images again", soft_wrap=True, markup=False)
    return FAILED


def _show_published(suite: Suite, directory: Path, missing: Mapping[str, str], console: Console) -> None:
    """Show the parts' results beside published numbers, and write them to published.md.

    `missing` says why nets are left out.
    """
    rows = [row for part in suite.parts for row in _find_published(part, directory / part.name, missing)]
    if not rows:
        console.print("no published number is of the nets, methods and metrics measured here")
        return
    console.print(table.show_reproductions(rows), width=min(console.width, WIDTH))
    file = directory / "published.md"
    write_text(file, table.format_markdown(rows))
    console.print(f"published and measured numbers: {file}", soft_wrap=True, markup=False)


def _find_published(part: Suite, directory: Path, missing: Mapping[str, str]) -> list[table.Row]:
    """Find the published numbers that a part of a suite asks for: as measured, or why they are not."""
    if missing.keys() >= {*part.nets}:
        return [*published.list_unmeasured(part, missing)]
    return published.find_reproductions(store.open_run(directory))
