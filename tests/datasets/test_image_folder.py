"""Folders of images: labels and boxes, resizing, and errors."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from cambench.bench.cli.main import main
from cambench.bench.config.suite import find_dataset
from cambench.bench.core.errors import ImageError, UsageError
from cambench.bench.data.labels import map_labels
from cambench.bench.store import run as store
from cambench.datasets._readers.folder import EXTENSIONS
from cambench.datasets.image_folder import load


def write_folder(
    root: Path, rows: str, *, files: tuple[str, ...] = ("a.png",), size: tuple[int, int] = (64, 64)
) -> Path:
    for file in files:
        Image.new("RGB", size, (200, 100, 50)).save(root / file)
    (root / "labels.csv").write_text(rows, encoding="utf-8")
    return root


def load_first(root: Path, **settings: object) -> tuple[np.ndarray, int | None]:
    image = load(path=str(root), size=32, **settings)[0]  # type: ignore[arg-type]
    return image.pixels, image.label


def test_labels_and_boxes_are_read(tmp_path: Path) -> None:
    write_folder(tmp_path, "file,class_index,box_xyxy\na.png,7,16 0 48 32\n", size=(64, 64))
    image = load(path=str(tmp_path), size=32, resize="squash")[0]
    assert (image.name, image.label, image.pixels.shape) == ("a.png", 7, (32, 32, 3))
    (marked,) = image.objects
    assert marked.label == 7
    expected = np.zeros((32, 32), dtype=bool)
    expected[0:16, 8:24] = True
    assert (marked.mask == expected).all()


def test_the_box_follows_the_crop(tmp_path: Path) -> None:
    """64 pixels are 256/224 of 56: the crop removes a frame of 4 pixels, which shifts and clips the box."""
    write_folder(tmp_path, "file,class_index,box_64_xyxy\na.png,0,0 0 20 64\n", size=(64, 64))
    mask = load(path=str(tmp_path), size=56)[0].objects[0].mask
    assert mask[:, :16].all()
    assert not mask[:, 16:].any()


def test_sub_folders_are_classes(tmp_path: Path) -> None:
    for name in ("dog", "cat"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (40, 40)).save(tmp_path / name / "1.png")
    images = load(path=str(tmp_path))
    assert images.classes == ("cat", "dog")
    assert {images[index].name: images[index].label for index in range(2)} == {"cat/1.png": 0, "dog/1.png": 1}


def test_the_seed_draws_the_order(tmp_path: Path) -> None:
    files = tuple(f"{number}.png" for number in range(8))
    write_folder(tmp_path, "file,class_index\n" + "".join(f"{file},0\n" for file in files), files=files)
    orders = [[load(path=str(tmp_path), seed=seed).name(index) for index in range(8)] for seed in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[2]) == sorted(files)


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("L", 100, (100, 100, 100)),
        ("P", 0, (0, 0, 0)),
        ("RGBA", (10, 20, 30, 255), (10, 20, 30)),
        ("RGBA", (10, 20, 30, 0), (255, 255, 255)),
        ("LA", (100, 255), (100, 100, 100)),
        ("CMYK", (0, 0, 0, 255), (0, 0, 0)),
        ("I;16", 257 * 100, (100, 100, 100)),
        ("1", 1, (255, 255, 255)),
    ],
)
def test_other_modes_are_converted(tmp_path: Path, mode: str, colour: object, expected: tuple[int, ...]) -> None:
    file = "a.tif" if mode in ("CMYK", "I;16") else "a.png"
    Image.new(mode, (40, 40), colour).save(tmp_path / file)  # type: ignore[arg-type]
    (tmp_path / "labels.csv").write_text(f"file,class_index\n{file},0\n", encoding="utf-8")
    pixels, _ = load_first(tmp_path)
    assert pixels.reshape(-1, 3).tolist() == [list(expected)] * 32 * 32


def write_bytes(content: bytes) -> Callable[[Path], object]:
    return lambda root: (root / "a.png").write_bytes(content)


@pytest.mark.parametrize(
    "spoil", [write_bytes(b"not an image"), write_bytes(b""), write_bytes(b"\x89PNG\r\n\x1a\n" + b"0" * 40)]
)
def test_a_file_that_is_not_an_image_is_named_in_the_error(tmp_path: Path, spoil: Callable[[Path], object]) -> None:
    spoil(write_folder(tmp_path, "file,class_index\na.png,0\n"))
    with pytest.raises(ImageError, match=r"a\.png cannot be read as an image"):
        load_first(tmp_path)


def test_a_table_in_another_encoding_is_named(tmp_path: Path) -> None:
    write_folder(tmp_path, "")
    (tmp_path / "labels.csv").write_bytes("file,class_name\na.png,bïrd\n".encode("latin-1"))
    with pytest.raises(
        UsageError, match=r"line 2: the class 'b\\\\xefrd' is not readable text: save the table as UTF-8"
    ):
        load_first(tmp_path)


def test_a_picture_that_pillow_takes_for_an_attack_is_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", (80, 80)).save(tmp_path / "a.png")
    (tmp_path / "labels.csv").write_text("file,class_index\na.png,0\n", encoding="utf-8")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(ImageError, match=r"a\.png has more than 0 million pixels: scale it down"):
        load_first(tmp_path)


def test_a_truncated_file_is_named_in_the_error(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (80, 80, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.jpg")
    (tmp_path / "a.jpg").write_bytes((tmp_path / "a.jpg").read_bytes()[:2000])
    (tmp_path / "labels.csv").write_text("file,class_index\na.jpg,0\n", encoding="utf-8")
    with pytest.raises(ImageError, match=r"a\.jpg cannot be read as an image"):
        load_first(tmp_path)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("file,class_index\nb.png,0\n", r"labels\.csv, line 2: there is no file 'b\.png'"),
        ("file,class_index\na.png,dog\n", "line 2: 'dog' is not a class index: a class index is a whole number from 0"),
        ("file,class_index\na.png,-1\n", "'-1' is not a class index"),
        ("file,colour\na.png,0\n", r"has no column 'class_index' \(or class_id, .*, target\); it has file, colour"),
        ("name,class\na.png,0\n", r"has no column 'file' \(or filename, .*, path\); it has name, class"),
        (
            "file,label,class_name\na.png,0,dog\n",
            "has several columns that may be the class_index: label, class_name: name one of them class_index",
        ),
        ("File Path,Kind\na.png,0\n", r"has no column 'class_index' .*; it has File Path, Kind"),
        (
            "Image,PATH,label\na.png,a.png,0\n",
            "several columns that may be the file: Image, PATH: name one of them file",
        ),
        ("file,Label,label\na.png,0,1\n", "has two columns 'label': remove one of them"),
        ("file,label\na.png,cat|dog\n", r"line 2: 'cat\|dog' names 2 classes: write the one that is explained"),
        ("file,class_index\na.png,3;5\n", "line 2: '3;5' names 2 classes"),
        ("image,path,label\na.png,a.png,0\n", "has several columns that may be the file: image, path"),
        (
            "file,label\na.png,0\nb.png,dog\n",
            "line 3: 'dog' is a word, unlike the class of line 2: name the column class_name",
        ),
        ("file,label\na.png,dog\nb.png,0\n", "line 3: '0' is a number, unlike the class of line 2"),
        ("file,label\na.png,\n", "line 2: '' is not a class index"),
        ("file,class_index\na.png,0,1\n", "line 2 has 3 cells, and the first line 2"),
        ("\x00\x01,\x02\n1,2\n", "is not a table of comma-separated values: its first line names no columns"),
        ("file,class_index,box_xyxy\na.png,0,1 2 3\n", "'1 2 3' is not a box: a box is four numbers"),
        ("file,class_index,box_xyxy\na.png,0,9 9 3 3\n", "is not a box in the photo: x1 < x2"),
        (
            "file,class_index\na.png,0\na.png,1\n",
            "lines 2 and 3: both name a.png: an image has one row, with one class",
        ),
        ("file,class_index\na.png,0\n./a.png,0\n", "lines 2 and 3: both name a.png"),
        (
            "file,class_index\n../a.png,0\n",
            r"line 2: '\.\./a\.png' is absolute or has '\.\.': files are named relative to",
        ),
        ("file,class_index\nx/../a.png,0\n", "'x/../a.png' is absolute or has"),
        ("file,class_index\n/etc/hostname,0\n", "'/etc/hostname' is absolute or has"),
        ("file,class_index\n,0\n", "line 2: there is no file ''"),
        (
            "file,class_index,box_xyxy\na.png,0,64 0 80 20\n",
            "line 2: the box '64 0 80 20' lies outside a.png of 64 x 64 pixels",
        ),
        ("file,class_index,box_xyxy\na.png,0,0 64 20 80\n", "lies outside a.png of 64 x 64 pixels"),
        (
            "file,class_index,box_224_xyxy\na.png,0,230 0 240 20\n",
            "line 2: the box '230 0 240 20' lies outside a.png squashed to 224 x 224 pixels",
        ),
        (
            "file,class_index,box_xyxy\na.png,0,10 10 50 66\n",
            "line 2: the box '10 10 50 66' reaches beyond a.png of 64 x 64 pixels by more than one: it may be",
        ),
        ("file,class_index,box_xyxy\na.png,0,10 10 500 64\n", "reaches beyond a.png"),
        ("file,class_index,box_xyxy\na.png,0,nan 0 80 20\n", "is not a box in the photo: x1 < x2"),
        ("", "is not a table of comma-separated values"),
        ("file,class_index\n", "holds no image"),
    ],
)
def test_a_wrong_table_is_refused(tmp_path: Path, rows: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load(path=str(write_folder(tmp_path, rows)))


@pytest.mark.parametrize(
    "table",
    [
        "filename,label\na.png,7\nb.png,3\n",
        "Image Path,Class-ID\na.png,7\nb.png,3\n",
        "image;class\na.png;7\nb.png;3\n",
        "path\tclass_index\na.png\t7\nb.png\t3\n",
        "file, class_index\na.png, 7\nb.png, 3\n",
        "file , class_index \n\n a.png , 7 \nb.png,3\n",
        '"file";"class_index"\r\n"a.png";"7"\r\n"b.png";"3"\r\n',
        "\ufefffile,class_index,label\na.png,7,dog\nb.png,3,\n",
    ],
)
def test_a_table_with_common_headers_and_delimiters_is_understood(tmp_path: Path, table: str) -> None:
    images = load(path=str(write_folder(tmp_path, table, files=("a.png", "b.png"))), size=32)
    assert images.classes == ()
    assert {images[index].name: images[index].label for index in range(2)} == {"a.png": 7, "b.png": 3}


def test_an_empty_line_is_counted_in_the_line_of_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="line 4: 'x' is not a class index"):
        load(path=str(write_folder(tmp_path, "file,class_index\n\n\na.png,x\n")))


@pytest.mark.parametrize("header", ["file,label", "image,class_name", "path,category"])
def test_words_in_a_table_are_names_of_classes(tmp_path: Path, header: str) -> None:
    files = ("a.png", "b.png", "c.png")
    write_folder(tmp_path, f"{header}\na.png,zebra\nb.png,cat\nc.png,zebra\n", files=files)
    images = load(path=str(tmp_path), size=32)
    assert images.classes == ("cat", "zebra")
    assert {images[index].name: images[index].label for index in range(3)} == {"a.png": 1, "b.png": 0, "c.png": 1}


def test_numbers_of_a_column_of_names_are_names(tmp_path: Path) -> None:
    write_folder(tmp_path, "file,class_name\na.png,8\nb.png,B\n", files=("a.png", "b.png"))
    assert load(path=str(tmp_path), size=32).classes == ("8", "B")


@pytest.mark.parametrize("header", ["class_index", "label", "class_name"])
def test_wordnet_ids_are_imagenets_classes(tmp_path: Path, header: str) -> None:
    write_folder(tmp_path, f"file,{header}\na.png,n02102040\nb.png,n01440764\n", files=("a.png", "b.png"))
    images = load(path=str(tmp_path), size=32)
    indices = map_labels(images, [f"class {index}" for index in range(1000)])
    loaded = [images[index] for index in range(2)]
    assert {image.name: indices[image.label] for image in loaded if image.label is not None} == {
        "a.png": 217,
        "b.png": 0,
    }


def write_image(file: Path | bytes) -> None:
    with Path(os.fsdecode(file)).open("wb") as stream:
        Image.new("RGB", (40, 40)).save(stream, "PNG")


def test_file_names_that_are_not_utf8_are_shown_with_escapes(tmp_path: Path) -> None:
    write_image(bytes(tmp_path) + b"/caf\xe9.png")
    write_image(tmp_path / "b.png")
    (tmp_path / "labels.csv").write_bytes(b"file,class_index\ncaf\xe9.png,3\nb.png,4\n")
    for images in (load(path=str(tmp_path), size=32), load(path=str(without_table(tmp_path)), size=32)):
        assert {images[index].name for index in range(2)} == {"caf\\xe9.png", "b.png"}
    (tmp_path / "labels.csv").write_bytes(b"file,class_index\nd\xe9.png,3\n")
    with pytest.raises(UsageError, match=r"line 2: there is no file 'd\\\\xe9\.png'") as error:
        load(path=str(tmp_path))
    assert str(error.value).isprintable()


def without_table(root: Path) -> Path:
    (root / "labels.csv").unlink()
    return root


def test_a_run_of_files_whose_names_are_not_utf8_goes_on(tmp_path: Path) -> None:
    root = tmp_path / "photos"
    (root / "dog").mkdir(parents=True)
    write_image(bytes(root) + b"/dog/caf\xe9.png")
    (root / "dog" / os.fsdecode(b"d\xe9.png")).write_bytes(b"damaged")
    (root / "dog" / "a.heic").write_bytes(b"of a format that is not read")
    options = ["--nets", "squeezenet1_1", "--methods", "centre", "--metrics", "gini", "--precision", "fp32"]
    result = CliRunner().invoke(main, ["run", "--dataset", str(root), *options, "--out", str(tmp_path / "run")])
    output = " ".join(result.output.split())
    assert result.exit_code == 3, output
    assert "1 file of the folder not taken for images: 1 .heic" in output
    assert r"d\xe9.png cannot be read as an image" in output
    run = store.open_run(tmp_path / "run")
    assert set(run.table("scores")["image"]) == {r"dog/caf\xe9.png"}
    assert run.header.data.notes == ["1 file of the folder not taken for images: 1 .heic"]


def test_a_folder_whose_name_is_not_utf8_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    with pytest.raises(UsageError, match=r"caf\\xe9 is not UTF-8: rename it, or name a link to it"):
        load(path=str(folder))


@pytest.mark.parametrize("extension", sorted(EXTENSIONS | {".JPG"}))
def test_photos_of_all_formats_are_taken(tmp_path: Path, extension: str) -> None:
    colour = (200, 100, 50)
    grey = extension in (".pgm", ".pfm")
    picture = Image.new("F" if extension == ".pfm" else "L" if grey else "RGB", (40, 40), 200 if grey else colour)
    formats = {".jpc": "JPEG2000", ".pbm": "PPM", ".JPG": "JPEG"}  # of extensions that Pillow only reads
    with (tmp_path / f"a{extension}").open("wb") as stream:
        picture.save(stream, formats.get(extension) or Image.registered_extensions()[extension])
    image = load(path=str(tmp_path), size=32)[0]
    expected = (200, 200, 200) if grey else colour
    assert image.name == f"a{extension}" and np.abs(image.pixels.astype(int) - expected).max() <= 8


def test_files_that_are_not_taken_are_counted(tmp_path: Path) -> None:
    for name in ("dog/a.png", "dog/b.heic", "cat/a.heic", "cat/notes.txt", "README", ".hidden"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (40, 40)).save(tmp_path / name, "PNG")
    images = load(path=str(tmp_path))
    assert images.classes == ("dog",)
    assert images.notes == ("4 files of the folder not taken for images: 2 .heic, 1 without an extension, 1 .txt",)
    (tmp_path / "dog/a.png").unlink()
    with pytest.raises(
        UsageError, match=r"holds no image: put images there.*\(4 files of the folder not taken for images"
    ):
        load(path=str(tmp_path))


@pytest.mark.parametrize("position", ["start", "end", "header"])
def test_a_damaged_avif_is_named_in_the_error(tmp_path: Path, position: str) -> None:
    """Pillow raises RuntimeError for an AVIF without its image, as it does for unknown pixel formats of other files."""
    write_folder(tmp_path, "file,class_index,box_xyxy\na.avif,0,0 0 9 9\n")
    noise = np.random.default_rng(0).integers(0, 255, (24, 24, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.avif")
    content = (tmp_path / "a.avif").read_bytes()
    place = content.index(b"iloc") + 8
    damaged = {
        "start": content[:40],
        "end": content[:-20],
        "header": content[:place] + bytes(8) + content[place + 8 :],
    }
    (tmp_path / "a.avif").write_bytes(damaged[position])
    with pytest.raises(ImageError, match=r"a\.avif cannot be read as an image"):
        load(path=str(tmp_path))[0]


def test_a_file_outside_the_folder_is_not_read(tmp_path: Path) -> None:
    root = tmp_path / "photos"
    root.mkdir()
    Image.new("RGB", (64, 64)).save(tmp_path / "secret.png")
    for name in ("../secret.png", str(tmp_path / "secret.png"), "images/../../secret.png"):
        write_folder(root, f"file,class_index\n{name},0\n")
        with pytest.raises(UsageError, match="is absolute or has"):
            load(path=str(root))


def test_a_box_is_clipped_to_the_image_by_a_pixel_at_most(tmp_path: Path) -> None:
    write_folder(tmp_path, "file,class_index,box_xyxy\na.png,7,32 32 65 64.5\n")
    (marked,) = load(path=str(tmp_path), size=32, resize="squash")[0].objects
    assert marked.mask[16:, 16:].all() and marked.mask.sum() == 16 * 16


def test_images_without_folders_of_classes_have_no_label(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.png"):
        Image.new("RGB", (40, 40)).save(tmp_path / name)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "read.me").write_text("no image", encoding="utf-8")
    (tmp_path / "._a.png").write_bytes(b"a hidden file of macOS")
    images = load(path=str(tmp_path))
    assert images.classes == () and len(images) == 2
    loaded = [images[index] for index in range(2)]
    assert {image.name for image in loaded} == {"a.png", "b.JPG"}
    assert all(image.label is None and image.objects == () for image in loaded)


def test_a_folder_with_both_images_and_class_folders_is_refused(tmp_path: Path) -> None:
    (tmp_path / "dog").mkdir()
    for name in ("a.png", "dog/b.png"):
        Image.new("RGB", (40, 40)).save(tmp_path / name)
    with pytest.raises(UsageError, match=r"holds both images \(a\.png\) and folders of images \(dog\): put each image"):
        load(path=str(tmp_path))
    (tmp_path / "labels.csv").write_text("file,class_index\na.png,0\ndog/b.png,1\n", encoding="utf-8")
    assert len(load(path=str(tmp_path))) == 2


def test_boxes_are_checked_without_reading_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening a folder of fifty thousand images must be fast."""
    write_folder(tmp_path, "file,class_index,box_xyxy\na.png,7,16 0 48 32\n")
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda _: pytest.fail("pixels were read"))
    assert len(load(path=str(tmp_path))) == 1


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"holds no image: put images there"):
        load(path=str(tmp_path))


