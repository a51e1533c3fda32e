"""Masking methods, compared with slow loops written from the papers' equations and with libraries."""

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
from cambench.tests.support.naive import draw_seed
from cambench.tests.support.nets import close, gradients, random_images, tiny_pooled, tiny_vgg

TARGETS = torch.tensor([3, 7])
FILLS = {"mean": torch.tensor(MEAN).view(3, 1, 1), "black": torch.zeros(3, 1, 1)}
Score = Callable[[Tensor], Tensor]


@pytest.fixture(scope="module", params=[tiny_pooled, tiny_vgg])
def net(request: pytest.FixtureRequest) -> Net:
    """A tiny net of eight channels, one of them dead and one constant."""
    net_: Any = request.param()
    convolution = net_.features[3]
    convolution.weight.data[[2, 5]], convolution.bias.data[[2, 5]] = 0, torch.tensor([0, 0.3])
    return net_


def activations_of(net: Net, image: Tensor) -> Tensor:
    activations: Tensor = net.features(image[None])[0]
    return activations


def is_constant(channel: Tensor) -> bool:
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


def choose_targets(net: Net, images: Tensor) -> Tensor:
    """The classes (n,) whose scores on the images exceed those on the mean colour most."""
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
    """The map is empty if the score of the whole image, as the baseline, exceeds those of all masked images."""
    fill, settings = FILLS["mean"], {"weights": weights, "channels": channels, "baseline": baseline, "first": first}
    expected, targets = [], choose_targets(net, images)
    for image, target in zip(images, targets, strict=True):
        score, activations = score_of(net, target, weights), activations_of(net, image)
        baseline_score = {"none": 0.0, "image": float(score(image)), "fill": float(score(fill.expand_as(image)))}[
            baseline
        ]
        selected = [channel for channel in activations if channels == "softmax" or not is_constant(channel)]
        masks = [mask_of(channel, first) for channel in selected]
        scores = torch.stack([score(mask * image + (1 - mask) * fill) - baseline_score for mask in masks])
        scores = scores.softmax(0) if channels == "softmax" else scores
        expected.append(sum(s.float() * channel for s, channel in zip(scores, selected, strict=True)).relu())
    maps = score_cam.explain(net, images, targets, **settings)
    torch.testing.assert_close(maps, torch.stack(expected), rtol=1e-3, atol=1e-5)
    assert maps.any() or (baseline == "image" and channels == "plain")


def test_no_baseline_changes_a_softmax_over_channels(net: Net, images: Tensor) -> None:
    maps = [
        score_cam.explain(net, images, TARGETS, channels="softmax", baseline=baseline)
        for baseline in ("none", "image", "fill")
    ]
    close(maps[1], maps[0])
    close(maps[2], maps[0])


def make_module(net: Net) -> Any:
    """The net without normalisation, for the libraries, which get normalised images."""
    _, features, head = net.split_at(["0", "4"])
    return nn.Sequential(OrderedDict(features=features, head=head))


@pytest.fixture
def module(net: Net) -> Any:
    return make_module(net)


