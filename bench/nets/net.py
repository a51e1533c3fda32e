"""A network ready to be explained: cut at one layer, frozen, in eval mode, images in [0, 1]."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..core.errors import NotApplicable, UsageError
from ..forward.forward import Forward, Stream
from .cut import Cut


class Net(nn.Module):
    """A network ready to be explained, in eval mode and fp32; `scores` runs in the precision of perturbed images."""

    def __init__(
        self,
        name: str,
        cut: Cut,
        classes: tuple[str, ...],
        precision: str,
        fingerprint: str = "",
        *,
        notes: tuple[str, ...] = (),
        size: int | None = None,
    ) -> None:
        super().__init__()
        self.name, self.layer, self.classes, self.fingerprint = name, cut.layer, classes, fingerprint
        self.notes = notes  # what the harness decided about it, in plain sentences
        self.size = size  # the side of the images that it takes; None where it takes any
        self.memory: float | None = None  # bytes that a pass may take
        self.cut = cut
        self._line = nn.ModuleList(cut.line.values())
        self.features, self.classify = self.parts([cut.layer])
        self.to(memory_format=torch.channels_last).eval().requires_grad_(False)
        self._forward = Forward(nn.Sequential(self.features, self.classify), precision)
        self._head = Forward(self.classify, "fp32")

    def forward(self, images: Tensor) -> Tensor:
        """Logits (n, classes) of images (n, 3, h, w) in [0, 1]."""
        logits: Tensor = self.classify(self.features(images))
        return logits

    def parts(self, layers: Sequence[str]) -> list[nn.Sequential]:
        """The net cut behind each of the layers, in the line's order: their composition is the net.

        Raises NotApplicable where the line has no such layer.
        """
        return self.cut.parts(self.name, layers)

    def tune(self, memory: float | None, *, compiled: bool = False) -> None:
        """Bounds the bytes that a forward pass of perturbed images takes, and compiles it if asked."""
        self.memory = memory
        self._forward.tune(memory, compile=compiled)
        self._head.tune(memory, compile=False)

    def prepare(self, images: Tensor) -> None:
        """Finds how many images of this shape go into one pass, so that no method or metric pays for it.

        Raises UsageError for images of a size that the net does not take.
        """
        if self.size is not None and images.shape[2:] != (self.size, self.size):
            height, width = images.shape[2:]
            raise UsageError(
                f"{self.name} takes images of {self.size} x {self.size}, and these are {width} x {height}: set their size, "
                f"--size {self.size}, or [size={self.size}] of a data set"
            )
        try:
            self._forward.prepare(images)
        except RuntimeError as error:
            if isinstance(error, torch.OutOfMemoryError | torch.AcceleratorError):
                raise
            said = f"{images.shape[3]} x {images.shape[2]}: {str(error).splitlines()[0]}"
            raise UsageError(f"{self.name} cannot take images of {said}") from error

    def scores(self, stream: Stream) -> Tensor:
        """Softmax scores (count, classes) of a stream of perturbed images, float64."""
        return self._forward.probabilities(stream)

    def logits(self, stream: Stream) -> Tensor:
        """Logits (count, classes) of a stream of perturbed images, fp32."""
        return self._forward.logits(stream)

    def classified(self, stream: Stream) -> Tensor:
        """Logits (count, classes) of a stream of activations (k, h', w') behind the cut, always computed in fp32."""
        self._head.prepare(stream.make(0, 1))
        return self._head.logits(stream)

    def class_maps(self, activations: Tensor) -> Tensor:
        """Maps (n, classes, h, w) whose spatial means, plus a constant, are the logits. Raises NotApplicable without them."""
        if self.cut.class_maps is None:
            raise NotApplicable(self.cut.no_class_maps)
        maps: Tensor = self.cut.class_maps(activations)
        return maps

    def state(self) -> tuple[object, ...]:
        """What a method must leave as it finds it: modes, hooks, and the weights' versions and places in memory."""
        modules = tuple((m.training, len(m._forward_hooks), len(m._forward_pre_hooks)) for m in self.modules())
        return modules, tuple((weight._version, weight.data_ptr(), weight.grad is None) for weight in self.parameters())

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device
