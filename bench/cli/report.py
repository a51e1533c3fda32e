"""bench report: a run as a page, or as printed tables."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..config.defaults import DEFAULTS
from ..core import plugins
from ..core.errors import PluginError, UsageError, show_value
from ..core.files import check_name, write_text
from ..core.plugins import REPORT
from ..store.shipped import find_shipped

if TYPE_CHECKING:
    from ..store.run import Run


@click.command()
@click.argument("directories", metavar="RUN...", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--markdown", is_flag=True, help="Print Markdown tables.")
@click.option("--csv", is_flag=True, help="Print comma-separated values, one row per net, method and metric.")
@click.option("--latex", is_flag=True, help="Print LaTeX tables (booktabs).")
@click.option("--json", is_flag=True, help="Print the answers, and all means, as JSON.")
@click.option("--format", "form", metavar="NAME", help="Any report that `bench list reports` names.")
@click.option(
    "--files", type=click.Path(path_type=Path), metavar="DIR", help="Also write all figures and tables to DIR."
)
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Write the report to FILE.")
def report(
    *, directories: tuple[Path, ...], form: str | None, files: Path | None, out: Path | None, **flags: bool
) -> None:
    """Report a run as a page, or print it as Markdown, CSV, LaTeX or JSON.

    The page is RUN/report.html, or --out FILE. `bench report reference` reports the results that ship with cambench, and
    writes reference.html.
    Several runs are shown side by side on one page, report.html in the current directory.
    --files DIR writes each figure as PNG and SVG, and each table as CSV, Markdown and LaTeX.
    """
    from ..store import run as store  # imports pandas, which is slow, so only when the command runs
    from ..store.parts import check_output

    form = _choose_format(flags, form)
    path = out or (_name_page(directories) if form == DEFAULTS.report else None)
    if path is not None:
        check_output(path)
        check_name(path)
    runs = [store.open_run(directory) for directory in directories]
    if files is not None and form != DEFAULTS.report:
        raise UsageError(f"--files applies to the page, not to {form}")
    text = render(runs, form, files)
    if path is None:
        click.echo(text)
    else:
        write_text(path, text)
        click.echo(f"report: {path}")
    if files is not None:
        click.echo(f"figures and tables: {files}")


def _name_page(directories: Sequence[Path]) -> Path:
    """Name the page: in the directory of the run; of several runs, or of shipped results, in the current directory."""
    if len(directories) > 1:
        return Path("report.html")
    return Path(f"{directories[0]}.html") if find_shipped(directories[0]) else directories[0] / "report.html"


def _choose_format(flags: dict[str, bool], form: str | None) -> str:
    """Choose the report that the options name; the page if they name none. Raise UsageError if they name several."""
    forms = [*(name for name, chosen in flags.items() if chosen), *([form] if form else [])]
    if len(forms) > 1:
        raise UsageError(f"{' and '.join(forms)} are {len(forms)} reports: choose one")
    return forms[0] if forms else DEFAULTS.report


def render(runs: Sequence["Run"], form: str, files: Path | None = None) -> str:
    """Render the report of one run, or of several if the report has a page for that.

    With `files`, the page also writes its figures and tables to that folder. A user's report gets runs as `cambench.load`
    returns them. Raise UsageError for several runs if the report has no page.
    """
    plugin = plugins.find(REPORT, form)
    if plugin.page is None and len(runs) > 1:
        raise UsageError(
            f"{form} reports one run at a time, and there are {len(runs)}; the page shows several side by side"
        )
    if plugin.foreign:
        from ..api.run import Run  # imports matplotlib, which is slow, so only for a user's report

        runs = [Run(run.directory, run.header) for run in runs]
    together = plugin.page if len(runs) > 1 or files is not None else None
    text = together(runs, files) if together else plugin(runs[0])
    if not isinstance(text, str) or text.encode(errors="replace").decode() != text:
        raise PluginError(f"report {form} gives {show_value(text)}: a report is a text that can be written in UTF-8")
    return text
