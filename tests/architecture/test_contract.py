"""What every plug-in and every net promises, checked on whatever is there."""

import ast
import importlib
import inspect
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from cambench.bench.core.declarations import DECLARATIONS, NEEDS
from cambench.bench.core.errors import NotApplicable
from cambench.bench.core.plugins import (
    DATASET,
    ENGINE,
    METHOD,
    METRIC,
    REFERENCE,
    REPORT,
    ROOT,
    Kind,
    Plugin,
    find,
    list_names,
)  # fmt: skip
from cambench.bench.data.types import Object
from cambench.bench.nets.net import Net
from cambench.bench.nets.zoo import SHIPPED
from cambench.bench.scoring.case import Curve, Rerun, Score
from cambench.bench.scoring.postprocess import stretch
from cambench.tests.support.nets import FakeNet, case_of, random_maps, scores_of

TARGETS = torch.tensor([3, 7])
VARIANTS = ["pytorch_grad_cam:ScoreCAM"]  # a second behaviour under one file name
QUICKER = {  # by default these take hundreds of passes or more
    "rise": "rise[count=20]",
    "ss_cam": "ss_cam[samples=1]",
    "is_cam": "is_cam[steps=1]",
    "opti_cam": "opti_cam[iterations=4]",
}


def _method(spec: str) -> Plugin:
    if (library := spec.partition(":")[0]) in ("pytorch_grad_cam", "torchcam"):
        pytest.importorskip(library, reason="the library of the extra `references` is not installed")
    return find(METHOD, QUICKER.get(spec, spec))


@pytest.fixture(params=[*list_names(METHOD), *VARIANTS])
def method(request: pytest.FixtureRequest) -> Plugin:
    return _method(request.param)


@pytest.fixture(params=list_names(METRIC))
def metric(request: pytest.FixtureRequest) -> Plugin:
    return find(METRIC, {"pic": "pic[least=0]"}.get(request.param, request.param))  # it leaves unsure images out


def _explained(method: Plugin, net: Net, images: Tensor, targets: Tensor) -> Tensor:
    if method.spec.endswith("ScoreCAM") and net.name in SHIPPED:
        pytest.skip("the library takes a forward pass for each dead channel too; the tiny nets will do")
    try:
        maps: Tensor = method(net, images, targets)
    except NotApplicable as reason:
        pytest.skip(f"not applicable: {reason}")
    return maps


def sparing(tensor: Tensor) -> int:
    """Of a large tensor a sample will do: whatever changes weights changes them all."""
    return 1 + tensor.numel() // 100_000


def _state(net: Net) -> dict[str, Any]:
    """All that a method could leave behind on a net."""
    modules = list(net.modules())
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return {
        "hooks": [len(getattr(module, kind)) for module in modules for kind in kinds],
        "training": [module.training for module in modules],
        "requires_grad": [parameter.requires_grad for parameter in net.parameters()],
        "grad": [parameter.grad is None for parameter in net.parameters()],
        "weights": [float(tensor.flatten()[:: sparing(tensor)].double().sum()) for tensor in net.state_dict().values()],
        "versions": [tensor._version for tensor in net.state_dict(keep_vars=True).values()],
    }


def test_a_method_makes_one_finite_map_an_image_alike_twice_alone_or_in_company(
    method: Plugin, net: Net, images: Tensor
) -> None:
    if net.name == "vgg16":
        images = images[..., ::2, ::2].contiguous()  # a grid of 2 x 2, as ResNet18 has at twice the size
    before, state = images.clone(), _state(net)
    maps = _explained(method, net, images, TARGETS)
    assert maps.ndim == 3 and len(maps) == len(images)
    assert maps.isfinite().all() and not maps.requires_grad
    one, again, other = (_explained(method, net, images[i : i + 1], TARGETS[i : i + 1])[0] for i in (0, 0, 1))
    assert torch.equal(one, again)
    # A batch of another size rounds otherwise: scores, whose differences are the values of some maps, by a few 1e-7.
    atol = max(1e-5 * float(maps.abs().max()), 5e-7)
    torch.testing.assert_close(maps, torch.stack([one, other]), rtol=2e-4, atol=atol)
    assert torch.equal(images, before) and not images.requires_grad and images.grad is None
    assert _state(net) == state
    assert not any(_state(net)["hooks"]), "a hook is left on the net"


