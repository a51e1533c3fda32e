"""A snapshot of a run: the part of it that is compared, read from the run itself or from a baseline.

A snapshot holds the meaning of each value (see bench/store/comparability.py), the values and the costs. An image has either a
value or the reason why it has none.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from ..core.errors import UsageError, list_known_names
from ..stats.estimate import Floats
from ..store.comparability import (
    Meaning,
    NetImages,
    find_net_images,
    list_pixel_hashes,
    select_method_facts,
    select_metric_facts,
    select_net_facts,
)
from ..store.header import Header, MethodFacts, MetricFacts, NetFacts
from ..store.run import Run

Key = tuple[str, str, str]  # net, method, metric
NOT_FINITE = "the map was not finite (NaN or infinite)"
WORDS = ("net", "method", "metric")
COUNTED = ("forwards", "peak_bytes")  # costs that are the same every time
SCORES = ("net", "method", "metric", "image", "value", "reason", "nan_map")  # columns


@dataclass(frozen=True)
class Scores:
    """The scores of a number on the images of a snapshot, in its order."""

    values: Floats  # (images,), NaN where an image has none
    reasons: dict[int, str]  # why, by the index of such an image; an image that is not computed has neither


@dataclass(frozen=True)
class Snapshot:
    """The part of a run that is compared."""

    name: str  # the directory or file, as the user named it
    origin: dict[str, str]  # suite, device, precision, torch: peak bytes depend on device and torch
    metrics: dict[str, MetricFacts]  # by spec
    methods: dict[str, MethodFacts]  # by spec
    nets: dict[str, NetFacts]  # by spec
    image_hashes: dict[str, str]  # by name: the start of their pixels' sha256
    targets: dict[str, dict[str, int]]  # by net and image: the class explained
    scores: dict[Key, Scores]
    costs: dict[tuple[str, str], dict[str, float]]  # by net and method: forwards, peak_bytes, of the first image
    seconds: dict[tuple[str, str], dict[str, float]] = field(default_factory=dict)  # by image, in bare predictions
    failures: dict[str, dict[str, str]] = field(default_factory=dict)  # by net: why images failed there, by name
    environment: dict[str, str] = field(default_factory=dict)  # of a run: the machine and the versions of the software

    @cached_property
    def positions(self) -> dict[str, int]:
        """The index of each image in `scores`, by name."""
        return {image: index for index, image in enumerate(self.image_hashes)}

    def describe_meaning(self, net: str, method: str, metric: str | None = None) -> Meaning:
        """Describe the meaning of the values of a net, method and metric, or of a method's costs on a net."""
        return Meaning(self.nets[net], self.methods[method], self.metrics[metric] if metric else None)

    def find_net_images(self, net: str) -> NetImages:
        """Find the images on a net, as they are compared."""
        return NetImages(self.image_hashes, self.targets.get(net, {}))

    def select_shared(self, other: "Snapshot") -> "Snapshot":
        """Select the scores and costs of the nets, methods and metrics that another snapshot has."""
        return self._select(lambda key: all(spec in known for spec, known in zip(key, other._known, strict=False)))

    @property
    def _known(self) -> tuple[Collection[str], ...]:
        return self.nets, self.methods, self.metrics

    def select(
        self, nets: Sequence[str] | None, methods: Sequence[str] | None, metrics: Sequence[str] | None
    ) -> "Snapshot":
        """Select nets, methods and metrics (None: all). Raise UsageError for one that the snapshot does not have."""
        for word, specs, known in zip(WORDS, (nets, methods, metrics), self._known, strict=True):
            for spec in specs or ():
                if spec not in known:
                    raise UsageError(f"{self.name} has no {word} {spec!r}: {list_known_names(spec, known)}")

        def is_selected(key: tuple[str, ...]) -> bool:
            pairs = zip((nets, methods, metrics), key, strict=False)
            return all(specs is None or spec in specs for specs, spec in pairs)

        return self._select(is_selected)

    def _select(self, is_selected: Callable[[tuple[str, ...]], bool]) -> "Snapshot":
        """Select by the net, the net and method, or the net, method and metric."""
        return replace(
            self, nets={net: facts for net, facts in self.nets.items() if is_selected((net,))},
            scores=_filter(self.scores, is_selected), costs=_filter(self.costs, is_selected),
            seconds=_filter(self.seconds, is_selected),
            failures={net: failed for net, failed in self.failures.items() if is_selected((net,))},
        )  # fmt: skip

    def list_failed(self, nets: Collection[str]) -> list[str]:
        """List the images that failed on one of these nets."""
        return list(dict.fromkeys(image for net in self.failures if net in nets for image in self.failures[net]))

    def leave_out(self, images: Collection[str]) -> "Snapshot":
        """Return the snapshot without these images."""
        kept = [index for image, index in self.positions.items() if image not in images]
        if len(kept) == len(self.positions):
            return self
        return replace(
            self,
            image_hashes={image: sha for image, sha in self.image_hashes.items() if image not in images},
            scores={key: _select_images(scores, kept) for key, scores in self.scores.items()},
        )


