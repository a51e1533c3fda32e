"""bench fit: make a net that plain CAM applies to."""

from pathlib import Path

import click
from rich.console import Console

from ..config import suite_file
from ..config.defaults import DEFAULTS
from ..core.errors import UsageError
from ..core.files import check_writable

console = Console(highlight=False, emoji=False)
stderr = Console(stderr=True, highlight=False, emoji=False)


@click.command()
@click.argument("name", type=click.Choice(["vgg16_gap"]))
@click.option(
    "--net", default="vgg16", show_default=True, metavar="NET", help="vgg16, vgg16@imagenet, vgg16[weights=FILE]."
)
@click.option(
    "--dataset", default=DEFAULTS.fit_dataset, show_default=True, metavar="NAME|FOLDER",
    help="Labelled images.",
)  # fmt: skip
@click.option("--images", type=click.IntRange(1), default=500, show_default=True, metavar="N", help="Number of images.")
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, metavar="N",
    help="Random seed of the data set and of the held-out images.",
)  # fmt: skip
@click.option("--device", default="auto", show_default=True, metavar="auto|cpu|cuda", help="Where to compute.")
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="FILE", help="A .safetensors file.")
def fit(*, name: str, net: str, dataset: str, images: int, seed: int, device: str, out: Path) -> None:
    """Fit a network that plain CAM applies to: VGG16 with global average pooling.

    The convolutions of VGG16 are kept. One linear layer is fitted to your labelled images; a fifth of them is held out to
    compare its accuracy with that of VGG16. The fitted network is vgg16_gap[weights=FILE].
    """
    from ..data.checked import open_dataset
    from ..forward.device import find_device, use_exact_arithmetic
    from ..nets import fit_vgg16_gap, vgg16_gap  # imports torch, which is slow, so only when the command runs

    if out.suffix != ".safetensors":
        name = out.stem or "head"
        raise UsageError(f"{out} is not a .safetensors file: write --out {out.parent / name}.safetensors")
    check_writable(out)
    suite = suite_file.load(DEFAULTS.suite, dataset=dataset, images=images, seed=seed)
    with stderr.status(f"{images} images on {net}"), use_exact_arithmetic():
        head = fit_vgg16_gap.fit(
            net, open_dataset(suite.find_dataset_plugin(None)), images, find_device(device), dataset=dataset, seed=seed
        )
    vgg16_gap.write_head(head, out)
    console.print(f"{name}: {head.metadata.describe()}", markup=False)
    console.print(f'bench run --net "{name}[weights={out}]" ...', soft_wrap=True, markup=False)
