"""The command line: bench run, conform, report, list; and, of gate.py, compare, baseline, history."""

import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .. import __version__
from . import beside, gate, plan_command, plugins, specs, store, suite
from .errors import UsageError
from .explain_command import explain
from .files import write_text
from .listing import KINDS, listing
from .options import SIZE, engine, engine_options
from .plugins import REPORT
from .refusals import Refusals
from .spans import profiled

console = Console(highlight=False)


@click.group(cls=Refusals, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="bench")
def main() -> None:
    """Which explanation method should I trust on this network, and what does it cost?"""


def _specs(context: click.Context, parameter: click.Parameter, text: str | None) -> list[str] | None:
    return None if text is None else specs.split(text)


def _list_option(*names: str, help: str) -> Callable[..., Any]:
    return click.option(*(f"--{name}" for name in names), callback=_specs, metavar="A,B", help=help)


def _with(settings: dict[str, str | None], nets: list[str]) -> list[str] | None:
    """The specs of nets with settings laid over them; None where there are none."""
    given = {key: text for key, text in settings.items() if text is not None}
    if "=" in given.get("preprocess", ""):
        given |= dict(part.split("=", 1) for part in given.pop("preprocess").split(",") if "=" in part)
    return [specs.laid("net", net, given) for net in nets] if given else None


@main.command()
@click.argument("name", metavar="[SUITE]", default="scenes")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where the run is kept [runs/SUITE; runs/SUITE-MARK with other options].",
)
@_list_option("nets", "net", help="Networks: resnet18, resnet50@imagenet, my.py:factory, ... (bench list nets)")
@click.option("--weights", metavar="FILE", help="Of these networks: .pth or .safetensors, short for [weights=FILE].")
@click.option("--classes", metavar="FILE", help="The names of their classes, one a line.")
@click.option("--preprocess", metavar="WORD", help="Before them: imagenet, none, half, or mean=0.5,std=0.5.")
@click.option("--layer", metavar="NAME", help="The layer that is explained, as in named_modules().")
@_list_option("methods", help="Methods: grad_cam, score_cam[fill=black], ./my_cam.py, ...")
@_list_option("metrics", help="Metrics: insertion, deletion[steps=100], ...")
@_list_option("protocols", help="Protocols: default, rise, torchcam, rise[steps=224], ...")
@click.option("--dataset", metavar="NAME|FOLDER", help="A data set, or a folder of images with labels.")
@click.option("--images", type=click.IntRange(1), metavar="N", help="How many images.")
@click.option("--subset", metavar="FILE", help="Take the images that a file names, one a line.")
@click.option("--seed", type=click.IntRange(0), metavar="N", help="Of the data set and of whatever is random.")
@click.option("--target", type=click.Choice(["predicted", "label"]), help="The class that is explained.")
@click.option("--device", default="auto", show_default=True, metavar="auto|cpu|cuda", help="Where to compute.")
@click.option("--precision", type=click.Choice(suite.PRECISIONS), help="Of perturbed images' forward passes.")
@click.option("--compile", is_flag=True, default=None, help="Compile these passes: worth it for long runs.")
@click.option("--drift", type=click.IntRange(1), metavar="N", help="Score N images in fp32 as well, to tell the drift.")
@click.option("--memory", type=SIZE, metavar="SIZE", help="What such a pass may take of the device: 500MB, 2GB.")
@click.option("--profile", is_flag=True, help="Tell at the end where the time went.")
@engine_options
def run(name: str, out: Path | None, device: str, memory: float | None, profile: bool, **changes: Any) -> None:
    """Run a suite: explain images on nets, score the maps, measure the cost.

    SUITE is a built-in name (bench list) or a TOML file; options override it. Ctrl-C keeps what is done, and the same
    command goes on from there.

    Exit codes: 0 all is done; 2 something was asked wrongly, and one sentence says what; 3 the run is done but for images
    that failed, and the same command tries them again; 130 interrupted.
    """
    from . import profile as show
    from .cost import waiting
    from .plan import plan
    from .series import execute  # torch loads only where nets run

    of_nets = {key: changes.pop(key) for key in ("weights", "classes", "preprocess", "layer")}
    changes["nets"] = _with(of_nets, changes["nets"] or suite.load(name).nets) or changes["nets"]
    found = engine(changes.pop("engine"), address=changes.pop("address"), workers=changes.pop("workers"))
    asked = suite.load(name, **changes)
    directory = out or Path("runs") / asked.directory()
    with profiled(waiting(device)) if profile else nullcontext() as spans:
        code = execute(asked, directory, partial(plan, device=device, memory=memory), console, found)
    if spans:
        console.print(show.profile(spans))
    sys.exit(code)


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
@_list_option("nets", help="Networks [squeezenet1_1,resnet18].")
@click.option("--dataset", metavar="NAME|FOLDER", help="A data set, or a folder of images with labels [scenes].")
@click.option("--images", type=click.IntRange(1), default=4, show_default=True, metavar="N", help="How many images.")
@click.option("--seed", type=click.IntRange(0), metavar="N", help="Of the data set and of whatever is random.")
@_list_option("peers", help="Libraries [all of bench list peers that are installed].")
@click.option("--device", default="auto", show_default=True, metavar="auto|cpu|cuda", help="Where to compute.")
def conform(peers: list[str] | None, device: str, **changes: Any) -> None:
    """Compare with other libraries: the same images, explained and scored by them and by this suite.

    Exit code 1 where a number differs by more than its tolerance and no known fault of the library explains it.
    """
    from .conform import run

    changes["nets"] = changes["nets"] or ["squeezenet1_1", "resnet18"]
    sys.exit(0 if run(suite.load("scenes", **changes), peers, device, console) else 1)


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
    """List what there is: nets, methods, metrics, data sets, suites, reports, peers; and the numbers that are published."""
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


for command in (explain, gate.compare, gate.baseline, gate.history, plan_command.plan):
    main.add_command(command)

if __name__ == "__main__":
    main()
