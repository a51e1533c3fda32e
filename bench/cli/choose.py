"""bench choose: a race of methods."""

import re
import sys
from functools import partial
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from ..config.defaults import DEFAULTS
from ..config.suite import PRECISIONS, RACE_IMAGES, RACE_SECONDS
from .options import (
    add_engine_options,
    add_net_options,
    add_target_options,
    find_engine,
    make_list_option,
    move_net_settings,
    parse_duration,
)

console = Console(highlight=False, emoji=False)


def parse_share(value: object) -> float:
    """Return a share between 0 and 1: of 2% or 0.02. Raise click.BadParameter for another text."""
    match = re.fullmatch(r"(?P<number>\d{0,9}(\.\d*)?) ?(?P<percent>%?)", str(value))
    share = float(f"0{match['number']}") / (100 if match["percent"] else 1) if match else 0.0
    if not 0 < share < 1:
        raise click.BadParameter(f"{value!r} is not a share between 0 and 1: write 2% or 0.02")
    return share


@click.command()
@click.argument("name", metavar="[SUITE]", default=DEFAULTS.suite)
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="The run directory [runs/SUITE-DATA-HASH].")
@make_list_option("nets", help="Networks: resnet18, my.py:factory, ... (bench list nets)")
@add_net_options
@click.option("--layer", metavar="NAME", help="The layer to explain, as named_modules() names it.")
@make_list_option("methods", help="Methods that race: grad_cam, score_cam, ./my_cam.py, ...; controls among them.")
@make_list_option("by", help="Metrics that decide [a balanced choice of the suite's].")
@click.option("--dataset", metavar="NAME|FOLDER", help="A data set, or a folder of images.")
@click.option(
    "--images", type=click.IntRange(1), metavar="N", default=RACE_IMAGES, show_default=True,
    help="Number of images, at most; they are drawn at random.",
)  # fmt: skip
@click.option("--subset", metavar="FILE", help="Use only the images named in FILE, one per line.")
@click.option(
    "--budget", type=parse_duration, default=RACE_SECONDS, show_default="10min", metavar="TIME", help="Time, at most."
)
@click.option(
    "--confidence", type=parse_share, default="95%", show_default=True, metavar="SHARE",
    help="Probability that a method that is best by more than the slack does not drop out.",
)  # fmt: skip
@click.option(
    "--slack", type=parse_share, default="2%", show_default=True, metavar="SHARE",
    help="The difference that does not matter, as a share of a metric's range.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(0), metavar="N", help="Random seed: of the order of the images, too.")
@add_target_options
@click.option("--device", default="auto", show_default=True, metavar="auto|cpu|cuda", help="Where to compute.")
@click.option("--precision", type=click.Choice(PRECISIONS), help="Precision of the forward passes of perturbed images.")
@add_engine_options
def choose(
    *, name: str, out: Path | None, by: list[str] | None, budget: float, confidence: float, slack: float, device: str,
    **changes: Any,
) -> None:  # fmt: skip
    """Choose a method: a race, in which methods drop out once they are surely behind.

    The methods of SUITE are scored on more and more images, in a random order, until one is left, until the others are surely
    better than the cheapest by at most the slack, or until the time is up. The same command resumes a race.

    Exit codes: as those of bench run.
    """
    from ..api.choose import (
        make_race_plan,
        make_rules,
        make_suite,
    )  # imports torch, which is slow, so only when the command runs
    from ..api.execute import execute
    from ..forward.device import find_device
    from ..forward.process import tune_process

    move_net_settings(changes)
    engine = find_engine(changes.pop("engine"), address=changes.pop("address"), workers=changes.pop("workers"))
    suite = make_suite(name, make_rules(confidence, slack), by, **changes)
    directory = out or Path("runs") / suite.make_directory_name()
    tune_process(find_device(device))
    sys.exit(execute(suite, directory, partial(make_race_plan, device=device, by=by), console, engine, budget=budget))