def normalised(images: Tensor) -> Tensor:
    return (images - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor((0.229, 0.224, 0.225)).view(3, 1, 1)


def torchcams(variant: str, module: Any, images: Tensor, **settings: Any) -> Tensor:
    """torchcam's raw map (n, h', w') of the targets' logits."""
    library = pytest.importorskip("torchcam.methods", reason="the library of the extra `references` is not installed")
    with getattr(library, variant)(module, "features", **settings) as extractor:
        noise = settings and (lambda size: torch.cat([draw_noise(size, settings["std"], image) for image in images]))
        if variant == "SSCAM":
            samples = iter(range(settings["num_samples"]))
            extractor._distrib.sample = lambda size: noise(size)[:, :, next(samples)]
        maps: list[Tensor] = extractor(TARGETS.tolist(), module(normalised(images)), normalized=False)
    return maps[0]


def draw_noise(size: torch.Size, sigma: float, image: Tensor, samples: int = 3) -> Tensor:
    """SS-CAM's noise (1, k, samples, h, w) of an image, drawn mask by mask."""
    _, channels, height, width = size
    image_seed = draw_seed(image, 0)
    seeds = [crc32(index.to_bytes(4, "little"), image_seed) for index in range(channels * samples)]
    noises = [torch.randn(height, width, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    return sigma * torch.stack(noises).view(1, channels, samples, height, width)


def test_score_cam_equals_torchcams(net: Net, module: Any, images: Tensor) -> None:
    settings: Any = {"weights": "logit", "channels": "softmax", "baseline": "image", "first": "stretch"}
    close(score_cam.explain(net, images, TARGETS, **settings), torchcams("ScoreCAM", module, images))


def test_score_cam_equals_pytorch_grad_cams_except_for_upsampling(
    images: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The maps are equal if masks are fitted with align_corners; the library's fitted map then differs by OpenCV's resizing.

    Constant channels are 0 here: from other constant channels the library makes masks of its upsampling's rounding errors.
    """
    library = pytest.importorskip("pytorch_grad_cam", reason="the library of the extra `references` is not installed")
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    net = net_with_live_channels(6)
    module = make_module(net)
    requests = [ClassifierOutputTarget(int(target)) for target in TARGETS]
    layer, batch = module.features, normalised(images)
    with library.ScoreCAM(model=module, target_layers=[layer]) as extractor:
        resized = extractor(input_tensor=batch.requires_grad_(), targets=requests)
        activations = extractor.activations_and_grads.activations[0].numpy()
        native = extractor.get_cam_image(batch, layer, requests, activations, None)
    settings: Any = {"weights": "logit", "channels": "softmax"}
    library_maps = torch.from_numpy(native).relu()
    our_maps = stretch(score_cam.explain(net, images, TARGETS, **settings))
    assert 1e-4 < float((our_maps - stretch(library_maps)).abs().max()) < 0.05
    monkeypatch.setattr("cambench.methods._masking.fit", lambda maps, size: fit(maps, size, "corners"))
    maps = score_cam.explain(net, images, TARGETS, **settings)
    close(maps, library_maps)
    np.testing.assert_allclose(resized, stretch(fit(maps, (64, 64))).numpy(), atol=0.005)


# SS-CAM and IS-CAM


@pytest.mark.parametrize(("weights", "channels"), [("softmax", "plain"), ("logit", "softmax")])
def test_ss_cam_averages_scores_over_noisy_masks(weights: Any, channels: Any, net: Net, images: Tensor) -> None:
    expected = []
    for image, target in zip(images, TARGETS, strict=True):
        score, activations = score_of(net, target, weights), activations_of(net, image)
        selected = [channel for channel in activations if channels == "softmax" or not is_constant(channel)]
        noise = draw_noise(torch.Size((1, len(selected), 64, 64)), 0.5, image)[0]
        scores = torch.zeros(len(selected), dtype=torch.float64)
        for index, channel in enumerate(selected):
            for sample in range(3):
                mask = mask_of(channel) + noise[index, sample]
                scores[index] += score(mask * image + (1 - mask) * FILLS["mean"]) / 3
        scores = scores.softmax(0) if channels == "softmax" else scores
        expected.append(sum(s.float() * channel for s, channel in zip(scores, selected, strict=True)).relu())
    settings: Any = {"samples": 3, "sigma": 0.5, "weights": weights, "channels": channels}
    close(ss_cam.explain(net, images, TARGETS, **settings), torch.stack(expected))


def test_ss_cam_equals_torchcams_on_the_same_noise(net: Net, module: Any, images: Tensor) -> None:
    expected = torchcams("SSCAM", module, images, num_samples=3, std=0.5)
    settings: Any = {"samples": 3, "sigma": 0.5, "weights": "logit", "channels": "softmax", "first": "stretch"}
    close(ss_cam.explain(net, images, TARGETS, **settings), expected)


def test_ss_cam_without_noise_is_score_cam(net: Net, images: Tensor) -> None:
    maps = score_cam.explain(net, images, TARGETS)
    close(ss_cam.explain(net, images, TARGETS, samples=2, sigma=0), maps)
    assert not torch.allclose(ss_cam.explain(net, images, TARGETS, samples=2), maps, rtol=1e-3)


@pytest.mark.parametrize("path", ["sum", "line"])
@pytest.mark.parametrize(("weights", "channels"), [("softmax", "plain"), ("logit", "softmax")])
def test_is_cam_averages_scores_over_the_steps_of_the_mask(
    path: Any, weights: Any, channels: Any, net: Net, images: Tensor
) -> None:
    expected = []
    for image, target in zip(images, TARGETS, strict=True):
        score, activations = score_of(net, target, weights), activations_of(net, image)
        selected = [channel for channel in activations if channels == "softmax" or not is_constant(channel)]
        scores = torch.zeros(len(selected), dtype=torch.float64)
        for index, channel in enumerate(selected):
            amount = 0.0
            for step in (1, 2, 3, 4):
                amount = amount + step / 4 if path == "sum" else step / 4
                mask = amount * mask_of(channel)
                scores[index] += score(mask * image + (1 - mask) * FILLS["mean"]) / 4
        scores = scores.softmax(0) if channels == "softmax" else scores
        expected.append(sum(s.float() * channel for s, channel in zip(scores, selected, strict=True)).relu())
    settings: Any = {"steps": 4, "path": path, "weights": weights, "channels": channels}
    close(is_cam.explain(net, images, TARGETS, **settings), torch.stack(expected))


def test_is_cam_equals_torchcams(net: Net, module: Any, images: Tensor) -> None:
    """The reference is torchcam's code; the formula in its documentation ends each sum one step earlier."""
    settings: Any = {"weights": "logit", "channels": "softmax", "first": "stretch"}
    close(is_cam.explain(net, images, TARGETS, **settings), torchcams("ISCAM", module, images))


# Ablation-CAM and Recipro-CAM, which run only the layers after the activations again


def test_ablation_cam_is_a_loop_over_channels(net: Net, images: Tensor) -> None:
    expected = []
    for image, target in zip(images, TARGETS, strict=True):
        activations = activations_of(net, image)
        logit = net.classify(activations[None])[0, target]
        map_ = torch.zeros_like(activations[0])
        for channel in range(len(activations)):
            ablated = activations.clone()
            ablated[channel] = 0
            map_ += (logit - net.classify(ablated[None])[0, target]) / logit * activations[channel]
        expected.append(map_.relu())
    close(ablation_cam.explain(net, images, TARGETS), torch.stack(expected))


def test_ablation_cam_equals_pytorch_grad_cams(net: Net, module: Any, images: Tensor) -> None:
    """After a ReLU, where the lowest activation is 0; otherwise the library sets channels to min - 10^7, unlike the paper."""
    library = pytest.importorskip("pytorch_grad_cam", reason="the library of the extra `references` is not installed")
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    activations = net.features(images)
    assert activations.min() == 0
    requests = [ClassifierOutputTarget(int(target)) for target in TARGETS]
    layer = module.features
    with library.AblationCAM(model=module, target_layers=[layer]) as extractor:
        weights = extractor.get_cam_weights(normalised(images), layer, requests, activations.numpy(), None)
    expected = (torch.from_numpy(weights)[:, :, None, None] * activations).sum(1).relu()
    torch.testing.assert_close(
        ablation_cam.explain(net, images, TARGETS), expected, rtol=1e-3, atol=1e-4 * float(expected.max())
    )
    assert expected.any()


def red_net(bias: float) -> Net:
    """Activations are the image's colours; the logit of class 0 is the mean of red plus a bias, that of class 1 is 0."""
    colours, linear = nn.Identity(), nn.Linear(3, 2)
    linear.weight.data, linear.bias.data = torch.tensor([[1.0, 0, 0], [0, 0, 0]]), torch.tensor([bias, 0.0])
    line = {"colours": colours, "pool": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten(), "linear": linear}
    return Net("red", Cut(line, "colours", why_no_class_maps="none are needed here"), ("a", "b"), "fp32")


@pytest.mark.parametrize("bias", [1.0, 0.0, -2.0])
def test_ablation_cam_of_a_positive_zero_or_negative_score(bias: float) -> None:
    """Without red the logit, mean + bias, loses the mean: the weight is mean / logit, or the mean itself if the logit is 0."""
    image = random_images(1, 8)
    mean = image[0, 0].mean()
    score = mean + bias if bias else 0.0
    result = ablation_cam.explain(red_net(bias if bias else -float(mean)), image, torch.tensor([0]))
    expected = mean / (score or 1) * image[:, 0]
    torch.testing.assert_close(result, expected.relu(), rtol=1e-4, atol=1e-6)
    assert result.any() == (bias >= 0)


@pytest.mark.parametrize("kernel", ["point", "gaussian"])
def test_recipro_cam_scores_each_position_alone(kernel: Any, net: Net, images: Tensor) -> None:
    weights = torch.tensor([[1, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16 if kernel == "gaussian" else torch.ones(1, 1)
    reach = len(weights) // 2
    expected = torch.zeros(2, 16, 16)
    for number, (image, target) in enumerate(zip(images, TARGETS, strict=True)):
        activations = activations_of(net, image)
        for y in range(16):
            for x in range(16):
                masked = torch.zeros_like(activations)
                for dy in range(-reach, reach + 1):
                    for dx in range(-reach, reach + 1):
                        if 0 <= y + dy < 16 and 0 <= x + dx < 16:
                            masked[:, y + dy, x + dx] = weights[dy + reach, dx + reach] * activations[:, y, x]
                expected[number, y, x] = net.classify(masked[None])[0].double().softmax(0)[target]
    result = recipro_cam.explain(net, images, TARGETS, kernel=kernel)
    torch.testing.assert_close(stretch(result), stretch(expected), rtol=0, atol=1e-3)
    close(result, expected)


def test_an_inplace_relu_after_the_cut_keeps_the_activations(images: Tensor) -> None:
    """Negative activations lower a map; an in-place ReLU would overwrite them with 0."""
    net = tiny_pooled()
    line = dict(net.cut.modules) | {"4": nn.ReLU(inplace=True)}
    cut_before_relu = Net("early", Cut(line, "3", why_no_class_maps="a ReLU follows"), net.classes, "fp32")
    activations = activations_of(cut_before_relu, images[0])
    assert activations.min() < 0
    logits = net(images[:1])[0]
    ablated = torch.stack([cut_before_relu.classify(_ablate(activations, k)[None])[0] for k in range(8)])
    expected = torch.einsum("k,khw->hw", (logits - ablated)[:, 3] / logits[3], activations).relu()
    close(ablation_cam.explain(cut_before_relu, images[:1], TARGETS[:1])[0], expected)


def _ablate(activations: Tensor, channel: int) -> Tensor:
    ablated = activations.clone()
    ablated[channel] = 0
    return ablated


# Group-CAM and Opti-CAM


@pytest.mark.parametrize(("groups", "denoise"), [(3, 0.7), (4, 0.0), (32, 0.5)])
def test_group_cam_is_a_loop_over_groups(groups: int, denoise: float, net: Net, images: Tensor) -> None:
    """The authors' first code: chunks of weighted channels, ReLU, percentile, fit, stretch, score minus the blurred image's."""
    kernel = np.exp(-0.5 * (np.arange(-25, 26) / 50.0) ** 2)
    kernel /= kernel.sum()
    targets = choose_targets(net, images)
    all_activations, slopes = gradients(net, images, targets)
    expected = []
    for image, activations, slope, target in zip(images, all_activations, slopes, targets, strict=True):
        score, map_ = score_of(net, target), torch.zeros(64, 64)
        rows = ndimage.correlate1d(image.numpy(), kernel, axis=1, mode="mirror")
        blurred = torch.from_numpy(ndimage.correlate1d(rows, kernel, axis=2, mode="mirror"))
        weighted = [slope[k].mean() * activations[k] for k in range(8)]
        width = -(-8 // groups)
        for start in range(0, 8, width):
            group = torch.stack(weighted[start : start + width]).sum(0).clamp(min=0).numpy()
            group[group <= np.percentile(group, 100 * denoise)] = 0
            mask = mask_of(torch.from_numpy(group))
            map_ += float(score(image * mask + blurred * (1 - mask)) - score(blurred)) * mask
        expected.append(map_.clamp(min=0))
    result, maps = group_cam.explain(net, images, targets, groups=groups, denoise=denoise), torch.stack(expected)
    torch.testing.assert_close(result, maps, rtol=1e-3, atol=1e-4 * float(maps.max()))
    assert maps.any()


def test_group_cam_blurs_an_image_smaller_than_its_kernel() -> None:
    maps = group_cam.explain(tiny_pooled(), random_images(2, 20), TARGETS)
    assert maps.shape == (2, 20, 20) and maps.isfinite().all() and maps.any()


@pytest.mark.parametrize("fill", ["mean", "black"])
def test_opti_cam_follows_adams_equations(fill: Any, net: Net, images: Tensor) -> None:
    """This loop includes constant channels, which the method leaves out; they change no mask."""
    result = opti_cam.explain(net, images, TARGETS, iterations=15, rate=0.1, stop=False, fill=fill)
    for image, target, map_ in zip(images, TARGETS, result, strict=True):
        activations = activations_of(net, image)
        u, first, second = torch.zeros(8), torch.zeros(8), torch.zeros(8)
        for step in range(1, 16):
            slope = torch.func.grad(_masked_logit)(u, net, image, activations, target, FILLS[fill])
            first, second = 0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope**2
            u = u + 0.1 * (first / (1 - 0.9**step)) / ((second / (1 - 0.999**step)).sqrt() + 1e-8)
        expected = mask_of(torch.einsum("k,khw->hw", u.softmax(0), activations))
        torch.testing.assert_close(mask_of(map_), expected, rtol=0, atol=1e-3)


def test_opti_cam_stops_an_image_at_the_first_check_at_which_its_score_fell() -> None:
    """Steps of about 1 pass the peak at .3 and not the one at 40; the score is checked before every second step."""
    peaks = torch.tensor([[0.3], [40.0]])
    result = opti_cam._maximise(lambda u: -(u - peaks).square().sum(1), torch.zeros(2, 1), 20, 1.0, 2)
    for row, stops in ((0, True), (1, False)):
        u = torch.zeros(1, requires_grad=True)
        adam, checked = torch.optim.Adam([u], lr=1.0, maximize=True), [-torch.inf]
        for step in range(20):
            score = -((u - peaks[row]) ** 2).sum()
            if step % 2 == 0:
                checked.append(float(score.detach()))
                if checked[-1] < checked[-2]:
                    break
            (u.grad,) = torch.autograd.grad(score, u)
            adam.step()
        assert (step < 19) == stops
        close(result[row], u.detach())


def test_opti_cam_computes_all_iterations_though_an_image_stopped() -> None:
    """So the forwards of a run do not depend on its images, and nothing waits for a check."""
    calls = list[int]()

    def score(u: Tensor) -> Tensor:
        calls.append(1)
        return -(u - 0.3).square().sum(1)

    u = opti_cam._maximise(score, torch.zeros(1, 1), 20, 1.0, 2)
    assert len(calls) == 20
    assert float(u) != float(opti_cam._maximise(score, torch.zeros(1, 1), 20, 1.0, 20)), "the image did not stop"


def _masked_logit(u: Tensor, net: Net, image: Tensor, activations: Tensor, target: Tensor, blank: Tensor) -> Tensor:
    map_ = torch.einsum("k,khw->hw", u.softmax(0), activations)[None, None]
    fitted = interpolate(map_, (64, 64), mode="bilinear", align_corners=False)[0]
    mask = (fitted - fitted.min()) / (fitted.max() - fitted.min())
    logit: Tensor = net((mask * image + (1 - mask) * blank)[None])[0, target]
    return logit


def test_opti_cam_increases_the_score(net: Net, images: Tensor) -> None:
    for image, target in zip(images, TARGETS, strict=True):
        score = score_of(net, target, "logit")
        mixes = [opti_cam.explain(net, image[None], target[None], iterations=count)[0] for count in (1, 30)]
        start, end = (score(torch.lerp(FILLS["mean"], image, mask_of(mix))) for mix in mixes)
        assert end > start


# RISE and occlusion


@pytest.mark.parametrize(("cells", "keep", "size"), [(7, 0.5, (64, 64)), (4, 0.2, (51, 38))])
def test_rise_averages_random_masks_by_their_scores(cells: int, keep: float, size: tuple[int, int], net: Net) -> None:
    """The authors' loop with scikit-image's resizing and repeated borders (the authors mirror a mask's outer half cells)."""
    transform = pytest.importorskip("skimage.transform")
    (height, width), images = size, random_images(2)[:, :, : size[0], : size[1]]
    result = rise.explain(net, images, TARGETS, count=7, cells=cells, keep=keep)
    cell = [int(np.ceil(side / cells)) for side in size]
    for image, target, map_ in zip(images, TARGETS, result, strict=True):
        generator = torch.Generator().manual_seed(draw_seed(image, 0))
        grids = (torch.rand(7, cells, cells, generator=generator) < keep).float().numpy()
        shifts_y, shifts_x = (torch.randint(side, (7,), generator=generator).tolist() for side in cell)
        expected, score = torch.zeros(size), score_of(net, target)
        for grid, y, x in zip(grids, shifts_y, shifts_x, strict=True):
            size_ = [(cells + 1) * side for side in cell]
            upsampled = transform.resize(grid, size_, order=1, mode="edge", anti_aliasing=False)
            mask = torch.from_numpy(upsampled[y : y + height, x : x + width])
            expected += float(score(mask * image + (1 - mask) * FILLS["mean"])) * mask / (7 * keep)
        close(map_, expected)


def test_rise_masks_show_the_share_keep_at_every_pixel() -> None:
    """If every score is 1, the map is the mean mask divided by `keep`: 1 everywhere, except for chance."""
    net: Any = nets.FakeNet(lambda images: torch.ones(len(images)))
    map_ = rise.explain(net, random_images(1), torch.tensor([0]), count=3000, keep=0.3)[0]
    assert float(map_.mean()) == pytest.approx(1, abs=0.02) and float((map_ - 1).abs().max()) < 0.15
    visible = torch.stack(net.images).ne(FILLS["mean"]).float().mean(0)
    assert visible.min() > 0.3


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
    result = occlusion.explain(net, images, TARGETS, patch=patch, stride=stride)
    for image, target, map_ in zip(images, TARGETS, result, strict=True):
        score, drops, covering = score_of(net, target), torch.zeros(64, 50), torch.zeros(64, 50)
        for y in {*range(0, max(64 - patch, 0), stride), max(64 - patch, 0)}:
            for x in {*range(0, max(50 - patch, 0), stride), max(50 - patch, 0)}:
                hidden, patch_area = image.clone(), (slice(y, y + patch), slice(x, x + patch))
                hidden[:, *patch_area] = FILLS["mean"]
                drops[patch_area] += float(score(image) - score(hidden))
                covering[patch_area] += 1
        close(map_, drops / covering)


def test_occlusion_refuses_gaps_between_patches(net: Net, images: Tensor) -> None:
    with pytest.raises(UsageError, match="leaves gaps"):
        occlusion.explain(net, images, TARGETS, patch=8, stride=9)


# All methods

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


def explain(name: str, net: Net, images: Tensor, **settings: Any) -> Tensor:
    module: Any = importlib.import_module(f"cambench.methods.{name}")
    maps: Tensor = module.explain(net, images, TARGETS[: len(images)], **MASKING.get(name, {}), **settings)
    return maps


def net_with_live_channels(count: int) -> Net:
    """A net with this number of live channels; all others are dead."""
    net: Any = tiny_vgg()
    net.features[3].weight.data[count:], net.features[3].bias.data[count:] = 0, 0
    return net


@pytest.mark.parametrize("name", [name for name in MASKING if name not in ("rise", "occlusion")])
def test_dead_channels_make_an_empty_map(name: str, images: Tensor) -> None:
    maps = explain(name, net_with_live_channels(0), images)
    assert len(maps) == 2 and all(is_constant(map_) for map_ in maps) and (name == "recipro_cam" or not maps.any())


@pytest.mark.parametrize("channels", ["plain", "softmax"])
@pytest.mark.parametrize("name", ["score_cam", "ss_cam", "is_cam", "opti_cam", "ablation_cam"])
def test_the_map_of_a_single_live_channel_is_that_channel(name: str, channels: str, images: Tensor) -> None:
    net = net_with_live_channels(1)
    settings = {"channels": channels} if name in ("score_cam", "ss_cam", "is_cam") else {}
    activations = net.features(images)[:, 0]
    assert not any(is_constant(channel) for channel in activations)
    for map_, channel in zip(explain(name, net, images, **settings), activations, strict=True):
        assert name == "ablation_cam" or map_.any()
        if map_.any():  # the map is empty if the score rises without the channel
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
def test_the_number_of_forward_passes_of_each_method(
    name: str, through_the_net: int, through_its_head: int, net: Net, images: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of eight channels is dead and costs nothing; one is constant, has no mask, and can be ablated."""
    counts = {"scores": 0, "logits": 0, "classify_stream": 0}

    def count_images(name_: str, call: Any, stream: Stream) -> Any:
        counts[name_] += stream.count
        return call(stream)

    for name_ in counts:
        monkeypatch.setattr(net, name_, partial(count_images, name_, getattr(net, name_)))
    explain(name, net, images[:1])
    assert counts["scores"] + counts["logits"] == through_the_net or name == "group_cam"
    assert name != "group_cam" or 1 < counts["scores"] <= through_the_net  # groups whose sums are negative have no mask
    assert counts["classify_stream"] == through_its_head


@pytest.mark.parametrize("name", MASKING)
def test_maps_do_not_depend_on_the_chunk_size(name: str, images: Tensor) -> None:
    net: Any = tiny_pooled()
    expected = explain(name, net, images)
    for forward in (net._forward, net._head):
        forward._images_per_pass = dict.fromkeys(forward._images_per_pass, 3)
        forward._chunk = 3
    close(explain(name, net, images), expected)


@pytest.mark.parametrize("name", [*MASKING, *CONTROLS[1:]])
def test_images_need_not_be_square(name: str, images: Tensor) -> None:
    """On a net with transpose-symmetric kernels the map of the transposed image is the transposed map."""
    net: Any = tiny_pooled()
    for layer in (net.features[1], net.features[3]):
        layer.weight.data = (layer.weight.data + layer.weight.data.transpose(2, 3)) / 2
    portrait = images[:, :, :40]
    maps, transposed = explain(name, net, portrait), explain(name, net, portrait.transpose(2, 3).contiguous())
    assert maps.shape[1:] in ((40, 64), (10, 16))
    if name not in ("ss_cam", "rise"):  # the transposed image has other random numbers
        torch.testing.assert_close(transposed.transpose(1, 2), maps, rtol=1e-3, atol=1e-3 * float(maps.max()))


@pytest.mark.parametrize("name", ["ss_cam", "rise"])
def test_random_maps_depend_on_the_seed_and_the_image_alone(name: str, net: Net, images: Tensor) -> None:
    state = torch.get_rng_state()
    maps = explain(name, net, images)
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.allclose(maps, explain(name, net, images, seed=1), rtol=1e-3)


# Controls


def test_a_uniform_map_is_stretched_to_0(pooled: Net, images: Tensor) -> None:
    fitted = stretch(fit(uniform.explain(pooled, images, TARGETS), (64, 64)))
    assert fitted.shape == (2, 64, 64) and not fitted.any()


def test_edges_equal_scipys_sobel(pooled: Net, images: Tensor) -> None:
    result = edge.explain(pooled, images, TARGETS)
    for image, map_ in zip(images.numpy(), result, strict=True):
        grey = 0.299 * image[0] + 0.587 * image[1] + 0.114 * image[2]
        expected = np.hypot(ndimage.sobel(grey, 0, mode="nearest"), ndimage.sobel(grey, 1, mode="nearest"))
        close(map_, torch.from_numpy(expected))
    assert not edge.explain(pooled, torch.ones(1, 3, 9, 9), TARGETS[:1]).any()


def test_fake_cam_has_almost_no_average_drop(pooled: Net, images: Tensor) -> None:
    maps = stretch(fit(fake_cam.explain(pooled, images, TARGETS), (64, 64)))
    assert maps.sum((1, 2)).tolist() == [64 * 64 - 1] * 2 and not maps[:, 0, 0].any()
    everything = stretch(fit(uniform.explain(pooled, images, TARGETS), (64, 64)))
    drop = find(METRIC, "average_drop")
    for image, target, map_, uniform_map in zip(images, TARGETS.tolist(), maps, everything, strict=True):
        drops = [
            nets.scores_of(pooled, image, target, values[None], (), [drop])[0][0] for values in (map_, uniform_map)
        ]
        assert isinstance(drops[0], float) and drops[0] < 0.02


@pytest.mark.parametrize("name", CONTROLS)
def test_controls_are_marked_as_controls(name: str) -> None:
    assert find(METHOD, name).control