def test_a_folder_takes_settings_in_brackets(tmp_path: Path) -> None:
    write_folder(tmp_path, "file,class_index\na.png,7\n")
    plugin = find_dataset(f"{tmp_path}[size=96]", seed=3)
    assert plugin.settings == find_dataset(f"image_folder[path={tmp_path},size=96]", seed=3).settings
    assert plugin()[0].pixels.shape == (96, 96, 3)
    odd = tmp_path / "2020, old"
    odd.mkdir()
    Image.new("RGB", (40, 40)).save(odd / "a.png")
    assert find_dataset(f"{odd}[size=32]")()[0].pixels.shape == (32, 32, 3)
    assert find_dataset("memory://x[size=32]").settings["path"] == "memory://x"
    for spec, message in (
        (f"{tmp_path}/nowhere[size=96]", "there is no folder"),
        (f"{tmp_path}[sice=96]", "did you mean 'size'"),
        (f"{tmp_path}[size=96", "names no dataset"),
        ("/[size=32]", "^/ is the root of the file system"),
    ):
        with pytest.raises(UsageError, match=message):
            find_dataset(spec)


@pytest.mark.parametrize(("alpha", "note"), [(255, ""), (0, "its transparent parts are put on white")])
def test_transparent_parts_are_put_on_white_with_a_word(tmp_path: Path, alpha: int, note: str) -> None:
    pixels = np.full((8, 8, 4), 40, np.uint8)
    pixels[..., 3], pixels[:4, :, 3] = 255, alpha
    Image.fromarray(pixels).save(tmp_path / "a.png")
    image = load(path=str(tmp_path), size=8)[0]
    assert image.note == note
    assert image.pixels[0].tolist() == [[40 if alpha else 255] * 3] * 8 and image.pixels[7].max() == 40


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no folder"):
        load(path=str(tmp_path / "nowhere"))


