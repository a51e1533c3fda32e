"""Nets by kind: the class scores, Grad-CAM and Score-CAM of each are those of plain torch, or one sentence refuses it."""

from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations
from torchvision.models import convnext, densenet, efficientnet, mobilenetv2, mobilenetv3, regnet

from cambench import BenchError, load_net
from cambench.bench.nets import split
from cambench.bench.nets.net import Net
from cambench.tests.support import zoo
from cambench.tests.support.nets import random_images
from cambench.tests.support.plain_torch import (
    LUMINANCE,
    TOLERANCE,
    PlainNet,
    Transform,
    check_grad_cam,
    check_net,
    halves,
    keep,
    of_two,
)
from cambench.tests.support.zoo import CLASSES, Apply, Head, Overwritten, Stages, conv

Make = Callable[[], nn.Module]


@dataclass(frozen=True)
class Kind:
    """A net, the layer that is chosen, and what is known of it; or the sentence by which it is refused."""

    make: Make
    layer: str = "block"
    axes: str = "nkhw"  # of that layer's output
    size: int = 48  # of the images, in pixels
    refused: str = ""  # by this sentence
    gradients: bool = True
    tolerance: float = TOLERANCE  # of the highest value; bfloat16 rounds after layouts and batch sizes
    plain: Callable[[Any], nn.Module] = keep  # the module whose hooks and gradients are compared
    settings: dict[str, Any] = field(default_factory=dict)
    logits: Transform = keep
    probabilities: Transform | None = None
    logits_at: str = ""
    prepare: Transform = keep


def grey(images: Tensor) -> Tensor:
    return torch.einsum("nkhw,k->nhw", images, torch.tensor(LUMINANCE))[:, None]


def block(function: Callable[..., Tensor], *parts: nn.Module) -> Make:
    return lambda: Stages(Apply(function, *parts))


def ending(last: Callable[[Tensor], Any], classes: int = CLASSES) -> Make:
    return lambda: Stages(conv(8, 8), Head(8, classes=classes), last)


def pooled(pool: Transform, width: int = 8) -> Make:
    return lambda: Stages(conv(8, 8), Head(width, pool))


def fully_connected() -> nn.Module:
    pool = nn.AdaptiveAvgPool2d(3)
    return nn.Sequential(
        conv(3, 8, 4), conv(8, 8), nn.MaxPool2d(2), pool, nn.Flatten(), nn.Linear(72, 9), nn.Linear(9, 4)
    )


Named = namedtuple("Named", ["embedding", "logits"])
SINGLE = {"logits": halves, "probabilities": lambda s: of_two(s.sigmoid())}
SIGMOIDS = {"probabilities": keep, "logits_at": "head"}

