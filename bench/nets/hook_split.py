"""A module that cannot be traced, cut in two all the same: run up to a layer's output, and run with that output replaced."""

from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.proxy import TraceError


class _Reached(Exception):
    """The layer has given its output, and nothing behind it is wanted."""

    def __init__(self, activations: Any) -> None:
        super().__init__()
        self.activations = activations


class _Gate(nn.Module):
    """Stands in a layer's place: lets its output pass, ends the run with it, or gives another instead."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer
        self.ends = False
        self.given: Tensor | None = None

    def forward(self, *arguments: Any, **named: Any) -> Any:
        if self.given is not None:
            return self.given
        found = self.layer(*arguments, **named)
        if self.ends:
            raise _Reached(found)
        return found


class Until(nn.Module):
    """The whole net up to a layer's output."""

    def __init__(self, whole: nn.Module, gate: _Gate) -> None:
        super().__init__()
        self.whole, self._gate = whole, (gate,)

    def forward(self, images: Tensor) -> Tensor:
        _untraceable(images)
        (gate,) = self._gate
        gate.ends = True
        try:
            self.whole(images)
        except _Reached as reached:
            activations: Tensor = reached.activations
            return activations
        finally:
            gate.ends = False
        raise RuntimeError("the layer is never run")


class Behind(nn.Module):
    """The net behind a layer: it runs on an empty image, the layer's output replaced. Its weights are held by `Until`."""

    def __init__(self, whole: nn.Module, gate: _Gate, image: Tensor) -> None:
        super().__init__()
        self._held = whole, gate
        self.image: Tensor
        self.register_buffer("image", torch.zeros_like(image[:1]), persistent=False)

    def forward(self, activations: Tensor) -> Tensor:
        _untraceable(activations)
        whole, gate = self._held
        gate.given = activations
        try:
            logits: Tensor = whole(self.image.expand(len(activations), -1, -1, -1).to(activations.dtype))
        finally:
            gate.given = None
        return logits


def captured(whole: nn.Module, layer: str, image: Tensor) -> tuple[Until, Behind]:
    """A wrapper, `whole.net` being the module, cut at a layer of it, which gets a gate; the image tells the input's shape."""
    parent, _, name = f"net.{layer}".rpartition(".")
    gate = _Gate(whole.get_submodule(f"net.{layer}"))
    setattr(whole.get_submodule(parent), name, gate)
    return Until(whole, gate), Behind(whole, gate, image)


def release(whole: nn.Module, layer: str) -> None:
    """Takes a layer's gate away."""
    parent, _, name = f"net.{layer}".rpartition(".")
    gate = whole.get_submodule(f"net.{layer}")
    if isinstance(gate, _Gate):
        setattr(whole.get_submodule(parent), name, gate.layer)


def _untraceable(given: Tensor) -> None:
    if isinstance(given, fx.Proxy):
        raise TraceError("the net does what its input's values say")
