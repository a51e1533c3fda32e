"""Public data sets, each read from a tiny copy of its files: labels, objects, and the errors for missing files."""

import gzip
import hashlib
import json
import pickle
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NoReturn
from urllib.error import URLError

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import CIFAR10

from cambench.bench.core.errors import ImageError, UsageError
from cambench.bench.core.plugins import DATASET, find
from cambench.bench.data.checked import open_dataset

Loaded = Any  # bench.data.types.Images: what a plug-in's load returns


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder, and no network."""

    def unplugged(*_: object, **__: object) -> NoReturn:
        raise URLError("no network")

    monkeypatch.setattr(urllib.request, "urlopen", unplugged)
    monkeypatch.setattr("torchvision.datasets.utils._get_redirect_url", unplugged)
    monkeypatch.setenv("CAMBENCH_DATA", str(tmp_path))
    return tmp_path


def load_images(spec: str) -> Loaded:
    return find(DATASET, spec, seed=0)()


def images_by_name(images: Loaded) -> dict[str, Any]:
    return {images.name(index): images[index] for index in range(len(images))}


def write_photo(file: Path, width: int = 64, height: int = 64, colour: tuple[int, int, int] = (200, 100, 50)) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (width, height), colour).save(file)


@pytest.mark.parametrize(
    ("spec", "page", "folder"),
    [
        ("cifar10", "https://www.cs.toronto.edu/~kriz/cifar.html", "cifar-10-batches-py"),
        ("mnist", "https://ossci-datasets.s3.amazonaws.com/mnist/", "MNIST/raw"),
        ("fashion_mnist", "https://github.com/zalandoresearch/fashion-mnist", "FashionMNIST/raw"),
        ("imagenette", "https://github.com/fastai/imagenette", "imagenette2-320"),
        ("oxford_iiit_pet", "https://www.robots.ox.ac.uk/~vgg/data/pets/", "oxford-iiit-pet/annotations"),
        ("voc", "http://host.robots.ox.ac.uk/pascal/VOC/", "VOCdevkit/VOC2012"),
        ("voc[year=2007,split=test]", "http://host.robots.ox.ac.uk/pascal/VOC/", "VOCdevkit/VOC2007"),
        ("coco", "https://cocodataset.org/#download", "coco/val2017"),
        ("imagenet", "https://www.image-net.org/download.php", "imagenet/val"),
    ],
)
def test_the_error_for_a_missing_data_set_names_its_page_and_folder(
    spec: str, page: str, folder: str, root: Path
) -> None:
    with pytest.raises(UsageError) as refusal:
        load_images(spec)
    (sentence,) = str(refusal.value).splitlines()
    assert f"download it from {page}" in sentence and f"so that there is {root / folder}" in sentence


def test_voc_tests_without_annotations_are_refused() -> None:
    with pytest.raises(UsageError, match="VOC 2012 has no annotations of its test images"):
        load_images("voc[split=test]")


def write_idx(file: Path, values: np.ndarray) -> None:
    """Write an idx file in MNIST's format, and its archive."""
    file.parent.mkdir(parents=True, exist_ok=True)
    head = bytes([0, 0, 8, values.ndim]) + b"".join(size.to_bytes(4, "big") for size in values.shape)
    file.write_bytes(head + values.astype(np.uint8).tobytes())
    file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))


@pytest.mark.parametrize(
    ("spec", "folder", "second"), [("mnist", "MNIST", "1"), ("fashion_mnist", "FashionMNIST", "Trouser")]
)
def test_mnist(spec: str, folder: str, second: str, root: Path) -> None:
    pixels = np.zeros((4, 28, 28))
    pixels[2, 5, 7] = 200
    for split in ("train", "t10k"):
        write_idx(root / folder / "raw" / f"{split}-images-idx3-ubyte", pixels)
        write_idx(root / folder / "raw" / f"{split}-labels-idx1-ubyte", np.array([3, 1, 4, 1]))
    images = load_images(spec)
    assert len(images) == 4 and len(images.classes) == 10 and images.classes[1] == second
    image = images_by_name(images)["test-00002"]
    assert image.label == 4 and image.objects == ()
    assert image.pixels.shape == (28, 28, 3) and image.pixels.sum() == 600 and image.pixels[5, 7].tolist() == [200] * 3