CONVOLUTIONS: dict[str, Kind] = {
    "sequence": Kind(lambda: nn.Sequential(conv(3, 8, 4), conv(8, 8), Head(8)), "1"),
    "residual block that overwrites": Kind(block(lambda m, b: b(m), Overwritten())),
    "branches that are joined": Kind(block(lambda m, a, b: torch.cat([a(m), b(m)], 1), conv(8, 3), conv(8, 5, kernel=1))),
    "dense connections": Kind(lambda: Stages(Apply(zoo.connect_densely, conv(8, 4), conv(12, 4)), width=16)),
    "channels weighted, gate registered first": Kind(lambda: Stages(zoo.Squeeze())),
    "places weighted": Kind(block(zoo.attend_places, nn.Conv2d(2, 1, 3, padding=1))),
    "depthwise convolutions, shuffled by views": Kind(block(zoo.shuffle, conv(8, 8, groups=8))),
    "gated linear units": Kind(block(lambda m, a: F.glu(a(m), 1), nn.Conv2d(8, 16, 3, padding=1))),
    "U-Net": Kind(block(zoo.upsample_and_skip, conv(8, 8, 2), conv(16, 8))),
    "one convolution, run three times": Kind(lambda: Stages(zoo.Recurrent())),
    "deformed convolution": Kind(lambda: Stages(zoo.Deformed())),
    "Fourier transform": Kind(block(zoo.filter_frequencies, nn.Conv2d(8, 8, 1))),
    "two experts, weighted": Kind(block(zoo.mix_experts, nn.Linear(8, 2), conv(8, 8), conv(8, 8))),
    "one of two experts, by values": Kind(block(zoo.route, nn.Linear(8, 2), conv(8, 8), conv(8, 8))),
    "computation that depends on values": Kind(block(zoo.exit_early, conv(8, 8))),
    "checkpointed block": Kind(lambda: Stages(zoo.Checkpointed())),
    "gradients of its own": Kind(pooled(lambda m: zoo.Guided.apply(m - 0.1).mean((2, 3)))),
    "first layers without gradients": Kind(zoo.Frozen, "head.0"),
    "bfloat16 inside": Kind(partial(zoo.Mixed, half=True), tolerance=1e-3),
    "bfloat16 throughout": Kind(partial(zoo.Mixed, half=False), logits=torch.Tensor.float, tolerance=1e-2),
    "group norm": Kind(lambda: Stages(nn.Sequential(nn.Conv2d(8, 8, 3), nn.GroupNorm(2, 8), nn.SiLU(inplace=True)))),
    "instance norm": Kind(lambda: Stages(nn.Sequential(nn.Conv2d(8, 8, 3), nn.InstanceNorm2d(8, affine=True), nn.ReLU()))),
    "weight norm": Kind(lambda: Stages(nn.Sequential(parametrizations.weight_norm(nn.Conv2d(8, 8, 3)), nn.ReLU()))),
    "spectral norm": Kind(lambda: Stages(nn.Sequential(parametrizations.spectral_norm(nn.Conv2d(8, 8, 3)), nn.ReLU()))),
    "dropout": Kind(lambda: Stages(nn.Sequential(conv(8, 8), nn.Dropout2d()), nn.Sequential(nn.Dropout(), Head(8)))),
}  # fmt: skip

INPUTS = {
    "grey": Kind(partial(zoo.Prepared, keep, 1), "body", prepare=grey),
    "space to depth": Kind(partial(zoo.Prepared, lambda x: F.pixel_unshuffle(x, 2), 12), "body"),
    "luminance beside colours": Kind(partial(zoo.Prepared, lambda x: torch.cat([x, x.mean(1, keepdim=True)], 1), 4), "body"),
    "writes to its images": Kind(partial(zoo.Prepared, zoo.subtract_in_place), "body"),
    "stretches each image": Kind(partial(zoo.Prepared, zoo.stretch_each), "body"),
    "turns its images": Kind(partial(zoo.Prepared, zoo.transform_space), "body"),
    "resizes its images": Kind(partial(zoo.Prepared, lambda x: F.interpolate(x, (40, 40), mode="bilinear")), "body"),
    "stretches a batch": Kind(zoo.Normal, refused="an image depend on the other images of the batch"),
    "converts its images": Kind(partial(zoo.Prepared, lambda x: x.double()),
                                refused="its weights are made float32, so it must not convert its input"),
    "two images": Kind(zoo.Two, refused="cannot be run on images of 64 x 64, in colour or grey: TypeError: .* 'others'"),
    "videos": Kind(lambda: nn.Sequential(nn.Conv3d(3, 8, 3), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(8, 4)),
                   refused="cannot be run on images of 64 x 64"),
}  # fmt: skip

HEADS = {
    "maximum": Kind(pooled(lambda m: m.amax((2, 3)))),
    "generalised mean": Kind(pooled(zoo.pool_power)),
    "attention": Kind(pooled(zoo.pool_by_attention)),
    "products of channels": Kind(pooled(zoo.pool_pairs, 64)),
    "fully connected layers": Kind(fully_connected, "1"),
    "fully connected, one size": Kind(lambda: nn.Sequential(conv(3, 8, 4), conv(8, 8), nn.Flatten(), nn.Linear(512, 4)), "1",
                                      size=32),
    "class maps, then the mean": Kind(lambda: Stages(conv(8, 8), Apply(lambda m, c: c(m).mean((2, 3)), nn.Conv2d(8, 4, 1)))),
    "LSTM over columns": Kind(lambda: Stages(conv(8, 8), zoo.Columns())),
    "transformer over places": Kind(lambda: Stages(conv(8, 8, 4), zoo.Encoder())),
    "pooled maps of two stages": Kind(zoo.Pyramid, "one"),
    "two nets added": Kind(partial(zoo.Sum, mirrored=False), refused="a parallel branch also reaches"),
    "an image and its mirror image added": Kind(partial(zoo.Sum, mirrored=True), refused="a parallel branch also reaches"),
}  # fmt: skip

