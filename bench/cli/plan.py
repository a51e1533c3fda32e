"""The command line's forecast of a run: bench plan."""

from collections.abc import Sequence

import click
from rich.console import Console
from rich.table import Table

from ..config import suite_file
from ..core.errors import UsageError
from .options import list_option

console = Console(highlight=False)
DEVICES = (1, 8, 64)
HOUR = 3600


@click.command()
@click.argument("name", metavar="[SUITE]", default="scenes")
@list_option("nets", help="Networks: resnet18, vgg16@imagenet, ...")
@list_option("methods", help="Methods: grad_cam, score_cam, ...")
@list_option("metrics", help="Metrics: insertion, deletion, ...")
@click.option("--dataset", metavar="NAME|FOLDER", help="A data set, or a folder of images.")
@click.option("--device", default="auto", show_default=True, metavar="auto|cpu|cuda", help="Where to measure.")
@click.option(
    "--images", type=click.IntRange(1), required=True, metavar="N", help="How many images the run is to have."
)
@click.option("--rate", type=click.FloatRange(0, min_open=True), metavar="R", help="Predictions a second of a device.")
def plan(name: str, device: str, images: int, rate: float | None, **changes: object) -> None:
    """Forecast what a run would take, on 1, 8 and 64 devices: a few images are measured here, and multiplied.

    With --rate it is the time of devices that make so many predictions a second, in batches; without, that of this one.
    """
    from ..run.forecast import least, needs  # torch loads only where nets run
    from ..run.plan import plan as ready

    asked = suite_file.load(name, **changes)
    if asked.parts:
        raise UsageError(f"the suite {name} has parts: forecast one of them, as a suite of its own")
    planned = ready(asked.model_copy(update={"images": least(asked.drift)}), device)
    if len(planned.chosen) < least(asked.drift):
        raise UsageError(f"{len(planned.chosen)} images are too few to measure: it takes {least(asked.drift)}")
    rows = []
    for net in planned.suite.nets:
        told = needs(planned, net)
        seconds = told.forwards / rate if rate else told.seconds
        rows.append((net, f"{told.forwards:,.0f}", f"{seconds:.2g}", *hours(seconds, images), size(told.bytes, images)))
    console.print(_table(rows))
    console.print(
        f"computed for {images:,} images, not measured: what workers wait for files and for each other is not in it",
        style="dim",
    )


def hours(seconds: float, images: int) -> list[str]:
    """The hours of a run on each number of devices, by the seconds of an image."""
    return [f"{seconds * images / devices / HOUR:,.3g}" for devices in DEVICES]


def size(each: float, images: int) -> str:
    """Gigabytes, by the bytes of an image."""
    return f"{each * images / 1e9:.3g}"


def _table(rows: Sequence[Sequence[str]]) -> Table:
    table = Table(box=None, pad_edge=False)
    heads = ["net", "forwards\nan image", "s an\nimage", *(f"hours\non {devices}" for devices in DEVICES), "GB"]
    for number, head in enumerate(heads):
        table.add_column(head, justify="right" if number else "left")
    for row in rows:
        table.add_row(*row)
    return table
