"""The choice of `auto`: fp16 on a CUDA device where a net's class scores stay near those in fp32, else bf16, else fp32."""

from math import inf, isinf

import torch
from torch import Tensor

from ..core.errors import ImageError
from ..forward.device import use_exact_arithmetic
from ..forward.forward import Stream
from .net import Net

MAX_DRIFT = 0.04  # of a logit, which moves a probability by at most 0.01


def replace_unfit(net: Net, side: int) -> Net:
    """Return a net whose perturbed images run in its precision, fp16 or bf16; in a wider one if that does not suit it.

    A net that is replaced has a note. `side` is that of images (n, 3, side, side) that the net takes.
    """
    images = _make_probes(net, side)
    if net.precision == "bf16":
        return _replace_if_impossible(net, images[:1])
    drift = _measure_drift(net, images)
    if drift <= MAX_DRIFT:
        return net
    replaced = net.to_precision("bf16")
    if isinf(_measure_drift(replaced, images)):
        replaced = net.to_precision("fp32")
    reason = "overflow or cannot be computed" if isinf(drift) else f"are off by up to {drift:.2g} (logits)"
    replaced.notes += (f"its class scores in fp16 {reason}: its perturbed images run in {replaced.precision}",)
    return replaced


def _replace_if_impossible(net: Net, images: Tensor) -> Net:
    """Return a net in fp32 if it cannot be computed in its own precision, as one that makes its activations float32."""
    if not isinf(_measure_drift(net, images)):
        return net
    replaced = net.to_precision("fp32")
    replaced.notes += (f"it cannot be computed in {net.precision}: its perturbed images run in fp32",)
    return replaced


@use_exact_arithmetic()
@torch.inference_mode()
def _measure_drift(net: Net, images: Tensor) -> float:
    """Return by how much logits, apart from what all classes share, differ from those in fp32; infinite without any."""
    expected = net(images)
    images = images[expected.isfinite().all(1)]
    expected = expected[expected.isfinite().all(1)]
    if not len(images):
        return 0.0  # the net has no scores of these images in fp32 either
    try:
        found = net.logits(Stream(len(images), lambda start, stop: images[start:stop]))
    except (torch.OutOfMemoryError, torch.AcceleratorError):
        raise
    except (ImageError, RuntimeError):  # an overflow, or an operation that this precision lacks
        return inf
    difference = found - expected
    return float((difference - difference.mean(1, keepdim=True)).abs().max())


def _make_probes(net: Net, side: int) -> Tensor:
    """Return images (n, 3, h, w): as dark and as bright as images can be, and noise."""
    noise = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    return torch.cat([noise, torch.zeros(1, 3, side, side), torch.ones(1, 3, side, side)]).to(net.device)