OUTPUTS = {
    "softmax": Kind(ending(lambda s: s.softmax(1)), probabilities=keep, logits_at="head"),
    "logarithm of the softmax": Kind(ending(lambda s: s.log_softmax(1)), probabilities=torch.exp, logits_at="head"),
    "sigmoids": Kind(ending(torch.sigmoid), **SIGMOIDS),
    "sigmoids that overwrite": Kind(ending(torch.sigmoid_), **SIGMOIDS),
    "logits of several labels, told": Kind(ending(keep), settings={"scores": "sigmoid"}, probabilities=torch.sigmoid),
    "one logit": Kind(ending(keep, 1), **SINGLE),
    "one logit, squeezed": Kind(ending(torch.squeeze, 1), **SINGLE),
    "one probability": Kind(ending(torch.sigmoid, 1), probabilities=of_two, logits=lambda p: halves(p.logit())),
    "a temperature that overwrites": Kind(ending(lambda s: s.div_(0.5))),
    "(n, classes, 1, 1)": Kind(ending(lambda s: s[:, :, None, None]), logits=lambda s: s[:, :, 0, 0]),
    "logits beside features": Kind(ending(lambda s: Named(s.repeat(1, 2), s)), logits=lambda r: r.logits),
    "a dictionary": Kind(ending(lambda s: {"out": s, "aux": None}), logits=lambda r: r["out"]),
    "two heads, one chosen": Kind(ending(lambda s: (s.flip(1), s.repeat(1, 2))), settings={"output": 0},
                                  logits=lambda r: r[0]),
    "two heads": Kind(ending(lambda s: (s, s.repeat(1, 2))), refused="returns several outputs that may be its class scores"),
    "whole numbers": Kind(ending(lambda s: s.round().long()), refused="class scores as torch.int64"),
    "a map of classes": Kind(lambda: nn.Sequential(conv(3, 8, 4), nn.Conv2d(8, 4, 1)), refused="class scores are .n, classes"),
    "infinite scores": Kind(ending(lambda s: s / 0), refused="class scores that are not finite"),
    "random scores": Kind(ending(lambda s: F.dropout(s)), refused="different class scores for the same images"),
}  # fmt: skip

MODULES = {
    "maps detached": Kind(pooled(lambda m: m.detach().mean((2, 3))), gradients=False),
    "through numpy": Kind(pooled(lambda m: zoo.use_numpy(m).mean((2, 3))), gradients=False),
    "inference mode": Kind(lambda: zoo.Inference(Stages(conv(8, 8))), "net.block", plain=lambda m: zoo.Wrapper(m.net)),
    "parallel wrapper": Kind(lambda: nn.DataParallel(Stages(conv(8, 8))), plain=lambda m: m.module),
    "traced by TorchScript": Kind(lambda: torch.jit.trace(Stages(conv(8, 8)).eval(), torch.rand(2, 3, 48, 48)),
                                  refused="is a TorchScript module"),
    "lazy layers": Kind(lambda: nn.Sequential(nn.LazyConv2d(4, 3)), refused="lazy module"),
    "batch norm of the batch": Kind(lambda: Stages(nn.BatchNorm2d(8, track_running_stats=False)),
                                    refused="an image depend on the other images of the batch"),
}  # fmt: skip

