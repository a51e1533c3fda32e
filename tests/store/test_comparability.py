"""When two numbers have the same meaning: the differences that a comparison and a resumed run allow."""

from typing import Any

import pandas as pd
import pytest

from cambench.bench.store.comparability import (
    NetImages,
    describe_meaning,
    find_algorithm_difference,
    find_difference,
    find_environment_difference,
    find_image_difference,
    find_run_difference,
    find_same_pixels,
    find_shared_images,
    find_timing_difference,
    list_pixel_hashes,
    select_metric_facts,
)
from cambench.bench.store.header import Header, MetricFacts
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
    "weights": (changed("nets", "resnet18", "fingerprint", "99"), "net's weights: 0123abcd → 99"),
    "class scores": (changed("nets", "resnet18", "scores", "sigmoid"), "net's scores: softmax → sigmoid"),
    "output": (changed("nets", "resnet18", "output", "1"), "net's output: none → 1"),
    "axes": (changed("nets", "resnet18", "reading", "axes (n, h, w, k)"), "net's reading: none → axes (n, h, w, k)"),
    "version": (changed("methods", "grad_cam", "version", 2), "method's version: 1 → 2"),
    "setting": (changed("methods", "grad_cam", "settings", {"of": "logit"}), "method's of: none → logit"),
    "unit": (changed("metrics", "insertion", "unit", "share"), "metric's unit: mean probability → share"),
    "code": (changed("metrics", "insertion", "fingerprint", "77"), "metric's file: none → 77"),
    "direction": (changed("metrics", "insertion", "better", "lower"), "metric's better: higher → lower"),
}


@pytest.mark.parametrize("what", MEANING)
def test_what_is_not_comparable_is_not_resumed_either(what: str) -> None:
    new, reason = MEANING[what]
    assert find_difference(describe_meaning(header(), *CELL), describe_meaning(new, *CELL)) == reason
    assert find_run_difference(header(), new)


@pytest.mark.parametrize(
    ("part", "key", "name", "value"),
    [
        ("methods", "grad_cam", "description", "Other words."),
        ("metrics", "insertion", "slack", 0.5),
        ("metrics", "insertion", "caveat", "It is fooled."),
        ("metrics", "insertion", "ties_of", "deletion"),
        ("nets", "resnet18", "notes", ["The layer is the last one."]),
    ],
)
def test_descriptions_and_slacks_do_not_matter(part: str, key: str, name: str, value: object) -> None:
    new = changed(part, key, name, value)
    assert find_difference(describe_meaning(header(), *CELL), describe_meaning(new, *CELL)) is None
    assert find_run_difference(header(), new) is None


def test_a_run_whose_net_was_read_differently_is_not_resumed() -> None:
    new = changed("nets", "resnet18", "reading", "axes (n, h, w, k)")
    assert find_run_difference(header(), new) == "its reading of resnet18 is none, not axes (n, h, w, k)"


def test_a_method_with_changed_code_is_compared_but_not_resumed() -> None:
    new = changed("methods", "grad_cam", "fingerprint", "77")
    assert find_difference(describe_meaning(header(), *CELL), describe_meaning(new, *CELL)) is None
    assert find_run_difference(header(), new) == "its grad_cam has changed since (another fingerprint)"


def test_a_run_is_resumed_only_with_the_same_torch() -> None:
    new = header()
    new.environment["torch"] = "3.0"
    assert find_run_difference(header(), new) == "its torch is 2.11.0, not 3.0"
    new.environment["torch"], new.environment["python"] = "2.11.0", "3.13.1"
    assert find_run_difference(header(), new) is None


def test_an_image_that_could_not_be_read_may_be_any_image() -> None:
    old, new = header(), header()
    old.data.fingerprint, new.data.fingerprint = "names-12-unread", "names-12-56"
    assert find_run_difference(old, new) is None
    new.data.fingerprint = "names-34-56"
    assert find_run_difference(old, new) == "its images, or the file that loads them, have changed since"


def test_the_protocol_does_not_change_the_algorithm_of_a_metric() -> None:
    def facts(**protocol: Any) -> MetricFacts:
        return select_metric_facts(header().metrics["insertion"], {"version": 1} | protocol)

    assert find_algorithm_difference(facts(steps=28), facts(steps=100)) is None
    assert find_algorithm_difference(facts(), facts(version=2)) == "metric's version: 1 → 2"
    assert (
        find_algorithm_difference(facts(), facts().model_copy(update={"fingerprint": "77"}))
        == "metric's file: none → 77"
    )


def test_images_are_the_same_by_name_pixels_and_explained_class() -> None:
    base = NetImages({"a": "1", "b": "2", "c": "3"}, {"a": 0, "b": 0, "c": 0})
    new = NetImages({"c": "3", "b": "2", "a": "9", "d": "4"}, {"a": 0, "b": 0, "c": 7, "d": 0})
    assert find_same_pixels(base.hashes, new.hashes) == ["b", "c"]
    assert find_shared_images(base, new) == ["b"]
    assert find_image_difference(base, new) is None


@pytest.mark.parametrize(
    ("images", "reason"),
    [
        (["d"], "no image in common: no name is in both"),
        (["a"], "no image in common: the pixels of 1 image with the same name differ"),
        (["c"], "no image in both has the same explained class"),
    ],
)
def test_runs_without_a_shared_image_say_why(images: list[str], reason: str) -> None:
    base = NetImages({"a": "1", "b": "2", "c": "3"}, {"a": 0, "b": 0, "c": 0})
    new = NetImages({"a": "9", "c": "3", "d": "4"}, {"a": 0, "c": 7, "d": 0})
    assert find_image_difference(base, new.select(images)) == reason


def test_device_and_torch_are_the_environment_of_costs() -> None:
    base = {"device": "cpu", "torch": "2.11.0", "python": "3.11"}
    assert find_environment_difference(base, base | {"python": "3.12"}) is None
    assert (
        find_environment_difference(base, base | {"device": "cuda", "torch": "3.0"})
        == "device cpu → cuda, torch 2.11.0 → 3.0"
    )


def test_seconds_depend_on_the_number_of_threads_too() -> None:
    base = {"device": "cpu", "torch": "2.11.0", "threads": "1", "python": "3.11"}
    assert find_timing_difference(base, base | {"python": "3.12"}) is None
    assert find_timing_difference(base, base | {"threads": "8"}) == "threads 1 → 8"


def test_only_done_images_have_pixel_hashes() -> None:
    predictions = pd.DataFrame({"net": "resnet18", "image": ["b"], "sha256": ["f" * 64]})
    assert list_pixel_hashes(header(), predictions) == {"b": "f" * 16}
    assert list_pixel_hashes(header(), predictions.head(0)) == {}


def test_every_metric_of_a_run_has_a_meaning() -> None:
    assert {find_difference(describe_meaning(header(), "vgg16", "cam", spec), describe_meaning(header(), "vgg16", "cam", spec))
            for spec in METRICS} == {None}  # fmt: skip