def write_batch(file: Path, content: dict[str, Any]) -> list[str]:
    """Write a pickle like CIFAR-10's batches. Return its name and checksum, as torchvision lists them."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(pickle.dumps(content))
    return [file.name, hashlib.md5(file.read_bytes()).hexdigest()]


def test_cifar10(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.zeros((2, 3, 32, 32), dtype=np.uint8)
    pixels[1, 2, 4, 9] = 77  # blue
    folder = root / CIFAR10.base_folder
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    listed = write_batch(folder / "test_batch", {"data": pixels.reshape(2, -1), "labels": [8, 3]})
    meta = write_batch(folder / "batches.meta", {"label_names": names})
    with pytest.raises(UsageError, match="CIFAR-10 cannot be downloaded"):
        load_images("cifar10")  # files of other checksums are not unpickled
    monkeypatch.setattr(CIFAR10, "train_list", [])
    monkeypatch.setattr(CIFAR10, "test_list", [listed])
    monkeypatch.setattr(CIFAR10, "meta", CIFAR10.meta | {"md5": meta[1]})
    images = load_images("cifar10")
    assert images.classes == tuple(names)
    image = images_by_name(images)["test-00001"]
    assert image.label == 3 and image.pixels.shape == (32, 32, 3) and image.pixels[4, 9].tolist() == [0, 0, 77]
    assert load_images("cifar10[size=64]")[0].pixels.shape == (64, 64, 3)


def test_imagenette(root: Path) -> None:
    for number, folder in enumerate(("n01440764", "n02102040")):
        write_photo(root / "imagenette2-160" / "val" / folder / f"ILSVRC2012_val_{number:08}.JPEG")
        write_photo(root / "imagenette2-160" / "train" / folder / "other.JPEG")
    images = load_images("imagenette[files=160px]")
    assert images.classes == ("n01440764", "n02102040")
    assert {name: image.label for name, image in images_by_name(images).items()} == {
        "n01440764/ILSVRC2012_val_00000000.JPEG": 0,
        "n02102040/ILSVRC2012_val_00000001.JPEG": 1,
    }


VOC = """<annotation><folder>VOC2012</folder><filename>{name}.jpg</filename>
<size><width>{width}</width><height>{height}</height><depth>3</depth></size><segmented>0</segmented>{objects}</annotation>"""
BOX = """<object><name>{}</name><pose>Left</pose><truncated>1</truncated><difficult>0</difficult>
<bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox></object>"""


def write_annotation(file: Path, *boxes: tuple[str, int, int, int, int], width: int = 80, height: int = 40) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    objects = "".join(BOX.format(*box) for box in boxes)
    file.write_text(VOC.format(name=file.stem, width=width, height=height, objects=objects), encoding="utf-8")


def write_voc(root: Path, year: int = 2012) -> Path:
    folder = root / "VOCdevkit" / f"VOC{year}"
    for task in ("Main", "Segmentation"):
        (folder / "ImageSets" / task).mkdir(parents=True)
        (folder / "ImageSets" / task / "val.txt").write_text(
            "2008_000002\n2008_000003 \n"[: 12 if task != "Main" else None], encoding="utf-8"
        )
    for name in ("2008_000002", "2008_000003"):
        write_photo(folder / "JPEGImages" / f"{name}.jpg", 80, 40)
    return folder


@pytest.mark.parametrize("year", [2007, 2012])
def test_voc_boxes(root: Path, year: int) -> None:
    """A box of pixels 1 to 20 covers a quarter of 80 pixels; the label is that of the largest object."""
    folder = write_voc(root, year)
    write_annotation(folder / "Annotations" / "2008_000002.xml", ("dog", 1, 1, 20, 40), ("person", 41, 1, 80, 40))
    write_annotation(folder / "Annotations" / "2008_000003.xml")
    images = load_images(f"voc[year={year},size=80,resize=squash]")
    person, dog = images.classes.index("person"), images.classes.index("dog")
    image, empty = (images_by_name(images)[f"2008_00000{number}.jpg"] for number in (2, 3))
    assert (image.label, [marked.label for marked in image.objects]) == (person, [person, dog])
    assert image.objects[1].mask[:, :20].all() and image.objects[1].mask.sum() == 20 * 80
    assert empty.label is None and empty.objects == ()


def write_palette(file: Path, values: np.ndarray) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(values.astype(np.uint8))
    picture.putpalette([number % 251 for number in range(768)])
    picture.save(file)


def test_voc_masks(root: Path) -> None:
    """Two dogs are two objects, separated by the second picture; the outline, 255, belongs to no object."""
    folder = write_voc(root)
    classes, objects = np.zeros((40, 80)), np.zeros((40, 80))
    classes[10:30, 10:30], objects[10:30, 10:30] = 12, 1  # dog
    classes[10:30, 40:50], objects[10:30, 40:50] = 12, 2
    classes[0:4, 0:4], objects[0:4, 0:4] = 15, 3  # person
    classes[9, 10:30] = objects[9, 10:30] = 255
    write_palette(folder / "SegmentationClass" / "2008_000002.png", classes)
    write_palette(folder / "SegmentationObject" / "2008_000002.png", objects)
    images = load_images("voc[objects=masks,size=80,resize=squash]")
    assert len(images) == 1  # not all are segmented
    image = images[0]
    assert [images.classes[marked.label] for marked in image.objects] == ["dog", "dog", "person"]
    assert [int(marked.mask.sum()) for marked in image.objects] == [20 * 2 * 20, 20 * 2 * 10, 4 * 2 * 4]
    assert image.objects[0].mask[20:60, 10:30].all()


def test_a_broken_annotation_file_is_named_in_the_error(root: Path) -> None:
    folder = write_voc(root)
    (folder / "Annotations").mkdir()
    (folder / "Annotations" / "2008_000003.xml").write_text("<annotation><size>", encoding="utf-8")
    write_annotation(folder / "Annotations" / "2008_000002.xml", ("dog", 1, 1, 2, 2), width=0)
    for index in range(2):
        with pytest.raises(ImageError, match=r"2008_00000\d\.xml cannot be read as VOC's annotations"):
            load_images("voc")[index]


def test_oxford_iiit_pet(root: Path) -> None:
    """The mask holds the animal (1) and its outline (3) in the trimap."""
    folder = root / "oxford-iiit-pet"
    listed = [("Abyssinian_1", 1, 1, 1), ("american_bulldog_7", 2, 2, 1)]
    for name, *_ in listed:
        write_photo(folder / "images" / f"{name}.jpg", 80, 40)
        trimap = np.full((40, 80), 2, dtype=np.uint8)
        trimap[10:30, 20:40], trimap[10:30, 40:42] = 1, 3
        (folder / "annotations" / "trimaps").mkdir(parents=True, exist_ok=True)
        Image.fromarray(trimap).save(folder / "annotations" / "trimaps" / f"{name}.png")
    (folder / "annotations" / "test.txt").write_text(
        "".join(" ".join(map(str, row)) + "\n" for row in listed), encoding="utf-8"
    )
    images = load_images("oxford_iiit_pet[size=80,resize=squash]")
    assert images.classes == ("Abyssinian", "American Bulldog")
    image = images_by_name(images)["american_bulldog_7.jpg"]
    assert image.label == 1
    (animal,) = image.objects
    assert animal.label == 1 and animal.mask[20:60, 20:42].all() and animal.mask.sum() == 40 * 22


def write_coco(root: Path, **changes: Any) -> None:
    for name in ("000000000139.jpg", "000000000285.jpg"):
        write_photo(root / "coco" / "val2017" / name, 80, 40)
    annotation = {"iscrowd": 0, "image_id": 139, "segmentation": [[0, 0, 20, 0, 20, 40, 0, 40]], "bbox": [0, 0, 20, 40]}
    content: dict[str, Any] = {
        "categories": [{"id": 90, "name": "toothbrush"}, {"id": 1, "name": "person"}, {"id": 3, "name": "car"}],
        "images": [
            {"id": number, "file_name": f"{number:012}.jpg", "width": 80, "height": 40} for number in (285, 139)
        ],
        "annotations": [
            annotation | {"category_id": 3},
            annotation
            | {"category_id": 90, "bbox": [40.0, 0.0, 40.0, 40.0], "segmentation": [[40, 0, 79, 0, 79, 39, 40, 39]]},
            annotation | {"category_id": 1, "bbox": [0, 0, 80, 40], "iscrowd": 1, "segmentation": {"counts": [1]}},
        ],
    }
    (root / "coco" / "annotations").mkdir(parents=True)
    (root / "coco" / "annotations" / "instances_val2017.json").write_text(
        json.dumps(content | changes), encoding="utf-8"
    )


@pytest.mark.parametrize("objects", ["boxes", "masks"])
def test_coco(root: Path, objects: str) -> None:
    """Category numbers have gaps, crowds are left out, and the label is that of the largest object."""
    write_coco(root)
    images = load_images(f"coco[size=80,resize=squash,objects={objects}]")
    assert images.classes == ("person", "car", "toothbrush")
    assert [images.name(index) for index in range(len(images))] == ["000000000139.jpg"]
    image = images[0]
    assert image.label == 2 and [marked.label for marked in image.objects] == [2, 1]
    assert image.objects[0].mask[:, 40:].all() and image.objects[0].mask.sum() == 40 * 80
    assert find(DATASET, "coco").thread_safe
    with ThreadPoolExecutor(4) as reader:
        for read in reader.map(images.__getitem__, [0] * 20):
            assert np.array_equal(read.pixels, image.pixels)
            assert all(map(np.array_equal, (each.mask for each in read.objects), (each.mask for each in image.objects)))


def test_broken_coco_annotations_are_named_in_the_error(root: Path) -> None:
    write_coco(root, annotations=[{"id": 1}])
    with pytest.raises(UsageError, match=r"instances_val2017\.json cannot be read as COCO's annotations"):
        load_images("coco")


def test_imagenet_and_its_boxes(root: Path) -> None:
    for number, name in enumerate(("n01440764", "n01443537"), start=1):
        write_photo(root / "imagenet" / "val" / name / f"ILSVRC2012_val_{number:08}.JPEG", 80, 40)
    write_annotation(root / "imagenet" / "bbox" / "val" / "ILSVRC2012_val_00000002.xml", ("n01443537", 1, 1, 40, 40))
    images = load_images("imagenet[size=80,resize=squash]")
    unboxed, boxed = (
        images_by_name(images).values() if images[0].objects == () else reversed(images_by_name(images).values())
    )
    assert unboxed.label == 0 and unboxed.objects == ()
    assert boxed.name == "n01443537/ILSVRC2012_val_00000002.JPEG" and boxed.label == boxed.objects[0].label == 1
    assert boxed.objects[0].mask[:, :40].all() and boxed.objects[0].mask.mean() == 0.5


def test_the_seed_draws_the_order_and_the_root_is_a_setting(root: Path, tmp_path: Path) -> None:
    for number in range(8):
        write_photo(root / "elsewhere" / "imagenette2-320" / "val" / "n01440764" / f"{number}.JPEG")
    spec = f"imagenette[root={root / 'elsewhere'}]"
    orders = [
        [images.name(index) for index in range(8)]
        for images in (find(DATASET, spec, seed=seed)() for seed in (0, 0, 1))
    ]
    assert orders[0] == orders[1] != orders[2] and sorted(orders[2]) == sorted(orders[0])


def test_photos_of_scikit_image() -> None:
    images = load_images("photos[size=64]")
    assert images.name(0) == "chelsea.png" and len(images) >= 4
    labels = {name: image.label for name, image in images_by_name(images).items()}
    assert images.classes[labels["chelsea.png"]] == "tabby" and images.classes[labels["coffee.png"]] == "espresso"
    assert labels["astronaut.png"] is None
    assert all(images[index].pixels.std() > 20 for index in range(len(images)))


def test_a_size_that_no_net_takes_is_refused() -> None:
    with pytest.raises(UsageError, match="size: 100000 pixels are too many for any net; set 8 to 8192, usually 224"):
        load_images("photos[size=100000]")
    with pytest.raises(UsageError, match="size: 7 pixels are too few for any net"):
        load_images("photos[size=7]")


@pytest.fixture
def saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data set saved by Hugging Face's library, with two splits."""
    hf = pytest.importorskip("datasets", reason="the library of the extra `hf` is not installed")
    if not hasattr(hf, "Dataset"):
        pytest.skip("the library of the extra `hf` is not installed")
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    files = []
    for number, colour in enumerate(((255, 0, 0), (0, 0, 255), (0, 255, 0))):
        write_photo(tmp_path / "files" / f"{number}.png", 48, 40, colour)
        files.append(str(tmp_path / "files" / f"{number}.png"))
    features = hf.Features({"pic": hf.Image(), "kind": hf.ClassLabel(names=["warm", "cold"])})
    rows = hf.Dataset.from_dict({"pic": files, "kind": [0, 1, -1]}, features=features)
    folder = tmp_path / "saved"
    hf.DatasetDict({"test": rows, "train": rows.select([0])}).save_to_disk(folder)
    return folder


