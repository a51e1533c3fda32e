"""Replaces the precision that `auto` chose, fp16 or bf16, where a net's class scores are too far from those in fp32."""

from math import inf, isinf

import torch
from torch import Tensor

from ..core.errors import ImageError
from ..forward.device import use_exact_arithmetic
from ..forward.forward import Stream
from .net import Net

MAX_DRIFT = {"fp16": 0.04, "bf16": 1.0}  # of a logit: .04 moves a probability by at most .01; bf16 has three bits less
MAX_SHARE = 0.1  # of the largest logit


def replace_unfit(net: Net, side: int) -> Net:
    """Return a net whose perturbed images run in its precision, fp16 or bf16; in a wider one if that does not suit it.

    A net that is replaced has a note. `side` is that of images (n, 3, side, side) that the net takes.
    """
    images = _make_probes(net, side)
    drift, is_near = _measure_drift(net, images)
    if is_near:
        return net
    replaced = net.to_precision("bf16") if net.precision == "fp16" else net.to_precision("fp32")
    if replaced.precision == "bf16":
        coarse_drift, is_near = _measure_drift(replaced, images)
        replaced = replaced if is_near and coarse_drift < drift else net.to_precision("fp32")
    reason = "overflow or cannot be computed" if isinf(drift) else f"are off by up to {drift:.2g} (logits)"
    replaced.notes += (
        f"its class scores in {net.precision} {reason}: its perturbed images run in {replaced.precision}",
    )
    return replaced


@use_exact_arithmetic()
@torch.inference_mode()
def _measure_drift(net: Net, images: Tensor) -> tuple[float, bool]:
    """Return by how much logits differ from those in fp32, and whether that is little; infinite without any.

    What all classes share does not count if it cancels in a softmax.
    """
    expected = net(images)
    images = images[expected.isfinite().all(1)]
    expected = expected[expected.isfinite().all(1)]
    if not len(images):
        return 0.0, True  # the net has no scores of these images in fp32 either
    try:
        found = net.logits(Stream(len(images), lambda start, stop: images[start:stop]))
    except (torch.OutOfMemoryError, torch.AcceleratorError):
        raise
    except (ImageError, RuntimeError):  # an overflow, or an operation that this precision lacks
        return inf, False
    if net.link == "softmax":
        found, expected = (logits - logits.mean(1, keepdim=True) for logits in (found, expected))
    drift, largest = float((found - expected).abs().max()), float(expected.abs().max())
    return drift, drift <= min(MAX_DRIFT[net.precision], MAX_SHARE * largest)


def _make_probes(net: Net, side: int) -> Tensor:
    """Return images (n, 3, h, w): as dark and as bright as images can be, and noise."""
    noise = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    return torch.cat([noise, torch.zeros(1, 3, side, side), torch.ones(1, 3, side, side)]).to(net.device)
