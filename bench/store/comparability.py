"""When two numbers have the same meaning: the one definition for resuming, comparing, baselines, histories and pages.

Values of two runs are comparable if the net, the method, the metric with its protocol, the pixels of the image and the class
explained are the same. Means are comparable over the images that two runs share. Descriptions and slacks do not matter. The
code of a user's own method or net may differ, because a comparison tests such changes. A run is resumed only if the code, the
device and the version of torch are the same as well, because its values must all be of one kind.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import pandas as pd
from pydantic import BaseModel

from ..core.formatting import format_count
from .header import UNREAD, Header, MethodFacts, MethodHeader, MetricFacts, MetricHeader, NetFacts, NetHeader, Settings

Facts = Mapping[str, Any]  # by name
Hashes = dict[str, str]  # by image: the start of its pixels' SHA-256

WORDS = (
    "description",
    "family",
    "caveat",
    "slack",
    "notes",
    "ties_of",
    "axes",
    "missing",
)  # keys of a header that change no number
ENVIRONMENT = ("device", "torch")  # on which the numbers of one run depend
TIMING = (*ENVIRONMENT, "threads")  # on which its seconds depend
NET = ("layer", "fingerprint", "scores", "output", "reading", "precision")
METHOD = ("version",)  # and its settings
METRIC = ("better", "unit", "fingerprint")  # and its protocol
FINGERPRINTS = {"net": "weights", "metric": "file"}  # of what the fingerprint is
CODE = ("fingerprint", "code")
HASH = 16  # hexadecimal digits kept of a SHA-256
BRIEF, LONG = 28, 60  # characters shown of a value


@dataclass(frozen=True)
class Meaning:
    """The facts that define the values of a metric, or the costs (no metric), of a method on a net."""

    net: NetFacts
    method: MethodFacts
    metric: MetricFacts | None = None


@dataclass(frozen=True)
class NetImages:
    """The images of a run on a net: what was explained."""

    hashes: Hashes
    targets: dict[str, int]  # by image: the class explained

    def select(self, images: Collection[str]) -> "NetImages":
        """Select images by name, in the order of this run."""
        return NetImages({image: sha for image, sha in self.hashes.items() if image in images}, self.targets)


def select_net_facts(net: NetHeader) -> NetFacts:
    """Select the facts that define a net."""
    return NetFacts(**_select_set_fields(net, NetFacts))


def select_method_facts(method: MethodHeader) -> MethodFacts:
    """Select the facts that define a method."""
    return MethodFacts(**_select_set_fields(method, MethodFacts))


def select_metric_facts(metric: MetricHeader, protocol: Settings) -> MetricFacts:
    """Select the facts that define a metric under a protocol, which holds the version and the settings of the metric."""
    return MetricFacts(**_select_set_fields(metric, MetricFacts), protocol=protocol)


def describe_meaning(header: Header, net: str, method: str, metric: str) -> Meaning:
    """Describe the meaning of the values of a metric, of a method on a net, in a run."""
    return Meaning(
        select_net_facts(header.nets[net]),
        select_method_facts(header.methods[method]),
        select_metric_facts(header.metrics[metric], header.protocols[metric]),
    )


def find_difference(base: Meaning, new: Meaning) -> str | None:
    """Find the first fact that differs, in words, so that values cannot be compared; None if they can be compared."""
    return (
        find_net_difference(base.net, new.net)
        or find_method_difference(base.method, new.method)
        or (find_metric_difference(base.metric, new.metric) if base.metric and new.metric else None)
    )


def find_net_difference(base: NetFacts, new: NetFacts) -> str | None:
    """Find the first difference of two nets, in words: layer, weights, class scores; None if they can be compared."""
    return _find_fact_difference("net", _select_facts(base, NET), _select_facts(new, NET))


def find_method_difference(base: MethodFacts, new: MethodFacts) -> str | None:
    """Find the first difference of two methods, in words: of the version or a setting; None if they can be compared."""
    return _find_fact_difference(
        "method", _select_facts(base, METHOD), _select_facts(new, METHOD)
    ) or _find_fact_difference("method", base.settings, new.settings)


def find_metric_difference(base: MetricFacts, new: MetricFacts) -> str | None:
    """Find the first difference of two metrics and their protocols, in words; None if they can be compared."""
    return _find_fact_difference("metric", base.protocol, new.protocol) or _find_fact_difference(
        "metric", _select_facts(base, METRIC), _select_facts(new, METRIC)
    )


def find_algorithm_difference(base: MetricFacts, new: MetricFacts) -> str | None:
    """Find the first difference of two algorithms of a metric, apart from settings and protocols; None if there is none."""
    return _find_fact_difference("metric", _select_algorithm(base), _select_algorithm(new))


def find_environment_difference(base: Mapping[str, str], new: Mapping[str, str]) -> str | None:
    """Find how device and torch of two runs differ, in words; then peak bytes cannot be compared. None if equal."""
    return _list_differences(base, new, ENVIRONMENT)


def find_timing_difference(base: Mapping[str, str], new: Mapping[str, str]) -> str | None:
    """Find how device, torch and threads of two runs differ, in words; then seconds cannot be compared. None if equal."""
    return _list_differences(base, new, TIMING)


def _list_differences(base: Mapping[str, str], new: Mapping[str, str], keys: Collection[str]) -> str | None:
    differences = [f"{key} {base.get(key)} → {new.get(key)}" for key in keys if base.get(key) != new.get(key)]
    return ", ".join(differences) or None


def find_net_images(header: Header, predictions: pd.DataFrame, net: str) -> NetImages:
    """Find the images that are done on a net, from a run's table of predictions."""
    rows = predictions[predictions["net"] == net]
    return NetImages(list_pixel_hashes(header, rows), dict(zip(rows["image"], rows["target"].tolist(), strict=True)))


