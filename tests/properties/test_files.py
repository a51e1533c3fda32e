"""Files of a data set, of weights and of names with any bytes are read, or refused in one sentence; so is any file name."""

import io
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from PIL import Image as Picture
from torch import nn

from cambench.bench.config.suite import find_dataset
from cambench.bench.data.checked import open_dataset
from cambench.bench.nets import load
from cambench.datasets._readers.folder import EXTENSIONS
from cambench.datasets._readers.image_io import read_mask, read_size
from cambench.datasets.image_folder import photo
from cambench.tests.support.properties import assert_orderly, hash_files, hold, odd_texts, read_refusal, texts, times

FORMATS = {
    "PNG": ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"], "JPEG": ["L", "RGB", "CMYK"], "GIF": ["P"], "BMP": ["1", "RGB"],
    "TIFF": ["1", "L", "P", "RGB", "CMYK", "I;16", "I", "F"], "PPM": ["1", "L", "RGB", "I"], "WEBP": ["RGB", "RGBA"],
    "TGA": ["L", "RGBA"], "JPEG2000": ["L", "RGB"],
}  # fmt: skip


def make_pictures() -> list[bytes]:
    """A picture in each format and mode, with EXIF data where the format has them."""
    pixels = np.random.default_rng(0).integers(0, 255, (12, 10, 3), dtype=np.uint8)
    exif = Picture.Exif()
    exif[0x0112] = 6
    pictures = []
    for form, modes in FORMATS.items():
        for mode in modes:
            buffer = io.BytesIO()
            grey = Picture.fromarray(pixels[..., 0].astype(np.uint16) if mode == "I;16" else pixels)
            picture = (
                grey if mode == "I;16" else grey.convert("L").convert(mode) if mode in "IF" else grey.convert(mode)
            )
            own: dict[str, Any] = {"exif": exif} if form in ("JPEG", "PNG", "TIFF", "WEBP") else {}
            picture.save(buffer, form, **own)
            pictures.append(buffer.getvalue())
    return pictures


