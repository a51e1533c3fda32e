"""bench explain: a picture of why a network sees a class in a photo."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from ..config.defaults import DEFAULTS
from ..config.suite import PRECISIONS
from ..core.errors import DONE, FAILED, ImageError, UsageError, read_message
from ..core.files import decode_name
from ..data.photos import SIZE, find_photo, read_photo
from ..show import overlay
from .options import Number, add_net_options, add_net_settings, parse_specs

if TYPE_CHECKING:
    from ..api.explanation import Explanation

console = Console(highlight=False, emoji=False)
stderr = Console(stderr=True, highlight=False, emoji=False)
FOLDER = Path("explain")


@dataclass(frozen=True, kw_only=True)
class Output:
    """What is written and printed for each photo."""

    colours: str
    opacity: float
    out: Path | None
    maps: bool
    as_json: bool

    def check(self, images: Sequence[Path]) -> None:
        """Raise UsageError for an output that cannot be written, before anything is computed."""
        from ..show.panel import check_picture_name

        overlay.check_colours(self.colours)
        if self.out is not None and len(images) > 1 and _is_file(self.out):
            raise UsageError(f"--out {self.out} is a file, and there are {len(images)} images: name a folder")
        if self.out is not None and len(images) == 1 and not self.out.is_dir():
            check_picture_name(self.out)
            if self.out.resolve() == images[0].resolve():
                raise UsageError(f"--out {self.out} is the photo itself, which would be overwritten: name another file")

    def write(self, image: Path, explanations: Sequence["Explanation"], *, several: bool) -> dict[str, Any]:
        """Write the picture and the maps, print the scores, and return the record for --json."""
        from ..api import explain_output
        from ..api.explanation import panel

        file = choose_picture_file(image, self.out, several=several)
        panel(explanations, colours=self.colours, opacity=self.opacity).save(file)
        files = [file, *([explain_output.write_maps(file, explanations)] if self.maps else [])]
        if not self.as_json:
            explain_output.show(image, explanations, files, console)
        return explain_output.make_record(image, explanations, files)


def _is_file(path: Path) -> bool:
    """Tell whether a path is that of a file, or would become a picture."""
    from ..show.panel import is_picture_name

    return not path.is_dir() and (path.exists() or is_picture_name(path))


@click.command()
@click.argument("images", metavar="IMAGE...", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--net", default=DEFAULTS.net, show_default=True, metavar="NET", help="The network.")
@add_net_options
@click.option(
    "--method",
    "--methods",
    callback=parse_specs,
    default=DEFAULTS.method,
    show_default=True,
    metavar="A,B",
    help="Methods: grad_cam, score_cam[fill=black], ./my_cam.py, ...",
)
@click.option(
    "--target",
    "--targets",
    callback=parse_specs,
    default="top1",
    show_default=True,
    metavar="A,B",
    help="Classes to explain: an index, a name, or top1 to top5.",
)
@click.option("--layer", metavar="LAYER", help="The layer to explain, such as features[29] [the network's own].")
@click.option(
    "--metrics",
    callback=parse_specs,
    metavar="A,B",
    help=f"Metrics [{', '.join(DEFAULTS.metrics)}: those that the protocol defines, or else all of its metrics].",
)
@click.option(
    "--protocol",
    default="default",
    show_default=True,
    metavar="NAME",
    help="How maps are resized and scored: a protocol of `bench list protocols`.",
)
@click.option(
    "--size",
    type=click.IntRange(8, 4096),
    metavar="N",
    help="Resize the photo to N x N pixels [the network's size, or 224].",
)
@click.option(
    "--colours",
    default=overlay.COLOURS,
    show_default=True,
    metavar="NAME",
    help="A colour map of matplotlib for the maps.",
)
@click.option(
    "--opacity",
    type=Number(0, 1),
    default=overlay.OPACITY,
    show_default=True,
    metavar="0..1",
    help="Opacity of the colours where the map is highest; they fade with the map.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The picture (.png, .jpg, .svg, .pdf), or the folder for several images [explain/NAME.png].",
)
@click.option("--maps", is_flag=True, help="Also write the maps as arrays: one .npz file per picture.")
@click.option("--json", "as_json", is_flag=True, help="Print classes, scores and files as JSON.")
@click.option("--device", default="auto", show_default=True, metavar="auto|cpu|cuda", help="Where to compute.")
@click.option(
    "--precision",
    type=click.Choice(PRECISIONS),
    default="auto",
    show_default=True,
    help="Precision of the forward passes of perturbed images.",
)
def explain(
    *, images: tuple[Path, ...], net: str, method: list[str], target: list[str], layer: str | None,
    metrics: list[str] | None, protocol: str, size: int | None, device: str, precision: str, colours: str, opacity: float,
    out: Path | None, maps: bool, as_json: bool, **net_settings: str | None,
) -> None:  # fmt: skip
    """Explain photos: draw the map of each method for the classes a network predicts.

    The scores below the maps are those of bench run. Without --out, an existing picture is kept and the new one is numbered:
    explain/NAME-2.png.

    Exit codes: 0 finished; 2 nothing can be explained, and one sentence says why; 3 finished, but some of the images failed.
    """
    from ..api import explain as explaining  # imports torch, which is slow, so only when the command runs

    output = Output(colours=colours, opacity=opacity, out=out, maps=maps, as_json=as_json)
    output.check(images)
    for image in images:
        find_photo(image)
    setup = explaining.make_setup(method, metrics, protocol)
    (spec,) = add_net_settings(net_settings, [net]) or [net]
    loaded = explaining.load_net(spec, layer, setup.protocol, device, precision)

    def explain_photo(image: Path) -> dict[str, Any]:
        with stderr.status(f"explaining {image}"):
            photo = read_photo(image, size=size or loaded.size or SIZE, resize=setup.protocol.resize)
            explanations = explaining.explain(photo, loaded, target, setup)
        return output.write(image, explanations, several=len(images) > 1)

    records = list(_try_each(explain_photo, images))
    if as_json:
        click.echo(json.dumps(records, indent=1, ensure_ascii=False))
    sys.exit(DONE if len(records) == len(images) else FAILED)


def _try_each(explain_photo: Callable[[Path], dict[str, Any]], images: Sequence[Path]) -> Iterator[dict[str, Any]]:
    """Yield the record of each photo that can be explained, and name the others; raise ImageError for a single photo."""
    for image in images:
        try:
            yield explain_photo(image)
        except ImageError as error:
            if len(images) == 1:
                raise
            click.echo(f"bench: {decode_name(image)} failed: {read_message(error)}", err=True)


def choose_picture_file(image: Path, out: Path | None, *, several: bool) -> Path:
    """Choose the file to write a picture to. A file that the user names is overwritten; a default file never is."""
    if out is not None and not (several or out.is_dir()):
        return out
    folder = out or FOLDER
    file = folder / f"{image.stem}.png"
    number = 2
    while file.exists():
        file, number = folder / f"{image.stem}-{number}.png", number + 1
    return file
