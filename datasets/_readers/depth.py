"""Pictures of any mode in RGB of 8 bits: what black and white are in a picture with values of more bits."""

import re
import struct
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture
from PIL import TiffImagePlugin

from ...bench.core.formatting import format_count

Values = NDArray[np.float64]  # (h, w)

WHITES = (1, 255, 65535)  # the values of white on the scales that a picture may have
TRANSPARENT = "its transparent parts are put on white"
ROUNDING = 1e-6  # by which values may exceed a scale
SAMPLES_OF_16_BITS = r"(I|L|LA|RGB[AXa]?);16"  # Pillow's names of how samples lie in a file; BGR;16 are 5, 6 and 5 bits
BITS, PHOTOMETRIC, CHANNELS, FORMAT = 258, 262, 277, 339  # numbers of TIFF's tags
SIGNED, WHITE_IS_ZERO = 2, 0  # values of FORMAT and PHOTOMETRIC
KINDS = {
    1: "whole numbers",
    2: "whole numbers",
    3: "floating-point numbers",
    5: "complex numbers",
    6: "complex numbers",
}
FEWEST_UNUSED = (
    2  # upper bits of 16 that are said to be unused: a picture in the lower half of the scale may just be dark
)


@dataclass(frozen=True)
class Depth:
    """What a file says of its values: the value of white (None if it does not say), their bits, and the sign."""

    white: int | None = None
    has_16_bits: bool = False
    inverted: bool = False  # 0 is white
    has_32_bits_unsigned: bool = False  # Pillow reads them as if they had a sign


@dataclass(frozen=True)
class RgbPicture:
    """A picture in RGB, and what should be said of how its values were read."""

    picture: Picture.Image
    note: str = ""


def read_depth(file: Picture.Image) -> Depth:
    """Read the depth of an opened file, before its pixels are read. Raise ValueError for a TIFF that Pillow misreads."""
    tiles = getattr(file, "tile", ())
    samples = (tiles[0][3] if tiles else None) or ""  # Pillow's name of their layout, or a tuple that it begins
    layout = samples if isinstance(samples, str) else str(samples[0])
    has_16_bits = re.match(SAMPLES_OF_16_BITS, layout) is not None
    tags = getattr(file, "tag_v2", {})
    bits, formats = tags.get(BITS, ()), tags.get(FORMAT, ())
    if 16 in bits and ";16" not in layout:
        raise ValueError("its channels of 16 bits lie in separate planes: save it with interleaved channels")
    if 8 in bits and SIGNED in formats:
        raise ValueError("its values of 8 bits have a sign: save it without")
    inverted = tags.get(PHOTOMETRIC) == WHITE_IS_ZERO
    if file.mode.startswith("I;16") or has_16_bits:
        is_12 = layout.startswith("I;12")
        return Depth(4095 if is_12 else 65535, not is_12, inverted)
    if file.format == "PPM" and not isinstance(samples, str):  # whatever its highest value, Pillow scales it to 16 bits
        return Depth(65535 if file.mode == "I" else None, samples[1:2] == (65535,), inverted)
    return Depth(inverted=inverted, has_32_bits_unsigned=32 in bits and file.mode == "I" and SIGNED not in formats)


def to_rgb(picture: Picture.Image, depth: Depth) -> RgbPicture:
    """Return a picture of any mode in RGB; transparent pictures are put on white, which the note says.

    Values of more than 8 bits are scaled from black to white. Where the file does not say what white is, it is 1, 255 or 65535
    if the values tell, else a ValueError is raised. The note says what was taken, and whether the upper bits are unused.
    """
    if picture.mode == "F" or picture.mode.startswith("I"):
        values = np.asarray(picture)
        grey = (values.view(np.uint32) if depth.has_32_bits_unsigned else values).astype(np.float64)
        white = depth.white or _find_white(grey, WHITES if picture.mode == "F" else WHITES[1:])
        _check_range(grey, white)
        scale_note = "" if depth.white else f"its values are read on a scale from 0 to {white}"
        unused = _describe_unused_bits(grey.max()) if white == 65535 and (depth.has_16_bits or not depth.white) else ""
        pixels = _to_bytes(white - grey if depth.inverted else grey, white)
        return RgbPicture(Picture.fromarray(pixels).convert("RGB"), "; ".join(filter(None, (scale_note, unused))))
    unused = ""
    if depth.has_16_bits:  # Pillow keeps the upper 8 bits
        unused = _describe_unused_bits(256 * float(np.asarray(picture.convert("RGB")).max()))
    transparent = ""
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        transparent = TRANSPARENT if np.asarray(picture.getchannel("A")).min() < 255 else ""
        picture = Picture.alpha_composite(Picture.new("RGBA", picture.size, "white"), picture)
    return RgbPicture(picture.convert("RGB"), "; ".join(filter(None, (unused, transparent))))


def _find_white(values: Values, whites: tuple[int, ...]) -> int:
    """Return the value of white that the values tell: the lowest that they do not exceed.

    Above 1 they must be whole numbers, or use the upper half of the scale. Raise ValueError if they tell none.
    """
    if not_finite := np.count_nonzero(~np.isfinite(values)):
        raise ValueError(
            f"{not_finite} of its {values.size} values are NaN or infinite: replace them by numbers from 0 to the value "
            "of white"
        )
    if values.min() >= 0:
        for white in whites:
            if values.max() <= white * (1 + ROUNDING):
                if white == 1 or 2 * values.max() > white or (values % 1 == 0).all():
                    return white
                break
    raise ValueError(
        f"its values run from {values.min():.6g} to {values.max():.6g}, so the value of white is unknown: save it "
        "with 8 or 16 bits, or with values from 0 to 1"
    )


def _check_range(values: Values, white: int) -> None:
    if values.min() < 0:
        raise ValueError(
            f"its values run from {values.min():.6g}, and black is 0: save it with values from 0 to {white}"
        )


def _to_bytes(values: Values, white: int) -> NDArray[np.uint8]:
    """Return values from 0 to white as whole numbers from 0 to 255, rounded."""
    scaled = np.rint(values * (255 / white))
    return scaled.clip(0, 255).astype(np.uint8)


def _describe_unused_bits(highest: float) -> str:
    """Describe the upper bits of 16 that no pixel uses, at most 8 of them; empty if they are fewer than FEWEST_UNUSED."""
    unused = 8 - (int(highest) >> 8).bit_length()
    if unused < FEWEST_UNUSED:
        return ""
    return (
        f"no pixel uses the upper {unused} of 16 bits, so the picture is dark: if it was taken with fewer bits, multiply its "
        "values to use all 16"
    )


def describe_tiff(file: BinaryIO) -> str:
    """Describe the values in a TIFF that Pillow does not read; empty for a file that is no TIFF, or damaged."""
    try:
        tags = TiffImagePlugin.ImageFileDirectory_v2(file.read(8))
        file.seek(tags.next)
        tags.load(file)
        bits, formats = tags[BITS], tags.get(FORMAT, (1,))
    except (OSError, SyntaxError, LookupError, struct.error):
        return ""
    channels = format_count(tags.get(CHANNELS, 1), "channel")
    return f"it has {channels} of {KINDS.get(formats[0], 'values')} with {bits[0]} bits: save it with 8 or 16 bits"
