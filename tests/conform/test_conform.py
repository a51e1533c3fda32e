"""bench conform: the comparison with reference libraries, the verdicts, and the exit code."""

import importlib.util
import inspect
import re
from dataclasses import replace
from math import inf, isnan, nan
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from click.testing import CliRunner, Result
from rich.console import Console
from torch import Tensor, nn

from cambench.bench.cli.main import main
from cambench.bench.conform import conform as conforming
from cambench.bench.conform import reference
from cambench.bench.conform.conform import Fault, Quantity, make_table, rescale
from cambench.bench.core.errors import UsageError
from cambench.bench.core.plugins import REFERENCE, find, list_names
from cambench.bench.metrics import _curves, deletion
from cambench.bench.nets import load
from cambench.bench.nets.load import load_module
from cambench.bench.nets.net import Net
from cambench.bench.nets.zoo import SHIPPED
from cambench.methods import grad_cam

SMALL = ("--nets", "squeezenet1_1", "--dataset", "scenes[size=64]", "--images", "2")
LIBRARIES = list_names(REFERENCE)
KNOWN_FAULTS = {
    "pytorch_grad_cam": {"grad_cam_pp", "eigen_cam[centred=true]", "score_cam[channels=softmax,", "average_drop"},
    "torchcam": {"grad_cam_pp"},
}


def conform(*arguments: object) -> Result:
    command = [str(argument) for argument in ("conform", *arguments)]
    return CliRunner(catch_exceptions=False, env={"COLUMNS": "80"}).invoke(main, command)


def verdicts(result: Result) -> dict[str, str]:
    """The verdict of each row, by the first line of its quantity."""
    rows = [line.split() for line in result.stdout.splitlines() if line.rstrip().endswith(("same", "differs", "fault"))]
    return {row[0]: row[-1] for row in rows}


def needs(library: str) -> None:
    pytest.importorskip(library, reason="the library of the extra `references` is not installed")


@pytest.mark.parametrize("name", LIBRARIES)
def test_a_reference_library_computes_what_this_suite_computes(name: str) -> None:
    needs(name)
    result = conform(*SMALL, "--references", name)
    assert result.exit_code == 0, result.output
    assert max(map(len, result.stdout.splitlines())) <= 80
    labels = verdicts(result)
    assert labels["grad_cam"] == "same" and "differs" not in labels.values()
    faults = {label for label, verdict in labels.items() if verdict == "fault"}
    assert faults == KNOWN_FAULTS.get(name, set())


def test_numbers_equal_those_of_reference_libraries_on_photographs(real_data: Path) -> None:
    for name in LIBRARIES:
        needs(name)
    photos = f"image_folder[path={real_data},size=128]"
    result = conform("--nets", "squeezenet1_1@imagenet", "--dataset", photos, "--images", "1")
    assert result.exit_code == 0, result.output
    assert ", 0 differ" in result.stdout.splitlines()[-1]


def test_a_map_of_the_wrong_sign_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    needs("captum")
    explain = grad_cam.explain
    monkeypatch.setattr(grad_cam, "explain", lambda *arguments: -explain(*arguments))
    result = conform(*SMALL, "--references", "captum")
    assert result.exit_code == 1 and verdicts(result)["grad_cam"] == "differs"


def test_a_curve_without_its_first_point_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    needs("torchcam")
    explain = _curves.make_schedule

    def shifted(*arguments: Any, **settings: Any) -> Any:
        path = explain(*arguments, **settings)
        return replace(path, counts=path.counts[1:], shares=path.shares[1:])

    torchcam = importlib.import_module("cambench.references.torchcam")
    monkeypatch.setattr(torchcam, "_compare_score_cam", lambda *_: quantity(1.0))  # the costly part
    monkeypatch.setattr(deletion, "make_schedule", shifted)
    result = conform(*SMALL, "--references", "torchcam")
    assert result.exit_code == 1
    assert {label for label, verdict in verdicts(result).items() if verdict == "differs"} == {"deletion@torchcam"}


OWN_REFERENCE = '''"""My reference: it agrees."""
import torch
from cambench.bench.conform.conform import Quantity
{requires}
def compare(net, images, targets):
    yield Quantity("my_cam", "default", torch.ones(1), torch.ones(1), 1e-5)
'''


