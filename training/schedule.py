"""The images that each net is trained on, their order, and the learning rates.

Nets trained on full scenes from the start learn nothing. So large objects on plain ground come first; then the images grow
while the objects keep about the same size in pixels.
"""

from dataclasses import dataclass

from ..datasets._synthetic.scene import EASY, ScenePlan

FULL = ScenePlan()
LARGE = ScenePlan(spans=(0.40, 0.90), spans_of_two=(0.32, 0.48), clutter=10)


@dataclass(frozen=True)
class Stage:
    """Images of one size, or batches that alternate between several sizes."""

    sizes: tuple[int, ...]  # pixels
    images: int
    plan: ScenePlan = FULL
    batch: int = 32
    double: float = 0.3  # the share of images with two objects


@dataclass(frozen=True)
class Cycle:
    """The stages during one rise and fall of the learning rate."""

    rate: float  # the peak of the learning rate
    stages: tuple[Stage, ...]
    frozen: int = 0  # the number of leading stages of the net that are not trained
    slopes: tuple[float, float] = (
        0.0,
        0.0,
    )  # of SqueezeNet's last ReLU below zero, at the start and the end; clipped at 0
    fit: bool = False  # whether VGG16's fully connected layers are trained too


def make_first_stages(easy: int, large: int, batch: int = 32) -> tuple[Stage, ...]:
    """Return the stages with large objects, on plain ground and then on full backgrounds, with these numbers of images."""
    return Stage((48,), easy, EASY, double=0.15), Stage((64,), large, LARGE, batch)


BOTH = (160, 224)  # pixels

SCHEDULES = {
    "squeezenet1_1": (
        Cycle(
            1.5e-3,
            (*make_first_stages(60_000, 60_000), Stage((112,), 24_000), Stage((224,), 5_000, batch=16)),
            slopes=(0.3, 0.3),
        ),
        Cycle(1e-3, (Stage((160,), 24_000),), slopes=(0.3, 0.07)),
        Cycle(7e-4, (Stage(BOTH, 22_000, batch=24),), slopes=(0.07, -0.07)),
    ),
    "resnet18": (
        Cycle(1.2e-3, (*make_first_stages(20_000, 26_000, batch=64), Stage((112,), 14_000), Stage((160,), 4_000))),
        Cycle(6e-4, (Stage(BOTH, 13_000, batch=24),)),
    ),
    "vgg16": (
        Cycle(7e-4, make_first_stages(26_000, 14_000)),
        Cycle(5e-4, (Stage((112,), 8_000), Stage((160,), 4_000)), frozen=1),
        Cycle(4e-4, (Stage(BOTH, 9_000, batch=24),), frozen=1, fit=True),
    ),
}
