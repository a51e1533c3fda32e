"""A map in colours, and laid over its image: alike on the page, in a README and in the panel of one decision."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture

from ..core.errors import UsageError, nearest
from ..data.types import Pixels

FloatMap = NDArray[np.float32]
COLOURS = "inferno"
OPACITY = 0.55


def coloured(map: FloatMap, colours: str = COLOURS) -> Pixels:
    """A map (h, w) in [0, 1] in the colours of matplotlib's map of that name: (h, w, 3)."""
    return _bytes(_shades(map, colours))


def laid_over(pixels: Pixels, map: FloatMap, colours: str = COLOURS, opacity: float = OPACITY) -> Pixels:
    """An image (h, w, 3) under its map (h, w) in [0, 1]; at opacity 0 the image alone, at 1 the map alone."""
    if not 0 <= opacity <= 1:
        raise UsageError(f"opacity {opacity} is not between 0 and 1")
    return _bytes((1 - opacity) * pixels + opacity * _shades(map, colours))


def fitted(row: Any, size: tuple[int, int]) -> FloatMap:
    """A map as a run keeps it (values, height, width), at the size (h, w) of its image and in [0, 1]."""
    coarse = np.asarray(row["values"], dtype=np.float32).reshape(int(row["height"]), int(row["width"]))
    return stretched(np.asarray(Picture.fromarray(coarse).resize(size[::-1], Picture.Resampling.BILINEAR)))


def stretched(values: FloatMap) -> FloatMap:
    """A map brought to [0, 1]; a constant one, which says nothing, is 0 everywhere."""
    span = float(np.ptp(values))
    return (values - values.min()) / span if span else np.zeros_like(values)


def check(colours: str) -> None:
    """Raises UsageError where matplotlib has no colours of that name."""
    import matplotlib

    if colours not in matplotlib.colormaps:
        common = [name for name in matplotlib.colormaps if not name.endswith("_r")]
        raise UsageError(f"there are no colours {colours!r}: {nearest(colours, common)}")


def _shades(map: FloatMap, colours: str) -> NDArray[np.float64]:
    import matplotlib  # loads only where something is drawn

    check(colours)

    shades: NDArray[np.float64] = matplotlib.colormaps[colours](map)[..., :3] * 255
    return shades


def _bytes(shades: NDArray[np.float64]) -> Pixels:
    found: Pixels = shades.round().astype(np.uint8)
    return found