BLOCKS = {"depths": [1, 1], "num_heads": [2, 2], "window_size": [4, 4], "patch_size": [4, 4], "embed_dim": 12}
MBCONV = efficientnet.MBConvConfig
INVERTED = partial(mobilenetv3.InvertedResidualConfig, dilation=1, width_mult=1)

TORCHVISION = {
    "DenseNet": Kind(lambda: densenet.DenseNet(4, (1, 2), 8, 2, num_classes=CLASSES), "features"),
    "MobileNetV2": Kind(lambda: zoo.thin(mobilenetv2.MobileNetV2(CLASSES, 0.1, [[2, 8, 1, 2], [2, 16, 1, 2]]), "features"),
                        "features"),
    "MobileNetV3": Kind(lambda: mobilenetv3.MobileNetV3([INVERTED(8, 3, 8, 8, True, "HS", 2)], 16, CLASSES), "features"),
    "EfficientNet": Kind(lambda: efficientnet.EfficientNet([MBCONV(2, 3, 2, 8, 8, 1)], 0.1, num_classes=CLASSES), "features"),
    "RegNet": Kind(lambda: regnet.RegNet(regnet.BlockParams([1, 1], [8, 16], [4, 4], [1, 1], [2, 2]), CLASSES), "trunk_output"),
    "ShuffleNetV2": Kind(lambda: torchvision.models.ShuffleNetV2([1, 1, 1], [8, 8, 16, 16, 24], CLASSES), "conv5"),
    "ConvNeXt": Kind(lambda: convnext.ConvNeXt([convnext.CNBlockConfig(8, 12, 1), convnext.CNBlockConfig(12, None, 1)],
                                               num_classes=CLASSES), "features"),
    "Swin": Kind(lambda: torchvision.models.SwinTransformer(**BLOCKS, num_classes=CLASSES), "permute"),
    "ViT": Kind(lambda: torchvision.models.VisionTransformer(32, 8, 2, 2, 16, 32, num_classes=CLASSES),
                refused=r"most of its layers output tokens, \(17, 16\) for an image, as those of a ViT"),
}  # fmt: skip


def make_timm(name: str, **settings: Any) -> Make:
    def make() -> nn.Module:
        return getattr(pytest.importorskip("timm").models, name)(num_classes=CLASSES, **settings)

    return make


SMALL = {"img_size": 32, "embed_dim": 12}

TIMM = {
    "timm Swin": Kind(make_timm("SwinTransformer", **SMALL, patch_size=4, depths=(1, 1), num_heads=(2, 2), window_size=4),
                      "norm", axes="nhwk", size=32),
    "timm ConvNeXt": Kind(make_timm("ConvNeXt", depths=(1,) * 4, dims=(8,) * 4), "stages"),
    "timm EfficientFormer": Kind(make_timm("EfficientFormer", depths=(1,) * 4, embed_dims=(8,) * 4, num_vit=1),
                                 refused="output tokens"),
    "timm MetaFormer": Kind(make_timm("MetaFormer", depths=(1, 1), dims=(8, 12)), "stages"),
    "timm FocalNet": Kind(make_timm("FocalNet", embed_dim=8, depths=(1, 1)), "norm"),
    "timm DaViT": Kind(make_timm("DaVit", depths=(1, 1), embed_dims=(8, 16), num_heads=(2, 2)), "stages"),
    "timm ViT": Kind(make_timm("VisionTransformer", **SMALL, patch_size=8, depth=2, num_heads=2), refused="output tokens"),
    "timm MLP-Mixer": Kind(make_timm("MlpMixer", **SMALL, patch_size=8, num_blocks=2), refused="output tokens"),
    "timm XCiT": Kind(make_timm("Xcit", **SMALL, depth=2, num_heads=2, patch_size=8), refused="output tokens"),
    "timm LeViT": Kind(make_timm("Levit", img_size=32, embed_dim=(8, 8), key_dim=4, depth=(1, 1), num_heads=(2, 2)),
                       refused="output tokens"),
}  # fmt: skip


KINDS = CONVOLUTIONS | INPUTS | HEADS | OUTPUTS | MODULES | TORCHVISION | TIMM


