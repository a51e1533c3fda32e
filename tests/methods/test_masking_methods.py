"""The methods that mask, each against its paper's equations as the slow loop that they describe, and against libraries."""

import importlib
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any
from zlib import crc32

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor, nn
from torch.nn.functional import interpolate

from cambench.bench.core.errors import UsageError
from cambench.bench.core.plugins import METHOD, METRIC, find
from cambench.bench.data.types import MEAN
from cambench.bench.forward.forward import Stream
from cambench.bench.nets.cut import Cut
from cambench.bench.nets.net import Net
from cambench.bench.scoring.postprocess import fit, stretch
from cambench.methods import (
    ablation_cam,
    edge,
    fake_cam,
    group_cam,
    is_cam,
    occlusion,
    opti_cam,
    recipro_cam,
    rise,
    score_cam,
    ss_cam,
    uniform,
)
from cambench.tests.support import nets
from cambench.tests.support.nets import close, gradients, random_images, tiny_pooled, tiny_vgg

TARGETS = torch.tensor([3, 7])
FILLS = {"mean": torch.tensor(MEAN).view(3, 1, 1), "black": torch.zeros(3, 1, 1)}
Score = Callable[[Tensor], Tensor]


@pytest.fixture(scope="module", params=[tiny_pooled, tiny_vgg])
def net(request: pytest.FixtureRequest) -> Net:
    """A tiny net of eight channels, one of them dead and one constant."""
    made: Any = request.param()
    last = made.features[3]
    last.weight.data[[2, 5]], last.bias.data[[2, 5]] = 0, torch.tensor([0, 0.3])
    return made


def activations_of(net: Net, image: Tensor) -> Tensor:
    activations: Tensor = net.features(image[None])[0]
    return activations


def constant(channel: Tensor) -> bool:
    return bool(channel.max() == channel.min())


def mask_of(channel: Tensor, first: str = "fit", size: int = 64) -> Tensor:
    """A channel (h', w') as a mask (h, w); 0 where it is constant."""

    def stretched(map_: Tensor) -> Tensor:
        span = float(map_.max() - map_.min())
        return (map_ - map_.min()) / span if span else torch.zeros_like(map_)

    def fitted(map_: Tensor) -> Tensor:
        return interpolate(map_[None, None], (size, size), mode="bilinear", align_corners=False)[0, 0]

    return stretched(fitted(channel)) if first == "fit" else fitted(stretched(channel))


def score_of(net: Net, target: Tensor, weights: str = "softmax") -> Score:
    def score(image: Tensor) -> Tensor:
        logits = net(image[None])[0].double()
        return (logits.softmax(0) if weights == "softmax" else logits)[target]

    return score


def shown_best(net: Net, images: Tensor) -> Tensor:
    """The classes (n,) whose scores the images raise most, above that of nothing but mean colour."""
    blank = FILLS["mean"].expand_as(images[:1])
    return (net(images).softmax(1) - net(blank).softmax(1)).argmax(1)


# Score-CAM


@pytest.mark.parametrize("weights", ["softmax", "logit"])
@pytest.mark.parametrize("channels", ["plain", "softmax"])
@pytest.mark.parametrize("baseline", ["none", "image", "fill"])
@pytest.mark.parametrize("first", ["fit", "stretch"])
def test_score_cams_variants_are_loops_over_channels(
    weights: Any, channels: Any, baseline: Any, first: Any, net: Net, images: Tensor
) -> None:
    """Where the image itself scores above all that the masks show, nothing is left of its map."""
    fill, settings = FILLS["mean"], {"weights": weights, "channels": channels, "baseline": baseline, "first": first}
    expected, targets = [], shown_best(net, images)
    for image, target in zip(images, targets, strict=True):
        score, activations = score_of(net, target, weights), activations_of(net, image)
        against = {"none": 0.0, "image": float(score(image)), "fill": float(score(fill.expand_as(image)))}[baseline]
        kept = [channel for channel in activations if channels == "softmax" or not constant(channel)]
        masks = [mask_of(channel, first) for channel in kept]
        scores = torch.stack([score(mask * image + (1 - mask) * fill) - against for mask in masks])
        scores = scores.softmax(0) if channels == "softmax" else scores
        expected.append(sum(s.float() * channel for s, channel in zip(scores, kept, strict=True)).relu())
    found = score_cam.explain(net, images, targets, **settings)
    torch.testing.assert_close(found, torch.stack(expected), rtol=1e-3, atol=1e-5)
    assert found.any() or (baseline == "image" and channels == "plain")


