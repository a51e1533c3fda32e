"""The methods of the library torchcam, as it computes them: `torchcam:GradCAM`, `torchcam:SSCAM`."""

from typing import Annotated, Any
from zlib import crc32

import torch
from pydantic import AfterValidator, Field, ValidationInfo
from torch import Tensor, nn

from ..bench.core.errors import NotApplicable, UsageError, nearest
from ..bench.nets.net import Net

VERSION = 1
REQUIRES: tuple[str, ...] = ("torchcam",)
EXTRA = "references"


def _known(variant: str) -> str:
    from torchcam.methods import activation, gradient

    known = [*activation.__all__, *gradient.__all__]
    if variant not in known:
        raise UsageError(f"torchcam has no method {variant!r}: {nearest(variant, known)}")
    return variant


def _suited(layers: str, info: ValidationInfo) -> str:
    variant, count = info.data.get("variant"), len(_names(layers))
    if variant == "RefineCAM" and count < 2:
        raise UsageError("torchcam:RefineCAM multiplies the maps of several layers: set layers=layer3+layer4")
    if variant == "CAM" and count > 1:
        raise UsageError("torchcam:CAM explains one layer, not several: set one, or none")
    return layers


def _names(layers: str) -> list[str]:
    return [name for name in layers.split("+") if name]


Variant = Annotated[str, AfterValidator(_known)]
Layers = Annotated[str, Field(validate_default=True), AfterValidator(_suited)]


def explain(
    net: Net, images: Tensor, targets: Tensor, *, variant: Variant = "GradCAM", layers: Layers = "", seed: int = 0
) -> Tensor:
    """Maps (n, h', w') of images (n, 3, h, w) for their target classes (n,), as raw as the library gives them.

    It is given normalised images, as in its documentation: what a mask leaves away becomes the mean colour. `layers`
    (layer3+layer4) are explained instead of the net's own, and their maps fused by the library. The noise of SSCAM and
    SmoothGradCAMpp depends on the seed and the image alone. Raises NotApplicable for CAM where more than one layer follows,
    and for LeGrad.
    """
    if variant == "LeGrad":
        raise NotApplicable(f"torchcam's LeGrad explains the attention of a transformer, and {net.name} has none")
    normalise, *parts = net.parts([next(iter(net.cut.line)), *(_names(layers) or [net.layer])])
    settings = {"fc_layer": _classifier(net, parts[-1])} if variant == "CAM" else {}
    maps = []
    with torch.random.fork_rng(devices=[]):  # the library draws its noise from torch's global generator on the CPU
        for image, target in zip(images, targets.tolist(), strict=True):
            torch.default_generator.manual_seed(crc32(image.cpu().numpy().tobytes(), seed))
            maps.append(_explain(parts, normalise(image[None]), target, variant, settings))
    return torch.cat(maps)


def _explain(parts: list[nn.Sequential], image: Tensor, target: int, variant: str, settings: dict[str, Any]) -> Tensor:
    from torchcam import methods

    model: Any = nn.Sequential(*parts).eval()
    with getattr(methods, variant)(model, parts[:-1], **settings) as extractor:
        scores = model(image.requires_grad_())  # the net is frozen, and the library asks for gradients at its layers
        maps: list[Tensor] = extractor([target], scores, normalized=len(parts) > 2)
        return (extractor.fuse_cams(maps) if len(maps) > 1 else maps[0]).detach()


def _classifier(net: Net, head: nn.Module) -> nn.Module:
    """The one layer that makes class maps of activations. Raises NotApplicable where there are more."""
    weighted = [layer for layer in head.modules() if next(layer.parameters(recurse=False), None) is not None]
    if len(weighted) != 1:
        raise NotApplicable(f"torchcam's CAM needs one layer behind {net.layer}, and {net.name} has {len(weighted)}")
    return weighted[0]
