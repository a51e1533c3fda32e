"""bench run: what it takes from the command line."""

import sys
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from ..config import suite_file
from ..config.suite import PRECISIONS
from ..core.errors import UsageError
from ..core.profiling import profiled
from .options import SIZE, engine, engine_options, list_option, net_options, with_settings

console = Console(highlight=False)


@click.command()
@click.argument("name", metavar="[SUITE]", default="scenes")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where the run is kept [runs/SUITE; runs/SUITE-MARK with other options].",
)
@list_option("nets", "net", help="Networks: resnet18, resnet50@imagenet, my.py:factory, ... (bench list nets)")
@net_options
@click.option("--layer", metavar="NAME", help="The layer that is explained, as in named_modules().")
@list_option("methods", help="Methods: grad_cam, score_cam[fill=black], ./my_cam.py, ...")
@list_option("metrics", help="Metrics: insertion, deletion[steps=100], ...")
@list_option("protocols", help="Protocols: default, rise, torchcam, rise[steps=224], ...")
@click.option("--dataset", metavar="NAME|FOLDER", help="A data set, or a folder of images with labels.")
@click.option("--images", type=click.IntRange(1), metavar="N", help="How many images.")
@click.option("--subset", metavar="FILE", help="Take the images that a file names, one a line.")
@click.option("--seed", type=click.IntRange(0), metavar="N", help="Of the data set and of whatever is random.")
@click.option("--target", type=click.Choice(["predicted", "label"]), help="The class that is explained.")
@click.option("--device", default="auto", show_default=True, metavar="auto|cpu|cuda", help="Where to compute.")
@click.option("--precision", type=click.Choice(PRECISIONS), help="Of perturbed images' forward passes.")
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
    from ..api.execute import execute  # torch loads only where nets run
    from ..core.profiling import profile as profile_table
    from ..forward.cost import waiting
    from ..run.plan import plan

    if profile and changes["engine"] != "local":
        raise UsageError("--profile tells of one process: take it with --engine local")
    of_nets = {key: changes.pop(key) for key in ("weights", "classes", "preprocess", "layer")}
    changes["nets"] = with_settings(of_nets, changes["nets"] or suite_file.load(name).nets) or changes["nets"]
    found = engine(changes.pop("engine"), address=changes.pop("address"), workers=changes.pop("workers"))
    asked = suite_file.load(name, **changes)
    directory = out or Path("runs") / asked.directory()
    with profiled(waiting(device)) if profile else nullcontext() as spans:
        code = execute(asked, directory, partial(plan, device=device, memory=memory), console, found)
    if spans:
        console.print(profile_table(spans))
    sys.exit(code)
