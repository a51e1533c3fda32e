"""pytorch-grad-cam: eight methods' maps, and its absolute drop, increase and ROAD of the same maps."""

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

from ..bench.config.protocol import DEFAULT
from ..bench.conform import reference
from ..bench.conform.conform import FEW, MANY, Fault, Quantity, in_shares
from ..bench.forward.forward import Stream
from ..bench.nets.net import Net
from ..bench.scoring.blend import substrate
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
EPSILON = "grad_cam_plusplus.py adds 1e-6 to eq. 19's denominator, which at this layer is often no larger itself"
SIGN = "svd_on_activations.py leaves the sign of the principal component to chance: some maps are turned over"
CORNERS = "score_cam.py fits its masks with align_corners=True (UpsamplingBilinear2d), the authors' code without"
OPENCV = "utils/image.py fits by cv2.resize, which on some processors rounds its weights"
ABSOLUTE = "metrics/cam_mult_image.py takes Y - O, where the paper has (Y - O) / Y"


def compare(net: Net, images: Tensor, targets: Tensor) -> Iterator[Quantity]:
    """Maps raw, of the targets' logits; the map fitted to the image; scores of that one map by either's metrics."""
    theirs = partial(_maps, reference.whole(net), net.layer, reference.normalised(net, images), targets)
    for variant, spec in MAPS.items():
        made = reference.maps(spec, net, images, targets)
        yield Quantity(spec, DEFAULT, *in_shares(made, theirs(variant)[0]), FEW)
    yield _grad_cam_pp(net, images, targets, theirs("GradCAMPlusPlus")[0])
    yield _eigen_cam(net, images, targets, theirs("EigenCAM", cut=False)[0])
    yield _ablation_cam(net, images, targets)
    yield _score_cam(net, images, targets, theirs("ScoreCAM")[0])
    yield _fitted(net, images, targets, theirs("GradCAM")[1])
    yield from _scored(net, images, targets)


def _grad_cam_pp(net: Net, images: Tensor, targets: Tensor, theirs: Tensor) -> Quantity:
    activations, slopes = reference.gradients(net, images, targets)
    denominators = 2 * slopes**2 + activations.sum((2, 3), keepdim=True) * slopes**3 + 1e-6
    weights = (slopes**2 / denominators * slopes.relu()).sum((2, 3), keepdim=True)
    fault = Fault(EPSILON, *in_shares((weights * activations).sum(1).relu(), theirs))
    papers = reference.maps("grad_cam_pp", net, images, targets)
    return Quantity("grad_cam_pp", DEFAULT, *in_shares(papers, theirs), FEW, fault)


def _eigen_cam(net: Net, images: Tensor, targets: Tensor, theirs: Tensor) -> Quantity:
    """`theirs` are the projections (n, h', w') with their negative part."""
    spec = "eigen_cam[centred=true]"
    made = reference.maps(spec, net, images, targets)
    turned = torch.stack([_nearer(*pair) for pair in zip(theirs, made, strict=True)])
    fault = Fault(SIGN, *in_shares(made, turned))
    return Quantity(spec, DEFAULT, *in_shares(made, theirs.relu()), FEW, fault)


def _nearer(projection: Tensor, map: Tensor) -> Tensor:
    """The positive part of a projection (h', w') or of its negative, whichever is nearer to the map."""
    return min(projection.relu(), (-projection).relu(), key=lambda way: float((way - map.to(way)).abs().max()))


def _ablation_cam(net: Net, images: Tensor, targets: Tensor) -> Quantity:
    """The library has what follows the layer in double precision: of its differences of logits fp32 leaves four digits."""
    with torch.no_grad():
        activations = net.features(images).double()
    behind = nn.Sequential(OrderedDict(layer=nn.Identity(), rest=copy.deepcopy(net.classify).double()))
    theirs, _ = _maps(behind, "layer", activations, targets, "AblationCAM")
    made = reference.maps("ablation_cam", net, images, targets)
    return Quantity("ablation_cam", DEFAULT, *in_shares(made, theirs), MANY)


def _score_cam(net: Net, images: Tensor, targets: Tensor, theirs: Tensor) -> Quantity:
    spec = "score_cam[channels=softmax,weights=logit]"
    fault = Fault(CORNERS, *in_shares(_cornered(net, images, targets), theirs))
    return Quantity(spec, DEFAULT, *in_shares(reference.maps(spec, net, images, targets), theirs), MANY, fault)


