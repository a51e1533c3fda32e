"""bench list: the names and descriptions of everything available, by kind, read without importing any plug-in."""

import ast
from pathlib import Path

import click

from ..config import protocol, suite_file
from ..core import plugins
from ..core.errors import UsageError
from ..core.plugins import DATASET, ENGINE, METHOD, METRIC, REFERENCE, REPORT
from ..store import shipped
from ..store.header import read_header

KINDS = ("nets", "methods", "metrics", "protocols", "datasets", "suites", "results", "reports", "references", "engines")
NETS = plugins.ROOT / "bench" / "nets" / "zoo.py"  # read as text: importing it would import torch


@click.command("list")
@click.argument("kind", required=False, type=click.Choice([*KINDS, "published"]))
def list_(kind: str | None) -> None:
    """List networks, methods, metrics, data sets, protocols, suites and all other plug-ins.

    `bench list results` lists the results that ship with cambench, `bench list references` the reference libraries,
    `bench list engines` what can compute a run, and `bench list published` the numbers of papers.
    """
    from rich.console import Console

    console = Console(highlight=False, emoji=False)
    if kind == "published":
        from ..published import table  # imports pandas, which is slow

        console.print(table.list_published())
        return
    from rich.table import Table as RichTable
    from rich.text import Text

    for title, rows in list_by_kind().items():
        if kind in (None, title):
            grid = RichTable(title=title, title_justify="left", title_style="bold", box=None, show_header=False)
            grid.add_column(no_wrap=True)
            grid.add_column()
            for row in rows:
                grid.add_row(*map(Text, row))
            console.print(grid)


def list_by_kind() -> dict[str, list[tuple[str, str]]]:
    """List the names and descriptions of everything available, by kind."""
    rows = {
        f"{kind.word}s": [(name, plugins.read_description(kind, name)) for name in plugins.list_names(kind)]
        for kind in (METHOD, METRIC, DATASET, REPORT, REFERENCE, ENGINE)
    }
    rows["nets"] = [row for constant in ("SHIPPED", "FORMS") for row in _read_constant(constant).items()]
    protocols = [protocol.find_protocol(name) for name in protocol.list_names()]
    rows["protocols"] = [(rules.name, f"{rules.description} Source: {rules.source}") for rules in protocols]
    rows["suites"] = [(name, suite_file.load(name).description) for name in suite_file.list_names()]
    rows["results"] = [(name, _describe_results(shipped.RESULTS / name)) for name in shipped.list_shipped()]
    return {kind: rows[kind] for kind in KINDS}


def _describe_results(directory: Path) -> str:
    """Describe shipped results, or what is wrong with them: the rest of the list can be shown all the same."""
    try:
        return read_header(directory).suite.description
    except UsageError as error:
        return str(error)


def _read_constant(name: str) -> dict[str, str]:
    """Read the value of a constant of zoo.py from its source."""
    for node in ast.parse(NETS.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == name:
            constant: dict[str, str] = ast.literal_eval(node.value)
            return constant
    raise LookupError(f"{NETS} defines no {name}")
