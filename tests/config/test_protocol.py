"""Protocols: found by name, overridden by choice, and what they make of a metric."""

import pytest
import torch

from cambench.bench.config import protocol
from cambench.bench.core.errors import UsageError
from cambench.bench.scoring.postprocess import bring, fit, stretch

SHIPPED = {
    "default", "rise", "gradcampp", "scorecam50", "adcc", "opticam", "torchcam", "pytorch-grad-cam", "xplique",
    "shapleycam", "gomez", "road",
}  # fmt: skip


def settings(spec: str, metric: str) -> list[dict[str, object]]:
    return [one.settings for one in protocol.find(spec).measured(metric, 0)]


def test_the_shipped_ones_are_there_and_each_of_their_metrics_is_one() -> None:
    assert set(protocol.names()) == SHIPPED
    for name in protocol.names():
        one = protocol.find(name)
        assert one.source and one.description and one.version >= 1
        assert all(one.measured(metric, 0) for metric in one.defined())


@pytest.mark.parametrize(
    ("name", "metric", "expected"),
    [
        ("rise", "insertion", {"steps": 28, "substrate": "blur", "even": False, "cells": False}),
        ("rise", "deletion", {"steps": 28, "substrate": "mean"}),
        ("gradcampp", "average_drop", {"fill": "black", "top": 1.0, "epsilon": 0.0, "relative": True}),
        ("scorecam50", "average_drop", {"fill": "mean", "top": 0.5}),
        ("scorecam50", "insertion", {"steps": 100, "substrate": "mean"}),
        ("scorecam50", "energy", {"on": "box"}),
        ("opticam", "average_gain", {"fill": "black"}),
        ("torchcam", "average_drop", {"fill": "mean", "epsilon": 1e-7}),
        ("torchcam", "insertion", {"steps": 20, "substrate": "mean"}),
        ("pytorch-grad-cam", "average_drop", {"relative": False}),
        ("pytorch-grad-cam", "road", {"threshold": True, "order": "combined", "space": "normalised"}),
        ("xplique", "deletion", {"steps": 10, "substrate": "mean", "even": True}),
        ("xplique", "average_drop", {"epsilon": 1e-8}),
        ("shapleycam", "average_drop_in_deletion", {"signed": False}),
        ("gomez", "insertion", {"cells": True, "substrate": "box"}),
        ("gomez", "deletion", {"cells": True, "substrate": "mean"}),
    ],
)
def test_choices_are_those_of_the_sources(name: str, metric: str, expected: dict[str, object]) -> None:
    (found,) = settings(name, metric)
    assert {key: found[key] for key in expected} == expected


def test_choices_of_what_is_explained_are_those_of_the_sources() -> None:
    found = {name: protocol.find(name) for name in protocol.names()}
    assert {name for name, one in found.items() if one.target == "label"} == {"opticam", "road"}
    assert {name: one.of for name, one in found.items() if one.of} == {"torchcam": "softmax", "shapleycam": "rest"}
    assert {name for name, one in found.items() if one.score == "logit"} == {"xplique"}
    assert found["shapleycam"].layers == {"vgg16": "features.30"}
    assert {name for name, one in found.items() if one.order == "stretch-fit"} == {"torchcam"}
    assert {name for name, one in found.items() if one.fit != "bilinear"} == {"gomez"}
    assert found["rise"].resize == "squash" and found["opticam"].resize == "crop" and found["adcc"].resize == "crop-all"


def test_an_overridden_choice_stands_in_the_name() -> None:
    one = protocol.find("rise[steps=224]")
    assert one.name == "rise[steps=224]"
    assert [metric.settings["steps"] for name in one.defined() for metric in one.measured(name, 0)] == [224, 224]
    assert protocol.find("opticam[target=predicted]").target == "predicted"
    assert protocol.find("default[steps=5]").measured("insertion", 0)[0].settings["steps"] == 5


def test_a_metric_defined_in_two_ways_is_measured_in_both_whatever_else_is_set() -> None:
    assert [one.spec for one in protocol.find("road").measured("road", 0)] == ["road[order=morf]", "road[order=lerf]"]
    found = protocol.find("road").measured("road[noise=0]", 0)
    assert [(one.settings["order"], one.settings["noise"], one.settings["read"]) for one in found] == [
        ("morf", 0.0, "accuracy"),
        ("lerf", 0.0, "accuracy"),
    ]
    (lerf,) = protocol.find("road").measured("road[order=lerf]", 0)
    assert lerf.settings["order"] == "lerf"
    assert protocol.find("road").measured("insertion", 0) == []


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("risee", "there is no protocol 'risee': did you mean 'rise'"),
        ("rise[step=3]", "neither the protocol nor any of its metrics has a choice 'step'"),
        ("rise[fit=cubic]", "fit: input should be 'bilinear', 'corners', 'bicubic' or 'nearest'"),
        ("rise[steps", "names no protocol"),
    ],
)
def test_a_wrong_protocol_is_said(spec: str, message: str) -> None:
    with pytest.raises(UsageError, match=message.replace("[", r"\[")):
        protocol.find(spec)


def test_maps_are_brought_to_their_image_as_the_protocol_has_it() -> None:
    maps = torch.tensor([[[-1.0, 3.0], [0.0, 1.0]]])
    size = (4, 6)
    torch.testing.assert_close(bring(maps, size, protocol.find("default")), stretch(fit(maps, size)))
    torch.testing.assert_close(bring(maps, size, protocol.find("torchcam")), fit(stretch(maps), size))
    nearest = bring(maps, size, protocol.find("gomez"))
    assert sorted(set(nearest.flatten().tolist())) == [0, 0.25, 0.5, 1]
    positive = bring(maps, (2, 2), protocol.find("default[stretch=max]"))
    torch.testing.assert_close(positive, torch.tensor([[[0, 1.0], [0, 1 / 3]]]))
    assert float(bring(maps, (2, 2), protocol.find("default[stretch=none]")).max()) == 1