def test_hugging_face(saved: Path) -> None:
    images = load_images(f"hf[name={saved},size=32]")
    assert images.classes == ("warm", "cold") and len(images) == 3
    by_name = images_by_name(images)
    assert [by_name[f"test-0000{number}"].label for number in range(3)] == [0, 1, None]
    assert by_name["test-00001"].pixels.shape == (32, 32, 3) and (by_name["test-00001"].pixels == (0, 0, 255)).all()
    assert len(load_images(f"hf[name={saved},split=train]")) == 1


def test_hugging_face_progress_bars_stay_as_they_were(saved: Path) -> None:
    import datasets

    for switch, disabled in ((datasets.disable_progress_bars, True), (datasets.enable_progress_bars, False)):
        switch()
        load_images(f"hf[name={saved},size=32]")
        assert datasets.are_progress_bars_disabled() is disabled


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("split=val", "has no split 'val': .*there are: test, train"),
        ("image=picture", "has no column 'picture' of Image: .*there are: pic"),
        ("label=pic", "has no column 'pic' of ClassLabel: .*there are: kind"),
    ],
)
def test_hugging_face_errors_name_the_alternatives(saved: Path, setting: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_images(f"hf[name={saved},{setting}]")


def test_the_code_of_a_hugging_face_data_set_is_not_run(saved: Path, tmp_path: Path) -> None:
    folder, executed = tmp_path / "evil", tmp_path / "executed"
    folder.mkdir()
    (folder / "evil.py").write_text(f"import pathlib\npathlib.Path({str(executed)!r}).touch()\n", encoding="utf-8")
    with pytest.raises(UsageError, match="cannot be loaded"):
        load_images(f"hf[name={folder}]")
    assert not executed.exists()


def test_an_unavailable_hub_data_set_is_refused(saved: Path) -> None:
    with pytest.raises(UsageError, match=r"hf:nobody/nothing-here cannot be loaded \(.*save_to_disk"):
        load_images("hf:nobody/nothing-here")


OWN = '''"""Grey images that are made in the same two arrays."""
import numpy as np
from cambench import Image, Object


class Images:
    classes = ("a", "b")
    pixels, mask = np.zeros((8, 8, 3), dtype=np.uint8), np.zeros((8, 8), dtype=bool)

    def __len__(self):
        return 3

    def name(self, index):
        return str(index)

    def __getitem__(self, index):
        self.pixels[:], self.mask[:] = index, False
        self.mask[index] = True
        return Image(str(index), self.pixels, 0, (Object(0, self.mask),))


def load():
    return Images()
'''


def test_a_data_set_may_fill_one_array_again_for_each_image(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(OWN, encoding="utf-8")
    images = open_dataset(find(DATASET, str(tmp_path / "own.py")))
    read = [images[index] for index in range(3)]
    assert [int(image.pixels.max()) for image in read] == [0, 1, 2]
    assert [np.flatnonzero(image.objects[0].mask.any(1)).tolist() for image in read] == [[0], [1], [2]]
