"""The command line's gate: bench compare, baseline, history."""

import sys
from pathlib import Path

import click
from rich.console import Console

from . import baseline as text
from . import specs
from .compare import compare as compared
from .compare import load
from .compared import show
from .console import WIDTH
from .files import write_text

console = Console(highlight=False)
SUMMARY = "GITHUB_STEP_SUMMARY"


def _list(name: str) -> object:
    def split(context: click.Context, parameter: click.Parameter, given: str | None) -> list[str] | None:
        return None if given is None else specs.split(given)

    return click.option(f"--{name}", callback=split, metavar="A,B", help=f"Only these {name}.")


@click.command()
@click.argument("base", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
def compare(base: Path, new: Path) -> None:
    """Compare two runs, or a run with a baseline: what got worse, image by image.

    Exit code 1 where anything is worse, broken, gone or not comparable.
    """
    found = compared(load(base), load(new))
    console.print(show(found), width=min(console.width, WIDTH))
    sys.exit(1 if found.failed else 0)


@click.command()
@click.argument("directory", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Where to [RUN.baseline].")
def baseline(directory: Path, out: Path | None) -> None:
    """Write a run's baseline: a small text file to commit, for bench compare."""
    file = out or directory.with_name(directory.name + ".baseline")
    write_text(file, text.text(load(directory)))
    console.print(f"baseline: {file}", soft_wrap=True, markup=False)
