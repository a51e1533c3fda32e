"""Which metric of a run measures the effect of ties on another."""

from typing import Any

import pytest

from cambench.bench.store.header import Header

from ..support import runs

SETTINGS = {"steps": 28, "cells": False, "ties": "reading"}


def make(metric: str, *, settings: dict[str, Any], name: str, ties_settings: dict[str, Any], ties_of: str) -> Header:
    """The header of a run of two metrics: one of this name and settings, and one that measures the effect of ties."""
    content = runs.make_header(["one"], {"resnet18": "layer4"})
    base, protocol = content["metrics"]["insertion"], content["protocols"]["insertion"]
    content["metrics"] = {
        metric: base | {"settings": settings},
        name: base | {"settings": ties_settings, "ties_of": ties_of},
    }
    names = {metric: "insertion", name: "insertion_ties"}
    content["protocols"] = {spec: protocol | {"metric": plugin} for spec, plugin in names.items()}
    return Header.model_validate(content)


@pytest.mark.parametrize(
    ("metric", "name", "settings", "ties_of", "found"),
    [
        ("insertion", "insertion_ties", {}, "insertion[cells=False]", True),
        ("insertion[ties=reverse]", "insertion_ties", {"ties": "reverse"}, "insertion[cells=False]", True),
        ("insertion@rise", "insertion_ties@rise", {}, "insertion[cells=False]", True),
        ("insertion@rise", "insertion_ties", {}, "insertion[cells=False]", False),
        ("insertion[steps=56]", "insertion_ties", {"steps": 56}, "insertion[cells=False]", False),
        ("insertion[cells=True]", "insertion_ties", {"cells": True}, "insertion[cells=False]", False),
        ("insertion[cells=True]", "insertion_ties", {"cells": True}, "insertion", True),
        ("insertion", "insertion_ties", {}, "insertion[other=1]", False),
        ("insertion", "insertion_ties", {}, "deletion[cells=False]", False),
        ("insertion", "insertion_ties", {}, "", False),
    ],
)
def test_the_metric_that_measures_ties_has_the_same_protocol_and_settings(
    metric: str, name: str, settings: dict[str, Any], ties_of: str, found: bool
) -> None:
    own = {"steps": 28, "orders": 5}
    header = make(metric, settings=SETTINGS | settings, name=name, ties_settings=own, ties_of=ties_of)
    assert header.find_tie_metric(metric) == (name if found else "")
    assert header.find_tie_metric(name) == ""


def test_both_metrics_may_have_other_settings_than_the_defaults() -> None:
    both = {"steps": 56}
    header = make(
        "insertion[steps=56]", settings=SETTINGS | both, name="insertion_ties[steps=56]", ties_settings=both,
        ties_of="insertion[cells=False]",
    )  # fmt: skip
    assert header.find_tie_metric("insertion[steps=56]") == "insertion_ties[steps=56]"