def select_any(
    snapshots: Sequence[Snapshot],
    nets: Sequence[str] | None,
    methods: Sequence[str] | None,
    metrics: Sequence[str] | None,
) -> list[Snapshot]:
    """Select in each snapshot what it has of nets, methods and metrics. Raise UsageError for one that no snapshot has."""
    wanted = (nets, methods, metrics)
    anywhere = [set().union(*(snapshot._known[part] for snapshot in snapshots)) for part in range(3)]
    for word, specs, known in zip(WORDS, wanted, anywhere, strict=True):
        if unknown := next((spec for spec in specs or () if spec not in known), None):
            raise UsageError(f"no run has a {word} {unknown!r}: {list_known_names(unknown, sorted(known))}")
    return [
        snapshot.select(*(specs and [spec for spec in specs if spec in known]
                          for specs, known in zip(wanted, snapshot._known, strict=True)))
        for snapshot in snapshots
    ]  # fmt: skip


def _select_images(scores: Scores, kept: Sequence[int]) -> Scores:
    reasons = {new: scores.reasons[old] for new, old in enumerate(kept) if old in scores.reasons}
    return Scores(scores.values[list(kept)], reasons)


def _filter(by_key: dict[Any, Any], is_selected: Callable[[Any], bool]) -> dict[Any, Any]:
    return {key: value for key, value in by_key.items() if is_selected(key)}


def take_snapshot(run: Run, name: str | None = None, *, partial: bool = False) -> Snapshot:
    """Take the snapshot of a complete run, or, if `partial`, of what is computed. An image has no scores on a net it failed on.

    Raise UsageError for an incomplete or damaged run, and if every image failed.
    """
    name = str(run.directory) if name is None else name
    header, failures = run.header, run.table("failures")
    tables = run.table("predictions"), run.table("cost"), run.table("scores", columns=SCORES)
    predictions, cost, scores = (_drop_failed(table, failures) for table in tables)
    if not partial:
        _check_complete(name, header, scores, predictions, failures)
    hashes = list_pixel_hashes(header, predictions)
    return Snapshot(
        name=name,
        origin=_describe_origin(header),
        metrics={spec: select_metric_facts(metric, header.protocols[spec]) for spec, metric in header.metrics.items()},
        methods={spec: select_method_facts(method) for spec, method in header.methods.items()},
        nets={spec: select_net_facts(net) for spec, net in header.nets.items()},
        image_hashes=hashes,
        targets={net: find_net_images(header, predictions, net).targets for net in header.nets},
        scores=_collect_scores(header, scores, list(hashes)),
        costs=_sort(header, _collect_costs(cost)),
        seconds=_compute_seconds(cost, predictions),
        failures={str(net): dict(zip(rows["image"], rows["reason"], strict=True))
                  for net, rows in failures.groupby("net", observed=True)},
        environment=header.environment,
    )  # fmt: skip


def _drop_failed(rows: pd.DataFrame, failures: pd.DataFrame) -> pd.DataFrame:
    """Drop the rows of images on nets on which they failed: by a method that came later than others, for example."""
    if not len(failures):
        return rows
    failed = set(zip(failures["net"], failures["image"], strict=True))
    is_kept = [pair not in failed for pair in zip(rows["net"], rows["image"], strict=True)]
    return rows[np.array(is_kept, dtype=bool)]


