"""Runs a suite, part by part, and shows its progress, its tables and its page; Ctrl-C keeps what is done."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ..config.suite import Suite
from ..core import plugins
from ..core.files import write_text
from ..core.formatting import plural, titled
from ..core.plugins import REPORT, Plugin
from ..core.profiling import span
from ..data.labels import few, unknown
from ..published import published, table
from ..run.describe import header
from ..run.plan import Plan
from ..show import terminal as show
from ..show.terminal import WIDTH
from ..store import run as store
from ..store.writer import Writer

Ready = Callable[[Suite], Plan]  # what makes the plan of a suite, for a device

DONE, FAILED, INTERRUPTED = 0, 3, 130  # exit codes: all went well, some images failed, somebody stopped it


def execute(suite: Suite, directory: Path, ready: Ready, console: Console, engine: Plugin) -> int:
    """Runs a suite into a directory, each part into its own in it, or goes on with what is there, and gives the exit code."""
    if not suite.parts:
        return _execute_one(suite, directory, ready, console, engine)
    for part in suite.parts:
        ready(part)  # what was asked wrongly is said before the first part runs
    codes: list[int] = []
    for part in suite.parts:
        codes.append(_execute_one(part, directory / part.name, ready, console, engine))
        if codes[-1] == INTERRUPTED:
            return INTERRUPTED
    _show_published(suite, directory, console)
    return max(codes)


def _show_published(suite: Suite, directory: Path, console: Console) -> None:
    runs = [store.read(directory / part.name) for part in suite.parts]
    found = [one for run in runs for one in published.beside(run)]
    if not found:
        console.print("nothing is published of what these parts measured")
        return
    console.print(table.text(found), width=min(console.width, WIDTH))
    page = directory / "published.md"
    write_text(page, table.markdown(found))
    console.print(f"published beside measured: {page}", soft_wrap=True, markup=False)


def _execute_one(suite: Suite, directory: Path, ready: Ready, console: Console, engine: Plugin) -> int:
    """Runs a suite into a directory, or goes on with what is there, and gives the exit code."""
    planned = ready(suite)
    about = header(planned)
    about["environment"] |= getattr(engine.module, "ENVIRONMENT", {})
    writer = Writer(directory, about)
    before = f"; {len(writer.done)} of {planned.cells} done before" if writer.done else ""
    counted = f"{plural(len(planned.chosen), 'image')}, {plural(len(planned.methods), 'method')}"
    console.print(
        f"{titled(suite.name, suite.dataset)}: {counted}, {planned.precision} on {planned.device}{before}",
        markup=False,
    )
    if len(planned.chosen) < suite.images:
        console.print(f"the data set holds {plural(len(planned.chosen), 'image')}, not {suite.images}: all are taken")
    for net, about in planned.nets.items():
        for note in about["notes"]:
            console.print(f"{net}: {note}", markup=False)
        if names := unknown(planned.images, about["classes"]):
            console.print(
                f"{net} lacks {len(names)} of the data set's {len(planned.images.classes)} classes ({few(names)}): on it "
                "images of these have no label, and no object to point at",
                markup=False,
            )
    try:
        _work(planned, writer, console, engine)
        _page(directory, console)
    except KeyboardInterrupt:
        console.print(
            f"interrupted; {directory} keeps what is done, and the same command goes on from there", markup=False
        )
        return INTERRUPTED
    finally:
        writer.flush()
        writer.close()
    return _told(directory, console)


def _told(directory: Path, console: Console) -> int:
    failed = store.failures_sentence(store.read(directory))
    if failed:
        console.print(f"{failed}; the same command tries again what failed", soft_wrap=True, markup=False)
    return FAILED if failed else DONE


def _page(directory: Path, console: Console) -> None:
    page = directory / "report.html"
    with span("reporting"):
        write_text(page, plugins.find(REPORT, "html")(store.read(directory)))
    console.print(f"report: {page}", soft_wrap=True, markup=False)


def _work(planned: Plan, writer: Writer, console: Console, engine: Plugin) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    left = Counter({net: sum(map(len, groups)) for net, groups in planned.open(writer.done).items()})
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=planned.cells, completed=planned.cells - left.total())

        def tell(net: str) -> None:
            with span("reporting"):
                console.print(show.comparison(store.read(writer.directory), net))

        for net in planned.suite.nets:
            if not left[net]:
                tell(net)
        for net, _ in engine(planned, writer):
            left[net] -= 1
            progress.update(task, description=net, advance=1)
            if not left[net]:
                tell(net)
