"""Drawn walls: pinned bytes, masks on dark pixels, and classes that differ by the cracks only."""

import hashlib
import time

import numpy as np
import pytest

from cambench.bench.core.errors import UsageError
from cambench.bench.core.plugins import DATASET, find
from cambench.datasets.cracks import load

# (size, seed, split, index): the first digits of the SHA-256 of the pixels and masks
PINNED = {
    (224, 0, "test", 0): "92ff7b0fd7dde296",
    (224, 0, "test", 1): "22fa4781661b4a68",
    (112, 3, "train", 77): "ed03d51a07890724",
}


@pytest.mark.parametrize("settings", PINNED)
def test_the_bytes_of_a_wall_are_pinned(settings: tuple[int, int, str, int]) -> None:
    size, seed, split, index = settings
    image = load(size=size, seed=seed, split=split)[index]  # type: ignore[arg-type]
    data = image.pixels.tobytes() + b"".join(marked.mask.tobytes() for marked in image.objects)
    assert hashlib.sha256(data).hexdigest()[:16] == PINNED[settings]


@pytest.mark.parametrize("size", [64, 112, 224])
def test_pixels_under_crack_masks_are_dark(size: int) -> None:
    walls = load(size=size)
    shares = []
    for index in range(1, 60, 2):
        image = walls[index]
        (crack,) = image.objects
        assert (image.label, crack.label) == (1, 1) and image.pixels.shape == (size, size, 3)
        tones = image.pixels.mean(2)
        assert tones[crack.mask].mean() < 0.75 * tones[~crack.mask].mean()
        shares.append(crack.mask.mean())
    assert min(shares) > 0.003 and max(shares) < 0.12


def test_every_other_wall_is_intact() -> None:
    walls = load(size=64)
    assert [walls[index].label for index in range(6)] == [0, 1, 0, 1, 0, 1]
    assert all(walls[index].objects == () for index in range(0, 6, 2))


def test_brightness_does_not_tell_the_classes_apart() -> None:
    """The best threshold on the mean tone classifies walls hardly better than chance."""
    walls = load(size=64)
    tones = np.array([walls[index].pixels.mean() for index in range(200)])
    accuracy = max(abs(np.mean((tones < threshold) == (np.arange(200) % 2)) - 0.5) for threshold in tones)
    assert accuracy < 0.15


def test_splits_and_seeds_have_different_walls() -> None:
    images = {
        load(size=64, seed=seed, split=split)[1].pixels.tobytes() for seed in (0, 1) for split in ("train", "test")
    }  # type: ignore[arg-type]
    assert len(images) == 4


def test_walls_are_drawn_fast() -> None:
    walls = load(size=112)
    start = time.perf_counter()
    for index in range(20):
        _ = walls[index]
    assert time.perf_counter() - start < 2  # a tenth of what is usual


def test_invalid_settings_are_refused() -> None:
    for spec in ("cracks[size=8]", "cracks[split=all]", "cracks[seed=-1]"):
        with pytest.raises(UsageError, match="dataset 'cracks', setting"):
            find(DATASET, spec)
