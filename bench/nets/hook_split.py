"""Splits a net that cannot be traced: run up to a layer's output, and run again with that output replaced."""

from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.proxy import TraceError


class _LayerReached(Exception):
    """Raised when the layer has run, to skip the layers after it."""

    def __init__(self, activations: Any) -> None:
        super().__init__()
        self.activations = activations


class _Gate(nn.Module):
    """Replaces a layer: passes the layer's output on, stops the run with it, or returns another output instead."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer
        self.stops = False
        self.replacement: Tensor | None = None
        self.inputs: dict[
            torch.Size, torch.Size
        ] = {}  # of the net's input, by the shape of the output (of one image each)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        if self.replacement is not None:
            return self.replacement
        output = self.layer(*args, **kwargs)
        if self.stops:
            raise _LayerReached(output)
        return output


class UntilLayer(nn.Module):
    """The net up to a layer's output."""

    def __init__(self, net: nn.Module, gate: _Gate) -> None:
        super().__init__()
        self.net, self._gate = net, (gate,)  # in a tuple: the gate is already registered inside the net

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the layer's activations (n, k, h', w') for inputs (n, channels, h, w)."""
        _refuse_tracing(inputs)
        (gate,) = self._gate
        gate.stops = True
        try:
            self.net(inputs)
        except _LayerReached as reached:
            activations: Tensor = reached.activations
            if not isinstance(activations, Tensor):
                return activations  # refused by the caller
            gate.inputs[activations.shape[1:]] = inputs.shape[1:]
            has_run_in_inference_mode = activations.is_inference() and not torch.is_inference_mode_enabled()
            return activations.clone() if has_run_in_inference_mode else activations
        finally:
            gate.stops = False
        raise RuntimeError("the layer never runs")


class AfterLayer(nn.Module):
    """The net after a layer: it runs on an empty image with the layer's output replaced. `UntilLayer` owns its weights.

    The image is as large as the last one for which the layer's output was of this size: a net may ask for its input's size.
    """

    def __init__(self, net: nn.Module, gate: _Gate, inputs: Tensor) -> None:
        super().__init__()
        self._net_and_gate = net, gate
        self.empty: Tensor
        self.register_buffer("empty", torch.zeros_like(inputs[:1]), persistent=False)

    def forward(self, activations: Tensor) -> Tensor:
        """Return class scores (n, classes) of the layer's activations (n, k, h', w')."""
        _refuse_tracing(activations)
        net, gate = self._net_and_gate
        gate.replacement = activations
        try:
            shape = gate.inputs.get(activations.shape[1:], self.empty.shape[1:])
            scores: Tensor = net(activations.new_zeros(len(activations), *shape))
        finally:
            gate.replacement = None
        return scores


def split_by_hooks(wrapper: nn.Module, layer: str, inputs: Tensor) -> tuple[UntilLayer, AfterLayer]:
    """Split `wrapper.net` at one of its layers, which a gate replaces; `inputs` gives the shape of the net's input."""
    parent, _, name = f"net.{layer}".rpartition(".")
    gate = _Gate(wrapper.get_submodule(f"net.{layer}"))
    setattr(wrapper.get_submodule(parent), name, gate)
    return UntilLayer(wrapper, gate), AfterLayer(wrapper, gate, inputs)


def remove_gate(wrapper: nn.Module, layer: str) -> None:
    """Put a layer back in its gate's place."""
    parent, _, name = f"net.{layer}".rpartition(".")
    gate = wrapper.get_submodule(f"net.{layer}")
    if isinstance(gate, _Gate):
        setattr(wrapper.get_submodule(parent), name, gate.layer)


def _refuse_tracing(inputs: Tensor) -> None:
    if isinstance(inputs, fx.Proxy):
        raise TraceError("the net's computation depends on its input's values")
