"""Nets of torchvision, timm and the user: cut at the layer of the table or the rule, they compute the same scores."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from cambench.bench.cli import options
from cambench.bench.core.errors import Fatal, ImageError, NotApplicable, PluginError, UsageError
from cambench.bench.data.types import MEAN, STD
from cambench.bench.forward.precision import DTYPES
from cambench.bench.nets import layers, load, sources, split
from cambench.bench.nets.net import Net
from cambench.bench.nets.preprocessing import PRESETS
from cambench.bench.run.plan import describe_net
from cambench.bench.scoring.rerun import randomise
from cambench.bench.store.header import NetHeader
from cambench.methods import cam, grad_cam, layer_cam
from cambench.tests.support.nets import close, random_images

IMAGES = random_images(2, 96)
TARGETS = torch.tensor([1, 2])
CPU = torch.device("cpu")

TABLE = [  # an architecture, its layer, and whether plain CAM applies
    ("squeezenet1_0", "features.12", True),
    ("resnet18", "layer4", True),
    ("googlenet", "inception5b", True),
    ("inception_v3", "Mixed_7c", True),
    ("mobilenet_v2", "features.18", True),
    ("mobilenet_v3_small", "features.12", False),
    ("densenet121", "features", True),
    ("efficientnet_b0", "features.8", True),
    ("mnasnet0_5", "layers.16", True),
    ("shufflenet_v2_x0_5", "conv5", True),
    ("regnet_y_400mf", "trunk_output", True),
    ("convnext_tiny", "features.7", False),
    ("swin_t", "permute", True),
]


def _seeded(make: Callable[[], nn.Module]) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return make().eval()


def _run_module(module: nn.Module, images: Tensor) -> Tensor:
    with torch.no_grad():
        return module((images - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1))


@pytest.mark.parametrize(("name", "layer", "pooled"), TABLE)
def test_an_architecture_is_cut_at_its_last_map(name: str, layer: str, pooled: bool) -> None:
    settings = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    module = _seeded(lambda: torchvision.models.get_model(name, num_classes=5, **settings)).requires_grad_(False)
    halves = split.split_net(module, PRESETS["imagenet"], None, layers.find_usual_layer(name))
    net = Net(name, halves.cut, tuple("abcde"), "fp32")
    assert net.layer == layer
    images = random_images(2, 128)
    activations = net.features(images)
    torch.testing.assert_close(net(images), _run_module(module, images), rtol=1e-4, atol=1e-4)
    assert activations.dim() == 4 and activations.shape[2:] > (1, 1)
    if not pooled:
        with pytest.raises(NotApplicable, match=r"needs exactly one|more than one linear layer"):
            net.class_maps(activations)
        return
    constant = net(images) - net.class_maps(activations).mean((2, 3))
    torch.testing.assert_close(constant[0], constant[1], rtol=0, atol=1e-4)


@pytest.mark.parametrize("kernel", [(1, 3), (3, 1), (3, 3), (1, 1)])
def test_class_maps_need_layers_that_mix_no_positions(kernel: tuple[int, int]) -> None:
    padding = kernel[0] // 2, kernel[1] // 2
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, kernel, padding=padding, padding_mode="circular"),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3),
    )  # fmt: skip
    net = load.load_module(module.eval(), layer="0", preprocess="none")
    activations = net.features(random_images(2, 32))
    if kernel == (1, 1):
        assert net.class_maps(activations).shape == (2, 3, 32, 32)
        return
    with pytest.raises(NotApplicable, match="layers larger than 1 x 1 follow 0"):
        net.class_maps(activations)


@pytest.mark.parametrize(
    "name", ["alexnet", *(f"vgg{depth}{norm}" for depth in (11, 13, 16, 19) for norm in ("", "_bn"))]
)
def test_nets_with_fully_connected_layers_are_cut_before_the_last_pooling(name: str) -> None:
    with torch.device("meta"):
        modules = list(torchvision.models.get_model(name).features.named_children())
    index = [name for name, _ in modules].index((layers.find_usual_layer(name) or "").removeprefix("features."))
    assert isinstance(modules[index][1], nn.ReLU) and isinstance(modules[index + 1][1], nn.MaxPool2d)
    assert index == len(modules) - 2


@pytest.mark.parametrize(("name", "layer"), [("squeezenet1_1", "features.12"), ("regnet_x_400mf", "trunk_output")])
def test_an_architecture_takes_the_users_weights(tmp_path: Path, name: str, layer: str) -> None:
    module = _seeded(lambda: torchvision.models.get_model(name, num_classes=5))
    save_file({f"module.{key}": value for key, value in module.state_dict().items()}, tmp_path / "own.safetensors")
    state = torch.get_rng_state()
    net = load.load(f"{name}[weights={tmp_path}/own.safetensors]", CPU, "fp32")
    assert torch.equal(torch.get_rng_state(), state)
    assert net.name == f"{name}[weights=own]" and net.layer == layer
    torch.testing.assert_close(net(IMAGES), _run_module(module, IMAGES), rtol=1e-5, atol=1e-5)


def test_the_table_lists_every_convolutional_classifier_of_torchvision() -> None:
    listed = {
        name for name in torchvision.models.list_models(module=torchvision.models) if layers.find_usual_layer(name)
    }
    unlisted = set(torchvision.models.list_models(module=torchvision.models)) - listed
    assert unlisted == {"vit_b_16", "vit_b_32", "vit_l_16", "vit_l_32", "vit_h_14", "maxvit_t"}


class _Branch(nn.Module):
    """Two convolutions parallel to an identity, in-place ReLUs, global pooling and a linear layer."""

    def __init__(self, channels: int = 3, classes: int = 6) -> None:
        super().__init__()
        self.stem = nn.Conv2d(channels, 8, 5, 4)
        self.one, self.two = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.last = nn.Sequential(nn.Conv2d(8, 12, 3, 2), nn.ReLU(inplace=True))
        self.fc = nn.Linear(12, classes)

    def maps(self, images: Tensor) -> Tensor:
        stem = F.relu(self.stem(images), inplace=True)
        return self.last(F.relu(stem + self.two(F.relu(self.one(stem))), inplace=True))

    def forward(self, images: Tensor) -> Any:
        return self.fc(self.maps(images).mean((2, 3)))


class _DataDependent(_Branch):
    """Its computation depends on the values of its input, so it cannot be traced."""

    def forward(self, images: Tensor) -> Tensor:
        maps = self.maps(images)
        return self.fc(maps.mean((2, 3)) if float(maps.detach().sum()) > -1e9 else maps.amax((2, 3)))


class _Returns(_Branch):
    """Returns its class scores in another form."""

    def __init__(self, transform: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.say = transform

    def forward(self, images: Tensor) -> Any:
        return self.say(super().forward(images))


class _Output:
    def __init__(self, logits: Tensor) -> None:
        self.logits = logits


@pytest.mark.parametrize("make", [_Branch, _DataDependent])
def test_a_users_net_is_cut_by_the_rule(make: type[nn.Module]) -> None:
    module = _seeded(make)
    net = load.load_module(module, name="mine")
    assert net.layer == "last" and any("chosen automatically: last (" in note for note in net.notes)
    assert any("it runs twice" in note for note in net.notes) == (make is _DataDependent)
    torch.testing.assert_close(net(IMAGES).detach(), _run_module(module, IMAGES), rtol=1e-5, atol=1e-5)
    gradient = grad_cam.explain(net, IMAGES, TARGETS)
    if make is _DataDependent:
        with pytest.raises(NotApplicable, match=r"is found after last; in a net that torch\.fx cannot trace"):
            net.class_maps(net.features(IMAGES))
    if make is _Branch:
        assert torch.equal(load.load_module(module, layer="last.1").features(IMAGES), net.features(IMAGES))
    _, (height, width) = gradient, gradient.shape[1:]
    close(gradient * height * width, _by_hand(module, IMAGES))


def _by_hand(module: Any, images: Tensor) -> Tensor:
    normalised = (images - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    with torch.no_grad():
        maps = module.maps(normalised)
        return torch.einsum("nk,nkhw->nhw", module.fc.weight[TARGETS], maps).relu()


@pytest.mark.parametrize("layer", ["stem", "two", "last.0"])
def test_activations_are_those_before_an_inplace_relu(layer: str) -> None:
    module = _seeded(_Branch)
    if layer == "two":
        with pytest.raises(UsageError, match=r"cut at two: a parallel branch also reaches .*; cut at last\.0 instead"):
            load.load_module(module, layer=layer)
        return
    net = load.load_module(module, layer=layer)
    activations = net.features(IMAGES)
    assert (activations < 0).any()
    grad_cam.explain(net, IMAGES, TARGETS)
    net.classify(activations.clone())
    assert torch.equal(net.features(IMAGES), activations)


def test_layer_cam_and_randomisation_use_several_layers_of_a_traced_net() -> None:
    net = load.load_module(_seeded(_Branch))
    maps = layer_cam.explain(net, IMAGES, TARGETS, layers="stem+last")
    assert maps.shape[1:] == (23, 23) and maps.std() > 0
    for share in (0.2, 1.0):
        randomised = randomise(net, share, 0)
        assert torch.equal(randomised.features(IMAGES), net.features(IMAGES)) == (share < 1)
        assert not torch.allclose(randomised(IMAGES), net(IMAGES))
    hooked = load.load_module(_seeded(_DataDependent))
    assert not torch.allclose(randomise(hooked, 0.2, 0)(IMAGES), hooked(IMAGES))
    assert torch.equal(randomise(hooked, 0.2, 0).features(IMAGES), hooked.features(IMAGES))


@pytest.mark.parametrize(
    ("output", "note"),
    [
        (lambda s: {"aux": None, "logits": s}, "its class scores are its output 'logits'"),
        (lambda s: (s, None), "its class scores are its output 0"),
        (_Output, "its class scores are its output 'logits'"),
        (lambda s: F.log_softmax(s, 1), "it returns log-probabilities: its last softmax is removed"),
        (lambda s: s.softmax(1), "it returns probabilities: its last softmax is removed"),
        (lambda s: s.softmax(1) + 0, "it returns probabilities: their logarithms serve as logits"),
        (lambda s: s - s.logsumexp(1, keepdim=True), "it returns log-probabilities: its last softmax is removed"),
        (lambda s: s[:, :, None, None], ""),
    ],
)
def test_class_scores_are_found_and_read_as_logits(output: Callable[[Tensor], Any], note: str) -> None:
    reference = load.load_module(_seeded(_Branch))
    net = load.load_module(_seeded(lambda: _Returns(output)))
    torch.testing.assert_close(net(IMAGES).softmax(1), reference(IMAGES).softmax(1), rtol=0, atol=1e-5)
    assert note in (*net.notes, "")
    if "is removed" in note or "its output" in note:
        torch.testing.assert_close(net(IMAGES), reference(IMAGES), rtol=1e-5, atol=1e-5)
        close(cam.explain(net, IMAGES, TARGETS), cam.explain(reference, IMAGES, TARGETS))


def test_a_live_module_stays_unchanged() -> None:
    module: Any = _seeded(_Branch).half().train()
    handle = module.fc.register_forward_hook(lambda *_: None)
    module.fc.weight.grad = torch.ones_like(module.fc.weight)
    state = {name: value.clone() for name, value in module.state_dict().items()}
    net = load.load_module(nn.DataParallel(module), name="mine")
    assert {weight.dtype for weight in net.parameters()} == {torch.float32} and not net.training
    assert module.training and module.fc.weight.dtype == torch.float16 and module.fc.weight.requires_grad
    assert len(module.fc._forward_hooks) == 1 and bool((module.fc.weight.grad == 1).all())
    assert all(torch.equal(value, state[name]) for name, value in module.state_dict().items())
    handle.remove()


def test_the_input_of_a_grey_net_is_the_luminance() -> None:
    module = _seeded(lambda: _Branch(channels=1))
    net = load.load_module(module, preprocess="none")
    grey = (IMAGES * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(1, keepdim=True)
    torch.testing.assert_close(net(IMAGES).detach(), module(grey).detach(), rtol=1e-5, atol=1e-5)
    assert "it takes grey images: its input is the luminance" in net.notes


class _GateFirst(nn.Module):
    """Registers a convolution on two pooled channels before that on the image, as attention modules do."""

    def __init__(self) -> None:
        super().__init__()
        self.gate, self.stem, self.fc = nn.Conv2d(2, 1, 3, 1, 1), nn.Conv2d(3, 8, 5, 4), nn.Linear(8, 5)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.stem(images)
        output: Tensor = self.fc((maps * self.gate(torch.stack([maps.mean(1), maps.amax(1)], 1))).mean((2, 3)))
        return output


class _Luminance(nn.Module):
    """Has a branch on the luminance, registered first."""

    def __init__(self) -> None:
        super().__init__()
        self.grey, self.colour, self.act = nn.Conv2d(1, 8, 5, 4), nn.Conv2d(3, 8, 5, 4), nn.ReLU()
        self.fc = nn.Linear(8, 5)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.grey(images.mean(1, keepdim=True)) + self.colour(images)
        output: Tensor = self.fc(self.act(maps).mean((2, 3)))
        return output


def _blocks() -> nn.Module:
    return nn.Sequential(
        nn.PixelUnshuffle(4), nn.Conv2d(48, 8, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)
    )


@pytest.mark.parametrize("make", [_GateFirst, _Luminance, _blocks])
def test_a_net_of_colour_images_is_told_by_running_it(make: Callable[[], nn.Module]) -> None:
    module = _seeded(make)
    net = load.load_module(module)
    torch.testing.assert_close(net(IMAGES).detach(), _run_module(module, IMAGES), rtol=1e-5, atol=1e-5)
    assert not any("grey" in note for note in net.notes)


def test_only_a_layer_that_outputs_a_map_is_suggested() -> None:
    with pytest.raises(
        UsageError, match=r"cut at colour: a parallel branch also reaches the layers after it; cut at act inst"
    ):
        load.load_module(_seeded(_Luminance), layer="colour")
    module: Any = _seeded(_Luminance)
    del module.act
    module.act = torch.relu
    with pytest.raises(UsageError, match=r"cut at colour: a parallel branch also reaches the layers after it$"):
        load.load_module(module, layer="colour")


def test_a_grey_net_that_takes_colours_for_images_is_run_on_the_luminance() -> None:
    body = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 5))
    module = _seeded(lambda: nn.Sequential(nn.Unflatten(0, (-1, 1)), nn.Flatten(0, 2), nn.Unflatten(0, (-1, 1)), body))
    net = load.load_module(module, preprocess="none")
    assert "it takes grey images: its input is the luminance" in net.notes and len(net(IMAGES)) == len(IMAGES)


class _FiveDimensional(_Branch):
    """Has a parameter, a buffer and a constant of five dimensions."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.rand(1, 1, 8, 1, 1))
        self.register_buffer("shift", torch.rand(1, 1, 8, 1, 1))
        self.bias = torch.rand(1, 1, 8, 1, 1)

    def maps(self, images: Tensor) -> Tensor:
        stem = (self.stem(images)[:, None] * self.scale + self.shift + self.bias)[:, 0].relu()
        output: Tensor = self.last(stem + self.two(self.one(stem)))
        return output


