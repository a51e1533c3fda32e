"""Data sets of others, each read from a tiny copy of what is on disk: what is read, and what is said where nothing is there."""

import gzip
import hashlib
import json
import pickle
import urllib.request
from pathlib import Path
from typing import Any, NoReturn
from urllib.error import URLError

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import CIFAR10

from cambench.bench.core.errors import UsageError
from cambench.bench.core.plugins import DATASET, find

Made = Any  # bench.images.Images: what a plug-in's load gives


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of data sets, and no network."""

    def unplugged(*_: object, **__: object) -> NoReturn:
        raise URLError("no network")

    monkeypatch.setattr(urllib.request, "urlopen", unplugged)
    monkeypatch.setattr("torchvision.datasets.utils._get_redirect_url", unplugged)
    monkeypatch.setenv("CAMBENCH_DATA", str(tmp_path))
    return tmp_path


def loaded(spec: str) -> Made:
    return find(DATASET, spec, seed=0)()


def by_name(images: Made) -> dict[str, Any]:
    return {images.name(index): images[index] for index in range(len(images))}


def photo(file: Path, width: int = 64, height: int = 64, colour: tuple[int, int, int] = (200, 100, 50)) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (width, height), colour).save(file)


@pytest.mark.parametrize(
    ("spec", "page", "place"),
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
def test_what_cannot_be_fetched_says_from_where_and_to_where(spec: str, page: str, place: str, root: Path) -> None:
    with pytest.raises(UsageError) as refusal:
        loaded(spec)
    (sentence,) = str(refusal.value).splitlines()
    assert f"download it from {page}" in sentence and f"so that there is {root / place}" in sentence


def test_voc_tests_without_annotations_are_refused() -> None:
    with pytest.raises(UsageError, match="VOC 2012 has no annotations of its test images"):
        loaded("voc[split=test]")


def idx(file: Path, values: np.ndarray) -> None:
    """An idx file as MNIST's, and the archive that it came in."""
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
        idx(root / folder / "raw" / f"{split}-images-idx3-ubyte", pixels)
        idx(root / folder / "raw" / f"{split}-labels-idx1-ubyte", np.array([3, 1, 4, 1]))
    images = loaded(spec)
    assert len(images) == 4 and len(images.classes) == 10 and images.classes[1] == second
    image = by_name(images)["test-00002"]
    assert image.label == 4 and image.objects == ()
    assert image.pixels.shape == (28, 28, 3) and image.pixels.sum() == 600 and image.pixels[5, 7].tolist() == [200] * 3


