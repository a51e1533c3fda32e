"""Weights are found in the files that training code writes; what a file does not hold is said, or refused."""

import inspect
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import Tensor, nn

from cambench.bench.core.errors import UsageError
from cambench.bench.data.types import MEAN, STD
from cambench.bench.nets import architecture_settings, checkpoints, load, timm_nets, zoo
from cambench.bench.run.plan import describe_net
from cambench.tests.support.nets import random_images

CPU = torch.device("cpu")
FILE = Path("w.pth")
IMAGES = random_images(2, 96)


def _seeded(make: Callable[[], nn.Module]) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return make().eval()


def _make_net() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.BatchNorm2d(4), nn.ReLU(), nn.Sequential(nn.Conv2d(4, 5, 3, 2)))


STATE = _seeded(_make_net).state_dict()
OTHER = {name: weight + 1 for name, weight in STATE.items()}


def _prefixed(prefix: str, state: dict[str, Tensor] = STATE) -> dict[str, Tensor]:
    return {prefix + name: weight for name, weight in state.items()}


def _load(state: dict[str, Any], prefix: str = "") -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The weights of a net that has loaded a state, and the notes."""
    net = _make_net()
    selection = checkpoints.select_weights(dict(state), net, FILE, prefix)
    checkpoints.load_weights(net, selection, "mine")
    return net.state_dict(), selection.notes


@pytest.mark.parametrize(
    ("state", "note"),
    [
        (STATE, ""),
        (_prefixed("module."), ""),
        (_prefixed("model.module._orig_mod."), ""),
        ({name.replace("3.0", "3.module.0"): weight for name, weight in STATE.items()}, ""),
        ({name: weight for name, weight in STATE.items() if not name.endswith("tracked")}, ""),
        (STATE | {"1.total_ops": torch.zeros(1)}, ""),
        (STATE | {"criterion.weight": torch.ones(2)}, "left out of w.pth, as no part of the net: criterion.weight"),
        (
            _prefixed("model.") | {"criterion.weight": torch.ones(2)},
            "left out of w.pth, whose model.* it takes, as no part of the net: criterion.weight",
        ),
        (
            _prefixed("a.net.") | {"a.head.w": torch.ones(2), "a.head.b": torch.ones(2), "b": torch.ones(2)},
            "left out of w.pth, whose a.net.* it takes, as no part of the net: a.head.*, b",
        ),
        (_prefixed("module.") | {"n_averaged": torch.tensor(3)}, "left out of w.pth, whose module.* it takes, "),
    ],
)
def test_a_net_finds_its_weights_among_others(state: dict[str, Tensor], note: str) -> None:
    loaded, notes = _load(state)
    for name, weight in STATE.items():
        assert torch.equal(loaded[name], weight)
    assert len(notes) == bool(note) and all(text.startswith(note) for text in notes)


def test_of_two_sets_of_weights_the_user_chooses() -> None:
    both = _prefixed("model.") | _prefixed("model_ema.module.", OTHER)
    with pytest.raises(
        UsageError, match=r"w.pth holds 2 sets .* \(model, model_ema.module\): choose one, \[prefix=model"
    ):
        _load(both)
    loaded, notes = _load(both, prefix="model_ema")
    assert torch.equal(loaded["0.weight"], OTHER["0.weight"])
    assert notes == ("left out of w.pth, whose model_ema.module.* it takes, as no part of the net: model.*",)
    with pytest.raises(UsageError, match=r"under the prefix 'ema': its names begin with model, model_ema\.module$"):
        _load(both, prefix="ema")


def _wrap(state: dict[str, Tensor]) -> dict[str, Any]:
    """A checkpoint of PyTorch Lightning, whose module has a net, an average of it, and a loss with weights."""
    weights = _prefixed("model.", state) | _prefixed("ema.module.", OTHER) | {"criterion.weight": torch.ones(2)}
    training = {
        "epoch": 3,
        "hyper_parameters": {"lr": 0.1},
        "optimizer_states": [{"state": {0: {"step": torch.ones(1)}}}],
    }
    return {"state_dict": weights, "pytorch-lightning_version": "2.5", **training}


@pytest.mark.parametrize(("prefix", "expected"), [("model", STATE), ("ema", OTHER), ("state_dict.ema", OTHER)])
def test_an_inner_part_of_a_prefix_chooses_if_it_is_unambiguous(
    prefix: str, expected: dict[str, Tensor], tmp_path: Path
) -> None:
    torch.save(_wrap(STATE), tmp_path / "last.ckpt")
    state = checkpoints.read_weights(tmp_path / "last.ckpt")
    loaded, notes = _load(state, prefix=prefix)
    assert all(torch.equal(loaded[name], weight) for name, weight in expected.items())
    assert any("left out of w.pth" in note for note in notes)
    with pytest.raises(UsageError, match=r"holds 2 sets .* \(state_dict\.model, state_dict\.ema\.module\): choose one"):
        _load(state)
    with pytest.raises(
        UsageError, match=r"under the prefix 'net': its names begin with state_dict\.model, state_dict\.ema"
    ):
        _load(state, prefix="net")


def _renamed(before: str, after: str, state: dict[str, Tensor] = STATE) -> dict[str, Tensor]:
    return {name.replace(before, after): weight for name, weight in state.items()}


@pytest.mark.parametrize(
    ("others", "listed"),
    [
        ({"module.0.weight": OTHER["0.weight"]}, "module.0.weight"),
        (_prefixed("module.", OTHER), "module.*"),
        ({"3.module.0.weight": OTHER["3.0.weight"]}, "3.module.0.weight"),
    ],
)
def test_of_two_names_of_a_weight_the_nets_own_is_taken(others: dict[str, Tensor], listed: str) -> None:
    for state in (STATE | others, others | STATE):
        loaded, notes = _load(state)
        assert all(torch.equal(loaded[name], weight) for name, weight in STATE.items())
        assert notes == (f"left out of w.pth, as the same names without wrappers are there: {listed}",)


def test_two_names_of_a_weight_of_which_neither_is_the_nets_own_are_refused() -> None:
    state = _renamed("3.0", "3.module.0") | _prefixed("module.", OTHER)
    with pytest.raises(UsageError, match=r"^w.pth holds two weights named 3.0.weight \(3.module.0.weight, module.3.0.weight\)"
                                         r": choose one with prefix=$"):  # fmt: skip
        _load(state)
    assert torch.equal(_load(state, prefix="module")[0]["3.0.weight"], OTHER["3.0.weight"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda state: {
                name: state[name] for name in state if not name.startswith(("layer4", "fc", "layer3.0.bn1"))
            },
            r"w.pth does not fit resnet18: it lacks layer3.0.bn1, layer4, fc: build the net as it was trained",
        ),
        (
            lambda state: {name.replace("fc.", "fc.1."): weight for name, weight in state.items()},
            r"it lacks fc and it has fc.1, which the net does not have: build the net",
        ),
        (lambda state: state | {"attention.weight": torch.ones(2)}, r"it has attention, which the net does not have"),
        (
            lambda state: state | {"layer1.0.conv1.weight": torch.ones(1, 2), "bn1.bias": torch.ones(3)},
            r"its bn1.bias is \(3,\), where the net has \(64,\), and 1 more differ",
        ),
        (lambda state: state | {"bn1.bias": torch.ones(64, dtype=torch.int8)}, "its bn1.bias is quantised"),
        (
            lambda _: {f"block{n}.weight": torch.ones(2) for n in range(9)},
            r"its names are block0.weight, block1.weight, block2.weight and 6 more, and the net's are conv1.weight, ",
        ),
    ],
)
def test_a_misfit_is_described_in_one_short_sentence(change: Any, message: str) -> None:
    net = torchvision.models.resnet18()
    selection = checkpoints.select_weights(change(dict(net.state_dict())), net, FILE)
    with pytest.raises(UsageError, match=message) as caught:
        checkpoints.load_weights(net, selection, "resnet18")
    assert len(str(caught.value)) < 250


def test_weights_are_read_from_nested_dictionaries(tmp_path: Path) -> None:
    contents = [STATE, {"model": STATE}, {"net": {"state_dict": STATE}, "optimizer": {"state": {0: STATE}}, "lr": 0.1}]
    for content in contents:
        torch.save(content, tmp_path / "w.pth")
        loaded, notes = _load(checkpoints.read_weights(tmp_path / "w.pth"))
        assert torch.equal(loaded["3.0.bias"], STATE["3.0.bias"]) and not notes
    torch.save({"epoch": 3}, tmp_path / "w.pth")
    with pytest.raises(UsageError, match="holds no weights by name"):
        checkpoints.read_weights(tmp_path / "w.pth")


def _run_module(module: nn.Module, images: Tensor) -> Tensor:
    with torch.no_grad():
        return module((images - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1))


def _build(name: str, **settings: Any) -> Any:
    """An architecture of torchvision with five classes and random weights."""
    settings |= {"init_weights": False} if name in zoo.INCEPTIONS else {}
    return _seeded(lambda: torchvision.models.get_model(name, num_classes=5, **settings))


def _keep_variance(module: nn.Module) -> None:
    """Draw weights that pass the input's contrast on: torchvision's initial ones of GoogLeNet make the scores constant."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, generator=torch.Generator().manual_seed(part.in_channels))