def test_crop_all_keeps_the_whole_shorter_side(tmp_path: Path) -> None:
    pixels = np.zeros((40, 60, 3), dtype=np.uint8)
    pixels[:, 10:50] = 255  # the middle square
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert (load(path=str(tmp_path), size=40, resize="crop-all")[0].pixels == 255).all()


LYING = np.zeros((40, 60, 3), dtype=np.uint8)  # as stored; rotated by 90 degrees clockwise it is 60 high and 40 wide
LYING[:20, :30] = 255  # the upper left quarter as stored, the upper right one upright


def write_rotated(file: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90 degrees clockwise
    Image.fromarray(LYING).save(file, exif=exif)


@pytest.mark.parametrize("file", ["a.jpg", "a.png", "a.tif", "a.webp"])
def test_photos_are_rotated_upright(tmp_path: Path, file: str) -> None:
    """Phones store photos in the orientation of the sensor; boxes refer to the upright photo."""
    write_rotated(tmp_path / file)
    (tmp_path / "labels.csv").write_text(f"file,class_index,box_xyxy\n{file},0,20 0 40 30\n", encoding="utf-8")
    image = load(path=str(tmp_path), size=40, resize="squash")[0]
    assert (image.pixels[:18, 22:] > 200).all() and (image.pixels[:, :18] < 50).all()
    assert image.objects[0].mask[:20, 20:].all() and image.objects[0].mask.sum() == 20 * 20


@pytest.mark.parametrize("mode", ["1", "L", "P", "I;16", "RGB", "RGBA", "LA"])
def test_masks_of_all_image_modes_are_read(tmp_path: Path, mode: str) -> None:
    """64 pixels are 256/224 of 56, so 4 are cut off at each side; a mask is cropped like its photo."""
    write_folder(tmp_path, "file,class_index,mask\na.png,7,masks/a.png\n")
    (tmp_path / "masks").mkdir()
    values = np.zeros((64, 64), dtype=np.uint16 if mode == "I;16" else np.uint8)
    values[:20, :] = 1
    if mode in ("RGB", "RGBA", "LA"):  # opaque everywhere: transparency does not mark the object
        channels = [values * 0, values * 255, values * 0, values * 0 + 255]
        values = np.stack([channels[1], channels[3]] if mode == "LA" else channels[: len(mode)], -1)
    picture = Image.fromarray(values * 255).convert("1") if mode == "1" else Image.fromarray(values)
    if mode == "P":
        picture.putpalette([0, 0, 0, 255, 0, 0])
    assert picture.mode == mode
    picture.save(tmp_path / "masks" / "a.png")
    (marked,) = load(path=str(tmp_path), size=56)[0].objects
    assert marked.label == 7 and marked.mask[:16].all() and not marked.mask[16:].any()


def test_a_mask_of_another_size_or_outside_the_folder_is_refused(tmp_path: Path) -> None:
    write_folder(tmp_path, "file,class_index,mask\na.png,7,m.png\n")
    Image.new("L", (32, 64)).save(tmp_path / "m.png")
    with pytest.raises(
        UsageError, match=r"line 2: the mask m.png is 32 x 64 pixels, its photo 64 x 64: they must have one"
    ):
        load(path=str(tmp_path))
    write_folder(tmp_path, "file,class_index,mask\na.png,7,../m.png\n")
    with pytest.raises(UsageError, match="is absolute or has"):
        load(path=str(tmp_path))


def test_empty_cells_and_empty_masks_give_no_object(tmp_path: Path) -> None:
    write_folder(tmp_path, "file,class_index,mask\na.png,7,\nb.png,7,m.png\n", files=("a.png", "b.png"))
    Image.new("L", (64, 64)).save(tmp_path / "m.png")
    images = load(path=str(tmp_path))
    assert [images[index].objects for index in range(2)] == [(), ()]


def copy_to_address(address: str, root: Path) -> str:
    """Copy the files of a local folder to an address. Return the address."""
    upath = pytest.importorskip("upath", reason="universal-pathlib, of the extra `fsspec`, is not installed")
    for file in root.rglob("*"):
        if file.is_file():
            upath.UPath(address).joinpath(file.relative_to(root).as_posix()).write_bytes(file.read_bytes())
    return address


@pytest.mark.parametrize("labelled", [False, True])
def test_an_address_is_read_like_a_folder(tmp_path: Path, labelled: bool) -> None:
    for number, name in enumerate(("dog", "cat")):
        (tmp_path / name).mkdir()
        Image.new("RGB", (40, 60), (number * 90, 50, 50)).save(tmp_path / name / "1.png")
    if labelled:
        (tmp_path / "labels.csv").write_text(
            "file,class_index,box_xyxy\ndog/1.png,3,0 0 9 9\ncat/1.png,4,\n", encoding="utf-8"
        )
    local, remote = load(path=str(tmp_path)), load(path=copy_to_address(f"memory://photos{labelled}", tmp_path))
    assert len(local) == len(remote) == 2 and local.classes == remote.classes
    for index in range(2):
        local_image, remote_image = local[index], remote[index]
        assert (local_image.name, local_image.label, len(local_image.objects)) == (
            remote_image.name,
            remote_image.label,
            len(remote_image.objects),
        )
        assert (local_image.pixels == remote_image.pixels).all()


def test_a_run_reads_its_images_from_an_address(tmp_path: Path) -> None:
    Image.new("RGB", (64, 64), (90, 50, 50)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"damaged")
    address = copy_to_address("memory://some", tmp_path)
    options = ["--nets", "squeezenet1_1", "--methods", "centre", "--metrics", "gini", "--precision", "fp32"]
    result = CliRunner().invoke(main, ["run", "--dataset", address, *options, "--out", str(tmp_path / "run")])
    assert result.exit_code == 3, result.output
    assert set(store.open_run(tmp_path / "run").table("scores")["image"]) == {"a.png"}
    assert "b.png cannot be read as an image" in " ".join(result.output.split())


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("memory://nothing", "there is no folder memory://nothing"),
        ("nope://bucket/photos", "nope://bucket/photos cannot be reached"),
    ],
)
def test_an_unreachable_address_is_refused(address: str, message: str) -> None:
    pytest.importorskip("upath", reason="universal-pathlib, of the extra `fsspec`, is not installed")
    with pytest.raises(UsageError, match=message):
        load(path=address)


