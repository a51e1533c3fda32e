"""The methods of the library pytorch-grad-cam, as it computes them: `pytorch_grad_cam:GradCAM`, `pytorch_grad_cam:EigenCAM`."""

import contextlib
import inspect
import io
from collections.abc import Iterator
from typing import Annotated
from zlib import crc32

import numpy as np
import torch
from pydantic import AfterValidator, Field, ValidationInfo
from torch import Tensor, nn

from ..bench.core.errors import UsageError, nearest
from ..bench.nets.net import Net

VERSION = 2
REQUIRES: tuple[str, ...] = ("pytorch_grad_cam",)
EXTRA = "references"


def _known(variant: str) -> str:
    """A name that explains a target: all CAM methods of the library, and no other of its classes."""
    import pytorch_grad_cam as library

    classes = {name: thing for name, thing in vars(library).items() if hasattr(thing, "forward")}
    known = [name for name, thing in classes.items() if "targets" in inspect.signature(thing.forward).parameters]
    if variant not in known:
        raise UsageError(f"pytorch_grad_cam has no method {variant!r}: {nearest(variant, known)}")
    return variant


def _suited(layers: str, info: ValidationInfo) -> str:
    variant, count = info.data.get("variant"), len(_names(layers))
    if variant == "RefineCAM" and count < 2:
        raise UsageError("pytorch_grad_cam:RefineCAM multiplies the maps of several layers: set layers=layer3+layer4")
    if variant == "ShapleyCAM" and count > 1:
        raise UsageError("pytorch_grad_cam:ShapleyCAM explains one layer, not several: set one, or none")
    if variant == "FullGrad" and count:
        raise UsageError("pytorch_grad_cam:FullGrad explains every layer that has a bias: set no layers")
    return layers


def _names(layers: str) -> list[str]:
    return [name for name in layers.split("+") if name]


Variant = Annotated[str, AfterValidator(_known)]
Layers = Annotated[str, Field(validate_default=True), AfterValidator(_suited)]


def explain(
    net: Net, images: Tensor, targets: Tensor, *, variant: Variant = "GradCAM", layers: Layers = "", seed: int = 0
) -> Tensor:
    """Maps (n, h, w) in [0, 1] of images (n, 3, h, w) for their target classes (n,), fitted to the image by the library.

    It is given normalised images, as in its documentation: what a mask leaves away becomes the mean colour. `layers`
    (layer3+layer4) are explained instead of the net's own. RandomCAM's numbers, and the start of KPCA_CAM's search, depend
    on the seed and the image alone.
    """
    normalise, *parts = net.parts([next(iter(net.cut.line)), *(_names(layers) or [net.layer])])
    maps = []
    for image, target in zip(images, targets.tolist(), strict=True):
        silent = contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO())
        with _drawn(image, seed), silent[0], silent[1]:  # from progress bars, and FullGrad's warning
            maps.append(_explain(parts, normalise(image[None]), target, variant))
    return torch.cat(maps)


def _explain(parts: list[nn.Sequential], image: Tensor, target: int, variant: str) -> Tensor:
    import pytorch_grad_cam as library
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputReST, ClassifierOutputTarget

    extractor = getattr(library, variant)(model=nn.Sequential(_Watched(), *parts), target_layers=parts[:-1])
    # ReST is ShapleyCAM's own score: of a logit that is linear in the activations the library cannot take its Hessian.
    asked = ClassifierOutputReST(target) if variant == "ShapleyCAM" else ClassifierOutputTarget(target)
    how = {"targets": None, "target_idx": target} if variant == "FinerCAM" else {"targets": [asked]}
    with extractor if hasattr(extractor, "__exit__") else contextlib.nullcontext():
        maps = extractor(input_tensor=image, **how)
    return torch.from_numpy(maps).to(image)


class _Watched(nn.Module):
    """The library asks for gradients that pass its layers, and the net is frozen: so they start at the image."""

    def forward(self, images: Tensor) -> Tensor:
        return images if images.requires_grad else images.detach().requires_grad_()


@contextlib.contextmanager
def _drawn(image: Tensor, seed: int) -> Iterator[None]:
    """NumPy's global generator seeded for an image, and left as it was."""
    before = np.random.get_state()
    np.random.seed(crc32(image.cpu().numpy().tobytes(), seed))
    try:
        yield
    finally:
        np.random.set_state(before)
