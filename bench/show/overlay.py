"""A map in colours and its overlay on the image, as the report, the README and panels show them."""

import numpy as np
from numpy.typing import NDArray

from ..core.errors import UsageError, list_known_names
from ..data.types import Pixels
from .postprocess import FloatMap

COLOURS = "inferno"
OPACITY = 0.85


def colour_map(map: FloatMap, colours: str = COLOURS) -> Pixels:
    """Turn a map (h, w) in [0, 1] into colours (h, w, 3).

    `colours` is the name of a colour map of matplotlib. Raise UsageError if there is none of that name.
    """
    return _to_bytes(_apply_colours(map, colours))


def overlay_map(pixels: Pixels, map: FloatMap, colours: str = COLOURS, opacity: float = OPACITY) -> Pixels:
    """Blend a map (h, w) in [0, 1] with its image (h, w, 3).

    The opacity of the colours follows the map, up to `opacity` where the map is 1: places where it is 0 show the image alone.
    Raise UsageError for an opacity outside [0, 1], and for colours that
    matplotlib does not have.
    """
    if not 0 <= opacity <= 1:
        raise UsageError(f"opacity {opacity} is not between 0 and 1")
    cover = opacity * map[..., None]
    return _to_bytes((1 - cover) * pixels + cover * _apply_colours(map, colours))


def check_colours(colours: str) -> None:
    """Raise UsageError if matplotlib has no colour map of that name."""
    import matplotlib

    if colours not in matplotlib.colormaps:
        names = [name for name in matplotlib.colormaps if not name.endswith("_r")]  # _r: the same colours reversed
        raise UsageError(f"there is no colour map {colours!r}: {list_known_names(colours, names)}")


def _apply_colours(map: FloatMap, colours: str) -> NDArray[np.float64]:
    import matplotlib  # slow to import, and needed only for pictures

    check_colours(colours)
    rgb: NDArray[np.float64] = matplotlib.colormaps[colours](map)[..., :3] * 255
    return rgb


def _to_bytes(rgb: NDArray[np.float64]) -> Pixels:
    pixels: Pixels = rgb.round().astype(np.uint8)
    return pixels