def batch(file: Path, content: dict[str, Any]) -> list[str]:
    """A pickle as CIFAR-10's batches; its name and checksum, as torchvision lists them."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(pickle.dumps(content))
    return [file.name, hashlib.md5(file.read_bytes()).hexdigest()]


def test_cifar10(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.zeros((2, 3, 32, 32), dtype=np.uint8)
    pixels[1, 2, 4, 9] = 77  # blue
    folder = root / CIFAR10.base_folder
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    listed = batch(folder / "test_batch", {"data": pixels.reshape(2, -1), "labels": [8, 3]})
    meta = batch(folder / "batches.meta", {"label_names": names})
    with pytest.raises(UsageError, match="CIFAR-10 cannot be fetched"):
        loaded("cifar10")  # files of other checksums are not unpickled
    monkeypatch.setattr(CIFAR10, "train_list", [])
    monkeypatch.setattr(CIFAR10, "test_list", [listed])
    monkeypatch.setattr(CIFAR10, "meta", CIFAR10.meta | {"md5": meta[1]})
    images = loaded("cifar10")
    assert images.classes == tuple(names)
    image = by_name(images)["test-00001"]
    assert image.label == 3 and image.pixels.shape == (32, 32, 3) and image.pixels[4, 9].tolist() == [0, 0, 77]
    assert loaded("cifar10[size=64]")[0].pixels.shape == (64, 64, 3)


def test_imagenette(root: Path) -> None:
    for number, folder in enumerate(("n01440764", "n02102040")):
        photo(root / "imagenette2-160" / "val" / folder / f"ILSVRC2012_val_{number:08}.JPEG")
        photo(root / "imagenette2-160" / "train" / folder / "other.JPEG")
    images = loaded("imagenette[files=160px]")
    assert images.classes == ("n01440764", "n02102040")
    assert {name: image.label for name, image in by_name(images).items()} == {
        "n01440764/ILSVRC2012_val_00000000.JPEG": 0,
        "n02102040/ILSVRC2012_val_00000001.JPEG": 1,
    }


VOC = """<annotation><folder>VOC2012</folder><filename>{name}.jpg</filename>
<size><width>{width}</width><height>{height}</height><depth>3</depth></size><segmented>0</segmented>{objects}</annotation>"""
BOX = """<object><name>{}</name><pose>Left</pose><truncated>1</truncated><difficult>0</difficult>
<bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox></object>"""


def annotated(file: Path, *boxes: tuple[str, int, int, int, int], width: int = 80, height: int = 40) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    objects = "".join(BOX.format(*box) for box in boxes)
    file.write_text(VOC.format(name=file.stem, width=width, height=height, objects=objects))


def voc(root: Path, year: int = 2012) -> Path:
    folder = root / "VOCdevkit" / f"VOC{year}"
    for part in ("Main", "Segmentation"):
        (folder / "ImageSets" / part).mkdir(parents=True)
        (folder / "ImageSets" / part / "val.txt").write_text(
            "2008_000002\n2008_000003 \n"[: 12 if part != "Main" else None]
        )
    for name in ("2008_000002", "2008_000003"):
        photo(folder / "JPEGImages" / f"{name}.jpg", 80, 40)
    return folder


@pytest.mark.parametrize("year", [2007, 2012])
def test_voc_boxes(root: Path, year: int) -> None:
    """A box of pixels 1 to 20 covers a quarter of 80; the largest object gives the label."""
    folder = voc(root, year)
    annotated(folder / "Annotations" / "2008_000002.xml", ("dog", 1, 1, 20, 40), ("person", 41, 1, 80, 40))
    annotated(folder / "Annotations" / "2008_000003.xml")
    images = loaded(f"voc[year={year},size=80,resize=squash]")
    person, dog = images.classes.index("person"), images.classes.index("dog")
    image, empty = (by_name(images)[f"2008_00000{number}.jpg"] for number in (2, 3))
    assert (image.label, [thing.label for thing in image.objects]) == (person, [person, dog])
    assert image.objects[1].mask[:, :20].all() and image.objects[1].mask.sum() == 20 * 80
    assert empty.label is None and empty.objects == ()


def palette(file: Path, values: np.ndarray) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(values.astype(np.uint8))
    picture.putpalette([number % 251 for number in range(768)])
    picture.save(file)


def test_voc_masks(root: Path) -> None:
    """Two dogs are two objects, told apart by the second picture; the outline, 255, is nobody's."""
    folder = voc(root)
    classes, objects = np.zeros((40, 80)), np.zeros((40, 80))
    classes[10:30, 10:30], objects[10:30, 10:30] = 12, 1  # dog
    classes[10:30, 40:50], objects[10:30, 40:50] = 12, 2
    classes[0:4, 0:4], objects[0:4, 0:4] = 15, 3  # person
    classes[9, 10:30] = objects[9, 10:30] = 255
    palette(folder / "SegmentationClass" / "2008_000002.png", classes)
    palette(folder / "SegmentationObject" / "2008_000002.png", objects)
    images = loaded("voc[objects=masks,size=80,resize=squash]")
    assert len(images) == 1  # not all are segmented
    image = images[0]
    assert [images.classes[thing.label] for thing in image.objects] == ["dog", "dog", "person"]
    assert [int(thing.mask.sum()) for thing in image.objects] == [20 * 2 * 20, 20 * 2 * 10, 4 * 2 * 4]
    assert image.objects[0].mask[20:60, 10:30].all()


