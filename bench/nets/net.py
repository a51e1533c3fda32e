"""The class Net: a network cut at the explained layer, frozen and in eval mode, whose images are in [0, 1]."""

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ..core.choices import Link
from ..core.errors import Fatal, ImageError, NotApplicable
from ..core.user_code import blame_user_code
from ..forward.forward import Forward, Stream, compare_logits
from ..forward.layout import lay_out
from ..forward.probabilities import to_log_probabilities, to_probabilities
from .cut import Cut, Part
from .fx_split import DEVICE_ERRORS
from .writes import identify

MOST_DIFFERENCE = 0.01  # of the logits of perturbed images from the net's own, as a share of the largest one
MOST_AT_ONCE = 16  # images of the batch on which a net is checked
HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")  # of a module
Value = TypeVar("Value")


@dataclass(frozen=True)
class State:
    """What a method must leave unchanged, to be compared with what it is later."""

    facts: tuple[object, ...]
    weights: tuple[Tensor, ...] = field(
        compare=False
    )  # kept, so that no other tensor takes the identity of one of them


class Net(nn.Module):
    """A network cut at the explained layer: `net(images) == net.classify(net.features(images))`.

    It is frozen, in eval mode and fp32; `scores` and `logits` run streams of perturbed images in the run's precision.

    Attributes:
        features: images (n, 3, h, w) in [0, 1] -> activations (n, k, h', w') of the explained layer.
        classify: activations -> logits (n, classes).
        link: softmax, or sigmoid for classes that do not exclude each other: from logits to probabilities.
        precision: that of perturbed images: fp32, tf32, bf16 or fp16.
        output: name or index of the output that holds the class scores; empty if the net returns them alone.
        reading: what else was decided about its computation that neither its weights nor its name show; empty if nothing.
        layer: the explained layer's name in the module's `named_modules()`.
        classes: class names, in the order of the logits.
        fingerprint: SHA-256 of the weights.
        code: SHA-256 of the user's source files; empty for nets of libraries.
        file: the user's source file; empty for nets of libraries and live modules.
        notes: what was decided about the net, in sentences for the report.
        size: side of the only images that the net takes, in pixels; None if it takes any.
        memory_limit: bytes that a forward pass may take; None without a limit.
        mixing: by method: whether its maps of a batch depend on the other images, as far as that was found out.
    """

    def __init__(
        self,
        name: str,
        cut: Cut,
        classes: tuple[str, ...],
        precision: str,
        fingerprint: str = "",
        *,
        code: str = "",
        file: str = "",
        notes: tuple[str, ...] = (),
        size: int | None = None,
        link: Link = "softmax",
        output: str = "",
        reading: str = "",
    ) -> None:
        super().__init__()
        self.name, self.layer, self.classes, self.fingerprint = name, cut.layer, classes, fingerprint
        self.code, self.file = code, file
        self.notes = notes
        self.size = size
        self.link, self.output, self.reading, self.precision = link, output, reading, precision
        self.memory_limit: float | None = None
        self.mixing: dict[Hashable, bool] = {}
        self._checked: set[torch.Size] = set()  # shapes of an image; see `_check`
        self._own_buffers = set(cut.writes.buffers)  # that the net itself changes when it runs
        self.cut = cut
        self._sequence = nn.ModuleList(cut.modules.values())
        self.features, self.classify = self.split_at([cut.layer])
        lay_out(self, torch.float32, is_usual=cut.usual_layout).eval().requires_grad_(False)
        (whole,) = self.split_at([])
        self._forward = Forward(whole, precision, link, usual_layout=cut.usual_layout)
        self._head = Forward(self.classify, "fp32", usual_layout=cut.usual_layout)
        self._shared: tuple[Tensor, dict[Hashable, Any]] | None = None  # the images that methods share work on

    def __repr__(self) -> str:
        return f"<Net {self.name}: {len(self.classes)} classes, layer {self.layer}, {self.precision}, {self.device}>"

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (n, classes) of images (n, 3, h, w) in [0, 1]."""
        logits: Tensor = self.classify(self.features(images))
        return logits

    def split_at(self, layers: Sequence[str]) -> list[Part]:
        """Split the net after each of the layers, in the net's order; the composition of the parts is the net.

        A part leaves its input as it is. Raise NotApplicable for a layer at which the net cannot be cut.
        """
        return self.cut.split_at(self.name, layers)

    def configure(self, memory_limit: float | None, *, compiled: bool = False) -> None:
        """Limit the bytes that a forward pass of perturbed images takes, and compile it if `compiled`."""
        self.memory_limit = memory_limit
        self._forward.tune(memory_limit, compile=compiled)
        self._head.tune(memory_limit, compile=False)

    def to_precision(self, precision: str) -> "Net":
        """Return the same net with perturbed images in another precision, not compiled. It shares this net's modules."""
        net = Net(
            self.name,
            self.cut,
            self.classes,
            precision,
            self.fingerprint,
            code=self.code,
            file=self.file,
            notes=self.notes,
            size=self.size,
            link=self.link,
            output=self.output,
            reading=self.reading,
        )
        net.configure(self.memory_limit)
        return net

    def prepare(self, images: Tensor) -> None:
        """Set the batch size for images of this shape (n, 3, h, w). Call it before timing.

        Raise ImageError for images of a size that the net does not take.
        """
        height, width = images.shape[2:]
        if self.size is not None and (height, width) != (self.size, self.size):
            raise ImageError(
                f"{self.name} takes images of {self.size} x {self.size}, and these are {width} x {height}: write "
                f"[size={self.size}] after the data set or folder (bench explain: --size {self.size})"
            )
        try:
            if images[:1].shape in self._checked:
                self._forward.prepare(images)
            else:
                self._prepare_size(images)
        except RuntimeError as error:
            if isinstance(error, DEVICE_ERRORS):
                raise
            reason = str(error).splitlines()[0]
            raise ImageError(f"{self.name} cannot take images of {width} x {height}: {reason}") from error

    def _prepare_size(self, images: Tensor) -> None:
        """Prepare for images of a size (n, 3, h, w) that is new, and check the net on the first. See `_check`.

        Buffers that the net itself changes, such as positions that it keeps for a size or a number of images, are not watched.
        """
        image, before = images[:1], self._identify_buffers()
        logits = self._compare_halves(image)
        self._prepare_forward(images)
        self._check(image, logits)
        after = self._identify_buffers()
        self._own_buffers |= {name for name in after if after[name] != before.get(name)}
        self._checked.add(image.shape)

    def _prepare_forward(self, images: Tensor) -> None:
        """Set the batch size. Raise Fatal for a net that takes these images, but not in the run's precision."""
        try:
            self._forward.prepare(images)
        except RuntimeError as error:
            if isinstance(error, DEVICE_ERRORS) or self.precision not in ("bf16", "fp16"):
                raise
            raise Fatal(
                f"{self.name} cannot be computed in {self.precision}: use --precision fp32 ({str(error).splitlines()[0]})"
            ) from error

    def _check(self, image: Tensor, logits: Tensor) -> None:
        """Check that an image (1, 3, h, w) has the net's own logits (1, classes) however it is run.

        Raise Fatal if the net as it is run on perturbed images, with batch norms folded into convolutions, has other scores in
        fp32 (in a lower precision scores differ anyway), or, on the net's first image, if the scores of a batch differ from it.
        """
        difference = self._forward.measure_difference(image, logits)
        if self.precision == "fp32" and difference > MOST_DIFFERENCE:
            raise Fatal(
                f"{self.name} gives perturbed images other scores than the net itself: they differ by {difference:.1%}. This "
                "is an error of cambench: please report it, with the net"
            )
        if self._checked:
            return
        count = min(MOST_AT_ONCE, self._forward.chunk)
        with torch.inference_mode(False), torch.no_grad():
            difference = compare_logits(self(image.expand(count, -1, -1, -1)).float(), logits)
        if difference > MOST_DIFFERENCE:
            raise Fatal(
                f"{self.name} gives an image other scores in a batch of {count} than alone: they differ by {difference:.1%}, "
                "and would depend on the batch size"
            )

    def _compare_halves(self, image: Tensor) -> Tensor:
        """Return the logits of an image (1, 3, h, w). Raise ImageError if the two halves of a net that runs twice have others.

        It runs outside inference mode, so that gradients may use what the net keeps for images of this size.
        """
        with torch.inference_mode(False), torch.no_grad():
            logits = self(image).float()
            own = logits if self.cut.whole is None else self.cut.whole(image).float()
        if (difference := compare_logits(logits, own)) > MOST_DIFFERENCE:
            raise ImageError(
                f"{self.name} cannot be cut at {self.layer} for images of {image.shape[3]} x {image.shape[2]}: its scores "
                f"would differ by {difference:.1%}; take images of another size, or another layer"
            )
        return logits

    def scores(self, stream: Stream) -> Tensor:
        """Return the classes' probabilities (count, classes) of a stream of perturbed images, float64 if the device has it."""
        return self._forward.compute_probabilities(stream)

    def logits(self, stream: Stream) -> Tensor:
        """Return logits (count, classes) of a stream of perturbed images, fp32."""
        return self._forward.compute_logits(stream)

    def to_probabilities(self, logits: Tensor) -> Tensor:
        """Return the classes' probabilities (n, classes) of logits (n, classes): their softmax, or the sigmoid of each."""
        return to_probabilities(logits, self.link)

    def to_log_probabilities(self, logits: Tensor) -> Tensor:
        """Return the logarithms of the classes' probabilities (n, classes) of logits (n, classes)."""
        return to_log_probabilities(logits, self.link)

    def classify_stream(self, stream: Stream) -> Tensor:
        """Return logits (count, classes) of a stream of activations (k, h', w') of the explained layer, always in fp32."""
        self._head.prepare(stream.make(0, 1))
        return self._head.compute_logits(stream)

    def class_maps(self, activations: Tensor) -> Tensor:
        """Return maps (n, classes, h', w') whose spatial means, plus a constant, are the logits, of activations (n, k, h', w').

        Raise NotApplicable for a net that does not end in global average pooling and one linear layer.
        """
        if self.cut.class_map_module is None:
            raise NotApplicable(self.cut.why_no_class_maps)
        maps: Tensor = self.cut.class_map_module(activations)
        return maps

    @contextmanager
    def share_work(self, images: Tensor) -> Iterator[None]:
        """Let the methods that are called with these images (this very tensor) share activations and gradients."""
        self._shared = images, {}
        try:
            yield
        finally:
            self._shared = None

    def once(self, images: Tensor, key: Hashable, make: Callable[[], Value]) -> Value:
        """Return what `make` returns for these images; it is called once while methods share work on them."""
        if self._shared is None or self._shared[0] is not images:
            return make()
        results = self._shared[1]
        if key not in results:
            results[key] = make()
        value: Value = results[key]
        return value

    def compute_activations(self, images: Tensor) -> Tensor:
        """Return `features(images)` as float32, which methods share: not to be written to."""

        def compute() -> Tensor:
            with torch.inference_mode(False), torch.no_grad():
                activations: Tensor = self.features(images)
                return activations.float()  # some nets run their layers in half precision

        return self.once(images, "activations", compute)

    def blame(self) -> AbstractContextManager[None]:
        """Turn what the code of a user's own file raises inside the block into a PluginError that names the line."""
        return blame_user_code(f"net {self.name} fails", self.file) if self.file else nullcontext()

    def protected_state(self) -> "State":
        """Return what a method must leave unchanged: modes, hooks, and the versions, identities and gradients of weights.

        Buffers of real numbers, such as the averages of batch norms, count as weights, but for those that the net itself
        changes whenever it runs. torch's batch norms, and writes to `weight.data`, raise no version: see `sum_weights`.
        """
        modules = tuple(
            (module.training, "forward" in vars(module), *(len(getattr(module, hooks)) for hooks in HOOKS))
            for module in self.modules()
        )
        weights = tuple(self._list_weights())
        versions = tuple((*identify(weight), weight.data_ptr(), weight.grad is None) for weight in weights)
        return State((self.link, modules, versions), weights)

    @torch.inference_mode()
    def sum_weights(self) -> list[float]:
        """Return the sum of each weight and watched buffer: it tells most changes that raise no version."""
        weights = [weight.nan_to_num().sum().float() for weight in self._list_weights()]
        sums: list[float] = torch.stack(weights).tolist() if weights else []
        return sums

    def _identify_buffers(self) -> dict[str, tuple[int, int]]:
        return {name: identify(buffer) for name, buffer in self._sequence.named_buffers()}

    def _list_weights(self) -> Iterator[Tensor]:
        yield from self.parameters()
        for name, buffer in self._sequence.named_buffers():
            if buffer.is_floating_point() and name not in self._own_buffers:
                yield buffer

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device
