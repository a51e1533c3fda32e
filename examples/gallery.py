"""Every example on one page: the commands as you would write them, each run as it is written, and the pictures they give.

python examples/gallery.py OUT             # OUT/index.html; trains what has to be trained, minutes on two cores
python examples/gallery.py OUT --only digits,small
"""

import argparse
import html
import os
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import concrete
import digits
import drawn_digits
import flowers
import numpy as np
import torch
import torchvision
from PIL import Image

from cambench.bench.cli import main as cli
from cambench.bench.core.errors import UsageError
from cambench.bench.data.types import Images
from cambench.bench.nets import load
from cambench.datasets import cracks, photos, scenes

HERE = Path(__file__).resolve().parent

PICTURED = "--precision bf16 --metrics average_drop,insertion,deletion"
STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:1100px;margin:2rem auto;padding:0 1rem;color:#1a1a1a}
pre{background:#f2f2f2;padding:.6rem .8rem;white-space:pre-wrap;font-size:13px}img{max-width:100%}h2{margin-top:2.5rem}
.note{color:#666}"""


@dataclass(frozen=True)
class Example:
    """A case: what it shows, in words, and the commands that show it, each of which writes its picture."""

    name: str
    title: str
    words: str
    commands: tuple[str, ...]  # without --out


def main(out: Path, only: list[str]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    os.chdir(out)
    Path("weights").mkdir(exist_ok=True)
    parts = [section(make()) for name, make in EXAMPLES.items() if not only or name in only]
    page = f"<!doctype html><html lang=en><meta charset=utf-8><title>cambench: examples</title><style>{STYLE}</style>"
    page += f"<h1>Examples</h1><p>Made by <code>python examples/gallery.py</code>.</p>{''.join(parts)}</html>"
    Path("index.html").write_text(page, encoding="utf-8")
    print(f"gallery: {out / 'index.html'}")


def section(example: Example) -> str:
    """Runs an example's commands; its part of the page."""
    shown = ""
    for number, command in enumerate(example.commands):
        file = f"{example.name}-{number}.png"
        print(f"{example.name}: {command}", flush=True)
        if cli.main(shlex.split(command)[1:] + shlex.split(PICTURED) + ["--out", file], standalone_mode=False):
            raise SystemExit(f"the command failed: {command}")
        said = html.escape(command.replace(str(HERE), "examples"))
        shown += f'<pre>{said}</pre><img src="{file}" alt="{said}">'
    return f"<h2>{html.escape(example.title)}</h2><p class=note>{html.escape(example.words)}</p>{shown}"


def picture(images: Images, index: int, file: str) -> str:
    """An image of a data set as a file, with the frame around it that photos are cut of."""
    Path("images").mkdir(exist_ok=True)
    pixels = images[index].pixels
    frame = len(pixels) // 14  # 256 - 224 over 224, on both sides
    framed = np.pad(pixels, ((frame, frame), (frame, frame), (0, 0)), mode="edge")
    Image.fromarray(framed).save(f"images/{file}")
    return f"images/{file}"


def imagenet(name: str) -> tuple[str, str]:
    """The spec of an architecture with weights of ImageNet, and what to say of them; random ones where they cannot be had."""
    try:
        load.load(f"{name}@imagenet", torch.device("cpu"), "fp32")
    except UsageError:
        file = Path(f"weights/{name}_random.pt")
        if not file.is_file():
            torch.manual_seed(0)
            made = torchvision.models.get_model(name, num_classes=1000)
            torch.save({key: weight.half() for key, weight in made.state_dict().items()}, file)
        return f"{name}[weights={file},preprocess=imagenet]", f"{name}'s weights could not be fetched and are RANDOM"
    return f"{name}@imagenet", f"{name} has ImageNet's weights"


def classes_of_a_photo() -> Example:
    net, said = imagenet("vgg16")
    photo = picture(photos.load(), 0, "cat.png")
    return Example(
        "classes",
        "Several classes asked of one photo",
        "VGG16 at the ReLU of its last convolution. A class is asked for by its index or name, whatever the net predicts. "
        f"Here {said}.",
        (f'bench explain {photo} --net "{net}" --layer "features[29]" --target 159,511,978 --method grad_cam',),
    )


def transfer() -> Example:
    if not Path("weights/concrete_vgg.pt").is_file():
        concrete.main(Path("weights"))
    wall = picture(cracks.load(), 3, "wall.png")
    net = "concrete.py:{}[weights=weights/{}.pt,classes=weights/concrete.txt,preprocess=imagenet]"
    return Example(
        "concrete",
        "Concrete: a transfer-learned VGG16 and a small net of one's own, on the same wall",
        "ConcreteVGG holds torchvision's VGG16 as self.vgg16, its convolutions frozen, and ends in LogSoftmax; SmallCNN has "
        "GELU, 5 x 5 pooling and one linear layer on 4096 features. Both are loaded from state dicts. The walls are drawn.",
        tuple(
            f'bench explain {wall} --net "{HERE}/{net.format(*names)}" --layer {layer} --target cracked '
            "--method grad_cam,score_cam"
            for names, layer in (
                (("ConcreteVGG", "concrete_vgg"), '"vgg16.features[29]"'),
                (("SmallCNN", "small_cnn"), "conv.7"),
            )
        ),
    )


def five_classes() -> Example:
    torch.manual_seed(0)
    Path("weights/flowers.txt").write_text("daisy\ndandelion\nrose\nsunflower\ntulip\n")
    for name in ("resnet18", "vgg16"):
        if not Path(f"weights/{name}_flowers.pt").is_file():
            made = getattr(flowers, name)()
            torch.save({key: weight.half() for key, weight in made.state_dict().items()}, f"weights/{name}_flowers.pt")
    photo = picture(photos.load(), 1, "coffee.png")
    net = "flowers.py:{}[weights=weights/{}_flowers.pt,classes=weights/flowers.txt,preprocess=imagenet]"
    return Example(
        "flowers",
        "A head of five classes on ResNet18 and VGG16",
        "How your own trained weights are given. Here they are RANDOM, for no photos of flowers ship with this suite: the "
        "pictures show that the commands work, and nothing of flowers.",
        tuple(
            f'bench explain {photo} --net "{HERE}/{net.format(name, name)}" --layer {layer} --target rose --method grad_cam'
            for name, layer in (("resnet18", "layer4"), ("vgg16", '"features[29]"'))
        ),
    )


SIX = {
    "squeezenet1_1": "classifier.1", "googlenet": "inception5b", "resnet18": "layer4", "mobilenet_v2": "features.18.0",
    "vgg16": "features.29", "alexnet": "features.11",
}  # fmt: skip


def score_cams() -> Example:
    found = {name: imagenet(name) for name in SIX}
    photo = picture(photos.load(), 0, "cat.png")
    methods = "score_cam,score_cam[weights=logit],score_cam[baseline=image],score_cam[baseline=image,channels=softmax]"
    return Example(
        "score_cam",
        "Score-CAM on six architectures, and four ways to weigh its channels",
        "By the softmax score; by the logit (before the softmax); by how much more than the image itself scores (where no mask "
        "scores more, that map is empty); and by the softmax of that over the channels. "
        f"{'; '.join(said for _, said in found.values())}.",
        tuple(
            f'bench explain {photo} --net "{net}" --size 112 --layer {SIX[name]} --method "{methods}"'
            for name, (net, _) in found.items()
        ),
    )


def several_digits() -> Example:
    if not Path("weights/digits.pt").is_file():
        digits.main(Path("weights"))
    shown, index = drawn_digits.load(count=3), 7
    found = ",".join(str(thing.label) for thing in shown[index].objects)
    file = picture(shown, index, "digits.png")
    return Example(
        "digits",
        "A fully convolutional net for digits: plain CAM, for each digit of an image",
        "One channel a class, averaged over the image. It was trained on single digits, drawn in typefaces: no handwriting. "
        "Of three digits it predicts one, and its map of each class is where that digit is.",
        (
            f'bench explain {file} --size 56 --net "{HERE}/digits.py:DigitNet[weights=weights/digits.pt,mean=0.5,std=0.5]" '
            f"--method cam,grad_cam --target {found}",
        ),
    )


def shapes() -> Example:
    photo = picture(scenes.load(size=224, objects="double"), 4, "scene.png")
    return Example(
        "scenes",
        "Two objects in one image, with a net that ships with the suite",
        "The two likeliest classes, each asked for.",
        (f"bench explain {photo} --net resnet18 --target top1,top2 --method grad_cam,score_cam,random",),
    )


EXAMPLES: dict[str, Callable[[], Example]] = {
    "scenes": shapes, "classes": classes_of_a_photo, "concrete": transfer, "flowers": five_classes,
    "score_cam": score_cams, "digits": several_digits,
}  # fmt: skip

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, nargs="?", default=Path("gallery"))
    parser.add_argument("--only", default="", help=", ".join(EXAMPLES))
    asked = parser.parse_args()
    main(asked.out, [name for name in asked.only.split(",") if name])
