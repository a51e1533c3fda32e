"""This suite's numbers, in the form in which a reference library's are compared with them."""

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
from ..nets.net import Net
from ..scoring import score as scoring
from ..scoring.case import Again, Case, Curve, FloatMap, Question, Score, Top1
from ..scoring.perturbations import Perturbed
from ..scoring.postprocess import bring
from ..scoring.rerun import again


def maps(spec: str, net: Net, images: Tensor, targets: Tensor) -> Tensor:
    """The maps (n, h', w') of a method of ours, raw."""
    found: Tensor = plugins.find(METHOD, spec)(net, images.clone(), targets)
    return found.detach()


def fitted(follows: str, raw: Tensor, images: Tensor) -> Tensor:
    """Maps (n, h, w) in [0, 1], fitted to their images as a protocol has it."""
    return bring(raw, (images.shape[2], images.shape[3]), protocol.find(follows))


def scores(
    metrics: Sequence[str], follows: str, net: Net, images: Tensor, targets: Tensor, made: Tensor, method: str = ""
) -> dict[str, Tensor]:
    """By metric, the scores (n,) of maps (n, h, w) in [0, 1], one an image, as a protocol has them.

    Metrics that ask the method again need its spec.
    """
    followed = protocol.find(follows)
    measured = [followed.measured(metric, 0)[0] for metric in metrics]
    way, rows = partial(bring, size=(images.shape[2], images.shape[3]), protocol=followed), []
    for image, target, map_ in zip(images, targets.tolist(), made.cpu().numpy(), strict=True):
        once_more = again(plugins.find(METHOD, method), net, image, target, way) if method else None
        case = Case(map_, target, (), image, map_, once_more)
        rows.append([_number(score) for score in scoring.score(net, [case], measured, followed.score)[0]])
    return dict(zip(metrics, torch.tensor(rows, dtype=torch.float64).T, strict=True))


def _number(score: Score) -> float:
    if isinstance(score, NotApplicable):
        raise score
    return score.area if isinstance(score, Curve) else score


def perturbed(metric: str, image: Tensor, map_: Tensor) -> list[Perturbed]:
    """The images of which a metric asks the target's score first, for an image (3, h, w) and its map (h, w)."""
    values = map_.cpu().numpy()
    questions: list[Question] = next(plugins.find(METRIC, metric, 0)(Case(values, 0, (), image, values)))
    return [one for one in questions if not isinstance(one, Top1)]


def moved(metric: str, image: Tensor, map_: Tensor) -> Tensor:
    """The images (n, 3, h, w) that a metric asks the method of."""
    values, seen = map_.cpu().numpy(), []

    def explain(images: Tensor) -> FloatMap:
        seen.append(images)
        return map_.expand(len(images), *map_.shape).cpu().numpy()

    plugins.find(METRIC, metric, 0)(Case(values, 0, (), image, values, Again(explain, lambda *_: values)))
    return torch.cat(seen)


def gradients(net: Net, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """The activations (n, k, h', w') at the net's cut, and the gradients of the targets' logits with respect to them."""
    with torch.no_grad():
        activations = net.features(images).requires_grad_()
    logits = net.classify(activations.clone()).gather(1, targets[:, None])
    (slopes,) = torch.autograd.grad(logits.sum(), activations)
    return activations.detach(), slopes


def normalised(net: Net, images: Tensor) -> Tensor:
    """The images (n, 3, h, w) as libraries are given them."""
    found: Tensor = next(iter(net.cut.line.values()))(images)
    return found


def whole(net: Net) -> nn.Module:
    """The module that the net was made of, as its users have it: it shares the weights, and is not cut, frozen or normalising.

    Raises UsageError where it gives something else than logits, for libraries would explain that.
    """
    module = net.cut.whole
    if module is None:
        raise UsageError(
            f"{net.name} does not give logits alone, so other libraries explain something else: no comparison"
        )
    shared: dict[int, Any] = {id(weight): nn.Parameter(weight.detach()) for weight in module.parameters()}
    shared |= {id(buffer): buffer.detach() for buffer in module.buffers()}
    return copy.deepcopy(module, shared).eval()
