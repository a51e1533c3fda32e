"""Makes the header of a run: all that fixes the meaning of its numbers, and the environment."""

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

from ..config.protocol import LABEL
from ..core import slack
from ..core.errors import BenchError
from ..core.plugins import Plugin
from ..core.version import __version__
from ..data.checked import list_notes
from ..forward.device import describe_device
from ..scoring.blend import BLENDING, READING, TIES
from ..store.header import FORMAT, UNREAD, DataHeader, Header, MethodHeader, MetricHeader, Settings, SuiteHeader
from .plan import Measure, Plan

FINGERPRINTED = 16  # images whose pixels enter the data's fingerprint; the names of all images do
LIBRARIES = ("torch", "torchvision", "numpy", "scipy", "pandas")


def make_header(plan: Plan) -> Header:
    """Make the header of a run: all that fixes the meaning of its numbers, and the environment."""
    return Header(
        format=FORMAT,  # a key that is left to its default is left out of the file
        suite=_describe_suite(plan),
        protocols={measure.spec: _describe_protocol(plan, measure) for measure in plan.measures},
        metrics=_shorten_names({measure.spec: _describe_metric(measure) for measure in plan.measures}),
        methods={method.spec: _describe_method(method) for method in plan.methods},
        nets=plan.nets,
        data=_describe_data(plan),
        environment=describe_environment(plan.device),
    )


def _describe_suite(plan: Plan) -> SuiteHeader:
    chosen = {"precision": _describe_precision(plan), "device": plan.device.type, "target": plan.protocol.target}
    race = {"race": plan.suite.race.model_dump()} if plan.suite.race else {}
    missing = {"missing": plan.missing} if plan.missing else {}
    return SuiteHeader.model_validate(plan.suite.model_dump() | chosen | race | missing)


def _describe_protocol(plan: Plan, measure: Measure) -> Settings:
    metric, protocol = measure.metric, measure.protocol
    metric_settings = {"metric": metric.name, "version": metric.version} | metric.stored_settings
    choices = {
        f"protocol {key}" if key in metric_settings else key: value for key, value in protocol.list_choices().items()
    }
    return (
        {"protocol": protocol.name}
        | metric_settings
        | choices
        | {"ties": _describe_ties(metric_settings), "blending": BLENDING, "precision": _describe_precision(plan)}
        | _describe_label_order(plan, metric)
    )


def _describe_ties(settings: Settings) -> Any:
    """Return the order of equal pixels: a metric's own setting, or the rule that holds for all others."""
    order = settings.get("ties", READING)
    return TIES if order == READING else order


def _describe_label_order(plan: Plan, metric: Plugin) -> Settings:
    """Return how labels become classes, if it is not the usual way and the metric's values depend on it."""
    depends = plan.protocol.target == LABEL or {"object", "other object"} & set(metric.needs)
    return {"label order": plan.suite.label_order} if depends and plan.suite.label_order != "name" else {}


def _describe_precision(plan: Plan) -> str:
    return f"{plan.precision}, compiled" if plan.compiled else plan.precision


def _drop_empty(**texts: Any) -> dict[str, Any]:
    """Return the values that are not empty: the others are left out of the file."""
    return {key: text for key, text in texts.items() if text}


def _describe_method(method: Plugin) -> MethodHeader:
    return MethodHeader(
        description=method.description,
        version=method.version,
        settings=method.stored_settings,
        control=method.control,
        **_drop_empty(fingerprint=method.fingerprint),
    )


def _describe_metric(measure: Measure) -> MetricHeader:
    metric = measure.metric
    logits = measure.protocol.score == "logit"
    ends = [end if isfinite(end) and not logits else None for end in metric.bounds]
    return MetricHeader(
        description=metric.description,
        version=metric.version,
        settings=metric.stored_settings,
        better=metric.better,
        unit=f"{metric.unit}, of logits" if logits else metric.unit,
        range=ends,
        slack=slack.derive_slack(ends) if logits or metric.slack is None else metric.slack,
        short=metric.short + measure.spec.removeprefix(metric.spec),
        **_drop_empty(
            fingerprint=metric.fingerprint,
            family=metric.family,
            caveat=metric.caveat,
            ties_of=metric.ties_of,
            axes=metric.axes,
        ),
    )


def _shorten_names(metrics: dict[str, MetricHeader]) -> dict[str, MetricHeader]:
    """Return the metrics with short names for columns: with the protocol if there are several, whole specs if names collide."""
    protocols = {spec.partition("@")[2] for spec in metrics}
    names = {
        spec: entry.short.partition("@")[0] if len(protocols) == 1 else entry.short for spec, entry in metrics.items()
    }
    counts = Counter(names.values())
    return {
        spec: entry.model_copy(update={"short": names[spec] if counts[names[spec]] == 1 else spec})
        for spec, entry in metrics.items()
    }


def _describe_data(plan: Plan) -> DataHeader:
    names = [plan.images.name(index) for index in plan.indices]
    return DataHeader(
        settings=plan.dataset.stored_settings,
        version=plan.dataset.version,
        classes=list(plan.images.classes),
        images=names,
        fingerprint=_fingerprint_data(plan, names),
        notes=list_notes(plan.images),
        **_drop_empty(code=plan.dataset.fingerprint),
    )


def _fingerprint_data(plan: Plan, names: list[str]) -> str:
    """Return hashes of all names and of each of the first images' pixels; UNREAD stands for an image that cannot be read."""
    parts = [hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]]
    for index in plan.indices[:FINGERPRINTED]:
        try:
            parts.append(plan.images[index].sha256[:8])
        except BenchError:
            parts.append(UNREAD)
    return "-".join(parts)


def describe_environment(device: torch.device) -> dict[str, str]:
    """Return the machine and the versions of the software, by name."""
    return {
        "cambench": __version__,
        "commit": _find_commit(),
        "python": platform.python_version(),
        **{name: version(name) for name in LIBRARIES},
        "device": _describe_processor() if device.type == "cpu" else describe_device(device),
        "threads": str(torch.get_num_threads()),
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.machine()}",
    }


def _describe_processor() -> str:
    capabilities = torch.cpu.get_capabilities()
    units = [name for name in ("avx2", "avx512_f", "avx512_bf16", "amx_bf16") if capabilities.get(name)]
    return f"{capabilities.get('cpu_name') or platform.processor() or platform.machine()} ({', '.join(units)})"


def _find_commit() -> str:
    """Return the checkout's commit, followed by + if files differ from it; `installed` without a checkout."""
    checkout = Path(__file__).parents[2]
    if not (checkout / ".git").exists():
        return "installed"
    try:
        return _run_git(checkout, "rev-parse", "--short", "HEAD") + (
            "+" if _run_git(checkout, "status", "--porcelain") else ""
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _run_git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout.strip()