DAMAGES = {"text": b"not an image", "empty": b"", "start": b"\x89PNG\r\n\x1a\n" + b"0" * 40, "cut": None}


def damage(file: Path, name: str) -> None:
    """Replace a file by bytes that are no image, or leave a third of it."""
    whole, content = file.read_bytes(), DAMAGES[name]
    file.write_bytes(whole[: len(whole) // 3] if content is None else content)


@pytest.mark.parametrize("name", DAMAGES)
@pytest.mark.parametrize(
    ("damaged", "column"), [("b.jpg", "mask"), ("mask.png", "mask"), ("b.jpg", "box_xyxy"), ("b.jpg", "box_32_xyxy")]
)
def test_a_damaged_photo_or_mask_with_an_object_fails_alone(
    tmp_path: Path, name: str, damaged: str, column: str
) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    for file in ("a.jpg", "b.jpg", "mask.png", "whole.png"):
        Image.fromarray(noise).save(tmp_path / file)
    damage(tmp_path / damaged, name)
    objects = ("whole.png", "mask.png") if column == "mask" else ("0 0 9 9", "0 0 9 9")
    rows = "".join(f"{file},0,{marked}\n" for file, marked in zip(("a.jpg", "b.jpg"), objects, strict=True))
    (tmp_path / "labels.csv").write_text(f"file,class_index,{column}\n{rows}", encoding="utf-8")
    images = load(path=str(tmp_path), size=32)
    by_name = {images.name(index): index for index in range(2)}
    assert len(images[by_name["a.jpg"]].objects) == 1
    with pytest.raises(ImageError, match=rf"{damaged} cannot be read as an image"):
        images[by_name["b.jpg"]]
