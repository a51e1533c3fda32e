"""Preprocessing, the first module of every net: images in [0, 1] become the input that the net was trained on."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..core.errors import UsageError, list_known_names
from ..data.types import MEAN, STD

LUMINANCE = (0.299, 0.587, 0.114)  # of red, green and blue, ITU-R BT.601, as in Pillow's "L"


@dataclass(frozen=True)
class Preprocess:
    """The mean and standard deviation that images in [0, 1] are normalised by: one number a channel, or one for all."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def build(self, channels: int) -> nn.Module:
        """Build the module from images (n, 3, h, w) in [0, 1] to a net's input (n, channels, h, w); 1 channel is luminance."""
        mean, std = _repeat(self.mean, 3), _repeat(self.std, 3)
        if channels == 3:
            return Normalise(mean, std)
        return nn.Sequential(Luminance(), Normalise((_compute_luminance(mean),), (_compute_luminance(std),)))


class Normalise(nn.Module):
    """Normalises images in [0, 1]: each channel minus its mean, divided by its standard deviation."""

    def __init__(self, mean: Sequence[float] = MEAN, std: Sequence[float] = STD) -> None:
        super().__init__()
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(-1, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        return (images - self.mean) / self.std


class Luminance(nn.Module):
    """The luminance (n, 1, h, w) of images (n, 3, h, w)."""

    def __init__(self) -> None:
        super().__init__()
        self.weights: Tensor
        self.register_buffer("weights", torch.tensor(LUMINANCE).view(3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        return (images * self.weights).sum(1, keepdim=True)


PRESETS = {
    "imagenet": Preprocess(MEAN, STD),
    "none": Preprocess((0.0,), (1.0,)),  # the net takes images in [0, 1]
    "half": Preprocess((0.5,), (0.5,)),  # the net takes images in [-1, 1]
}


def parse_preprocess(preset: str, mean: str, std: str) -> Preprocess | None:
    """Return the preprocessing of a spec's settings: a preset's name, or numbers; None if all three are empty.

    Numbers are written `0.5`, or `0.485+0.456+0.406` for the channels. Raise UsageError for other settings.
    """
    if mean or std:
        if preset:
            raise UsageError(f"preprocess={preset} and a mean or std contradict each other: remove one of them")
        return Preprocess(_parse_numbers("mean", mean or "0"), _parse_numbers("std", std or "1"))
    if preset and preset not in PRESETS:
        raise UsageError(
            f"there is no preprocess {preset!r}: {list_known_names(preset, PRESETS)}, or set mean=... and std=..."
        )
    return PRESETS[preset] if preset else None


def format_numbers(numbers: str | float | Sequence[float]) -> str:
    """Format numbers in the notation of specs, joined by `+`; a string stays as it is."""
    if isinstance(numbers, str):
        return numbers
    return "+".join(map(str, [numbers] if isinstance(numbers, int | float) else numbers))


def _compute_luminance(colour: Sequence[float]) -> float:
    return sum(weight * value for weight, value in zip(LUMINANCE, colour, strict=True))


def _repeat(values: Sequence[float], channels: int) -> tuple[float, ...]:
    return tuple(values) if len(values) == channels else (values[0],) * channels


def _parse_numbers(setting: str, text: str) -> tuple[float, ...]:
    try:
        numbers = tuple(float(part) for part in text.split("+"))
    except ValueError:
        numbers = ()
    if len(numbers) not in (1, 3) or not all(math.isfinite(n) and (setting == "mean" or n > 0) for n in numbers):
        raise UsageError(f"{setting}={text} is not a {setting}: write one number, or three, {setting}=0.5+0.5+0.5")
    return numbers
