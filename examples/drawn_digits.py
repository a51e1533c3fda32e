"""Drawn digits: white on dark grey, in typefaces instead of handwriting, one or several in each image, with masks.

An example of a data set plug-in: `--dataset examples/drawn_digits.py`, `--dataset "examples/drawn_digits.py[count=3]"`.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image as Picture
from PIL import ImageDraw, ImageFont

from cambench import Image, Object

VERSION = 1
SIDE = 28  # pixels: the side of the square around a digit, as in MNIST
FONTS = (
    "DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSansMono", "DejaVuSerif", "DejaVuSerif-Bold",
    "DejaVuSerif-Italic", "STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic", "cmr10", "cmss10", "cmtt10",
)  # fmt: skip


@dataclass(frozen=True)
class Digits:
    """Square images of `size` pixels with `count` different digits; the first is the label."""

    count: int
    size: int
    seed: int
    classes: tuple[str, ...] = tuple("0123456789")

    def __len__(self) -> int:
        return 10_000

    def name(self, index: int) -> str:
        return f"digits-{index:05d}"

    def __getitem__(self, index: int) -> Image:
        rng = np.random.default_rng([self.seed, self.count, index])
        labels = [index % 10, *rng.permutation([digit for digit in range(10) if digit != index % 10])][: self.count]
        cells = rng.permutation((self.size // SIDE) ** 2)[: self.count]
        canvas = rng.normal(30, 12, (self.size, self.size))
        objects = []
        for label, cell in zip(map(int, labels), cells, strict=True):
            ink = np.zeros((self.size, self.size))
            top, left = (SIDE * int(cell_index) for cell_index in divmod(int(cell), self.size // SIDE))
            ink[top : top + SIDE, left : left + SIDE] = _draw_digit(rng, label)
            canvas += (rng.uniform(170, 250) - canvas) * ink
            objects.append(Object(label, ink > 0.5))
        pixels = canvas.clip(0, 255).astype(np.uint8)[..., None].repeat(3, 2)
        return Image(self.name(index), pixels, int(labels[0]), tuple(objects))


def _draw_digit(rng: np.random.Generator, label: int) -> np.ndarray:
    """Draw a digit's ink (28, 28) in [0, 1], in a random typeface, size, rotation and position."""
    picture = Picture.new("L", (SIDE, SIDE))
    font = _load_font(FONTS[rng.integers(len(FONTS))], int(rng.integers(18, 27)))
    centre = tuple(SIDE / 2 + rng.uniform(-2, 2, 2))
    ImageDraw.Draw(picture).text(centre, str(label), fill=255, font=font, anchor="mm")
    rotated = picture.rotate(rng.uniform(-15, 15), Picture.Resampling.BILINEAR)
    return np.asarray(rotated) / 255


@cache
def _load_font(name: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{name}.ttf", size)


def load(*, count: int = 1, size: int = 56, seed: int = 0) -> Digits:
    """Return images of `count` different digits (at most 4 on 56 x 56 pixels); each seed gives other images."""
    return Digits(min(count, (size // SIDE) ** 2), size, seed)
