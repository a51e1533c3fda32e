"""Modules as users bring them: compiled, wrapped, quantised, or without gradients."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel

from cambench import compute_maps, explain_all, load_net
from cambench.bench.cli.main import main
from cambench.bench.core.errors import NotApplicable, PluginError
from cambench.bench.nets import modules
from cambench.tests.support.nets import close, random_images

IMAGES = random_images(2, 32)
TARGETS = torch.tensor([1, 2])
PHOTO = (random_images(1, 32)[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8)


class _Net(nn.Module):
    """A convolution and a linear layer; `pass_on` stands between them."""

    def __init__(self, pass_on: Callable[[Tensor], Tensor] = torch.relu) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 6, 5, 4), nn.ReLU())
        self.fc = nn.Linear(6, 4)
        self.pass_on = pass_on

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.fc(self.pass_on(self.body(images)).mean((2, 3)))
        return scores


class _Inference(_Net):
    """Runs in inference mode, and cannot be traced."""

    @torch.inference_mode()
    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images if float(images.sum()) > -1e9 else -images)


class _Once(torch.autograd.Function):
    """Has no derivative."""

    @staticmethod
    def forward(_: Any, values: Tensor) -> Tensor:
        return values * 2


def _seeded(make: Callable[[], nn.Module]) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return make().eval()


def _load(module: nn.Module) -> Any:
    return load_net(module, preprocess="none", device="cpu", precision="fp32")


@pytest.mark.parametrize(
    "make",
    [
        lambda: _Net(lambda maps: maps.detach()),
        lambda: _Net(lambda maps: torch.from_numpy(maps.detach().numpy())),
        _Inference,
    ],
)
def test_gradient_methods_do_not_apply_to_a_net_without_gradients(make: Callable[[], nn.Module]) -> None:
    module: Any = _seeded(make)
    net = _load(module)
    for method in ("grad_cam", "layer_cam", "xgrad_cam", "shapley_cam", "opti_cam", "smooth_grad_cam_pp"):
        with pytest.raises(NotApplicable, match="the net passes no gradients on"):
            compute_maps(method, net, IMAGES, TARGETS)
    reference = _seeded(_Net)
    reference.load_state_dict(module.state_dict())
    close(compute_maps("score_cam", net, IMAGES, TARGETS), compute_maps("score_cam", _load(reference), IMAGES, TARGETS))


def test_an_explanation_says_why_there_are_no_gradients() -> None:
    module = _seeded(lambda: _Net(lambda maps: maps.detach()))
    without, with_map = explain_all(
        PHOTO, module, methods=["grad_cam", "score_cam"], metrics=["deletion"], preprocess="none", device="cpu"
    )
    assert without.map is None and without.reason.startswith("the net passes no gradients on: it calls detach()")
    assert with_map.map is not None and with_map.scores.keys() == {"deletion"}


def test_a_function_without_a_derivative_is_a_reason() -> None:
    module = _seeded(lambda: _Net(lambda maps: _Once.apply(maps) if float(maps.detach().sum()) > -1e9 else maps))
    explanation = explain_all(PHOTO, module, methods=["grad_cam"], metrics=["gini"], preprocess="none", device="cpu")[0]
    assert explanation.reason.startswith("the net does not compute what the method needs: You must implement")


def test_libraries_methods_without_gradients_run() -> None:
    pytest.importorskip("pytorch_grad_cam")
    pytest.importorskip("torchcam")
    net = _load(_seeded(lambda: _Net(lambda maps: maps.detach())))
    reference = _load(_seeded(_Net))
    for method in ("pytorch_grad_cam:EigenCAM", "torchcam:ScoreCAM"):
        close(compute_maps(method, net, IMAGES, TARGETS), compute_maps(method, reference, IMAGES, TARGETS))
    for method in ("pytorch_grad_cam:GradCAM", "torchcam:GradCAM"):
        with pytest.raises(NotApplicable, match="the net passes no gradients on"):
            compute_maps(method, net, IMAGES, TARGETS)


def _compile_method(module: nn.Module) -> nn.Module:
    module.compile()
    return module


def _compile_child(module: Any) -> nn.Module:
    module.body = torch.compile(module.body)
    return module


class _CompiledForward(_Net):
    forward = torch.compile(_Net.forward)


def _decorate(module: nn.Module) -> nn.Module:
    module.__class__ = _CompiledForward
    return module


@pytest.mark.parametrize(
    "wrap", [torch.compile, _compile_method, _compile_child, _decorate, nn.DataParallel, AveragedModel]
)
def test_a_wrapped_module_is_explained_as_the_module_inside(wrap: Callable[[Any], Any]) -> None:
    expected, module = _load(_seeded(_Net)), wrap(_seeded(_Net))
    before = {name: type(part) for name, part in module.named_modules()}
    net = _load(module)
    assert net.layer == expected.layer == "body"
    assert torch.equal(net(IMAGES), expected(IMAGES))
    assert not any("runs twice" in note for note in net.notes)
    assert {name: type(part) for name, part in module.named_modules()} == before


def test_a_distributed_module_is_unwrapped() -> None:
    wrapper = DistributedDataParallel.__new__(DistributedDataParallel)  # without a group of processes
    nn.Module.__init__(wrapper)
    wrapper.module = inner = _Net()
    assert modules.unwrap(torch.nn.DataParallel(wrapper)) is inner


def _quantise() -> nn.Module:
    module = _Net()
    module.fc = torch.ao.quantization.quantize_dynamic(nn.Sequential(module.fc))[0]
    return module


def _quantise_conv() -> nn.Module:
    module = _Net()
    module.body[0] = torch.ao.nn.quantized.Conv2d(3, 6, 5, 4)
    return module


def _round() -> nn.Module:
    module = _Net()
    module.fc.weight = nn.Parameter(module.fc.weight.to(torch.int8), requires_grad=False)
    return module


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: torch.jit.trace(_Net().eval(), IMAGES), "net is a TorchScript module .*, which cannot be cut"),
        (
            lambda: torch.export.export(_Net().eval(), (IMAGES,)).module(),
            "net is a module of torch.export, which cannot be cut",
        ),
        (_quantise, r"net is a quantised module \(fc\.\S+\): use the module as it was before"),
        (_quantise_conv, r"net is a quantised module \(body\.0\.weight\)"),
        (_round, r"net is a quantised module \(fc\.weight\)"),
        (lambda: nn.Sequential(nn.LazyConv2d(4, 3)), "net is a lazy module: run it once on an image first"),
        (
            lambda: _Net().to("meta"),
            r"net is a module whose weights have no values \(body\.0\.weight is on the device meta\)",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_a_live_module_without_plain_weights_is_refused(make: Callable[[], nn.Module], message: str) -> None:
    with pytest.raises(PluginError, match=message):
        load_net(make(), name="net", preprocess="none", device="cpu")


FILE = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 6, 5, 4), nn.Linear(6, 4)
        self.runs = 0

    def forward(self, images):
        if images.shape[2] == 40:
            raise KeyError("forty")
        return self.fc(self.conv(images).relu().detach().mean((2, 3)))

def make():
    return torch.compile(Net())
"""


def test_bench_explain_blames_the_users_file_and_names_reasons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(FILE, encoding="utf-8")
    Image.fromarray(PHOTO).save("photo.png")
    command = [
        "explain",
        "photo.png",
        "--net",
        "own.py:make",
        "--metrics",
        "gini",
        "--device",
        "cpu",
        "--precision",
        "fp32",
    ]
    done = CliRunner().invoke(main, [*command, "--size", "32", "--method", "grad_cam,score_cam", "--json"])
    assert done.exit_code == 0 and "the net passes no gradients on" in done.output
    failed = CliRunner().invoke(main, [*command, "--size", "40"])
    assert failed.exit_code == 2 and "net own:make fails: line 13 raises KeyError: 'forty'" in failed.output


def test_a_module_that_is_compiled_in_place_runs_uncompiled() -> None:
    module = _compile_method(_Net())
    modules.undo_compilation(module)
    assert module._compiled_call_impl is None
