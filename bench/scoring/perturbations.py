"""Perturbed images that a metric may ask the net to score."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from ..data.types import Mask

Substrate = Literal["mean", "black", "blur", "box"]


@dataclass(frozen=True)
class Kept:
    """The image where pixels rank first <= rank < last (0 is the map's highest), the substrate elsewhere.

    Equal pixels rank in reading order, or shuffled by the seed `ties` where one is given.
    """

    first: int
    last: int
    substrate: Substrate
    ties: int | None = None


@dataclass(frozen=True)
class Masked:
    """The image weighted by the map in [0, 1], the substrate by the rest, or the other way round.

    Where `top` is given, all but so many of the map's highest pixels count as 0.
    """

    substrate: Substrate
    top: int | None = None
    inverse: bool = False


@dataclass(frozen=True)
class Clean:
    """The image as it is."""


@dataclass(frozen=True, eq=False)
class Shown:
    """The image inside a mask (h, w), the substrate outside."""

    mask: Mask
    substrate: Substrate


@dataclass(frozen=True, eq=False)
class Own:
    """An image (3, h, w) in [0, 1] that the metric made itself, on the net's device."""

    image: Tensor


Perturbed = Kept | Masked | Clean | Shown | Own