@torch.inference_mode()
def _cornered(net: Net, images: Tensor, targets: Tensor) -> Tensor:
    """Score-CAM with a softmax over the channels' logits, its masks fitted with align_corners."""

    def one(image: Tensor, activations: Tensor, target: Tensor) -> Tensor:
        masks, blank = stretch(fit(activations, (image.shape[1], image.shape[2]), "corners")), substrate(image, "mean")
        shown = Stream(len(masks), lambda start, stop: torch.lerp(blank, image, masks[start:stop, None]))
        weights = net.logits(shown)[:, target].softmax(0)
        return torch.tensordot(weights, activations, 1).relu()

    return torch.stack([one(*each) for each in zip(images, net.features(images), targets, strict=True)])


def _fitted(net: Net, images: Tensor, targets: Tensor, theirs: Tensor) -> Quantity:
    import cv2

    raw = reference.maps("grad_cam", net, images, targets)
    size = (images.shape[3], images.shape[2])
    resized = stretch(torch.from_numpy(np.stack([cv2.resize(one, size) for one in stretch(raw).cpu().numpy()])))
    maps = reference.fitted(FOLLOWS, raw, images)
    return Quantity("grad_cam, fitted", FOLLOWS, maps, theirs, FEW, Fault(OPENCV, resized, theirs))


def _scored(net: Net, images: Tensor, targets: Tensor) -> Iterator[Quantity]:
    maps = reference.fitted(FOLLOWS, reference.maps("grad_cam", net, images, targets), images)
    theirs = _scores(reference.whole(net), reference.normalised(net, images), targets, maps)
    mine = reference.scores(list(theirs), FOLLOWS, net, images, targets, maps)
    for metric in theirs:
        yield Quantity(metric, FOLLOWS, mine[metric], theirs[metric], FEW)
    drop = reference.scores(["average_drop"], DEFAULT, net, images, targets, maps)["average_drop"]
    absolute = Fault(ABSOLUTE, mine["average_drop"], theirs["average_drop"])
    yield Quantity("average_drop", DEFAULT, drop, theirs["average_drop"], FEW, absolute)


def _maps(
    whole: nn.Module, layer: str, images: Tensor, targets: Tensor, variant: str, *, cut: bool = True
) -> tuple[Tensor, Tensor]:
    """The library's maps: (n, h', w') as its formula gives them, `cut` at 0 as it does next, and (n, h, w) as it ends."""
    import pytorch_grad_cam as library
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    made: list[Any] = []
    asked = [ClassifierOutputTarget(target) for target in targets.tolist()]
    with getattr(library, variant)(model=whole, target_layers=[whole.get_submodule(layer)]) as extractor, _silent():
        formula = extractor.get_cam_image

        def kept(*arguments: Any) -> Any:
            made.append(formula(*arguments))
            return made[0]

        extractor.get_cam_image = kept
        fitted = extractor(input_tensor=images, targets=asked)
    raw = torch.from_numpy(made[0])
    return raw.relu() if cut else raw, torch.from_numpy(fitted)


def _scores(whole: nn.Module, images: Tensor, targets: Tensor, maps: Tensor) -> dict[str, Tensor]:
    """By the names of our metrics, the library's scores (n,)."""
    from pytorch_grad_cam.metrics.cam_mult_image import DropInConfidence, IncreaseInConfidence
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputSoftmaxTarget

    asked = [ClassifierOutputSoftmaxTarget(target) for target in targets.tolist()]
    metrics: dict[str, Any] = {"average_drop": DropInConfidence(), "average_increase": IncreaseInConfidence()}
    metrics |= {"road[noise=0]": _road}
    given = maps.cpu().numpy()
    # NumPy's, of what ROAD does with tensors
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        return {name: torch.from_numpy(metric(images, given, asked, whole)) for name, metric in metrics.items()}


def _road(*given: Any) -> Any:
    """ROADCombined, without the noise, which cannot be the same."""
    from pytorch_grad_cam.metrics import perturbation_confidence as parts
    from pytorch_grad_cam.metrics.road import NoisyLinearImputer

    def mean(way: Any) -> Any:
        imputer = NoisyLinearImputer(noise=0)
        change = parts.AveragerAcrossThresholds(lambda share: parts.PerturbationConfidenceMetric(way(share, imputer)))
        return change(*given)

    return (mean(parts.RemoveLeastRelevantFirst) - mean(parts.RemoveMostRelevantFirst)) / 2


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Score-CAM and Ablation-CAM draw a progress bar an image."""
    with contextlib.redirect_stderr(io.StringIO()):
        yield