def test_no_baseline_changes_a_softmax_over_channels(net: Net, images: Tensor) -> None:
    maps = [
        score_cam.explain(net, images, TARGETS, channels="softmax", baseline=baseline)
        for baseline in ("none", "image", "fill")
    ]
    close(maps[1], maps[0])
    close(maps[2], maps[0])


def module_of(net: Net) -> Any:
    """The net for the libraries, which are given normalised images."""
    _, features, head = net.parts(["0", "4"])
    return nn.Sequential(OrderedDict(features=features, head=head))


@pytest.fixture
def whole(net: Net) -> Any:
    return module_of(net)


def normalised(images: Tensor) -> Tensor:
    return (images - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor((0.229, 0.224, 0.225)).view(3, 1, 1)


def torchcams(variant: str, whole: Any, images: Tensor, **settings: Any) -> Tensor:
    """torchcam's raw map (n, h', w') of the targets' logits."""
    library = pytest.importorskip("torchcam.methods", reason="the library of the extra `references` is not installed")
    with getattr(library, variant)(whole, "features", **settings) as extractor:
        noise = settings and (lambda size: torch.cat([ours(size, settings["std"], image) for image in images]))
        if variant == "SSCAM":
            drawn = iter(range(settings["num_samples"]))
            extractor._distrib.sample = lambda size: noise(size)[:, :, next(drawn)]
        maps: list[Tensor] = extractor(TARGETS.tolist(), whole(normalised(images)), normalized=False)
    return maps[0]


def ours(size: torch.Size, sigma: float, image: Tensor, samples: int = 3) -> Tensor:
    """SS-CAM's noise (1, k, samples, h, w) of an image, drawn one mask after the other."""
    _, channels, height, width = size
    of_image = crc32(image.numpy().tobytes(), 0)
    seeds = [crc32(place.to_bytes(4, "little"), of_image) for place in range(channels * samples)]
    drawn = [torch.randn(height, width, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    return sigma * torch.stack(drawn).view(1, channels, samples, height, width)


def test_score_cam_is_torchcams(net: Net, whole: Any, images: Tensor) -> None:
    settings: Any = {"weights": "logit", "channels": "softmax", "baseline": "image", "first": "stretch"}
    close(score_cam.explain(net, images, TARGETS, **settings), torchcams("ScoreCAM", whole, images))


def test_score_cam_is_pytorch_grad_cams_but_for_its_upsampling(images: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal once masks are fitted as it fits them, with align_corners; then its own map differs by OpenCV's resizing alone.

    Constant channels are dead ones here: of another constant it stretches the rounding of its upsampling into a mask.
    """
    library = pytest.importorskip("pytorch_grad_cam", reason="the library of the extra `references` is not installed")
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    net = channels_alive(6)
    whole = module_of(net)
    asked = [ClassifierOutputTarget(int(target)) for target in TARGETS]
    layer, batch = whole.features, normalised(images)
    with library.ScoreCAM(model=whole, target_layers=[layer]) as extractor:
        resized = extractor(input_tensor=batch.requires_grad_(), targets=asked)
        activations = extractor.activations_and_grads.activations[0].numpy()
        native = extractor.get_cam_image(batch, layer, asked, activations, None)
    settings: Any = {"weights": "logit", "channels": "softmax"}
    theirs = torch.from_numpy(native).relu()
    plain = stretch(score_cam.explain(net, images, TARGETS, **settings))
    assert 1e-4 < float((plain - stretch(theirs)).abs().max()) < 0.05
    monkeypatch.setattr("cambench.methods._masking.fit", lambda maps, size: fit(maps, size, "corners"))
    maps = score_cam.explain(net, images, TARGETS, **settings)
    close(maps, theirs)
    np.testing.assert_allclose(resized, stretch(fit(maps, (64, 64))).numpy(), atol=0.005)


# SS-CAM and IS-CAM


@pytest.mark.parametrize(("weights", "channels"), [("softmax", "plain"), ("logit", "softmax")])
def test_ss_cam_averages_scores_over_noisy_masks(weights: Any, channels: Any, net: Net, images: Tensor) -> None:
    expected = []
    for image, target in zip(images, TARGETS, strict=True):
        score, activations = score_of(net, target, weights), activations_of(net, image)
        kept = [channel for channel in activations if channels == "softmax" or not constant(channel)]
        noise = ours(torch.Size((1, len(kept), 64, 64)), 0.5, image)[0]
        scores = torch.zeros(len(kept), dtype=torch.float64)
        for place, channel in enumerate(kept):
            for sample in range(3):
                mask = mask_of(channel) + noise[place, sample]
                scores[place] += score(mask * image + (1 - mask) * FILLS["mean"]) / 3
        scores = scores.softmax(0) if channels == "softmax" else scores
        expected.append(sum(s.float() * channel for s, channel in zip(scores, kept, strict=True)).relu())
    settings: Any = {"samples": 3, "sigma": 0.5, "weights": weights, "channels": channels}
    close(ss_cam.explain(net, images, TARGETS, **settings), torch.stack(expected))


def test_ss_cam_is_torchcams_on_the_same_noise(net: Net, whole: Any, images: Tensor) -> None:
    expected = torchcams("SSCAM", whole, images, num_samples=3, std=0.5)
    settings: Any = {"samples": 3, "sigma": 0.5, "weights": "logit", "channels": "softmax", "first": "stretch"}
    close(ss_cam.explain(net, images, TARGETS, **settings), expected)


def test_ss_cam_without_noise_is_score_cam(net: Net, images: Tensor) -> None:
    maps = score_cam.explain(net, images, TARGETS)
    close(ss_cam.explain(net, images, TARGETS, samples=2, sigma=0), maps)
    assert not torch.allclose(ss_cam.explain(net, images, TARGETS, samples=2), maps, rtol=1e-3)


@pytest.mark.parametrize("path", ["sum", "line"])
@pytest.mark.parametrize(("weights", "channels"), [("softmax", "plain"), ("logit", "softmax")])
def test_is_cam_averages_scores_while_the_mask_is_brought_in(
    path: Any, weights: Any, channels: Any, net: Net, images: Tensor
) -> None:
    expected = []
    for image, target in zip(images, TARGETS, strict=True):
        score, activations = score_of(net, target, weights), activations_of(net, image)
        kept = [channel for channel in activations if channels == "softmax" or not constant(channel)]
        scores = torch.zeros(len(kept), dtype=torch.float64)
        for place, channel in enumerate(kept):
            amount = 0.0
            for step in (1, 2, 3, 4):
                amount = amount + step / 4 if path == "sum" else step / 4
                mask = amount * mask_of(channel)
                scores[place] += score(mask * image + (1 - mask) * FILLS["mean"]) / 4
        scores = scores.softmax(0) if channels == "softmax" else scores
        expected.append(sum(s.float() * channel for s, channel in zip(scores, kept, strict=True)).relu())
    settings: Any = {"steps": 4, "path": path, "weights": weights, "channels": channels}
    close(is_cam.explain(net, images, TARGETS, **settings), torch.stack(expected))


def test_is_cam_is_torchcams(net: Net, whole: Any, images: Tensor) -> None:
    """Its code, not the formula of its documentation, which ends each sum one step earlier."""
    settings: Any = {"weights": "logit", "channels": "softmax", "first": "stretch"}
    close(is_cam.explain(net, images, TARGETS, **settings), torchcams("ISCAM", whole, images))


# Ablation-CAM and Recipro-CAM: only what follows the activations runs again


def test_ablation_cam_is_the_share_lost_without_each_channel(net: Net, images: Tensor) -> None:
    expected = []
    for image, target in zip(images, TARGETS, strict=True):
        activations = activations_of(net, image)
        whole = net.classify(activations[None])[0, target]
        map_ = torch.zeros_like(activations[0])
        for channel in range(len(activations)):
            ablated = activations.clone()
            ablated[channel] = 0
            map_ += (whole - net.classify(ablated[None])[0, target]) / whole * activations[channel]
        expected.append(map_.relu())
    close(ablation_cam.explain(net, images, TARGETS), torch.stack(expected))


def test_ablation_cam_is_pytorch_grad_cams(net: Net, whole: Any, images: Tensor) -> None:
    """Behind a ReLU, where the least activation is 0; else it takes min - 10^7 for 0, which no paper does."""
    library = pytest.importorskip("pytorch_grad_cam", reason="the library of the extra `references` is not installed")
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    activations = net.features(images)
    assert activations.min() == 0
    asked = [ClassifierOutputTarget(int(target)) for target in TARGETS]
    layer = whole.features
    with library.AblationCAM(model=whole, target_layers=[layer]) as extractor:
        weights = extractor.get_cam_weights(normalised(images), layer, asked, activations.numpy(), None)
    expected = (torch.from_numpy(weights)[:, :, None, None] * activations).sum(1).relu()
    torch.testing.assert_close(
        ablation_cam.explain(net, images, TARGETS), expected, rtol=1e-3, atol=1e-4 * float(expected.max())
    )
    assert expected.any()


def red_net(bias: float) -> Net:
    """Activations are the image's colours, the logit of class 0 the mean of red plus a bias, that of class 1 nothing."""
    colours, linear = nn.Identity(), nn.Linear(3, 2)
    linear.weight.data, linear.bias.data = torch.tensor([[1.0, 0, 0], [0, 0, 0]]), torch.tensor([bias, 0.0])
    line = {"colours": colours, "pool": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten(), "linear": linear}
    return Net("red", Cut(line, "colours", no_class_maps="none are needed here"), ("a", "b"), "fp32")


@pytest.mark.parametrize("bias", [1.0, 0.0, -2.0])
def test_ablation_cam_by_hand_where_the_score_is_positive_0_or_negative(bias: float) -> None:
    """The logit is the mean of red plus the bias: without red it loses that mean, a share of itself, or itself at 0."""
    image = random_images(1, 8)
    mean = image[0, 0].mean()
    score = mean + bias if bias else 0.0
    found = ablation_cam.explain(red_net(bias if bias else -float(mean)), image, torch.tensor([0]))
    expected = mean / (score or 1) * image[:, 0]
    torch.testing.assert_close(found, expected.relu(), rtol=1e-4, atol=1e-6)
    assert found.any() == (bias >= 0)


@pytest.mark.parametrize("kernel", ["point", "gaussian"])
def test_recipro_cam_scores_each_place_by_itself(kernel: Any, net: Net, images: Tensor) -> None:
    weights = torch.tensor([[1, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16 if kernel == "gaussian" else torch.ones(1, 1)
    reach = len(weights) // 2
    expected = torch.zeros(2, 16, 16)
    for number, (image, target) in enumerate(zip(images, TARGETS, strict=True)):
        activations = activations_of(net, image)
        for y in range(16):
            for x in range(16):
                shown = torch.zeros_like(activations)
                for dy in range(-reach, reach + 1):
                    for dx in range(-reach, reach + 1):
                        if 0 <= y + dy < 16 and 0 <= x + dx < 16:
                            shown[:, y + dy, x + dx] = weights[dy + reach, dx + reach] * activations[:, y, x]
                expected[number, y, x] = net.classify(shown[None])[0].double().softmax(0)[target]
    found = recipro_cam.explain(net, images, TARGETS, kernel=kernel)
    torch.testing.assert_close(stretch(found), stretch(expected), rtol=0, atol=1e-3)
    close(found, expected)


def test_a_net_whose_rest_begins_with_a_relu_in_place_keeps_its_activations(images: Tensor) -> None:
    """Negative activations lower a map; a ReLU in place would have them vanish for whoever asks last."""
    net = tiny_pooled()
    line = dict(net.cut.line) | {"4": nn.ReLU(inplace=True)}
    early = Net("early", Cut(line, "3", no_class_maps="a ReLU follows"), net.classes, "fp32")
    activations = activations_of(early, images[0])
    assert activations.min() < 0
    logits = net(images[:1])[0]
    without = torch.stack([early.classify(_without(activations, k)[None])[0] for k in range(8)])
    expected = torch.einsum("k,khw->hw", (logits - without)[:, 3] / logits[3], activations).relu()
    close(ablation_cam.explain(early, images[:1], TARGETS[:1])[0], expected)


def _without(activations: Tensor, channel: int) -> Tensor:
    left = activations.clone()
    left[channel] = 0
    return left


# Group-CAM and Opti-CAM


@pytest.mark.parametrize(("groups", "denoise"), [(3, 0.7), (4, 0.0), (32, 0.5)])
def test_group_cam_is_a_loop_over_groups(groups: int, denoise: float, net: Net, images: Tensor) -> None:
    """The authors' first code: chunks of weighted channels, ReLU, percentile, fit, stretch, softmax score above the blurred."""
    kernel = np.exp(-0.5 * (np.arange(-25, 26) / 50.0) ** 2)
    kernel /= kernel.sum()
    targets = shown_best(net, images)
    every, slopes = gradients(net, images, targets)
    expected = []
    for image, activations, slope, target in zip(images, every, slopes, targets, strict=True):
        score, map_ = score_of(net, target), torch.zeros(64, 64)
        rows = ndimage.correlate1d(image.numpy(), kernel, axis=1, mode="mirror")
        blurred = torch.from_numpy(ndimage.correlate1d(rows, kernel, axis=2, mode="mirror"))
        weighted = [slope[k].mean() * activations[k] for k in range(8)]
        width = -(-8 // groups)
        for start in range(0, 8, width):
            part = torch.stack(weighted[start : start + width]).sum(0).clamp(min=0).numpy()
            part[part <= np.percentile(part, 100 * denoise)] = 0
            mask = mask_of(torch.from_numpy(part))
            map_ += float(score(image * mask + blurred * (1 - mask)) - score(blurred)) * mask
        expected.append(map_.clamp(min=0))
    found, maps = group_cam.explain(net, images, targets, groups=groups, denoise=denoise), torch.stack(expected)
    torch.testing.assert_close(found, maps, rtol=1e-3, atol=1e-4 * float(maps.max()))
    assert maps.any()


def test_group_cam_blurs_an_image_smaller_than_its_kernel() -> None:
    maps = group_cam.explain(tiny_pooled(), random_images(2, 20), TARGETS)
    assert maps.shape == (2, 20, 20) and maps.isfinite().all() and maps.any()


@pytest.mark.parametrize("fill", ["mean", "black"])
def test_opti_cam_climbs_by_adams_equations(fill: Any, net: Net, images: Tensor) -> None:
    """All channels are in the mix here; that the constant ones are left out there changes no mask."""
    found = opti_cam.explain(net, images, TARGETS, iterations=15, rate=0.1, fill=fill)
    for image, target, map_ in zip(images, TARGETS, found, strict=True):
        activations = activations_of(net, image)
        u, first, second = torch.zeros(8), torch.zeros(8), torch.zeros(8)
        for step in range(1, 16):
            slope = torch.func.grad(_masked_logit)(u, net, image, activations, target, FILLS[fill])
            first, second = 0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope**2
            u = u + 0.1 * (first / (1 - 0.9**step)) / ((second / (1 - 0.999**step)).sqrt() + 1e-8)
        expected = mask_of(torch.einsum("k,khw->hw", u.softmax(0), activations))
        torch.testing.assert_close(mask_of(map_), expected, rtol=0, atol=1e-3)


def _masked_logit(u: Tensor, net: Net, image: Tensor, activations: Tensor, target: Tensor, blank: Tensor) -> Tensor:
    map_ = torch.einsum("k,khw->hw", u.softmax(0), activations)[None, None]
    large = interpolate(map_, (64, 64), mode="bilinear", align_corners=False)[0]
    mask = (large - large.min()) / (large.max() - large.min())
    logit: Tensor = net((mask * image + (1 - mask) * blank)[None])[0, target]
    return logit


def test_opti_cam_finds_a_higher_score_than_it_starts_from(net: Net, images: Tensor) -> None:
    for image, target in zip(images, TARGETS, strict=True):
        score = score_of(net, target, "logit")
        mixes = [opti_cam.explain(net, image[None], target[None], iterations=count)[0] for count in (1, 30)]
        start, end = (score(torch.lerp(FILLS["mean"], image, mask_of(mix))) for mix in mixes)
        assert end > start


# RISE and occlusion


@pytest.mark.parametrize(("cells", "keep", "size"), [(7, 0.5, (64, 64)), (4, 0.2, (51, 38))])
def test_rise_averages_random_masks_by_their_scores(cells: int, keep: float, size: tuple[int, int], net: Net) -> None:
    """The authors' loop, with scikit-image's resizing, the border repeated (theirs mirrors a mask's outer half cells)."""
    transform = pytest.importorskip("skimage.transform")
    (height, width), images = size, random_images(2)[:, :, : size[0], : size[1]]
    found = rise.explain(net, images, TARGETS, count=7, cells=cells, keep=keep)
    cell = [int(np.ceil(side / cells)) for side in size]
    for image, target, map_ in zip(images, TARGETS, found, strict=True):
        generator = torch.Generator().manual_seed(crc32(image.numpy().tobytes(), 0))
        grids = (torch.rand(7, cells, cells, generator=generator) < keep).float().numpy()
        down, right = (torch.randint(side, (7,), generator=generator).tolist() for side in cell)
        expected, score = torch.zeros(size), score_of(net, target)
        for grid, y, x in zip(grids, down, right, strict=True):
            large = [(cells + 1) * side for side in cell]
            up = transform.resize(grid, large, order=1, mode="edge", anti_aliasing=False)
            mask = torch.from_numpy(up[y : y + height, x : x + width])
            expected += float(score(mask * image + (1 - mask) * FILLS["mean"])) * mask / (7 * keep)
        close(map_, expected)


def test_rises_masks_show_the_share_that_is_kept_and_lie_anywhere() -> None:
    """With a score of 1 the map is the mean mask over `keep`: 1 everywhere, but for chance."""
    net: Any = nets.FakeNet(lambda images: torch.ones(len(images)))
    map_ = rise.explain(net, random_images(1), torch.tensor([0]), count=3000, keep=0.3)[0]
    assert float(map_.mean()) == pytest.approx(1, abs=0.02) and float((map_ - 1).abs().max()) < 0.15
    shown = torch.stack(net.images).ne(FILLS["mean"]).float().mean(0)
    assert shown.min() > 0.3


def test_rise_and_occlusion_find_the_pixels_that_count() -> None:
    def score(images: Tensor) -> Tensor:
        return images[:, :, 8:24, 40:56].sub(FILLS["mean"]).abs().mean((1, 2, 3))

    net: Any = nets.FakeNet(score)
    image, inside = random_images(1), torch.zeros(64, 64, dtype=torch.bool)
    inside[8:24, 40:56] = True
    for map_ in (
        rise.explain(net, image, torch.tensor([0]), count=500)[0],
        occlusion.explain(net, image, torch.tensor([0]), patch=16, stride=8)[0],
    ):
        assert map_[inside].mean() > map_[~inside].quantile(0.9)


@pytest.mark.parametrize(("patch", "stride"), [(32, 16), (10, 7), (100, 3)])
def test_occlusion_averages_the_drops_of_the_patches_over_each_pixel(
    patch: int, stride: int, net: Net, images: Tensor
) -> None:
    images = images[:, :, :, :50]
    found = occlusion.explain(net, images, TARGETS, patch=patch, stride=stride)
    for image, target, map_ in zip(images, TARGETS, found, strict=True):
        score, drops, covering = score_of(net, target), torch.zeros(64, 50), torch.zeros(64, 50)
        for y in {*range(0, max(64 - patch, 0), stride), max(64 - patch, 0)}:
            for x in {*range(0, max(50 - patch, 0), stride), max(50 - patch, 0)}:
                hidden, over = image.clone(), (slice(y, y + patch), slice(x, x + patch))
                hidden[:, *over] = FILLS["mean"]
                drops[over] += float(score(image) - score(hidden))
                covering[over] += 1
        close(map_, drops / covering)


def test_occlusion_refuses_gaps_between_patches(net: Net, images: Tensor) -> None:
    with pytest.raises(UsageError, match="leaves gaps"):
        occlusion.explain(net, images, TARGETS, patch=8, stride=9)


# What all of them share

MASKING = {
    "score_cam": {},
    "ss_cam": {"samples": 3},
    "is_cam": {"steps": 3},
    "group_cam": {"groups": 4},
    "opti_cam": {"iterations": 3},
    "ablation_cam": {},
    "recipro_cam": {},
    "rise": {"count": 20},
    "occlusion": {},
}
CONTROLS = ("uniform", "edge", "fake_cam")


def explained(name: str, net: Net, images: Tensor, **settings: Any) -> Tensor:
    module: Any = importlib.import_module(f"cambench.methods.{name}")
    maps: Tensor = module.explain(net, images, TARGETS[: len(images)], **MASKING.get(name, {}), **settings)
    return maps


def channels_alive(count: int) -> Net:
    """A net of which all channels but so many are dead."""
    net: Any = tiny_vgg()
    net.features[3].weight.data[count:], net.features[3].bias.data[count:] = 0, 0
    return net


@pytest.mark.parametrize("name", [name for name in MASKING if name not in ("rise", "occlusion")])
def test_dead_channels_make_an_empty_map(name: str, images: Tensor) -> None:
    maps = explained(name, channels_alive(0), images)
    assert len(maps) == 2 and all(constant(map_) for map_ in maps) and (name == "recipro_cam" or not maps.any())


@pytest.mark.parametrize("channels", ["plain", "softmax"])
@pytest.mark.parametrize("name", ["score_cam", "ss_cam", "is_cam", "opti_cam", "ablation_cam"])
def test_of_one_channel_the_map_is_that_channel(name: str, channels: str, images: Tensor) -> None:
    net = channels_alive(1)
    settings = {"channels": channels} if name in ("score_cam", "ss_cam", "is_cam") else {}
    activations = net.features(images)[:, 0]
    assert not any(constant(channel) for channel in activations)
    for map_, channel in zip(explained(name, net, images, **settings), activations, strict=True):
        assert name == "ablation_cam" or map_.any()
        if map_.any():  # without the channel a score may rise
            close(stretch(map_[None])[0], stretch(channel[None])[0])


@pytest.mark.parametrize(
    ("name", "through_the_net", "through_its_head"),
    [
        ("score_cam", 6, 0),
        ("ss_cam", 6 * 3, 0),
        ("is_cam", 6 * 3, 0),
        ("group_cam", 4 + 1, 0),
        ("opti_cam", 0, 0),
        ("ablation_cam", 0, 7 + 1),
        ("recipro_cam", 0, 16 * 16),
        ("rise", 20, 0),
        ("occlusion", 3 * 3 + 1, 0),
    ],
)
def test_the_passes_that_a_method_takes(
    name: str, through_the_net: int, through_its_head: int, net: Net, images: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of eight channels one is dead, which costs nothing, and one constant, which has no mask but can be ablated."""
    counts = {"scores": 0, "logits": 0, "classified": 0}

    def counted(kind: str, ask: Any, stream: Stream) -> Any:
        counts[kind] += stream.count
        return ask(stream)

    for kind in counts:
        monkeypatch.setattr(net, kind, partial(counted, kind, getattr(net, kind)))
    explained(name, net, images[:1])
    assert counts["scores"] + counts["logits"] == through_the_net or name == "group_cam"
    assert name != "group_cam" or 1 < counts["scores"] <= through_the_net  # groups whose sums are negative have no mask
    assert counts["classified"] == through_its_head


@pytest.mark.parametrize("name", MASKING)
def test_maps_do_not_depend_on_how_many_images_go_into_a_pass(name: str, images: Tensor) -> None:
    net: Any = tiny_pooled()
    whole = explained(name, net, images)
    for forward in (net._forward, net._head):
        forward._fitting = dict.fromkeys(forward._fitting, 3)
        forward._chunk = 3
    close(explained(name, net, images), whole)


@pytest.mark.parametrize("name", [*MASKING, *CONTROLS[1:]])
def test_an_image_may_be_wider_than_high(name: str, images: Tensor) -> None:
    """On a net alike in both directions the map of the image turned over is the map turned over."""
    net: Any = tiny_pooled()
    for layer in (net.features[1], net.features[3]):
        layer.weight.data = (layer.weight.data + layer.weight.data.transpose(2, 3)) / 2
    wide = images[:, :, :40]
    maps, turned = explained(name, net, wide), explained(name, net, wide.transpose(2, 3).contiguous())
    assert maps.shape[1:] in ((40, 64), (10, 16))
    if name not in ("ss_cam", "rise"):  # chance falls anew
        torch.testing.assert_close(turned.transpose(1, 2), maps, rtol=1e-3, atol=1e-3 * float(maps.max()))


@pytest.mark.parametrize("name", ["ss_cam", "rise"])
def test_chance_depends_on_the_seed_and_the_image_alone(name: str, net: Net, images: Tensor) -> None:
    before = torch.get_rng_state()
    maps = explained(name, net, images)
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.allclose(maps, explained(name, net, images, seed=1), rtol=1e-3)


# Controls


def test_a_uniform_map_says_nothing_of_any_pixel(pooled: Net, images: Tensor) -> None:
    fitted = stretch(fit(uniform.explain(pooled, images, TARGETS), (64, 64)))
    assert fitted.shape == (2, 64, 64) and not fitted.any()


def test_edges_are_scipys_sobel(pooled: Net, images: Tensor) -> None:
    found = edge.explain(pooled, images, TARGETS)
    for image, map_ in zip(images.numpy(), found, strict=True):
        grey = 0.299 * image[0] + 0.587 * image[1] + 0.114 * image[2]
        expected = np.hypot(ndimage.sobel(grey, 0, mode="nearest"), ndimage.sobel(grey, 1, mode="nearest"))
        close(map_, torch.from_numpy(expected))
    assert not edge.explain(pooled, torch.ones(1, 3, 9, 9), TARGETS[:1]).any()


def test_fake_cam_loses_nothing_to_average_drop(pooled: Net, images: Tensor) -> None:
    maps = stretch(fit(fake_cam.explain(pooled, images, TARGETS), (64, 64)))
    assert maps.sum((1, 2)).tolist() == [64 * 64 - 1] * 2 and not maps[:, 0, 0].any()
    everything = stretch(fit(uniform.explain(pooled, images, TARGETS), (64, 64)))
    drop = find(METRIC, "average_drop")
    for image, target, map_, nothing in zip(images, TARGETS.tolist(), maps, everything, strict=True):
        lost = [nets.scores_of(pooled, image, target, one[None], (), [drop])[0][0] for one in (map_, nothing)]
        assert isinstance(lost[0], float) and lost[0] < 0.02


@pytest.mark.parametrize("name", CONTROLS)
def test_controls_are_there_to_be_beaten(name: str) -> None:
    assert find(METHOD, name).control
