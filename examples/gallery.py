"""Write a page with all examples: the commands of a user, which the script runs, and their pictures.

python examples/gallery.py OUT             # OUT/index.html; trains the examples' nets first, minutes on two cores
python examples/gallery.py OUT --only digits,scenes
"""

import argparse
import html
import os
import shlex
import subprocess
import sys
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
from PIL import Image as Picture

from cambench import Image, UsageError, load_dataset, load_net

HERE = Path(__file__).resolve().parent
OPTIONS = "--precision bf16 --metrics average_drop,insertion,deletion"
STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:1100px;margin:2rem auto;padding:0 1rem;color:#1a1a1a}
pre{background:#f2f2f2;padding:.6rem .8rem;white-space:pre-wrap;font-size:13px}img{max-width:100%}h2{margin-top:2.5rem}
.note{color:#666}"""


@dataclass(frozen=True)
class Example:
    """A section of the page: a title, an explanation, and commands that write one picture each."""

    name: str
    title: str
    description: str
    commands: tuple[str, ...]  # without --out


def main(out: Path, only: list[str]) -> None:
    """Write the page into a folder, which becomes the working directory; an empty `only` selects all examples."""
    out.mkdir(parents=True, exist_ok=True)
    os.chdir(out)
    Path("weights").mkdir(exist_ok=True)
    sections = [render(make()) for name, make in EXAMPLES.items() if not only or name in only]
    page = f"<!doctype html><html lang=en><meta charset=utf-8><title>cambench: examples</title><style>{STYLE}</style>"
    page += f"<h1>Examples</h1><p>Made by <code>python examples/gallery.py</code>.</p>{''.join(sections)}</html>"
    Path("index.html").write_text(page, encoding="utf-8")
    print(f"gallery: {out / 'index.html'}")


def render(example: Example) -> str:
    """Run the commands of an example and return its section of the page."""
    figures = ""
    for number, command in enumerate(example.commands):
        file = f"{example.name}-{number}.png"
        print(f"{example.name}: {command}", flush=True)
        arguments = [*shlex.split(command)[1:], *shlex.split(OPTIONS), "--out", file]
        if subprocess.run([sys.executable, "-m", "cambench", *arguments], check=False).returncode:
            raise SystemExit(f"the command failed: {command}")
        text = html.escape(command.replace(str(HERE), "examples"))
        figures += f'<pre>{text}</pre><img src="{file}" alt="{text}">'
    return f"<h2>{html.escape(example.title)}</h2><p class=note>{html.escape(example.description)}</p>{figures}"


def save_picture(image: Image, file: str) -> str:
    """Write an image of a data set to a file, with a frame that the centre crop of photos removes again."""
    Path("images").mkdir(exist_ok=True)
    frame = len(image.pixels) // 14  # 256 - 224 over 224, on both sides
    framed = np.pad(image.pixels, ((frame, frame), (frame, frame), (0, 0)), mode="edge")
    Picture.fromarray(framed).save(f"images/{file}")
    return f"images/{file}"


def save_weights(net: torch.nn.Module, file: Path) -> None:
    """Write the weights of a net in half precision, to halve the size of the file."""
    torch.save({name: weight.half() for name, weight in net.state_dict().items()}, file)


def find_imagenet_spec(name: str) -> tuple[str, str]:
    """Return the spec of an architecture with ImageNet's weights and a note on them; random weights if the download fails."""
    try:
        load_net(f"{name}@imagenet", device="cpu", precision="fp32")
    except UsageError:
        file = Path(f"weights/{name}_random.pt")
        if not file.is_file():
            torch.manual_seed(0)
            save_weights(torchvision.models.get_model(name, num_classes=1000), file)
        return f"{name}[weights={file},preprocess=imagenet]", f"{name}'s weights cannot be downloaded and are RANDOM"
    return f"{name}@imagenet", f"{name} has ImageNet's weights"


def make_classes() -> Example:
    """Make the example on several classes of one photo; write the photo."""
    net, note = find_imagenet_spec("vgg16")
    photo = save_picture(load_dataset("photos")[0], "cat.png")
    return Example(
        "classes",
        "Several classes of one photo",
        "VGG16 at the ReLU of its last convolution. You choose a class by its index or name, independently of the prediction. "
        f"Here {note}.",
        (f'bench explain {photo} --net "{net}" --layer "features[29]" --target 159,511,978 --method grad_cam',),
    )


def make_concrete() -> Example:
    """Make the example on concrete; write a wall, and train the nets if their weights are missing."""
    if not Path("weights/concrete_vgg.pt").is_file():
        concrete.main(Path("weights"))
    wall = save_picture(load_dataset("cracks")[3], "wall.png")
    net = "concrete.py:{}[weights=weights/{}.pt,classes=weights/concrete.txt,preprocess=imagenet]"
    return Example(
        "concrete",
        "Concrete: a transfer-learned VGG16 and a small hand-written net, on the same wall",
        "ConcreteVGG holds torchvision's VGG16 as self.vgg16, its convolutions frozen, and ends in LogSoftmax; SmallCNN has "
        "GELU, 5 x 5 pooling and one linear layer on 4096 features. Both are loaded from state dicts. The walls are synthetic.",
        tuple(
            f'bench explain {wall} --net "{HERE}/{net.format(*names)}" --layer {layer} --target cracked '
            "--method grad_cam,score_cam"
            for names, layer in (
                (("ConcreteVGG", "concrete_vgg"), '"vgg16.features[29]"'),
                (("SmallCNN", "small_cnn"), "conv.7"),
            )
        ),
    )


def make_flowers() -> Example:
    """Make the example on heads of five classes; write a photo, and random weights if there are none."""
    torch.manual_seed(0)
    Path("weights/flowers.txt").write_text("daisy\ndandelion\nrose\nsunflower\ntulip\n", encoding="utf-8")
    for name in ("resnet18", "vgg16"):
        if not Path(f"weights/{name}_flowers.pt").is_file():
            save_weights(getattr(flowers, name)(), Path(f"weights/{name}_flowers.pt"))
    photo = save_picture(load_dataset("photos")[1], "coffee.png")
    net = "flowers.py:{}[weights=weights/{}_flowers.pt,classes=weights/flowers.txt,preprocess=imagenet]"
    return Example(
        "flowers",
        "A head of five classes on ResNet18 and VGG16",
        "How to load your own trained weights. Here they are RANDOM, because no photos of flowers ship with cambench: the "
        "pictures show only that the commands work.",
        tuple(
            f'bench explain {photo} --net "{HERE}/{net.format(name, name)}" --layer {layer} --target rose --method grad_cam'
            for name, layer in (("resnet18", "layer4"), ("vgg16", '"features[29]"'))
        ),
    )


LAYERS = {  # where each architecture is explained
    "squeezenet1_1": "classifier.1", "googlenet": "inception5b", "resnet18": "layer4", "mobilenet_v2": "features.18.0",
    "vgg16": "features.29", "alexnet": "features.11",
}  # fmt: skip


def make_score_cam() -> Example:
    """Make the example on variants of Score-CAM; write the photo."""
    nets = {name: find_imagenet_spec(name) for name in LAYERS}
    photo = save_picture(load_dataset("photos")[0], "cat.png")
    methods = "score_cam,score_cam[weights=logit],score_cam[baseline=image],score_cam[baseline=image,channels=softmax]"
    return Example(
        "score_cam",
        "Score-CAM on six architectures, with four ways to weight its channels",
        "By the softmax score; by the logit; by the increase over the unmasked image's score (if no mask scores higher, the "
        "map is empty); and by the softmax of that increase over the channels. "
        f"{'; '.join(note for _, note in nets.values())}.",
        tuple(
            f'bench explain {photo} --net "{net}" --size 112 --layer {LAYERS[name]} --method "{methods}"'
            for name, (net, _) in nets.items()
        ),
    )


def make_digits() -> Example:
    """Make the example on digits; write an image, and train the net if its weights are missing."""
    if not Path("weights/digits.pt").is_file():
        digits.main(Path("weights"))
    image = drawn_digits.load(count=3)[7]
    labels = ",".join(str(digit.label) for digit in image.objects)
    file = save_picture(image, "digits.png")
    return Example(
        "digits",
        "A fully convolutional net for digits: plain CAM, for each digit of an image",
        "The net has one channel for each class, averaged over the image. It is trained on single digits in typefaces, not "
        "handwriting. Of three digits it predicts one, but its map of each class shows where that digit is.",
        (
            f'bench explain {file} --size 56 --net "{HERE}/digits.py:DigitNet[weights=weights/digits.pt,mean=0.5,std=0.5]" '
            f"--method cam,grad_cam --target {labels}",
        ),
    )


def make_scenes() -> Example:
    """Make the example on two objects; write the scene."""
    photo = save_picture(load_dataset("scenes[size=224,objects=double]")[4], "scene.png")
    return Example(
        "scenes",
        "Two objects in one image, with a net that ships with cambench",
        "The two likeliest classes, each explained.",
        (f"bench explain {photo} --net resnet18 --target top1,top2 --method grad_cam,score_cam,random",),
    )


EXAMPLES: dict[str, Callable[[], Example]] = {
    "scenes": make_scenes, "classes": make_classes, "concrete": make_concrete, "flowers": make_flowers,
    "score_cam": make_score_cam, "digits": make_digits,
}  # fmt: skip

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, nargs="?", default=Path("gallery"))
    parser.add_argument("--only", default="", help=", ".join(EXAMPLES))
    arguments = parser.parse_args()
    main(arguments.out, [name for name in arguments.only.split(",") if name])
