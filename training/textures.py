"""Cut the background textures out of scikit-image's photographs: `python -m cambench.training.textures`."""

from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data

FOLDER = Path(__file__).parents[1] / "datasets" / "textures"
SIDE = 256  # pixels

# name: photograph, left, top and side of the square, in pixels of the photograph
CROPS = {
    "brick": ("brick", 0, 0, 512),
    "grass": ("grass", 0, 0, 512),
    "gravel": ("gravel", 0, 0, 400),
    "wood": ("coffee", 476, 276, 124),
    "fur": ("chelsea", 165, 0, 84),
    "stars": ("hubble_deep_field", 100, 100, 512),
}


def crop(photograph: str, left: int, top: int, side: int) -> Image.Image:
    """Cut a square out of a photograph, in grey, with its tones stretched to the full range."""
    pixels = np.asarray(getattr(data, photograph)())
    grey = Image.fromarray(pixels).convert("L").crop((left, top, left + side, top + side))
    tones = np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.LANCZOS), dtype=np.float64)
    low, high = np.percentile(tones, (1, 99))
    return Image.fromarray((np.clip((tones - low) / (high - low), 0, 1) * 255).round().astype(np.uint8))


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, square in CROPS.items():
        crop(*square).save(FOLDER / f"{name}.png", optimize=True)