@pytest.mark.parametrize("name", list_names(METHOD))
def test_a_method_explains_the_class_it_was_asked_for(name: str, pooled: Net, images: Tensor) -> None:
    method = _method(name)
    if method.control or method.class_blind:
        pytest.skip("it looks at no class")
    first, other = (method(pooled, images, torch.tensor([c, c])) for c in (3, 7))
    assert not torch.allclose(first, other, rtol=1e-3)


@pytest.mark.parametrize("name", list_names(METHOD))
def test_a_method_says_why_it_does_not_apply(name: str, nets: dict[str, Net], images: Tensor) -> None:
    refusals: dict[str, str] = {}
    for net in nets.values():
        try:
            if net.name.startswith("tiny") or name == "cam":
                _method(name)(net, images[:1], TARGETS[:1])
        except NotApplicable as reason:
            refusals[net.name] = str(reason)
    assert all(len(reason.split()) > 3 for reason in refusals.values())
    assert list(refusals) == (["vgg16", "tiny_vgg"] if name == "cam" else [])


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind in (METHOD, METRIC, DATASET) for name in list_names(kind)]
)
def test_a_plugin_describes_itself_and_its_settings_have_defaults(kind: Any, name: str) -> None:
    module: Any = importlib.import_module(f"cambench.{kind.folder.replace('/', '.')}.{name}")
    assert isinstance(module.VERSION, int) and module.VERSION >= 1
    assert len((module.__doc__ or "").partition("\n")[0]) > 20
    function = getattr(module, kind.function)
    assert function.__doc__, "its settings are explained nowhere"
    parameters = inspect.signature(function).parameters.values()
    expected = {"explain": 3, "score": 1, "load": 0}[kind.function]
    positional = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    if kind is METHOD and positional[3:] == ["seeds"]:  # a method that draws random numbers
        expected = 4
    assert len(positional) == expected
    settings = [p for p in parameters if p.kind is p.KEYWORD_ONLY]
    assert len(settings) + expected == len(parameters)
    required = [p.name for p in settings if p.default is p.empty]
    assert required == (["path"] if name == "image_folder" else [])


def _case() -> tuple[Tensor, tuple[Object, ...]]:
    image = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(5))
    left, right = np.zeros((16, 16), dtype=bool), np.zeros((16, 16), dtype=bool)
    left[4:9, 2:7], right[3:12, 10:15] = True, True
    return image, (Object(0, left), Object(1, right))


def _again() -> Rerun:
    """A method that explains an image by its brightness, and draws the maps of nets of random weights."""
    return Rerun(
        lambda images: stretch(images.mean(1)).numpy(),
        lambda share, seed: random_maps(1, 16, seed=seed + round(100 * share))[0].numpy(),
    )


def _scored(
    metric: Plugin, maps: Tensor, image: Tensor, objects: tuple[Object, ...], method: Rerun | None
) -> list[Score]:
    net: Any = FakeNet(lambda images: (images.mean((1, 2, 3)) / 2 + 4 * images.var((1, 2, 3))).clamp(0, 1))
    return [row[0] for row in scores_of(net, image, 0, maps, objects, [metric], method)]


def _value(score: Score) -> Any:
    return score.area if isinstance(score, Curve) else score


def test_a_metric_declares_what_a_report_must_know(metric: Plugin) -> None:
    assert metric.better in ("higher", "lower")
    assert metric.unit
    assert metric.bounds[0] < metric.bounds[1]
    assert 0 < len(metric.short) <= 7
    shorts = [find(METRIC, name).short for name in list_names(METRIC)]
    assert len(set(shorts)) == len(shorts)


def test_a_metric_of_ties_names_a_metric_of_the_same_unit_and_by_default_the_same_settings(metric: Plugin) -> None:
    if not metric.ties_of:
        pytest.skip("it measures no effect of ties")
    other = find(METRIC, metric.ties_of)
    assert other.unit == metric.unit and other.name != metric.name
    assert other.settings == find(METRIC, other.name).settings, "the settings that it asks for are no defaults"
    shared = other.settings.keys() & metric.settings.keys()
    assert shared and all(other.settings[key] == metric.settings[key] for key in shared)


