"""cambench: which explanation method should I trust on this network, and what does it cost?

    from cambench import explain, load, run

All that notebooks, and methods, metrics and data sets of your own, need is imported from here. `import cambench` is quick:
what needs torch or pandas is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .bench.core.version import __version__ as __version__

if TYPE_CHECKING:
    from .bench.api.api import choose, explain, explain_all, load_dataset, load_net, run, score
    from .bench.api.explanation import Explanation, panel
    from .bench.api.run import Run, load
    from .bench.conform.conform import Fault, Quantity
    from .bench.conform.reference import compute_maps
    from .bench.core.errors import BenchError, Fatal, ImageError, NotApplicable, PluginError, UsageError
    from .bench.data.types import Image, Object
    from .bench.forward.forward import Stream
    from .bench.nets.net import Net
    from .bench.scoring.case import Asking, Case, Curve, IsTop1, MapValue, Rerun
    from .bench.scoring.perturbations import (
        Clean,
        Custom,
        CustomSeries,
        Fill,
        Inside,
        InsideSeries,
        Kept,
        KeptSeries,
        Masked,
        Perturbed,
    )  # fmt: skip

_HOMES = {
    "api.api": ("choose", "explain", "explain_all", "load_dataset", "load_net", "run", "score"),
    "api.explanation": ("Explanation", "panel"),
    "api.run": ("Run", "load"),
    "conform.conform": ("Fault", "Quantity"),
    "conform.reference": ("compute_maps",),
    "core.errors": ("BenchError", "Fatal", "ImageError", "NotApplicable", "PluginError", "UsageError"),
    "data.types": ("Image", "Object"),
    "forward.forward": ("Stream",),
    "nets.net": ("Net",),
    "scoring.case": ("Asking", "Case", "Curve", "IsTop1", "MapValue", "Rerun"),
    "scoring.perturbations": (
        "Clean",
        "Custom",
        "CustomSeries",
        "Inside",
        "InsideSeries",
        "Kept",
        "KeptSeries",
        "Masked",
        "Perturbed",
        "Fill",
    ),
}
_MODULES = {name: module for module, names in _HOMES.items() for name in names}
__all__ = [  # noqa: RUF022 (a literal, which type checkers read; a test holds it to _HOMES)
    "choose", "explain", "explain_all", "load_dataset", "load_net", "run", "score", "Explanation", "panel", "Run", "load",
    "BenchError", "Fatal", "ImageError", "NotApplicable", "PluginError", "UsageError",
    "Image", "Object", "Net", "Asking", "Case", "Curve", "Clean", "Custom", "Inside", "Kept", "Masked", "Perturbed",
    "Fill", "CustomSeries", "InsideSeries", "KeptSeries", "IsTop1", "MapValue", "Rerun", "Stream", "compute_maps",
    "Fault", "Quantity",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".bench.{_MODULES[name]}", __name__), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
