"""Nets of torchvision, of timm and of the user's own: cut where the table or the rule says, and found to be the whole net."""

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
from cambench.bench.core.errors import NotApplicable, UsageError
from cambench.bench.data.types import MEAN, STD
from cambench.bench.nets import checkpoints, layers, load, sources, split
from cambench.bench.nets.net import Net
from cambench.bench.nets.preprocessing import WORDS
from cambench.bench.scoring.rerun import randomised
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


def _whole(module: nn.Module, images: Tensor) -> Tensor:
    with torch.no_grad():
        return module((images - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1))


@pytest.mark.parametrize(("name", "layer", "pooled"), TABLE)
def test_an_architecture_is_cut_at_its_last_map(name: str, layer: str, pooled: bool) -> None:
    settings = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    module = _seeded(lambda: torchvision.models.get_model(name, num_classes=5, **settings)).requires_grad_(False)
    found = split.cut(module, WORDS["imagenet"], None, layers.known(name))
    net = Net(name, found.cut, tuple("abcde"), "fp32")
    assert net.layer == layer
    images = random_images(2, 128)
    activations = net.features(images)
    torch.testing.assert_close(net(images), _whole(module, images), rtol=1e-4, atol=1e-4)
    assert activations.dim() == 4 and activations.shape[2:] > (1, 1)
    if not pooled:
        with pytest.raises(NotApplicable, match=r"of one alone|more than one linear layer"):
            net.class_maps(activations)
        return
    constant = net(images) - net.class_maps(activations).mean((2, 3))
    torch.testing.assert_close(constant[0], constant[1], rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    "name", ["alexnet", *(f"vgg{depth}{norm}" for depth in (11, 13, 16, 19) for norm in ("", "_bn"))]
)
def test_a_net_of_fully_connected_layers_is_explained_before_its_last_pooling(name: str) -> None:
    with torch.device("meta"):
        modules = list(torchvision.models.get_model(name).features.named_children())
    place = [name for name, _ in modules].index((layers.known(name) or "").removeprefix("features."))
    assert isinstance(modules[place][1], nn.ReLU) and isinstance(modules[place + 1][1], nn.MaxPool2d)
    assert place == len(modules) - 2


def test_an_architecture_takes_the_users_weights(tmp_path: Path) -> None:
    module = _seeded(lambda: torchvision.models.get_model("squeezenet1_1", num_classes=5))
    save_file({f"module.{key}": value for key, value in module.state_dict().items()}, tmp_path / "own.safetensors")
    net = load.load(f"squeezenet1_1[weights={tmp_path}/own.safetensors]", CPU, "fp32")
    assert net.name == "squeezenet1_1[weights=own]" and net.layer == "features.12"
    torch.testing.assert_close(net(IMAGES), _whole(module, IMAGES), rtol=1e-5, atol=1e-5)


def test_every_classifier_of_torchvision_that_has_maps_is_in_the_table() -> None:
    known = {name for name in torchvision.models.list_models(module=torchvision.models) if layers.known(name)}
    left = set(torchvision.models.list_models(module=torchvision.models)) - known
    assert left == {"vit_b_16", "vit_b_32", "vit_l_16", "vit_l_32", "vit_h_14", "maxvit_t"}


class _Branch(nn.Module):
    """Two convolutions beside an identity, ReLUs in place, global pooling and a linear layer."""

    def __init__(self, channels: int = 3, classes: int = 6) -> None:
        super().__init__()
        self.stem = nn.Conv2d(channels, 8, 5, 4)
        self.one, self.two = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.last = nn.Sequential(nn.Conv2d(8, 12, 3, 2), nn.ReLU(inplace=True))
        self.fc = nn.Linear(12, classes)

    def maps(self, images: Tensor) -> Tensor:
        below = F.relu(self.stem(images), inplace=True)
        return self.last(F.relu(below + self.two(F.relu(self.one(below))), inplace=True))

    def forward(self, images: Tensor) -> Any:
        return self.fc(self.maps(images).mean((2, 3)))


