"""The command line: bench conform, report, list; and the commands of other files."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..config import suite_file
from ..core import plugins
from ..core.errors import UsageError
from ..core.files import write_text
from ..core.plugins import REPORT
from ..core.version import __version__
from ..published import table as beside
from ..store import run as store
from . import compare, plan
from .explain import explain
from .fit import fit
from .listing import KINDS, listing
from .options import list_option
from .run import run

console = Console(highlight=False)


class Refusals(click.Group):
    """Turns what was asked wrongly into one sentence and exit code 2; all else that is raised is a bug and is shown."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except UsageError as error:
            click.echo(f"bench: {error}", err=True)
            context.exit(2)
        except KeyboardInterrupt:
            click.echo("bench: interrupted; the same command goes on", err=True)
            context.exit(130)


@click.group(cls=Refusals, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="bench")
def main() -> None:
    """Which explanation method should I trust on this network, and what does it cost?"""


@main.command()
@click.argument("directories", metavar="RUN...", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--markdown", is_flag=True, help="Print Markdown tables.")
@click.option("--csv", is_flag=True, help="Print comma-separated values, a row per net, method and metric.")
@click.option("--latex", is_flag=True, help="Print LaTeX tables (booktabs).")
@click.option("--format", "form", metavar="NAME", help="Any report of bench list.")
@click.option(
    "--files", type=click.Path(path_type=Path), metavar="DIR", help="Write all figures and tables there, too."
)
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Write there instead.")
def report(
    directories: tuple[Path, ...], form: str | None, files: Path | None, out: Path | None, **printed: bool
) -> None:
    """Report a run: as a page (RUN/report.html), or printed as Markdown, CSV or LaTeX.

    Several runs stand side by side on one page, report.html in the current directory.
    --files DIR writes each figure as PNG and SVG, and each table as CSV, Markdown and LaTeX.
    """
    asked = [*(name for name, wanted in printed.items() if wanted), *([form] if form else [])]
    if len(asked) > 1:
        raise UsageError(f"{' and '.join(asked)} are {len(asked)} reports: ask for one at a time")
    form = asked[0] if asked else "html"
    runs = [store.read(directory) for directory in directories]
    if files is not None and form != "html":
        raise UsageError(f"--files goes with the page, not with {form}")
    text = render(runs, form, files)
    if out is None and form != "html":
        click.echo(text)
    else:
        path = out or (directories[0] / "report.html" if len(runs) == 1 else Path("report.html"))
        write_text(path, text)
        console.print(f"report: {path}", soft_wrap=True, markup=False)
    if files is not None:
        console.print(f"figures and tables: {files}", soft_wrap=True, markup=False)


@main.command()
@list_option("nets", help="Networks [squeezenet1_1,resnet18].")
@click.option("--dataset", metavar="NAME|FOLDER", help="A data set, or a folder of images with labels [scenes].")
@click.option("--images", type=click.IntRange(1), default=4, show_default=True, metavar="N", help="How many images.")
@click.option("--seed", type=click.IntRange(0), metavar="N", help="Of the data set and of whatever is random.")
@list_option("references", help="Libraries [all of bench list references that are installed].")
@click.option("--device", default="auto", show_default=True, metavar="auto|cpu|cuda", help="Where to compute.")
def conform(references: list[str] | None, device: str, **changes: Any) -> None:
    """Compare with other libraries: the same images, explained and scored by them and by this suite.

    Exit code 1 where a number differs by more than its tolerance and no known fault of the library explains it.
    """
    from ..conform.conform import run

    changes["nets"] = changes["nets"] or ["squeezenet1_1", "resnet18"]
    sys.exit(0 if run(suite_file.load("scenes", **changes), references, device, console) else 1)


def render(runs: Sequence[store.Run], form: str, files: Path | None = None) -> str:
    """A report of one run, or of several where it can set them side by side; with its files, where a folder is named."""
    found = plugins.find(REPORT, form)
    together = getattr(found.module, "page", None)
    if together is None and len(runs) > 1:
        raise UsageError(
            f"{form} reports one run at a time, and these are {len(runs)}; the page sets them side by side"
        )
    text: str = together(runs, files) if together else found(runs[0])
    return text


@main.command("list")
@click.argument("kind", required=False, type=click.Choice([*KINDS, "published"]))
def list_(kind: str | None) -> None:
    """List nets, methods, metrics, protocols, data sets, suites, reports, reference libraries, or published numbers."""
    if kind == "published":
        console.print(beside.listing())
        return
    for title, rows in listing().items():
        if kind in (None, title):
            table = Table(title=title, title_justify="left", title_style="bold", box=None, show_header=False)
            table.add_column(no_wrap=True)
            table.add_column()
            for row in rows:
                table.add_row(*map(Text, row))
            console.print(table)


for command in (run, explain, fit, compare.compare, compare.baseline, compare.history, plan.plan):
    main.add_command(command)
if __name__ == "__main__":
    main()