def test_a_broken_annotation_is_named(root: Path) -> None:
    folder = voc(root)
    (folder / "Annotations").mkdir()
    (folder / "Annotations" / "2008_000003.xml").write_text("<annotation><size>")
    annotated(folder / "Annotations" / "2008_000002.xml", ("dog", 1, 1, 2, 2), width=0)
    for index in range(2):
        with pytest.raises(UsageError, match=r"2008_00000\d\.xml cannot be read as VOC's annotations"):
            loaded("voc")[index]


def test_oxford_iiit_pet(root: Path) -> None:
    """Of the trimap the animal (1) and its outline (3) are the mask."""
    folder = root / "oxford-iiit-pet"
    listed = [("Abyssinian_1", 1, 1, 1), ("american_bulldog_7", 2, 2, 1)]
    for name, *_ in listed:
        photo(folder / "images" / f"{name}.jpg", 80, 40)
        trimap = np.full((40, 80), 2, dtype=np.uint8)
        trimap[10:30, 20:40], trimap[10:30, 40:42] = 1, 3
        (folder / "annotations" / "trimaps").mkdir(parents=True, exist_ok=True)
        Image.fromarray(trimap).save(folder / "annotations" / "trimaps" / f"{name}.png")
    (folder / "annotations" / "test.txt").write_text("".join(" ".join(map(str, row)) + "\n" for row in listed))
    images = loaded("oxford_iiit_pet[size=80,resize=squash]")
    assert images.classes == ("Abyssinian", "American Bulldog")
    image = by_name(images)["american_bulldog_7.jpg"]
    assert image.label == 1
    (animal,) = image.objects
    assert animal.label == 1 and animal.mask[20:60, 20:42].all() and animal.mask.sum() == 40 * 22


def coco(root: Path, **changes: Any) -> None:
    for name in ("000000000139.jpg", "000000000285.jpg"):
        photo(root / "coco" / "val2017" / name, 80, 40)
    thing = {"iscrowd": 0, "image_id": 139, "segmentation": [[0, 0, 20, 0, 20, 40, 0, 40]], "bbox": [0, 0, 20, 40]}
    told: dict[str, Any] = {
        "categories": [{"id": 90, "name": "toothbrush"}, {"id": 1, "name": "person"}, {"id": 3, "name": "car"}],
        "images": [
            {"id": number, "file_name": f"{number:012}.jpg", "width": 80, "height": 40} for number in (285, 139)
        ],
        "annotations": [
            thing | {"category_id": 3},
            thing
            | {"category_id": 90, "bbox": [40.0, 0.0, 40.0, 40.0], "segmentation": [[40, 0, 79, 0, 79, 39, 40, 39]]},
            thing | {"category_id": 1, "bbox": [0, 0, 80, 40], "iscrowd": 1, "segmentation": {"counts": [1]}},
        ],
    }
    (root / "coco" / "annotations").mkdir(parents=True)
    (root / "coco" / "annotations" / "instances_val2017.json").write_text(json.dumps(told | changes))


@pytest.mark.parametrize("objects", ["boxes", "masks"])
def test_coco(root: Path, objects: str) -> None:
    """Categories are numbered with gaps, crowds are left out, the largest object gives the label."""
    coco(root)
    images = loaded(f"coco[size=80,resize=squash,objects={objects}]")
    assert images.classes == ("person", "car", "toothbrush")
    assert [images.name(index) for index in range(len(images))] == ["000000000139.jpg"]
    image = images[0]
    assert image.label == 2 and [thing.label for thing in image.objects] == [2, 1]
    assert image.objects[0].mask[:, 40:].all() and image.objects[0].mask.sum() == 40 * 80


def test_broken_coco_annotations_are_named(root: Path) -> None:
    coco(root, annotations=[{"id": 1}])
    with pytest.raises(UsageError, match=r"instances_val2017\.json cannot be read as COCO's annotations"):
        loaded("coco")