@pytest.mark.parametrize(
    ("name", "transforms", "auxiliary"),
    [("googlenet", True, ""), ("googlenet", False, "aux1.*, aux2.*"), ("inception_v3", True, "AuxLogits.*")],
)
def test_an_inception_is_the_net_that_the_user_trained(
    name: str, transforms: bool, auxiliary: str, tmp_path: Path
) -> None:
    """torchvision's start for fine-tuning transforms the input; training code may replace one of the heads alone."""
    module = _build(name, transform_input=transforms, aux_logits=bool(auxiliary))
    module.fc = _seeded(lambda: nn.Linear(module.fc.in_features, 3))
    _keep_variance(module)
    torch.save(module.state_dict(), tmp_path / "w.pth")
    setting = "" if transforms else ",transform_input=false"
    net = load.load(f"{name}[weights={tmp_path}/w.pth{setting}]", CPU, "fp32")
    scores = net(IMAGES)
    torch.testing.assert_close(scores, _run_module(module, IMAGES), rtol=1e-4, atol=1e-5)
    module.transform_input = not transforms
    assert (scores - _run_module(module, IMAGES)).abs().max() > 1e-3
    assumed = "transform_input=true is assumed, which weights do not show: [transform_input=...] changes it"
    assert (assumed in net.notes) == transforms
    assert describe_net(net, "fp32").reading == ("transform_input=true" if transforms else "")
    left_out = f"left out of w.pth, as no part of the net: {auxiliary}"
    assert [note for note in net.notes if "left out" in note] == ([left_out] if auxiliary else [])


