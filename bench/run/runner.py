"""The straight line from a plan to records: net and images, to maps, to scores and cost."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby
from typing import Any

from ..config.protocol import Protocol
from ..core.errors import NotApplicable
from ..core.plugins import Plugin
from ..data.types import Image
from ..nets import load
from ..nets.net import Net
from ..scoring import score as scoring
from ..scoring.case import Case, Curve, Score
from ..scoring.postprocess import bring
from ..scoring.rerun import again
from ..store.run import Cell, Unit
from . import rows as records
from .explain_image import explained, subject
from .plan import Measure, Plan, layer_of
from .rows import Explained, Subject

STRIPS = 2  # images of which the maps behind a curve of maps are kept

Row = dict[str, Any]
Told = tuple[Subject, dict[str, Explained]]  # of an image: what the net says of it, and by method its map


def tuned(plan: Plan, spec: str) -> Net:
    """A net of a plan, loaded, as the plan has its passes."""
    net = load.load(plan.specs[spec], plan.device, plan.precision, layer_of(plan.protocol, spec))
    net.tune(plan.memory, compiled=plan.compiled)
    return net


def units(plan: Plan, net: Net, labels: dict[int, int], images: Sequence[tuple[int, Image]]) -> list[Unit]:
    """What images that share batches, each with its number, give on a net; of the run's first also the drift."""
    drifting = [pair for pair in images if pair[0] in plan.drifting]
    exact = replace(plan, precision="fp32", compiled=False)
    drift = _drift(exact, tuned(exact, net.name), labels, drifting) if drifting else {}
    made = list(_group(plan, net, labels, images))
    for unit in made:
        unit.rows["drift"] = drift.get(unit.cell, [])
    return made


def _drift(exact: Plan, net: Net, labels: dict[int, int], images: Sequence[tuple[int, Image]]) -> dict[Cell, list[Row]]:
    """By cell, the scores that the same images get in fp32."""
    return {unit.cell: unit.rows["scores"] for unit in _group(exact, net, labels, images)}


def _group(plan: Plan, net: Net, labels: dict[int, int], images: Sequence[tuple[int, Image]]) -> Iterator[Unit]:
    """The units of images whose perturbed images share batches."""
    told: list[Told] = []
    for index, image in images:
        about = subject(plan, net, labels, image)
        told.append((about, explained(plan.methods, net, about, count=index == plan.chosen[0])))
    protocols = [(protocol, list(own)) for protocol, own in groupby(plan.measures, key=lambda one: one.protocol)]
    given = [scored(plan.methods, net, told, protocol, measures) for protocol, measures in protocols]
    for number, (index, _) in enumerate(images):
        found = [(*told_of, rows[number]) for told_of, rows in zip(protocols, given, strict=True)]
        yield _unit(plan, net, told[number], found, first=index in plan.chosen[:STRIPS])


def _unit(
    plan: Plan,
    net: Net,
    told: Told,
    scored: Sequence[tuple[Protocol, list[Measure], dict[str, list[Score]]]],
    *,
    first: bool,
) -> Unit:
    about, made = told
    key = {"dataset": plan.suite.dataset, "image": about.image.name, "net": net.name}
    unit = Unit((net.name, about.image.name))
    unit.rows["predictions"] = [key | records.prediction(net, about)]
    if net.name == plan.suite.nets[0]:
        unit.rows["images"] = [
            {"dataset": plan.suite.dataset, "image": about.image.name, "jpeg": records.jpeg(about.image)}
        ]
    mapped = {spec: one for spec, one in made.items() if one.map is not None}
    unit.rows["maps"] = [key | {"method": spec} | records.flat(one.map) for spec, one in mapped.items()]
    unit.rows["cost"] = [key | {"layer": net.layer, "method": spec} | records.cost(one) for spec, one in mapped.items()]
    said = key | {"layer": net.layer, "label": about.label, "target": about.target}
    unit.rows["scores"], unit.rows["curves"], strips = _records(made, scored, said)
    unit.rows["strips"] = strips if first else []
    return unit


def _records(
    made: dict[str, Explained], scored: Sequence[tuple[Protocol, list[Measure], dict[str, list[Score]]]], about: Row
) -> tuple[list[Row], list[Row], list[Row]]:
    """The rows of scores, of curves, and of their maps: of each method, by each measure."""
    rows, curves, strips = [], [], []
    for protocol, measures, scores in scored:
        for spec, one in made.items():
            flat = one.map is not None and not bool((one.map != one.map.flatten()[0]).any())
            for number, measure in enumerate(measures):
                score = scores[spec][number] if spec in scores else NotApplicable(one.reason)
                row = about | {"method": spec, "metric": measure.spec}
                row |= {"constant_map": flat, "nan_map": not one.finite}
                row |= {"protocol": protocol.name, "version": measure.metric.version}
                rows.append(row | records.value(score, measure.metric, spec))
                if isinstance(score, Curve):
                    key = {name: row[name] for name in ("dataset", "image", "net", "method", "metric")}
                    curves.append(key | {"shares": score.shares, "scores": score.scores})
                    strips += [key | strip for strip in records.strips(score)]
    return rows, curves, strips


def scored(
    methods: Sequence[Plugin], net: Net, told: Sequence[Told], protocol: Protocol, measures: Sequence[Measure]
) -> list[dict[str, list[Score]]]:
    """For each image: by method that gave a map, its scores by each measure of a protocol. Images of a size share batches."""
    named = {method.spec: method for method in methods}
    cases = [_cases(named, net, about, made, protocol) for about, made in told]
    found: list[dict[str, list[Score]]] = [{} for _ in told]
    sizes = [about.batch.shape for about, _ in told]
    for size in dict.fromkeys(sizes):
        alike = [(n, spec) for n in range(len(told)) if sizes[n] == size for spec in cases[n]]
        if alike:
            net.prepare(told[alike[0][0]][0].batch)
            asked = [cases[n][spec] for n, spec in alike]
            given = scoring.score(net, asked, [measure.metric for measure in measures], protocol.score)
            for (n, spec), scores in zip(alike, given, strict=True):
                found[n][spec] = scores
    return found


def _cases(
    methods: dict[str, Plugin], net: Net, about: Subject, made: dict[str, Explained], protocol: Protocol
) -> dict[str, Case]:
    image = about.batch[0]
    size = (image.shape[1], image.shape[2])
    cases = {}
    for spec, one in made.items():
        if one.map is not None:
            fitted, raw = bring(one.map[None], size, protocol)[0].cpu().numpy(), one.map.cpu().numpy()
            for values in (fitted, raw):
                values.flags.writeable = False
            asked = again(methods[spec], net, image, about.target, partial(bring, size=size, protocol=protocol))
            cases[spec] = Case(fitted, about.target, about.objects, image, raw, asked)
    return cases
