"""Layers that output (n, h, w, k) are explained as others are; layers whose axes cannot be told are refused."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torchvision.models import ConvNeXt, SwinTransformer, VisionTransformer
from torchvision.models.convnext import CNBlockConfig

from cambench.bench.conform.reference import compute_maps
from cambench.bench.core.errors import NotApplicable, UsageError
from cambench.bench.nets import axes, layers, load, zoo
from cambench.bench.nets.net import Net
from cambench.methods import cam, grad_cam, layer_cam, score_cam
from cambench.tests.support.nets import close, random_images

IMAGES, TARGETS = random_images(2, 64), torch.tensor([1, 2])
NHWC = "layer {} gives (n, h, w, k): its axes are permuted to (n, k, h, w)"


class _ChannelsLast(nn.Module):
    """Patches, then layers on (n, h, w, k), as in ConvNeXt."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 4, 4), nn.ReLU())
        self.mlp = nn.Sequential(nn.Linear(16, 32), nn.ReLU())
        self.norm, self.head = nn.LayerNorm(32), nn.Linear(32, 4)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.head(self.norm(self.mlp(self.stem(x).permute(0, 2, 3, 1))).mean((1, 2)))
        return output


class _Deciding(_ChannelsLast):
    """The same; its computation depends on values, so it cannot be traced."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x if float(x.detach().sum()) < 1e9 else -x)


class _Turned(nn.Module):
    """Turns the image by its diagonal, so that its layers output (n, k, w, h)."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, (3, 5), 2), nn.ReLU())
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.head(self.body(x.transpose(2, 3)).mean((2, 3)))
        return output


class _Windows(nn.Module):
    """Takes images of 32 x 32 alone, and mixes the places of each window by a table of five dimensions, as Swin does."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 4, 4)
        self.places = nn.Parameter(torch.randn(1, 8, 8, 16))
        self.table = nn.Parameter(torch.rand(1, 1, 16, 16, 16) / 16)
        self.register_buffer("ones", torch.ones(1, 1, 1, 16, 16))
        self.mix, self.norm, self.head = nn.Linear(16, 16), nn.LayerNorm(16), nn.Linear(16, 4)
        nn.init.uniform_(self.norm.weight)  # with ones, the channels of a place sum to 0

    def forward(self, x: Tensor) -> Tensor:
        grid = self.stem(x).permute(0, 2, 3, 1) + self.places
        windows = grid.view(-1, 2, 4, 2, 4, 16).transpose(2, 3).reshape(-1, 4, 16, 16)
        mixed = (windows[:, :, :, None] * (self.table * self.ones)).sum(2)
        mixed = mixed.reshape(-1, 2, 2, 4, 4, 16).transpose(2, 3).reshape(-1, 8, 8, 16)
        output: Tensor = self.head(self.norm(grid + self.mix(mixed)).mean((1, 2)))
        return output


class _Heads(nn.Module):
    """Its only layer after the image's places outputs (n, heads, tokens, k)."""

    def __init__(self) -> None:
        super().__init__()
        self.heads, self.head = nn.Linear(3 * 8 * 8, 5), nn.Linear(5, 4)

    def forward(self, x: Tensor) -> Tensor:
        patches = x.unfold(2, 8, 8).unfold(3, 8, 8).flatten(4).permute(0, 2, 3, 1, 4).flatten(3)
        tokens = self.heads(torch.stack([patches.flatten(1, 2), patches.flatten(1, 2) * 2], 1))
        output: Tensor = self.head(tokens.mean((1, 2)))
        return output


def _load(make: Callable[[], nn.Module], layer: str | None = None) -> tuple[Any, Net]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = make().eval()
    return module, load.load_module(module, preprocess="none", layer=layer)


def _record(module: nn.Module, layer: str, images: Tensor) -> tuple[Tensor, Tensor]:
    """Return the output of a layer, with gradients, and the class scores, by a hook."""
    seen: list[Tensor] = []
    handle = module.get_submodule(layer).register_forward_hook(lambda _, __, output: seen.append(output))
    scores = module(images.clone().requires_grad_())
    handle.remove()
    return seen[0], scores


def _compute_grad_cam(module: nn.Module, layer: str, order: axes.Order, images: Tensor, targets: Tensor) -> Tensor:
    """Grad-CAM in plain torch, of a layer whose axes are brought to (n, k, h, w)."""
    output, scores = _record(module, layer, images)
    (gradients,) = torch.autograd.grad(scores.gather(1, targets[:, None]).sum(), output)
    weights = gradients.permute(order).mean((2, 3), keepdim=True)
    return (weights * output.permute(order)).sum(1).relu().detach()


