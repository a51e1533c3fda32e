"""The perturbed images that a metric may ask the net to score, described without pixels or devices (see blend.py)."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from ..data.types import Mask

Substrate = Literal["mean", "black", "blur", "box"]  # what replaces removed pixels


@dataclass(frozen=True)
class Kept:
    """The image where a pixel's rank r is first <= r < last (0 is the map's highest value), the substrate elsewhere.

    Equal pixels rank in reading order, or in an order shuffled by the seed `ties`.
    """

    first: int
    last: int
    substrate: Substrate
    ties: int | None = None


@dataclass(frozen=True)
class Masked:
    """The image weighted by the map in [0, 1], plus the substrate weighted by 1 - map; `inverse` swaps the weights.

    With `top`, all pixels but the map's `top` highest count as 0.
    """

    substrate: Substrate
    top: int | None = None
    inverse: bool = False


@dataclass(frozen=True)
class Clean:
    """The unperturbed image."""


@dataclass(frozen=True, eq=False)
class Inside:
    """The image inside a boolean mask (h, w), the substrate outside."""

    mask: Mask
    substrate: Substrate


@dataclass(frozen=True, eq=False)
class Custom:
    """An image (3, h, w) in [0, 1] that the metric computed itself, on the net's device."""

    image: Tensor


Perturbed = Kept | Masked | Clean | Inside | Custom
