"""All classifiers of torchvision, and a net of each family of timm: explained as plain torch does, or refused in a sentence.

`CAMBENCH_ZOO=tests/data/zoo.json pytest -m slow tests/zoo/test_libraries.py` also stores the results, which
`python -m cambench.tools.nets` writes into docs/nets.md. It takes about an hour on one core.
"""

import copy
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
import torchvision
from torch import Tensor, nn

from cambench import BenchError, load_net
from cambench.bench.nets import split
from cambench.bench.nets.layers import find_usual_layer
from cambench.bench.nets.net import Net
from cambench.tests.support import zoo
from cambench.tests.support.nets import random_images
from cambench.tests.support.plain_torch import TOLERANCE, PlainNet, check_net, find_axes, record

CHANNELS = 6  # of the explained layer that are not set to zero
SIZE = 96  # pixels: of the images, if the net takes any size
GRID_SIZE = 224  # pixels: of the image whose grid is stored, if the net takes any size
MOST_WEIGHTS = 200_000_000  # copies of a net with more do not fit into the memory of a small machine
STABLE = 1e-5  # of the spread of a net's scores: rounding that leaves them as they are
ROUNDED = (  # nets of which plain torch in float32 is itself off from float64
    "convmixer_768_32", "dla46x_c", "regnet_x_3_2gf", "regnet_x_16gf", "resnext101_32x8d", "resnext101_64x4d",
    "wide_resnet50_2", "wide_resnet101_2",
)  # fmt: skip
LOOSE = 1e-3  # of the highest value: how far these may be off
Row = dict[str, str]

TIMM = (
    "beit_base_patch16_224", "halonet_h1", "mobileone_s1", "cait_xxs24_224", "coat_tiny", "convit_tiny", "convmixer_768_32",
    "test_convnext", "cpubone_nano", "crossvit_tiny_240", "csatv2", "cs3darknet_focus_s", "cspnext_tiny", "davit_tiny",
    "deit_tiny_patch16_224", "densenet121", "dla46x_c", "dpn48b", "edgenext_xx_small", "efficientformer_l1",
    "efficientformerv2_s0", "efficientnet_lite0", "efficientvim_m1", "efficientvit_b0", "efficientvit_m0",
    "eva02_tiny_patch14_224", "fasternet_t0", "fastvit_t8", "focalnet_tiny_srf", "gcvit_xxtiny", "ghostnet_050",
    "hardcorenas_b", "hgnetv2_b0", "hiera_tiny_224", "sam2_hiera_tiny", "hrnet_w18_small", "iformer_t",
    "inception_next_atto", "inception_resnet_v2", "inception_v3", "inception_v4", "lcnetv2_small", "levit_128s",
    "lowformer_b0", "mambaout_femto", "coatnet_pico_rw_224", "maxvit_pico_rw_256", "poolformerv2_s12", "caformer_s18",
    "gmlp_ti16_224", "mixer_s32_224", "lcnet_035", "mobilevit_xxs", "mvitv2_tiny", "nest_tiny", "nextvit_small",
    "nf_regnet_b0", "pit_ti_224", "pvt_v2_b0", "rdnet_tiny", "regnetx_002", "repghostnet_050", "repvit_m1", "res2next50",
    "resnest14d", "resnet10t", "resnetv2_18", "rexnet_100", "selecsls42", "legacy_seresnet18", "sequencer2d_s", "shvit_s1",
    "skresnet18", "starnet_s1", "swiftformer_s", "swin_tiny_patch4_window7_224", "swinv2_tiny_window8_256",
    "swinv2_cr_tiny_224", "tiny_vit_5m_224", "tnt_s_legacy_patch16_224", "tresnet_m", "twins_svt_small",
    "twins_pcpvt_small", "visformer_tiny", "vit_tiny_patch16_224", "vit_tiny_r_s16_p8_224", "vitamin_small_224",
    "volo_d1_224", "ese_vovnet19b_slim", "xception41", "legacy_xception", "xcit_nano_12_p16_224",
)  # fmt: skip