@torch.no_grad()
def _compute_score_cam(module: nn.Module, activations: Tensor, images: Tensor, targets: Tensor) -> Tensor:
    """Score-CAM in plain torch, of activations (n, k, h, w); a masked pixel is black. Constant channels have no weight."""
    masks = interpolate(activations, images.shape[2:], mode="bilinear")
    low, high = masks.amin((2, 3), keepdim=True), masks.amax((2, 3), keepdim=True)
    masks = torch.where(high > low, (masks - low) / (high - low).clamp(min=1e-12), 0)
    scores = [
        module(mask[:, None] * image).softmax(1)[:, target]
        for mask, image, target in zip(masks, images, targets, strict=True)
    ]
    live = (high > low).flatten(1)
    return torch.einsum("nk,nkhw->nhw", torch.stack(scores) * live, activations).relu()


@pytest.mark.parametrize("make", [_ChannelsLast, _Deciding])
@pytest.mark.parametrize("layer", [None, "mlp"])
def test_maps_of_a_channels_last_layer_are_those_of_plain_torch(make: type[nn.Module], layer: str | None) -> None:
    module, net = _load(make, layer)
    assert net.layer == (layer or "norm") and NHWC.format(net.layer) in net.notes
    activations = _record(module, net.layer, IMAGES)[0].permute(0, 3, 1, 2).detach()
    assert activations.shape == (2, 32, 16, 16)
    torch.testing.assert_close(net.features(IMAGES), activations)
    torch.testing.assert_close(net(IMAGES), module(IMAGES).detach())
    close(
        grad_cam.explain(net, IMAGES, TARGETS),
        _compute_grad_cam(module, net.layer, (0, 3, 1, 2), IMAGES, TARGETS),
    )
    maps = score_cam.explain(net, IMAGES, TARGETS, fill="black")
    close(maps, _compute_score_cam(module, activations, IMAGES, TARGETS))


def test_class_maps_of_a_channels_last_layer_average_to_the_logits() -> None:
    module, net = _load(_ChannelsLast)
    torch.testing.assert_close(
        net.class_maps(net.features(IMAGES)).mean((2, 3)) + module.head.bias, module(IMAGES), rtol=1e-5, atol=1e-5
    )
    activations = _record(module, "norm", IMAGES)[0]
    expected = torch.einsum("nk,nhwk->nhw", module.head.weight[TARGETS], activations).detach()
    close(cam.explain(net, IMAGES, TARGETS, relu=False), expected)


def test_several_layers_of_different_axes_are_explained_together() -> None:
    module, net = _load(_ChannelsLast)
    for layer, order in (("stem", axes.MAP), ("mlp", (0, 3, 1, 2))):
        output, scores = _record(module, layer, IMAGES)
        (gradients,) = torch.autograd.grad(scores.gather(1, TARGETS[:, None]).sum(), output)
        expected = (gradients.relu() * output).permute(order).sum(1).relu().detach()
        close(layer_cam.explain(net, IMAGES, TARGETS, layers=layer), expected)
    assert layer_cam.explain(net, IMAGES, TARGETS, layers="stem+mlp").shape == (2, 16, 16)
    with pytest.raises(
        NotApplicable, match=r"has no layer 'head' to cut at, whose output is a map: .*there are: stem.0, stem"
    ):
        layer_cam.explain(net, IMAGES, TARGETS, layers="stem+head")


def test_a_layer_of_width_and_height_exchanged_is_turned_back() -> None:
    module, net = _load(_Turned)
    assert any("gives (n, k, w, h)" in note for note in net.notes)
    images = IMAGES[:, :, :48]
    expected = _compute_grad_cam(module, "body", (0, 1, 3, 2), images, TARGETS)
    assert expected.shape[1:] == (22, 31)
    close(grad_cam.explain(net, images, TARGETS), expected)


def test_a_net_of_one_size_is_measured_by_what_changes() -> None:
    module, net = _load(_Windows)
    images = random_images(2, 32)
    assert net.size == 32 and net.layer == "norm" and NHWC.format("norm") in net.notes
    close(
        grad_cam.explain(net, images, TARGETS),
        _compute_grad_cam(module, "norm", (0, 3, 1, 2), images, TARGETS),
    )
    activations = _record(module, "norm", images)[0].permute(0, 3, 1, 2).detach()
    maps = score_cam.explain(net, images, TARGETS, fill="black")
    close(maps, _compute_score_cam(module, activations, images, TARGETS))


