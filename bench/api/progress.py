"""A run as a person sees it: time left, the table of each net when it is done, the page at the end; Ctrl-C keeps all."""

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
from ..run.describe import header
from ..run.plan import Plan
from ..show import terminal as show
from ..store import failures, run
from ..store.writer import Writer

Ready = Callable[[Suite], Plan]  # what makes the plan of a suite, for a device

DONE, FAILED, INTERRUPTED = 0, 3, 130  # exit codes: all went well, some images failed, somebody stopped it


def execute(suite: Suite, directory: Path, ready: Ready, console: Console, engine: Plugin) -> int:
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
    failed = failures.sentence(run.read(directory))
    if failed:
        console.print(f"{failed}; the same command tries again what failed", soft_wrap=True, markup=False)
    return FAILED if failed else DONE


def _page(directory: Path, console: Console) -> None:
    page = directory / "report.html"
    with span("reporting"):
        write_text(page, plugins.find(REPORT, "html")(run.read(directory)))
    console.print(f"report: {page}", soft_wrap=True, markup=False)


def _work(planned: Plan, writer: Writer, console: Console, engine: Plugin) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    left = Counter({net: sum(map(len, groups)) for net, groups in planned.open(writer.done).items()})
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=planned.cells, completed=planned.cells - left.total())

        def tell(net: str) -> None:
            with span("reporting"):
                console.print(show.comparison(run.read(writer.directory), net))

        for net in planned.suite.nets:
            if not left[net]:
                tell(net)
        for net, _ in engine(planned, writer):
            left[net] -= 1
            progress.update(task, description=net, advance=1)
            if not left[net]:
                tell(net)
