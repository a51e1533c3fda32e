"""The command line's picture of one decision: bench explain."""

import json
from pathlib import Path

import click
from rich.console import Console

from ..config.suite import PRECISIONS
from ..core.errors import UsageError
from ..data.photos import SIZE, file_of, photo
from ..show import overlay
from .options import net_options, some, with_settings

console = Console(highlight=False)
stderr = Console(stderr=True, highlight=False)
FOLDER = Path("explain")


@click.command()
@click.argument("images", metavar="IMAGE...", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--net", default="squeezenet1_1@imagenet", show_default=True, metavar="NET", help="The network.")
@net_options
@click.option(
    "--method",
    "--methods",
    callback=some,
    default="grad_cam",
    show_default=True,
    metavar="A,B",
    help="Methods: grad_cam, score_cam[fill=black], ./my_cam.py, ...",
)
@click.option(
    "--target",
    "--targets",
    callback=some,
    default="top1",
    show_default=True,
    metavar="A,B",
    help="Classes to explain: an index, a name, or top1 to top5.",
)
@click.option("--layer", metavar="LAYER", help="Where the network is cut, such as features[29] [the network's own].")
@click.option("--metrics", callback=some, metavar="A,B", help="Metrics [average_drop,insertion,deletion].")
@click.option(
    "--protocol", default="default", show_default=True, metavar="NAME", help="How maps are fitted and scored."
)
@click.option(
    "--size",
    type=click.IntRange(8, 4096),
    metavar="N",
    help="To which the photo is brought, in pixels [the network's, or 224].",
)
@click.option(
    "--colours",
    default=overlay.COLOURS,
    show_default=True,
    metavar="NAME",
    help="Of the map: a colour map of matplotlib.",
)
@click.option(
    "--opacity",
    type=click.FloatRange(0, 1),
    default=overlay.OPACITY,
    show_default=True,
    metavar="0..1",
    help="Of the map on the photo.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The picture (.png, .jpg, .svg, .pdf); of several images, their folder [explain/NAME.png].",
)
@click.option("--maps", is_flag=True, help="Write the maps as they are, too: a .npz beside each picture.")
@click.option("--json", "as_json", is_flag=True, help="Print classes, scores and files as JSON.")
@click.option("--device", default="auto", show_default=True, metavar="auto|cpu|cuda", help="Where to compute.")
@click.option(
    "--precision",
    type=click.Choice(PRECISIONS),
    default="auto",
    show_default=True,
    help="Of perturbed images' forward passes.",
)
def explain(
    images: tuple[Path, ...], net: str, method: list[str], target: list[str], layer: str | None,
    metrics: list[str] | None, protocol: str, size: int | None, colours: str, opacity: float, out: Path | None, maps: bool,
    as_json: bool, device: str, precision: str, **of_net: str | None,
) -> None:  # fmt: skip
    """Explain photos: the classes that a network sees, and a picture of where each method says that it looks.

    The scores below the maps are those of bench run. Without --out a picture that is there already is kept, and the new one is
    numbered: explain/NAME-2.png.
    """
    from ..api import explain as measuring  # torch loads only where nets run, matplotlib where something is drawn
    from ..api.explain_output import archive, show, told
    from ..api.explanation import panel
    from ..show.panel import check_name

    overlay.check(colours)
    if out is not None and len(images) == 1 and not out.is_dir():
        check_name(out)
        if out.resolve() == images[0].resolve():
            raise UsageError(f"--out {out} is the photo itself, which would be lost: name another file")
    for image in images:
        file_of(image)
    asked = measuring.ask(method, metrics, protocol)
    (spec,) = with_settings(of_net, [net]) or [net]
    loaded = measuring.load(spec, layer, asked.protocol, device, precision)
    photos = [photo(image, size=size or loaded.size or SIZE, resize=asked.protocol.resize) for image in images]
    rows = []
    for image, read in zip(images, photos, strict=True):
        with stderr.status(f"explaining {image}"):
            found = measuring.explain(read, loaded, target, asked)
        file = _file(image, out, several=len(images) > 1)
        panel(found, colours=colours, opacity=opacity).save(file)
        files = [file, *([archive(file, found)] if maps else [])]
        rows.append(told(image, found, files))
        if not as_json:
            show(image, found, files, console)
    if as_json:
        click.echo(json.dumps(rows, indent=1, ensure_ascii=False))


def _file(image: Path, out: Path | None, *, several: bool) -> Path:
    """Where the picture goes: what the user named is written; what they did not name replaces nothing."""
    if out is not None and not (several or out.is_dir()):
        return out
    folder = out or FOLDER
    file = folder / f"{image.stem}.png"
    number = 2
    while file.exists():
        file, number = folder / f"{image.stem}-{number}.png", number + 1
    return file
