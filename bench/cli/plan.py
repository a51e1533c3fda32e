"""bench plan: a forecast of the time and disk space of a run."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table as RichTable

from ..config import suite_file
from ..config.defaults import DEFAULTS
from ..config.suite import MAX_IMAGES
from ..core.errors import UsageError
from ..core.formatting import format_time
from .options import Number, make_list_option

if TYPE_CHECKING:
    from ..run.forecast import Needs

console = Console(highlight=False, emoji=False)
DEVICES = (1, 8, 64)


@click.command()
@click.argument("name", metavar="[SUITE]", default=DEFAULTS.suite)
@make_list_option("nets", help="Networks: resnet18, vgg16@imagenet, ...")
@make_list_option("methods", help="Methods: grad_cam, score_cam, ...")
@make_list_option("metrics", help="Metrics: insertion, deletion, ...")
@click.option("--dataset", metavar="NAME|FOLDER", help="A data set, or a folder of images.")
@click.option("--device", default="auto", show_default=True, metavar="auto|cpu|cuda", help="Where to measure.")
@click.option(
    "--images", type=click.IntRange(1, MAX_IMAGES), required=True, metavar="N", help="Number of images of the run."
)
@click.option("--rate", type=Number(0, min_open=True), metavar="R", help="Predictions per second of one device.")
def plan(*, name: str, device: str, images: int, rate: float | None, **changes: object) -> None:
    """Forecast the time and disk space of a run on 1, 8 and 64 devices.

    A few images are measured on this machine and extrapolated. With --rate, time is computed from the forward passes, for
    devices that make so many predictions per second in batches; without it, from the seconds measured here.
    """
    from ..forward.process import tune_process
    from ..run.forecast import (  # imports torch, which is slow, so only when the command runs
        compute_min_images,
        measure_needs,
    )
    from ..run.plan import make_plan

    suite = suite_file.load(name, **changes)
    if suite.parts:
        raise UsageError(f"the suite {name} has parts: write a part as a suite of its own, and forecast that")
    minimum = compute_min_images(suite.drift)
    planned = make_plan(suite.model_copy(update={"images": minimum}), device)
    if len(planned.indices) < minimum:
        raise UsageError(f"{len(planned.indices)} images are too few to measure: at least {minimum} are needed")
    tune_process(planned.device)
    console.print(
        _make_table([_make_row(net, measure_needs(planned, net), images, rate) for net in planned.suite.nets])
    )
    for note in _list_notes(images, len(planned.methods)):
        console.print(note, style="dim", markup=False)


def _list_notes(images: int, methods: int) -> Iterator[str]:
    """List what the table does not say."""
    yield f"computed for {images:,} images, not measured: time spent waiting for files or other workers is not included"
    if methods > 1:
        yield f"a race by all of these metrics (bench choose --images {images}) takes about as long at most"


def _make_row(net: str, needs: "Needs", images: int, rate: float | None) -> list[str]:
    """Return the cells of a net's row; the time is computed from the forward passes if a rate is given."""
    seconds = needs.forwards / rate if rate else needs.seconds
    times, size = format_times(seconds, images), format_gigabytes(needs.bytes, images)
    return [net, f"{needs.forwards:,.0f}", f"{seconds:.2g}", *times, size]


def format_times(seconds: float, images: int) -> list[str]:
    """Format the time of a run on each number of devices; `seconds` is the time of one image on one device."""
    return [format_time(seconds * images / devices) for devices in DEVICES]


def format_gigabytes(bytes_per_image: float, images: int) -> str:
    """Format the gigabytes that a run writes."""
    return f"{bytes_per_image * images / 1e9:.3g}"


def _make_table(rows: Sequence[Sequence[str]]) -> RichTable:
    table = RichTable(box=None, pad_edge=False)
    heads = ["net", "forwards\nan image", "s an\nimage", *(f"time\non {devices}" for devices in DEVICES), "GB"]
    for number, head in enumerate(heads):
        table.add_column(head, justify="right" if number else "left")
    for row in rows:
        table.add_row(*row)
    return table
