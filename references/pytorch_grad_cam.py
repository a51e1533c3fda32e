"""pytorch-grad-cam: maps of eight methods, and absolute drop, increase and ROAD of the same maps."""

import contextlib
import copy
import io
import warnings
from collections import OrderedDict
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..bench.conform import reference
from ..bench.conform.conform import FEW, MANY, Fault, Quantity, rescale
from ..bench.conform.rounding import bound_projections
from ..bench.core.specs import DEFAULT
from ..bench.forward.forward import Stream
from ..bench.nets.net import Net
from ..bench.scoring.blend import make_fill
from ..bench.scoring.postprocess import fit, stretch

REQUIRES = ("pytorch_grad_cam",)
EXTRA = "references"

FOLLOWS = "pytorch-grad-cam"
MAPS = {
    "GradCAM": "grad_cam",
    "XGradCAM": "xgrad_cam",
    "LayerCAM": "layer_cam",
    "HiResCAM": "hires_cam",
}
EPSILON = "grad_cam_plusplus.py adds 1e-6 to eq. 19's denominator, which at this layer is often as small as that"
SIGN = "svd_on_activations.py leaves the sign of the principal component to chance: some maps are inverted"
CORNERS = "score_cam.py fits its masks with align_corners=True (UpsamplingBilinear2d), the authors' code with False"
OPENCV = "utils/image.py fits by cv2.resize, which on some processors rounds its weights"
ABSOLUTE = "metrics/cam_mult_image.py takes Y - O, where the paper has (Y - O) / Y"


def compare(net: Net, images: Tensor, targets: Tensor) -> Iterator[Quantity]:
    """Compare raw maps for the targets' logits, Grad-CAM maps fitted to the image, and the scores of these fitted maps.

    Score-CAM, which takes a pass for each channel, is compared on the first image alone.
    """
    compute_library_maps = partial(
        _compute_library_maps, reference.make_library_module(net), net.layer, reference.normalise(net, images), targets
    )
    for variant, spec in MAPS.items():
        own_maps = reference.compute_maps(spec, net, images, targets)
        yield Quantity(spec, DEFAULT, *rescale(own_maps, compute_library_maps(variant)[0]), FEW)
    yield _compare_grad_cam_pp(net, images, targets, compute_library_maps("GradCAMPlusPlus")[0])
    yield _compare_eigen_cam(net, images, targets, compute_library_maps("EigenCAM", cut=False)[0])
    yield _compare_ablation_cam(net, images, targets)
    yield _compare_score_cam(net, images[:1], targets[:1])
    yield _compare_fitted(net, images, targets, compute_library_maps("GradCAM")[1])
    yield from _compare_scores(net, images, targets)


def _compare_grad_cam_pp(net: Net, images: Tensor, targets: Tensor, library_maps: Tensor) -> Quantity:
    activations, slopes = reference.compute_gradients(net, images, targets)
    denominators = 2 * slopes**2 + activations.sum((2, 3), keepdim=True) * slopes**3 + 1e-6
    weights = (slopes**2 / denominators * slopes.relu()).sum((2, 3), keepdim=True)
    fault = Fault(EPSILON, *rescale((weights * activations).sum(1).relu(), library_maps))
    own_maps = reference.compute_maps("grad_cam_pp", net, images, targets)
    return Quantity("grad_cam_pp", DEFAULT, *rescale(own_maps, library_maps), FEW, fault)


def _compare_eigen_cam(net: Net, images: Tensor, targets: Tensor, library_maps: Tensor) -> Quantity:
    """Compare Eigen-CAM; `library_maps` are the projections (n, h', w') before the ReLU. Both SVDs may be off by the bound."""
    spec = "eigen_cam[centred=true]"
    own_maps = reference.compute_maps(spec, net, images, targets)
    oriented = torch.stack([_orient(*pair) for pair in zip(library_maps, own_maps, strict=True)])
    fault = Fault(SIGN, *rescale(own_maps, oriented))
    highest = own_maps.amax((1, 2))
    bounds = 2 * bound_projections(net.compute_activations(images)) / torch.where(highest > 0, highest, 1)
    tolerances = torch.where(bounds >= 1, torch.inf, bounds.clamp(min=FEW))  # from 1 on, the map may be any
    return Quantity(spec, DEFAULT, *rescale(own_maps, library_maps.relu()), tolerances, fault)


def _orient(projection: Tensor, map: Tensor) -> Tensor:
    """Return the positive part of a projection (h', w') or of its negative, whichever is nearer to the map."""
    return min(projection.relu(), (-projection).relu(), key=lambda sign: float((sign - map.to(sign)).abs().max()))


def _compare_ablation_cam(net: Net, images: Tensor, targets: Tensor) -> Quantity:
    """Compare Ablation-CAM. Layers after the cut run in double: fp32 leaves four digits of the differences of logits."""
    with torch.no_grad():
        activations = net.features(images).double()
    head = nn.Sequential(OrderedDict(layer=nn.Identity(), rest=copy.deepcopy(net.classify).double()))
    library_maps, _ = _compute_library_maps(head, "layer", activations, targets, "AblationCAM")
    own_maps = reference.compute_maps("ablation_cam", net, images, targets)
    return Quantity("ablation_cam", DEFAULT, *rescale(own_maps, library_maps), MANY)


