"""What is compared of a run, whether it was read from the run itself or from a baseline: its meaning, its values, its costs.

The meaning is all that must agree for two numbers to be comparable; where and when a run was made is no part of it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from math import isnan
from typing import Any

import pandas as pd

from ..core.errors import UsageError, nearest
from ..store.run import Run

Key = tuple[str, str, str]  # net, method, metric
Told = dict[str, Any]  # what a run says of one thing
NOT_FINITE = "the map was not finite (NaN or infinite)"
COUNTED = ("forwards", "peak_bytes")  # costs that are the same every time
SHA = 16  # hexadecimal digits of a picture's sha256 that are kept


@dataclass(frozen=True)
class Recorded:
    """A run as far as it is compared."""

    name: str  # the directory or file, as the user named it
    made: dict[str, str]  # suite, device, torch: what seconds and peak bytes depend on, and what a reader wants to know
    metrics: dict[str, Told]  # by spec: better, unit, range, slack, short, protocol
    methods: dict[str, Told]  # by spec: version, settings, control, and of a user's own file its fingerprint
    nets: dict[str, Told]  # by spec: layer, fingerprint
    images: dict[str, str]  # by name: the start of their pixels' sha256
    targets: dict[str, dict[str, int]]  # by net and image: the class explained
    scores: dict[Key, dict[str, float | str]]  # by image: the value, or the reason why there is none
    costs: dict[tuple[str, str], dict[str, float]]  # by net and method: forwards, peak_bytes, of the first image
    seconds: dict[tuple[str, str], dict[str, float]] = field(default_factory=dict)  # by image, in bare predictions

    def only(
        self, nets: Sequence[str] | None, methods: Sequence[str] | None, metrics: Sequence[str] | None
    ) -> "Recorded":
        """The same, of the nets, methods and metrics that are asked for. Raises UsageError for what is not there."""
        for word, asked, there in (("net", nets, self.nets), ("method", methods, self.methods),
                                   ("metric", metrics, self.metrics)):  # fmt: skip
            for one in asked or ():
                if one not in there:
                    raise UsageError(f"{self.name} has no {word} {one!r}: {nearest(one, there)}")

        def kept(key: tuple[str, ...]) -> bool:
            pairs = zip((nets, methods, metrics), key, strict=False)
            return all(asked is None or one in asked for asked, one in pairs)

        nets_kept = {net: told for net, told in self.nets.items() if kept((net,))}
        return replace(
            self, nets=nets_kept, scores=_kept(self.scores, kept), costs=_kept(self.costs, kept),
            seconds=_kept(self.seconds, kept),
        )  # fmt: skip


def _kept(found: dict[Any, Any], kept: Callable[[Any], bool]) -> dict[Any, Any]:
    return {key: one for key, one in found.items() if kept(key)}


def recorded(run: Run, name: str | None = None) -> Recorded:
    """A complete run. Raises UsageError for one of which planned images are not done: half a run proves nothing."""
    name = str(run.directory) if name is None else name
    header, predictions, cost = run.header, run.table("predictions"), run.table("cost")
    scores = run.table("scores")
    _complete(name, header, scores)
    if scores["value"].notna().any() and not len(cost):
        raise UsageError(f"{name} is damaged: its table of costs is gone; make the run anew")
    return Recorded(
        name=name,
        made=_made(header),
        metrics={spec: _metric(about, header["protocols"].get(spec, {})) for spec, about in header["metrics"].items()},
        methods={spec: _without(about, "description") for spec, about in header["methods"].items()},
        nets={spec: {key: str(about.get(key, "")) for key in ("layer", "fingerprint")}
              for spec, about in header["nets"].items()},
        images=_images(header, predictions),
        targets=_targets(header, predictions),
        scores=_ordered(header, _scores(scores)),
        costs=_ordered(header, _costs(cost)),
        seconds=_seconds(cost, predictions),
    )  # fmt: skip


def _complete(name: str, header: Told, scores: pd.DataFrame) -> None:
    planned = list(header["data"].get("images", []))
    each = len(header["methods"]) * len(header["metrics"])
    done: Any = scores.groupby("net")["image"].nunique() if len(scores) else {}
    if not len(scores):
        raise UsageError(f"{name} has no complete image yet: the command that made it goes on from there")
    for net in header["nets"]:
        if (count := int(done.get(net, 0))) < len(planned):
            raise UsageError(
                f"{name} is not finished: {count} of {len(planned)} images on {net} are done; "
                "the command that made it goes on from there"
            )
        if (there := int((scores["net"] == net).sum())) != each * len(planned):
            raise UsageError(
                f"{name} is damaged: it has {there} of {each * len(planned)} scores on {net}; make the run anew"
            )


def _made(header: Told) -> dict[str, str]:
    suite, environment = header["suite"], header["environment"]
    told = {"suite": suite.get("name"), "device": suite.get("device"), "precision": suite.get("precision")}
    return {key: str(value or "unknown") for key, value in (told | {"torch": environment.get("torch")}).items()}


def _metric(about: Told, protocol: Told) -> Told:
    keys = ("better", "unit", "range", "slack", "short", "fingerprint")
    return {key: about[key] for key in keys if key in about} | {"protocol": protocol}


def _without(about: Told, *left_out: str) -> Told:
    return {key: value for key, value in about.items() if key not in left_out}


def _images(header: Told, predictions: pd.DataFrame) -> dict[str, str]:
    """In the order of the plan, whatever was done first."""
    known = {str(image): str(sha)[:SHA] for image, sha in _pairs(predictions, "image", "sha256")}
    return {image: known[image] for image in header["data"]["images"] if image in known}


def _targets(header: Told, predictions: pd.DataFrame) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {net: {} for net in header["nets"]}
    for net, image, target in _rows(predictions, "net", "image", "target"):
        found[net][image] = int(target)
    return found


def _ordered(header: Told, found: dict[Any, Any]) -> dict[Any, Any]:
    places = [{spec: place for place, spec in enumerate(header[part])} for part in ("nets", "methods", "metrics")]
    order = sorted(found, key=lambda key: [of[one] for of, one in zip(places, key, strict=False)])
    return {key: found[key] for key in order}


def _pairs(rows: pd.DataFrame, one: str, other: str) -> Any:
    return zip(rows[one], rows[other], strict=True)


def _scores(rows: pd.DataFrame) -> dict[Key, dict[str, float | str]]:
    found: dict[Key, dict[str, float | str]] = {}
    columns = ["net", "method", "metric", "image", "value", "reason", "nan_map"]
    for net, method, metric, image, value, reason, broken in rows.reindex(columns=columns).itertuples(index=False):
        known = not isnan(value) and not (pd.notna(broken) and broken)
        why = reason if isnan(value) else NOT_FINITE
        found.setdefault((net, method, metric), {})[image] = float(value) if known else str(why)
    return found


def _costs(rows: pd.DataFrame) -> dict[tuple[str, str], dict[str, float]]:
    found = rows.reindex(columns=["net", "method", *COUNTED]).dropna(subset="forwards").itertuples(index=False)
    return {(net, method): dict(zip(COUNTED, map(float, counted), strict=True)) for net, method, *counted in found}


def _seconds(cost: pd.DataFrame, predictions: pd.DataFrame) -> dict[tuple[str, str], dict[str, float]]:
    """By net, method and image, the seconds over those of a bare prediction; a run that did not take these has none."""
    bare = {(net, image): one for net, image, one in _rows(predictions, "net", "image", "seconds") if one > 0}
    found: dict[tuple[str, str], dict[str, float]] = {}
    for net, method, image, seconds in _rows(cost, "net", "method", "image", "seconds"):
        if (net, image) in bare:
            found.setdefault((net, method), {})[image] = seconds / bare[net, image]
    return found


def _rows(rows: pd.DataFrame, *columns: str) -> Any:
    return rows.reindex(columns=list(columns)).itertuples(index=False)
