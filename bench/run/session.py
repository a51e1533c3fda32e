"""A session computes images on one net of a plan, and decides which errors fail an image and which end the run.

An image fails if it cannot be read, or if the net, a method or a metric raises an error on it. The run ends if one of these
three raises an error on the run's first image, if the device is lost or too small, or if a method leaves the net changed.
"""

import contextlib
import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from itertools import takewhile

import torch

from ..core.errors import BenchError, Fatal, ImageError, PluginError, UsageError, clean, read_message
from ..data.labels import map_labels
from ..data.prefetch import LoadImage, prefetch
from ..data.types import Image
from ..forward.device import is_out_of_memory, use_exact_arithmetic
from ..forward.forward import TOO_LARGE
from ..nets.net import Net
from ..store.parts import Unit
from .explain import explain_batch, make_batch
from .plan import Plan
from .runner import compute_units

IMAGE_ERRORS = (ImageError, PluginError)


class _TooLarge(Fatal):
    """Some images, or a single one, do not fit into the device's memory."""


class Session:
    """A loaded net of a plan, which computes any of the plan's images."""

    def __init__(self, plan: Plan, net: str) -> None:
        self._whole_plan = self._plan = plan
        self.net = plan.take_net(net)
        self._labels = map_labels(plan.images, self.net.classes, plan.suite.label_order)
        self._warm = False
        self._fp32_net: Net | None = None  # while images measure the drift
        self._max_images: float = math.inf  # in a batch; lowered when memory runs out

    def compute(self, groups: Sequence[Sequence[int]], methods: Collection[str] | None = None) -> Iterator[list[Unit]]:
        """Yield the units of each group of image indices, failures included, of all methods or some of them, by their specs.

        Raise a BenchError to end the run.
        """
        chosen = [method for method in self._whole_plan.methods if methods is None or method.spec in methods]
        self._plan = replace(self._whole_plan, methods=chosen)
        images = self._read_images([index for group in groups for index in group])
        for group in groups:
            read, failed = [], []
            for index in group:
                try:
                    read.append((index, self._check_unchanged(next(images)())))
                except IMAGE_ERRORS as error:
                    failed.append(make_failure(self._plan, self.net.name, index, str(error)))
            yield self._try_group(read) + failed

    def _read_images(self, indices: Sequence[int]) -> Iterator[LoadImage]:
        """Yield a function for each image that reads it. Images are read ahead only once none is timed alone any more."""
        timed = list(takewhile(lambda index: self._plan.find_timing(index) == "single", indices))
        rest = indices[len(timed) :]
        device, thread_safe = self._plan.device, self._plan.dataset.thread_safe
        yield from prefetch(self._plan.images, timed, torch.device("cpu"))
        yield from prefetch(self._plan.images, rest, device, thread_safe=thread_safe)

    def _check_unchanged(self, image: Image) -> Image:
        """Return the image. Raise UsageError if it is another picture than when it was first explained in this run."""
        if self._plan.image_hashes.setdefault(image.name, image.sha256) != image.sha256:
            raise UsageError(
                f"the picture of {image.name} has changed since it was first explained: put it back, or name another directory "
                "with --out"
            )
        return image

    def _try_group(self, images: Sequence[tuple[int, Image]]) -> list[Unit]:
        """Compute the units of images that share batches. After an error, try each image alone; if memory runs out, halves."""
        if len(images) > self._max_images:
            return self._try_halves(images)
        try:
            with _raise_device_faults(), self.net.blame():
                return self._compute_group(images) if images else []
        except _TooLarge:
            if len(images) == 1:
                raise
        except IMAGE_ERRORS as error:
            if len(images) > 1:
                return [unit for pair in images for unit in self._try_group([pair])]
            if images[0][0] == self._plan.indices[0]:
                if isinstance(error, PluginError):
                    raise PluginError(f"{images[0][1].name}: {error}") from error
                raise
            return [make_failure(self._plan, self.net.name, images[0][0], str(error))]
        # Outside of the handlers: the error holds the frames of the attempt, and with them its tensors.
        torch.accelerator.empty_cache()
        self._max_images = len(images) // 2
        return self._try_halves(images)

    def _try_halves(self, images: Sequence[tuple[int, Image]]) -> list[Unit]:
        half = len(images) // 2
        return self._try_group(images[:half]) + self._try_group(images[half:])

    @use_exact_arithmetic()
    def _compute_group(self, images: Sequence[tuple[int, Image]]) -> list[Unit]:
        index, image = images[0]
        # The first image of the run is explained once more than it is timed, to count the work.
        if not self._warm and index != self._plan.indices[0] and self._plan.find_timing(index):
            explain_batch(self._plan.methods, self.net, make_batch(self._plan, self.net, self._labels, [image]))
        units = compute_units(self._plan, self.net, self._labels, images, self._find_fp32_net(images))
        self._warm = True
        return units

    def _find_fp32_net(self, images: Sequence[tuple[int, Image]]) -> Net | None:
        """Return the net in fp32 if one of the images measures the drift; else None.

        It is made once for all of these images, and freed after them: they are the first images of a run.
        """
        if self._plan.drift_indices.isdisjoint(index for index, _ in images):
            self._fp32_net = None
        elif self._fp32_net is None:
            self._fp32_net = self.net.to_precision("fp32")
        return self._fp32_net


def make_failure(plan: Plan, net: str, index: int, reason: str) -> Unit:
    """Make the unit of an image that failed on a net."""
    name = plan.images.name(index)
    row = {"dataset": plan.suite.dataset, "image": name, "net": net, "reason": clean(reason)}
    return Unit((net, name), {"failures": [row]})


@contextlib.contextmanager
def _raise_device_faults() -> Iterator[None]:
    """Raise Fatal for a lost device and for too little memory, also if a user's own file raised the error."""
    try:
        yield
    except (BenchError, RuntimeError, MemoryError) as error:
        fault = error.__cause__ if isinstance(error, BenchError) else error
        if is_out_of_memory(fault):
            raise _TooLarge(TOO_LARGE) from error
        if isinstance(fault, torch.AcceleratorError) or (fault and "CUDA error" in read_message(fault)):
            message = str(fault).splitlines()[0]
            raise Fatal(
                f"the device is lost ({message}): finished images are kept; run the same command to resume"
            ) from error
        raise
