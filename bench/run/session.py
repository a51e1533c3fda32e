"""A net made ready for a plan's images; and what of that which goes wrong is one image's failure, and what ends the run.

An image that cannot be read fails, and so does one on which a net, a method or a metric is refused that took the run's first
image. The run ends where that one is refused, where a device is lost or too small, and where a net is left changed.
"""

import contextlib
from collections.abc import Iterator, Sequence

import torch

from ..core import user_code
from ..core.errors import Fatal, UsageError
from ..data.labels import labels_in
from ..data.prefetch import loaded
from ..data.types import Image
from ..forward.allocator import keep_freed
from ..forward.forward import TOO_LARGE
from ..store.run import Unit
from .explain_image import warm_up
from .plan import Plan
from .runner import tuned, units


class Ready:
    """A net of a plan, loaded, to be shown any of the images."""

    def __init__(self, plan: Plan, spec: str) -> None:
        if plan.device.type == "cpu":
            keep_freed()
        self._plan, self._net = plan, tuned(plan, spec)
        self._labels = labels_in(plan.images, self._net.classes)
        self._warm = False

    def units(self, groups: Sequence[Sequence[int]]) -> Iterator[list[Unit]]:
        """Of each group of images all that they give, or their failures. Raises UsageError where the run ends."""
        images = loaded(self._plan.images, [index for group in groups for index in group], self._plan.device)
        for group in groups:
            shown, failed = [], []
            for index in group:
                try:
                    shown.append((index, next(images)()))
                except UsageError as reason:
                    failed.append(failure(self._plan, self._net.name, index, str(reason)))
            yield self._tried(shown) + failed

    def _tried(self, images: Sequence[tuple[int, Image]]) -> list[Unit]:
        """The units of images that share batches; where one fails, each is tried alone."""
        try:
            with _device_faults(), self._blamed():
                return self._made(images) if images else []
        except Fatal:
            raise
        except UsageError as reason:
            if len(images) > 1:
                return [unit for pair in images for unit in self._tried([pair])]
            if images[0][0] == self._plan.chosen[0]:
                raise
            return [failure(self._plan, self._net.name, images[0][0], str(reason))]

    def _blamed(self) -> contextlib.AbstractContextManager[None]:
        """What a net of the user's own code raises is for them."""
        name = self._net.name
        if "code" not in self._plan.nets[name]:
            return contextlib.nullcontext()
        return user_code.blamed(f"net {name} fails", self._plan.specs[name].partition(":")[0])

    def _made(self, images: Sequence[tuple[int, Image]]) -> list[Unit]:
        index, image = images[0]
        if not self._warm and index != self._plan.chosen[0]:
            warm_up(self._plan, self._net, self._labels, image)
        made = units(self._plan, self._net, self._labels, images)
        self._warm = True
        return made


def failure(plan: Plan, net: str, index: int, reason: str) -> Unit:
    """What is kept of an image that failed on a net."""
    name = plan.images.name(index)
    return Unit(
        (net, name), {"failures": [{"dataset": plan.suite.dataset, "image": name, "net": net, "reason": reason}]}
    )


@contextlib.contextmanager
def _device_faults() -> Iterator[None]:
    """Raises Fatal for a device that is lost or too small, also where a user's file met it."""
    try:
        yield
    except (UsageError, RuntimeError) as error:
        fault = error.__cause__ if isinstance(error, UsageError) else error
        if isinstance(fault, torch.OutOfMemoryError):
            raise Fatal(TOO_LARGE) from error
        if isinstance(fault, torch.AcceleratorError) or "CUDA error" in str(fault):
            said = str(fault).splitlines()[0]
            raise Fatal(f"the device is lost ({said}): what is done is kept, and the same command goes on") from error
        raise