def edit(contents: list[bytes]) -> SearchStrategy[bytes]:
    """One of these contents, with some bytes replaced, inserted, removed or cut off; the first bytes more often."""

    def change(content: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
        for at, length, new in changes:
            start = at % (len(content) + 1)
            content = content[:start] + new + content[start + length :]
        return content

    positions = st.integers(0, 64) | st.integers(0, 10**4)
    lengths = st.sampled_from([0, 1, 2, 4, 10**6])
    changes = st.lists(st.tuples(positions, lengths, st.binary(max_size=4)), max_size=4)
    return st.tuples(st.sampled_from(contents), changes).map(lambda parts: change(*parts)) | st.binary(max_size=40)


@times
@pytest.mark.filterwarnings("ignore")  # Pillow's, of damaged files; the command line does the same
def test_any_bytes_are_an_image_or_an_image_that_fails(tmp_path: Path, times: int) -> None:
    """The other image of the folder is read, whatever this one is."""
    pictures = make_pictures()
    (tmp_path / "b.png").write_bytes(pictures[4])

    def check(content: bytes) -> None:
        (tmp_path / "a.png").write_bytes(content)
        images = open_dataset(find_dataset(str(tmp_path), 0))
        for index in range(2):
            if images.name(index) == "b.png" or read_refusal(lambda: images[index]) is None:  # noqa: B023
                assert images[index].pixels.shape == (224, 224, 3)
        for read in (read_mask, read_size, photo):
            read_refusal(lambda: read(tmp_path / "a.png"))  # noqa: B023

    hold(check, edit(pictures), examples=32 * times)


# Names


def begin(dataset: str, *options: object) -> int:
    """Begin a run of a data set, and return the exit code."""
    chosen = [
        "--nets",
        "net.py:make",
        "--methods",
        "centre",
        "--metrics",
        "gini",
        "--precision",
        "fp32",
        "--out",
        "run",
    ]
    return assert_orderly("run", *chosen, "--dataset", dataset, *options).exit_code


NAMES = (
    (st.binary(min_size=1, max_size=9) | odd_texts.map(lambda text: text.encode(errors="replace")[:250]))
    .map(lambda name: name.replace(b"/", b"").replace(b"\0", b"") or b"x")
    .filter(lambda name: name not in (b".", b".."))
)


@times
def test_files_of_any_name_are_listed_or_refused(begun: Path, times: int) -> None:
    pictures, exits = make_pictures(), set()

    def check(classes: list[bytes], names: list[bytes], extension: str) -> None:
        shutil.rmtree(begun / "photos", ignore_errors=True)
        for own in classes or [b""]:
            place = os.path.join(os.fsencode(begun / "photos"), own)  # noqa: PTH118
            os.makedirs(place, exist_ok=True)  # noqa: PTH103
            for name in names:
                Path(os.fsdecode(os.path.join(place, name[:250] + extension.encode()))).write_bytes(pictures[4])  # noqa: PTH118
        before = hash_files(begun / "photos")
        exits.add(begin("photos/"))
        assert hash_files(begun / "photos") == before

    extensions = st.sampled_from(sorted(EXTENSIONS))
    hold(check, st.lists(NAMES, max_size=2), st.lists(NAMES, min_size=1, max_size=2), extensions, examples=12 * times)
    assert 0 in exits


CELLS = (
    odd_texts
    | texts
    | st.sampled_from(["a.png", "0", "1", "cat", "n01440764", "0 0 5 5", "1 2", "-1 0 nan 9", "9" * 12])
)
TABLES = st.lists(st.lists(CELLS, min_size=1, max_size=4), max_size=3).map(
    lambda rows: [["file", "class", "mask", "box_xyxy"], ["a.png", "1", "", ""], *rows]
)


@times
def test_any_labels_are_read_or_refused(begun: Path, times: int) -> None:
    (begun / "photos").mkdir()
    (begun / "photos" / "a.png").write_bytes(make_pictures()[4])
    exits = set()

    def check(rows: list[list[str]], separator: str, changed: bytes) -> None:
        table = "\n".join(separator.join(row) for row in rows).encode(errors="surrogatepass")
        (begun / "photos" / "labels.csv").write_bytes(table + changed)
        exits.add(begin("photos/"))

    hold(check, TABLES, st.sampled_from(",;\t|"), st.just(b"") | st.binary(max_size=5), examples=12 * times)
    assert {0, 2} <= exits


@times
def test_any_list_of_images_or_classes_is_read_or_refused(begun: Path, times: int) -> None:
    exits = set()

    def check(subset: list[str], classes: list[str], changed: bytes) -> None:
        (begun / "subset.txt").write_bytes("\n".join(subset).encode(errors="replace") + changed)
        (begun / "classes.txt").write_bytes("\n".join(classes).encode(errors="replace") + changed)
        exits.add(begin("scenes[size=32]", "--subset", begun / "subset.txt"))
        exits.add(begin("scenes[size=32]", "--classes", begun / "classes.txt", "--images", 1))

    names = st.lists(st.sampled_from(["test-00000", "test-00001", "", " test-00002 "]) | texts, max_size=3)
    classes = st.lists(st.sampled_from(["a", "b", "c"]) | texts, min_size=2, max_size=4)
    hold(check, names, classes, st.just(b"") | st.binary(max_size=3), examples=8 * times)
    assert {0, 2} <= exits


# Weights


@times
def test_any_bytes_are_weights_or_refused(folder: Path, times: int) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    torch.save(net.state_dict(), folder / "new.pt")
    torch.save(net.state_dict(), folder / "old.pt", _use_new_zipfile_serialization=False)
    contents = [
        safetensors.torch.save(net.state_dict()),
        *((folder / name).read_bytes() for name in ("new.pt", "old.pt")),
    ]

    def check(content: bytes, extension: str) -> None:
        (folder / f"weights{extension}").write_bytes(content)
        spec = f"net.py:make[weights=weights{extension}]"
        read_refusal(lambda: load.load(spec, torch.device("cpu"), "fp32"))

    hold(check, edit(contents), st.sampled_from([".safetensors", ".pt"]), examples=16 * times)
