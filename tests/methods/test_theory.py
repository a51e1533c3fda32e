"""Theorems: equalities of maps that hold for all weights, and of scores that hold for all maps."""

from typing import Any

import pytest
import torch
from torch import Tensor

from cambench.bench.core.plugins import DATASET, METRIC, find, list_names
from cambench.bench.nets import load as all_nets
from cambench.bench.nets.net import Net
from cambench.bench.scoring.case import Curve, Score
from cambench.methods import cam, grad_cam, hires_cam, xgrad_cam
from cambench.tests.support.nets import FakeNet, brightness, close, gradients, random_images, random_maps, scores_of

TARGETS = torch.tensor([3, 7])
POOLED = ("tiny_pooled", "resnet18")  # global average pooling and one linear layer


@pytest.mark.parametrize("name", POOLED)
def test_grad_cam_is_the_positive_part_of_cam_divided_by_the_pixels(
    name: str, nets: dict[str, Net], images: Tensor
) -> None:
    net = nets[name]
    maps = cam.explain(net, images, TARGETS, relu=False)
    height, width = maps.shape[1:]
    assert height * width > 1 and (maps < 0).any()
    close(grad_cam.explain(net, images, TARGETS), maps.relu() / (height * width))
    assert torch.equal(cam.explain(net, images, TARGETS), maps.relu())


@pytest.mark.parametrize("name", POOLED)
def test_grad_cam_hires_cam_and_xgrad_cam_are_equal_on_pooled_nets(
    name: str, nets: dict[str, Net], images: Tensor
) -> None:
    activations, slopes = gradients(nets[name], images, TARGETS)
    expected = grad_cam.explain(nets[name], images, TARGETS)
    close(expected, (slopes * activations).sum(1).relu())
    share = (slopes * activations).sum((2, 3), keepdim=True) / activations.sum((2, 3), keepdim=True).clamp(min=1e-12)
    close(expected, (share * activations).sum(1).relu())


@pytest.fixture(scope="module")
def shipped() -> Net:
    return all_nets.load("resnet18", torch.device("cpu"), "fp32")


@pytest.fixture(scope="module")
def scenes() -> Tensor:
    dataset = find(DATASET, "scenes[size=64]")()
    return torch.stack([torch.tensor(dataset[index].pixels) for index in range(3)]).permute(0, 3, 1, 2).float() / 255


def test_three_methods_give_equal_maps_on_the_shipped_resnet18(shipped: Net, scenes: Tensor) -> None:
    targets = shipped(scenes).argmax(1)
    expected = grad_cam.explain(shipped, scenes, targets)
    close(hires_cam.explain(shipped, scenes, targets), expected)
    close(xgrad_cam.explain(shipped, scenes, targets), expected)
    close(cam.explain(shipped, scenes, targets) / expected[0].numel(), expected)


def test_insertion_is_the_reversed_deletion_curve_on_the_shipped_resnet18(shipped: Net, scenes: Tensor) -> None:
    map_ = random_maps(1)[0]
    insertion, deletion = (
        score(shipped, scenes[0], values, f"{spec}[steps=16,fill=blur]", target=5)
        for spec, values in (("insertion", map_), ("deletion", 1 - map_))
    )
    assert insertion.scores == pytest.approx(deletion.scores[::-1], abs=1e-6)
    assert max(insertion.scores) - min(insertion.scores) > 0.01


def score(net: Any, image: Tensor, map_: Tensor, spec: str, target: int = 0) -> Any:
    return scores_of(net, image, target, map_[None], (), [find(METRIC, spec)])[0][0]


@pytest.mark.parametrize("size", [8, 16])
@pytest.mark.parametrize("fill", ["mean", "black"])
def test_curves_of_a_perfect_map_on_a_net_that_sees_one_pixel(size: int, fill: str) -> None:
    """A perfect map has deletion 0 and insertion 1, up to half a step of the trapezoid; the inverted map has 1 and 0."""
    image, step = torch.zeros(3, size, size), size * size
    image[:, 3, 5] = 1
    perfect = image[0].clone()
    net = FakeNet(lambda images: (images[:, 0, 3, 5] == 1).float())
    for map_, least in ((perfect, 0.0), (1 - perfect, 1.0)):
        deletion, insertion = (
            score(net, image, map_, f"{name}[steps={step},fill={fill}]").area for name in ("deletion", "insertion")
        )
        assert abs(deletion - least) == pytest.approx(0.5 / step)
        assert abs(insertion - (1 - least)) == pytest.approx(0.5 / step)


