"""What cambench gives for the values that authors' own code gave: the same nets, scenes and maps (tests/data/authors).

`python -m cambench.tests.support.authors` measures the largest difference of each quantity, for docs/authors.md.
"""

import csv
import json
import sys
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from skimage.transform import resize
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

import cambench
from cambench.bench.config.protocol import Protocol, find_protocol
from cambench.bench.conform import reference
from cambench.bench.conform.conform import max_difference
from cambench.bench.core.errors import NotApplicable
from cambench.bench.core.plugins import Plugin
from cambench.bench.data.seeds import hash_pixels
from cambench.bench.data.types import MEAN
from cambench.bench.metrics import irof
from cambench.bench.nets import load as nets
from cambench.bench.nets.net import Net
from cambench.bench.scoring import score as scoring
from cambench.bench.scoring.case import Asking, Case, Curve, FloatMap
from cambench.bench.scoring.postprocess import fit, stretch
from cambench.tests.support.naive import draw_seed
from cambench.tools.authors import DIFFERENCES, SOURCES

VALUES = SOURCES.with_name("values.csv")
SIZE = 112  # pixels
GRID = 6  # cells of a coarse map
KINDS = ("smooth", "cells", "zeros")  # of drawn maps
STRIDE = 8  # of the pixels of a map of the image's size that are recorded, from the fourth on


@dataclass(frozen=True)
class Quantity:
    """A number or a map that authors' code and cambench both compute."""

    key: str
    code: str
    place: str  # file and lines
    spec: str  # of cambench's metric or method
    protocol: str = "default"
    settings: str = ""  # of the authors' code
    equal: str = ""  # the spec that reproduces a difference
    reproduction: str = ""  # the name of the function of this module that does so, if no spec does
    reason: str = ""  # of the difference


@dataclass(frozen=True)
class Value:
    """What authors' code gave on a net and a scene: a number for a map, or the map itself."""

    key: str
    net: str
    scene: int
    map: str
    numbers: Tensor


@cache
def read_quantities() -> dict[str, Quantity]:
    """Read what was compared, by key."""
    entries = tomllib.loads(SOURCES.read_text(encoding="utf-8"))["quantities"]
    return {entry["key"]: Quantity(**entry) for entry in entries}


@cache
def read_values() -> list[Value]:
    """Read the recorded values."""
    with VALUES.open(encoding="utf-8", newline="") as file:
        return [
            Value(row["key"], row["net"], int(row["scene"]), row["map"],
                  torch.tensor([float(number) for number in row["values"].split()], dtype=torch.float64))
            for row in csv.DictReader(file)
        ]  # fmt: skip


@cache
def load_net(name: str) -> Net:
    return nets.load(name, torch.device("cpu"), "fp32")


@cache
def load_scene(index: int) -> Tensor:
    """A scene (1, 3, h, w) in [0, 1]."""
    pixels = cambench.load_dataset(f"scenes[size={SIZE}]")[index].pixels
    return torch.tensor(pixels).permute(2, 0, 1)[None].float() / 255


@cache
def make_map(kind: str, scene: int) -> Tensor:
    """A raw map (h', w'), drawn for a scene: `smooth` (no two pixels equal), `cells` (no two cells) or `zeros` (half are 0)."""
    rng = np.random.Generator(np.random.PCG64(scene))
    if kind == "smooth":
        values = gaussian_filter(rng.standard_normal((SIZE, SIZE)), 10)
        ranks = values.ravel().argsort(kind="stable").argsort(kind="stable")
        return torch.from_numpy(ranks.reshape(SIZE, SIZE) / ranks.max()).float()
    ranks = rng.permutation(GRID * GRID).reshape(GRID, GRID)
    lowest = GRID * GRID // 2 if kind == "zeros" else 0
    return torch.from_numpy(np.maximum(ranks - lowest, 0)).float()


def sample(map_: Tensor) -> Tensor:
    """Return the recorded values of a map (h, w): all of a coarse one, every STRIDE-th pixel of one of the image's size."""
    return (map_ if len(map_) < SIZE else map_[STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE]).flatten().double()


def find_target(net: Net, image: Tensor) -> Tensor:
    with torch.no_grad():
        return net(image).argmax(1)