def _compare_score_cam(net: Net, images: Tensor, targets: Tensor) -> Quantity:
    spec = "score_cam[channels=softmax,weights=logit]"
    module, normalised = reference.make_library_module(net), reference.normalise(net, images)
    library_maps, _ = _compute_library_maps(module, net.layer, normalised, targets, "ScoreCAM")
    fault = Fault(CORNERS, *rescale(_compute_score_cam_with_corners(net, images, targets), library_maps))
    own_maps = reference.compute_maps(spec, net, images, targets)
    return Quantity(f"{spec}, first image", DEFAULT, *rescale(own_maps, library_maps), MANY, fault)


@torch.inference_mode()
def _compute_score_cam_with_corners(net: Net, images: Tensor, targets: Tensor) -> Tensor:
    """Compute Score-CAM with a softmax over the channels' logits and masks fitted with align_corners."""

    def explain_image(image: Tensor, activations: Tensor, target: Tensor) -> Tensor:
        masks, blank = (
            stretch(fit(activations, (image.shape[1], image.shape[2]), "corners")),
            make_fill(image, "mean"),
        )
        stream = Stream(len(masks), lambda start, stop: torch.lerp(blank, image, masks[start:stop, None]))
        weights = net.logits(stream)[:, target].softmax(0)
        return torch.tensordot(weights, activations, 1).relu()

    return torch.stack([explain_image(*triple) for triple in zip(images, net.features(images), targets, strict=True)])


def _compare_fitted(net: Net, images: Tensor, targets: Tensor, library_maps: Tensor) -> Quantity:
    import cv2

    raw_maps = reference.compute_maps("grad_cam", net, images, targets)
    size = (images.shape[3], images.shape[2])
    resized = stretch(torch.from_numpy(np.stack([cv2.resize(map_, size) for map_ in stretch(raw_maps).cpu().numpy()])))
    maps = reference.fit_maps(FOLLOWS, raw_maps, images)
    return Quantity("grad_cam, fitted", FOLLOWS, maps, library_maps, FEW, Fault(OPENCV, resized, library_maps))


def _compare_scores(net: Net, images: Tensor, targets: Tensor) -> Iterator[Quantity]:
    maps = reference.fit_maps(FOLLOWS, reference.compute_maps("grad_cam", net, images, targets), images)
    library_scores = _compute_library_scores(
        reference.make_library_module(net), reference.normalise(net, images), targets, maps
    )
    own_scores = reference.compute_scores(
        net, images, targets, maps, metrics=list(library_scores), protocol_name=FOLLOWS
    )
    for metric in library_scores:
        yield Quantity(metric, FOLLOWS, own_scores[metric], library_scores[metric], FEW)
    drop = reference.compute_scores(net, images, targets, maps, metrics=["average_drop"], protocol_name=DEFAULT)[
        "average_drop"
    ]
    absolute = Fault(ABSOLUTE, own_scores["average_drop"], library_scores["average_drop"])
    yield Quantity("average_drop", DEFAULT, drop, library_scores["average_drop"], FEW, absolute)


def _compute_library_maps(
    module: nn.Module, layer: str, images: Tensor, targets: Tensor, variant: str, *, cut: bool = True
) -> tuple[Tensor, Tensor]:
    """Return the library's maps: (n, h', w') before its post-processing, not negative if `cut`, and (n, h, w) after it."""
    import pytorch_grad_cam as library
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    raw_maps: list[Any] = []
    requests = [ClassifierOutputTarget(target) for target in targets.tolist()]
    with (
        getattr(library, variant)(model=module, target_layers=[module.get_submodule(layer)]) as extractor,
        _hide_progress_bars(),
    ):
        formula = extractor.get_cam_image

        def keep(*arguments: Any) -> Any:
            raw_maps.append(formula(*arguments))
            return raw_maps[0]

        extractor.get_cam_image = keep
        fitted = extractor(input_tensor=images, targets=requests)
    raw = torch.from_numpy(raw_maps[0])
    return raw.relu() if cut else raw, torch.from_numpy(fitted)


def _compute_library_scores(module: nn.Module, images: Tensor, targets: Tensor, maps: Tensor) -> dict[str, Tensor]:
    """Return the library's scores (n,), by the name of our metric."""
    from pytorch_grad_cam.metrics.cam_mult_image import DropInConfidence, IncreaseInConfidence
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputSoftmaxTarget

    requests = [ClassifierOutputSoftmaxTarget(target) for target in targets.tolist()]
    metrics: dict[str, Any] = {"average_drop": DropInConfidence(), "average_increase": IncreaseInConfidence()}
    metrics |= {"road[noise=0]": _compute_road}
    arrays = maps.cpu().numpy()
    # NumPy warns about ROAD's use of tensors.
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        return {name: torch.from_numpy(metric(images, arrays, requests, module)) for name, metric in metrics.items()}


def _compute_road(*arguments: Any) -> Any:
    """Make ROADCombined without its noise, because the two libraries cannot draw the same noise."""
    from pytorch_grad_cam.metrics import perturbation_confidence as parts
    from pytorch_grad_cam.metrics.road import NoisyLinearImputer

    def average(strategy: Any) -> Any:
        imputer = NoisyLinearImputer(noise=0)
        change = parts.AveragerAcrossThresholds(
            lambda share: parts.PerturbationConfidenceMetric(strategy(share, imputer))
        )
        return change(*arguments)

    return (average(parts.RemoveLeastRelevantFirst) - average(parts.RemoveMostRelevantFirst)) / 2


@contextlib.contextmanager
def _hide_progress_bars() -> Iterator[None]:
    """Hide the progress bars of Score-CAM and Ablation-CAM."""
    with contextlib.redirect_stderr(io.StringIO()):
        yield
