"""What each net sees, in which order, and how fast it learns meanwhile.

From scratch on full scenes nothing is learnt: large objects on plain ground come first, and the size of the images
then grows while the objects' size in pixels stays similar.
"""

from dataclasses import dataclass

from ..datasets._synthetic.scene import EASY, Plan

FULL = Plan()
LARGE = Plan(spans=(0.40, 0.90), spans_of_two=(0.32, 0.48), clutter=10)


@dataclass(frozen=True)
class Stage:
    """Images of one size, or batches of several sizes in turn."""

    sizes: tuple[int, ...]  # pixels
    images: int
    plan: Plan = FULL
    batch: int = 32
    double: float = 0.3  # share of images with two objects


@dataclass(frozen=True)
class Cycle:
    """Stages under one rise and fall of the learning rate."""

    rate: float
    stages: tuple[Stage, ...]
    frozen: int = 0  # leading stages of the net that do not learn
    slopes: tuple[float, float] = (0.0, 0.0)  # of SqueezeNet's last ReLU below zero, at either end; at least 0
    fit: bool = False  # whether VGG16's fully connected layers are fitted too


def start(easy: int, large: int, batch: int = 32) -> tuple[Stage, ...]:
    """Large objects: on plain ground, then on full backgrounds."""
    return Stage((48,), easy, EASY, double=0.15), Stage((64,), large, LARGE, batch)


BOTH = (160, 224)

SCHEDULES = {
    "squeezenet1_1": (
        Cycle(
            1.5e-3, (*start(60_000, 60_000), Stage((112,), 24_000), Stage((224,), 5_000, batch=16)), slopes=(0.3, 0.3)
        ),
        Cycle(1e-3, (Stage((160,), 24_000),), slopes=(0.3, 0.07)),
        Cycle(7e-4, (Stage(BOTH, 22_000, batch=24),), slopes=(0.07, -0.07)),
    ),
    "resnet18": (
        Cycle(1.2e-3, (*start(20_000, 26_000, batch=64), Stage((112,), 14_000), Stage((160,), 4_000))),
        Cycle(6e-4, (Stage(BOTH, 13_000, batch=24),)),
    ),
    "vgg16": (
        Cycle(7e-4, start(26_000, 14_000)),
        Cycle(5e-4, (Stage((112,), 8_000), Stage((160,), 4_000)), frozen=1),
        Cycle(4e-4, (Stage(BOTH, 9_000, batch=24),), frozen=1, fit=True),
    ),
}
