"""bench conform: this suite beside reference libraries."""

import sys
from typing import Any

import click

from ..config import suite_file
from ..config.defaults import DEFAULTS
from ..config.protocol import PREDICTED
from .options import make_list_option


@click.command()
@make_list_option("nets", help=f"Networks [those of the suite {DEFAULTS.smallest_suite}].")
@click.option(
    "--dataset", metavar="NAME|FOLDER",
    help=f"A data set, or a folder of images [that of the suite {DEFAULTS.smallest_suite}].",
)  # fmt: skip
@click.option("--images", type=click.IntRange(1), default=2, show_default=True, metavar="N", help="Number of images.")
@click.option("--seed", type=click.IntRange(0), metavar="N", help="Random seed.")
@make_list_option("references", help="Reference libraries [all of `bench list references` that are installed].")
@click.option("--device", default="auto", show_default=True, metavar="auto|cpu|cuda", help="Where to compute.")
def conform(*, references: list[str] | None, device: str, **changes: Any) -> None:
    """Compare this suite's maps and scores with those of reference libraries.

    Both explain and score the same images. Exit code 1 if a number differs by more than its tolerance and no known fault
    of the library explains it.
    """
    from rich.console import Console

    from ..conform.conform import run_conformance  # imports torch, which is slow, so only when the command runs

    suite = suite_file.load(DEFAULTS.smallest_suite, **changes, target=PREDICTED)
    sys.exit(0 if run_conformance(suite, references, device, Console(highlight=False, emoji=False)) else 1)