def test_a_metric_scores_within_its_range_alike_twice_and_changes_nothing(metric: Plugin) -> None:
    image, objects = _case()
    maps = random_maps(6, 16)
    before = image.clone(), maps.clone(), [thing.mask.copy() for thing in objects]
    scores, again = (_scored(metric, maps, image, objects, _again()) for _ in range(2))
    low, high = metric.bounds
    assert all(isinstance(_value(score), float) and low <= _value(score) <= high for score in scores)
    assert [_value(score) for score in scores] == [_value(score) for score in again]
    assert torch.equal(image, before[0]) and torch.equal(maps, before[1])
    assert all(np.array_equal(thing.mask, mask) for thing, mask in zip(objects, before[2], strict=True))


def test_a_metric_has_a_rule_for_a_constant_map(metric: Plugin) -> None:
    image, objects = _case()
    (score,) = _scored(metric, torch.zeros(1, 16, 16), image, objects, _again())
    low, high = metric.bounds
    assert isinstance(score, NotApplicable) or low <= _value(score) <= high


@pytest.mark.parametrize("asked", [False, True])
@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_metric_declares_what_it_needs_and_says_so_where_it_is_missing(
    metric: Plugin, count: int, asked: bool
) -> None:
    image, objects = _case()
    needs = set(metric.needs)
    assert needs <= set(NEEDS)
    given = {*NEEDS[:count], *(("method",) if asked else ())}
    (score,) = _scored(metric, random_maps(1, 16), image, objects[:count], _again() if asked else None)
    assert isinstance(score, NotApplicable) == bool(needs - given)
    if isinstance(score, NotApplicable):
        reasons = {"object": "no object of", "other object": "no object of another", "method": "only its map"}
        assert any(reasons[missing] in str(score) for missing in needs - given)


def test_objects_of_a_class_are_taken_together_and_the_targets_own_pixels_are_no_distractor() -> None:
    masks = np.zeros((3, 4, 4), dtype=bool)
    masks[0, 0, 0], masks[1, 0, 1], masks[2, 0, :2], masks[2, 3, 3] = True, True, True, True
    objects = (Object(5, masks[0]), Object(5, masks[1]), Object(2, masks[2]))
    case = case_of(torch.zeros(3, 4, 4), torch.zeros(4, 4), 5, objects)
    assert np.argwhere(case.target_mask).tolist() == [[0, 0], [0, 1]]
    assert np.argwhere(case.distractor_mask).tolist() == [[3, 3]]
    with pytest.raises(NotApplicable, match="class explained"):
        _ = replace(case, target=9).target_mask


KINDS = (METHOD, METRIC, DATASET, REFERENCE, REPORT, ENGINE)


def _declared(tree: ast.Module) -> set[str]:
    """The public functions and UPPERCASE constants at the top of a file."""
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    targets = [target for node in tree.body if isinstance(node, ast.Assign) for target in node.targets]
    constants = {target.id for target in targets if isinstance(target, ast.Name) and target.id.isupper()}
    return {name for name in functions | constants if not name.startswith("_")}


def _unused(kind: Kind, name: str) -> set[str]:
    """What a plug-in declares though neither the harness reads it nor the file itself uses it."""
    tree = ast.parse((ROOT / kind.folder / f"{name}.py").read_text(encoding="utf-8"))
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    return _declared(tree) - used - {kind.function, *DECLARATIONS["any"], *DECLARATIONS[kind.word]}


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in KINDS for name in list_names(kind)])
def test_a_plugin_declares_only_documented_attributes_and_its_own_helpers(kind: Kind, name: str) -> None:
    assert _unused(kind, name) == set()


@pytest.mark.parametrize("attribute", [one for attributes in DECLARATIONS.values() for one in attributes])
def test_every_attribute_of_a_plugin_is_declared_by_some_plugin(attribute: str) -> None:
    trees = [
        ast.parse((ROOT / kind.folder / f"{name}.py").read_text(encoding="utf-8"))
        for kind in KINDS
        for name in list_names(kind)
    ]
    optional = {"SLACK"}  # no shipped metric needs its own
    assert attribute in optional or any(attribute in _declared(tree) for tree in trees)