class _Looks(_Branch):
    """What it does depends on its input's values, so that it cannot be traced."""

    def forward(self, images: Tensor) -> Tensor:
        maps = self.maps(images)
        return self.fc(maps.mean((2, 3)) if float(maps.detach().sum()) > -1e9 else maps.amax((2, 3)))


class _Says(_Branch):
    """Its class scores are given in some other way."""

    def __init__(self, say: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.say = say

    def forward(self, images: Tensor) -> Any:
        return self.say(super().forward(images))


class _Output:
    def __init__(self, logits: Tensor) -> None:
        self.logits = logits


@pytest.mark.parametrize("make", [_Branch, _Looks])
def test_a_users_net_is_cut_where_the_rule_says(make: type[nn.Module]) -> None:
    module = _seeded(make)
    net = load.of(module, name="mine")
    assert net.layer == "last" and any("explained at last" in note for note in net.notes)
    assert any("running it twice" in note for note in net.notes) == (make is _Looks)
    torch.testing.assert_close(net(IMAGES).detach(), _whole(module, IMAGES), rtol=1e-5, atol=1e-5)
    gradient = grad_cam.explain(net, IMAGES, TARGETS)
    if make is _Branch:
        assert torch.equal(load.of(module, layer="last.1").features(IMAGES), net.features(IMAGES))
    _, (height, width) = gradient, gradient.shape[1:]
    close(gradient * height * width, _by_hand(module, IMAGES))


def _by_hand(module: Any, images: Tensor) -> Tensor:
    normalised = (images - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    with torch.no_grad():
        maps = module.maps(normalised)
        return torch.einsum("nk,nkhw->nhw", module.fc.weight[TARGETS], maps).relu()


@pytest.mark.parametrize("layer", ["stem", "two", "last.0"])
def test_maps_are_those_before_a_relu_in_place(layer: str) -> None:
    module = _seeded(_Branch)
    if layer == "two":
        with pytest.raises(UsageError, match=r"cut at two: more than what it gives reaches .*; last\.0 would do"):
            load.of(module, layer=layer)
        return
    net = load.of(module, layer=layer)
    before = net.features(IMAGES)
    assert (before < 0).any()
    grad_cam.explain(net, IMAGES, TARGETS)
    net.classify(before.clone())
    assert torch.equal(net.features(IMAGES), before)


def test_several_layers_of_one_graph_serve_layer_cam_and_randomisation() -> None:
    net = load.of(_seeded(_Branch))
    several = layer_cam.explain(net, IMAGES, TARGETS, layers="stem+last")
    assert several.shape[1:] == (23, 23) and several.std() > 0
    for share in (0.2, 1.0):
        other = randomised(net, share, 0)
        assert torch.equal(other.features(IMAGES), net.features(IMAGES)) == (share < 1)
        assert not torch.allclose(other(IMAGES), net(IMAGES))
    captured = load.of(_seeded(_Looks))
    assert not torch.allclose(randomised(captured, 0.2, 0)(IMAGES), captured(IMAGES))
    assert torch.equal(randomised(captured, 0.2, 0).features(IMAGES), captured.features(IMAGES))


@pytest.mark.parametrize(
    ("say", "note"),
    [
        (lambda s: {"aux": None, "logits": s}, "its class scores are what it gives as 'logits'"),
        (lambda s: (s, s * 2), "its class scores are what it gives as 0"),
        (_Output, "its class scores are what it gives as 'logits'"),
        (lambda s: F.log_softmax(s, 1), "it gives log-probabilities: its last softmax is cut off"),
        (lambda s: s.softmax(1), "it gives probabilities: its last softmax is cut off"),
        (lambda s: s.softmax(1) + 0, "it gives probabilities: logits are their logarithms"),
        (lambda s: s - s.logsumexp(1, keepdim=True), "it gives log-probabilities: its last softmax is cut off"),
        (lambda s: s[:, :, None, None], ""),
    ],
)
def test_class_scores_are_found_and_read_as_logits(say: Callable[[Tensor], Any], note: str) -> None:
    plain = load.of(_seeded(_Branch))
    net = load.of(_seeded(lambda: _Says(say)))
    torch.testing.assert_close(net(IMAGES).softmax(1), plain(IMAGES).softmax(1), rtol=0, atol=1e-5)
    assert note in (*net.notes, "")
    if "cut off" in note or "gives as" in note:
        torch.testing.assert_close(net(IMAGES), plain(IMAGES), rtol=1e-5, atol=1e-5)
        close(cam.explain(net, IMAGES, TARGETS), cam.explain(plain, IMAGES, TARGETS))


def test_a_live_module_is_left_as_it_was_found() -> None:
    module: Any = _seeded(_Branch).half().train()
    handle = module.fc.register_forward_hook(lambda *_: None)
    module.fc.weight.grad = torch.ones_like(module.fc.weight)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    net = load.of(nn.DataParallel(module), name="mine")
    assert {weight.dtype for weight in net.parameters()} == {torch.float32} and not net.training
    assert module.training and module.fc.weight.dtype == torch.float16 and module.fc.weight.requires_grad
    assert len(module.fc._forward_hooks) == 1 and bool((module.fc.weight.grad == 1).all())
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    handle.remove()


def test_a_grey_net_is_shown_the_luminance() -> None:
    module = _seeded(lambda: _Branch(channels=1))
    net = load.of(module, preprocess="none")
    grey = (IMAGES * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(1, keepdim=True)
    torch.testing.assert_close(net(IMAGES).detach(), module(grey).detach(), rtol=1e-5, atol=1e-5)
    assert "it takes grey images: it is shown the luminance" in net.notes


def test_a_net_of_one_size_refuses_others_and_names_its_own() -> None:
    net = load.of(_fixed(), name="cifar")
    assert net.size == 32 and "it takes images of 32 x 32 alone" in net.notes
    net.prepare(random_images(1, 32))
    with pytest.raises(UsageError, match="cifar takes images of 32 x 32, and these are 96 x 96"):
        net.prepare(IMAGES)


def _fixed() -> nn.Module:
    return _seeded(lambda: nn.Sequential(nn.Conv2d(3, 4, 5, 4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 7 * 7, 5)))


def test_images_that_are_not_square_are_taken() -> None:
    module = _seeded(_Branch)
    wide = random_images(2, 96)[:, :, :64]
    torch.testing.assert_close(load.of(module)(wide).detach(), _whole(module, wide), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("make", "settings", "says"),
    [
        (_Branch, {"layer": "lats"}, "there is no layer 'lats': the nearest are last"),
        (_Branch, {"layer": "fc"}, r"cut at fc: it gives \(6,\) for an image, and no map"),
        (_Branch, {"classes": ["a", "b"]}, "2 class names, and the net has 6 classes"),
        (_Branch, {"preprocess": "imagnet"}, "there is no preprocess 'imagnet': did you mean 'imagenet'"),
        (lambda: _Branch(channels=4), {}, "takes images of 4 channels"),
        (lambda: _Branch(classes=1), {}, "one score an image"),
        (lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), {}, "class scores are"),
        (lambda: nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 5)), {}, "no layer of the net gives a map"),
    ],
)
def test_what_cannot_be_explained_is_refused_in_words(make: Any, settings: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        load.of(_seeded(make), **settings)


class _Block(nn.Module):
    """Keeps what is inside, for those behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.second = nn.Conv2d(3, 6, 5, 2), nn.Conv2d(6, 6, 3)
        self.kept = torch.empty(0)

    def forward(self, images: Tensor) -> Tensor:
        self.kept = self.inner(images)
        found: Tensor = self.second(self.kept if float(self.kept.sum()) < 1e9 else -self.kept)
        return found


class _Outer(nn.Module):
    """What its block gives is not all that reaches the layers behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.last, self.block = nn.Linear(6, 3), _Block()

    def forward(self, images: Tensor) -> Tensor:
        found: Tensor = self.last(self.block(images).mean((2, 3)) + self.block.kept.amax((2, 3)))
        return found


def test_a_layer_that_failed_leaves_the_next_one_as_it_was() -> None:
    module = _seeded(_Outer)
    net = load.of(module, name="mine", precision="bf16")
    assert net.layer == "block.inner"
    torch.testing.assert_close(net(IMAGES), _whole(module, IMAGES), rtol=1e-4, atol=1e-4)
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
def test_colours_are_a_word_or_numbers(text: str, settings: str | None) -> None:
    if settings:
        assert options.with_settings({"preprocess": text}, ["resnet18"]) == [f"resnet18[{settings}]"]
        return
    with pytest.raises(UsageError, match=r"--preprocess .*: write imagenet, none or half, or numbers"):
        options.with_settings({"preprocess": text}, ["resnet18"])


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
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "beside.py").write_text("width = 6\n")
    (tmp_path / "own.py").write_text(FILE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_factory_in_a_file_with_weights_and_class_names(mine: Path) -> None:
    weights = {f"module.{k}": v.half() for k, v in sources.read("own.py:make").make().net.state_dict().items()}
    torch.save({"state_dict": weights, "epoch": 3}, mine / "w.pth")
    (mine / "names.txt").write_text("oak\nelm\nash\nfir\n")
    net = load.load("./own.py:make[weights=w.pth,classes=names.txt,layer=0]", CPU, "fp32")
    assert net.name == "own:make[layer=0,weights=w]" and net.classes == ("oak", "elm", "ash", "fir")
    assert torch.equal(net.cut.line["0"].weight, weights["module.0.weight"].float())
    about = load.described("own.py:make[weights=w.pth]")
    (mine / "own.py").write_text(FILE + "# changed\n")
    other = load.described("own.py:make[weights=w.pth]")
    assert other["code"] != about["code"] and other["fingerprint"] == about["fingerprint"] == checkpoint(mine / "w.pth")
    assert load.load("own.py:make[classes_=7]", CPU, "fp32").classes == tuple("0123456")


@pytest.mark.parametrize("spec", ["own.py:make", "one.inner:make"])
def test_what_a_file_imports_from_beside_it_is_its_code(mine: Path, spec: str, request: pytest.FixtureRequest) -> None:
    request.addfinalizer(lambda: [sys.modules.pop(name, None) for name in ("one", "one.inner", "one.beside")])
    (mine / "one").mkdir()
    (mine / "one" / "__init__.py").write_text("")
    (mine / "one" / "inner.py").write_text(FILE.replace("from beside", "from .beside"))
    (mine / "one" / "beside.py").write_text("width = 6\n")
    before = load.described(spec)["code"]
    assert load.described(spec)["code"] == before
    for beside in (mine / "beside.py", mine / "one" / "beside.py"):
        beside.write_text("width = 6  # changed\n")
    assert load.described(spec)["code"] != before


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nn.Sequential(nn.LazyConv2d(4, 3))", "gives a lazy module: run it once on an image"),
        ("nn.Sequential(nn.Conv2d(3, 4, 3, device='meta'))", "gives weights without values"),
        ("torch.jit.script(nn.Conv2d(3, 4, 3))", "gives a compiled module"),
        ("torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(4, 4)))", "gives a quantised module"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_a_module_without_plain_weights_is_refused(mine: Path, text: str, says: str) -> None:
    (mine / "odd.py").write_text(f"import torch\nfrom torch import nn\ndef make():\n    return {text}\n")
    with pytest.raises(UsageError, match=says):
        load.load("odd.py:make", CPU, "fp32")


def test_a_factory_of_half_precision_is_a_net(mine: Path) -> None:
    (mine / "half.py").write_text(FILE.replace("width, classes_))", "width, classes_)).half()"))
    assert load.load("half.py:make", CPU, "fp32").cut.line["0"].weight.dtype == torch.float32


class _Dropping(_Branch):
    def forward(self, images: Tensor) -> Tensor:
        found: Tensor = super().forward(images)
        return F.dropout(found, training=True)


class _Deciding(_Branch):
    def forward(self, images: Tensor) -> Tensor:
        found: Tensor = super().forward(images)
        return found > 0


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (_Dropping, "gives other class scores when it is shown the same images again"),
        (_Deciding, "class scores as torch.bool"),
    ],
)
def test_a_net_whose_scores_cannot_be_explained_is_refused(make: type[nn.Module], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        load.of(_seeded(make))


def test_a_file_of_class_names_is_text_and_names_some(mine: Path) -> None:
    for content, says in ((b"", "names no class"), ("é\n".encode("latin-1"), "is no text in UTF-8")):
        (mine / "names.txt").write_bytes(content)
        with pytest.raises(UsageError, match=says):
            load.load("own.py:make[classes=names.txt]", CPU, "fp32")


def test_weights_of_one_file_are_of_one_net() -> None:
    with pytest.raises(UsageError, match="--weights is of one net, and there are 2"):
        options.with_settings({"weights": "w.pth"}, ["resnet18", "vgg16"])


def test_files_of_one_name_beside_two_nets_are_two(mine: Path) -> None:
    (mine / "other").mkdir()
    (mine / "other" / "own.py").write_text(FILE)
    (mine / "other" / "beside.py").write_text("width = 9\n")
    shapes = [
        load.load(f"{file}:make", CPU, "fp32").cut.line["0"].weight.shape[0] for file in ("own.py", "other/own.py")
    ]
    assert shapes == [6, 9]


def checkpoint(path: Path) -> str:
    from hashlib import sha256

    return sha256(path.read_bytes()).hexdigest()


def test_random_weights_are_the_same_every_time(mine: Path) -> None:
    one, other = (load.load("own.py:make", CPU, "fp32") for _ in range(2))
    assert one.fingerprint == other.fingerprint and torch.equal(one(IMAGES), other(IMAGES))


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("own.py", r"own\.py is a file: name what makes the net in it, own\.py:factory"),
        ("own.py:mak", "has no 'mak': did you mean 'make'"),
        ("own.py:broken", r"own\.py:broken fails: line \d+ raises RuntimeError: no such luck"),
        ("own.py:make[classes_=many]", "setting 'classes_'"),
        ("own.py:make[clases=n.txt]", "no setting 'clases': did you mean 'classes_'"),
        ("own.py:make[weights=none.pth]", "there is no file of weights none.pth"),
        ("own.py:make[weights=own.py]", "own.py holds more than weights, or none"),
        ("own.py:make[weights=evil.pth]", "evil.pth holds more than weights"),
        ("nowhere.at_all:make", "there is no module nowhere.at_all"),
        (
            "resnet50",
            r"no weights of resnet50 ship with this suite: write resnet50@imagenet, or resnet50\[weights=FILE\]",
        ),
        ("resnet18[layer=layer4.1.conv1]", "cannot be cut at layer4.1.conv1: .*; layer4 would do"),
    ],
)
def test_a_spec_that_gives_no_net_is_refused_in_words(spec: str, says: str, mine: Path) -> None:
    torch.save(nn.Linear(2, 2), mine / "evil.pth")  # a pickled module, which would run code
    with pytest.raises(UsageError, match=says):
        load.load(spec, CPU, "fp32")


def test_weights_are_read_from_wherever_training_code_puts_them(tmp_path: Path) -> None:
    state = {"a.weight": torch.ones(2)}
    for number, content in enumerate([state, {"model": state}, {"state_dict": state, "lr": 0.1}]):
        torch.save(content, tmp_path / f"{number}.pth")
        assert checkpoints.read(tmp_path / f"{number}.pth").keys() == state.keys()


def test_a_net_of_timm_is_cut_by_the_rule() -> None:
    pytest.importorskip("timm")
    net = load.load("timm:resnet10t[pretrained=false]", CPU, "fp32")
    assert net.name == "timm:resnet10t[pretrained=false]" and net.layer == "layer4" and len(net.classes) == 1000
    assert cam.explain(net, IMAGES, TARGETS).shape[1:] == (3, 3)
    with pytest.raises(UsageError, match="timm has no net 'resnet11t': the nearest are resnet"):
        load.load("timm:resnet11t", CPU, "fp32")
