"""A suite made ready to run: its plug-ins found, its images chosen, its device there; and what the run will say of itself."""

import hashlib
from dataclasses import dataclass
from typing import Any

import torch

from . import nets
from .environment import environment
from .errors import UsageError
from .images import Images
from .maps import FIT, STRETCH
from .plugins import Plugin
from .store import FORMAT
from .suite import Suite

FINGERPRINTED = 16  # images whose pixels enter the data's fingerprint; the names of all do


@dataclass(frozen=True)
class Plan:
    """What will run; nothing that was asked wrongly gets beyond it."""

    suite: Suite
    methods: list[Plugin]
    metrics: list[Plugin]
    dataset: Plugin
    images: Images
    chosen: list[int]  # numbers of images
    device: torch.device
    precision: str  # of perturbed images: fp32 or bf16

    @property
    def cells(self) -> int:
        return len(self.suite.nets) * len(self.chosen)


def plan(suite: Suite, device: str = "auto") -> Plan:
    """The plan of a suite on a device (auto, cpu, cuda, cuda:1). Raises UsageError for whatever cannot be had."""
    methods, metrics, dataset = suite.plugins()
    for net in suite.nets:
        nets.check(net)
    for plugin in (*methods, dataset):
        if "seed" in plugin.settings and "seed=" not in plugin.spec:
            plugin.settings["seed"] = suite.seed
    images = dataset()
    if not len(images):
        raise UsageError(f"data set {suite.dataset} holds no image")
    place = _device(device)
    chosen = list(range(min(suite.images, len(images))))
    return Plan(suite, methods, metrics, dataset, images, chosen, place, _precision(suite.precision, place))


def header(plan: Plan) -> dict[str, Any]:
    """All that fixes the meaning of the run's numbers, and where it was made."""
    return {
        "format": FORMAT,
        "suite": plan.suite.model_dump() | {"precision": plan.precision, "device": plan.device.type},
        "protocols": {metric.spec: _protocol(plan, metric) for metric in plan.metrics},
        "metrics": {metric.spec: _declared(metric) for metric in plan.metrics},
        "methods": {method.spec: _described(method) for method in plan.methods},
        "nets": {spec: nets.described(spec) for spec in plan.suite.nets},
        "data": _data(plan),
        "environment": environment(plan.device),
    }


def labels_in(images: Images, classes: tuple[str, ...], net: str) -> dict[int, int]:
    """From the data set's labels to the net's class indices. Raises UsageError where they are about different things."""
    if images.classes == classes or len(images.classes) == len(classes):
        return {index: index for index in range(len(classes))}
    if images.classes and set(images.classes) <= set(classes):
        return {index: classes.index(name) for index, name in enumerate(images.classes)}
    if not images.classes:  # class indices without names
        return {index: index for index in range(len(classes))}
    raise UsageError(
        f"the data set's classes ({_few(images.classes)}) are not among the {len(classes)} of {net} ({_few(classes)})"
    )


def _few(names: tuple[str, ...]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def _protocol(plan: Plan, metric: Plugin) -> dict[str, Any]:
    common = {"score": "softmax", "target": plan.suite.target, "fit": FIT, "stretch": STRETCH, "ties": "reading order"}
    return {"metric": metric.name, "version": metric.version} | metric.settings | common | {"precision": plan.precision}


def _described(plugin: Plugin) -> dict[str, Any]:
    return {"description": plugin.description, "version": plugin.version, "settings": plugin.settings}


def _declared(metric: Plugin) -> dict[str, Any]:
    module = metric.module
    declared = {"better": module.BETTER, "unit": module.UNIT, "range": list(module.RANGE), "short": module.SHORT}
    return _described(metric) | declared


def _data(plan: Plan) -> dict[str, Any]:
    digest = hashlib.sha256()
    names = [plan.images.name(index) for index in plan.chosen]
    digest.update("\n".join(names).encode())
    for index in plan.chosen[:FINGERPRINTED]:
        digest.update(plan.images[index].pixels.tobytes())
    return {
        "settings": plan.dataset.settings,
        "version": plan.dataset.version,
        "classes": list(plan.images.classes),
        "images": names,
        "fingerprint": digest.hexdigest(),
    }


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UsageError(f"there is no device {name!r}: write auto, cpu, cuda or cuda:1") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UsageError(
            f"there is no device {name!r} here: this machine has {torch.cuda.device_count() or 'no'} CUDA device"
        )
    if device.type not in ("cpu", "cuda"):
        raise UsageError(f"device {name!r} is not supported: write auto, cpu or cuda")
    return device


def _precision(asked: str, device: torch.device) -> str:
    if asked != "auto":
        return asked
    has_units = (
        torch.cuda.is_bf16_supported() if device.type == "cuda" else torch.cpu.get_capabilities().get("amx_bf16")
    )
    return "bf16" if has_units else "fp32"
