"""Training images: scenes drawn as they are needed, none of them seen twice."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..datasets._synthetic.scene import Plan, draw, other_label
from ..datasets._synthetic.shapes import CLASSES
from ..datasets.scenes import generator

SMOOTHING = 0.05  # share of a target spread over all classes
EMPTY = 0.07  # share of images without an object
BLURRED = 0.04  # share of images blurred until no shape is left
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet


@dataclass
class Source:
    """An endless row of scenes; `position` numbers the next one."""

    seed: int
    position: int = 0

    def batch(self, count: int, size: int, plan: Plan, double: float) -> tuple[Tensor, Tensor]:
        """Normalised images (n, 3, size, size) and their targets (n, 10); `double` is the share with two objects."""
        drawn = [self.scene(size, plan, double) for _ in range(count)]
        images = prepared(np.stack([pixels for pixels, _ in drawn]))
        targets = torch.stack([target(labels) for _, labels in drawn])
        for row in np.flatnonzero(self.random().random(count) < BLURRED):
            images[row] = blurred(images[row], 3 + self.position % 4)
            targets[row] = target(())
        return images, targets

    def scene(self, size: int, plan: Plan, double: float) -> tuple[np.ndarray, tuple[int, ...]]:
        rng = self.random()
        share, label = rng.random(), int(rng.integers(len(CLASSES)))
        labels = () if share < EMPTY else (label,) if share > EMPTY + double else (label, other_label(rng, label))
        return draw(rng, size, labels, plan)[0], labels

    def random(self) -> np.random.Generator:
        self.position += 1
        return generator(self.seed, "train", self.position)


def prepared(pixels: np.ndarray) -> Tensor:
    """(n, h, w, 3) grey levels as the nets take them: (n, 3, h, w), normalised, channels last in memory."""
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div_(255)
    return images.sub_(torch.tensor(MEAN).view(3, 1, 1)).div_(torch.tensor(STD).view(3, 1, 1))


def target(labels: tuple[int, ...]) -> Tensor:
    """The probabilities to be learnt: shared by the objects' classes, uniform without any."""
    even = torch.full((len(CLASSES),), 1 / len(CLASSES))
    if not labels:
        return even
    sharp = torch.zeros(len(CLASSES))
    sharp[list(labels)] = 1 / len(labels)
    return (1 - SMOOTHING) * sharp + SMOOTHING * even


def blurred(image: Tensor, cells: int) -> Tensor:
    """An image (3, h, w) of which only `cells` by `cells` soft patches of colour are left."""
    patches = functional.adaptive_avg_pool2d(image[None], cells)
    return functional.interpolate(patches, image.shape[-2:], mode="bicubic", align_corners=False)[0]