def test_imagenet_and_its_boxes(root: Path) -> None:
    for number, name in enumerate(("n01440764", "n01443537"), start=1):
        photo(root / "imagenet" / "val" / name / f"ILSVRC2012_val_{number:08}.JPEG", 80, 40)
    annotated(root / "imagenet" / "bbox" / "val" / "ILSVRC2012_val_00000002.xml", ("n01443537", 1, 1, 40, 40))
    images = loaded("imagenet[size=80,resize=squash]")
    without, boxed = by_name(images).values() if images[0].objects == () else reversed(by_name(images).values())
    assert without.label == 0 and without.objects == ()
    assert boxed.name == "n01443537/ILSVRC2012_val_00000002.JPEG" and boxed.label == boxed.objects[0].label == 1
    assert boxed.objects[0].mask[:, :40].all() and boxed.objects[0].mask.mean() == 0.5


def test_the_seed_draws_the_order_and_the_root_may_be_named(root: Path, tmp_path: Path) -> None:
    for number in range(8):
        photo(root / "elsewhere" / "imagenette2-320" / "val" / "n01440764" / f"{number}.JPEG")
    spec = f"imagenette[root={root / 'elsewhere'}]"
    orders = [
        [images.name(index) for index in range(8)]
        for images in (find(DATASET, spec, seed=seed)() for seed in (0, 0, 1))
    ]
    assert orders[0] == orders[1] != orders[2] and sorted(orders[2]) == sorted(orders[0])


def test_photos_of_scikit_image() -> None:
    images = loaded("photos[size=64]")
    assert images.name(0) == "chelsea.png" and len(images) >= 4
    labels = {name: image.label for name, image in by_name(images).items()}
    assert images.classes[labels["chelsea.png"]] == "tabby" and images.classes[labels["coffee.png"]] == "espresso"
    assert labels["astronaut.png"] is None
    assert all(images[index].pixels.std() > 20 for index in range(len(images)))


def test_a_tiny_size_is_refused() -> None:
    with pytest.raises(UsageError, match="size: 7 pixels are too few for any net"):
        loaded("photos[size=7]")


@pytest.fixture
def saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data set that Hugging Face's library has saved: two splits, an image stored on its side."""
    hf = pytest.importorskip("datasets", reason="the library of the extra `hf` is not installed")
    if not hasattr(hf, "Dataset"):
        pytest.skip("the library of the extra `hf` is not installed")
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    files = []
    for number, colour in enumerate(((255, 0, 0), (0, 0, 255), (0, 255, 0))):
        photo(tmp_path / "files" / f"{number}.png", 48, 40, colour)
        files.append(str(tmp_path / "files" / f"{number}.png"))
    features = hf.Features({"pic": hf.Image(), "kind": hf.ClassLabel(names=["warm", "cold"])})
    rows = hf.Dataset.from_dict({"pic": files, "kind": [0, 1, -1]}, features=features)
    folder = tmp_path / "saved"
    hf.DatasetDict({"test": rows, "train": rows.select([0])}).save_to_disk(folder)
    return folder


def test_hugging_face(saved: Path) -> None:
    images = loaded(f"hf[name={saved},size=32]")
    assert images.classes == ("warm", "cold") and len(images) == 3
    found = by_name(images)
    assert [found[f"test-0000{number}"].label for number in range(3)] == [0, 1, None]
    assert found["test-00001"].pixels.shape == (32, 32, 3) and (found["test-00001"].pixels == (0, 0, 255)).all()
    assert len(loaded(f"hf[name={saved},split=train]")) == 1


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("split=val", "has no split 'val': .*there are: test, train"),
        ("image=picture", "has no column 'picture' of Image: .*there are: pic"),
        ("label=pic", "has no column 'pic' of ClassLabel: .*there are: kind"),
    ],
)
def test_hugging_face_says_what_there_is(saved: Path, more: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        loaded(f"hf[name={saved},{more}]")


def test_what_the_hub_cannot_give_is_said(saved: Path) -> None:
    with pytest.raises(UsageError, match=r"hf:nobody/nothing-here cannot be had \(.*save_to_disk"):
        loaded("hf:nobody/nothing-here")