def test_each_net_is_loaded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    specs: list[str] = []
    original = load.load

    def record(spec: str, *arguments: Any) -> Net:
        specs.append(spec)
        return original(spec, *arguments)

    monkeypatch.setattr(load, "load", record)
    (tmp_path / "my_reference.py").write_text(OWN_REFERENCE.format(requires=""), encoding="utf-8")
    assert conform(*SMALL, "--references", str(tmp_path / "my_reference.py")).exit_code == 0
    assert len(specs) == len(set(specs)) == 1


def test_a_missing_reference_library_is_reported_and_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "captum" else find_spec(name))
    (tmp_path / "my_reference.py").write_text(OWN_REFERENCE.format(requires=""), encoding="utf-8")
    result = conform(*SMALL, "--references", f"captum,{tmp_path / 'my_reference.py'}")
    assert result.exit_code == 0
    first, *_ = result.stdout.splitlines()
    assert first == "reference captum needs the library captum: pip install 'cambench[references]'; skipped"
    assert verdicts(result) == {"my_cam": "same"}


def test_a_comparison_without_any_reference_library_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    result = conform(*SMALL)
    assert result.exit_code == 2
    assert result.stderr == (
        "bench: none of captum, pytorch_grad_cam, torchcam is installed: pip install 'cambench[references]' brings them\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--references", "torchcm"], "there is no reference 'torchcm': did you mean 'torchcam'?"),
        (["--nets", "resnet19", "--references", "captum"], "there is no net 'resnet19': did you mean 'resnet18'?"),
        (["--dataset", "nowhere", "--references", "captum"], "there is no dataset 'nowhere'"),
    ],
)
def test_invalid_arguments_are_refused(arguments: list[str], message: str) -> None:
    needs("captum")
    result = conform(*arguments)
    assert result.exit_code == 2 and result.stderr.startswith(f"bench: {message}")


def quantity(library: float, *with_fault: float, tolerance: float = 0.1) -> Quantity:
    fault = Fault("they add 1", *map(torch.tensor, with_fault)) if with_fault else None
    return Quantity("drop", "default", torch.tensor(1.0), torch.tensor(library), tolerance, fault)


@pytest.mark.parametrize(
    ("pair", "verdict"),
    [
        (quantity(1.05), "same"),
        (quantity(1.2), "differs"),
        (quantity(2.0, 2.05, 2.0), "known fault"),
        (quantity(2.0, 2.2, 2.0), "differs"),  # the fault does not explain it
        (quantity(1.0, 2.0, 1.0), "same"),  # the library has fixed its fault
        (quantity(float("nan")), "differs"),
        (quantity(2.0, float("nan"), 2.0), "differs"),
    ],
)
def test_the_verdict_is_same_known_fault_or_differs(pair: Quantity, verdict: str) -> None:
    assert pair.verdict == verdict


@pytest.mark.parametrize(
    ("second", "verdict"), [([0.5, 0.61], "same"), ([0.5, 0.79], "differs"), ([0.5, float("nan")], "differs")]
)
def test_images_may_have_tolerances_of_their_own(second: list[float], verdict: str) -> None:
    """The first image may differ by 1, the second by .2: what the first may, the second may not."""
    own = torch.tensor([[0.0, 0.0], [0.5, 0.5]])
    library = torch.tensor([[0.9, 0.0], second])
    pair = Quantity("drop", "default", own, library, torch.tensor([1.0, 0.2]))
    assert pair.verdict == verdict and pair.undetermined == 0
    by_fault = replace(pair, library=own + 9, fault=Fault("they add 9", own, library))
    assert by_fault.verdict == {"same": "known fault", "differs": "differs"}[verdict]


def test_a_row_shows_the_difference_and_the_tolerance_of_one_image() -> None:
    """The first image has the largest tolerance and difference, the second the largest ratio of both: .004 of .001."""
    own = torch.zeros(3, 2)
    library = torch.tensor([[0.0, 0.025], [0.0, 0.004], [0.0, 0.0]])
    pair = Quantity("drop", "default", own, library, torch.tensor([0.05, 0.001, 0.0]))
    assert pair.worst == pytest.approx((0.004, 0.001)) and pair.verdict == "differs"
    assert isnan(replace(pair, library=torch.tensor([[0.0, nan], [0.0, 0.004], [0.0, 0.0]])).worst[0])
    assert replace(pair, library=own, tolerance=torch.zeros(3)).verdict == "same"