def store(row: Row) -> None:
    """Store a result in the file that the variable CAMBENCH_ZOO names, in place of an earlier one of the same net."""
    if file := os.environ.get("CAMBENCH_ZOO"):
        path = Path(file)
        rows = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
        kept = [other for other in rows if (other["library"], other["net"]) != (row["library"], row["net"])]
        path.write_text(json.dumps([*kept, row], indent=1) + "\n", encoding="utf-8")


@contextmanager
def probe_with_small_images() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(split, "SIZES", (SIZE, *split.SIZES))
        patch.setattr(split, "KNOWN_SIZE", SIZE)
        yield


def load(module: nn.Module, layer: str | None) -> Net:
    return load_net(module, name="net", layer=layer, preprocess="none", device="cpu", precision="fp32")


def calibrate(module: nn.Module, images: Tensor) -> None:
    """Give batch norms the averages of images, so that the maps of a deep net with random weights are of usual size.

    Some of these nets then amplify rounding errors until little of their scores is left: they keep their weights.
    """
    weights = copy.deepcopy(module.state_dict())
    set_averages(module, images)
    probe = torch.rand(2, *images.shape[1:], generator=torch.Generator().manual_seed(0))  # on which cambench decides
    if not is_stable(module, torch.cat([probe, random_images(2, images.shape[2])])):
        module.load_state_dict(weights)


def set_averages(module: nn.Module, images: Tensor) -> None:
    norms = [part for part in module.modules() if isinstance(part, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
        norm.train()
    with torch.no_grad():
        module(images)
    module.eval()


@torch.no_grad()
def is_stable(module: nn.Module, images: Tensor) -> bool:
    """Tell whether rounding, which differs between a batch and single images, leaves a net's scores as they are."""
    scores, alone = module(images), torch.cat([module(image[None]) for image in images])
    return bool(((scores - alone).abs().amax(1) < STABLE * (scores.amax(1) - scores.amin(1))).all())


def explain(module: nn.Module, usual: str | None, tolerance: float) -> Row:
    """Compare a net's explanations with plain torch at the chosen layer. Most of its channels are set to zero first."""
    net = load(module, usual)
    size = net.size or SIZE
    with record(module, net.layer) as outputs, torch.no_grad():
        module(torch.rand(1, 3, *[net.size or GRID_SIZE] * 2))
    axes = find_axes(module, net.layer, random_images(1, size))
    grid = " x ".join(str(outputs[-1].shape[axes.index(axis)]) for axis in "hw")
    zoo.thin(module, net.layer, CHANNELS, axes.index("k"))
    calibrate(module, random_images(4, size, seed=1))
    with probe_with_small_images():
        net = load(module, net.layer)
    check_net(net, PlainNet(module, axes=lambda _: axes), random_images(1, size), tolerance=tolerance)
    return {"layer": net.layer, "grid": grid, "size": str(net.size or GRID_SIZE), "axes": axes, "refused": ""}


def explain_or_refuse(module: nn.Module, usual: str | None, tolerance: float = TOLERANCE) -> Row:
    try:
        return explain(module.eval(), usual, tolerance)
    except BenchError as error:
        return {"layer": "", "grid": "", "size": "", "axes": "", "refused": str(error).removeprefix("net: ")}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of what the nets themselves use
@pytest.mark.parametrize("name", torchvision.models.list_models(module=torchvision.models))
def test_a_classifier_of_torchvision(name: str) -> None:
    settings = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    weights = next(iter(torchvision.models.get_model_weights(name))).meta["num_params"]
    if weights > MOST_WEIGHTS:
        pytest.skip(f"{name} has {weights} weights")
    torch.manual_seed(0)
    module = torchvision.models.get_model(name, num_classes=5, **settings)
    row = explain_or_refuse(module, find_usual_layer(name), LOOSE if name in ROUNDED else TOLERANCE)
    store({"library": "torchvision", "family": type(module).__name__, "net": name, **row})
    assert not row["refused"] or name.startswith("vit_")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", TIMM)
def test_a_family_of_timm(name: str) -> None:
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    module = timm.create_model(name, num_classes=5)
    row = explain_or_refuse(module, None, LOOSE if name in ROUNDED else TOLERANCE)
    store({"library": "timm", "family": type(module).__name__, "net": name, **row})