def compute(value: Value, spec: str) -> Tensor:
    """Return what a metric or a method of cambench gives in the place of a recorded value."""
    quantity, net, image = read_quantities()[value.key], load_net(value.net), load_scene(value.scene)
    target = find_target(net, image)
    if not value.map:
        return compute_map(value, spec)
    if value.map not in KINDS:
        maps = reference.fit_maps(quantity.protocol, reference.compute_maps(value.map, net, image, target), image)
        scores = reference.compute_scores(
            net, image, target, maps, metrics=[spec], protocol_name=quantity.protocol, method=value.map
        )
        return scores[spec]
    plugin = find_protocol(quantity.protocol).find_metric_plugins(spec, 0)[0]
    return torch.tensor([score_map(value, plugin, quantity.protocol)], dtype=torch.float64)


def compute_map(value: Value, spec: str) -> Tensor:
    """Return the map of a method, stretched to [0, 1]; fitted to the image unless its own grid was recorded."""
    net, image = load_net(value.net), load_scene(value.scene)
    maps = reference.compute_maps(spec, net, image, find_target(net, image))
    on_grid = value.numbers.numel() == maps[0].numel()
    return sample((stretch(maps) if on_grid else reference.fit_maps("default", maps, image))[0])


def score_map(value: Value, metric: Plugin, protocol_name: str) -> float:
    """Score the drawn map of a recorded value by a metric."""
    net, image, raw = load_net(value.net), load_scene(value.scene), make_map(value.map, value.scene)
    rules = find_protocol(protocol_name)
    map_ = fit_as_given(raw, image, rules)
    case = Case(map_, int(find_target(net, image)), (), image[0], raw.numpy(), None, hash_pixels(image)[0])
    (score,) = scoring.score(net, [case], [metric], rules.score)[0]
    if isinstance(score, NotApplicable):
        raise score
    return score.area if isinstance(score, Curve) else score


def fit_as_given(raw: Tensor, image: Tensor, rules: Protocol) -> FloatMap:
    """Fit a raw map as the one that the authors' code was given: in float32, whose rounding orders pixels that nearly tie."""
    size = (image.shape[2], image.shape[3])
    if rules.order == "stretch-fit":
        fitted = fit(stretch(raw[None], rules.stretch), size, rules.fit).clamp(0, 1)
    else:
        fitted = stretch(fit(raw[None], size, rules.fit), rules.stretch)
    map_: FloatMap = fitted[0].numpy()
    return map_


def reproduce_cam_of_weights(net: Net, image: Tensor) -> Tensor:
    """CAM of the weights of SqueezeNet's last convolution alone, without its bias and ReLU."""
    weights = reference.make_library_module(net).get_submodule("classifier.1").weight[:, :, 0, 0]
    with torch.no_grad():
        return torch.einsum("k,khw->hw", weights[find_target(net, image)[0]], net.features(image)[0])


def reproduce_weighted_finer_cam(net: Net, image: Tensor) -> Tensor:
    """Finer-CAM with gamma = 1 and the three similar classes weighted by their probabilities."""
    activations = net.features(image).detach().requires_grad_()
    (logits,) = net.classify(activations)
    similar = logits.argsort(descending=True)[1:4]
    weights = logits.softmax(0)[similar]
    score = (weights * (logits.max() - logits[similar])).sum() / weights.sum()
    (gradients,) = torch.autograd.grad(score, activations)
    return (gradients.mean((2, 3), keepdim=True) * activations.detach()).sum(1)[0].relu()


def reproduce_rise_with_mirrored_borders(net: Net, image: Tensor) -> Tensor:
    """RISE of the masks that `rise[count=60]` draws, enlarged by scikit-image with mirrored borders."""
    count, cells, cell = 60, 7, SIZE // 7
    generator = torch.Generator().manual_seed(draw_seed(image[0], 0))
    grids = (torch.rand(count, cells, cells, generator=generator) < 0.5).numpy().astype(np.float32)
    corners = torch.stack([torch.randint(cell, (count,), generator=generator) for _ in range(2)], 1).tolist()
    sides = ((cells + 1) * cell, (cells + 1) * cell)
    large = [resize(grid, sides, order=1, mode="reflect", anti_aliasing=False) for grid in grids]
    cut = [mask[y : y + SIZE, x : x + SIZE] for mask, (y, x) in zip(large, corners, strict=True)]
    masks, mean = torch.from_numpy(np.stack(cut)), torch.tensor(MEAN).view(3, 1, 1)
    with torch.no_grad():
        scores = net(torch.lerp(mean.expand_as(image), image, masks[:, None])).softmax(1)[:, find_target(net, image)]
    return (scores[:, :, None] * masks).sum(0) / (count * 0.5)


