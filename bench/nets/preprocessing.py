"""What stands before a net: images in [0, 1] become what it was trained on."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..core.errors import UsageError, nearest
from ..data.types import MEAN, STD

LUMINANCE = (0.299, 0.587, 0.114)  # of red, green and blue, ITU-R BT.601, as in Pillow's "L"


@dataclass(frozen=True)
class Preprocess:
    """The mean and the deviation that images in [0, 1] are normalised by, one number a channel, or one for all."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    said: str  # where they are from, or what they are called

    def of(self, channels: int) -> nn.Module:
        """Images (n, 3, h, w) in [0, 1] to a net's input of so many channels; a grey net is shown the luminance."""
        if channels == 3:
            return Normalise(_each(self.mean, 3), _each(self.std, 3))
        mean, std = (sum(w * v for w, v in zip(LUMINANCE, _each(of, 3), strict=True)) for of in (self.mean, self.std))
        return nn.Sequential(Grey(), Normalise((mean,), (std,)))


class Grey(nn.Module):
    """The luminance (n, 1, h, w) of images (n, 3, h, w)."""

    def __init__(self) -> None:
        super().__init__()
        self.weights: Tensor
        self.register_buffer("weights", torch.tensor(LUMINANCE).view(3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        return (images * self.weights).sum(1, keepdim=True)


WORDS = {
    "imagenet": Preprocess(MEAN, STD, "ImageNet's mean and deviation"),
    "none": Preprocess((0.0,), (1.0,), "none: images in [0, 1]"),
    "half": Preprocess((0.5,), (0.5,), "images in [-1, 1]"),
}


def preprocess(word: str, mean: str, std: str) -> Preprocess | None:
    """What was asked for, a word or numbers (`0.5`, or `0.485+0.456+0.406` for the channels); None where nothing was."""
    if mean or std:
        if word:
            raise UsageError(f"preprocess={word} and a mean or std contradict each other: set the one or the other")
        return Preprocess(
            _numbers("mean", mean or "0"), _numbers("std", std or "1"), f"mean {mean or 0}, std {std or 1}"
        )
    if word and word not in WORDS:
        raise UsageError(f"there is no preprocess {word!r}: {nearest(word, WORDS)}, or set mean=... and std=...")
    return WORDS[word] if word else None


def joined(numbers: str | float | Sequence[float]) -> str:
    """Numbers as a spec has them, joined by +."""
    if isinstance(numbers, str):
        return numbers
    return "+".join(map(str, [numbers] if isinstance(numbers, int | float) else numbers))


def channels_of(net: nn.Module) -> int:
    """The channels of its first convolution: 3, or 1 for a net of grey images. Raises UsageError for others."""
    first = next((module for module in net.modules() if isinstance(module, nn.Conv2d)), None)
    count = 3 if first is None else first.in_channels
    if count not in (1, 3):
        raise UsageError(f"the net takes images of {count} channels: this suite's have three, or their luminance")
    return count


def _each(values: Sequence[float], channels: int) -> tuple[float, ...]:
    return tuple(values) if len(values) == channels else (values[0],) * channels


def _numbers(what: str, text: str) -> tuple[float, ...]:
    try:
        numbers = tuple(float(part) for part in text.split("+"))
    except ValueError:
        numbers = ()
    if len(numbers) not in (1, 3) or not all(math.isfinite(n) and (what == "mean" or n > 0) for n in numbers):
        raise UsageError(f"{what}={text} is no {what}: write one number, or three, {what}=0.5+0.5+0.5")
    return numbers


class Normalise(nn.Module):
    """Images in [0, 1] to the colours that the net was trained on: less the mean, by the deviation, of each channel."""

    def __init__(self, mean: Sequence[float] = MEAN, std: Sequence[float] = STD) -> None:
        super().__init__()
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(-1, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        return (images - self.mean) / self.std
