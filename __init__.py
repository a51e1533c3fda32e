"""cambench: which explanation method should I trust on this network, and what does it cost?

    from cambench import explain, load, run

`import cambench` is quick: what needs torch or pandas is imported when it is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .bench.api.api import explain, explain_all, load_net, run, score
    from .bench.api.explanation import Explanation, panel
    from .bench.api.run import Run, load
    from .bench.core.errors import NotApplicable, UsageError
    from .bench.nets.load import Net

__version__ = "0.1.0"
__all__ = [
    "Explanation", "Net", "NotApplicable", "Run", "UsageError",
    "explain", "explain_all", "load", "load_net", "panel", "run", "score",
]  # fmt: skip

_HOMES = {"Explanation": "api.explanation", "Net": "nets.load", "NotApplicable": "core.errors", "Run": "api.run",
          "UsageError": "core.errors", "load": "api.run", "panel": "api.explanation"}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".bench.{_HOMES.get(name, 'api.api')}", __name__), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
