"""A suite made ready to run: its plug-ins found, its images chosen, its device there; and what the run will say of itself."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from . import nets
from .environment import environment
from .errors import UsageError
from .forward import SCORE
from .header import FORMAT
from .images import Images
from .maps import FIT, STRETCH
from .perturb import BLENDING, TIES
from .plugins import Plugin
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
    nets: dict[str, dict[str, Any]]  # what the run says of each net
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
    place = _device(device)
    images = dataset()
    if not len(images):
        raise UsageError(f"data set {suite.dataset} holds no image")
    described = {spec: nets.described(spec) for spec in suite.nets}
    for spec, about in described.items():
        labels_in(images, about["classes"], spec)
    chosen = list(range(min(suite.images, len(images))))
    return Plan(suite, methods, metrics, dataset, images, chosen, described, place, _precision(suite.precision, place))


def header(plan: Plan) -> dict[str, Any]:
    """All that fixes the meaning of the run's numbers, and where it was made."""
    return {
        "format": FORMAT,
        "suite": plan.suite.model_dump() | {"precision": plan.precision, "device": plan.device.type},
        "protocols": {metric.spec: _protocol(plan, metric) for metric in plan.metrics},
        "metrics": {metric.spec: _declared(metric) for metric in plan.metrics},
        "methods": {method.spec: _described(method) | {"control": method.control} for method in plan.methods},
        "nets": plan.nets,
        "data": _data(plan),
        "environment": environment(plan.device),
    }


def labels_in(images: Images, classes: Sequence[str], net: str) -> dict[int, int]:
    """From the data set's labels to a net's class indices: by name; labels without names are class indices already.

    ImageNet's validation folders, a thousand names like n01440764, are in the order of the classes. Raises UsageError where
    the names are not the net's.
    """
    names = images.classes
    wordnet = len(names) == len(classes) and all(re.fullmatch(r"n\d{8}", name) for name in names)
    if not names or wordnet:
        return {index: index for index in range(len(classes))}
    if set(names) <= set(classes):
        return {index: classes.index(name) for index, name in enumerate(names)}
    raise UsageError(
        f"the data set's classes ({_few(names)}) are not among the {len(classes)} of {net} ({_few(classes)})"
    )


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def _protocol(plan: Plan, metric: Plugin) -> dict[str, Any]:
    common = {"score": SCORE, "target": plan.suite.target, "fit": FIT, "stretch": STRETCH, "ties": TIES}
    own = {"metric": metric.name, "version": metric.version} | metric.settings
    return own | common | {"blending": BLENDING, "precision": plan.precision}


def _described(plugin: Plugin) -> dict[str, Any]:
    return {"description": plugin.description, "version": plugin.version, "settings": plugin.settings}


def _declared(metric: Plugin) -> dict[str, Any]:
    module = metric.module
    for name in ("BETTER", "UNIT", "RANGE", "SHORT"):
        if not hasattr(module, name):
            raise UsageError(f"metric {metric.spec} does not declare {name}: see bench/metrics/insertion.py")
    if module.BETTER not in ("higher", "lower"):
        raise UsageError(f"metric {metric.spec}: BETTER is 'higher' or 'lower', not {module.BETTER!r}")
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
        return _exact(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
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
    return _exact(device)


def _exact(device: torch.device) -> torch.device:
    """fp32 is fp32 on a GPU too, not TF32, and the same every time."""
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    return device


def _precision(asked: str, device: torch.device) -> str:
    if asked != "auto":
        return asked
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    capabilities = torch.cpu.get_capabilities()
    return "bf16" if capabilities.get("amx_bf16") or capabilities.get("avx512_bf16") else "fp32"
