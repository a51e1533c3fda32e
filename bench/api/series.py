"""A suite run, part by part where it has parts; and after them what they measured beside what is published."""

from pathlib import Path

from rich.console import Console

from ..config.suite import Suite
from ..core.files import write_text
from ..core.plugins import Plugin
from ..published import published, table
from ..show.terminal import WIDTH
from ..store import run as store
from . import progress
from .progress import INTERRUPTED, Ready


def execute(suite: Suite, directory: Path, ready: Ready, console: Console, engine: Plugin) -> int:
    """Runs a suite into a directory, each part into its own in it, or goes on with what is there, and gives the exit code."""
    if not suite.parts:
        return progress.execute(suite, directory, ready, console, engine)
    for part in suite.parts:
        ready(part)  # what was asked wrongly is said before the first part runs
    codes: list[int] = []
    for part in suite.parts:
        codes.append(progress.execute(part, directory / part.name, ready, console, engine))
        if codes[-1] == INTERRUPTED:
            return INTERRUPTED
    _compare(suite, directory, console)
    return max(codes)


def _compare(suite: Suite, directory: Path, console: Console) -> None:
    runs = [store.read(directory / part.name) for part in suite.parts]
    found = [one for run in runs for one in published.beside(run)]
    if not found:
        console.print("nothing is published of what these parts measured")
        return
    console.print(table.text(found), width=min(console.width, WIDTH))
    page = directory / "published.md"
    write_text(page, table.markdown(found))
    console.print(f"published beside measured: {page}", soft_wrap=True, markup=False)