def list_pixel_hashes(header: Header, predictions: pd.DataFrame) -> Hashes:
    """List the hashes of the images that are done, in the planned order."""
    hashes = {image: sha[:HASH] for image, sha in zip(predictions["image"], predictions["sha256"], strict=True)}
    return {image: hashes[image] for image in header.data.images if image in hashes}


def find_shared_images(base: NetImages, new: NetImages) -> list[str]:
    """Find the images on which two runs are compared: the same name, pixels and explained class; in the order of the base."""
    same = find_same_pixels(base.hashes, new.hashes)
    return [image for image in same if base.targets.get(image) == new.targets.get(image)]


def find_same_pixels(base: Hashes, new: Hashes) -> list[str]:
    """Find the images with the same name and the same pixels in two runs, in the order of the base."""
    return [image for image in base if base[image] == new.get(image)]


def find_image_difference(base: NetImages, new: NetImages) -> str | None:
    """Find why two runs share no image, in words, so that nothing can be compared; None if they share any."""
    if find_shared_images(base, new):
        return None
    return find_pixel_difference(base.hashes, new.hashes) or "no image in both has the same explained class"


def find_pixel_difference(base: Hashes, new: Hashes) -> str | None:
    """Find why no image has the same name and pixels in two runs, in words; None if any has."""
    if find_same_pixels(base, new):
        return None
    named = sum(image in new for image in base)
    why = f"the pixels of {format_count(named, 'image')} with the same name differ" if named else "no name is in both"
    return f"no image in common: {why}"


def find_run_difference(old: Header, new: Header) -> str | None:
    """Find why a run cannot be resumed as another: the first part that differs, in words; None if it can be resumed."""
    old_parts, new_parts = _list_resumed_facts(old), _list_resumed_facts(new)
    for part in old_parts:
        for key in sorted({*old_parts[part], *new_parts[part]}):
            old_fact, new_fact = old_parts[part].get(key), new_parts[part].get(key)
            if old_fact != new_fact and not (
                key == "fingerprint" and part == "data" and _may_be_same_data(str(old_fact), str(new_fact))
            ):
                return _describe_difference(key, old_fact, new_fact)
    return None


def list_header_facts(header: Header) -> dict[str, dict[str, Any]]:
    """List the parts of a header, without the keys that change no number."""
    parts = {part: content for part, content in header.dump_content().items() if part not in ("format", "id")}
    return {part: {key: _remove_words(fact) for key, fact in _remove_words(content).items()}
            for part, content in parts.items()}  # fmt: skip


def _list_resumed_facts(header: Header) -> dict[str, dict[str, Any]]:
    """List the parts of a header that must be the same if a run is resumed."""
    complete = Header.model_validate(header.model_dump())  # a default counts as if it had been set
    facts = list_header_facts(complete)
    return facts | {"environment": {key: header.environment.get(key) for key in ENVIRONMENT}}


def _remove_words(fact: Any) -> Any:
    return {key: value for key, value in fact.items() if key not in WORDS} if isinstance(fact, dict) else fact


def _may_be_same_data(old: str, new: str) -> bool:
    """Tell whether two fingerprints may belong to the same data. An unreadable image matches any fingerprint."""
    pairs = zip_longest(old.split("-"), new.split("-"))
    return all(old_image == new_image or UNREAD in (old_image, new_image) for old_image, new_image in pairs)


def _select_set_fields(header: BaseModel, facts: type[BaseModel]) -> dict[str, Any]:
    """Select the content of a header that `facts` has too, without the keys that were left to their defaults."""
    return header.model_dump(include=set(facts.model_fields), exclude_unset=True)


def _select_algorithm(metric: MetricFacts) -> Facts:
    return {"version": metric.protocol.get("version"), **_select_facts(metric, ("better", "fingerprint"))}


def _select_facts(facts: BaseModel, keys: tuple[str, ...]) -> Facts:
    return {key: getattr(facts, key) for key in keys}


def _find_fact_difference(word: str, base: Facts, new: Facts) -> str | None:
    for key in {**base, **new}:
        if base.get(key) != new.get(key):
            name = FINGERPRINTS.get(word, key) if key == "fingerprint" else key
            return f"{word}'s {name}: {_abbreviate(base.get(key))} → {_abbreviate(new.get(key))}"
    return None


def _abbreviate(value: Any) -> str:
    return _shorten(_show(value), BRIEF)


def _describe_difference(what: str, old: Any, new: Any) -> str:
    """Describe the first difference of two values, in words."""
    if isinstance(old, dict) and isinstance(new, dict):
        key = next(key for key in (*old, *new) if old.get(key) != new.get(key))
        if key in CODE:
            return f"its {what} has changed since (another {key})"
        return _describe_difference(f"{key} of {what}", old.get(key), new.get(key))
    if what in CODE:
        return "its images, or the file that loads them, have changed since"
    return f"its {what} is {_format_value(old)}, not {_format_value(new)}"


def _format_value(value: Any) -> str:
    return _shorten(", ".join(map(str, value)) if isinstance(value, list) else _show(value), LONG)


def _show(value: Any) -> str:
    return "none" if value in (None, "") else str(value)


def _shorten(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 3] + "..."