def test_images_of_an_infinite_tolerance_are_not_compared() -> None:
    own, library = torch.zeros(2, 2), torch.tensor([[9.0, 9.0], [0.0, 0.0005]])
    pair = Quantity("cam", "default", own, library, torch.tensor([inf, 0.001]))
    assert pair.verdict == "same" and pair.worst == pytest.approx((0.0005, 0.001)) and pair.undetermined == 1
    assert replace(pair, library=library * 4).verdict == "differs"
    none = replace(pair, tolerance=torch.tensor([inf, inf]), fault=Fault("they add 9", own, library))
    assert none.verdict == "undetermined" and replace(none, tolerance=inf).verdict == "undetermined"
    console = Console(width=80)
    with console.capture() as shown:
        console.print(make_table("mine", 2, [pair, none]))
    text = " ".join(shown.get().split())
    assert "cam (1 of 2 images undetermined)" in text and "cam (2 of 2 images undetermined)" in text
    assert "they add 9" not in text


@pytest.mark.parametrize(
    ("height", "bound", "verdict"),
    [
        (1.0, 0.5, "undetermined"),
        (1.0, 0.4, "same"),
        (2.0, 0.5, "same"),
        (0.0, 0.4, "same"),
        (0.0, 0.5, "undetermined"),
    ],
)
def test_a_map_of_eigen_cam_that_may_be_any_is_undetermined(
    height: float, bound: float, verdict: str, nets: dict[str, Net], images: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both maps may be off by the bound; a map of zeros is compared as it is."""
    needs("pytorch_grad_cam")
    plugin = importlib.import_module("cambench.references.pytorch_grad_cam")
    maps = torch.tensor([[[0.0, height]]])
    monkeypatch.setattr(plugin.reference, "compute_maps", lambda *_: maps)
    monkeypatch.setattr(plugin, "bound_projections", lambda _: torch.tensor([bound], dtype=torch.float64))
    pair = plugin._compare_eigen_cam(nets["squeezenet1_1"], images[:1], torch.tensor([0]), maps + 0.01)
    assert pair.verdict == verdict


def test_a_wrong_map_of_eigen_cam_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    needs("pytorch_grad_cam")
    from cambench.references import pytorch_grad_cam as plugin

    net = load.load("squeezenet1_1", torch.device("cpu"), "fp32")
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    targets = torch.tensor([0, 1])
    activations = net.compute_activations(images)
    centred = activations - activations.mean((2, 3), keepdim=True)
    projections = torch.stack([_project(image) for image in centred])
    right = plugin._compare_eigen_cam(net, images, targets, projections)
    assert right.verdict in ("same", "known fault") and right.worst[1] < 0.01 and right.undetermined == 0
    wrong = torch.stack([projections[0], _project(centred[1], component=1)])
    assert plugin._compare_eigen_cam(net, images, targets, wrong).verdict == "differs"


def _project(activations: Tensor, component: int = 0) -> Tensor:
    """A component's map (h', w') of centred activations (k, h', w'), by an SVD in double precision."""
    matrix = activations.flatten(1).T.double()
    direction = torch.linalg.svd(matrix, full_matrices=False).Vh[component]
    return (matrix @ direction).view(activations.shape[1:]).float()


def test_numbers_of_different_shapes_are_not_compared() -> None:
    with pytest.raises(ValueError, match="cannot be compared"):
        _ = Quantity("drop", "default", torch.ones(2), torch.ones(2, 1), 1.0).verdict


def test_maps_are_divided_by_the_highest_value_of_our_maps() -> None:
    maps = torch.tensor([[[0.0, 4.0]], [[0.0, 0.0]]])
    own, library = rescale(maps, maps + 1)
    assert own.tolist() == [[[0.0, 1.0]], [[0.0, 0.0]]] and library.tolist() == [[[0.25, 1.25]], [[1.0, 1.0]]]


@pytest.mark.parametrize("name", SHIPPED)
def test_reference_libraries_get_torchvisions_module_with_shared_weights(
    name: str, nets: dict[str, Net], images: Tensor
) -> None:
    net = nets[name]
    state = net.protected_state()
    module = reference.make_library_module(net)
    scores = module(reference.normalise(net, images))
    torch.testing.assert_close(scores, net(images))
    scores.sum().backward()
    assert all(weight.grad is not None for weight in module.parameters())
    assert type(module) is type(torchvision.models.get_model(name, num_classes=2)) and net.protected_state() == state
    assert [w.data_ptr() for w in module.parameters()] == [w.data_ptr() for w in net._sequence.parameters()]


class _Permuted(nn.Module):
    def forward(self, maps: Tensor) -> Tensor:
        return maps.permute(0, 2, 3, 1)


@pytest.mark.parametrize(
    ("last", "reason"),
    [
        (
            [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3), nn.Softmax(1)],
            "would explain another output, as it does not return the logits of a softmax alone: choose another net",
        ),
        (
            [_Permuted(), nn.Linear(4, 3), nn.Flatten(1, 2), nn.AdaptiveAvgPool2d((1, 3)), nn.Flatten()],
            "would confuse the axes of 2, which outputs (n, h, w, k): choose another layer",
        ),
    ],
)
def test_a_net_whose_output_or_layer_libraries_would_misread_is_not_compared(
    last: list[nn.Module], reason: str
) -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), *last)
    net = load_module(module, name="mine", layer="2" if isinstance(last[0], _Permuted) else "1")
    with pytest.raises(UsageError, match=f"^{re.escape(f'mine: reference libraries {reason}')}$"):
        reference.make_library_module(net)


