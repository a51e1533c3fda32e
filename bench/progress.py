"""A run as a person sees it: time left, the table of each net when it is done, the page at the end; Ctrl-C keeps all."""

import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from . import console as show
from . import plugins, store
from .declared import header
from .files import write_text
from .labels import few, unknown
from .plan import Plan, plan
from .plugins import REPORT
from .runner import units
from .suite import Suite
from .wording import plural

FLUSH_SECONDS = 5.0  # of work: the most that a kill can cost


def execute(suite: Suite, directory: Path, device: str, console: Console) -> bool:
    """Runs a suite into a directory, or goes on with what is there. False if it was interrupted."""
    planned = plan(suite, device)
    writer = store.Writer(directory, header(planned))
    before = f"; {len(writer.done)} of {planned.cells} done before" if writer.done else ""
    console.print(
        f"{suite.name}: {plural(len(planned.chosen), 'image')}, {plural(len(planned.methods), 'method')}, "
        f"{planned.precision} on {planned.device}{before}",
        markup=False,
    )
    if len(planned.chosen) < suite.images:
        console.print(f"the data set holds {plural(len(planned.chosen), 'image')}, not {suite.images}: all are taken")
    for net, about in planned.nets.items():
        if names := unknown(planned.images, about["classes"]):
            console.print(
                f"{net} lacks {len(names)} of the data set's {len(planned.images.classes)} classes ({few(names)}): on it "
                "images of these have no label, and no object to point at",
                markup=False,
            )
    try:
        _work(planned, writer, console)
        _page(directory, console)
    except KeyboardInterrupt:
        console.print(
            f"interrupted; {directory} keeps what is done, and the same command goes on from there", markup=False
        )
        return False
    finally:
        writer.flush()
        writer.close()
    return True


def _page(directory: Path, console: Console) -> None:
    page = directory / "report.html"
    write_text(page, plugins.find(REPORT, "html")(store.read(directory)))
    console.print(f"report: {page}", soft_wrap=True, markup=False)


def _work(planned: Plan, writer: store.Writer, console: Console) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=planned.cells, completed=len(writer.done))
        stream = units(planned, writer.done)
        for net in planned.suite.nets:
            progress.update(task, description=net)
            flushed = time.monotonic()
            left = sum((net, planned.images.name(index)) not in writer.done for index in planned.chosen)
            for _ in range(left):
                writer.add(next(stream))
                progress.advance(task)
                if time.monotonic() - flushed > FLUSH_SECONDS:
                    writer.flush()
                    flushed = time.monotonic()
            writer.flush()
            console.print(show.comparison(store.read(writer.directory), net))