def load(kind: Kind) -> tuple[PlainNet, Net]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = kind.make()
    if not isinstance(module, torch.jit.ScriptModule):
        module.eval()
    net = load_net(module, name="net", preprocess="none", device="cpu", precision="fp32", **kind.settings)
    readings = kind.logits, kind.probabilities, kind.logits_at, kind.prepare
    return PlainNet(kind.plain(module), *readings, lambda _: kind.axes), net


@pytest.fixture(autouse=True)
def small_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nets are first tried on images of 64 x 64, which is faster than 224 x 224."""
    monkeypatch.setattr(split, "SIZES", (64, 32, 224))


@pytest.mark.filterwarnings("ignore")  # of what the nets themselves use
@pytest.mark.parametrize("name", KINDS)
def test_a_kind_of_net_is_explained_as_plain_torch_does_or_refused(name: str) -> None:
    kind = KINDS[name]
    if kind.refused:
        with pytest.raises(BenchError, match=kind.refused):
            load(kind)
        return
    plain, net = load(kind)
    assert net.layer == kind.layer
    check_net(net, plain, random_images(2, kind.size), gradients=kind.gradients, tolerance=kind.tolerance)


def find_flat(maps: Tensor) -> Tensor:
    """10 for an image of one colour, 0 for others, such as those on which a net is cut."""
    return 10 * (maps[:, :, 4:8, 4:8].var((2, 3)).amax(1) < 1e-6).float().view(-1, 1, 1, 1)


def add_to_view(maps: Tensor) -> Tensor:
    half = maps[:, :4]
    half += find_flat(maps)
    return maps


def scale_view_of_view(maps: Tensor) -> Tensor:
    places = maps.flatten(2)
    turned = places.transpose(1, 2)
    turned *= 1 + find_flat(maps)[:, :, 0]
    return places.view_as(maps)


def add_to_both_names(maps: Tensor) -> Tensor:
    before = maps
    maps += find_flat(maps)
    return before.sqrt()


def add_after_identity(maps: Tensor) -> Tensor:
    same = F.dropout(maps, training=False)
    same += find_flat(maps)
    return maps.sqrt()


@pytest.mark.parametrize("write", [add_to_view, scale_view_of_view, add_to_both_names, add_after_identity])
def test_changes_through_views_that_a_trace_would_lose_are_kept(write: Transform) -> None:
    """Whether they show on the images on which a net is cut or not."""
    plain, net = load(Kind(block(lambda maps, body: write(body(maps)), conv(8, 8))))
    check_net(net, plain, torch.full((1, 3, 48, 48), 0.7))
    assert split.AFTER_LAYER in net.cut.modules


def test_sums_that_overwrite_their_last_use_are_traced() -> None:
    def add(maps: Tensor, body: nn.Module) -> Tensor:
        count = maps.shape[2:][0]
        count *= 2
        output = body(maps).view(maps.shape[0], -1, count // 2, maps.shape[3])
        output += maps
        output *= 0.5
        return output

    plain, net = load(Kind(block(add, conv(8, 8))))
    check_net(net, plain, random_images(1, 48))
    assert split.AFTER_LAYER not in net.cut.modules


def normalise_each(maps: Tensor) -> Tensor:
    """An instance norm, written as a batch norm of one image."""
    result: Tensor = F.batch_norm(maps.flatten(0, 1)[None], None, None, training=True).view_as(maps)
    return result


@pytest.mark.parametrize(
    "norm", [nn.InstanceNorm2d(8), Apply(lambda maps: F.instance_norm(maps)), Apply(normalise_each)]
)
def test_gradients_through_an_instance_norm_are_right_for_one_image(norm: nn.Module) -> None:
    """Torch computes wrong ones for weights that are laid out as (n, h, w, k)."""
    kind = Kind(
        lambda: Stages(nn.Sequential(nn.GELU(), norm, nn.Tanh(), nn.Conv2d(8, 8, 3))), settings={"layer": "stem"}
    )
    plain, net = load(kind)
    check_grad_cam(net, plain, random_images(1, 48))