BLOCKS = {"depths": [1, 1], "num_heads": [2, 2], "window_size": [4, 4], "patch_size": [4, 4], "embed_dim": 12}


@pytest.mark.parametrize(
    ("make", "layer", "order"),
    [
        (lambda: SwinTransformer(**BLOCKS, num_classes=4), "features.1", (0, 3, 1, 2)),
        (lambda: SwinTransformer(**BLOCKS, num_classes=4), "norm", (0, 3, 1, 2)),
        (lambda: SwinTransformer(**BLOCKS, num_classes=4), "permute", (0, 1, 2, 3)),
        (
            lambda: ConvNeXt([CNBlockConfig(8, 12, 1), CNBlockConfig(12, None, 1)], num_classes=4),
            "features.1.0",
            axes.MAP,
        ),
    ],
)
def test_blocks_of_libraries_are_explained_as_plain_torch_does(
    make: Callable[[], nn.Module], layer: str, order: axes.Order
) -> None:
    module, net = _load(make, layer)
    assert (NHWC.format(layer) in net.notes) == (order != axes.MAP)
    assert net.reading == ("axes (n, h, w, k)" if order != axes.MAP else "")
    expected = _compute_grad_cam(module, layer, order, IMAGES, TARGETS)
    close(compute_maps("grad_cam", net, IMAGES, TARGETS), expected)


def test_a_layer_whose_places_cannot_be_told_is_refused() -> None:
    with pytest.raises(UsageError, match=r"which axes are the image's height and width cannot be told"):
        _load(_Heads, "heads")
    with pytest.raises(UsageError, match=r"cannot be explained: no layer .* \(not at heads, for example: it outputs"):
        _load(_Heads)


class _Hybrid(nn.Module):
    """A convolution, and a head of attention over its places, which has fewer weights."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 32, 16, 16), nn.ReLU())
        self.attend, self.head = nn.Linear(32, 33), nn.Linear(32, 4)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.body(x).flatten(2).mT
        attended = self.attend(tokens)
        output: Tensor = self.head((attended[:, :, :1].softmax(1) * attended[:, :, 1:]).sum(1))
        return output


def test_tokens_are_refused_in_one_sentence(capfd: pytest.CaptureFixture[str]) -> None:
    def make() -> nn.Module:
        return VisionTransformer(32, 8, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=32, num_classes=4)

    with pytest.raises(
        UsageError, match=r"most of its layers output tokens, \(17, 16\) for an image, as those of a ViT"
    ):
        _load(make)
    for layer in ("encoder.ln", "encoder.layers.encoder_layer_0.ln_1"):  # also inside a residual block
        with pytest.raises(
            UsageError, match=rf"cut at {layer}: it outputs tokens, \(17, 16\) for an image, as those of a"
        ):
            _load(make, layer)
    assert capfd.readouterr() == ("", "")
    assert _load(_Hybrid)[1].layer == "body"


def test_timms_swin_is_explained_and_its_vit_is_refused() -> None:
    timm = pytest.importorskip("timm")
    small = {"img_size": 32, "embed_dim": 12, "num_classes": 4}
    swin = {"patch_size": 4, "depths": (1, 1), "num_heads": (2, 2), "window_size": 4}
    module, net = _load(lambda: timm.models.SwinTransformer(**small, **swin))
    assert net.layer == "norm" and NHWC.format("norm") in net.notes
    images = random_images(2, 32)
    expected = _compute_grad_cam(module, "norm", (0, 3, 1, 2), images, TARGETS)
    close(grad_cam.explain(net, images, TARGETS), expected)
    with pytest.raises(UsageError, match=r"most of its layers output tokens, \(17, 12\) for an image"):
        _load(lambda: timm.models.VisionTransformer(**small, patch_size=8, depth=2, num_heads=2))


def test_the_layer_that_is_chosen_is_named_with_its_grid() -> None:
    _, net = _load(lambda: nn.Sequential(_pooled(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)))
    assert net.notes[0] == ("layer chosen automatically: 0 (56 x 56 for images of 224 x 224); change it with --layer")
    assert net.features(random_images(1, 224)).shape[2:] == (56, 56)


def _pooled() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.MaxPool2d(2))


@pytest.mark.parametrize("make", [_ChannelsLast, _Deciding])
def test_suggested_layers_output_maps(make: type[nn.Module]) -> None:
    with pytest.raises(UsageError, match=r"no layer 'heads': the nearest are norm, mlp, mlp\.1, mlp\.0, stem$"):
        _load(make, "heads")
    with pytest.raises(UsageError, match=r"no layer 'Stem1': the nearest are stem\.1, stem, stem\.0, "):
        _load(make, "Stem1")


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (0, 3, 1, 2), (0, 2, 3, 1), (0, 1, 3, 2)])
def test_an_order_is_measured_by_size_and_by_change(order: axes.Order) -> None:
    images = random_images(2, 32)
    moved = axes.Permute((0, *(order.index(axis) for axis in (1, 2, 3))))
    for body in (nn.Conv2d(3, 5, 4, 4), nn.Sequential(nn.AdaptiveAvgPool2d(8), nn.Conv2d(3, 8, 1))):
        orders = axes.find_orders({"body": body, "moved": moved}, images)
        assert orders == {"body": axes.MAP, "moved": order}
        modules = axes.arrange({"body": body, "moved": moved, "end": nn.Identity()}, orders)
        torch.testing.assert_close(nn.Sequential(*list(modules.values())[:2])(images), body(images))
        assert torch.equal(nn.Sequential(*modules.values())(images), moved(body(images)))


@pytest.mark.parametrize(("cells", "batches", "compared"), [(1, [2, 1, 1], []), (4, [2, 1, 1, 9], [(9, 5, 4, 4)])])
def test_only_outputs_whose_size_tells_nothing_are_measured_by_change(
    cells: int, batches: list[int], compared: list[tuple[int, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of an output of one cell there is nothing to measure, so that no more images are computed."""
    counts, shapes, compare = list[int](), list[tuple[int, ...]](), axes._compare_changes

    def record(outputs: Tensor) -> axes.Order | None:
        shapes.append(tuple(outputs.shape))
        return compare(outputs)

    monkeypatch.setattr(axes, "_compare_changes", record)
    modules = {"body": nn.Conv2d(3, 5, 4, 4), "pool": nn.AdaptiveAvgPool2d(cells)}
    modules["body"].register_forward_hook(lambda *results: counts.append(len(results[2])))
    assert axes.find_orders(modules, random_images(2, 32)) == {"body": axes.MAP, "pool": axes.MAP}
    assert (counts, shapes) == (batches, compared)


