"""When two numbers have the same meaning: the one definition for resuming, comparing, baselines, histories and pages.

Values of two runs are comparable if the net, the method, the metric with its protocol, and the pixels of the images are the
same. Descriptions and slacks do not matter. The code of a user's own method or net may differ, because a comparison tests such
changes. A run is resumed only if the code, the device and the version of torch are the same as well, because its values must
all be of one kind.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

import pandas as pd

from ..core.formatting import plural
from .header import UNREAD, Header, MethodHeader, MetricHeader, NetHeader

Facts = Mapping[str, Any]  # by name
Hashes = dict[str, str]  # by image: the start of its pixels' SHA-256

WORDS = ("description", "family", "caveat", "slack", "notes")  # keys of a header that change no number
ENVIRONMENT = ("device", "torch")  # on which the numbers of one run depend
NET = ("layer", "fingerprint")
METHOD = ("version",)  # and its settings
METRIC = ("better", "unit", "fingerprint")  # and its protocol
CODE = ("fingerprint", "code")
HASH = 16  # hexadecimal digits kept of a SHA-256
BRIEF, LONG = 28, 60  # characters shown of a value


@dataclass(frozen=True)
class Meaning:
    """The facts that define the values of a metric, or the costs (no metric), of a method on a net."""

    net: Facts
    method: Facts
    metric: Facts = field(default_factory=dict)


def net_facts(net: NetHeader) -> dict[str, Any]:
    return {key: getattr(net, key) for key in NET}


def method_facts(method: MethodHeader) -> dict[str, Any]:
    return method.model_dump(exclude={"description"}, exclude_unset=True)


def metric_facts(metric: MetricHeader, protocol: Facts) -> dict[str, Any]:
    content = metric.model_dump(exclude_unset=True)
    keys = ("better", "unit", "range", "slack", "short", "fingerprint")
    return {key: content[key] for key in keys if key in content} | {"protocol": protocol}


def meaning(header: Header, net: str, method: str, metric: str) -> Meaning:
    """The meaning of the values of a metric, of a method on a net, in a run."""
    return Meaning(
        net_facts(header.nets[net]),
        method_facts(header.methods[method]),
        metric_facts(header.metrics[metric], header.protocols.get(metric, {})),
    )


def difference(base: Meaning, new: Meaning) -> str | None:
    """The first fact that differs, in words, so that values cannot be compared; None if they can be compared."""
    return (
        net_difference(base.net, new.net)
        or method_difference(base.method, new.method)
        or metric_difference(base.metric, new.metric)
    )


def net_difference(base: Facts, new: Facts) -> str | None:
    return _fact_difference("net", _chosen(base, NET), _chosen(new, NET))


def method_difference(base: Facts, new: Facts) -> str | None:
    return _fact_difference("method", _chosen(base, METHOD), _chosen(new, METHOD)) or _fact_difference(
        "method", base.get("settings", {}), new.get("settings", {})
    )


def metric_difference(base: Facts, new: Facts) -> str | None:
    return _fact_difference("metric", base.get("protocol", {}), new.get("protocol", {})) or _fact_difference(
        "metric", _chosen(base, METRIC), _chosen(new, METRIC)
    )


def algorithm_difference(base: Facts, new: Facts) -> str | None:
    """The first difference between two algorithms of a metric, apart from settings and protocols; None if there is none."""
    return _fact_difference("metric", _algorithm(base), _algorithm(new))


def pixel_hashes(header: Header, predictions: pd.DataFrame) -> Hashes:
    """The hashes of the images that are done, in the planned order."""
    rows = predictions.reindex(columns=["image", "sha256"])
    hashes = {str(image): str(sha)[:HASH] for image, sha in rows.itertuples(index=False)}
    return {image: hashes[image] for image in header.data.images if image in hashes}


def same_images(base: Hashes, new: Hashes) -> list[str]:
    """The images with the same name and the same pixels in two runs."""
    return [image for image in base if base[image] == new.get(image)]


def image_difference(base: Hashes, new: Hashes) -> str | None:
    """Why means over the images of two runs cannot be compared; None if they can be compared."""
    named = [image for image in base if image in new]
    if changed := len(named) - len(same_images(base, new)):
        return f"data: the pixels of {plural(changed, 'image')} differ"
    return None if named else "data: no image in common"


def run_difference(old: Header, new: Header) -> str | None:
    """Why a run cannot be resumed as another: the first part that differs, in words; None if it can be resumed."""
    before, now = _resumed_facts(old), _resumed_facts(new)
    for part in before:
        for key in sorted({*before[part], *now[part]}):
            old_fact, new_fact = before[part].get(key), now[part].get(key)
            if old_fact != new_fact and not (
                key == "fingerprint" and part == "data" and _may_be_same_data(str(old_fact), str(new_fact))
            ):
                return _sentence(key, old_fact, new_fact)
    return None


def header_facts(header: Header) -> dict[str, dict[str, Any]]:
    """The parts of a header, without the keys that change no number."""
    parts = {part: content for part, content in header.content().items() if part != "format"}
    return {part: {key: _without_words(fact) for key, fact in _without_words(content).items()}
            for part, content in parts.items()}  # fmt: skip


def _resumed_facts(header: Header) -> dict[str, dict[str, Any]]:
    complete = Header.model_validate(header.model_dump())  # a default counts as if it had been set
    facts = header_facts(complete)
    return facts | {"environment": {key: header.environment.get(key) for key in ENVIRONMENT}}


def _without_words(fact: Any) -> Any:
    return {key: value for key, value in fact.items() if key not in WORDS} if isinstance(fact, dict) else fact


def _may_be_same_data(before: str, now: str) -> bool:
    """Whether two fingerprints may belong to the same data: an image that one run could not read may be any image."""
    pairs = zip_longest(before.split("-"), now.split("-"))
    return all(old == new or UNREAD in (old, new) for old, new in pairs)


def _algorithm(metric: Facts) -> Facts:
    protocol = metric.get("protocol", {})
    return {"version": protocol.get("version"), **_chosen(metric, ("better", "fingerprint"))}


def _chosen(facts: Facts, keys: tuple[str, ...]) -> Facts:
    return {key: facts[key] for key in keys if key in facts}


def _fact_difference(word: str, base: Facts, new: Facts) -> str | None:
    for key in {**base, **new}:
        if base.get(key) != new.get(key):
            return f"{word}'s {key}: {_brief(base.get(key))} → {_brief(new.get(key))}"
    return None


def _brief(value: Any) -> str:
    return _shortened("none" if value in (None, "") else str(value), BRIEF)


def _sentence(what: str, before: Any, now: Any) -> str:
    """The first difference of two values, in words."""
    if isinstance(before, dict) and isinstance(now, dict):
        key = next(key for key in (*before, *now) if before.get(key) != now.get(key))
        if key in CODE:
            return f"its {what} has changed since (another {key})"
        return _sentence(f"{key} of {what}", before.get(key), now.get(key))
    if what in CODE:
        return "its images, or the file that loads them, have changed since"
    return f"its {what} is {_listed(before)}, not {_listed(now)}"


def _listed(value: Any) -> str:
    return _shortened(", ".join(map(str, value)) if isinstance(value, list) else str(value), LONG)


def _shortened(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 3] + "..."
