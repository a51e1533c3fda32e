"""Training images: scenes that are drawn when they are needed; none is seen twice."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..datasets._synthetic.scene import ScenePlan, draw_other_label, draw_scene
from ..datasets._synthetic.shapes import CLASSES
from ..datasets.scenes import make_generator

SMOOTHING = 0.05  # the share of a target that is spread over all classes
EMPTY = 0.07  # share of images without an object
BLURRED = 0.04  # share of images blurred until no shape is left
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's


@dataclass
class Source:
    """An endless sequence of scenes; `position` is the number of scenes and random choices drawn so far."""

    seed: int
    position: int = 0

    def draw_batch(self, count: int, size: int, plan: ScenePlan, double: float) -> tuple[Tensor, Tensor]:
        """Draw normalised images (n, 3, size, size) and their targets (n, 10); `double` is the share with two objects."""
        scenes = [self.draw_labelled_scene(size, plan, double) for _ in range(count)]
        images = normalise_pixels(np.stack([pixels for pixels, _ in scenes]))
        targets = torch.stack([make_target(labels) for _, labels in scenes])
        for row in np.flatnonzero(self.advance().random(count) < BLURRED):
            images[row] = blur(images[row], 3 + self.position % 4)
            targets[row] = make_target(())
        return images, targets

    def draw_labelled_scene(self, size: int, plan: ScenePlan, double: float) -> tuple[np.ndarray, tuple[int, ...]]:
        """Draw a scene's pixels (size, size, 3) and the labels of its objects."""
        rng = self.advance()
        share, label = rng.random(), int(rng.integers(len(CLASSES)))
        labels = () if share < EMPTY else (label,) if share > EMPTY + double else (label, draw_other_label(rng, label))
        return draw_scene(rng, size, labels, plan)[0], labels

    def advance(self) -> np.random.Generator:
        """Advance the position; return its random generator."""
        self.position += 1
        return make_generator(self.seed, "train", self.position)


def normalise_pixels(pixels: np.ndarray) -> Tensor:
    """Turn pixels (n, h, w, 3) in 0 to 255 into the nets' input (n, 3, h, w), channels last in memory."""
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div_(255)
    return images.sub_(torch.tensor(MEAN).view(3, 1, 1)).div_(torch.tensor(STD).view(3, 1, 1))


def make_target(labels: tuple[int, ...]) -> Tensor:
    """Make the target probabilities (classes,): shared equally by the objects' classes, uniform without objects."""
    even = torch.full((len(CLASSES),), 1 / len(CLASSES))
    if not labels:
        return even
    sharp = torch.zeros(len(CLASSES))
    sharp[list(labels)] = 1 / len(labels)
    return (1 - SMOOTHING) * sharp + SMOOTHING * even


def blur(image: Tensor, cells: int) -> Tensor:
    """Reduce an image (3, h, w) to `cells` x `cells` soft patches of colour."""
    patches = functional.adaptive_avg_pool2d(image[None], cells)
    return functional.interpolate(patches, image.shape[-2:], mode="bicubic", align_corners=False)[0]
