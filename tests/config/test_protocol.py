"""Protocols: found by name, overridden by settings, and applied to metrics."""

import pytest
import torch

from cambench.bench.config import protocol
from cambench.bench.core.errors import UsageError
from cambench.bench.scoring.postprocess import fit, postprocess, stretch

SHIPPED = {
    "default", "rise", "gradcampp", "scorecam50", "adcc", "opticam", "torchcam", "pytorch-grad-cam", "xplique",
    "shapleycam", "gomez", "road",
}  # fmt: skip


def settings(spec: str, metric: str) -> list[dict[str, object]]:
    return [plugin.settings for plugin in protocol.find_protocol(spec).find_metric_plugins(metric, 0)]


def test_shipped_protocols_and_their_metrics_exist() -> None:
    assert set(protocol.list_names()) == SHIPPED
    for name in protocol.list_names():
        found = protocol.find_protocol(name)
        assert found.source and found.description and found.version >= 1
        assert all(found.find_metric_plugins(metric, 0) for metric in found.list_metric_names())


@pytest.mark.parametrize(
    ("name", "metric", "expected"),
    [
        ("rise", "insertion", {"steps": 28, "fill": "blur", "even": False, "cells": False}),
        ("rise", "deletion", {"steps": 28, "fill": "mean"}),
        ("gradcampp", "average_drop", {"fill": "black", "top": 1.0, "epsilon": 0.0, "relative": True}),
        ("scorecam50", "average_drop", {"fill": "mean", "top": 0.5}),
        ("scorecam50", "insertion", {"steps": 100, "fill": "mean"}),
        ("scorecam50", "energy", {"on": "box"}),
        ("opticam", "average_gain", {"fill": "black"}),
        ("torchcam", "average_drop", {"fill": "mean", "epsilon": 1e-7}),
        ("torchcam", "insertion", {"steps": 20, "fill": "mean"}),
        ("pytorch-grad-cam", "average_drop", {"relative": False}),
        ("pytorch-grad-cam", "road", {"threshold": True, "order": "combined", "space": "normalised"}),
        ("xplique", "deletion", {"steps": 10, "fill": "mean", "even": True}),
        ("xplique", "average_drop", {"epsilon": 1e-8}),
        ("shapleycam", "average_drop_in_deletion", {"signed": False}),
        ("gomez", "insertion", {"cells": True, "fill": "box"}),
        ("gomez", "deletion", {"cells": True, "fill": "mean"}),
    ],
)
def test_metric_settings_of_protocols_match_their_sources(name: str, metric: str, expected: dict[str, object]) -> None:
    (choices,) = settings(name, metric)
    assert {key: choices[key] for key in expected} == expected


def test_targets_and_layers_of_protocols_match_their_sources() -> None:
    protocols = {name: protocol.find_protocol(name) for name in protocol.list_names()}
    assert {name for name, choice in protocols.items() if choice.target == "label"} == {"opticam", "road"}
    assert {name: choice.of for name, choice in protocols.items() if choice.of} == {
        "torchcam": "softmax",
        "shapleycam": "rest",
    }
    assert {name for name, choice in protocols.items() if choice.score == "logit"} == {"xplique"}
    assert protocols["shapleycam"].layers == {"vgg16": "features.30"}
    assert {name for name, choice in protocols.items() if choice.order == "stretch-fit"} == {"torchcam"}
    assert {name for name, choice in protocols.items() if choice.fit != "bilinear"} == {"gomez"}
    assert (
        protocols["rise"].resize == "squash"
        and protocols["opticam"].resize == "crop"
        and protocols["adcc"].resize == "crop-all"
    )


def test_the_name_of_a_protocol_shows_overridden_choices() -> None:
    overridden = protocol.find_protocol("rise[steps=224]")
    assert overridden.name == "rise[steps=224]"
    assert [
        metric.settings["steps"]
        for name in overridden.list_metric_names()
        for metric in overridden.find_metric_plugins(name, 0)
    ] == [
        224,
        224,
    ]
    assert protocol.find_protocol("opticam[target=predicted]").target == "predicted"
    assert protocol.find_protocol("default[steps=5]").find_metric_plugins("insertion", 0)[0].settings["steps"] == 5


@pytest.mark.parametrize(
    ("spec", "target"),
    [("rise[target=3]", "3"), ("rise[target=3]", " 03 "), ("rise[target=top1]", "predicted"), ("rise", "top01"),
     ("rise[target=predicted]", "top01"), ("rise[target=top02]", "top2"), ("opticam", "label"),
     ("rise[target=star]", " star ")],
)  # fmt: skip
def test_a_target_written_in_another_way_is_the_same(spec: str, target: str) -> None:
    found = protocol.find_protocol(spec, target)
    assert found == protocol.find_protocol(spec)
    assert found.target == {"top01": "predicted", " star ": "star", " 03 ": "3"}.get(target, target)


@pytest.mark.parametrize("target", ["4", "top3", "label", "0star"])
def test_two_targets_contradict_each_other(target: str) -> None:
    with pytest.raises(UsageError, match="contradict each other: name one of the two"):
        protocol.find_protocol("rise[target=3]", target)


def test_a_metric_with_two_definitions_is_measured_in_both() -> None:
    assert [plugin.spec for plugin in protocol.find_protocol("road").find_metric_plugins("road", 0)] == [
        "road[order=morf]",
        "road[order=lerf]",
    ]
    plugins = protocol.find_protocol("road").find_metric_plugins("road[noise=0]", 0)
    assert [(plugin.settings["order"], plugin.settings["noise"], plugin.settings["read"]) for plugin in plugins] == [
        ("morf", 0.0, "accuracy"),
        ("lerf", 0.0, "accuracy"),
    ]
    (lerf,) = protocol.find_protocol("road").find_metric_plugins("road[order=lerf]", 0)
    assert lerf.settings["order"] == "lerf"
    assert protocol.find_protocol("road").find_metric_plugins("insertion", 0) == []


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("risee", "there is no protocol 'risee': did you mean 'rise'"),
        ("rise[step=3]", "neither the protocol nor any of its metrics has a choice 'step'"),
        ("rise[fit=cubic]", "fit: input should be 'bilinear', 'corners', 'bicubic' or 'nearest'"),
        ("rise[steps", "names no protocol"),
    ],
)
def test_a_wrong_protocol_is_refused(spec: str, message: str) -> None:
    with pytest.raises(UsageError, match=message.replace("[", r"\[")):
        protocol.find_protocol(spec)


def test_maps_are_postprocessed_as_the_protocol_defines() -> None:
    maps = torch.tensor([[[-1.0, 3.0], [0.0, 1.0]]])
    size = (4, 6)
    torch.testing.assert_close(postprocess(maps, size, protocol.find_protocol("default")), stretch(fit(maps, size)))
    torch.testing.assert_close(postprocess(maps, size, protocol.find_protocol("torchcam")), fit(stretch(maps), size))
    nearest = postprocess(maps, size, protocol.find_protocol("gomez"))
    assert sorted(set(nearest.flatten().tolist())) == [0, 0.25, 0.5, 1]
    positive = postprocess(maps, (2, 2), protocol.find_protocol("default[stretch=max]"))
    torch.testing.assert_close(positive, torch.tensor([[[0, 1.0], [0, 1 / 3]]]))
    assert float(postprocess(maps, (2, 2), protocol.find_protocol("default[stretch=none]")).max()) == 1
