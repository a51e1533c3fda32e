"""cambench from Python, for notebooks and programs: the names of `from cambench import ...` that need torch.

>>> from cambench import explain
>>> from cambench.datasets import scenes
>>> image = scenes.load(size=64)[0]
>>> found = explain(image, "squeezenet1_1", method="cam", target="star", precision="fp32")
>>> found.target.name, found.map.shape, sorted(found.scores)
('star', (64, 64), ['average_drop', 'deletion', 'insertion'])
>>> found.overlay().shape
(64, 64, 3)
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor, nn

from ..config import suite_file
from ..config.protocol import find
from ..core import plugins
from ..core.errors import NotApplicable, UsageError
from ..core.plugins import ENGINE, Plugin
from ..data.photos import SIZE, Photo, as_image
from ..nets.net import Net
from ..run.plan import layer_of, plan
from ..store import run as store
from . import explain as explaining
from .execute import INTERRUPTED, execute
from .explanation import Explanation
from .run import Run

Method = str | Callable[[Net, Tensor, Tensor], Tensor]
Target = str | int
NET = "squeezenet1_1@imagenet"


def load_net(
    net: str | nn.Module = NET,
    *,
    layer: str | None = None,
    protocol: str = "default",
    device: str = "auto",
    precision: str = "auto",
    **about: Any,
) -> Net:
    """A net by its spec, `vgg16` or `net.py:make[weights=w.pth]`, or of your own module, to be given to several calls.

    It is cut at `layer` (`features.29` or `features[29]`), or where the protocol or the net itself has it. `precision` is that
    of perturbed images. `about` tells of a module its name, classes (their names), preprocess (imagenet, none or half: images
    are in [0, 1]) or mean and std; the module is copied and left as it was. Raises UsageError for what cannot be had.

    >>> from torch import nn
    >>> from cambench import load_net
    >>> body = nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.Conv2d(8, 8, 3, 2), nn.ReLU())
    >>> mine = nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2))
    >>> load_net(mine, layer="3", classes=["cat", "dog"], preprocess="none", device="cpu").classes
    ('cat', 'dog')
    """
    return explaining.load(net, layer, find(protocol), device, precision, **about)


def explain(
    image: Photo,
    net: str | nn.Module = NET,
    *,
    method: Method = "grad_cam",
    target: Target = "top1",
    metrics: Sequence[str] | None = None,
    protocol: str = "default",
    size: int | None = None,
    **loading: Any,
) -> Explanation:
    """Why a net sees a class in an image: the map of a method, and its scores, which are those of a run.

    `image` is a file or PIL's picture, which is cut and brought to `size` pixels (the net's,
    or 224) as photos are; or an array (h, w, 3) of bytes
    or an image of a data set, taken as it is. `method` is a spec, `score_cam[fill=black]` or `./my_cam.py`, or a function of
    a net, images (n, 3, h, w) in [0, 1] and targets (n,) that gives maps (n, h', w'). `target` is a class's index or name, or
    `top1` to `top5`. What else is named
    (layer, device, precision, ...) is for `load_net`. Raises UsageError for what cannot be
    had; a method that does not apply gives an explanation without a map, and with the reason.
    """
    return explain_all(
        image, net, methods=[method], targets=[target], metrics=metrics, protocol=protocol, size=size, **loading
    )[0]


def explain_all(
    image: Photo,
    net: str | nn.Module = NET,
    *,
    methods: Sequence[Method] = ("grad_cam",),
    targets: Sequence[Target] = ("top1",),
    metrics: Sequence[str] | None = None,
    protocol: str = "default",
    size: int | None = None,
    **loading: Any,
) -> list[Explanation]:
    """As `explain`, for several classes and of each by several methods, in this order; `panel` draws them.

    >>> from cambench import explain_all, panel
    >>> from cambench.datasets import scenes
    >>> found = explain_all(scenes.load(size=64)[0], "vgg16", methods=["cam", "random"], metrics=["deletion"])
    >>> [one.method for one in found if one.applies], found[0].reason
    (['random'], 'no global pooling: three fully connected layers follow the last convolution')
    >>> panel(found, colours="viridis", opacity=0.4).save("one.png")
    """
    named = [methods] if isinstance(methods, str) else methods
    asked = explaining.ask([one if isinstance(one, str) else _plugin(one) for one in named], metrics, protocol)
    ready = _net(net, protocol, loading)
    shown = as_image(image, size or ready.size or SIZE, asked.protocol.resize)
    return explaining.explain(
        shown, ready, [str(one) for one in ([targets] if isinstance(targets, str) else targets)], asked
    )


def score(
    map: NDArray[np.floating[Any]],
    image: Photo,
    net: str | nn.Module = NET,
    *,
    target: Target = "top1",
    metrics: Sequence[str] | None = None,
    protocol: str = "default",
    size: int | None = None,
    **loading: Any,
) -> dict[str, float]:
    """The scores of a map (h', w') that you have, of whatever size and range: higher is where the net is said to look.

    By metric; metrics that would ask the method itself again are left out. The rest is as `explain` has it.

    >>> import numpy as np
    >>> from cambench import score
    >>> from cambench.datasets import scenes
    >>> score(np.zeros((7, 7)), scenes.load(size=64)[0], "squeezenet1_1", metrics=["gini"])
    {'gini': 0.0}
    """
    values = np.asarray(map)
    if values.ndim != 2 or not np.isrealobj(values) or not np.isfinite(values).all():
        raise UsageError(f"a map is an array (h', w') of finite numbers, not {values.dtype} of shape {values.shape}")
    given = iter([torch.tensor(values, dtype=torch.float32)[None]])

    def yours(net: Net, images: Tensor, targets: Tensor) -> Tensor:
        own = next(given, None)
        if own is None:
            raise NotApplicable("the method itself is not at hand, only its map")
        return own

    found = explain(image, net, method=yours, target=target, metrics=metrics, protocol=protocol, size=size, **loading)
    return found.scores


def run(
    name: str = "scenes", *, out: Path | str | None = None, device: str = "auto", quiet: bool = False, **changes: Any
) -> Run:
    """Runs a suite, as `bench run` does, and gives what it left; a run that is there already is gone on with.

    `name` is a built-in suite or a TOML file, `changes` are laid over it: nets, methods, metrics, protocols (lists), dataset,
    images, seed, target, precision. Raises UsageError for what cannot be had, KeyboardInterrupt where it was stopped.

    >>> from cambench import run
    >>> few = dict(nets=["squeezenet1_1"], methods=["cam", "centre"], metrics=["gini"], images=2, precision="fp32")
    >>> done = run("scenes", dataset="scenes[size=64]", out="runs/few", quiet=True, **few)
    >>> done.summary()[["method", "metric", "n"]].values.tolist()
    [['cam', 'gini', 2], ['centre', 'gini', 2]]
    """
    asked = suite_file.load(name, **changes)
    if asked.parts:
        raise UsageError(f"the suite {name} has parts: take `bench run {name}`, and load a part of its directory")
    directory, console = Path(out or f"runs/{asked.directory()}"), Console(highlight=False, quiet=quiet)
    code = execute(asked, directory, partial(plan, device=device), console, plugins.find(ENGINE, "local"))
    if code == INTERRUPTED:
        raise KeyboardInterrupt
    return Run(directory, store.read(directory).header)


def _net(given: str | nn.Module, protocol: str, loading: Mapping[str, Any]) -> Net:
    if not isinstance(given, Net):
        return load_net(given, protocol=protocol, **loading)
    if loading:
        raise UsageError(f"{', '.join(loading)}: a net that is loaded has its own; give it to load_net")
    if layer_of(find(protocol), given.name) not in (None, given.layer):
        raise UsageError(
            f"{given.name} is loaded at {given.layer}, not where {protocol} explains it: load_net(..., protocol=)"
        )
    return given


def _plugin(function: Callable[..., Any]) -> Plugin:
    name = getattr(function, "__name__", type(function).__name__)
    return Plugin(name, name, inspect.getmodule(function) or ModuleType(name), function)
