"""The images that a run stores, and the overlays of the methods' maps on them."""

import io
from collections.abc import Collection
from typing import Any

import numpy as np
from PIL import Image as Picture

from ..core.errors import UsageError
from ..data.types import Pixels
from ..store.run import Run
from .overlay import overlay_map
from .postprocess import Postprocessing, read_map

WIDEST = 192  # pixels; larger images are reduced to this width and height, unless another is asked for


class RunPictures:
    """The images and overlays of a run, for all its images or those named.

    Maps are fitted and stretched as for scoring by `metric`, or by the run's first metric. Pictures have at most `widest`
    pixels a side.
    """

    def __init__(
        self, run: Run, names: Collection[str] | None = None, metric: str | None = None, *, widest: int = WIDEST
    ) -> None:
        images, maps, predictions = (run.table(table, names) for table in ("images", "maps", "predictions"))
        self._run, self._widest = run, widest
        self._jpegs: dict[str, bytes] = dict(zip(images["image"], images["jpeg"], strict=True))
        self._maps = maps.set_index(["net", "method", "image"])
        self._postprocess = Postprocessing.from_run(run, metric)
        self._targets = predictions.set_index(["net", "image"])["target_name"].to_dict()

    def has(self, image: str) -> bool:
        """Tell whether an image is stored."""
        return image in self._jpegs

    def find_target_name(self, net: str, image: str) -> str:
        """Find the name of the class that is explained; "?" if it is not stored."""
        return str(self._targets.get((net, image), "?"))

    def read_image(self, name: str) -> Pixels:
        """Read an image (h, w, 3), reduced to at most `widest` pixels a side."""
        return self._reduce(self._read_pixels(name))

    def _read_pixels(self, name: str) -> Pixels:
        """Read the image at the size at which it is scored."""
        return read_picture(self._run, name, self._jpegs[name])

    def draw_overlay(self, net: str, method: str, image: str) -> Pixels | None:
        """Draw a method's map on its image; return None if the map is not stored."""
        if not self.has(image) or (net, method, image) not in self._maps.index:
            return None
        row: Any = self._maps.loc[(net, method, image), :]
        pixels = self._read_pixels(image)
        height, width = pixels.shape[:2]
        return self._reduce(overlay_map(pixels, self._postprocess(read_map(row), (height, width))))

    def _reduce(self, pixels: Pixels) -> Pixels:
        picture = Picture.fromarray(pixels)
        picture.thumbnail((self._widest, self._widest))
        return np.asarray(picture)


def read_picture(run: Run, image: str, jpeg: bytes) -> Pixels:
    """Read the pixels (h, w, 3) of an image that a run stores. Raise UsageError for anything but a JPEG."""
    try:
        return np.asarray(Picture.open(io.BytesIO(jpeg), formats=["JPEG"]).convert("RGB"))
    except (OSError, SyntaxError, Picture.DecompressionBombError) as error:
        raise UsageError(f"{run.directory / 'images'} is damaged: {image} is no JPEG ({error})") from None
