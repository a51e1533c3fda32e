"""The command line's remedy for nets that plain CAM does not apply to: bench fit."""

from pathlib import Path

import click
from rich.console import Console

from ..config import suite_file
from ..core.errors import UsageError
from ..core.files import check_target

console = Console(highlight=False)
stderr = Console(stderr=True, highlight=False)


@click.command()
@click.argument("name", type=click.Choice(["vgg16_gap"]))
@click.option(
    "--net", default="vgg16", show_default=True, metavar="NET", help="vgg16, vgg16@imagenet, vgg16[weights=FILE]."
)
@click.option(
    "--dataset", default="scenes[split=train,objects=single]", show_default=True, metavar="NAME|FOLDER",
    help="Labelled images.",
)  # fmt: skip
@click.option("--images", type=click.IntRange(1), default=500, show_default=True, metavar="N", help="How many of them.")
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, metavar="N",
    help="Of the data set and of what is held out.",
)  # fmt: skip
@click.option("--device", default="auto", show_default=True, metavar="auto|cpu|cuda", help="Where to compute.")
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="FILE", help="A .safetensors file.")
def fit(name: str, net: str, dataset: str, images: int, seed: int, device: str, out: Path) -> None:
    """Fit a net that plain CAM applies to: VGG16 with global average pooling and one linear layer.

    Its convolutions stay as they are; the layer is fitted to labelled images of yours, and a fifth of them is held out to
    tell its accuracy beside VGG16's own. The net is then vgg16_gap[weights=FILE].
    """
    from ..data.checked import opened
    from ..forward.device import device_of
    from ..nets import fit_vgg16_gap, vgg16_gap  # torch loads only where nets run

    if out.suffix != ".safetensors":
        raise UsageError(f"{out} is to be a .safetensors file: --out {out.with_suffix('.safetensors')}")
    check_target(out)
    asked = suite_file.load("scenes", dataset=dataset, images=images, seed=seed)
    with stderr.status(f"{images} images on {net}"):
        head = fit_vgg16_gap.fit(net, dataset, opened(asked.images_of(None)), images, seed, device_of(device))
    vgg16_gap.write(head, out)
    console.print(f"{name}: {head.about.note()}", markup=False)
    console.print(f'bench run --net "{name}[weights={out}]" ...', soft_wrap=True, markup=False)