def _check_complete(
    name: str, header: Header, scores: pd.DataFrame, predictions: pd.DataFrame, failures: pd.DataFrame
) -> None:
    """Raise UsageError if images or scores of a run are missing, as in a race, or if every image failed."""
    if header.suite.race is not None:
        raise UsageError(
            f"{name} is a race, which scored methods on different images: compare runs of bench run, with the method chosen"
        )
    planned = len(header.data.images)
    if failures["image"].nunique() == planned:
        raise UsageError(f"{name} has no image that did not fail: {failures['reason'].iloc[0]}")
    if not len(scores):
        raise UsageError(f"{name} has no complete image yet: run the same command again to resume it")
    done, failed, stored = (table["net"].value_counts() for table in (predictions, failures, scores))
    for net in header.nets:
        if done[net] + failed.get(net, 0) < planned:
            raise UsageError(
                f"{name} is not finished: {done[net]} of {planned} images on {net} are done; "
                "run the same command again to resume it"
            )
        due = len(header.methods) * len(header.metrics) * done[net]
        if stored[net] != due:
            raise UsageError(f"{name} is damaged: it has {stored[net]} of {due} scores on {net}; run it again")


def _describe_origin(header: Header) -> dict[str, str]:
    suite = header.suite
    facts = {"suite": suite.name, "device": suite.device, "precision": suite.precision}
    return facts | {"torch": header.environment.get("torch", "unknown")}


def _sort(header: Header, by_key: dict[Any, Any]) -> dict[Any, Any]:
    """Sort by the order in which the header lists nets, methods and metrics."""
    ranks = [{spec: rank for rank, spec in enumerate(part)} for part in (header.nets, header.methods, header.metrics)]
    order = sorted(by_key, key=lambda key: [rank[spec] for rank, spec in zip(ranks, key, strict=False)])
    return {key: by_key[key] for key in order}


def _collect_scores(header: Header, rows: pd.DataFrame, names: list[str]) -> dict[Key, Scores]:
    """Collect the scores of some images of a run by key: the values, or the reasons why there are none."""
    sizes = [len(part) for part in (header.nets, header.methods, header.metrics)]
    keys = np.ravel_multi_index([rows[column].cat.codes for column in SCORES[:3]], sizes)
    images = pd.Index(names).get_indexer(rows["image"].cat.categories)[rows["image"].cat.codes]
    values = rows["value"].to_numpy(dtype=np.float64).copy()
    values[rows["nan_map"].to_numpy(dtype=bool)] = np.nan
    table = np.full((np.prod(sizes), len(names)), np.nan)
    table[keys, images] = values
    reasons: list[dict[int, str]] = [{} for _ in table]
    missing = np.flatnonzero(np.isnan(values))
    texts = rows["reason"].iloc[missing].fillna(NOT_FINITE)
    for key, image, reason in zip(keys[missing].tolist(), images[missing].tolist(), texts, strict=True):
        reasons[key][image] = str(reason)
    specs = product(header.nets, header.methods, header.metrics)
    return {key: Scores(*scores) for key, scores in zip(specs, zip(table, reasons, strict=True), strict=True)}


def _collect_costs(rows: pd.DataFrame) -> dict[tuple[str, str], dict[str, float]]:
    counted = rows.dropna(subset="forwards")[["net", "method", *COUNTED]].itertuples(index=False)
    return {(net, method): dict(zip(COUNTED, map(float, costs), strict=True)) for net, method, *costs in counted}


def _compute_seconds(cost: pd.DataFrame, predictions: pd.DataFrame) -> dict[tuple[str, str], dict[str, float]]:
    """Compute the seconds by net, method and image, in units of a bare prediction.

    They are empty if the run did not time bare predictions.
    """
    timed = predictions[predictions["seconds"] > 0][["net", "image", "seconds"]].itertuples(index=False)
    bare = {(net, image): seconds for net, image, seconds in timed}
    ratios: dict[tuple[str, str], dict[str, float]] = {}
    rows = cost.dropna(subset="seconds")[["net", "method", "image", "seconds"]].itertuples(index=False)
    for net, method, image, seconds in rows:
        if (net, image) in bare:
            ratios.setdefault((net, method), {})[image] = seconds / bare[net, image]
    return ratios
