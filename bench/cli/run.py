"""bench run: run a suite."""

import sys
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from ..config import suite_file
from ..config.defaults import DEFAULTS
from ..config.suite import PRECISIONS
from ..core.errors import UsageError
from ..core.profiling import record_spans
from .options import (
    add_engine_options,
    add_net_options,
    add_target_options,
    find_engine,
    make_list_option,
    move_net_settings,
    parse_duration,
    parse_size,
)

console = Console(highlight=False, emoji=False)


@click.command()
@click.argument("name", metavar="[SUITE]", default=DEFAULTS.suite)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The run directory [runs/SUITE; runs/SUITE-DATA-HASH where options change the suite].",
)
@make_list_option("nets", help="Networks: resnet18, resnet50@imagenet, my.py:factory, ... (bench list nets)")
@add_net_options
@click.option("--layer", metavar="NAME", help="The layer to explain, as named_modules() names it.")
@make_list_option("methods", help="Methods: grad_cam, score_cam[fill=black], ./my_cam.py, ...")
@make_list_option("metrics", help="Metrics: insertion, deletion[steps=100], ...")
@make_list_option("protocols", help="Protocols: default, rise, torchcam, rise[steps=224], ...")
@click.option("--dataset", metavar="NAME|FOLDER", help="A data set, or a folder of images with labels.")
@click.option("--images", type=click.IntRange(1), metavar="N", help="Number of images.")
@click.option("--subset", metavar="FILE", help="Use only the images named in FILE, one per line.")
@click.option("--seed", type=click.IntRange(0), metavar="N", help="Random seed.")
@add_target_options
@click.option("--device", default="auto", show_default=True, metavar="auto|cpu|cuda", help="Where to compute.")
@click.option("--precision", type=click.Choice(PRECISIONS), help="Precision of the forward passes of perturbed images.")
@click.option(
    "--compile",
    is_flag=True,
    default=None,
    help="In runs of 100 images and more, compile the forward passes of perturbed images.",
)
@click.option("--drift", type=click.IntRange(1), metavar="N", help="Also score N images in fp32, to measure the drift.")
@click.option(
    "--memory", type=parse_size, metavar="SIZE", help="Device memory per forward pass of perturbed images: 500MB, 2GB."
)
@click.option(
    "--time", "budget", type=parse_duration, metavar="TIME",
    help="Stop after about this time: cheap methods come first, expensive ones if they fit. The same command continues.",
)  # fmt: skip
@click.option("--profile", is_flag=True, help="Print where the time went.")
@add_engine_options
def run(
    *,
    name: str,
    out: Path | None,
    device: str,
    memory: float | None,
    budget: float | None,
    profile: bool,
    **changes: Any,
) -> None:
    """Run a suite: explain images on networks, score the maps, measure the cost.

    SUITE is a built-in name (bench list suites) or a TOML file; options override it. Ctrl-C keeps finished images; the same
    command resumes the run.

    Exit codes: 0 finished; 2 the run cannot start or go on, and one sentence says why; 3 finished, but some images failed
    (the same command tries them again) or nets were left out, whose weights are missing (to measure them later, name them
    with --nets and another directory with --out); 130 interrupted.
    """
    from ..api.execute import execute  # imports torch, which is slow, so only when the command runs
    from ..core.profiling import make_profile_table
    from ..forward.cost import make_synchronise
    from ..forward.device import find_device
    from ..forward.process import tune_process
    from ..run.plan import make_plan

    if profile and changes["engine"] != DEFAULTS.engine:
        raise UsageError(f"--profile measures one process: use it with --engine {DEFAULTS.engine}")
    move_net_settings(changes)
    engine = find_engine(changes.pop("engine"), address=changes.pop("address"), workers=changes.pop("workers"))
    suite = suite_file.load(name, **changes)
    directory = out or Path("runs") / suite.make_directory_name()
    tune_process(find_device(device))
    with record_spans(make_synchronise(device)) if profile else nullcontext() as spans:
        plan_run = partial(make_plan, device=device, memory=memory)
        code = execute(suite, directory, plan_run, console, engine, budget=budget)
    if spans:
        console.print(make_profile_table(spans))
    sys.exit(code)