@pytest.mark.parametrize("seed", range(3))
def test_on_a_linear_net_a_curve_is_a_sum_of_pixels(seed: int) -> None:
    """Deletion is the sum of w x minus the terms of the highest pixels; insertion is the sum of these terms."""
    generator = torch.Generator().manual_seed(seed)
    weights, image = torch.rand(12, 12, generator=generator) - 0.3, random_images(1, 12, seed)[0]
    map_ = random_maps(1, 12, seed)[0]
    net = FakeNet(lambda images: (images.mean(1) * weights).sum((1, 2)))
    deletion, insertion = (score(net, image, map_, f"{name}[steps=9,fill=black]") for name in ("deletion", "insertion"))
    terms = (image.mean(0) * weights).flatten().double()[map_.flatten().argsort(descending=True)]
    partial_sums = [float(terms[:count].sum()) for count in range(0, 145, 16)]
    assert deletion.scores == pytest.approx(
        [float(terms.sum()) - partial_sum for partial_sum in partial_sums], abs=1e-5
    )
    assert insertion.scores == pytest.approx(partial_sums, abs=1e-5)
    assert deletion.area + insertion.area == pytest.approx(float(terms.sum()), abs=1e-5)


@pytest.mark.parametrize("spec", ["average_drop", "average_increase", "average_gain", "average_drop_in_deletion"])
def test_drops_on_a_linear_net_are_sums_of_weighted_pixels(spec: str) -> None:
    image, map_ = random_images(1, 12)[0], random_maps(1, 12)[0]
    total = float(brightness(image[None])[0])
    share = float((image.mean(0) * map_).sum()) / total
    net = FakeNet(lambda images: brightness(images) / total)
    expected = {"average_drop": 1 - share, "average_drop_in_deletion": share}.get(spec, 0.0)
    assert 0.3 < share < 0.7
    assert score(net, image, map_, f"{spec}[fill=black]") == pytest.approx(expected, abs=1e-5)


CONSTANT = {"deletion": 0.3, "insertion": 0.3, "average_drop": 0, "average_increase": 0, "average_gain": 0}
CONSTANT |= {"average_drop_in_deletion": 0, "insertion_minus_deletion": 0, "deletion_ties": 0, "insertion_ties": 0}


@pytest.mark.parametrize("name", CONSTANT)
def test_all_maps_score_the_same_on_a_constant_net(name: str) -> None:
    image, net = random_images(1, 9)[0], FakeNet(lambda images: torch.full((len(images),), 0.3))
    for map_ in (*random_maps(2, 9), torch.zeros(9, 9)):
        result = score(net, image, map_, name)
        assert number(result) == pytest.approx(CONSTANT[name], abs=1e-6)
        if isinstance(result, Curve):
            assert max(result.scores) - min(result.scores) < 1e-6


def number(score: Score) -> float | str:
    if isinstance(score, Exception):
        return str(score)
    return score.area if isinstance(score, Curve) else score


def test_scores_do_not_depend_on_the_chunk_size_or_the_order_of_maps_and_metrics(
    pooled: Net, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, maps = random_images(1)[0], torch.stack([*random_maps(3), (random_maps(1)[0] * 5).floor() / 5])
    metrics = [find(METRIC, name) for name in list_names(METRIC)]

    def table(net: Net, order: Tensor, plugins: list[Any]) -> dict[tuple[int, str], float | str]:
        rows = scores_of(net, image, 3, maps[order], (), plugins)
        return {
            (index, metric.name): number(score)
            for index, row in zip(order.tolist(), rows, strict=True)
            for metric, score in zip(plugins, row, strict=True)
        }

    expected = table(pooled, torch.arange(4), metrics)
    backwards = table(pooled, torch.arange(4).flip(0), metrics[::-1])
    monkeypatch.setattr(pooled._forward, "_chunk", 1)
    one_by_one = table(pooled, torch.arange(4), metrics)
    for scores in (backwards, one_by_one):
        assert scores == pytest.approx(expected, abs=1e-4)