class _Of64(nn.Module):
    """Takes images of 64 x 64 alone."""

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2:] != (64, 64):
            raise ValueError("64 x 64 only")
        return x


def test_the_axes_of_convolutions_of_one_size_are_measured() -> None:
    """The changes of one of the three images alone lie further apart along another axis."""
    features = zoo.load_shipped("squeezenet1_1").module.eval().features
    modules = {"size": _Of64(), "features": features, "turned": axes.Permute((0, 2, 3, 1))}
    orders = axes.find_orders(modules, torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)))
    assert orders == {"size": axes.MAP, "features": axes.MAP, "turned": (0, 3, 1, 2)}


class _Failing(nn.Module):
    """Raises an error at one call. It cannot be traced."""

    called = 0  # how often, and its copies with it

    def __init__(self, error: Exception, call: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        _Failing.called = 0
        self.error, self.call = error, call
        self.body, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        _Failing.called += 1
        if _Failing.called == self.call:
            raise self.error
        maps = self.body(x)
        output: Tensor = self.head(maps.mean((2, 3)) if float(maps.detach().sum()) < 1e9 else maps.amax((2, 3)))
        return output


@pytest.mark.parametrize("kind", [torch.OutOfMemoryError, torch.AcceleratorError])
def test_an_error_of_the_device_is_no_reason_to_load_a_net_otherwise(kind: type[Exception]) -> None:
    """Whichever of the net's calls raises it while the net is loaded."""
    assert load.load_module(_Failing(kind("of the device"), 0), preprocess="none", layer="body").layer == "body"
    calls = _Failing.called
    assert calls > 10
    for call in range(1, calls + 1):
        with pytest.raises(kind, match="of the device"):
            load.load_module(_Failing(kind("of the device"), call), preprocess="none", layer="body")


def test_layers_are_suggested_by_similarity() -> None:
    assert layers.suggest_names("Layer 4", ["layer1", "conv", "layer4"]).startswith("the nearest are layer4, layer1")
