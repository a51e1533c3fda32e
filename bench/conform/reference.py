"""This suite's maps and scores as tensors, which plug-ins compare with those of a reference library."""

import copy
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ..config import protocol
from ..core import plugins
from ..core.errors import NotApplicable, UsageError
from ..core.plugins import METHOD, METRIC
from ..data.seeds import hash_pixels
from ..nets.net import Net
from ..scoring import score as scoring
from ..scoring.blend import Canvas, blend_images
from ..scoring.call_method import call_method
from ..scoring.case import Case, Curve, MapOf, Question, Rerun, Score, find_map_question
from ..scoring.perturbations import Perturbed, Series
from ..scoring.postprocess import postprocess
from ..scoring.rerun import MethodRunner, prepare_rerun

SLACK = 1e-3  # by which rounding may leave [0, 1]


def compute_maps(spec: str, net: Net, images: Tensor, targets: Tensor) -> Tensor:
    """Compute the raw maps (n, h', w') of a method, neither fitted nor stretched.

    `spec` names the method, `net` is loaded, images are (n, 3, h, w) in [0, 1], and targets (n,) are class indices. Raises
    UsageError for a method that does not exist, and for other images or targets; NotApplicable if it does not apply to the net.
    """
    images, classes = _read_inputs(net, images, targets)
    return call_method(plugins.find(METHOD, spec), net, images.clone(), classes, hash_pixels(images))


def _read_inputs(net: Net, images: Tensor, targets: Tensor) -> tuple[Tensor, list[int]]:
    """Return images as float32 and targets as numbers.

    Raise UsageError for images that are not (n, 3, h, w) in [0, 1], and for targets that are not n classes of the net.
    """
    if images.dim() != 4 or images.shape[1] != 3 or not images.numel() or not images.is_floating_point():
        raise UsageError(
            f"images are numbers in [0, 1] of shape (n, 3, h, w), not {images.dtype} of shape {tuple(images.shape)}"
        )
    _check_range("images", images, "; the net normalises them itself")
    indices = torch.as_tensor(targets)
    last, integers = len(net.classes) - 1, not (indices.is_floating_point() or indices.dtype == torch.bool)
    if indices.shape != images.shape[:1] or not integers or not bool(((indices >= 0) & (indices <= last)).all()):
        shown = f"{indices.dtype} of shape {tuple(indices.shape)}, {indices.flatten()[:5].tolist()}"
        raise UsageError(f"targets are one class index for each image, from 0 to {last}, not {shown}")
    return images.float(), indices.tolist()


def _check_range(what: str, values: Tensor, why: str = "") -> None:
    """Raise UsageError for values beyond [0, 1], or not finite."""
    low, high = (float(value) for value in values.aminmax())
    if not (low >= -SLACK and high <= 1 + SLACK):
        raise UsageError(f"{what} are in [0, 1]{why}: these reach from {low:.3g} to {high:.3g}")


def fit_maps(protocol_name: str, raw_maps: Tensor, images: Tensor) -> Tensor:
    """Fit maps (n, h', w') to their images and stretch them to [0, 1], as a protocol defines; return (n, h, w)."""
    return postprocess(raw_maps, (images.shape[2], images.shape[3]), protocol.find_protocol(protocol_name))


def compute_scores(
    net: Net,
    images: Tensor,
    targets: Tensor,
    maps: Tensor,
    *,
    metrics: Sequence[str],
    protocol_name: str,
    method: str = "",
) -> dict[str, Tensor]:
    """Compute the scores (n,) of maps (n, h, w) in [0, 1], by metric, under a protocol.

    Metrics that explain the image again need the spec of the `method`. Raise UsageError for other images, targets or maps, and
    NotApplicable as the metrics do.
    """
    images, classes = _read_inputs(net, images, targets)
    if maps.shape != (len(images), *images.shape[2:]):
        raise UsageError(
            f"maps are (n, h, w), one for each image and of its size, not {tuple(maps.shape)}: see fit_maps"
        )
    _check_range("maps", maps, "; fit_maps stretches them")
    rules = protocol.find_protocol(protocol_name)
    metric_plugins = [rules.find_metric_plugins(metric, 0)[0] for metric in metrics]
    fit_and_stretch = partial(postprocess, size=(images.shape[2], images.shape[3]), protocol=rules)
    runner = MethodRunner(plugins.find(METHOD, method), net, fit_and_stretch) if method else None
    cases = []
    for image, target, map_, seed in zip(images, classes, maps.float().cpu().numpy(), hash_pixels(images), strict=True):
        rerun = prepare_rerun(runner, image, target, seed) if runner else None
        cases.append(Case(map_, target, (), image, map_, rerun, seed))
    scores = scoring.score(net, cases, metric_plugins, rules.score)
    rows = [[_as_number(score) for score in case_scores] for case_scores in scores]
    return dict(zip(metrics, torch.tensor(rows, dtype=torch.float64).T, strict=True))


def _as_number(score: Score) -> float:
    if isinstance(score, NotApplicable):
        raise score
    return score.area if isinstance(score, Curve) else score


def find_perturbed_images(metric: str, image: Tensor, map_: Tensor) -> list[Perturbed | Series]:
    """Find the first perturbed images that a metric scores, for an image (3, h, w) and its map (h, w)."""
    values = map_.cpu().numpy()
    questions: list[Question] = next(plugins.find(METRIC, metric, 0)(Case(values, 0, (), image, values)))
    return [question for question in questions if isinstance(question, Perturbed | Series)]


def find_explained_images(metric: str, image: Tensor, map_: Tensor) -> Tensor:
    """Find the images (n, 3, h, w) for which a metric asks the method for maps again."""
    values = map_.cpu().numpy()
    case = Case(values, 0, (), image, values, Rerun(lambda *_: values[None], lambda *_: values))
    asked = map(find_map_question, next(plugins.find(METRIC, metric, 0)(case)))
    requests = [(0, question.image) for question in asked if isinstance(question, MapOf)]
    stream = blend_images(Canvas(image, map_[None]), requests)
    return stream.make(0, stream.count)


def compute_gradients(net: Net, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the activations (n, k, h', w') at the net's cut, and the gradients of the targets' logits by them."""
    with torch.no_grad():
        activations = net.features(images).requires_grad_()
    logits = net.classify(activations.clone()).gather(1, targets[:, None])
    (gradients,) = torch.autograd.grad(logits.sum(), activations)
    return activations.detach(), gradients


def normalise(net: Net, images: Tensor) -> Tensor:
    """Normalise images (n, 3, h, w) as reference libraries expect them."""
    normalised: Tensor = next(iter(net.cut.modules.values()))(images)
    return normalised


def make_library_module(net: Net) -> nn.Module:
    """Make the module that the net was made from, with the same weights, but neither cut nor frozen and without normalisation.

    Raise UsageError if it does not return the logits of a softmax, because libraries would explain or score another output, or
    if the layer does not output (n, k, h, w), because libraries would confuse its axes.
    """
    module = net.cut.original
    if module is None:
        raise UsageError(f"{net.name}: reference libraries {net.cut.why_no_original}")
    shared: dict[int, Any] = {id(weight): nn.Parameter(weight.detach()) for weight in module.parameters()}
    shared |= {id(buffer): buffer.detach() for buffer in module.buffers()}
    return copy.deepcopy(module, shared).eval()