def reproduce_grad_cam_pp_of_shares(net: Net, image: Tensor) -> Tensor:
    """Grad-CAM++ whose coefficients of a channel are divided by their sum over the pixels of positive gradients."""
    activations, gradients = reference.compute_gradients(net, image, find_target(net, image))
    alphas = 1 / (2 + activations.sum((2, 3), keepdim=True) * gradients)
    sums = torch.where(gradients > 0, alphas, 0).sum((2, 3), keepdim=True)
    weights = (alphas / torch.where(sums != 0, sums, 1) * gradients.relu()).sum((2, 3), keepdim=True)
    return (weights * activations).sum(1)[0].relu()


def reproduce_group_cam_of_raw_sums(net: Net, image: Tensor) -> Tensor:
    """Group-CAM without denoising, whose groups are summed as they are, each with its gain in score or 0."""
    target = find_target(net, image)
    activations, gradients = reference.compute_gradients(net, image, target)
    groups = (gradients.mean((2, 3), keepdim=True) * activations).chunk(32, 1)
    sums = fit(torch.cat([group.sum(1).relu() for group in groups]), (SIZE, SIZE))
    blurred, masks = gaussian_blur(image, [51, 51], [50.0, 50.0]), stretch(sums)[:, None]
    with torch.no_grad():
        scores = net(torch.cat([blurred, masks * image + (1 - masks) * blurred])).softmax(1)[:, target]
    return ((scores[1:] - scores[0]).relu()[:, :, None] * sums).sum(0)


def reproduce_irof_in_superpixels(case: Case) -> Asking[float]:
    """IROF's images, whose relative scores are not clipped: the area over their curve, in superpixels after the first."""
    clean, *scores = yield next(irof.score(case))
    relative_scores = np.array(scores) / clean
    return len(scores) - float(np.trapezoid(relative_scores))


def reproduce(name: str, value: Value) -> Tensor:
    """Return what a function of this module gives in the place of a recorded value; maps are stretched to [0, 1]."""
    if name in SCORES:
        plugin = find_protocol("default").find_metric_plugins(read_quantities()[value.key].spec, 0)[0]
        return torch.tensor([score_map(value, replace(plugin, function=SCORES[name], settings={}), "default")])
    return sample(stretch(MAPS[name](load_net(value.net), load_scene(value.scene))[None])[0])


MAPS = {
    function.__name__: function
    for function in (
        reproduce_cam_of_weights,
        reproduce_weighted_finer_cam,
        reproduce_rise_with_mirrored_borders,
        reproduce_grad_cam_pp_of_shares,
        reproduce_group_cam_of_raw_sums,
    )
}
SCORES = {reproduce_irof_in_superpixels.__name__: reproduce_irof_in_superpixels}


def find_differences(key: str) -> tuple[float, float]:
    """Return the largest difference of a quantity, and what is left of it once its reason is reproduced."""
    quantity = read_quantities()[key]
    values = [value for value in read_values() if value.key == key]

    def measure(compute_like: Callable[[Value], Tensor]) -> float:
        return max(max_difference(compute_like(value), value.numbers) for value in values)

    as_is = measure(partial(compute, spec=quantity.spec))
    if quantity.reproduction:
        return as_is, measure(partial(reproduce, quantity.reproduction))
    return as_is, measure(partial(compute, spec=quantity.equal)) if quantity.equal else as_is


def _keep_larger(stored: list[float] | None, fresh: tuple[float, float] | None) -> tuple[float, float]:
    """Return the fresh difference, and the larger of the fresh and the stored one that remains once it is reproduced."""
    known = [pair for pair in (fresh, stored) if pair]
    return known[0][0], max(pair[1] for pair in known)


def main(keys: Sequence[str]) -> None:
    """Measure the differences of all quantities, or of those named, and write them: what remains, at its largest so far.

    Rounding differs between processors, and a method that iterates enlarges it.
    """
    stored = json.loads(DIFFERENCES.read_text(encoding="utf-8")) if DIFFERENCES.exists() else {}
    fresh = {key: find_differences(key) for key in keys or read_quantities()}
    differences = {key: _keep_larger(stored.get(key), fresh.get(key)) for key in read_quantities()}
    rounded = {key: [float(f"{number:.1e}") for number in pair] for key, pair in differences.items()}
    DIFFERENCES.write_text(json.dumps(rounded, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
