"""When two numbers have the same meaning: the differences that a comparison and a resumed run allow."""

from typing import Any

import pandas as pd
import pytest

from cambench.bench.store.comparability import (
    algorithm_difference,
    difference,
    image_difference,
    meaning,
    metric_facts,
    pixel_hashes,
    run_difference,
    same_images,
)
from cambench.bench.store.header import Header
from cambench.tests.support.runs import METRICS, NETS, make_header

CELL = ("resnet18", "grad_cam", "insertion")


def header() -> Header:
    return Header.model_validate(make_header(["a", "b"], NETS))


def changed(part: str, key: str, name: str, value: object) -> Header:
    new = header()
    setattr(getattr(new, part)[key], name, value)
    return new


MEANING: dict[str, tuple[Header, str]] = {
    "layer": (changed("nets", "resnet18", "layer", "layer3"), "net's layer: layer4 → layer3"),
    "weights": (changed("nets", "resnet18", "fingerprint", "99"), "net's fingerprint: 0123abcd → 99"),
    "version": (changed("methods", "grad_cam", "version", 2), "method's version: 1 → 2"),
    "setting": (changed("methods", "grad_cam", "settings", {"of": "logit"}), "method's of: none → logit"),
    "unit": (changed("metrics", "insertion", "unit", "share"), "metric's unit: mean probability → share"),
    "code": (changed("metrics", "insertion", "fingerprint", "77"), "metric's fingerprint: none → 77"),
    "direction": (changed("metrics", "insertion", "better", "lower"), "metric's better: higher → lower"),
}


@pytest.mark.parametrize("what", MEANING)
def test_what_is_not_comparable_is_not_resumed_either(what: str) -> None:
    new, reason = MEANING[what]
    assert difference(meaning(header(), *CELL), meaning(new, *CELL)) == reason
    assert run_difference(header(), new)


@pytest.mark.parametrize(
    ("part", "key", "name", "value"),
    [
        ("methods", "grad_cam", "description", "Other words."),
        ("metrics", "insertion", "slack", 0.5),
        ("metrics", "insertion", "caveat", "It is fooled."),
        ("nets", "resnet18", "notes", ["The layer is the last one."]),
    ],
)
def test_descriptions_and_slacks_do_not_matter(part: str, key: str, name: str, value: object) -> None:
    new = changed(part, key, name, value)
    assert difference(meaning(header(), *CELL), meaning(new, *CELL)) is None
    assert run_difference(header(), new) is None


def test_a_method_with_changed_code_is_compared_but_not_resumed() -> None:
    new = changed("methods", "grad_cam", "fingerprint", "77")
    assert difference(meaning(header(), *CELL), meaning(new, *CELL)) is None
    assert run_difference(header(), new) == "its grad_cam has changed since (another fingerprint)"


def test_a_run_is_resumed_only_with_the_same_torch() -> None:
    new = header()
    new.environment["torch"] = "3.0"
    assert run_difference(header(), new) == "its torch is 2.11.0, not 3.0"
    new.environment["torch"], new.environment["python"] = "2.11.0", "3.13.1"
    assert run_difference(header(), new) is None


def test_an_image_that_could_not_be_read_may_be_any_image() -> None:
    old, new = header(), header()
    old.data.fingerprint, new.data.fingerprint = "names-12-unread", "names-12-56"
    assert run_difference(old, new) is None
    new.data.fingerprint = "names-34-56"
    assert run_difference(old, new) == "its images, or the file that loads them, have changed since"


def test_the_protocol_does_not_change_the_algorithm_of_a_metric() -> None:
    def facts(**protocol: Any) -> dict[str, Any]:
        return metric_facts(header().metrics["insertion"], {"version": 1} | protocol)

    assert algorithm_difference(facts(steps=28), facts(steps=100)) is None
    assert algorithm_difference(facts(), facts(version=2)) == "metric's version: 1 → 2"
    assert algorithm_difference(facts(), facts() | {"fingerprint": "77"}) == "metric's fingerprint: none → 77"


def test_images_are_the_same_by_name_and_pixels() -> None:
    base, new = {"a": "1", "b": "2", "c": "3"}, {"b": "2", "a": "9", "d": "4"}
    assert same_images(base, new) == ["b"]
    assert image_difference(base, new) == "data: the pixels of 1 image differ"
    assert image_difference(base, {"b": "2", "d": "4"}) is None
    assert image_difference(base, {"d": "4"}) == "data: no image in common"


def test_only_done_images_have_pixel_hashes() -> None:
    predictions = pd.DataFrame({"net": "resnet18", "image": ["b"], "sha256": ["f" * 64]})
    assert pixel_hashes(header(), predictions) == {"b": "f" * 16}
    assert pixel_hashes(header(), pd.DataFrame()) == {}


def test_every_metric_of_a_run_has_a_meaning() -> None:
    assert {difference(meaning(header(), "vgg16", "cam", spec), meaning(header(), "vgg16", "cam", spec))
            for spec in METRICS} == {None}  # fmt: skip