@pytest.mark.parametrize("name", LIBRARIES)
def test_a_reference_library_describes_itself_and_names_its_library(name: str) -> None:
    needs(name)
    reference = find(REFERENCE, name)
    assert reference.description.endswith(".") and reference.module.EXTRA == "references" and reference.module.REQUIRES
    assert list(inspect.signature(reference.function).parameters)[:3] == ["net", "images", "targets"]


NET = """from torch import nn


def make():
    return nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
"""
QUANTITY = "Quantity('mine', 'default', {own}, torch.ones(1), tolerance={tolerance})"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("yield 5", "reference mine yields 5: it yields a Quantity for each number"),
        ("return 5", "mine.py fails: it raises TypeError: 'int' object is not iterable"),
        ("yield 1 / 0", "mine.py fails: line 4 raises ZeroDivisionError: division by zero"),
        ("raise NotApplicable('no')", "mine.py fails: line 4 raises NotApplicable: no"),
        (
            "yield " + QUANTITY.format(own="torch.ones(2)", tolerance=1),
            "mine.py fails: it raises ValueError: (2,) and (1,)",
        ),
        ("yield " + QUANTITY.format(own="5", tolerance=1), "mine.py fails: it raises AttributeError: 'int' object"),
        ("yield " + QUANTITY.format(own="torch.ones(1)", tolerance="'x'"), "mine.py fails: it raises TypeError: "),
    ],
)
def test_a_users_reference_library_that_breaks_its_contract_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(NET, encoding="utf-8")
    text = f"import torch\nfrom cambench import *\ndef compare(net, images, targets):\n    {code}\n"
    (tmp_path / "mine.py").write_text(text, encoding="utf-8")
    small = ("--nets", "net.py:make", "--dataset", "scenes[size=32]", "--images", "1")
    result = conform(*small, "--references", "./mine.py")
    assert result.exit_code == 2 and message in result.stderr and result.stderr.count("\n") == 1


def test_images_of_several_sizes_are_refused() -> None:
    images = [SimpleNamespace(pixels=np.zeros((side, side, 3), dtype=np.uint8)) for side in (64, 64, 96)]
    plan: Any = SimpleNamespace(images=images, indices=[0, 1, 2], device=torch.device("cpu"))
    with pytest.raises(UsageError, match="the images are of several sizes: maps are compared on images of one size"):
        conforming._load_images(plan)
    plan.indices = [0, 1]
    assert conforming._load_images(plan).shape == (2, 3, 64, 64)
