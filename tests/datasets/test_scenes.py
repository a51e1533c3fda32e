"""Scenes have the same bytes everywhere and exact masks of their objects."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from cambench.bench.core.errors import UsageError
from cambench.bench.data.types import Image
from cambench.datasets._synthetic.objects import CONTRAST
from cambench.datasets.scenes import load

# (size, seed, split, objects, index): the first digits of the SHA-256 of the pixels and masks
PINNED = {
    (160, 0, "test", "mixed", 0): "99a0859c565b7096",
    (160, 0, "test", "mixed", 1): "ab85922f69186227",
    (224, 0, "test", "single", 5): "8f883481b3bc85a9",
    (64, 0, "train", "double", 9): "962208698e6beed4",
    (160, 3, "val", "mixed", 123): "c34dd5d02236bd9d",
}


def digest(image: Image) -> str:
    data = image.pixels.tobytes() + b"".join(marked.mask.tobytes() for marked in image.objects)
    return hashlib.sha256(data).hexdigest()[:16]


def load_scene(size: int, seed: int, split: str, objects: str, index: int) -> Image:
    return load(size=size, seed=seed, split=split, objects=objects)[index]


@pytest.mark.parametrize("settings", PINNED)
def test_the_bytes_of_a_scene_are_pinned(settings: tuple[int, int, str, str, int]) -> None:
    assert digest(load_scene(*settings)) == PINNED[settings]


def test_another_process_draws_the_same_bytes() -> None:
    code = (
        "from cambench.datasets.scenes import load; import hashlib; print(hashlib.sha256(load()[7].pixels).hexdigest())"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert hashlib.sha256(load()[7].pixels.tobytes()).hexdigest() == printed


@pytest.mark.parametrize("size", [64, 160, 224])
def test_masks_have_the_size_of_the_plan_and_lie_inside_the_image(size: int) -> None:
    scenes = load(size=size)
    for image in (scenes[k] for k in range(40)):
        assert image.pixels.shape == (size, size, 3) and image.pixels.dtype == np.uint8
        for marked in image.objects:
            assert marked.mask.shape == (size, size) and marked.mask.dtype == np.bool_
            assert 0.15 * size < extent(marked.mask) <= 0.57 * size
            assert not np.concatenate([marked.mask[0], marked.mask[-1]]).all()


def extent(mask: np.ndarray) -> float:
    """The longest side of a mask's upright box, pixels."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return float(max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1)


def test_the_edge_of_a_mask_is_the_edge_of_the_object() -> None:
    """Neighbouring pixels differ more across the mask's edge than inside the mask."""
    image = load(objects="single")[2]
    mask, pixels = image.objects[0].mask, image.pixels.astype(int)
    step = np.abs(pixels[:, 1:] - pixels[:, :-1]).sum(2)
    crossing = mask[:, 1:] != mask[:, :-1]
    assert step[crossing].mean() > 3 * step[mask[:, 1:] & mask[:, :-1]].mean()


def ring(image: Image, number: int) -> np.ndarray:
    """The ring around an object, a tenth of its extent wide, without its antialiased edge and without other objects."""
    mask = image.objects[number].mask
    occupied = np.any([marked.mask for marked in image.objects], axis=0)
    vicinity, edge = grow(mask, max(3, int(0.1 * extent(mask)))), grow(mask, 1)
    ring: np.ndarray = vicinity & ~edge & ~occupied
    return ring


def grow(mask: np.ndarray, pixels: int) -> np.ndarray:
    """A mask grown by a number of pixels along rows and columns."""
    for _ in range(pixels):
        wider = mask.copy()
        wider[1:] |= mask[:-1]
        wider[:-1] |= mask[1:]
        wider[:, 1:] |= mask[:, :-1]
        wider[:, :-1] |= mask[:, 1:]
        mask = wider
    return mask


def test_objects_contrast_with_their_surroundings() -> None:
    scenes, contrasts = load(), []
    for image in (scenes[k] for k in range(200)):
        for number, marked in enumerate(image.objects):
            inside, surroundings = image.pixels[marked.mask].mean(0), image.pixels[ring(image, number)].mean(0)
            contrasts.append(np.abs(inside - surroundings).sum() / 255)
    assert min(contrasts) > 0.9 * CONTRAST  # the ring of this test differs from the generator's
    assert np.mean(np.array(contrasts) > CONTRAST) > 0.98


def test_labels_are_balanced_and_half_of_the_mixed_scenes_hold_two_objects() -> None:
    scenes = load(size=32)
    images = [scenes[k] for k in range(100)]
    assert sorted(image.label or 0 for image in images) == sorted(list(range(10)) * 10)
    assert [sum(len(i.objects) == 2 for i in images if i.label == label) for label in range(10)] == [5] * 10


def test_a_second_object_is_of_another_class_and_covers_other_pixels() -> None:
    scenes = load(size=64, objects="double")
    for image in (scenes[k] for k in range(100)):
        first, second = image.objects
        assert image.label == first.label != second.label
        assert not (first.mask & second.mask).any()


def test_single_scenes_hold_one_object() -> None:
    scenes = load(size=32, objects="single")
    assert all(len(scenes[k].objects) == 1 for k in range(20))


def test_splits_and_seeds_have_different_scenes() -> None:
    digests = {
        digest(load(size=32, split=split, seed=seed)[0]) for split in ("train", "val", "test") for seed in (0, 1)
    }
    assert len(digests) == 6


def test_names_are_unique() -> None:
    scenes = load(size=32)
    assert [scenes[0].name, scenes[12].name] == ["test-00000", "test-00012"]


def test_there_is_no_scene_past_the_end() -> None:
    scenes = load(size=32)
    with pytest.raises(IndexError):
        scenes[len(scenes)]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"size": 8}, "32 to 1024 pixels, not 8"),
        ({"seed": -1}, "whole number from 0 on, not -1"),
        ({"split": "dev"}, "train, val, test, not 'dev'"),
        ({"objects": "triple"}, "mixed, single, double, not 'triple'"),
    ],
)
def test_invalid_settings_are_refused(settings: dict[str, object], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        load(**settings)  # type: ignore[arg-type]