def test_tensors_of_five_dimensions_keep_their_layout() -> None:
    module = _seeded(_FiveDimensional)
    net = load.load_module(module)
    torch.testing.assert_close(net(IMAGES).detach(), _run_module(module, IMAGES), rtol=1e-5, atol=1e-5)
    gradient = grad_cam.explain(net, IMAGES, TARGETS)
    close(gradient * gradient[0].numel(), _by_hand(module, IMAGES))
    four = [weight for weight in net.parameters() if weight.dim() == 4]
    assert four and all(weight.is_contiguous(memory_format=torch.channels_last) for weight in four)


def test_a_net_of_fixed_image_size_refuses_other_sizes() -> None:
    net = load.load_module(_fixed_size_module(), name="cifar")
    assert net.size == 32 and "it takes images of 32 x 32 only" in net.notes
    net.prepare(random_images(1, 32))
    with pytest.raises(ImageError, match="cifar takes images of 32 x 32, and these are 96 x 96"):
        net.prepare(IMAGES)


def _fixed_size_module() -> nn.Module:
    return _seeded(lambda: nn.Sequential(nn.Conv2d(3, 4, 5, 4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 7 * 7, 5)))


def test_images_need_not_be_square() -> None:
    module = _seeded(_Branch)
    images = random_images(2, 96)[:, :, :64]
    torch.testing.assert_close(
        load.load_module(module)(images).detach(), _run_module(module, images), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize(
    ("make", "settings", "message"),
    [
        (_Branch, {"layer": "lats"}, "there is no layer 'lats': the nearest are last"),
        (_Branch, {"layer": "fc"}, r"cut at fc: it outputs \(6,\) for an image, not a map"),
        (_Branch, {"classes": ["a", "b"]}, "2 class names, and the net has 6 classes"),
        (_Branch, {"preprocess": "imagnet"}, "there is no preprocess 'imagnet': did you mean 'imagenet'"),
        (lambda: _Branch(channels=4), {}, "in colour or grey: RuntimeError: .* to have 4 channels, but got 3"),
        (
            lambda: nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 5)),
            {},
            "no layer at which it can be cut outputs a map",
        ),
    ],
)
def test_modules_that_cannot_be_explained_are_refused(make: Any, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load.load_module(_seeded(make), **settings)


class _Block(nn.Module):
    """Stores an inner output, which layers outside the block read."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.second = nn.Conv2d(3, 6, 5, 2), nn.Conv2d(6, 6, 3)
        self.stored = torch.empty(0)

    def forward(self, images: Tensor) -> Tensor:
        self.stored = self.inner(images)
        output: Tensor = self.second(self.stored if float(self.stored.sum()) < 1e9 else -self.stored)
        return output


class _Outer(nn.Module):
    """The layers after its block use more than the output of the block."""

    def __init__(self) -> None:
        super().__init__()
        self.last, self.block = nn.Linear(6, 3), _Block()

    def forward(self, images: Tensor) -> Tensor:
        output: Tensor = self.last(self.block(images).mean((2, 3)) + self.block.stored.amax((2, 3)))
        return output


def test_a_failed_cut_leaves_the_net_unchanged() -> None:
    module = _seeded(_Outer)
    net = load.load_module(module, name="mine", precision="bf16")
    assert net.layer == "block.inner"
    torch.testing.assert_close(net(IMAGES), _run_module(module, IMAGES), rtol=1e-4, atol=1e-4)
    assert "its perturbed images run in fp32" in net.notes


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("none", "preprocess=none"),
        ("mean=0.1+0.2+0.3,std=0.5", "mean=0.1+0.2+0.3,std=0.5"),
        ("mean=0.1,0.2,0.3,std=0.5", None),
        ("imagenet,mean=0.5", None),
        ("layer=4,mean=0.5", None),
    ],
)
def test_preprocess_is_a_preset_or_numbers(text: str, settings: str | None) -> None:
    if settings:
        assert options.add_net_settings({"preprocess": text}, ["resnet18"]) == [f"resnet18[{settings}]"]
        return
    with pytest.raises(UsageError, match=r"--preprocess .*: write imagenet, none or half, or numbers"):
        options.add_net_settings({"preprocess": text}, ["resnet18"])


FILE = """
from torch import nn
from beside import width

def make(*, classes_: int = 4):
    return nn.Sequential(nn.Conv2d(3, width, 5, 4), nn.ReLU(True), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                         nn.Linear(width, classes_))

def broken():
    raise RuntimeError("no such luck")
"""


@pytest.fixture
def user_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "beside.py").write_text("width = 6\n", encoding="utf-8")
    (tmp_path / "own.py").write_text(FILE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def describe(spec: str) -> NetHeader:
    return describe_net(load.load(spec, CPU, "fp32"), "fp32")


def test_a_net_is_loaded_from_a_factory_with_weights_and_class_names(user_folder: Path) -> None:
    weights = {
        f"module.{k}": v.half() for k, v in sources.parse_source("own.py:make").load().module.state_dict().items()
    }
    torch.save({"state_dict": weights, "epoch": 3}, user_folder / "w.pth")
    (user_folder / "names.txt").write_text("oak\nelm\nash\nfir\n", encoding="utf-8")
    net = load.load("./own.py:make[weights=w.pth,classes=names.txt,layer=0]", CPU, "fp32")
    assert net.name == "own:make[layer=0,weights=w]" and net.classes == ("oak", "elm", "ash", "fir")
    assert torch.equal(net.cut.modules["0"].weight, weights["module.0.weight"].float())
    entry = describe("own.py:make[weights=w.pth]")
    (user_folder / "own.py").write_text(FILE + "# changed\n", encoding="utf-8")
    changed = describe("own.py:make[weights=w.pth]")
    assert changed.code != entry.code
    assert changed.fingerprint == entry.fingerprint == file_hash(user_folder / "w.pth")
    assert load.load("own.py:make[classes_=7]", CPU, "fp32").classes == tuple("0123456")


@pytest.mark.parametrize("spec", ["own.py:make", "one.inner:make"])
def test_the_code_fingerprint_includes_imports_from_the_same_folder(
    user_folder: Path, spec: str, request: pytest.FixtureRequest
) -> None:
    request.addfinalizer(lambda: [sys.modules.pop(name, None) for name in ("one", "one.inner", "one.beside")])
    (user_folder / "one").mkdir()
    (user_folder / "one" / "__init__.py").write_text("", encoding="utf-8")
    (user_folder / "one" / "inner.py").write_text(FILE.replace("from beside", "from .beside"), encoding="utf-8")
    (user_folder / "one" / "beside.py").write_text("width = 6\n", encoding="utf-8")
    code = describe(spec).code
    assert code and describe(spec).code == code
    for imported in (user_folder / "beside.py", user_folder / "one" / "beside.py"):
        imported.write_text("width = 6  # changed\n", encoding="utf-8")
    assert describe(spec).code != code


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nn.Sequential(nn.LazyConv2d(4, 3))", "returns a lazy module: run it once on an image first"),
        ("nn.Sequential(nn.Conv2d(3, 4, 3, device='meta'))", "returns a module whose weights have no values"),
        ("torch.jit.script(nn.Conv2d(3, 4, 3))", "returns a TorchScript module"),
        ("4", "returns int: a factory returns a torch.nn.Module"),
        ("torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(4, 4)))", "returns a quantised module"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_a_module_without_plain_weights_is_refused(user_folder: Path, text: str, message: str) -> None:
    (user_folder / "odd.py").write_text(
        f"import torch\nfrom torch import nn\ndef make():\n    return {text}\n", encoding="utf-8"
    )
    with pytest.raises(PluginError, match=message):
        load.load("odd.py:make", CPU, "fp32")


def test_a_half_precision_net_is_converted_to_fp32(user_folder: Path) -> None:
    (user_folder / "half.py").write_text(
        FILE.replace("width, classes_))", "width, classes_)).half()"), encoding="utf-8"
    )
    assert load.load("half.py:make", CPU, "fp32").cut.modules["0"].weight.dtype == torch.float32


class _Dropping(_Branch):
    def forward(self, images: Tensor) -> Tensor:
        output: Tensor = super().forward(images)
        return F.dropout(output, training=True)


class _Deciding(_Branch):
    def forward(self, images: Tensor) -> Tensor:
        output: Tensor = super().forward(images)
        return output > 0


class _BatchNormed(nn.Sequential):
    """Normalises by the statistics of the batch, because it has no running averages."""

    def __init__(self) -> None:
        norm = nn.BatchNorm2d(8, track_running_stats=False)
        super().__init__(nn.Conv2d(3, 8, 3), norm, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))


class _BatchStretched(nn.Module):
    """Stretches the images of a batch together."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.body((images - images.min()) / (images.max() - images.min()) * (1 + images.mean()))
        return scores


class _Amplifying(nn.Sequential):
    """Amplifies rounding, which differs between batches of different sizes."""

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = super().forward(images)
        return scores * (1 + len(images) * 1e5 * torch.finfo(scores.dtype).eps)


class _Paired(nn.Module):
    """Takes two images at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.body(images.view(2, *images.shape[1:]))
        return scores


class _Growing(nn.Module):
    """Has a class more at each call."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.calls = nn.Conv2d(3, 8, 3), 0

    def forward(self, images: Tensor) -> Tensor:
        self.calls += 1
        return self.body(images).mean((2, 3)).repeat(1, self.calls)


class _Fragile(nn.Module):
    """Gives scores that are not numbers for dark images."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))

    def forward(self, images: Tensor) -> Tensor:
        contrast = images.std((1, 2, 3))[:, None]
        return torch.where(contrast > 0.6 * contrast.max(), self.body(images), torch.nan)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_Fragile, "class scores that are not finite"),
        (_Dropping, "returns different class scores for the same images"),
        (_Growing, "returns different class scores for the same images"),
        (_Deciding, "class scores as torch.bool"),
        (_BatchNormed, "an image depend on the other images of the batch"),
        (_BatchStretched, "an image depend on the other images of the batch"),
        (_Amplifying, "scores are not reliable: rounding in float32 changes them by more than 0.1 %"),
        (_Paired, "cannot be run on a single image"),
        (lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), "class scores are"),
    ],
)
def test_a_net_whose_scores_cannot_be_explained_is_refused(make: Any, message: str) -> None:
    with pytest.raises(PluginError, match=message):
        load.load_module(_seeded(make))


def test_invalid_files_of_class_names_are_refused(user_folder: Path) -> None:
    for content, message in ((b"", "holds no class names"), ("é\n".encode("latin-1"), "is not text in UTF-8")):
        (user_folder / "names.txt").write_bytes(content)
        with pytest.raises(UsageError, match=message):
            load.load("own.py:make[classes=names.txt]", CPU, "fp32")


def test_one_weights_file_for_two_nets_is_refused() -> None:
    with pytest.raises(UsageError, match="--weights applies to one net, and there are 2"):
        options.add_net_settings({"weights": "w.pth"}, ["resnet18", "vgg16"])


def test_imports_of_the_same_name_in_two_folders_are_kept_apart(user_folder: Path) -> None:
    (user_folder / "other").mkdir()
    (user_folder / "other" / "own.py").write_text(FILE, encoding="utf-8")
    (user_folder / "other" / "beside.py").write_text("width = 9\n", encoding="utf-8")
    shapes = [
        load.load(f"{file}:make", CPU, "fp32").cut.modules["0"].weight.shape[0] for file in ("own.py", "other/own.py")
    ]
    assert shapes == [6, 9]


def file_hash(path: Path) -> str:
    from hashlib import sha256

    return sha256(path.read_bytes()).hexdigest()


def test_random_weights_are_the_same_every_time(user_folder: Path) -> None:
    first, second = (load.load("own.py:make", CPU, "fp32") for _ in range(2))
    assert first.fingerprint == second.fingerprint and torch.equal(first(IMAGES), second(IMAGES))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("own.py", r"own\.py is a file: name the function in it that makes the net, own\.py:factory"),
        ("own.py:mak", "has no 'mak': did you mean 'make'"),
        ("own.py:make[classes_=many]", "setting 'classes_'"),
        ("own.py:make[clases=n.txt]", "no setting 'clases': did you mean 'classes_'"),
        ("own.py:make[weights=none.pth]", "there is no file of weights none.pth"),
        ("own.py:make[weights=own.py]", "own.py holds objects other than weights"),
        ("own.py:make[weights=evil.pth]", "evil.pth holds objects other than weights"),
        ("nowhere.at_all:make", "there is no module nowhere.at_all"),
        ("beside.at_all:make", "there is no module beside.at_all"),
        (
            "resnet50",
            r"no weights of resnet50 ship with this suite: write resnet50@imagenet, or resnet50\[weights=FILE\]",
        ),
        ("resnet18[layer=layer4.1.conv1]", "cannot be cut at layer4.1.conv1: .*; cut at layer4 instead"),
    ],
)
def test_a_spec_without_a_net_is_refused(spec: str, message: str, user_folder: Path) -> None:
    torch.save(nn.Linear(2, 2), user_folder / "evil.pth")  # a pickled module, which would run code
    with pytest.raises(UsageError, match=message):
        load.load(spec, CPU, "fp32")


def test_a_failing_factory_raises_a_plugin_error_with_its_line(user_folder: Path) -> None:
    with pytest.raises(PluginError, match=r"own\.py:broken fails: line \d+ raises RuntimeError: no such luck"):
        load.load("own.py:broken", CPU, "fp32")


def test_a_module_that_misses_another_is_a_plugin_error(user_folder: Path, request: pytest.FixtureRequest) -> None:
    """The module exists; one of the same package that it imports does not."""
    request.addfinalizer(lambda: sys.modules.pop("two", None))
    (user_folder / "two").mkdir()
    (user_folder / "two" / "__init__.py").write_text("", encoding="utf-8")
    (user_folder / "two" / "inner.py").write_text("import two.missing\n", encoding="utf-8")
    with pytest.raises(PluginError, match=r"two\.inner cannot be imported: .*No module named 'two\.missing'"):
        load.load("two.inner:make", CPU, "fp32")


def test_a_net_of_timm_is_cut_by_the_rule() -> None:
    pytest.importorskip("timm")
    net = load.load("timm:resnet10t[pretrained=false]", CPU, "fp32")
    assert net.name == "timm:resnet10t[pretrained=false]" and net.layer == "layer4" and len(net.classes) == 1000
    assert cam.explain(net, IMAGES, TARGETS).shape[1:] == (3, 3)
    with pytest.raises(UsageError, match="timm has no net 'resnet11t': the nearest are resnet"):
        load.load("timm:resnet11t", CPU, "fp32")


class _Custom(nn.Module):
    """A convolution and a linear layer; `change` stands between them."""

    def __init__(self, change: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.first, self.last, self.change = nn.Conv2d(3, 8, 3), nn.Linear(8, 4), change

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.last(self.change(self.first(images)).relu().mean((2, 3)))
        return scores


class _Shared(_Custom):
    """All classes share a term that bf16, whose steps are 16 at 3000, loses."""

    def forward(self, images: Tensor) -> Tensor:
        means = self.first(images).relu().mean((2, 3))
        scores: Tensor = self.last(means) + 20 * ((means.mean(1, keepdim=True) + 3000) - 3000)
        return scores


class Widening(nn.Module):
    """A net that makes its activations float32, as many norms do: the convolution after it does not take other types."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Conv2d(3, 8, 3, 2), nn.Conv2d(8, 8, 3, 2), nn.Linear(8, 10)

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.last(self.second(self.first(images).float().relu()).mean((2, 3)))
        return scores


def test_a_net_that_no_lower_precision_computes_runs_in_fp32_or_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for lower in ("bf16", "fp16"):
        with monkeypatch.context() as patch:
            patch.setattr(
                "cambench.bench.nets.load.choose_precision",
                lambda name, _, lower=lower: lower if name == "auto" else name,
            )
            net = load.load_module(Widening(), precision="auto", preprocess="none")
        assert net.precision == "fp32" and any("its perturbed images run in fp32" in note for note in net.notes)
    named = load.load_module(Widening(), precision="bf16", preprocess="none")
    with pytest.raises(Fatal, match=r"^net cannot be computed in bf16: use --precision fp32 "):
        named.prepare(torch.rand(1, 3, 64, 64))


@pytest.mark.parametrize(("offset", "precision"), [(10, "bf16"), (3000, "fp32")])
def test_auto_on_a_processor_takes_bf16_where_a_nets_scores_stay_near_those_in_fp32(
    monkeypatch: pytest.MonkeyPatch, offset: float, precision: str
) -> None:
    monkeypatch.setattr("cambench.bench.nets.load.choose_precision", lambda name, _: "bf16" if name == "auto" else name)
    torch.manual_seed(0)
    module = _Custom(lambda maps: (maps + offset) - offset)
    net = load.load_module(module, precision="auto", preprocess="none")
    assert net.precision == precision
    assert any("its class scores in bf16 are off by up to" in note for note in net.notes) is (precision == "fp32")


@pytest.mark.parametrize(("scores", "precision"), [("softmax", "bf16"), ("sigmoid", "fp32")])
def test_an_error_that_all_classes_share_cancels_in_a_softmax_alone(
    monkeypatch: pytest.MonkeyPatch, scores: str, precision: str
) -> None:
    monkeypatch.setattr("cambench.bench.nets.load.choose_precision", lambda name, _: "bf16" if name == "auto" else name)
    torch.manual_seed(0)
    net = load.load_module(_Shared(lambda maps: maps), precision="auto", preprocess="none", scores=scores)
    assert net.precision == precision


@pytest.mark.parametrize(
    ("change", "precision", "reason"),
    [
        (lambda maps: maps, "fp16", ""),
        (lambda maps: maps * 1e6 * 1e-6, "bf16", "overflow or cannot be computed: "),
        (lambda maps: maps * 1000, "fp32", "are off by up to "),  # by .05 in fp16, by .4 in bf16
        (lambda maps: (maps + 3000) - 3000, "fp32", "are off by up to "),  # fp16 has steps of 2 there, bf16 of 16
        (lambda maps: (maps + 7e4) - 7e4, "fp32", "overflow or cannot be computed: "),  # bf16 has steps of 512 there
        (
            lambda maps: maps + torch.fft.rfft2(maps).abs().mean((2, 3), keepdim=True),
            "fp32",
            "overflow or cannot be computed: ",
        ),
    ],
)
def test_auto_takes_fp16_where_a_nets_scores_stay_near_those_in_fp32(
    monkeypatch: pytest.MonkeyPatch, change: Callable[[Tensor], Tensor], precision: str, reason: str
) -> None:
    """The choice on a CUDA device, made here on a CPU."""
    monkeypatch.setattr("cambench.bench.nets.load.choose_precision", lambda name, _: "fp16" if name == "auto" else name)
    torch.manual_seed(0)
    module = _Custom(change)
    net = load.load_module(module, precision="auto", preprocess="none")
    notes = [note for note in net.notes if "fp16" in note]
    assert [note.startswith(f"its class scores in fp16 {reason}") for note in notes] == [True] * bool(reason)
    assert all(note.endswith(f": its perturbed images run in {precision}") for note in notes)
    assert (net.precision, net._forward.dtype) == (precision, DTYPES[precision])
    assert describe_net(net, "fp16").precision == (precision if reason else "")
    net.configure(1)
    with pytest.raises(Fatal, match="more than --memory allows"):
        net.prepare(torch.rand(1, 3, 224, 224))
    assert load.load_module(module, precision="fp16", preprocess="none").precision == "fp16"
