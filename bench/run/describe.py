"""What a run says of itself: all that fixes the meaning of its numbers, and where it was made."""

import hashlib
import os
import platform
import subprocess
from collections import Counter
from importlib.metadata import version
from math import isfinite
from pathlib import Path
from typing import Any

import torch

from ..core import tolerance
from ..core.errors import UsageError
from ..core.plugins import Plugin
from ..core.version import __version__
from ..scoring.blend import BLENDING, TIES
from ..store.header import FORMAT, UNREAD
from .plan import Measure, Plan

FINGERPRINTED = 16  # images whose pixels enter the data's fingerprint; the names of all do
LIBRARIES = ("torch", "torchvision", "numpy", "scipy", "pandas")


def header(plan: Plan) -> dict[str, Any]:
    """All that fixes the meaning of the run's numbers, and where it was made."""
    return {
        "format": FORMAT,
        "suite": plan.suite.model_dump()
        | {"precision": _precision(plan), "device": plan.device.type, "target": plan.protocol.target},
        "protocols": {measure.spec: _protocol(plan, measure) for measure in plan.measures},
        "metrics": _told_apart({measure.spec: _declared(measure) for measure in plan.measures}),
        "methods": {method.spec: _described(method) | {"control": method.control} for method in plan.methods},
        "nets": plan.nets,
        "data": _data(plan),
        "environment": environment(plan.device),
    }


def _protocol(plan: Plan, measure: Measure) -> dict[str, Any]:
    metric, protocol = measure.metric, measure.protocol
    own = {"metric": metric.name, "version": metric.version} | metric.settings
    choices = {f"protocol {key}" if key in own else key: value for key, value in protocol.choices().items()}
    return (
        {"protocol": protocol.name}
        | own
        | choices
        | {"ties": TIES, "blending": BLENDING, "precision": _precision(plan)}
    )


def _precision(plan: Plan) -> str:
    return f"{plan.precision}, compiled" if plan.compiled else plan.precision


def _described(plugin: Plugin) -> dict[str, Any]:
    about = {"description": plugin.description, "version": plugin.version, "settings": plugin.settings}
    return about | ({"fingerprint": plugin.fingerprint} if plugin.fingerprint else {})


def _declared(measure: Measure) -> dict[str, Any]:
    metric, module = measure.metric, measure.metric.module
    for name in ("BETTER", "UNIT", "RANGE", "SHORT"):
        if not hasattr(module, name):
            raise UsageError(f"metric {metric.spec} does not declare {name}: see bench/metrics/insertion.py")
    short = module.SHORT + measure.spec.removeprefix(metric.spec)
    logits = measure.protocol.score == "logit"
    ends = [end if isfinite(end) and not logits else None for end in module.RANGE]
    declared = {
        "better": better(metric),
        "unit": f"{module.UNIT}, of logits" if logits else module.UNIT,
        "range": ends,
        "slack": tolerance.of_range(ends) if logits else getattr(module, "SLACK", tolerance.of_range(ends)),
        "short": short,
    }
    said = {name.lower(): str(getattr(module, name)) for name in ("FAMILY", "CAVEAT") if hasattr(module, name)}
    return _described(metric) | declared | said


def better(metric: Plugin) -> str:
    """A metric's direction; BETTER may tell it by the values of one setting: {"order": {"morf": "lower", ...}}."""
    direction = metric.module.BETTER
    if isinstance(direction, dict):
        ((setting, by_value),) = direction.items()
        direction = by_value.get(metric.settings[setting])
    if direction not in ("higher", "lower"):
        raise UsageError(f"metric {metric.spec}: BETTER is 'higher' or 'lower', not {direction!r}")
    return str(direction)


def _told_apart(metrics: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The same, with heads as short as they can be: the protocol where there are several, the whole spec where heads meet."""
    protocols = {spec.partition("@")[2] for spec in metrics}
    heads = {
        spec: about["short"].partition("@")[0] if len(protocols) == 1 else about["short"]
        for spec, about in metrics.items()
    }
    often = Counter(heads.values())
    return {
        spec: about | {"short": heads[spec] if often[heads[spec]] == 1 else spec} for spec, about in metrics.items()
    }


def _data(plan: Plan) -> dict[str, Any]:
    names = [plan.images.name(index) for index in plan.chosen]
    return {
        "settings": plan.dataset.settings,
        "version": plan.dataset.version,
        "classes": list(plan.images.classes),
        "images": names,
        "fingerprint": _fingerprint(plan, names),
    } | ({"code": plan.dataset.fingerprint} if plan.dataset.fingerprint else {})


def _fingerprint(plan: Plan, names: list[str]) -> str:
    """Of the images' names, and of the first ones' pixels, each by itself; UNREAD stands for one that cannot be read."""
    parts = [hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]]
    for index in plan.chosen[:FINGERPRINTED]:
        try:
            parts.append(hashlib.sha256(plan.images[index].pixels.tobytes()).hexdigest()[:8])
        except UsageError:
            parts.append(UNREAD)
    return "-".join(parts)


def environment(device: torch.device) -> dict[str, str]:
    """What to know of the machine and the software, as words by name."""
    return {
        "cambench": __version__,
        "commit": _commit(),
        "python": platform.python_version(),
        **{name: version(name) for name in LIBRARIES},
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else _processor(),
        "threads": str(torch.get_num_threads()),
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.machine()}",
    }


def _processor() -> str:
    capabilities = torch.cpu.get_capabilities()
    units = [name for name in ("avx2", "avx512_f", "avx512_bf16", "amx_bf16") if capabilities.get(name)]
    return f"{capabilities.get('cpu_name') or platform.processor() or platform.machine()} ({', '.join(units)})"


def _commit() -> str:
    """The checkout's commit, with a plus sign where files differ from it; `installed` without a checkout."""
    here = Path(__file__).parents[2]
    if not (here / ".git").exists():
        return "installed"
    try:
        return _git(here, "rev-parse", "--short", "HEAD") + ("+" if _git(here, "status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(here: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=here, capture_output=True, text=True, check=True).stdout.strip()
