"""Pictures whose values have more than 8 bits: the scale that is taken, what is said of it, and what is refused."""

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from cambench.bench.core.errors import ImageError
from cambench.datasets.image_folder import photo

SIDE = 16
GREY = np.arange(256, dtype=np.uint8).reshape(SIDE, SIDE)  # every value of 8 bits
UNUSED = "no pixel uses the upper {} of 16 bits, so the picture is dark: if it was taken with fewer bits, multiply its values "


def write_tiff(file: Path, values: NDArray[Any], **options: Any) -> Path:
    pytest.importorskip("tifffile").imwrite(file, values, **options)
    return file


def write_png(file: Path, values: NDArray[np.uint16], colour_type: int) -> Path:
    """Write a PNG of 16 bits: (h, w) or (h, w, channels). Pillow writes only grey ones."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, colour_type, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    parts = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    return file


def write_pgm(file: Path, values: NDArray[np.uint16], white: int) -> Path:
    file.write_bytes(b"P5 %d %d %d\n" % (SIDE, SIDE, white) + values.astype(">u2").tobytes())
    return file


def read(file: Path | Image.Image) -> tuple[NDArray[np.uint8], str]:
    image = photo(file, size=SIDE, resize="squash")
    return image.pixels, image.note


def assert_grey(pixels: NDArray[np.uint8], expected: NDArray[np.uint8]) -> None:
    assert (pixels == expected[..., None]).all()


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize(
    ("values", "white"),
    [
        ((GREY / 255).astype(np.float32), 1),
        (GREY.astype(np.float32), 255),
        (GREY.astype(np.float32) * 257, 65535),
        ((GREY - 0.25).clip(0).astype(np.float32), 255),
        ((GREY * 257.0 + 0.25).clip(0, 65535).astype(np.float32), 65535),
        (GREY.astype(np.int32), 255),
        (GREY.astype(np.int32) * 257, 65535),
    ],
)
def test_values_that_tell_their_scale_give_the_pixels_of_8_bits(
    tmp_path: Path, values: NDArray[Any], white: int, byteorder: str
) -> None:
    pixels, note = read(write_tiff(tmp_path / "a.tif", values, byteorder=byteorder))
    assert_grey(pixels, GREY)
    assert note == f"its values are read on a scale from 0 to {white}"


@pytest.mark.parametrize("mode", ["F", "I"])
def test_a_picture_in_memory_is_read_like_its_file(mode: str) -> None:
    pixels, note = read(Image.fromarray(GREY).convert(mode))
    assert_grey(pixels, GREY)
    assert note == "its values are read on a scale from 0 to 255"


def test_a_black_picture_of_floats_is_black(tmp_path: Path) -> None:
    pixels, _ = read(write_tiff(tmp_path / "a.tif", np.zeros((SIDE, SIDE), np.float32)))
    assert not pixels.any()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            np.linspace(-0.5, 1, 256),
            r"a\.tif cannot be read as an image \(its values run from -0\.5 to 1, so the value of white is unknown",
        ),
        (
            np.linspace(0, 1.2, 256),
            "from 0 to 1.2, so the value of white is unknown: save it with 8 or 16 bits, or with values from 0 to 1",
        ),
        (np.linspace(0, 37.5, 256), "from 0 to 37.5"),
        (np.linspace(0, 3000.5, 256), "from 0 to 3000.5"),
        (np.linspace(0, 1e6, 256), r"from 0 to 1e\+06"),
        (np.full(256, np.nan), "256 of its 256 values are NaN or infinite: replace them by numbers"),
        (np.r_[np.zeros(254), np.inf, np.nan], "2 of its 256 values are NaN or infinite"),
    ],
)
def test_values_that_tell_no_scale_are_refused(tmp_path: Path, values: NDArray[Any], message: str) -> None:
    file = write_tiff(tmp_path / "a.tif", values.reshape(SIDE, SIDE).astype(np.float32))
    with pytest.raises(ImageError, match=message):
        read(file)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (GREY.astype(np.int32) - 1, "its values run from -1 to 254, so the value of white is unknown"),
        (GREY.astype(np.uint32) << 24, "its values run from 0 to 4.27819e\\+09, so the value of white is unknown"),
        (GREY.astype(np.int32) * 1000, "its values run from 0 to 255000, so the value of white is unknown"),
        (GREY.astype(np.int16) - 1, "its values run from -1, and black is 0: save it with values from 0 to 65535"),
        (GREY.astype(np.int8), "its values of 8 bits have a sign: save it without"),
    ],
)
def test_whole_numbers_that_are_no_pixels_are_refused(tmp_path: Path, values: NDArray[Any], message: str) -> None:
    with pytest.raises(ImageError, match=message):
        read(write_tiff(tmp_path / "a.tif", values))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (GREY / 255, "it has 1 channel of floating-point numbers with 64 bits: save it with 8 or 16 bits"),
        ((GREY / 255).astype(np.float16), "it has 1 channel of floating-point numbers with 16 bits"),
        (GREY.astype(np.uint64), "it has 1 channel of whole numbers with 64 bits"),
        (np.stack([GREY / 255] * 3, -1).astype(np.float32), "it has 3 channels of floating-point numbers with 32 bits"),
    ],
)
def test_a_tiff_that_pillow_does_not_know_is_refused_with_its_kind_of_values(
    tmp_path: Path, values: NDArray[Any], reason: str
) -> None:
    options = {"photometric": "rgb"} if values.ndim == 3 else {}
    with pytest.raises(ImageError, match=rf"a\.tif cannot be read as an image \({reason}"):
        read(write_tiff(tmp_path / "a.tif", values, **options))


@pytest.mark.parametrize("content", [b"", b"not a picture", b"II*\0"])
def test_a_file_of_no_known_format_is_refused_as_such(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(ImageError, match=r"a\.tif cannot be read as an image \(its format is not known, or its first"):
        read(tmp_path / "a.tif")


@pytest.mark.parametrize("ending", ["tif", "gif", "png", "webp"])
def test_of_several_pages_or_frames_the_first_is_read_and_this_is_said(tmp_path: Path, ending: str) -> None:
    pages = [Image.fromarray(np.full((SIDE, SIDE), value, np.uint8)) for value in (255, 0)]
    pages[0].save(tmp_path / f"a.{ending}", save_all=True, append_images=pages[1:])
    pages[0].save(tmp_path / f"b.{ending}")
    several = "it holds several pages or frames, of which the first is read"
    for file, expected in (("a", several), ("b", "")):
        pixels, note = read(tmp_path / f"{file}.{ending}")
        assert (pixels == 255).all()
        assert note.partition(":")[0] == expected
    with Image.open(tmp_path / f"a.{ending}") as picture:
        picture.seek(1)  # the user's choice
        pixels, note = read(picture)
        assert (pixels == 0).all() and note == ""


def test_the_previews_in_a_photo_of_a_camera_are_no_pages(tmp_path: Path) -> None:
    Image.new("RGB", (SIDE, SIDE)).save(
        tmp_path / "a.jpg", format="MPO", save_all=True, append_images=[Image.new("RGB", (4, 4))]
    )
    assert read(tmp_path / "a.jpg")[1] == ""


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("values", [GREY, GREY.astype(np.uint16) * 257, (GREY / 255).astype(np.float32)])
def test_a_tiff_whose_white_is_0_is_not_read_as_its_negative(
    tmp_path: Path, values: NDArray[Any], compression: str | None
) -> None:
    file = write_tiff(tmp_path / "a.tif", values, photometric="miniswhite", compression=compression)
    assert_grey(read(file)[0], 255 - GREY)


def test_channels_of_16_bits_in_separate_planes_are_read_or_refused(tmp_path: Path) -> None:
    """Pillow reads uncompressed planes as if they had 8 bits."""
    planes = np.stack([GREY.astype(np.uint16) * 257] * 3)
    options = {"photometric": "rgb", "planarconfig": "separate"}
    assert_grey(read(write_tiff(tmp_path / "a.tif", planes, compression="zlib", **options))[0], GREY)
    with pytest.raises(ImageError, match="its channels of 16 bits lie in separate planes"):
        read(write_tiff(tmp_path / "b.tif", planes, **options))


def test_16_bits_are_read_without_a_word_if_they_are_used(tmp_path: Path) -> None:
    values = GREY.astype(np.uint16) * 257
    files = [
        write_png(tmp_path / "grey.png", values, 0),
        write_png(tmp_path / "rgb.png", np.stack([values] * 3, -1), 2),
        write_tiff(tmp_path / "grey.tif", values),
        write_tiff(tmp_path / "rgb.tif", np.stack([values] * 3, -1), photometric="rgb"),
        write_pgm(tmp_path / "grey.pgm", values, 65535),
    ]
    for file in files:
        pixels, note = read(file)
        assert_grey(pixels, GREY)
        assert note == "", file


def test_one_unused_bit_is_a_dark_picture_and_not_said(tmp_path: Path) -> None:
    values = np.linspace(0, 2**15 - 1, 256).astype(np.uint16).reshape(SIDE, SIDE)
    assert read(write_png(tmp_path / "a.png", values, 0))[1] == ""


@pytest.mark.parametrize(("bits", "unused"), [(14, 2), (12, 4), (10, 6), (8, 8)])
def test_unused_upper_bits_of_16_are_said(tmp_path: Path, bits: int, unused: int) -> None:
    values = np.linspace(0, 2**bits - 1, 256).astype(np.uint16).reshape(SIDE, SIDE)
    rgb, opaque = np.stack([values] * 3, -1), np.full((SIDE, SIDE, 1), 65535, np.uint16)
    files = [
        write_png(tmp_path / "grey.png", values, 0),
        write_png(tmp_path / "rgb.png", rgb, 2),
        write_png(tmp_path / "rgba.png", np.concatenate([rgb, opaque], -1), 6),
        write_tiff(tmp_path / "grey.tif", values),
        write_tiff(tmp_path / "big_endian.tif", values, byteorder=">"),
        write_tiff(tmp_path / "rgb.tif", rgb, photometric="rgb"),
        write_pgm(tmp_path / "grey.pgm", values, 65535),
        Image.fromarray(values),
    ]
    for file in files:
        pixels, note = read(file)
        assert note.startswith(UNUSED.format(unused)), file
        rounded, cut_off = round((2**bits - 1) / 257), (2**bits - 1) >> 8  # Pillow cuts off those of colour
        assert pixels.max() == (cut_off if "rgb" in str(file) else rounded)


def test_a_file_that_says_what_white_is_is_scaled_by_it(tmp_path: Path) -> None:
    """A PGM names its highest value: 12 bits are told apart from a dark picture of 16."""
    values = np.rint(GREY * (4095 / 255)).astype(np.uint16)
    pixels, note = read(write_pgm(tmp_path / "a.pgm", values, 4095))
    assert_grey(pixels, np.rint(values * (255 / 4095)).astype(np.uint8))
    assert pixels.max() == 255 and note == ""


def test_pictures_of_8_bits_are_read_without_a_word(tmp_path: Path) -> None:
    for name in ("a.png", "a.tif", "a.bmp"):
        Image.fromarray(GREY).save(tmp_path / name)
        pixels, note = read(tmp_path / name)
        assert_grey(pixels, GREY)
        assert note == ""