def test_a_dilated_net_is_the_net_that_the_user_trained(tmp_path: Path) -> None:
    module = _build("mobilenet_v3_small", dilated=True)
    torch.save(module.state_dict(), tmp_path / "w.pth")
    spec = f"mobilenet_v3_small[weights={tmp_path}/w.pth"
    net, strided = (load.load(text, CPU, "fp32") for text in (f"{spec},dilated=true]", f"{spec}]"))
    assert net.features(IMAGES).shape[2:] == (6, 6) and strided.features(IMAGES).shape[2:] == (3, 3)
    torch.testing.assert_close(net(IMAGES), _run_module(module, IMAGES), rtol=1e-4, atol=1e-5)
    assumed = "dilated=false is assumed, which weights do not show: [dilated=...] changes it"
    assert assumed in strided.notes and assumed not in net.notes
    assert strided.reading == ""  # as in versions without this setting


CHANGES: dict[
    str, dict[str, Any]
] = {  # settings that change the function and not the weights, of each family that has one
    "googlenet": {"transform_input": "false"},
    "inception_v3": {"transform_input": "false"},
    "resnet50": {"replace_stride_with_dilation": "false+false+true"},
    "resnext50_32x4d": {"replace_stride_with_dilation": "false+true+true"},
    "wide_resnet50_2": {"replace_stride_with_dilation": "false+true+true"},
    "mobilenet_v3_large": {"dilated": "true"},
    "mobilenet_v3_small": {"dilated": "true"},
    "maxvit_t": {"input_size": "448"},
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_setting_that_weights_do_not_show_is_known(name: str) -> None:
    changed = architecture_settings.complete_settings(name, CHANGES[name])
    default = architecture_settings.complete_settings(name, {})
    assert changed != default
    with torch.device("meta"):
        nets: list[Any] = [_build(name, **settings) for settings in (default, changed)]
    states = [{key: weight.shape for key, weight in net.state_dict().items()} for net in nets]
    assert states[0] == states[1]
    descriptions = [
        str(list(net.modules())) + str([vars(part).get("grid_size") for part in net.modules()]) for net in nets
    ]
    assert descriptions[0] != descriptions[1] or nets[0].transform_input != nets[1].transform_input
    (note,) = architecture_settings.list_assumptions(name, {})
    assert note.startswith(f"{next(iter(CHANGES[name]))}=")
    assert not architecture_settings.list_assumptions(name, CHANGES[name])


EXAMINED = {  # the arguments of torchvision's classifiers
    "without effect in eval mode, or on initial values alone": {
        "dropout", "dropout_aux", "attention_dropout", "mlp_dropout", "drop_rate", "stochastic_depth_prob", "init_weights",
        "zero_init_residual", "layer_scale", "memory_efficient", "aux_logits",
    },
    "seen in the names or shapes of the weights, or fixed by the builder": {
        "num_classes", "width_mult", "round_nearest", "alpha", "version", "growth_rate", "block_config", "num_init_features",
        "bn_size", "groups", "width_per_group", "layers", "stages_repeats", "stages_out_channels", "last_channel", "stem_width",
        "block_params", "block_setting", "inverted_residual_setting", "features", "patch_size", "embed_dim", "depths",
        "num_heads", "window_size", "mlp_ratio", "image_size", "num_layers", "hidden_dim", "mlp_dim", "representation_size",
        "conv_stem_configs", "stem_channels", "partition_size", "block_channels", "block_layers", "head_dim", "squeeze_ratio",
        "expansion_ratio",
    },
    "Python objects": {
        "norm_layer", "block", "blocks", "inception_blocks", "inverted_residual", "activation", "activation_layer", "stem_type",
        "block_type", "downsample_layer",
    },
}  # fmt: skip


def test_every_argument_of_every_classifier_is_examined() -> None:
    examined = set().union(*EXAMINED.values())
    for name in zoo.list_architectures():
        builder = torchvision.models.get_model_builder(name)
        made = inspect.signature(builder).return_annotation
        parameters = inspect.signature(made.__init__).parameters.values()
        names = {parameter.name for parameter in parameters if parameter.kind is parameter.POSITIONAL_OR_KEYWORD} - {
            "self"
        }
        assert names <= examined | {*architecture_settings.list_settings(name), "replace_stride_with_dilation"}
        takes_dilation = "replace_stride_with_dilation" in names and name not in ("resnet18", "resnet34")
        assert takes_dilation == ("replace_stride_with_dilation" in architecture_settings.list_settings(name))


def test_shallow_resnets_cannot_be_dilated() -> None:
    with pytest.raises(NotImplementedError), torch.device("meta"):
        torchvision.models.resnet34(replace_stride_with_dilation=[False, False, True])


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            "inception_v3@imagenet[transfrom_input=false]",
            "has no setting 'transfrom_input': did you mean 'transform_input'",
        ),
        (
            "inception_v3@imagenet[transform_input=maybe]",
            "'inception_v3', setting 'transform_input': Input should be a valid",
        ),
        ("resnet50@imagenet[replace_stride_with_dilation=true]", "setting 'replace_stride_with_dilation'"),
        ("resnet18[prefix=model]", "sets the prefix of weights and no weights: add weights=FILE"),
    ],
)
def test_a_setting_that_an_architecture_lacks_is_refused(spec: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load.load(spec, CPU, "fp32")


def test_torchvisions_own_files_of_densenets_have_old_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the comment in torchvision.models.densenet says: norm.1, where the modules are called norm1."""
    state = _seeded(torchvision.models.densenet121).state_dict()
    old = {re.sub(r"(denselayer\d+\.(?:norm|conv))(\d)", r"\1.\2", name): weight for name, weight in state.items()}
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    net, notes = zoo._build("densenet121", old, FILE, {})
    assert torch.equal(
        net.state_dict()["features.denseblock4.denselayer16.conv2.weight"],
        old["features.denseblock4.denselayer16.conv.2.weight"],
    )
    assert not notes


def test_a_mnasnet_loads_without_the_version_of_its_class(tmp_path: Path) -> None:
    module = _build("mnasnet0_5")
    save_file(module.state_dict(), tmp_path / "w.safetensors")
    net = load.load(f"mnasnet0_5[weights={tmp_path}/w.safetensors]", CPU, "fp32")
    torch.testing.assert_close(net(IMAGES), _run_module(module, IMAGES), rtol=1e-4, atol=1e-5)


def test_the_image_size_of_a_vit_is_that_of_its_weights() -> None:
    with torch.device("meta"):
        state = torchvision.models.vit_b_16(image_size=64, num_classes=5).state_dict()
        net, _ = zoo._build("vit_b_16", dict(state), FILE, {})
    assert net.image_size == 64 and net.state_dict()["heads.head.weight"].shape[0] == 5


def test_the_normalisation_of_timms_weights_is_said_to_be_assumed(tmp_path: Path) -> None:
    timm = pytest.importorskip("timm")
    torch.save(timm.create_model("resnet10t", num_classes=5).state_dict(), tmp_path / "w.pth")
    model = timm_nets.load_timm("resnet10t", tmp_path / "w.pth")
    (note,) = model.notes
    assert note.startswith("its images are normalised as for timm's own weights") and model.module.num_classes == 5


@pytest.mark.parametrize("new", [True, False])
def test_weights_that_hold_code_are_refused_without_running_it(tmp_path: Path, new: bool) -> None:
    class Attack:
        def __reduce__(self) -> tuple[object, ...]:
            return os.mkdir, (str(tmp_path / "executed"),)

    torch.save(STATE | {"more": Attack()}, tmp_path / "weights.pt", _use_new_zipfile_serialization=new)
    (tmp_path / "net.py").write_text(
        "from torch import nn\ndef make():\n    return nn.Conv2d(3, 4, 3)\n", encoding="utf-8"
    )
    with pytest.raises(UsageError, match=r"weights\.pt"):
        load.load(f"{tmp_path / 'net.py'}:make[weights={tmp_path / 'weights.pt'}]", CPU, "fp32")
    assert not (tmp_path / "executed").exists()
